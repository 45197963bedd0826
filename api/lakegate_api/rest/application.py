"""The FastAPI application: all routers, errors as documented, and the OpenAPI document."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import Any, cast

from anyio import CapacityLimiter
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from starlette.exceptions import HTTPException

from lakegate.access import Authenticator
from lakegate.errors import ErrorKind, InvalidInput, LakegateError, NotOffered
from lakegate.interface import Lake
from lakegate_api.errors import answer_of, error_body
from lakegate_api.rest import (
    branches,
    commits,
    imports,
    not_offered,
    objects,
    pins,
    refs,
    repositories,
    rollback,
    rows,
    server,
    tables,
    tags,
    uploads,
)
from lakegate_api.rest.body_limit import BodyLimit
from lakegate_api.rest.calls import SECURED
from lakegate_api.rest.document import finish, methods_of
from lakegate_api.rest.pages import docs_page, front_page
from lakegate_api.rest.text import Utf8Urls

_log = logging.getLogger(__name__)

# What is served beside the routes below /api/.
PAGES = frozenset({"/", "/docs", "/healthz", "/openapi.json"})

_ABOUT = """Git for a data lake: repositories, branches, tags and commits over Delta tables, Parquet datasets and files.

Every route but the health check, set-up state, log-in and log-out asks for credentials: the access key id and secret as
HTTP Basic, a bearer token from `POST /auth/login`, or the cookie that came with it. Errors carry a stable `code`, a
`message` that ends with what to do next, and `details`.
"""


@dataclass(frozen=True, slots=True)
class Served:
    """What the application serves: the lake, who may, and what `/config` says of storage."""

    lake: Lake
    access: Authenticator
    storage_config: dict[str, Any]


def create_api(served: Served) -> FastAPI:
    """Makes the application over a lake."""
    app = describe(served.lake.version())
    app.state.lake = served.lake
    app.state.access = served.access
    app.state.storage_config = served.storage_config
    app.state.uploads = CapacityLimiter(uploads.MAX_UPLOADS)
    return app


def describe(version: str) -> FastAPI:
    """Makes the application without a lake behind it: its OpenAPI document is whole."""
    app = FastAPI(
        title="lakegate",
        version=version,
        description=_ABOUT,
        license_info={"name": "Apache-2.0"},
        docs_url=None,  # FastAPI's own pages load scripts from elsewhere
        redoc_url=None,
    )
    app.add_middleware(BodyLimit)
    app.add_middleware(Utf8Urls)
    _add_pages(app)
    app.include_router(server.open_router, prefix="/api/v1")
    app.include_router(_secured(), prefix="/api/v1", dependencies=SECURED)
    app.add_exception_handler(LakegateError, _on_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_crash)
    plain = app.openapi
    document = cache(lambda: finish(plain()))
    app.openapi = document  # type: ignore[method-assign]
    return app


def _secured() -> APIRouter:
    router = APIRouter()
    for module in (
        server,
        repositories,
        branches,
        tags,
        commits,
        refs,
        objects,
        uploads,
        imports,
        tables,
        rows,
        rollback,
        pins,
        not_offered,
    ):
        router.include_router(module.router)
    return router


def _add_pages(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    async def root() -> HTMLResponse:
        return HTMLResponse(front_page())

    @app.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        return HTMLResponse(docs_page(app.openapi()))

    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> PlainTextResponse:
        return PlainTextResponse("ok\n")


async def _on_error(request: Request, error: Exception) -> Response:
    error = cast(LakegateError, error)
    status = answer_of(error.kind).status
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and error.kind is not ErrorKind.NOT_OFFERED:
        _log.error("%s %s: %s", request.method, request.url.path, error, exc_info=error)
    headers = {}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Basic realm="lakegate"'
    if error.kind is ErrorKind.INVALID_RANGE and "size" in error.details:
        headers["Content-Range"] = f"bytes */{error.details['size']}"
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers)
    return JSONResponse(error_body(error), status, headers)


async def _on_invalid(request: Request, error: Exception) -> Response:
    problems = [
        {"where": ".".join(str(part) for part in problem["loc"]), "problem": str(problem["msg"])}
        for problem in cast(RequestValidationError, error).errors()
    ]
    first = problems[0] if problems else {"where": "request", "problem": "invalid"}
    return await _on_error(
        request,
        InvalidInput(
            ErrorKind.INVALID_ARGUMENT,
            f"The request is not what the API describes: {first['where']}: {first['problem']}.",
            hint="See /docs.",
            details={"problems": problems},
        ),
    )


async def _on_http(request: Request, error: Exception) -> Response:
    error = cast(HTTPException, error)
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(methods_of(request.app.openapi(), request.url.path))
    body = error_body(
        NotOffered(
            f"The API has no {request.method} {request.url.path}.", hint="The OpenAPI document is at /openapi.json."
        )
    )
    if error.status_code not in (404, 405):
        kind = ErrorKind.INVALID_ARGUMENT if error.status_code < 500 else ErrorKind.INTERNAL
        body = error_body(InvalidInput(kind, str(error.detail), hint="See /docs."))
    return JSONResponse(body, error.status_code, headers)


async def _on_crash(request: Request, error: Exception) -> Response:
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    crash = LakegateError(
        ErrorKind.INTERNAL, "Something broke inside the server.", hint="The server's log says what; report it."
    )
    return JSONResponse(error_body(crash), 500)

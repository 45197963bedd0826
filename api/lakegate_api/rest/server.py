"""The server itself: health, set-up, log-in, the caller, configuration."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from lakegate.access import Authenticator
from lakegate.access.authenticator import TOKEN_SECONDS
from lakegate.errors import AlreadyExists, ErrorKind, NotFound
from lakegate_api.auth import SESSION_COOKIE
from lakegate_api.rest.calls import Call, Caller, Listing, errors
from lakegate_api.rest.document import OPEN
from lakegate_api.rest.models import server as models

# The core keeps the shapes that clients of this version of them know; some refuse to send what an older server lacks.
SHAPES_VERSION = "1.88.0"

open_router = APIRouter(tags=["server"])
router = APIRouter(tags=["server"])


@open_router.get("/healthcheck", operation_id="healthCheck", status_code=204, openapi_extra=OPEN)
def health_check() -> Response:
    """Says that the server answers. Needs no credentials."""
    return Response(status_code=204)


@open_router.get(
    "/setup_lakefs",
    operation_id="getSetupState",
    openapi_extra=OPEN,
    responses=errors(),
    response_model=models.SetupState,
)
def get_setup_state() -> Any:
    """The admin is made when the server starts first, so it is always set up. Needs no credentials."""
    return {
        "state": "initialized",
        "comm_prefs_missing": False,
        "login_config": {
            "RBAC": "none",
            "login_url": "/",
            "login_cookie_names": [SESSION_COOKIE],
            "logout_url": "/api/v1/auth/logout",
        },
    }


@open_router.post(
    "/auth/login",
    operation_id="login",
    openapi_extra=OPEN,
    responses=errors(),
    response_model=models.AuthenticationToken,
)
def login(request: Request, response: Response, body: models.LoginInformation) -> Any:
    """Changes an access key for a bearer token, and sets it as the session cookie of a browser."""
    access: Authenticator = request.app.state.access
    token, expires = access.issue_token(access.check_basic(body.access_key_id, body.secret_access_key))
    response.set_cookie(
        SESSION_COOKIE,
        token,
        max_age=TOKEN_SECONDS,
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return {"token": token, "token_expiration": expires}


@open_router.post("/auth/logout", operation_id="logout", status_code=204, openapi_extra=OPEN)
def logout() -> Response:
    """Takes the session cookie back. Needs no credentials. A bearer token stays good until it expires."""
    response = Response(status_code=204)
    response.delete_cookie(SESSION_COOKIE, path="/", httponly=True, samesite="strict")
    return response


@router.post("/setup_lakefs", operation_id="setup", status_code=409, responses=errors(409))
def setup(call: Call, body: models.Setup) -> Any:
    """Always refused: the admin is made when the server starts first."""
    raise AlreadyExists(ErrorKind.USER_EXISTS, "The lake is set up already.", hint="Use the admin's access key.")


@router.get("/user", operation_id="getCurrentUser", responses=errors(), response_model=models.CurrentUser)
def get_current_user(call: Call) -> Any:
    """Shows who the credentials belong to."""
    return {"user": _user(call)}


@router.get("/auth/users", operation_id="listUsers", responses=errors(), response_model=models.UserList)
def list_users(call: Call, page: Listing) -> Any:
    """Lists the one admin."""
    user = _user(call)
    found = [user] if user["id"].startswith(page.prefix) and user["id"] > page.after else []
    return {
        "pagination": {"has_more": False, "next_offset": "", "results": len(found), "max_per_page": 1000},
        "results": found,
    }


@router.get("/auth/users/{userId}", operation_id="getUser", responses=errors(404), response_model=models.User)
def get_user(call: Call, userId: str) -> Any:
    """Shows the one admin."""
    user = _user(call)
    if user["id"] != userId:
        raise NotFound(ErrorKind.USER_NOT_FOUND, f"There is no user {userId!r}.", hint="List the users.")
    return user


def _user(call: Caller) -> dict[str, Any]:
    return {"id": call.principal.name, "creation_date": 0, "friendly_name": call.principal.name}


@router.get("/config/version", operation_id="getLakeFSVersion", responses=errors(), response_model=models.VersionConfig)
def get_version(call: Call) -> Any:
    """Shows the version of lakegate that serves the lake."""
    return _version(call)


def _version(call: Caller) -> dict[str, Any]:
    return {"version": SHAPES_VERSION, "lakegate_version": call.lake.version()}


@router.get("/config", operation_id="getConfig", responses=errors(), response_model=models.Config)
def get_config(request: Request, call: Call) -> Any:
    """Shows what the server can do: it signs no URLs, and imports from where it can read."""
    return {
        "version_config": _version(call),
        "storage_config": request.app.state.storage_config,
        "ui_config": {"custom_viewers": []},
        "capabilities_config": {},
    }

"""Uploads: the bytes go to the library as they arrive."""

from __future__ import annotations

from typing import Annotated, Any

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Header, Query, Request

from lakegate.client.wire.objects import entry_to_json
from lakegate.errors import LakegateError
from lakegate_api.rest.bodies import chunks, drain, open_upload, put_request
from lakegate_api.rest.calls import Call, errors
from lakegate_api.rest.models import objects as models
from lakegate_api.rest.objects import IfMatch, IfNoneMatch, Path

router = APIRouter(prefix="/repositories/{repository}", tags=["objects"])

# Uploads wait for their clients, so they have threads of their own: slow ones must not keep other routes waiting.
MAX_UPLOADS = 64

_BINARY = {"type": "string", "format": "binary"}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/octet-stream": {"schema": _BINARY},
            "multipart/form-data": {
                "schema": {"type": "object", "required": ["content"], "properties": {"content": _BINARY}}
            },
        },
    }
}


@router.post(
    "/branches/{branch}/objects",
    operation_id="uploadObject",
    status_code=201,
    responses=errors(404, 412),
    response_model=models.ObjectStats,
    response_model_exclude_unset=True,
    openapi_extra=_BODY,
)
async def upload_object(
    request: Request,
    call: Call,
    repository: str,
    branch: str,
    path: Path,
    if_none_match: IfNoneMatch = None,
    if_match: IfMatch = None,
    content_md5: Annotated[str | None, Header(alias="Content-MD5")] = None,
    content_digest: Annotated[str | None, Header(alias="Content-Digest", description="`sha-256=:BASE64:`")] = None,
    metadata: Annotated[
        str | None,
        Header(alias="x-lakegate-metadata", description="User metadata as a JSON object; also `x-lakefs-meta-KEY`."),
    ] = None,
    headers: Annotated[
        str | None, Header(alias="x-lakegate-headers", description="Kept headers as a JSON object.")
    ] = None,
    storage_class: Annotated[str | None, Query(alias="storageClass", description="Without effect.")] = None,
    force: bool = False,
) -> Any:
    """Writes an object to a branch, durably. The body may have any content type, which the object keeps."""
    try:
        upload = await open_upload(request)
        wanted = put_request(request.headers, upload)
        limiter: CapacityLimiter = request.app.state.uploads

        def put() -> Any:
            opened = call.repository(repository)
            entry = opened.put(branch, path, chunks(upload.content), wanted)
            return entry_to_json(entry, opened.info.storage_namespace)

        return await to_thread.run_sync(put, limiter=limiter)
    except LakegateError:
        await drain(request.stream())
        raise

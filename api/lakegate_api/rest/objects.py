"""Objects: reading, listing, copying, deleting, metadata. Uploads are in `uploads`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response

from lakegate.client.wire.nouns import page_to_json
from lakegate.client.wire.objects import entry_to_json, listed_to_json
from lakegate.errors import ErrorKind, InvalidInput, PreconditionFailed
from lakegate.ids import object_path
from lakegate.model import DEFAULT_CONTENT_TYPE, DeleteFailure, Entry, PutRequest, StageRequest
from lakegate_api.errors import ANSWERS
from lakegate_api.rest.calls import Call, PathListing, errors
from lakegate_api.rest.downloads import entry_headers, not_modified, stream
from lakegate_api.rest.models import objects as models
from lakegate_api.rest.ranges import names_etag, parse_range

router = APIRouter(prefix="/repositories/{repository}", tags=["objects"])

Path = Annotated[str, Query(description="The object's path.")]
Presign = Annotated[bool, Query(description="Without effect: the server signs no URLs (see /config).")]
UserMetadata = Annotated[bool, Query(description="Answer the user's own metadata too.")]
RangeHeader = Annotated[str | None, Header(alias="Range", description="One range of bytes.")]
IfMatch = Annotated[str | None, Header(alias="If-Match")]
IfNoneMatch = Annotated[str | None, Header(alias="If-None-Match")]

_BYTES: dict[str, Any] = {DEFAULT_CONTENT_TYPE: {"schema": {"type": "string", "format": "binary"}}}
_READS: dict[int | str, dict[str, Any]] = {
    200: {"description": "The object's bytes, with its own content type", "content": _BYTES},
    206: {"description": "A range of the object's bytes", "content": _BYTES},
    304: {"description": "The object has the ETag of If-None-Match"},
}


@router.get(
    "/refs/{ref}/objects",
    operation_id="getObject",
    response_class=Response,
    responses=errors(404, 409, 410, 412, 416) | _READS,
)
def get_object(
    call: Call,
    repository: str,
    ref: str,
    path: Path,
    range: RangeHeader = None,  # noqa: A002
    if_none_match: IfNoneMatch = None,
    if_match: IfMatch = None,
    presign: Presign = False,
) -> Response:
    """Reads an object, whole or a range of it; a branch answers its uncommitted state."""
    reader = call.repository(repository).open(ref, path)
    entry = reader.entry
    _check_match(entry, if_match)
    if names_etag(if_none_match, entry.etag):
        return not_modified(entry)
    return stream(reader, parse_range(range, entry.size))


@router.head(
    "/refs/{ref}/objects",
    operation_id="headObject",
    response_class=Response,
    responses={
        status: {"description": documented["description"]} for status, documented in errors(404, 410, 412, 416).items()
    }
    | {status: {"description": documented["description"]} for status, documented in _READS.items()},
)
def head_object(
    call: Call,
    repository: str,
    ref: str,
    path: Path,
    range: RangeHeader = None,  # noqa: A002
    if_none_match: IfNoneMatch = None,
    if_match: IfMatch = None,
) -> Response:
    """Answers the headers of an object."""
    entry = call.repository(repository).stat(ref, object_path(path))
    _check_match(entry, if_match)
    if names_etag(if_none_match, entry.etag):
        return not_modified(entry)
    part = parse_range(range, entry.size)
    headers = entry_headers(entry, part)
    return Response(status_code=200 if part is None else 206, headers=headers)


def _check_match(entry: Entry, if_match: str | None) -> None:
    if if_match is not None and not names_etag(if_match, entry.etag):
        raise PreconditionFailed(
            ErrorKind.PRECONDITION_FAILED,
            f"The object {entry.path!r} has not the ETag {if_match}.",
            hint="It was written since; read it again.",
            details={"etag": entry.etag},
        )


@router.get(
    "/refs/{ref}/objects/stat",
    operation_id="statObject",
    responses=errors(404, 410),
    response_model=models.ObjectStats,
    response_model_exclude_unset=True,
)
def stat_object(
    call: Call, repository: str, ref: str, path: Path, user_metadata: UserMetadata = True, presign: Presign = False
) -> Any:
    """Shows what is known of an object; a branch answers its uncommitted state."""
    opened = call.repository(repository)
    return entry_to_json(opened.stat(ref, path), opened.info.storage_namespace, user_metadata)


@router.get(
    "/refs/{ref}/objects/ls",
    operation_id="listObjects",
    responses=errors(404),
    response_model=models.ObjectStatsList,
    response_model_exclude_unset=True,
)
def list_objects(
    call: Call,
    repository: str,
    ref: str,
    page: PathListing,
    user_metadata: UserMetadata = True,
    presign: Presign = False,
) -> Any:
    """Lists objects in the order of their paths' UTF-8 bytes; a branch answers its uncommitted state."""
    opened = call.repository(repository)
    namespace = opened.info.storage_namespace
    return page_to_json(opened.list(ref, page), lambda item: listed_to_json(item, namespace, user_metadata))


@router.get(
    "/refs/{ref}/objects/underlyingProperties",
    operation_id="getUnderlyingProperties",
    responses=errors(404),
    response_model=models.UnderlyingObjectProperties,
)
def get_underlying_properties(call: Call, repository: str, ref: str, path: Path) -> Any:
    """Storage classes are not kept: `storage_class` is null."""
    call.repository(repository).stat(ref, path)
    return {}


@router.post(
    "/branches/{branch}/objects/copy",
    operation_id="copyObject",
    status_code=201,
    responses=errors(404, 412),
    response_model=models.ObjectStats,
    response_model_exclude_unset=True,
)
def copy_object(
    call: Call,
    repository: str,
    branch: str,
    dest_path: Annotated[str, Query()],
    body: models.ObjectCopyCreation,
    if_none_match: IfNoneMatch = None,
    if_match: IfMatch = None,
) -> Any:
    """Copies an object onto a branch, from any ref of the repository, without copying bytes."""
    opened = call.repository(repository)
    entry = opened.copy(
        branch,
        dest_path,
        body.src_ref or branch,
        body.src_path,
        _copy_request(opened.stat(body.src_ref or branch, body.src_path), body, if_none_match, if_match),
    )
    return entry_to_json(entry, opened.info.storage_namespace)


def _copy_request(
    source: Entry, body: models.ObjectCopyCreation, if_none_match: str | None, if_match: str | None
) -> PutRequest | None:
    if if_none_match is not None and if_none_match.strip() != "*":
        raise InvalidInput(
            ErrorKind.INVALID_ARGUMENT, "If-None-Match of a write must be '*'.", hint="Correct the header."
        )
    if (body.content_type, body.metadata, body.headers, if_none_match, if_match) == (None,) * 5:
        return None
    return PutRequest(
        content_type=source.content_type if body.content_type is None else body.content_type,
        metadata=source.metadata if body.metadata is None else body.metadata,
        headers=source.headers if body.headers is None else body.headers,
        if_none_match=if_none_match is not None,
        if_match=None if if_match is None else if_match.strip().strip('"'),
    )


@router.put(
    "/branches/{branch}/objects",
    operation_id="stageObject",
    status_code=201,
    responses=errors(404, 412),
    response_model=models.ObjectStats,
    response_model_exclude_unset=True,
)
def stage_object(call: Call, repository: str, branch: str, path: Path, body: models.ObjectStageCreation) -> Any:
    """Makes an object outside the repository stand on a branch, without copying its bytes."""
    mtime = body.mtime_ms
    if mtime is None and body.mtime is not None:
        mtime = body.mtime * 1000
    request = StageRequest(
        url=call.storage_url(body.physical_address),
        size=body.size_bytes,
        checksum=body.checksum,
        mtime=mtime,
        content_type=body.content_type or DEFAULT_CONTENT_TYPE,
        metadata=body.metadata or {},
    )
    opened = call.repository(repository)
    return entry_to_json(opened.stage(branch, path, request), opened.info.storage_namespace)


@router.put(
    "/branches/{branch}/objects/stat/user_metadata",
    operation_id="updateObjectUserMetadata",
    status_code=201,
    responses=errors(404),
    response_model=models.ObjectStats,
    response_model_exclude_unset=True,
)
def update_object_user_metadata(
    call: Call, repository: str, branch: str, path: Path, body: models.UpdateObjectUserMetadata
) -> Any:
    """Replaces the user metadata of an object."""
    opened = call.repository(repository)
    return entry_to_json(opened.set_metadata(branch, path, body.set), opened.info.storage_namespace)


@router.delete("/branches/{branch}/objects", operation_id="deleteObject", status_code=204, responses=errors(404, 412))
def delete_object(
    call: Call, repository: str, branch: str, path: Path, force: bool = False, no_tombstone: bool = False
) -> Response:
    """Deletes an object on the branch; commits keep it."""
    call.repository(repository).delete(branch, path)
    return Response(status_code=204)


@router.post(
    "/branches/{branch}/objects/delete",
    operation_id="deleteObjects",
    responses=errors(404),
    response_model=models.ObjectErrorList,
)
def delete_objects(
    call: Call,
    repository: str,
    branch: str,
    body: models.PathList,
    force: bool = False,
    no_tombstone: bool = False,
) -> Any:
    """Deletes up to 1,000 objects on the branch; paths that hold nothing are no failure."""
    failures = call.repository(repository).delete_many(branch, body.paths)
    return {"errors": [_failure(failure) for failure in failures]}


def _failure(failure: DeleteFailure) -> dict[str, Any]:
    status = next((answer.status for kind, answer in ANSWERS.items() if kind == failure.code), 500)
    return {"status_code": status, "message": failure.message, "path": failure.path, "code": failure.code}

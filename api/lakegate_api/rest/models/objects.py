"""Objects, listings, differences of objects, imports."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import Field

from lakegate_api.rest.models.base import Answer, Ask, HeaderValue, Metadata, Milliseconds, Pagination, Seconds
from lakegate_api.rest.models.refs import Commit, CommitCreation


class PathType(StrEnum):
    COMMON_PREFIX = "common_prefix"
    OBJECT = "object"


class ObjectStats(Answer):
    path: str
    path_type: PathType
    physical_address: str
    checksum: str = Field(description="The ETag, without quotes.")
    mtime: int
    size_bytes: int | None = None
    content_type: str | None = None
    metadata: dict[str, str] | None = None
    digest: str | None = Field(None, description="`sha256:` and 64 hex digits; null for imported objects.")
    headers: dict[str, str] | None = Field(default=None, description="Kept headers and stored checksums.")
    mtime_ms: int | None = None


class ObjectStatsList(Answer):
    pagination: Pagination
    results: list[ObjectStats]


class ObjectCopyCreation(Ask):
    src_path: str
    src_ref: str | None = Field(default=None, description="The branch itself where left out.")
    force: bool = False
    shallow: bool = False
    content_type: HeaderValue | None = None
    metadata: Metadata | None = Field(default=None, description="Replaces the source's metadata where given.")
    headers: dict[str, HeaderValue] | None = None


class ObjectStageCreation(Ask):
    physical_address: str = Field(description="The object's URL, as the server sees it, outside all repositories.")
    checksum: str = Field(description="Its ETag or MD5; checked where both it and the store's ETag are an MD5.")
    size_bytes: int = Field(ge=0, le=1 << 62, description="Checked.")
    mtime: Seconds | None = None
    mtime_ms: Milliseconds | None = Field(default=None, description="The same in milliseconds; beats `mtime`.")
    metadata: Metadata | None = None
    content_type: HeaderValue | None = None
    force: bool = False


class UpdateObjectUserMetadata(Ask):
    set: Metadata


class PathList(Ask):
    paths: list[str] = Field(max_length=1000)


class ObjectError(Answer):
    status_code: int
    message: str
    path: str
    code: str


class ObjectErrorList(Answer):
    errors: list[ObjectError]


class UnderlyingObjectProperties(Answer):
    storage_class: str | None = None


class DiffType(StrEnum):
    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    CONFLICT = "conflict"
    PREFIX_CHANGED = "prefix_changed"


class DiffObjectStat(Answer):
    checksum: str
    mtime: int
    content_type: str
    metadata: dict[str, str]


class Diff(Answer):
    type: DiffType
    path: str
    path_type: PathType
    size_bytes: int | None = None
    right: DiffObjectStat | None = None
    left_stats: ObjectStats | None = Field(default=None, description="Where `include_stats` was asked for.")
    right_stats: ObjectStats | None = Field(default=None, description="Where `include_stats` was asked for.")


class DiffList(Answer):
    pagination: Pagination
    results: list[Diff]


class DiffKind(StrEnum):
    TWO_DOT = "two_dot"
    THREE_DOT = "three_dot"


class ImportLocation(Ask):
    type: PathType
    path: str = Field(description="`s3://bucket/prefix`, `file:///dir` or an absolute path, as the server sees it.")
    destination: str


class ImportCreation(Ask):
    paths: list[ImportLocation] = Field(min_length=1, max_length=1000)
    commit: CommitCreation
    force: bool = False
    dry_run: bool = False
    replace: bool = Field(default=False, description="Mirror the sources: remove what they have not.")


class ImportCreationResponse(Answer):
    id: str


class ImportFailure(Answer):
    message: str
    code: str


class ImportStatus(Answer):
    completed: bool
    update_time: str = Field(json_schema_extra={"format": "date-time"})
    ingested_objects: int
    metarange_id: str | None = None
    commit: Commit | None = None
    error: ImportFailure | None = None


class Job(Answer):
    """One long operation in the background. `done` and `total` count objects; `total` is null while unknown."""

    id: str
    kind: str
    state: str
    done: int
    total: int | None
    creation_date_ms: int
    update_time_ms: int
    result: dict[str, Any]
    error_code: str | None
    error_message: str | None
    error_hint: str


class JobStarted(Answer):
    """Look after it at `/jobs/{id}`; DELETE asks it to stop."""

    id: str


class JobList(Answer):
    results: list[Job]


class ExportCreation(Ask):
    destination: str = Field(description="A URL of an object store, as the server sees it: `s3://bucket/prefix`.")
    prefix: str = ""
    overwrite: bool = False
    dry_run: bool = False

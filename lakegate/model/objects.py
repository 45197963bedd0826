"""Objects: their entries, what changes them, and multipart uploads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from lakegate.ids import BranchName, UploadId

DEFAULT_CONTENT_TYPE = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Entry:
    """One object of a tree or of a staging area.

    address       physical address: a key relative to the storage namespace (`data/..`), or an absolute URL
                  (`s3://..`, `file:///..`) of an imported object, which lakegate never deletes
    etag          without quotes; MD5 of the bytes for a plain upload, `<hex>-<parts>` for a multipart one
    digest        `sha256:<64 hex>` over all bytes; None where lakegate never saw them (imported objects)
    mtime         milliseconds since the epoch
    metadata      the user's own (`x-amz-meta-*`), keys lower-case
    headers       kept headers, keys lower-case: content-encoding, cache-control, content-disposition,
                  content-language, expires, and stored checksums as `x-amz-checksum-<algorithm>`
    """

    path: str
    address: str
    size: int
    etag: str
    mtime: int
    digest: str | None = None
    content_type: str = DEFAULT_CONTENT_TYPE
    metadata: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def same_bytes(self, other: Entry) -> bool:
        """Tells whether both name the same bytes: by digest, or by size and ETag where one is unknown."""
        if self.digest is not None and other.digest is not None:
            return self.digest == other.digest
        return self.size == other.size and self.etag == other.etag

    def same_content(self, other: Entry) -> bool:
        """Tells whether a reader could see no difference: same bytes by digest (by ETag where one is unknown), same
        content type, user metadata and kept headers. Address and modification time do not count."""
        if self.address == other.address and self.etag == other.etag:
            same_bytes = True
        elif self.digest is not None and other.digest is not None:
            same_bytes = self.digest == other.digest
        else:
            same_bytes = self.etag == other.etag
        return (
            same_bytes
            and self.size == other.size
            and self.content_type == other.content_type
            and dict(self.metadata) == dict(other.metadata)
            and dict(self.headers) == dict(other.headers)
        )


@dataclass(frozen=True, slots=True)
class CommonPrefix:
    """A folder in a listing with a delimiter; `path` ends with the delimiter."""

    path: str


class ChangeKind(StrEnum):
    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    PREFIX_CHANGED = "prefix_changed"


@dataclass(frozen=True, slots=True)
class ObjectChange:
    """One difference between two trees, seen from `left` to `right`: added has no left, removed no right.

    PREFIX_CHANGED (in listings with a delimiter) has neither, and `path` ends with the delimiter.
    """

    path: str
    kind: ChangeKind
    left: Entry | None = None
    right: Entry | None = None


@dataclass(frozen=True, slots=True)
class Upload:
    """One open multipart upload."""

    id: UploadId
    branch: BranchName
    path: str
    created: int
    content_type: str = DEFAULT_CONTENT_TYPE
    metadata: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Part:
    number: int
    address: str
    size: int
    etag: str
    created: int
    checksums: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PutRequest:
    """What goes with the bytes of one object.

    if_none_match   True: only where the path holds nothing (`If-None-Match: *`)
    if_match        only where the path holds an object with this ETag
    size            declared length, checked: a shorter or longer body is refused
    content_md5     hex, checked
    sha256          hex, checked
    """

    content_type: str = DEFAULT_CONTENT_TYPE
    metadata: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    if_none_match: bool = False
    if_match: str | None = None
    size: int | None = None
    content_md5: str | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class StageRequest:
    """An object that lies outside the repository, at `url`, and is to stand on a branch without being copied.

    size      checked
    checksum  its ETag or MD5; checked where both it and the store's ETag are an MD5 (hex)
    mtime     milliseconds; None: the store's
    """

    url: str
    size: int
    checksum: str = ""
    mtime: int | None = None
    content_type: str = DEFAULT_CONTENT_TYPE
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeleteFailure:
    path: str
    code: str
    message: str

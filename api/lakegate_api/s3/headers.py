"""Headers that stand beside an object's bytes: those that are kept, the user's own, and what is answered of them."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

from lakegate.ids import CommitId
from lakegate.model import DEFAULT_CONTENT_TYPE, Entry
from lakegate_api.s3 import checksums
from lakegate_api.s3.failures import S3Refusal, not_offered

METADATA = "x-amz-meta-"
COMMIT = "x-lakegate-commit"
VERSION = "x-amz-version-id"

_KEPT = ("content-encoding", "cache-control", "content-disposition", "content-language", "expires")
_MAX_METADATA_BYTES = 2048
_OVERRIDES = {
    "response-content-type": "content-type",
    "response-content-language": "content-language",
    "response-expires": "expires",
    "response-cache-control": "cache-control",
    "response-content-disposition": "content-disposition",
    "response-content-encoding": "content-encoding",
}
# Asked for and ignored, these would be a broken promise.
_REFUSED = {
    "x-amz-tagging": "Tagging of objects",
    "x-amz-website-redirect-location": "Redirects of objects",
    "x-amz-write-offset-bytes": "Appending to objects",
}
_REFUSED_PREFIXES = {
    "x-amz-server-side-encryption": "Encryption by the client's wish",
    "x-amz-copy-source-server-side-encryption": "Encryption by the client's wish",
    "x-amz-object-lock-": "Object lock",
    "x-amz-grant-": "Access control lists",
}
_PRIVATE_ACLS = frozenset({"private", "bucket-owner-full-control", "bucket-owner-read", "aws-exec-read"})


def refuse_unbuilt(headers: Mapping[str, str]) -> None:
    """Refuses a write that asks for what is not built. Raises S3Refusal(NotImplemented)."""
    for name in headers:
        if not name.startswith("x-amz-"):
            continue
        what = _REFUSED.get(name)
        if what is None:
            what = next((text for prefix, text in _REFUSED_PREFIXES.items() if name.startswith(prefix)), None)
        if what is not None:
            raise not_offered(what, f"Leave out the header {name}.")
    acl = headers.get("x-amz-acl", "private")
    if acl not in _PRIVATE_ACLS:
        raise not_offered(f"The access control list {acl[:40]!r}", "Access is decided by lakegate's own rules.")


def kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Returns the headers that are kept with an object. `aws-chunked` is a framing, and not kept."""
    found = {name: headers[name] for name in _KEPT if headers.get(name)}
    encoding = found.pop("content-encoding", "")
    names = [name.strip() for name in encoding.split(",")]
    rest = ", ".join(name for name in names if name and name.lower() != "aws-chunked")
    return found | ({"content-encoding": rest} if rest else {})


def metadata_of(headers: Mapping[str, str]) -> dict[str, str]:
    """Returns the user's own metadata. Raises S3Refusal(MetadataTooLarge)."""
    found: dict[str, str] = {}
    size = 0
    for name, value in headers.items():
        if name.startswith(METADATA):
            key = name[len(METADATA) :]
            size += len(key) + len(value)
            found[key] = _text(value)
    if size > _MAX_METADATA_BYTES:
        raise S3Refusal(
            "MetadataTooLarge",
            f"The metadata has {size} bytes; {_MAX_METADATA_BYTES} are allowed.",
            "Keep more in an object of its own.",
        )
    return found


def content_type_of(headers: Mapping[str, str]) -> str:
    """Returns the content type of a write; S3's own default counts as none."""
    given = headers.get("content-type", "")
    return DEFAULT_CONTENT_TYPE if given in ("", "binary/octet-stream") else _text(given)


def object_headers(entry: Entry, commit: CommitId | None, part: tuple[int, int] | None) -> dict[str, str]:
    """Returns the headers of an object, or of the part (start, length) of it. `commit`: the one that holds it, None
    for an uncommitted object.

    What users store must not run as a page of this server: browsers are told not to sniff, and to sandbox it.
    """
    start, length = part or (0, entry.size)
    headers = {
        "content-type": entry.content_type or DEFAULT_CONTENT_TYPE,
        "content-length": str(length),
        "etag": f'"{entry.etag}"',
        "last-modified": http_time(entry.mtime),
        "accept-ranges": "bytes",
        "x-content-type-options": "nosniff",
        "content-security-policy": "default-src 'none'; sandbox",
    }
    if part is not None:
        headers["content-range"] = f"bytes {start}-{start + length - 1}/{entry.size}"
    if commit is not None:
        headers[VERSION] = commit
    for name, value in entry.headers.items():
        if not name.startswith(checksums.PREFIX):
            headers[name] = value
    for name, value in entry.metadata.items():
        headers[METADATA + name] = value
    return headers


def checksum_headers(entry: Entry) -> dict[str, str]:
    """Returns the stored checksum of an object with its kind."""
    found = {name: value for name, value in entry.headers.items() if name.startswith(checksums.PREFIX)}
    if found:
        composite = any("-" in value for value in found.values())
        found[f"{checksums.PREFIX}type"] = "COMPOSITE" if composite else "FULL_OBJECT"
    return found


def override(headers: dict[str, str], query: Mapping[str, str], status: int) -> None:
    """Puts what `response-*` parameters ask for in place of an object's own headers."""
    if status in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
        for name, header in _OVERRIDES.items():
            if query.get(name):
                headers[header] = query[name]


def http_time(milliseconds: int) -> str:
    """Writes a time as HTTP headers have it."""
    return _http_time(milliseconds // 1000)


@lru_cache(4096)
def _http_time(seconds: int) -> str:
    return formatdate(seconds, usegmt=True)


def _text(value: str) -> str:
    """Reads a header's bytes as UTF-8 where they are that."""
    if value.isascii():
        return value
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value

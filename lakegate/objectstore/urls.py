"""The grammar of storage URLs.

    file:///dir        an absolute local path may stand for it
    s3://bucket/prefix, gs://bucket/prefix, az://container/prefix
    memory:///name     gone with the process; for tests and trials

What follows the scheme is taken as it is: nothing in it is percent-decoded, so that every key can be written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lakegate.errors import ErrorKind, InvalidInput

CLOUD_SCHEMES = frozenset({"s3", "gs", "az"})
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")


@dataclass(frozen=True, slots=True)
class StorageUrl:
    """A checked storage URL: `bucket` is "" for file and memory, `path` has no '/' at either end."""

    scheme: str
    bucket: str
    path: str

    def __str__(self) -> str:
        if self.scheme in CLOUD_SCHEMES:
            return f"{self.scheme}://{self.bucket}/{self.path}".rstrip("/")
        return f"{self.scheme}:///{self.path}"


def parse(url: str, *, kind: ErrorKind = ErrorKind.INVALID_NAMESPACE) -> StorageUrl:
    """Checks a storage URL or absolute local path; raises InvalidInput(`kind`)."""
    text = "file://" + url if url.startswith("/") else url
    found = _SCHEME.fullmatch(text)
    if not found:
        raise _invalid(url, "is neither a URL nor an absolute path", kind)
    scheme, rest = found.group(1).lower(), found.group(2)
    if scheme in ("file", "memory"):
        if not rest.startswith("/") and rest:
            raise _invalid(url, f"has the host {rest.partition('/')[0]!r}; three '/' follow '{scheme}:'", kind)
        bucket, path = "", rest.removeprefix("/")
    elif scheme in CLOUD_SCHEMES:
        bucket, _, path = rest.partition("/")
        if not _BUCKET.fullmatch(bucket):
            raise _invalid(url, f"has no valid bucket name ({bucket!r})", kind)
    else:
        raise _invalid(url, f"has the scheme {scheme!r}, which lakegate does not know", kind)
    path = path.removesuffix("/")
    segments = path.split("/") if path else []
    if any(segment in ("", ".", "..") for segment in segments):
        raise _invalid(url, "has an empty, '.' or '..' segment", kind)
    if any(ord(c) < 32 or ord(c) == 127 for c in path):
        raise _invalid(url, "holds a control character", kind)
    return StorageUrl(scheme, bucket, path)


def _invalid(url: str, why: str, kind: ErrorKind) -> InvalidInput:
    return InvalidInput(
        kind,
        f"The storage URL {url!r} {why}.",
        hint="Use s3://bucket/prefix, gs://bucket/prefix, az://container/prefix, file:///dir or an absolute path.",
    )

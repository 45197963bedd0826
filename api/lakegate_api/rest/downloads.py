"""Answers that carry an object's bytes."""

from __future__ import annotations

from email.utils import formatdate
from itertools import chain

from fastapi import Response
from starlette.responses import StreamingResponse

from lakegate.interface import ObjectReader
from lakegate.model import DEFAULT_CONTENT_TYPE, Entry

_CHUNK_BYTES = 1 << 20
_REPLAYED = frozenset({"content-encoding", "cache-control", "content-disposition", "content-language", "expires"})


def entry_headers(entry: Entry, part: tuple[int, int] | None) -> dict[str, str]:
    """The headers of an object, or of the part (start, length) of it.

    What users store must not run as a page of this server: browsers are told not to sniff, and to sandbox it.
    """
    start, length = part or (0, entry.size)
    headers = {key: _safe(value) for key, value in entry.headers.items() if key in _REPLAYED}
    headers |= {
        "content-type": _safe(entry.content_type) or DEFAULT_CONTENT_TYPE,
        "content-length": str(length),
        "etag": f'"{_safe(entry.etag)}"',
        "last-modified": formatdate(entry.mtime // 1000, usegmt=True),
        "accept-ranges": "bytes",
        "x-content-type-options": "nosniff",
        "content-security-policy": "default-src 'none'; sandbox",
    }
    if part is not None:
        headers["content-range"] = f"bytes {start}-{start + length - 1}/{entry.size}"
    return headers


def stream(reader: ObjectReader, part: tuple[int, int] | None) -> Response:
    """Answers an object's bytes piece by piece; memory does not grow with the object.

    The first piece is read before the answer begins, so that bytes that can't be read are an error with its status.
    """
    start, length = part or (0, reader.entry.size)
    pieces = reader.chunks(start, length, _CHUNK_BYTES)
    first = next(pieces, b"")
    return StreamingResponse(
        chain((first,), pieces),
        status_code=200 if part is None else 206,
        headers=entry_headers(reader.entry, part),
    )


def not_modified(entry: Entry) -> Response:
    """Answers 304: the asker has these bytes."""
    return Response(status_code=304, headers={"etag": f'"{_safe(entry.etag)}"'})


def _safe(value: str) -> str:
    return "".join(c if " " <= c <= "~" else "?" for c in value)

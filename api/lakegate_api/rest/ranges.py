"""HTTP ranges and conditions of reads (RFC 9110, sections 13 and 14)."""

from __future__ import annotations

import re

from lakegate.errors import ErrorKind, InvalidInput

_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})")


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Reads a Range header as (start, length) within an object of `size` bytes; None asks for all of it.

    A header that is no single byte range is ignored, as the RFC allows. Raises InvalidInput(INVALID_RANGE) for one
    that holds no byte of the object.
    """
    match = _RANGE.fullmatch(header.replace(" ", "")) if header else None
    if match is None:
        return None
    first, last = match.groups()
    if first:
        start = int(first)
        end = min(int(last), size - 1) if last else size - 1
        if last and int(last) < start:
            return None
    elif last:
        start, end = max(0, size - int(last)), size - 1
    else:
        return None
    if start > end:
        raise InvalidInput(
            ErrorKind.INVALID_RANGE,
            f"The range {header!r} holds no byte of an object of {size} bytes.",
            hint="Ask for a range within the object.",
            details={"size": size},
        )
    return start, end - start + 1


def names_etag(header: str | None, etag: str) -> bool:
    """Tells whether a condition header (`If-Match`, `If-None-Match`) names the ETag, or any (`*`)."""
    if header is None:
        return False
    names = [name.strip().removeprefix("W/").strip('"') for name in header.split(",")]
    return "*" in names or etag in names

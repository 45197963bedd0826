"""Conditions of reads and writes (RFC 9110, section 13; S3 API reference, "Conditional requests")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from email.utils import parsedate_to_datetime

from lakegate.errors import ErrorKind, PreconditionFailed
from lakegate.model import Entry, PutRequest
from lakegate_api.rest.ranges import names_etag
from lakegate_api.s3.failures import not_offered


def is_not_modified(entry: Entry, headers: Mapping[str, str]) -> bool:
    """Decides the conditions of a read: True for 304. Raises PreconditionFailed."""
    match = headers.get("if-match")
    if match is not None:
        if not names_etag(match, entry.etag):
            raise _failed(entry, f"the ETag {match}")
    else:
        since = _time(headers.get("if-unmodified-since"))
        if since is not None and entry.mtime // 1000 > since:
            raise _failed(entry, "the time of If-Unmodified-Since")
    none_match = headers.get("if-none-match")
    if none_match is not None:
        return names_etag(none_match, entry.etag)
    since = _time(headers.get("if-modified-since"))
    return since is not None and entry.mtime // 1000 <= since


def check_copy_source(entry: Entry, headers: Mapping[str, str]) -> None:
    """Decides the conditions on the source of a copy, where both outcomes of a read's refuse. Raises
    PreconditionFailed."""
    prefix = "x-amz-copy-source-"
    wanted = {name[len(prefix) :]: value for name, value in headers.items() if name.startswith(prefix)}
    if is_not_modified(entry, wanted):
        raise _failed(entry, "what the copy asked of its source")


def write_conditions(headers: Mapping[str, str], request: PutRequest) -> PutRequest:
    """Adds the conditions of a write. Raises S3Refusal(NotImplemented) for others than S3 has."""
    none_match, match = headers.get("if-none-match"), headers.get("if-match")
    if none_match is not None:
        if none_match.strip() != "*":
            raise not_offered("If-None-Match of a write with an ETag", "Send If-None-Match: *, or If-Match.")
        request = replace(request, if_none_match=True)
    if match is not None:
        if match.strip() == "*":
            raise not_offered("If-Match: * of a write", "Send the ETag of the object that is to be replaced.")
        request = replace(request, if_match=match.strip().removeprefix("W/").strip('"'))
    return request


def _failed(entry: Entry, what: str) -> PreconditionFailed:
    return PreconditionFailed(
        ErrorKind.PRECONDITION_FAILED,
        f"The object {entry.path!r} does not meet {what}.",
        hint="It was written since; read it again.",
        details={"etag": entry.etag},
    )


def _time(header: str | None) -> float | None:
    """Reads a date; one that is none is ignored, as the RFC says."""
    if not header:
        return None
    try:
        return parsedate_to_datetime(header).timestamp()
    except ValueError:
        return None

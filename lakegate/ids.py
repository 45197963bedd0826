"""Typed ids and the rules of names and paths. A value of one of these types has been checked."""

from __future__ import annotations

import re
import unicodedata
import uuid
from typing import NewType

from lakegate.errors import ErrorKind, InvalidInput

RepositoryName = NewType("RepositoryName", str)
RepositoryId = NewType("RepositoryId", str)
BranchName = NewType("BranchName", str)
TagName = NewType("TagName", str)
CommitId = NewType("CommitId", str)
ManifestId = NewType("ManifestId", str)
NodeId = NewType("NodeId", str)
StagingToken = NewType("StagingToken", str)
WriteId = NewType("WriteId", str)
UploadId = NewType("UploadId", str)
JobId = NewType("JobId", str)
HoldId = NewType("HoldId", str)

MAX_PATH_BYTES = 1024
MAX_REF_NAME_BYTES = 255

_REPOSITORY = re.compile(r"[a-z0-9][a-z0-9-]{2,62}")
_REF_NAME = re.compile(r"\w[-\w.]*")
_HEX64 = re.compile(r"[0-9a-f]{64}")
# Names a repository can't have, because the server gives them another meaning as the first part of a URL path.
_RESERVED_REPOSITORIES = frozenset({"api", "healthz", "metrics", "docs"})


LIVE = "_live/"  # over S3, below it a ref shows each table's live files alone: see `lakegate.tables.live`

_LAST = chr(0x10FFFF)
_SURROGATES = range(0xD800, 0xE000)


def new_id() -> str:
    """Returns a fresh random id, 32 hex digits."""
    return uuid.uuid4().hex


def is_full_id(text: str) -> bool:
    """Tells whether `text` has the form of a full content id: 64 lower-case hex digits."""
    return _HEX64.fullmatch(text) is not None


def repository_name(text: str) -> RepositoryName:
    """Checks a repository name; raises InvalidInput(INVALID_NAME)."""
    if not _REPOSITORY.fullmatch(text):
        raise InvalidInput(
            ErrorKind.INVALID_NAME,
            f"{text!r} can't be a repository name.",
            hint="Use 3 to 63 lower-case letters, digits and hyphens, a letter or digit first.",
        )
    if text in _RESERVED_REPOSITORIES:
        raise InvalidInput(
            ErrorKind.INVALID_NAME, f"The repository name {text!r} is reserved by the server.", hint="Choose another."
        )
    return RepositoryName(text)


def branch_name(text: str) -> BranchName:
    """Checks a branch name; raises InvalidInput(INVALID_NAME)."""
    return BranchName(_ref_name(text, "branch"))


def tag_name(text: str) -> TagName:
    """Checks a tag name; raises InvalidInput(INVALID_NAME)."""
    return TagName(_ref_name(text, "tag"))


def _ref_name(text: str, what: str) -> str:
    valid = (
        _REF_NAME.fullmatch(text) is not None
        and len(text.encode("utf-8", "replace")) <= MAX_REF_NAME_BYTES
        and not is_full_id(text)
    )
    if not valid:
        raise InvalidInput(
            ErrorKind.INVALID_NAME,
            f"{text!r} can't be a {what} name.",
            hint="Use letters, digits, '_', '-' and '.', no '/', a letter, digit or '_' first, "
            "at most 255 bytes, and not 64 hex digits.",
        )
    return text


def require_unicode(text: str, what: str) -> None:
    """Raises InvalidInput(INVALID_ARGUMENT) for text with a lone surrogate, which no UTF-8 has; `what` names it."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidInput(
            ErrorKind.INVALID_ARGUMENT, f"{what} is not valid Unicode.", hint="Send text without lone surrogates."
        ) from None


def object_path(text: str) -> str:
    """Checks the path of an object inside a repository and returns it unchanged; raises InvalidInput(INVALID_PATH).

    A path is 1 to 1,024 bytes of UTF-8, without a leading '/', without empty, '.' or '..' segments (one trailing '/'
    is allowed: S3 clients mark folders so), and without control characters, lone surrogates or NUL.
    """
    why = _path_fault(text)
    if why:
        shown = text if len(text) <= 80 else text[:77] + "..."
        raise InvalidInput(
            ErrorKind.INVALID_PATH,
            f"The path {shown!r} {why}.",
            hint="Paths are 1 to 1,024 bytes of UTF-8, without a leading '/', empty, '.' or '..' segments "
            "or control characters.",
        )
    return text


def writable_path(text: str) -> str:
    """Checks the path of an object that is to be written, as `object_path` does. Below `_live/` nothing is: over S3 it
    could not be read, and no table could hold it."""
    if text.startswith(LIVE):
        raise InvalidInput(
            ErrorKind.INVALID_PATH,
            f"The path {text[:80]!r} lies below {LIVE}, where the live view of tables is.",
            hint="Choose another folder; a table is written at its own path.",
        )
    return object_path(text)


def prefix_end(prefix: str) -> str | None:
    """Returns the least text greater than all that start with `prefix`, in the order of UTF-8 bytes; None: there is
    none."""
    stem = prefix.rstrip(_LAST)
    if not stem:
        return None
    code = ord(stem[-1]) + 1
    if code in _SURROGATES:
        code = _SURROGATES.stop
    return stem[:-1] + chr(code)


def _path_fault(text: str) -> str:
    if not text:
        return "is empty"
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError:
        return "is not valid Unicode"
    if size > MAX_PATH_BYTES:
        return f"is {size} bytes long, more than {MAX_PATH_BYTES}"
    if text.startswith("/"):
        return "starts with '/'"
    if not text.isprintable() and any(unicodedata.category(c) == "Cc" for c in text):
        return "holds a control character"
    segments = text.split("/")
    if segments[-1] == "":
        segments.pop()
    for segment in segments:
        if segment in ("", ".", ".."):
            return f"holds the segment {segment!r}"
    return ""

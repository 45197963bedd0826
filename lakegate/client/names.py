"""Checks names before they go into a URL, where an empty one or a '/' would name something else."""

from __future__ import annotations

from lakegate import revision
from lakegate.errors import ErrorKind, NotFound


def ref(text: str) -> str:
    """Checks a ref expression. Raises InvalidInput(INVALID_REF)."""
    revision.parse(text)
    return text


def branch(text: str) -> str:
    """Checks the name of a branch that should be there. Raises NotFound(BRANCH_NOT_FOUND)."""
    return _existing(text, ErrorKind.BRANCH_NOT_FOUND, "branch")


def tag(text: str) -> str:
    """Checks the name of a tag that should be there. Raises NotFound(TAG_NOT_FOUND)."""
    return _existing(text, ErrorKind.TAG_NOT_FOUND, "tag")


def job(text: str) -> str:
    """Checks the id of a job that should be there. Raises NotFound(JOB_NOT_FOUND)."""
    return _existing(text, ErrorKind.JOB_NOT_FOUND, "job")


def hold(text: str) -> str:
    """Checks the id of a hold that should be there. Raises NotFound(HOLD_NOT_FOUND)."""
    return _existing(text, ErrorKind.HOLD_NOT_FOUND, "hold")


def table(text: str) -> str:
    """Checks the path of a table that should be there. Raises NotFound(TABLE_NOT_FOUND)."""
    if not text.strip("/"):
        raise NotFound(ErrorKind.TABLE_NOT_FOUND, f"There is no table {text!r}.", hint="List the tables.")
    return text


def _existing(text: str, kind: ErrorKind, what: str) -> str:
    if not text or "/" in text:
        raise NotFound(kind, f"There is no {what} {text!r}.", hint=f"List what there is: no {what} can have that name.")
    return text

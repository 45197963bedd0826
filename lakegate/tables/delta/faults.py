"""What can be wrong with a Delta log, as errors."""

from __future__ import annotations

import re
from urllib.parse import unquote

from lakegate.errors import ErrorKind, PreconditionFailed, Refused
from lakegate.log_paths import LOG

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
LOG_HINT = (
    "Check the table with the client that wrote it, and write the missing or right files of its log; to keep the "
    "folder as plain files, list it under `ignore` in .lakegate/tables.yaml."
)


class Violation(Exception):
    """One broken rule, before it is known whose fault it is. `stale`: the log moved on under the writer, who may
    read it again and retry; else nobody may ever commit this."""

    def __init__(self, why: str, *, stale: bool = False, version: int | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.stale = stale
        self.version = version


class ForbiddenPath(Violation):
    """Says that a log names a file outside its table: some clients would read the server's own files by it."""


def log_invalid(table: str, why: str, *, version: int | None = None, hint: str = LOG_HINT) -> Refused:
    """Makes the error for a log that is no valid Delta log."""
    where = f", version {version}," if version is not None else ""
    return Refused(
        ErrorKind.DELTA_LOG_INVALID,
        f"The Delta log of the table {table!r}{where} is not valid: {why}.",
        hint=hint,
        details=_details(table, version),
    )


def path_forbidden(table: str, why: str, *, version: int | None = None) -> Refused:
    """Makes the error for a log that names files outside its table."""
    where = f", version {version}," if version is not None else ""
    return Refused(
        ErrorKind.DELTA_PATH_FORBIDDEN,
        f"The Delta log of the table {table!r}{where} names a file that it must not: {why}.",
        hint="Only paths relative to the table's folder and inside it work in every client; copy shallow clones whole.",
        details=_details(table, version),
    )


def feature_unknown(table: str, why: str, *, hint: str) -> Refused:
    """Makes the error for a table that needs a feature of the Delta protocol that lakegate does not know."""
    return Refused(
        ErrorKind.DELTA_FEATURE_UNKNOWN, f"The Delta table {table!r} {why}.", hint=hint, details={"table": table}
    )


def version_taken(table: str, version: int, why: str) -> PreconditionFailed:
    """Makes the error for a commit that lost the race for its version."""
    return PreconditionFailed(
        ErrorKind.DELTA_VERSION_TAKEN,
        f"Version {version} of the Delta table {table!r} can't be committed: {why}.",
        hint="Read the table again and commit the next version; Delta writers do so by themselves.",
        details=_details(table, version),
    )


def stale_remove(table: str, version: int, why: str) -> PreconditionFailed:
    """Makes the error for a commit that was made from a state of the table that is no longer the newest."""
    return PreconditionFailed(
        ErrorKind.DELTA_STALE_REMOVE,
        f"Version {version} of the Delta table {table!r} was made from an old state of it: {why}.",
        hint="Read the table again and repeat the operation.",
        details=_details(table, version),
    )


def as_error(table: str, violation: Violation, version: int | None = None) -> Refused:
    """The error for a violation in a log that is there already: nobody can retry it."""
    version = violation.version if violation.version is not None else version
    if isinstance(violation, ForbiddenPath):
        return path_forbidden(table, violation.why, version=version)
    return log_invalid(table, violation.why, version=version)


def table_path_of(raw: str) -> str:
    """Decodes the path of an action, exactly once, to a path relative to the table's folder.

    Raises ForbiddenPath where it is absolute, has a scheme, or leaves the folder (Delta protocol, Add File and Remove
    File, allows absolute ones; clients disagree on them, and some read local files of the machine that they run on).
    """
    try:
        path = unquote(raw, errors="strict")
    except UnicodeDecodeError:
        raise ForbiddenPath(f"{raw!r} is not percent-encoded UTF-8") from None
    if not path:
        raise ForbiddenPath("an empty path")
    if _SCHEME.match(raw) or "://" in path:
        raise ForbiddenPath(f"{raw!r} has a scheme")
    if path.startswith(("/", "\\")):
        raise ForbiddenPath(f"{raw!r} is absolute")
    if _CONTROL.search(path):
        raise ForbiddenPath(f"{raw!r} holds a control character")
    segments = path.replace("\\", "/").split("/")
    if any(segment in ("", ".", "..") for segment in segments):
        raise ForbiddenPath(f"{raw!r} has an empty, '.' or '..' segment")
    if segments[0] == LOG:
        raise ForbiddenPath(f"{raw!r} lies in the log itself")
    return path


def _details(table: str, version: int | None) -> dict[str, str | int]:
    return {"table": table} if version is None else {"table": table, "version": version}

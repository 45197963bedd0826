"""From what obstore raises to lakegate's errors. obstore tells many causes apart by their text only."""

from __future__ import annotations

import re

from lakegate.errors import ErrorKind, LakegateError, Unavailable
from lakegate.objectstore import failures

_STATUS = re.compile(r"non-2xx status code: (\d{3})")
_S3_CODE = re.compile(r"<Code>([A-Za-z0-9]+)</Code>")
_NO_BUCKET = frozenset({"NoSuchBucket", "ContainerNotFound"})


def status_of(error: BaseException) -> int | None:
    """Returns the HTTP status that an error of obstore tells of; None where there was no answer."""
    found = _STATUS.search(str(error))
    return int(found.group(1)) if found else None


def is_conflict(error: Exception) -> bool:
    """Tells whether a conditional put was answered "undecided, try again" (S3: 409 ConditionalRequestConflict)."""
    return status_of(error) == 409 and "BlobAlreadyExists" not in str(error)


def is_no_bucket(error: Exception) -> bool:
    """Tells whether the bucket itself is not there."""
    found = _S3_CODE.search(str(error))
    return found is not None and found.group(1) in _NO_BUCKET


def is_bad_range(error: Exception) -> bool:
    """Tells whether a range lies outside the object."""
    return status_of(error) == 416 or ("start" in str(error) and "range" in str(error).lower())


def is_transient(error: LakegateError) -> bool:
    """Tells whether a later try can go well, so that the outcome of this one is unknown."""
    return error.kind is ErrorKind.STORE_UNAVAILABLE and not error.details.get("final", False)


def from_store_error(error: Exception, url: str, key: str, action: str) -> LakegateError:
    """Maps what obstore raised while it did `action` ("read", "write", "list", "delete")."""
    from obstore.exceptions import InvalidPathError, PermissionDeniedError, UnauthenticatedError

    status = status_of(error)
    reason = _reason(error)
    details: dict[str, object] = {"store": url, "key": key, "status": status}
    if isinstance(error, InvalidPathError | ValueError):
        return failures.invalid_key(key, f"meets a name that object stores can't address: {reason}")
    if isinstance(error, PermissionDeniedError | UnauthenticatedError) or status in (401, 403):
        return Unavailable(
            ErrorKind.STORE_DENIED,
            f"The store {url} denied to {action} {key!r}: {reason}",
            hint="Check the storage credentials in lakegate's settings and the bucket's policy.",
            details=details,
        )
    if is_no_bucket(error) or isinstance(error, FileNotFoundError):
        return Unavailable(
            ErrorKind.STORE_UNAVAILABLE,
            f"The bucket of {url} is not there: {reason}",
            hint="Create the bucket, or check the endpoint in lakegate's settings.",
            details={**details, "final": True, "bucket_missing": True},
        )
    if status == 507 or "QuotaExceeded" in str(error):
        return Unavailable(
            ErrorKind.STORE_FULL,
            f"The store {url} is full: it could not {action} {key!r}: {reason}",
            hint="Nothing was changed. Free some space or raise the quota and try again.",
            details=details,
        )
    final = status is not None and 400 <= status < 500 and status not in (408, 409, 429)
    return Unavailable(
        ErrorKind.STORE_UNAVAILABLE,
        f"The store {url} failed to {action} {key!r}: {reason}",
        hint="Check that the store can be reached from here (endpoint, network, credentials) and try again.",
        details={**details, "final": True} if final else details,
    )


def _reason(error: Exception) -> str:
    """The first line of an error, without obstore's dump of its own types."""
    text = str(error).split("\n\nDebug source:", 1)[0]
    code = _S3_CODE.search(text)
    message = re.search(r"<Message>([^<]*)</Message>", text)
    if code:
        return f"{code.group(1)}{': ' + message.group(1) if message else ''}"
    return " ".join(text.split())[:300]

"""Rebuilds the errors of a server as the exceptions that an embedded lake raises."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, cast

from lakegate.client.wire.outcomes import conflict_from_json
from lakegate.errors import (
    AccessDenied,
    AlreadyExists,
    Corrupt,
    ErrorKind,
    InvalidInput,
    LakegateError,
    MergeConflict,
    NotFound,
    NotOffered,
    OutcomeUnknown,
    PreconditionFailed,
    Refused,
    Unavailable,
)

K = ErrorKind

_KINDS: tuple[tuple[type[LakegateError], tuple[ErrorKind, ...]], ...] = (
    (
        NotFound,
        (
            K.REPOSITORY_NOT_FOUND,
            K.REF_NOT_FOUND,
            K.BRANCH_NOT_FOUND,
            K.TAG_NOT_FOUND,
            K.COMMIT_NOT_FOUND,
            K.OBJECT_NOT_FOUND,
            K.TABLE_NOT_FOUND,
            K.UPLOAD_NOT_FOUND,
            K.JOB_NOT_FOUND,
            K.HOLD_NOT_FOUND,
            K.USER_NOT_FOUND,
            K.PIN_NOT_FOUND,
            K.LAKE_NOT_FOUND,
            K.OBJECT_GONE,
        ),
    ),
    (
        AlreadyExists,
        (
            K.REPOSITORY_EXISTS,
            K.BRANCH_EXISTS,
            K.TAG_EXISTS,
            K.NAMESPACE_IN_USE,
            K.USER_EXISTS,
            K.ADDRESS_EXISTS,
        ),
    ),
    (
        InvalidInput,
        (
            K.INVALID_NAME,
            K.INVALID_REF,
            K.INVALID_PATH,
            K.INVALID_NAMESPACE,
            K.INVALID_ARGUMENT,
            K.INVALID_RANGE,
            K.INVALID_CONFIG,
            K.INVALID_PIN_FILE,
            K.AMBIGUOUS_REF,
            K.INCOMPLETE_BODY,
            K.CHECKSUM_MISMATCH,
            K.INVALID_PART,
            K.ENTITY_TOO_LARGE,
            K.KEY_NOT_FOUND,
        ),
    ),
    (
        Refused,
        (
            K.INVALID_TABLE,
            K.OBJECT_CHANGED,
            K.NOTHING_TO_COMMIT,
            K.NOTHING_TO_MERGE,
            K.NOTHING_TO_ROLL_BACK,
            K.DIRTY_BRANCH,
            K.DEFAULT_BRANCH,
            K.READ_ONLY_REF,
            K.REPOSITORY_NOT_EMPTY,
            K.DESTINATION_NOT_EMPTY,
            K.NO_MERGE_BASE,
            K.BRANCH_MOVED,
            K.FORMAT_TOO_NEW,
            K.SCHEMA_TOO_NEW,
            K.JOB_NOT_RUNNING,
            K.CANCELLED,
            K.PIN_GONE,
            K.PIN_MOVED,
            K.PIN_FROZEN,
            K.DELTA_LOG_INVALID,
            K.DELTA_PATH_FORBIDDEN,
            K.DELTA_FEATURE_UNKNOWN,
            K.DELTA_APPEND_ONLY,
            K.DELTA_FILE_MISSING,
            K.DELTA_FILE_CHANGED,
            K.TOO_MANY_UPDATES,
            K.KEY_NULL,
            K.KEY_NOT_UNIQUE,
            K.ROWS_INCOMPATIBLE,
        ),
    ),
    (
        PreconditionFailed,
        (K.PRECONDITION_FAILED, K.NOT_MODIFIED, K.DELTA_VERSION_TAKEN, K.DELTA_STALE_REMOVE),
    ),
    (
        AccessDenied,
        (
            K.UNAUTHENTICATED,
            K.INVALID_ACCESS_KEY,
            K.SIGNATURE_MISMATCH,
            K.CLOCK_SKEW,
            K.REQUEST_EXPIRED,
            K.ACCESS_DENIED,
        ),
    ),
    (
        Unavailable,
        (
            K.STORE_UNAVAILABLE,
            K.STORE_FULL,
            K.STORE_DENIED,
            K.DATABASE_UNAVAILABLE,
            K.DATABASE_LOCKED,
            K.SERVER_UNAVAILABLE,
            K.ENGINE_EXHAUSTED,
        ),
    ),
    (LakegateError, (K.INTERNAL,)),
)

CLASSES: Mapping[ErrorKind, type[LakegateError]] = MappingProxyType(
    {kind: error for error, kinds in _KINDS for kind in kinds}
)
# Raised by classes of their own, which fix the kind.
FIXED: Mapping[ErrorKind, type[NotOffered] | type[Corrupt] | type[OutcomeUnknown]] = MappingProxyType(
    {K.NOT_OFFERED: NotOffered, K.CORRUPT: Corrupt, K.OUTCOME_UNKNOWN: OutcomeUnknown}
)


def error_of(status: int, body: bytes) -> LakegateError:
    """The exception for an error answer. An answer that is not lakegate's own (a proxy's page) is SERVER_UNAVAILABLE,
    a code that this version does not know is INTERNAL."""
    try:
        parsed: Any = json.loads(body)
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict) or "code" not in parsed:
        return _foreign(status)
    return _rebuild(cast("dict[str, Any]", parsed))


def _rebuild(body: dict[str, Any]) -> LakegateError:
    hint = str(body.get("hint") or "")
    message = str(body.get("message") or "").removesuffix(hint).rstrip()
    details = cast("dict[str, Any]", body.get("details") or {})
    kind = next((kind for kind in ErrorKind if kind == body["code"]), None)
    if kind is ErrorKind.MERGE_CONFLICT:
        conflicts = tuple(conflict_from_json(conflict) for conflict in body.get("conflicts", []))
        return MergeConflict(message, conflicts, hint=hint)
    if kind is None:
        details = {**details, "code": body["code"]}
        return LakegateError(ErrorKind.INTERNAL, message, hint=hint or "Use a newer client.", details=details)
    if kind in FIXED:
        return FIXED[kind](message, hint=hint, details=details)
    return CLASSES[kind](kind, message, hint=hint, details=details)


def error_of_code(code: str, message: str, hint: str) -> LakegateError:
    """The exception for what a failed job keeps: its code, and its message that ends with its hint."""
    return _rebuild({"code": code, "message": message, "hint": hint})


def _foreign(status: int) -> LakegateError:
    return Unavailable(
        ErrorKind.SERVER_UNAVAILABLE,
        f"The server answered {status} in a form that is not lakegate's.",
        hint="Check the URL, and any proxy before the server.",
    )

"""ONE table from error code to what is answered: the HTTP status of REST and the error code and status of S3."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from lakegate.client.wire.outcomes import conflict_to_json
from lakegate.errors import ErrorKind, LakegateError, MergeConflict

K = ErrorKind


@dataclass(frozen=True, slots=True)
class Answer:
    """How one kind of error is answered.

    status     the HTTP status of REST
    s3_code    the `Code` of the S3 error document
    s3_status  the HTTP status of S3, where S3's own clients await another than REST's
    """

    status: int
    s3_code: str
    s3_status: int | None = None

    @property
    def status_of_s3(self) -> int:
        return self.status if self.s3_status is None else self.s3_status


ANSWERS: Mapping[ErrorKind, Answer] = MappingProxyType(
    {
        # what is not there
        K.REPOSITORY_NOT_FOUND: Answer(404, "NoSuchBucket"),
        K.REF_NOT_FOUND: Answer(404, "NoSuchKey"),
        K.BRANCH_NOT_FOUND: Answer(404, "NoSuchKey"),
        K.TAG_NOT_FOUND: Answer(404, "NoSuchKey"),
        K.COMMIT_NOT_FOUND: Answer(404, "NoSuchKey"),
        K.OBJECT_NOT_FOUND: Answer(404, "NoSuchKey"),
        K.TABLE_NOT_FOUND: Answer(404, "NoSuchKey"),
        K.UPLOAD_NOT_FOUND: Answer(404, "NoSuchUpload"),
        K.JOB_NOT_FOUND: Answer(404, "NoSuchKey"),
        K.HOLD_NOT_FOUND: Answer(404, "NoSuchKey"),
        K.USER_NOT_FOUND: Answer(404, "NoSuchKey"),
        K.PIN_NOT_FOUND: Answer(404, "NoSuchKey"),
        K.LAKE_NOT_FOUND: Answer(404, "NoSuchBucket"),
        K.OBJECT_GONE: Answer(410, "InvalidObjectState", 409),  # of 404 clients make "not there", and write it anew
        K.OBJECT_CHANGED: Answer(409, "InvalidObjectState"),
        # what is taken
        K.REPOSITORY_EXISTS: Answer(409, "BucketAlreadyOwnedByYou"),
        K.BRANCH_EXISTS: Answer(409, "OperationAborted"),
        K.TAG_EXISTS: Answer(409, "OperationAborted"),
        K.NAMESPACE_IN_USE: Answer(409, "OperationAborted"),
        K.USER_EXISTS: Answer(409, "OperationAborted"),
        K.ADDRESS_EXISTS: Answer(409, "OperationAborted"),
        # what breaks a rule
        K.INVALID_NAME: Answer(400, "InvalidBucketName"),
        K.INVALID_REF: Answer(400, "InvalidArgument"),
        K.INVALID_PATH: Answer(400, "InvalidArgument"),
        K.INVALID_NAMESPACE: Answer(400, "InvalidArgument"),
        K.INVALID_ARGUMENT: Answer(400, "InvalidArgument"),
        K.INVALID_RANGE: Answer(416, "InvalidRange"),
        K.INVALID_TABLE: Answer(400, "InvalidRequest"),
        K.INVALID_CONFIG: Answer(400, "InvalidRequest"),
        K.INVALID_PIN_FILE: Answer(400, "InvalidRequest"),
        K.AMBIGUOUS_REF: Answer(400, "InvalidArgument"),
        K.INCOMPLETE_BODY: Answer(400, "IncompleteBody"),
        K.CHECKSUM_MISMATCH: Answer(400, "BadDigest"),
        K.INVALID_PART: Answer(400, "InvalidPart"),
        K.ENTITY_TOO_LARGE: Answer(413, "EntityTooLarge", 400),
        # what the state forbids
        K.NOTHING_TO_COMMIT: Answer(400, "InvalidRequest"),
        K.NOTHING_TO_MERGE: Answer(400, "InvalidRequest"),
        K.NOTHING_TO_ROLL_BACK: Answer(400, "InvalidRequest"),
        K.DIRTY_BRANCH: Answer(400, "InvalidRequest"),
        K.DEFAULT_BRANCH: Answer(403, "AccessDenied"),
        K.READ_ONLY_REF: Answer(403, "MethodNotAllowed", 405),
        K.REPOSITORY_NOT_EMPTY: Answer(409, "BucketNotEmpty"),
        K.DESTINATION_NOT_EMPTY: Answer(409, "OperationAborted"),
        K.NO_MERGE_BASE: Answer(400, "InvalidRequest"),
        K.BRANCH_MOVED: Answer(409, "OperationAborted"),
        K.FORMAT_TOO_NEW: Answer(501, "NotImplemented"),
        K.SCHEMA_TOO_NEW: Answer(501, "NotImplemented"),
        K.JOB_NOT_RUNNING: Answer(409, "OperationAborted"),
        K.CANCELLED: Answer(409, "OperationAborted"),
        K.PIN_GONE: Answer(410, "NoSuchKey", 404),
        K.PIN_MOVED: Answer(409, "OperationAborted"),
        K.PIN_FROZEN: Answer(409, "OperationAborted"),
        # conditions
        K.PRECONDITION_FAILED: Answer(412, "PreconditionFailed"),
        K.NOT_MODIFIED: Answer(304, "NotModified"),
        # Delta commits: 412 makes a client read again and retry, 403 shows it why; 409 refuses a rollback
        K.DELTA_VERSION_TAKEN: Answer(412, "PreconditionFailed"),
        K.DELTA_STALE_REMOVE: Answer(412, "PreconditionFailed"),
        K.DELTA_LOG_INVALID: Answer(403, "AccessDenied"),
        K.DELTA_PATH_FORBIDDEN: Answer(403, "AccessDenied"),
        K.DELTA_FEATURE_UNKNOWN: Answer(403, "AccessDenied"),
        K.DELTA_APPEND_ONLY: Answer(409, "OperationAborted"),
        K.DELTA_FILE_MISSING: Answer(409, "OperationAborted"),
        K.DELTA_FILE_CHANGED: Answer(409, "OperationAborted"),
        # merges
        K.MERGE_CONFLICT: Answer(409, "OperationAborted"),
        # rows of tables
        K.KEY_NOT_FOUND: Answer(400, "InvalidArgument"),
        K.KEY_NULL: Answer(409, "OperationAborted"),
        K.KEY_NOT_UNIQUE: Answer(409, "OperationAborted"),
        K.ROWS_INCOMPATIBLE: Answer(409, "OperationAborted"),
        K.ENGINE_EXHAUSTED: Answer(507, "InsufficientStorage"),
        # access
        K.UNAUTHENTICATED: Answer(401, "AccessDenied", 403),
        K.INVALID_ACCESS_KEY: Answer(401, "InvalidAccessKeyId", 403),
        K.SIGNATURE_MISMATCH: Answer(401, "SignatureDoesNotMatch", 403),
        K.CLOCK_SKEW: Answer(403, "RequestTimeTooSkewed"),
        K.REQUEST_EXPIRED: Answer(403, "AccessDenied"),
        K.ACCESS_DENIED: Answer(403, "AccessDenied"),
        # what is not built
        K.NOT_OFFERED: Answer(501, "NotImplemented"),
        # what went wrong below: 503 and SlowDown are tried again by clients, 500 and 507 say that a person is needed
        K.CORRUPT: Answer(500, "InternalError"),
        K.STORE_UNAVAILABLE: Answer(503, "ServiceUnavailable"),
        K.STORE_FULL: Answer(507, "InsufficientStorage"),
        K.STORE_DENIED: Answer(403, "AccessDenied"),
        K.DATABASE_UNAVAILABLE: Answer(503, "ServiceUnavailable"),
        K.DATABASE_LOCKED: Answer(503, "SlowDown"),
        K.SERVER_UNAVAILABLE: Answer(503, "ServiceUnavailable"),
        K.OUTCOME_UNKNOWN: Answer(500, "InternalError"),
        K.TOO_MANY_UPDATES: Answer(429, "SlowDown", 503),
        K.INTERNAL: Answer(500, "InternalError"),
    }
)


def answer_of(kind: ErrorKind) -> Answer:
    """How an error of this kind is answered."""
    return ANSWERS[kind]


def error_body(error: LakegateError) -> dict[str, Any]:
    """The body of a REST error: `message` with the next step in it, `code`, `hint` alone, and `details`.

    A merge conflict also lists its `conflicts`, and keeps the `reference` that clients of a merge look for.
    """
    body: dict[str, Any] = {
        "message": str(error),
        "code": error.kind.value,
        "hint": error.hint,
        "details": error.details,
    }
    if isinstance(error, MergeConflict):
        body["reference"] = ""
        body["conflicts"] = [conflict_to_json(conflict) for conflict in error.conflicts]
    return body

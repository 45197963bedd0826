"""The exception tree and the stable error codes.

    LakegateError
      NotFound              a repository, ref, path, table, upload, job that is not there
      AlreadyExists         a name or address that is taken
      InvalidInput          the request breaks a rule of names, paths, values
      Refused               the request is understood, and its state forbids it (dirty branch, nothing to commit, ...)
      PreconditionFailed    a conditional write whose condition does not hold
      MergeConflict         a merge, revert or cherry-pick that can't go on; carries the typed conflicts
      AccessDenied          who asks is unknown, or may not
      NotOffered            understood, and not built
      Corrupt               stored data that is not what its name promises
      Unavailable           a store or database that does not answer, is locked, or is full
      OutcomeUnknown        a write whose reply was lost and could not be read back

Every error says what happened, why, and what to do next. `kind` is the stable code: kinds are only ever added.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lakegate.model import Conflict


class ErrorKind(StrEnum):
    """Stable error codes, as they stand in REST bodies (`code`). Append only: a code is never renamed or reused."""

    # what is not there
    REPOSITORY_NOT_FOUND = "repository_not_found"
    REF_NOT_FOUND = "ref_not_found"
    BRANCH_NOT_FOUND = "branch_not_found"
    TAG_NOT_FOUND = "tag_not_found"
    COMMIT_NOT_FOUND = "commit_not_found"
    OBJECT_NOT_FOUND = "object_not_found"
    TABLE_NOT_FOUND = "table_not_found"
    UPLOAD_NOT_FOUND = "upload_not_found"
    JOB_NOT_FOUND = "job_not_found"
    HOLD_NOT_FOUND = "hold_not_found"
    USER_NOT_FOUND = "user_not_found"
    PIN_NOT_FOUND = "pin_not_found"
    LAKE_NOT_FOUND = "lake_not_found"
    OBJECT_GONE = "object_gone"
    OBJECT_CHANGED = "object_changed"
    # what is taken
    REPOSITORY_EXISTS = "repository_exists"
    BRANCH_EXISTS = "branch_exists"
    TAG_EXISTS = "tag_exists"
    NAMESPACE_IN_USE = "namespace_in_use"
    USER_EXISTS = "user_exists"
    ADDRESS_EXISTS = "address_exists"
    # what breaks a rule
    INVALID_NAME = "invalid_name"
    INVALID_REF = "invalid_ref"
    INVALID_PATH = "invalid_path"
    INVALID_NAMESPACE = "invalid_namespace"
    INVALID_ARGUMENT = "invalid_argument"
    INVALID_RANGE = "invalid_range"
    INVALID_TABLE = "invalid_table"
    INVALID_CONFIG = "invalid_config"
    INVALID_PIN_FILE = "invalid_pin_file"
    AMBIGUOUS_REF = "ambiguous_ref"
    INCOMPLETE_BODY = "incomplete_body"
    CHECKSUM_MISMATCH = "checksum_mismatch"
    INVALID_PART = "invalid_part"
    ENTITY_TOO_LARGE = "entity_too_large"
    # what the state forbids
    NOTHING_TO_COMMIT = "nothing_to_commit"
    NOTHING_TO_MERGE = "nothing_to_merge"
    NOTHING_TO_ROLL_BACK = "nothing_to_roll_back"
    DIRTY_BRANCH = "dirty_branch"
    DEFAULT_BRANCH = "default_branch"
    READ_ONLY_REF = "read_only_ref"
    REPOSITORY_NOT_EMPTY = "repository_not_empty"
    DESTINATION_NOT_EMPTY = "destination_not_empty"
    NO_MERGE_BASE = "no_merge_base"
    BRANCH_MOVED = "branch_moved"
    FORMAT_TOO_NEW = "format_too_new"
    SCHEMA_TOO_NEW = "schema_too_new"
    JOB_NOT_RUNNING = "job_not_running"
    CANCELLED = "cancelled"
    PIN_GONE = "pin_gone"
    PIN_MOVED = "pin_moved"
    PIN_FROZEN = "pin_frozen"
    # conditions
    PRECONDITION_FAILED = "precondition_failed"
    NOT_MODIFIED = "not_modified"
    # Delta commits
    DELTA_VERSION_TAKEN = "delta_version_taken"
    DELTA_STALE_REMOVE = "delta_stale_remove"
    DELTA_LOG_INVALID = "delta_log_invalid"
    DELTA_PATH_FORBIDDEN = "delta_path_forbidden"
    DELTA_FEATURE_UNKNOWN = "delta_feature_unknown"
    DELTA_APPEND_ONLY = "delta_append_only"
    DELTA_FILE_MISSING = "delta_file_missing"
    DELTA_FILE_CHANGED = "delta_file_changed"
    # merges
    MERGE_CONFLICT = "merge_conflict"
    # rows of tables
    KEY_NOT_FOUND = "key_not_found"
    KEY_NULL = "key_null"
    KEY_NOT_UNIQUE = "key_not_unique"
    ROWS_INCOMPATIBLE = "rows_incompatible"
    ENGINE_EXHAUSTED = "engine_exhausted"
    # access
    UNAUTHENTICATED = "unauthenticated"
    INVALID_ACCESS_KEY = "invalid_access_key"
    SIGNATURE_MISMATCH = "signature_mismatch"
    CLOCK_SKEW = "clock_skew"
    REQUEST_EXPIRED = "request_expired"
    ACCESS_DENIED = "access_denied"
    # what is not built
    NOT_OFFERED = "not_offered"
    # what went wrong below
    CORRUPT = "corrupt"
    STORE_UNAVAILABLE = "store_unavailable"
    STORE_FULL = "store_full"
    STORE_DENIED = "store_denied"
    DATABASE_UNAVAILABLE = "database_unavailable"
    DATABASE_LOCKED = "database_locked"
    SERVER_UNAVAILABLE = "server_unavailable"
    OUTCOME_UNKNOWN = "outcome_unknown"
    TOO_MANY_UPDATES = "too_many_updates"
    INTERNAL = "internal"


class LakegateError(Exception):
    """Says what happened and why (`message`), what to do next (`hint`), by a stable code (`kind`).

    `details` holds JSON-ready values for programs (never secrets).
    """

    def __init__(
        self, kind: ErrorKind, message: str, *, hint: str = "", details: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.hint = hint
        self.details: dict[str, Any] = dict(details or {})

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions are pickled by calling their class with `args`, which can't work with keywords: a worker process
        # that raised this would look as if it had crashed.
        return _unpickled, (type(self), self.message, self.__dict__)


def _unpickled(cls: type[LakegateError], message: str, state: Mapping[str, Any]) -> LakegateError:
    error = cls.__new__(cls, message)
    error.__dict__.update(state)
    return error


class NotFound(LakegateError):
    """Says that a named thing is not there."""


class AlreadyExists(LakegateError):
    """Says that a name or address is taken."""


class InvalidInput(LakegateError):
    """Says that a request breaks a rule of names, paths or values."""


class Refused(LakegateError):
    """Says that the present state forbids the request; nothing was changed."""


class PreconditionFailed(LakegateError):
    """Says that the condition of a conditional request does not hold; nothing was changed."""


class MergeConflict(LakegateError):
    """Says that a merge, revert or cherry-pick can't go on, and lists every conflict; nothing was changed."""

    def __init__(self, message: str, conflicts: tuple[Conflict, ...], *, hint: str = "") -> None:
        super().__init__(ErrorKind.MERGE_CONFLICT, message, hint=hint)
        self.conflicts = conflicts


class AccessDenied(LakegateError):
    """Says that who asks is unknown, or may not do this."""


class NotOffered(LakegateError):
    """Says that a request was understood and is not built."""

    def __init__(self, message: str, *, hint: str = "", details: Mapping[str, Any] | None = None) -> None:
        super().__init__(ErrorKind.NOT_OFFERED, message, hint=hint, details=details)


class Corrupt(LakegateError):
    """Says that stored data is not what its name promises."""

    def __init__(self, message: str, *, hint: str = "", details: Mapping[str, Any] | None = None) -> None:
        super().__init__(ErrorKind.CORRUPT, message, hint=hint, details=details)


class Unavailable(LakegateError):
    """Says that a store, database or server does not answer, is locked, or is full."""


class OutcomeUnknown(LakegateError):
    """Says that a write may or may not have happened, and reading it back gave no answer."""

    def __init__(self, message: str, *, hint: str = "", details: Mapping[str, Any] | None = None) -> None:
        super().__init__(ErrorKind.OUTCOME_UNKNOWN, message, hint=hint, details=details)

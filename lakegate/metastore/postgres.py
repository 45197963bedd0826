"""PostgreSQL, reached through psycopg 3: many servers on one database."""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Connection, Dialect, create_engine, event, func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry

from lakegate.errors import ErrorKind, InvalidInput, LakegateError, NotFound, Unavailable
from lakegate.ids import BranchName, RepositoryId
from lakegate.metastore.prepared import Prepared

_CONNECT_SECONDS = 10

# SQLSTATE, PostgreSQL's Appendix A.
_LOCK_NOT_AVAILABLE = "55P03"
_DISK_FULL = "53100"
_FOREIGN_KEY_VIOLATION = "23503"
_UNDEFINED_TABLE = "42P01"
_CONFLICTS = ("40001", "40P01")  # serialization failure, deadlock
_TEXTS = ("22021", "22P05")  # text that the database's encoding does not hold


class PostgresBackend:
    """Locks are advisory ones, by name, held until the transaction ends. Row locks would do for two parties, but
    PostgreSQL lets later FOR SHARE locks overtake a waiting FOR UPDATE: under steady writes no commit would ever get
    its turn. Advisory locks are granted in order."""

    def __init__(self, url: URL, *, busy_seconds: float) -> None:
        self._shown = url.render_as_string(hide_password=True)
        self._busy_seconds = busy_seconds
        self._engine = create_engine(
            url,
            isolation_level="READ COMMITTED",  # each statement after a lock sees what its last holder committed
            pool_size=10,
            max_overflow=20,
            pool_timeout=busy_seconds,
            pool_use_lifo=True,
            connect_args={"connect_timeout": _CONNECT_SECONDS, "application_name": "lakegate"},
        )
        self._queries = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        event.listen(self._engine, "connect", self._connected)

    @property
    def dialect(self) -> Dialect:
        return self._engine.dialect

    @property
    def shown(self) -> str:
        return self._shown

    def close(self) -> None:
        self._engine.dispose()

    def query(self, prepared: Prepared, values: dict[str, Any]) -> list[Any]:
        with self._queries.connect() as connection:
            rows = connection.exec_driver_sql(prepared.text, prepared.arguments(values))
            return prepared.records(rows.fetchall())

    @contextmanager
    def writing(self) -> Generator[Connection, None, None]:
        with self._engine.connect() as connection:
            yield connection

    def lock_schema(self, tx: Connection) -> None:
        tx.execute(select(func.pg_advisory_xact_lock(_key("schema"))))

    def lock_namespaces(self, tx: Connection) -> None:
        tx.execute(select(func.pg_advisory_xact_lock(_key("namespaces"))))

    def lock_repository(self, tx: Connection, repo: RepositoryId, *, exclusive: bool) -> None:
        lock = func.pg_advisory_xact_lock if exclusive else func.pg_advisory_xact_lock_shared
        tx.execute(select(lock(_key("repository", repo))))

    def lock_branch(self, tx: Connection, repo: RepositoryId, name: BranchName, *, exclusive: bool) -> None:
        lock = func.pg_advisory_xact_lock if exclusive else func.pg_advisory_xact_lock_shared
        tx.execute(
            select(func.pg_advisory_xact_lock_shared(_key("repository", repo)), lock(_key("branch", repo, name)))
        )

    def translated(self, error: Exception) -> LakegateError | None:
        cause = error.orig if isinstance(error, DBAPIError) else error
        state = getattr(cause, "sqlstate", None)
        if isinstance(cause, UnicodeEncodeError) or state in _TEXTS or "NUL (0x00)" in str(cause):
            return InvalidInput(
                ErrorKind.INVALID_ARGUMENT,
                "A text holds a NUL or a lone surrogate.",
                hint="Send text that is valid Unicode, without NUL.",
            )
        if not isinstance(error, DBAPIError | PoolTimeout):
            return None
        if state == _LOCK_NOT_AVAILABLE or state in _CONFLICTS:
            return Unavailable(
                ErrorKind.DATABASE_LOCKED,
                f"The database {self._shown} was locked by others for over {self._busy_seconds:g} seconds; "
                "nothing was changed.",
                hint="Try again; where it lasts, look at pg_stat_activity for a session that holds a lock.",
            )
        if state == _DISK_FULL:
            return Unavailable(
                ErrorKind.STORE_FULL,
                f"The disk of the database {self._shown} is full; nothing was changed.",
                hint="Free some space, then try again.",
            )
        if state == _FOREIGN_KEY_VIOLATION:
            return NotFound(
                ErrorKind.REPOSITORY_NOT_FOUND,
                "The repository was deleted meanwhile.",
                hint="`lakegate repo list` lists them.",
            )
        said = " ".join(str(cause).split())
        return Unavailable(
            ErrorKind.DATABASE_UNAVAILABLE,
            f"The database {self._shown} does not answer as it should: {said}.",
            hint="Check that it runs, that it can be reached, and that its user may write.",
        )

    def is_missing_table(self, error: BaseException | None) -> bool:
        return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) == _UNDEFINED_TABLE

    def may_retry(self, error: Exception) -> bool:
        # A connection that broke before COMMIT was sent took its transaction with it.
        return isinstance(error, DBAPIError) and (
            error.connection_invalidated or getattr(error.orig, "sqlstate", None) in _CONFLICTS
        )

    def outcome_unknown(self, error: Exception) -> bool:
        return isinstance(error, DBAPIError) and error.connection_invalidated

    def _connected(self, connection: Any, _entry: ConnectionPoolEntry) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, false)", (f"{self._busy_seconds * 1000:.0f}",))
            # An acknowledged write is durable, whatever the server's default.
            cursor.execute(
                "SELECT set_config('synchronous_commit', 'on', false) "
                "WHERE current_setting('synchronous_commit') = 'off'"
            )
        connection.commit()


def _key(*names: str) -> int:
    digest = hashlib.blake2b("\0".join(("lakegate", *names)).encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)

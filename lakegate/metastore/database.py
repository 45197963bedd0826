"""One database: its queries and its transactions, with failures in lakegate's words."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy import Connection, Select, Table, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from lakegate.errors import ErrorKind, InvalidInput, LakegateError, NotFound, OutcomeUnknown, Refused, Unavailable
from lakegate.metastore.backend import Backend
from lakegate.metastore.prepared import prepare
from lakegate.metastore.schema import HEAD, alembic_version, lake

BUSY_SECONDS = 10.0

_TRIES = 8

P = ParamSpec("P")
T = TypeVar("T")

_OPENING = select(lake.c.lake_id, alembic_version.c.version_num)


def now() -> int:
    """Returns the time in milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


class Database:
    """Runs queries (`rows`) and write transactions (`write`)."""

    def __init__(self, url: str, *, create: bool, busy_seconds: float, durable: bool) -> None:
        """Opens the database, and brings an older schema up to date. Raises NotFound(LAKE_NOT_FOUND) where there is
        none and `create` does not ask for one, Refused(SCHEMA_TOO_NEW), InvalidInput(INVALID_CONFIG), Unavailable."""
        self.backend = _backend(url, create, busy_seconds, durable)
        try:
            self.lake_id = self._open(create)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self.backend.close()

    def rows(self, query: Select[*tuple[Any, ...]], **values: Any) -> list[Any]:
        """Runs a query and returns its rows. The query object is compiled once: keep it, and name what varies by
        `bindparam`."""
        prepared = prepare(query, self.backend.dialect)
        for attempt in range(_TRIES):
            try:
                return self.backend.query(prepared, values)
            except LakegateError:
                raise
            except Exception as error:
                if attempt < _TRIES - 1 and self.backend.may_retry(error):
                    continue
                raise self._said(error) from error
        raise AssertionError("unreachable")

    def row(self, query: Select[*tuple[Any, ...]], **values: Any) -> Any | None:
        """Runs a query and returns its first row."""
        found = self.rows(query, **values)
        return found[0] if found else None

    def write(self, work: Callable[[Connection], T]) -> T:
        """Runs `work` in a write transaction: durable when this returns, undone where `work` raises, or rolls back
        itself. Where others undid it (deadlock, broken connection) it runs again."""
        for attempt in range(_TRIES):
            try:
                return self._try(work)
            except LakegateError:
                raise
            except Exception as error:
                if attempt < _TRIES - 1 and self.backend.may_retry(error):
                    time.sleep(random.uniform(0, 0.01 * 2**attempt))
                    continue
                raise self._said(error) from error
        raise AssertionError("unreachable")

    def write_surely(self, work: Callable[[Connection], T | None], find: Callable[[Connection], T | None]) -> T | None:
        """Runs `work` as `write` does. Where the reply to its COMMIT was lost, `find` reads back what it made; None is
        that nothing was made, and `work` runs again. `find` first takes a lock that `work` held, so as to come after
        it. Raises OutcomeUnknown where that can't be told either."""
        lost: OutcomeUnknown | None = None
        for _ in range(_TRIES):
            try:
                found = None if lost is None else self.write(find)
                return self.write(work) if found is None else found
            except OutcomeUnknown as error:
                lost = error
            except Unavailable as error:
                if lost is None:
                    raise
                raise lost from error
        assert lost is not None
        raise lost

    def insert(self, table: Table) -> Any:
        """Returns an INSERT into `table` that knows ON CONFLICT."""
        return insert_into(self.backend.dialect.name, table)

    def _try(self, work: Callable[[Connection], T]) -> T:
        with self.backend.writing() as tx:
            tx.begin()
            try:
                done = work(tx)
            except BaseException:
                tx.rollback()
                raise
            if tx.in_transaction():
                try:
                    tx.commit()
                except Exception as error:
                    if self.backend.outcome_unknown(error):
                        raise OutcomeUnknown(
                            f"The connection to the database {self.backend.shown} broke during a commit: "
                            "the write may or may not have happened.",
                            hint="Look whether it did before you try again.",
                        ) from error
                    raise
            return done

    def _said(self, error: Exception) -> Exception:
        return self.backend.translated(error) or error

    def _open(self, create: bool) -> str:
        found = self._version()
        if found is None and not create:
            raise NotFound(
                ErrorKind.LAKE_NOT_FOUND,
                f"The database {self.backend.shown} holds no lake.",
                hint="Create the lake first, or correct the database's URL.",
            )
        if found is None or found[1] < HEAD:
            self.write(self._upgrade)
            found = self._version()
        assert found is not None
        lake_id, version = found
        if version > HEAD:
            raise Refused(
                ErrorKind.SCHEMA_TOO_NEW,
                f"The database {self.backend.shown} has schema {version}; this lakegate knows schema {HEAD}.",
                hint="Use the lakegate that wrote it, or a newer one.",
            )
        return lake_id

    def _version(self) -> tuple[str, str] | None:
        try:
            row = self.row(_OPENING)
        except LakegateError as error:
            if self.backend.is_missing_table(error.__cause__):
                return None
            raise
        return None if row is None else (row.lake_id, row.version_num)

    def _upgrade(self, tx: Connection) -> None:
        from lakegate.metastore.create import create, is_empty

        self.backend.lock_schema(tx)
        if is_empty(tx):
            create(tx)
            return
        from lakegate.metastore.migrate import upgrade

        upgrade(tx)


def insert_into(dialect: str, table: Table) -> Any:
    """Returns a dialect's INSERT, which knows ON CONFLICT; the other dialect is not imported."""
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table)
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(table)


class HasDatabase(Protocol):
    """A part of the metastore."""

    @property
    def db(self) -> Database: ...


S = TypeVar("S", bound=HasDatabase)


def writes(method: Callable[Concatenate[S, Connection, P], T]) -> Callable[Concatenate[S, P], T]:
    """Makes a method of one that takes a write transaction: see `Database.write`."""

    @wraps(method)
    def run(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.db.write(lambda tx: method(self, tx, *args, **kwargs))

    return run


def _backend(url: str, create: bool, busy_seconds: float, durable: bool) -> Backend:
    try:
        parsed = make_url(url)
        kind = parsed.get_backend_name()
        if kind == "sqlite":
            from lakegate.metastore.sqlite import SqliteBackend

            return SqliteBackend(
                parsed.set(drivername="sqlite"), create=create, busy_seconds=busy_seconds, durable=durable
            )
        if kind in ("postgresql", "postgres"):
            return _postgres(parsed, busy_seconds)
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        raise InvalidInput(
            ErrorKind.INVALID_CONFIG,
            f"The database URL can't be read: {error}",
            hint="Use sqlite:///FILE or postgresql+psycopg://USER@HOST/NAME.",
        ) from error
    raise InvalidInput(
        ErrorKind.INVALID_CONFIG,
        f"lakegate can't use a database of the kind {kind!r}.",
        hint="Use sqlite:///FILE or postgresql+psycopg://USER@HOST/NAME.",
    )


def _postgres(url: URL, busy_seconds: float) -> Backend:
    try:
        from lakegate.metastore.postgres import PostgresBackend

        return PostgresBackend(url.set(drivername="postgresql+psycopg"), busy_seconds=busy_seconds)
    except ImportError as error:
        raise InvalidInput(
            ErrorKind.INVALID_CONFIG,
            f"PostgreSQL needs the psycopg driver: {error}",
            hint="Install it: pip install 'lakegate[postgres]'.",
        ) from error

"""One database: its engine, its transactions, and its failures in lakegate's words."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, create_engine, event, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from lakegate.errors import ErrorKind, InvalidInput, LakegateError, NotFound, Refused, Unavailable
from lakegate.ids import new_id
from lakegate.metastore.schema import SCHEMA_VERSION, lake, metadata

_BUSY_SECONDS = 10


def now() -> int:
    """Returns the time in milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


class Database:
    """An engine with read and write transactions. A write transaction of SQLite takes the write lock at its start, so
    that what it reads can't change before it writes."""

    def __init__(self, url: str, *, create: bool) -> None:
        engine = _engine(url)
        self._writers = engine.execution_options(lakegate_write=True)
        # A read sees one instant; SQLite's transactions do so by themselves.
        one_instant = engine.dialect.name == "postgresql"
        self._readers = engine.execution_options(isolation_level="REPEATABLE READ") if one_instant else engine
        try:
            self.lake_id = self._open(create)
        except BaseException:
            self.close()
            raise

    def _open(self, create: bool) -> str:
        if create:
            with self.write() as tx:
                metadata.create_all(tx)
                if tx.execute(select(lake.c.lake_id)).first() is None:
                    tx.execute(lake.insert().values(lake_id=new_id(), schema_version=SCHEMA_VERSION))
        with self.read() as tx:
            if not self._readers.dialect.has_table(tx, lake.name):
                raise NotFound(
                    ErrorKind.LAKE_NOT_FOUND,
                    f"The database {self._readers.url.render_as_string()} holds no lake.",
                    hint="Create the lake first, or correct the database's URL.",
                )
            row = tx.execute(select(lake)).one()
        if row.schema_version > SCHEMA_VERSION:
            raise Refused(
                ErrorKind.SCHEMA_TOO_NEW,
                f"The database has schema {row.schema_version}; this lakegate knows schema {SCHEMA_VERSION}.",
                hint="Use the lakegate that wrote it, or a newer one.",
            )
        return str(row.lake_id)

    def close(self) -> None:
        self._readers.dispose()

    @contextmanager
    def read(self) -> Generator[Connection, None, None]:
        """A transaction that only reads."""
        with _errors(self._readers), self._readers.begin() as tx:
            yield tx

    @contextmanager
    def write(self) -> Generator[Connection, None, None]:
        """A transaction that writes: durable when the block has ended, undone where it raises."""
        with _errors(self._readers), self._writers.begin() as tx:
            yield tx


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() != "sqlite":
            return create_engine(parsed, pool_pre_ping=True)
        engine = create_engine(
            parsed, poolclass=QueuePool, connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False}
        )
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise InvalidInput(
            ErrorKind.INVALID_CONFIG,
            f"The database URL can't be used: {error}",
            hint="Use sqlite:///FILE or postgresql+psycopg://USER@HOST/NAME.",
        ) from error

    @event.listens_for(engine, "connect")
    def _connected(connection: object, _entry: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # type: ignore[attr-defined]  # we begin transactions ourselves
        cursor = connection.cursor()  # type: ignore[attr-defined]
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "case_sensitive_like=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        write = connection.get_execution_options().get("lakegate_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


@contextmanager
def _errors(engine: Engine) -> Generator[None, None, None]:
    try:
        yield
    except LakegateError:
        raise
    except DBAPIError as error:
        raise _translated(engine, error) from error


def _translated(engine: Engine, error: DBAPIError) -> LakegateError:
    said = str(error.orig)
    where = engine.url.render_as_string()
    if "locked" in said or "busy" in said:
        return Unavailable(
            ErrorKind.DATABASE_LOCKED,
            f"The database {where} was locked by another process for over {_BUSY_SECONDS} seconds.",
            hint="Try again; where it lasts, look for a process that holds the file.",
        )
    if "full" in said and "disk" in said:
        return Unavailable(
            ErrorKind.STORE_FULL, f"The disk of the database {where} is full.", hint="Free some space, then try again."
        )
    return Unavailable(
        ErrorKind.DATABASE_UNAVAILABLE,
        f"The database {where} does not answer as it should: {said}",
        hint="Check that it is there, runs, and may be written to.",
    )

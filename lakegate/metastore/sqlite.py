"""SQLite: one file, many processes."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Dialect, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from lakegate.errors import ErrorKind, InvalidInput, LakegateError, NotFound, Unavailable
from lakegate.ids import BranchName, RepositoryId
from lakegate.metastore.prepared import Prepared

_WAL_TRIES = 50

# Connections that a fork copied: closing one would disturb the parent's use of the file, so they are kept and not used.
_inherited: list[object] = []
_backends: weakref.WeakSet[SqliteBackend] = weakref.WeakSet()


class _Reader:
    """A thread's own connection for queries, closed with its thread."""

    def __init__(self, connection: sqlite3.Connection, file: tuple[int, int]) -> None:
        self.connection = connection
        self.file = file

    def __del__(self) -> None:
        self.connection.close()


class SqliteBackend:
    """Queries run on a connection of each thread, without a transaction around them. Writes take turns: those of this
    process by a lock, which is fair, those of other processes by BEGIN IMMEDIATE and SQLite's own waiting."""

    def __init__(self, url: URL, *, create: bool, busy_seconds: float, durable: bool) -> None:
        if not url.database or url.database == ":memory:" or url.query:
            raise InvalidInput(
                ErrorKind.INVALID_CONFIG,
                f"The database URL {url.render_as_string()} names no file.",
                hint="Use sqlite:///FILE.",
            )
        self._path = os.path.abspath(url.database)  # noqa: PTH100  a str, for os.stat at every query
        self._busy_seconds = busy_seconds
        self._durable = durable
        if not os.path.exists(self._path):  # noqa: PTH110
            if not create:
                raise NotFound(
                    ErrorKind.LAKE_NOT_FOUND,
                    f"There is no database {self._path}.",
                    hint="Create the lake first, or correct the database's URL.",
                )
            self._create()
        self._turn = threading.Lock()
        self._local = threading.local()
        self._readers: weakref.WeakSet[_Reader] = weakref.WeakSet()
        self._writer_file: tuple[int, int] | None = None
        self._engine = create_engine(
            url, creator=self._connect, poolclass=QueuePool, pool_size=1, max_overflow=0, pool_reset_on_return=None
        )
        event.listen(self._engine, "begin", _begin_immediate)
        self._closed = False
        _backends.add(self)

    @property
    def dialect(self) -> Dialect:
        return self._engine.dialect

    @property
    def shown(self) -> str:
        return self._path

    def close(self) -> None:
        self._closed = True
        for reader in list(self._readers):
            reader.connection.close()
        self._engine.dispose()

    def forget_inherited(self, kept: list[object]) -> None:
        """Starts anew in a forked process, without the parent's connections."""
        kept.extend((*self._readers, self._engine.pool))
        self._turn = threading.Lock()
        self._local = threading.local()
        self._readers = weakref.WeakSet()
        self._engine.dispose(close=False)

    def query(self, prepared: Prepared, values: dict[str, Any]) -> list[Any]:
        file = self._file()
        reader: _Reader | None = getattr(self._local, "reader", None)
        if reader is None or reader.file != file:
            reader = _Reader(self._connect(), file)
            self._readers.add(reader)
            self._local.reader = reader
        return prepared.records(reader.connection.execute(prepared.text, prepared.arguments(values)))

    @contextmanager
    def writing(self) -> Generator[Connection, None, None]:
        if not self._turn.acquire(timeout=self._busy_seconds):
            raise self._locked("by other writes of this process")
        try:
            file = self._file()
            if file != self._writer_file:
                self._engine.dispose()
                self._writer_file = file
            with self._engine.connect() as connection:
                yield connection
        finally:
            self._turn.release()

    # BEGIN IMMEDIATE holds all that these would hold.

    def lock_schema(self, tx: Connection) -> None: ...

    def lock_namespaces(self, tx: Connection) -> None: ...

    def lock_repository(self, tx: Connection, repo: RepositoryId, *, exclusive: bool) -> None: ...

    def lock_branch(self, tx: Connection, repo: RepositoryId, name: BranchName, *, exclusive: bool) -> None: ...

    def translated(self, error: Exception) -> LakegateError | None:
        cause: object = error.orig if isinstance(error, DBAPIError) else error
        if isinstance(cause, UnicodeEncodeError):
            return InvalidInput(
                ErrorKind.INVALID_ARGUMENT, "A text holds a lone surrogate.", hint="Send text that is valid Unicode."
            )
        if not isinstance(cause, sqlite3.Error):
            return None
        code = (getattr(cause, "sqlite_errorcode", None) or 0) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return self._locked("by another process")
        if code == sqlite3.SQLITE_FULL:
            return Unavailable(
                ErrorKind.STORE_FULL,
                f"The disk of the database {self._path} is full; nothing was changed.",
                hint="Free some space, then try again.",
            )
        if code == sqlite3.SQLITE_CONSTRAINT and "FOREIGN KEY" in str(cause):
            return NotFound(
                ErrorKind.REPOSITORY_NOT_FOUND,
                "The repository was deleted meanwhile.",
                hint="`lakegate repo list` lists them.",
            )
        return Unavailable(
            ErrorKind.DATABASE_UNAVAILABLE,
            f"The database {self._path} can't be used: {cause}.",
            hint=_HINTS.get(code, "Check the file, its folder and the disk."),
        )

    def is_missing_table(self, error: BaseException | None) -> bool:
        return isinstance(error, sqlite3.OperationalError) and str(error).startswith("no such table")

    def may_retry(self, error: Exception) -> bool:
        return False

    def outcome_unknown(self, error: Exception) -> bool:
        return False

    def _locked(self, by: str) -> Unavailable:
        return Unavailable(
            ErrorKind.DATABASE_LOCKED,
            f"The database {self._path} was locked {by} for over {self._busy_seconds:g} seconds; nothing was changed.",
            hint="Try again; where it lasts, look for a process that holds the file.",
        )

    def _file(self) -> tuple[int, int]:
        """Tells which file stands at the path. SQLite itself would go on with a file that is no longer there, and
        lose what is written to it."""
        if self._closed:
            raise Unavailable(
                ErrorKind.DATABASE_UNAVAILABLE, f"The database {self._path} was closed.", hint="Open the lake anew."
            )
        try:
            found = os.stat(self._path)  # noqa: PTH116  a microsecond counts here
        except OSError as error:
            raise Unavailable(
                ErrorKind.DATABASE_UNAVAILABLE,
                f"The database {self._path} is gone: {error.strerror}.",
                hint="Put the file back, from a backup if need be.",
            ) from error
        return found.st_dev, found.st_ino

    def _create(self) -> None:
        try:
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
            folder = os.open(os.path.dirname(self._path), os.O_RDONLY)  # noqa: PTH120
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise Unavailable(
                ErrorKind.DATABASE_UNAVAILABLE,
                f"The database {self._path} can't be made: {error.strerror}.",
                hint="Check that its folder is there and may be written to.",
            ) from error

    def _connect(self) -> sqlite3.Connection:
        # mode=rw: SQLite must not make an empty database where ours was deleted. isolation_level=None: transactions
        # begin where we begin them.
        connection = sqlite3.connect(
            f"file:{quote(self._path)}?mode=rw",
            uri=True,
            timeout=self._busy_seconds,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            connection.execute(f"PRAGMA synchronous={'FULL' if self._durable else 'OFF'}")
            connection.execute("PRAGMA foreign_keys=ON")
            _set_wal(connection)
        except BaseException:
            connection.close()
            raise
        return connection


_HINTS = {
    sqlite3.SQLITE_READONLY: "Let the user that runs lakegate write the file and its folder.",
    sqlite3.SQLITE_CANTOPEN: "Check that the file is there, and that the file and its folder may be written to.",
    sqlite3.SQLITE_CORRUPT: "Put the file back from a backup.",
    sqlite3.SQLITE_NOTADB: "Correct the database's URL, or put the file back from a backup.",
}


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _set_wal(connection: sqlite3.Connection) -> None:
    # The mode is kept in the file. Setting it needs the file alone for a moment, and SQLite does not wait for that.
    for attempt in range(_WAL_TRIES):
        try:
            if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or attempt == _WAL_TRIES - 1:
                raise
            time.sleep(0.02)


def _forked() -> None:
    for backend in _backends:
        backend.forget_inherited(_inherited)


os.register_at_fork(after_in_child=_forked)

"""A PostgreSQL server of its own for tests: in a temporary folder, on a Unix socket, gone when the tests are."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from lakegate.metastore.sql import SqlMetaStore

_START_SECONDS = 30.0
_USER = "lakegate"
# Not "C": our columns must be ordered by bytes whatever the database's own order is.
_LOCALES = (["--locale-provider=icu", "--icu-locale=en", "--locale=C.UTF-8"], ["--locale=C.UTF-8"], ["--locale=C"])


class PostgresServer:
    """A running server; the databases that it makes are the tests' own."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes]) -> None:
        self._folder = folder
        self.process = process
        self._made = 0
        self._lake: str | None = None

    def url(self, database: str = "postgres") -> str:
        """The URL of one of its databases."""
        return f"postgresql+psycopg://{_USER}@/{database}?host={quote(str(self._folder), safe='')}"

    def new_database(self) -> str:
        """Makes an empty database and returns its URL."""
        return self._create("template1")

    def new_lake(self) -> str:
        """Makes a database that holds a lake without repositories, quicker than migrations would, and returns its
        URL."""
        if self._lake is None:
            SqlMetaStore(self.new_database(), create=True).close()
            self._lake = f"lake{self._made}"
        return self._create(self._lake)

    def _create(self, template: str) -> str:
        self._made += 1
        name = f"lake{self._made}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def execute(self, statement: str) -> list[tuple[object, ...]]:
        """Runs one statement as the server's owner, outside a transaction."""
        import psycopg

        with psycopg.connect(host=str(self._folder), user=_USER, dbname="postgres", autocommit=True) as connection:
            found = connection.execute(statement.encode())
            return found.fetchall() if found.description else []


def binaries() -> Path | None:
    """The newest folder that holds PostgreSQL's server programs; None where there is none on this machine."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: float(folder.parent.name))[::-1]
    return next((f for f in folders if (f / "initdb").exists() and (f / "postgres").exists()), None)


@contextmanager
def postgres_server() -> Generator[PostgresServer, None, None]:
    """Starts a server and stops it. It refuses to run as root, so it runs as `postgres` or `nobody` there.

    Raises FileNotFoundError where PostgreSQL is not installed.
    """
    programs = binaries()
    if programs is None:
        raise FileNotFoundError("PostgreSQL is not installed (initdb and postgres were not found)")
    owner = _owner()
    folder = Path(tempfile.mkdtemp(prefix="lakegate-pg-"))  # short: a socket's path has at most 107 bytes
    log = folder / "log"
    process: subprocess.Popen[bytes] | None = None
    try:
        if owner is not None:
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        _initialize(programs, folder, owner)
        with log.open("wb") as output:
            process = subprocess.Popen(
                [
                    *(programs / "postgres", "-D", folder / "data", "-k", folder, "-h", ""),
                    *("-c", "fsync=off", "-c", "max_connections=100", "-c", "shared_buffers=32MB"),
                    *("-c", "deadlock_timeout=100ms"),
                ],
                stdout=output,
                stderr=output,
                cwd=folder,
                user=owner.pw_uid if owner else None,
                group=owner.pw_gid if owner else None,
                extra_groups=() if owner else None,
            )
        server = PostgresServer(folder, process)
        _wait(server, log)
        yield server
    finally:
        if process is not None:
            process.send_signal(2)  # "fast": ends sessions, then itself
            process.wait(timeout=_START_SECONDS)
        shutil.rmtree(folder, ignore_errors=True)


def _owner() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise FileNotFoundError("PostgreSQL does not run as root, and there is no user `postgres` or `nobody`")


def _initialize(programs: Path, folder: Path, owner: pwd.struct_passwd | None) -> None:
    said = b""
    for locale in _LOCALES:
        done = subprocess.run(
            [programs / "initdb", "-D", folder / "data", "-U", _USER, "-A", "trust", "-E", "UTF8", "-N", *locale],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            cwd=folder,
            user=owner.pw_uid if owner else None,
            group=owner.pw_gid if owner else None,
            extra_groups=() if owner else None,
        )
        if done.returncode == 0:
            return
        said = done.stdout
        shutil.rmtree(folder / "data", ignore_errors=True)
    raise RuntimeError(f"initdb failed: {said.decode(errors='replace')[-2000:]}")


def _wait(server: PostgresServer, log: Path) -> None:
    import psycopg

    until = time.monotonic() + _START_SECONDS
    while True:
        try:
            server.execute("SELECT 1")
            return
        except psycopg.OperationalError as error:
            if server.process.poll() is not None or time.monotonic() > until:
                said = log.read_text(errors="replace")[-2000:]
                raise RuntimeError(f"PostgreSQL did not start: {said}") from error
            time.sleep(0.05)

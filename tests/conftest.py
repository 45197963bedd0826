"""What tests of several folders share: a running server, and a PostgreSQL server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lakegate.testing.postgres_server import PostgresServer, postgres_server

ACCESS_KEY_ID = "LGTESTKEY"
SECRET_ACCESS_KEY = "a-secret-for-tests-only"


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server of this process: its address, its home, and the admin's access key."""

    url: str
    home: Path
    access_key_id: str = ACCESS_KEY_ID
    secret_access_key: str = SECRET_ACCESS_KEY


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One server for the tests of a file, on a free port, with a lake of its own."""
    from lakegate.config import LakeSettings, ServerSettings, StorageSettings
    from lakegate_api.app import create_rest_app
    from lakegate_api.serve import running

    home = tmp_path_factory.mktemp("lake")
    settings = ServerSettings(
        LakeSettings(home, storage=StorageSettings(fsync=False)),
        port=0,
        access_key_id=ACCESS_KEY_ID,
        secret_access_key=SECRET_ACCESS_KEY,
    )
    with running(settings, create_rest_app) as started:
        yield RunningServer(started.url, home)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server, started once for all tests of a process; skips where PostgreSQL is not installed."""
    try:
        with postgres_server() as server:
            yield server
    except FileNotFoundError as error:
        pytest.skip(f"{error}; `apt-get install postgresql` brings it")

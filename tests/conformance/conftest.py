"""Lakes of both kinds: in a folder, and behind the REST application on a socket."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn

import lakegate
from lakegate.access import ADMIN, Authenticator, Credentials, SecretBox, bootstrap_admin
from lakegate.config import LakeSettings, StorageSettings
from lakegate.interface import Lake
from lakegate.lake import EmbeddedLake
from lakegate_api.rest.application import Served, create_api
from lakegate_api.storage import storage_config

KEY = Credentials("AKIACONTRACT", "secret/with+odd:characters")


@contextmanager
def serving(home: Path) -> Iterator[str]:
    """Serves a new lake in `home` on a free port, and yields the server's URL."""
    settings = LakeSettings(home, storage=StorageSettings(fsync=False))
    with EmbeddedLake.of(settings, actor=ADMIN, create=True) as lake:
        box = SecretBox.in_home(home)
        bootstrap_admin(lake.meta, box, KEY.access_key_id, KEY.secret)
        app = create_api(Served(lake, Authenticator(lake.meta, box), storage_config(settings)))
        config = uvicorn.Config(
            app, host="127.0.0.1", port=0, log_config=None, lifespan="off", timeout_graceful_shutdown=5
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, name="contract-server")
        thread.start()
        try:
            deadline = time.monotonic() + 30
            while not server.started and thread.is_alive() and time.monotonic() < deadline:
                time.sleep(0.005)
            port = server.servers[0].sockets[0].getsockname()[1]
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="session")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("served")) as url:
        yield url


@pytest.fixture(scope="session")
def server_key() -> Credentials:
    return KEY


@pytest.fixture(scope="session")
def http_lake(server_url: str) -> Iterator[Lake]:
    with lakegate.connect(server_url, access_key_id=KEY.access_key_id, secret_access_key=KEY.secret) as lake:
        yield lake


@pytest.fixture(scope="session")
def embedded_lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    home = tmp_path_factory.mktemp("embedded")
    settings = LakeSettings(home, storage=StorageSettings(fsync=False))
    with EmbeddedLake.of(settings, actor=ADMIN, create=True) as lake:
        yield lake


@pytest.fixture(params=["embedded", "http"])
def lake(request: pytest.FixtureRequest) -> Lake:
    """A lake of each kind; many tests share it, each with repositories of its own."""
    found: Lake = request.getfixturevalue(f"{request.param}_lake")
    return found

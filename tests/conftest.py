"""What tests of several folders share: running servers, and a PostgreSQL server."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings

from lakegate.testing.postgres_server import PostgresServer, postgres_server
from lakegate.testing.s3 import S3Lake
from lakegate.testing.s3_server import s3_server

# No test is timed: how long an example takes is a matter of what else the machine does.
# LAKEGATE_TESTS=thorough looks at more examples than a run of all tests has the time for.
_EXAMPLES = 300 if os.environ.get("LAKEGATE_TESTS") == "thorough" else 20
hypothesis_settings.register_profile("untimed", deadline=None, max_examples=_EXAMPLES)
hypothesis_settings.load_profile("untimed")

# Tests make and remove some hundred thousand small files. In memory that costs next to nothing, where there is room for
# them (a container has 64 MB unless told otherwise). Workers and servers that tests start inherit the variable.
_MEMORY = Path("/dev/shm")
if "TMPDIR" not in os.environ and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > 4 << 30:
    os.environ["TMPDIR"] = str(_MEMORY)
    tempfile.tempdir = None

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
    from lakegate_api.serve import running

    home = tmp_path_factory.mktemp("lake")
    settings = ServerSettings(
        LakeSettings(home, storage=StorageSettings(fsync=False)),
        port=0,
        access_key_id=ACCESS_KEY_ID,
        secret_access_key=SECRET_ACCESS_KEY,
    )
    with running(settings) as started:
        yield RunningServer(started.url, home)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server, started once for all tests of a process; skips where PostgreSQL is not installed, unless
    LAKEGATE_TESTS_NEED says `postgresql`."""
    try:
        with postgres_server() as server:
            yield server
    except FileNotFoundError as error:
        if os.environ.get("LAKEGATE_TESTS_NEED") == "postgresql":
            raise
        pytest.skip(f"{error}; `apt-get install postgresql` brings it")


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """The address of an S3 server that lakegate stores to or reads from, started once for all tests of a process: each
    makes buckets of its own."""
    with s3_server() as endpoint:
        yield endpoint


_SERVE = """
import sys
from pathlib import Path
from lakegate.config import LakeSettings, ServerSettings, StorageSettings
from lakegate_api.serve import run

home, key, secret = sys.argv[1:4]
lake = LakeSettings(Path(home), storage=StorageSettings(fsync=False))
settings = ServerSettings(lake, port=0, access_key_id=key, secret_access_key=secret, log_level="warning")
run(settings, lambda started: print(started.url, flush=True))
"""


@dataclass(frozen=True, slots=True)
class ServerProcess:
    """A server in a process of its own: some S3 clients hold Python's lock while they wait for an answer."""

    url: str
    pid: int
    access_key_id: str = ACCESS_KEY_ID
    secret_access_key: str = SECRET_ACCESS_KEY


@pytest.fixture(scope="session")
def server_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One server for the whole session, on a free port."""
    home = tmp_path_factory.mktemp("served")
    command = [sys.executable, "-c", _SERVE, str(home), ACCESS_KEY_ID, SECRET_ACCESS_KEY]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            assert url, "the server did not start"
            yield ServerProcess(url, process.pid)
        finally:
            process.terminate()
            process.wait(60)


_numbers = itertools.count(1)


@pytest.fixture
def s3(server_process: ServerProcess) -> S3Lake:
    """A new repository behind the S3 gateway."""
    lake = S3Lake(server_process.url, f"lake-{next(_numbers)}", ACCESS_KEY_ID, SECRET_ACCESS_KEY)
    made = lake.put("", b"")
    assert made.status == 200, made.body
    return lake

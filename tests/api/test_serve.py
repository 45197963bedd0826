"""`lakegate serve` as a process: its first start, its end by a signal, and what keeps it from starting."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from lakegate.access import KEY_FILE
from lakegate.lake import DATABASE_FILE, EmbeddedLake
from lakegate.testing.web import web

KEY = {"LAKEGATE_ACCESS_KEY_ID": "LGSERVED", "LAKEGATE_SECRET_ACCESS_KEY": "a-secret-for-tests-only"}
AUTH = ("LGSERVED", "a-secret-for-tests-only")
_COMMAND = [sys.executable, "-c", "from lakegate_cli.main import app; app()", "--json", "serve"]
_PLAIN = {name: value for name, value in os.environ.items() if not name.startswith("LAKEGATE_")}


@dataclass(frozen=True, slots=True)
class Served:
    process: subprocess.Popen[str]
    started: dict[str, Any]

    @property
    def api(self) -> str:
        return f"{self.started['url']}/api/v1"

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@contextmanager
def served(home: Path, environment: dict[str, str] = KEY, **options: Any) -> Iterator[Served]:
    command = [*_COMMAND, "--home", str(home), "--port", "0"]
    with subprocess.Popen(
        command, env=_PLAIN | environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    ) as process:
        try:
            assert process.stdout is not None
            lines: list[str] = []
            while not lines or lines[-1] != "}\n":
                line = process.stdout.readline()
                assert line, process.stderr.read() if process.stderr else ""
                lines.append(line)
            yield Served(process, json.loads("".join(lines)))
        finally:
            process.kill()


def wait_until_deaf(url: str) -> None:
    """Waits until a stopping server takes no new connections."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            web.get(f"{url}/healthcheck", timeout=5)
        except httpx.ConnectError:
            return
        except httpx.TransportError:
            continue  # it was in the queue of connections when the server stopped taking them
    raise AssertionError("the server still takes connections")


def refused(home: Path, *options: str, environment: dict[str, str] = KEY) -> dict[str, Any]:
    """Runs a start that does not come about, and returns its error."""
    command = [*_COMMAND, "--home", str(home), *(options or ("--port", "0"))]
    done = subprocess.run(command, env=_PLAIN | environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1, done.stderr
    return dict(json.loads(done.stdout or done.stderr))


def test_the_first_start_makes_the_admin_and_shows_a_random_key_once(tmp_path: Path) -> None:
    home = tmp_path / "lake"
    with served(home, {}) as first:
        key = first.started["access_key_id"], first.started["secret_access_key"]
        assert web.get(f"{first.api}/user", auth=key).json()["user"]["id"] == "admin"
        assert web.get(f"{first.api}/healthcheck").status_code == 204
        assert first.stop() == 0
        assert first.process.stderr is not None
        assert "alembic" not in first.process.stderr.read()
    # The address that clients are given says nothing of where to serve.
    with served(home, {"LAKEGATE_URL": "http://127.0.0.1:1"}) as second:
        assert second.started["access_key_id"] is None
        assert web.get(f"{second.api}/user", auth=key).status_code == 200
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert stat.S_IMODE((home / KEY_FILE).stat().st_mode) == 0o600
    for file in home.rglob("*"):
        assert file.is_dir() or key[1].encode() not in file.read_bytes()


def test_a_given_key_is_taken_and_not_shown(tmp_path: Path) -> None:
    with served(tmp_path / "lake") as server:
        assert server.started["secret_access_key"] is None
        assert web.get(f"{server.api}/user", auth=AUTH).status_code == 200
        assert web.get(f"{server.api}/user", auth=("LGSERVED", "wrong-wrong")).status_code == 401


def test_a_request_in_flight_ends_before_the_server_does(tmp_path: Path) -> None:
    home = tmp_path / "lake"
    with served(home) as server:
        web.post(f"{server.api}/repositories", auth=AUTH, json={"name": "sales"})
        url = httpx.URL(f"{server.api}/repositories/sales/branches/main/objects?path=a")
        asked = next(httpx.BasicAuth(*AUTH).auth_flow(httpx.Request("POST", url)))
        lines = [
            f"POST {url.raw_path.decode()} HTTP/1.1",
            f"host: {url.netloc.decode()}",
            f"authorization: {asked.headers['authorization']}",
            "expect: 100-continue",
            "content-length: 12",
        ]
        with socket.create_connection((url.host, url.port), timeout=60) as client:
            client.sendall("\r\n".join([*lines, "", ""]).encode())
            assert client.recv(4096).startswith(b"HTTP/1.1 100")  # the server has begun, and waits for the body
            client.sendall(b"first ")
            server.process.send_signal(signal.SIGTERM)
            wait_until_deaf(server.api)
            client.sendall(b"second")
            assert client.recv(4096).startswith(b"HTTP/1.1 201")
        assert server.process.wait(60) == 0
    with EmbeddedLake.open(home) as lake:
        assert lake.repository("sales").open("main", "a").read() == b"first second"


def test_two_servers_serve_one_lake(tmp_path: Path) -> None:
    """What is begun at one goes on at the other: uploads, commits, jobs, log-ins."""
    boto3 = pytest.importorskip("boto3")
    (tmp_path / "b.txt").touch()
    home = tmp_path / "lake"
    with served(home) as one, served(home) as other:
        here, there = (
            boto3.client(
                "s3",
                endpoint_url=server.started["url"],
                aws_access_key_id=AUTH[0],
                aws_secret_access_key=AUTH[1],
                region_name="us-east-1",
            )
            for server in (one, other)
        )
        assert web.post(f"{one.api}/repositories", auth=AUTH, json={"name": "sales"}).status_code == 201
        branch = "repositories/sales/branches/main"

        place = {"Bucket": "sales", "Key": "main/large"}
        upload = place | {"UploadId": here.create_multipart_upload(**place)["UploadId"]}
        parts = [
            {"PartNumber": number, "ETag": client.upload_part(**upload, PartNumber=number, Body=body)["ETag"]}
            for number, client, body in ((1, there, bytes(5 << 20)), (2, here, b"end"))
        ]
        done = [
            client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts}) for client in (there, here)
        ]
        assert done[0]["ETag"] == done[1]["ETag"]  # the second is a retry whose first answer was lost
        assert here.get_object(**place)["Body"].read() == bytes(5 << 20) + b"end"

        for number in range(20):
            body = str(number).encode()
            here.put_object(Bucket="sales", Key="main/a", Body=body)
            assert there.get_object(Bucket="sales", Key="main/a")["Body"].read() == body
            made = web.post(f"{other.api}/{branch}/commits", auth=AUTH, json={"message": "change"}).json()["id"]
            assert web.get(f"{one.api}/{branch}", auth=AUTH).json()["commit_id"] == made

        source = {"type": "object", "path": str(tmp_path / "b.txt"), "destination": "b.txt"}
        asked = {"paths": [source], "commit": {"message": "an import"}}
        job = web.post(f"{one.api}/{branch}/import", auth=AUTH, json=asked).json()["id"]
        route = f"{other.api}/repositories/sales/jobs/{job}"
        deadline = time.monotonic() + 60
        while (found := web.get(route, auth=AUTH).json())["state"] == "running" and time.monotonic() < deadline:
            time.sleep(0.05)
        assert web.get(f"{other.api}/{branch}", auth=AUTH).json()["commit_id"] == found["result"]["commit"]

        login = {"access_key_id": AUTH[0], "secret_access_key": AUTH[1]}
        token = web.post(f"{one.api}/auth/login", json=login).json()["token"]
        bearer = {"authorization": f"Bearer {token}"}
        assert web.get(f"{other.api}/user", headers=bearer).status_code == 200

        one.process.kill()
        one.process.wait(60)
        there.put_object(Bucket="sales", Key="main/a", Body=b"the other goes on")
        assert other.stop() == 0


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        error = refused(tmp_path / "lake", "--port", str(port))
    assert error["code"] == "server_unavailable"
    assert f"127.0.0.1:{port}" in error["message"]
    assert "--port" in error["message"]
    assert not (tmp_path / "lake").exists()


def test_a_lake_of_a_newer_schema_is_refused(tmp_path: Path) -> None:
    home = tmp_path / "lake"
    EmbeddedLake.create(home).close()
    with sqlite3.connect(home / DATABASE_FILE) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    assert refused(home)["code"] == "schema_too_new"


def test_half_a_key_is_refused(tmp_path: Path) -> None:
    error = refused(tmp_path / "lake", environment={"LAKEGATE_ACCESS_KEY_ID": "LGSERVED"})
    assert error["code"] == "invalid_config"


def test_a_database_that_does_not_answer_is_named(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    url = {"LAKEGATE_DATABASE_URL": "postgresql://nobody:secret-word@127.0.0.1:1/lake"}
    error = refused(tmp_path / "lake", environment=KEY | url)
    assert error["code"] == "database_unavailable"
    assert "secret-word" not in json.dumps(error)


def test_a_full_disk_answers_507_and_keeps_what_was_there(tmp_path: Path) -> None:
    def small_files() -> None:
        # The system answers EFBIG beyond this size, as a full disk answers ENOSPC.
        resource.setrlimit(resource.RLIMIT_FSIZE, (8 << 20, 8 << 20))

    with served(tmp_path / "lake", preexec_fn=small_files) as server:
        http = httpx.Client(base_url=server.api, auth=AUTH, timeout=60)
        http.post("/repositories", json={"name": "sales"})
        route, query = "/repositories/sales/branches/main/objects", {"path": "a"}
        assert http.post(route, params=query, content=b"small").status_code == 201
        full = http.post(route, params=query, content=bytes(9 << 20))
        assert (full.status_code, full.json()["code"]) == (507, "store_full")
        assert http.get("/repositories/sales/refs/main/objects", params=query).content == b"small"

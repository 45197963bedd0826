"""What REST answers when the store or the database below it fails."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from lakegate.access import Authenticator, SecretBox, bootstrap_admin
from lakegate.config import LakeSettings, ServerSettings, StorageSettings
from lakegate.lake import DATABASE_FILE, EmbeddedLake
from lakegate.metastore.sql import SqlMetaStore
from lakegate.model import CommitRequest
from lakegate_api.app import create_rest_app
from lakegate_api.rest.body_limit import BODY_BYTES

KEY = ("LGFAILS", "a-secret-for-tests-only")


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[EmbeddedLake]:
    """A lake that waits only a moment for a locked database, with one commit."""
    settings = LakeSettings(tmp_path, storage=StorageSettings(fsync=False))
    meta = SqlMetaStore(f"sqlite:///{tmp_path / DATABASE_FILE}", create=True, busy_seconds=0.2)
    with EmbeddedLake(settings, meta, "admin") as opened:
        opened.create_repository("sales")
        repo = opened.repository("sales")
        repo.put("main", "a", b"one")
        repo.commit("main", CommitRequest("first"))
        yield opened


@pytest.fixture
def http(lake: EmbeddedLake) -> Iterator[TestClient]:
    box = SecretBox.in_home(lake.settings.home)
    bootstrap_admin(lake.meta, box, *KEY)
    app = create_rest_app(lake, Authenticator(lake.meta, box), ServerSettings(lake.settings))
    with TestClient(app, base_url="http://lake/api/v1/repositories/sales/", raise_server_exceptions=False) as client:
        client.auth = KEY
        yield client


def test_a_locked_database_answers_503_and_reads_go_on(http: TestClient, lake: EmbeddedLake) -> None:
    other = sqlite3.connect(lake.settings.home / DATABASE_FILE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    locked = http.post("branches", json={"name": "exp", "source": "main"})
    assert (locked.status_code, locked.json()["code"]) == (503, "database_locked")
    assert http.get("refs/main/objects", params={"path": "a"}).content == b"one"
    other.execute("ROLLBACK")
    other.close()
    assert http.post("branches", json={"name": "exp", "source": "main"}).status_code == 201


def test_bytes_that_are_gone_are_no_missing_object(http: TestClient, lake: EmbeddedLake) -> None:
    address = http.get("refs/main/objects/stat", params={"path": "a"}).json()["physical_address"]
    Path(address.removeprefix("file://")).unlink()
    answer = http.get("refs/main/objects", params={"path": "a"})
    assert (answer.status_code, answer.json()["code"]) == (410, "object_gone")


def test_a_json_body_is_bounded_and_an_upload_is_not(http: TestClient) -> None:
    large = b'{"paths": ["' + bytes(BODY_BYTES) + b'"]}'
    for body in (large, iter([large])):
        answer = http.post("branches/main/objects/delete", content=body, headers={"content-type": "application/json"})
        assert (answer.status_code, answer.json()["code"]) == (413, "entity_too_large")
    assert http.post("branches/main/objects", params={"path": "large"}, content=large).status_code == 201


def test_damaged_metadata_is_named_corrupt(tmp_path: Path, lake: EmbeddedLake) -> None:
    nodes = next(tmp_path.rglob("_lakegate/nodes"))
    for node in nodes.rglob("*.parquet"):
        node.write_bytes(b"PAR1 is not all of it")
    with EmbeddedLake.open(tmp_path) as again:
        box = SecretBox.in_home(tmp_path)
        bootstrap_admin(again.meta, box, *KEY)
        app = create_rest_app(again, Authenticator(again.meta, box), ServerSettings(again.settings))
        http = TestClient(app, base_url="http://lake/api/v1/repositories/sales/", raise_server_exceptions=False)
        http.auth = KEY
        answer = http.get("refs/main/objects/ls")
    assert (answer.status_code, answer.json()["code"]) == (500, "corrupt")

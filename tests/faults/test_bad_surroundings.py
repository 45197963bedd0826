"""A full disk, a database that is locked or gone, a newer lake: what clients of the S3 gateway and of REST are told,
and that all is as it was once the fault is mended."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from lakegate.config import LakeSettings, ServerSettings, StorageSettings
from lakegate.lake import DATABASE_FILE
from lakegate.metastore.sql import SqlMetaStore
from lakegate.testing.lake_state import changes, lake_state
from lakegate.testing.s3 import S3Lake
from lakegate.testing.web import web
from lakegate_api.serve import running

KEY = ("LGFAULTS", "a-secret-for-tests-only")
NEW = {"name": "new", "source": "main"}


@contextmanager
def served(home: Path) -> Generator[S3Lake]:
    """A server that waits only a moment for a locked database."""
    lake = LakeSettings(home, storage=StorageSettings(fsync=False))
    settings = ServerSettings(lake, port=0, access_key_id=KEY[0], secret_access_key=KEY[1])
    with pytest.MonkeyPatch.context() as patch:
        defaults = SqlMetaStore.__init__.__kwdefaults__
        assert defaults is not None
        patch.setitem(defaults, "busy_seconds", 0.2)
        with running(settings) as started:
            yield S3Lake(started.url, "sales", *KEY)


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[S3Lake]:
    with served(tmp_path / "lake") as s3:
        fill(s3)
        yield s3


def fill(s3: S3Lake) -> None:
    assert s3.put("", b"").status == 200
    assert s3.put("main/a", b"committed").status == 200
    s3.commit()
    assert s3.put("main/b", b"uncommitted").status == 200


def rest(s3: S3Lake, method: str, path: str, document: object = None) -> tuple[int, str]:
    url = f"{s3.url}/api/v1/repositories/sales{path}"
    answer = web.request(method, url, auth=KEY, json=document)
    return answer.status_code, answer.json().get("code", "") if answer.status_code >= 400 else ""


def test_a_locked_database(s3: S3Lake, tmp_path: Path) -> None:
    """S3 clients are told to slow down, and try again; reads of what was committed go on."""
    before = lake_state(tmp_path / "lake")
    other = sqlite3.connect(tmp_path / "lake" / DATABASE_FILE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for reply in (s3.put("main/a", b"changed"), s3.delete("main/a"), s3.post("main/a", "uploads=")):
        assert (reply.status, reply.code) == (503, "SlowDown"), reply.body
        assert "lock" in reply.text("Message")
    assert rest(s3, "POST", "/branches", NEW) == (503, "database_locked")
    assert rest(s3, "POST", "/branches/main/commits", {"message": "x"}) == (503, "database_locked")
    assert s3.get("main/a").body == b"committed"
    other.execute("ROLLBACK")
    other.close()
    after = lake_state(tmp_path / "lake")
    assert after.refs == before.refs
    assert after.files.items() >= before.files.items()  # bytes that no row names may lie beside them, as garbage
    assert s3.put("main/a", b"changed").status == 200
    s3.commit()


def test_a_database_that_is_gone(s3: S3Lake, tmp_path: Path) -> None:
    before = lake_state(tmp_path / "lake")
    database = tmp_path / "lake" / DATABASE_FILE
    database.rename(tmp_path / "elsewhere")
    for reply in (s3.put("main/a", b"changed"), s3.delete("main/a"), s3.get("main/a")):
        assert (reply.status, reply.code) == (503, "ServiceUnavailable"), reply.body
    assert rest(s3, "POST", "/branches", NEW) == (503, "database_unavailable")
    assert rest(s3, "POST", "/branches/main/commits", {"message": "x"}) == (503, "database_unavailable")
    assert not database.exists()
    (tmp_path / "elsewhere").rename(database)
    assert changes(before, lake_state(tmp_path / "lake")) == []
    assert s3.get("main/b").body == b"uncommitted"
    s3.commit()


def test_a_repository_of_a_newer_storage_format(s3: S3Lake, tmp_path: Path) -> None:
    """A server that starts after a newer lakegate took over the storage serves the other repositories alone."""
    place = tmp_path / "lake/data/sales/_lakegate/format.json"
    now = place.read_text()
    place.write_text(now.replace('"format_version":1', '"format_version":2'))
    with served(tmp_path / "lake") as later:
        for reply in (later.get("main/a"), later.put("main/a", b"changed"), later.post("main/a", "uploads=")):
            assert (reply.status, reply.code) == (501, "NotImplemented")
            assert "format version 2" in reply.text("Message")
        assert rest(later, "POST", "/branches", NEW) == (501, "format_too_new")
        assert rest(later, "GET", "/refs/main/objects/ls") == (501, "format_too_new")
        other = S3Lake(later.url, "other", *KEY)
        assert other.put("", b"").status == 200
        assert other.put("main/a", b"1").status == 200
    place.write_text(now)
    with served(tmp_path / "lake") as mended:
        assert mended.get("main/a").body == b"committed"
        assert mended.get("main/b").body == b"uncommitted"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MiB of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(place)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no `mount` here")
    if done.returncode:
        pytest.skip(f"this user can't mount a small file system: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def fill_up(file: Path) -> None:
    """Makes a file longer until its disk has not one block more."""
    with file.open("ab", buffering=0) as out, suppress(OSError):
        while True:
            out.write(bytes(4096))


def test_a_disk_that_is_really_full(small_disk: Path) -> None:
    """Data and database on one disk: writes are refused until there is room again, and what was there is read."""
    home = small_disk / "lake"
    with served(home) as s3:
        fill(s3)
        filler = small_disk / "filler"
        filler.write_bytes(bytes(20 << 20))
        for body in (bytes(8 << 20), os.urandom(8 << 20)):
            reply = s3.put("main/big", body)
            assert (reply.status, reply.code) == (507, "InsufficientStorage"), reply.body
            assert "full" in reply.text("Message")
        assert s3.head("main/big").status == 404
        fill_up(filler)
        before = lake_state(home)
        assert rest(s3, "POST", "/branches/main/commits", {"message": "x"}) == (507, "store_full")
        assert s3.put("main/c", b"1" * 5000).status == 507
        assert s3.get("main/a").body == b"committed"
        assert s3.get("main/b").body == b"uncommitted"
        assert changes(before, lake_state(home)) == []
        filler.unlink()
        assert s3.put("main/big", bytes(8 << 20)).status == 200
        s3.commit()
        assert s3.get("main/b").body == b"uncommitted"

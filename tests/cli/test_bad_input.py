"""What users type wrong: one line that says what, why and what to do, status 1, a stable code, and a lake as it was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lakegate.errors import ErrorKind as K
from lakegate.lake import EmbeddedLake
from lakegate.metastore.sql import SqlMetaStore
from lakegate.model import CommitRequest
from lakegate.testing.lake_state import changes, lake_state

ID = "0" * 64


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a lake: `main` holds `a` and an uncommitted object, `exp` is one commit ahead."""
    folder = tmp_path_factory.mktemp("filled")
    with EmbeddedLake.create(folder / "lake", environment={"LAKEGATE_STORAGE_FSYNC": "false"}) as lake:
        lake.create_repository("sales")
        sales = lake.repository("sales")
        sales.put("main", "a", b"one")
        sales.commit("main", CommitRequest("first"))
        sales.create_branch("exp", "main")
        sales.put("exp", "a", b"two")
        sales.commit("exp", CommitRequest("second"))
        sales.create_tag("v1", "main")
        sales.put("main", "dirty", b"uncommitted")
    return folder


@pytest.fixture
def filled(folder: Path, shell: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A shell in that folder; all of the lake stays as it is."""
    monkeypatch.chdir(folder)
    before = lake_state(folder / "lake")
    yield shell
    assert changes(before, lake_state(folder / "lake")) == []


def refused(lakegate: Any, kind: K, *args: str) -> str:
    """Calls a command that is refused, for a person and for a program; returns what the person was told."""
    lakegate(*args, status=1, stdin=b"x")
    told = str(lakegate.errors)
    assert told.count("\n") == 1, told
    body = lakegate.json(*args, status=1)
    assert body["code"] == kind
    assert body["hint"]
    assert body["hint"] in told
    return told


@pytest.mark.parametrize(
    ("args", "kind"),
    [
        ("branch create sales/new none", K.REF_NOT_FOUND),
        ("branch show sales/none", K.BRANCH_NOT_FOUND),
        ("branch delete sales/none", K.BRANCH_NOT_FOUND),
        ("branch reset sales/none", K.BRANCH_NOT_FOUND),
        ("tag create sales/new none", K.REF_NOT_FOUND),
        ("tag delete sales/none", K.TAG_NOT_FOUND),
        ("commit sales/none -m x", K.BRANCH_NOT_FOUND),
        ("log sales/none", K.REF_NOT_FOUND),
        ("log sales/main~9", K.REF_NOT_FOUND),
        (f"show sales/{ID}", K.COMMIT_NOT_FOUND),
        ("diff sales/main none", K.REF_NOT_FOUND),
        ("merge sales/none --into exp", K.REF_NOT_FOUND),
        ("merge sales/main --into none", K.BRANCH_NOT_FOUND),
        ("rollback sales/exp --to none", K.REF_NOT_FOUND),
        ("revert sales/exp none", K.REF_NOT_FOUND),
        ("cherry-pick sales/exp none", K.REF_NOT_FOUND),
        ("ls sales/none/", K.REF_NOT_FOUND),
        ("cat sales/none/a", K.REF_NOT_FOUND),
        ("put - sales/none/a", K.BRANCH_NOT_FOUND),
        ("rm sales/none/a", K.BRANCH_NOT_FOUND),
        ("cp sales/none/a sales/exp/b", K.REF_NOT_FOUND),
        ("table list sales/none", K.REF_NOT_FOUND),
        ("pin sales/none --name x", K.REF_NOT_FOUND),
        ("export sales/none out", K.REF_NOT_FOUND),
        ("branch list nosuch", K.REPOSITORY_NOT_FOUND),
    ],
)
def test_unknown_refs(filled: Any, args: str, kind: K) -> None:
    refused(filled, kind, *args.split())


@pytest.mark.parametrize("name", ["ab", "Sales", "sa_les", "a" * 64])
def test_names_of_repositories(filled: Any, name: str) -> None:
    refused(filled, K.INVALID_NAME, "repo", "create", name)


@pytest.mark.parametrize("name", [".a", "a b", ID])
def test_names_of_branches_and_tags(filled: Any, name: str) -> None:
    refused(filled, K.INVALID_NAME, "branch", "create", f"sales/{name}")
    refused(filled, K.INVALID_NAME, "tag", "create", f"sales/{name}")


@pytest.mark.parametrize("path", ["../a", "b/../a", "b//a", "b\0a", "b\na", "\udcff", "x" * 1025, "é" * 513])
def test_paths(filled: Any, path: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    refused(filled, K.INVALID_PATH, "put", str(tmp_path / "file"), f"sales/exp/{path}")
    refused(filled, K.INVALID_PATH, "cp", "sales/exp/a", f"sales/exp/{path}")
    refused(filled, K.INVALID_PATH, "rm", f"sales/exp/{path}")


def test_folders_that_hold_nothing(filled: Any) -> None:
    for args in ("ls sales/main/nope/", "rm -r sales/main/nope/", "rm -r sales/main/nope"):
        refused(filled, K.OBJECT_NOT_FOUND, *args.split())
    for args in ("ls sales/main/..", "ls sales/main/a/../b", "rm -r sales/main/.."):
        refused(filled, K.INVALID_PATH, *args.split())


def test_the_place_of_the_live_view(filled: Any, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    for args in (
        f"put {tmp_path}/x sales/exp/_live/x",
        "cp sales/exp/a sales/exp/_live/x",
        f"import {tmp_path} sales/exp/_live/ -m x",
        f"import --object {tmp_path}/x sales/exp/_live/x -m x",
    ):
        assert "live view" in refused(filled, K.INVALID_PATH, *args.split())


def test_nothing_to_commit(filled: Any) -> None:
    refused(filled, K.NOTHING_TO_COMMIT, "commit", "sales/exp", "-m", "x")


def test_branches_with_uncommitted_changes_are_not_moved(filled: Any) -> None:
    for args in (
        "merge sales/exp --into main",
        "rollback sales/main --to main~1",
        "revert sales/main main",
        "cherry-pick sales/main exp",
        "branch reset sales/main --to main~1",
    ):
        refused(filled, K.DIRTY_BRANCH, *args.split())


def test_a_storage_namespace_in_use(filled: Any, folder: Path) -> None:
    place = folder / "lake/data/sales"
    for taken in (place, place / "deeper", place.parent):
        refused(filled, K.NAMESPACE_IN_USE, "repo", "create", "other", "--storage", taken.as_uri())


def test_a_table_whose_log_names_absolute_paths(filled: Any, tmp_path: Path) -> None:
    log = tmp_path / "t/_delta_log/00000000000000000000.json"
    log.parent.mkdir(parents=True)
    schema = json.dumps({"type": "struct", "fields": []})
    table = {"id": "1", "format": {"provider": "parquet", "options": {}}, "schemaString": schema}
    lines: tuple[dict[str, Any], ...] = (
        {"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}},
        {"metaData": {**table, "partitionColumns": [], "configuration": {}}},
        {"add": {"path": "file:///etc/passwd", "partitionValues": {}, "size": 1, "modificationTime": 1}},
    )
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    told = refused(filled, K.DELTA_PATH_FORBIDDEN, "put", str(log), f"sales/exp/t/_delta_log/{log.name}")
    assert "file:///etc/passwd" in told


def test_a_lake_of_a_newer_version(lakegate: Any, tmp_path: Path) -> None:
    """Once its database, and once the storage of one repository, is of a version that is not known here."""
    import sqlite3

    place = tmp_path / "lake/data/sales/_lakegate/format.json"
    now = place.read_text()
    place.write_text(now.replace('"format_version":1', '"format_version":2'))
    for args in ("put - sales/main/a", "branch create sales/new", "ls sales/main/", "commit sales/main -m x"):
        told = refused(lakegate, K.FORMAT_TOO_NEW, *args.split())
        assert "version 2" in told
    lakegate("repo", "create", "other")  # the lake's other repositories are not hurt
    place.write_text(now)
    lakegate("put", "-", "sales/main/a", stdin=b"one")

    with sqlite3.connect(tmp_path / "lake/lake.db") as database:
        (known,) = database.execute("SELECT version_num FROM alembic_version").fetchone()
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    for args in ("put - sales/main/b", "repo list", "init", "cat sales/main/a"):
        refused(lakegate, K.SCHEMA_TOO_NEW, *args.split())
    with sqlite3.connect(tmp_path / "lake/lake.db") as database:
        database.execute("UPDATE alembic_version SET version_num = ?", (known,))
    database.close()
    assert lakegate("cat", "sales/main/a") == "one"


def test_a_database_that_is_locked_or_gone(lakegate: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sqlite3

    lakegate("put", "-", "sales/main/a", stdin=b"one")
    home = tmp_path / "lake"
    defaults = SqlMetaStore.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "busy_seconds", 0.2)
    database = sqlite3.connect(home / "lake.db", isolation_level=None)
    database.execute("BEGIN IMMEDIATE")
    for args in ("put - sales/main/b", "branch create sales/new", "commit sales/main -m x"):
        refused(lakegate, K.DATABASE_LOCKED, *args.split())
    assert lakegate("cat", "sales/main/a") == "one"
    database.execute("ROLLBACK")
    database.close()
    assert lakegate("status", "sales/main") == "change\tpath\nadded\ta\n"

    (home / "lake.db").rename(tmp_path / "elsewhere")
    refused(lakegate, K.LAKE_NOT_FOUND, "cat", "sales/main/a")
    (home / "lake.db").write_bytes(b"no database " * 100)
    refused(lakegate, K.DATABASE_UNAVAILABLE, "cat", "sales/main/a")
    (tmp_path / "elsewhere").rename(home / "lake.db")
    assert lakegate("cat", "sales/main/a") == "one"


def test_a_lake_that_can_not_be_made_is_refused_in_one_line(shell: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for command in (("init",), ("serve", "--port", "0")):
        assert "--home" in refused(shell, K.STORE_DENIED, *command, "--home", "file")
    assert shell("init").startswith(f"The lake is in {tmp_path / 'lake'}. Next:")
    assert shell("init").startswith(f"The lake was in {tmp_path / 'lake'} already. Next:")

"""Pins: taken, checked, upgraded, verified, pulled, run with, and opened in Python."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

import lakegate
from lakegate.errors import InvalidInput, LakegateError
from lakegate.testing.table_files import parquet_bytes


def _commit(shell: Any, path: str, data: bytes) -> str:
    shell("put", "-", f"sales/main/{path}", stdin=data)
    return str(shell.json("commit", "sales/main", "-m", f"{path} changes")["id"])


@pytest.fixture
def pinned(lakegate: Any) -> tuple[Any, str]:
    """A shell where `train` is pinned to the first of two versions of a file, and the pinned commit."""
    commit = _commit(lakegate, "a", b"one")
    lakegate("pin", "sales/main", "--name", "train", "--provenance", "source=crm")
    return lakegate, commit


def test_a_pin_names_commit_and_ref_and_holds_no_secret(pinned: tuple[Any, str], tmp_path: Path) -> None:
    _, commit = pinned
    body = tomllib.loads((tmp_path / "lakegate.lock").read_text())
    (pin,) = body["pin"]
    assert (pin["repo"], pin["ref"], pin["commit"]) == ("sales", "main", commit)
    assert pin["hold"].startswith("hold_")
    assert pin["provenance"] == {"source": "crm"}
    assert str(tmp_path) not in (tmp_path / "lakegate.lock").read_text()


def test_check_tells_current_from_moved_from_gone(pinned: tuple[Any, str], tmp_path: Path) -> None:
    shell, commit = pinned
    assert shell("pin", "--check", "--ref-moved", "error").startswith("current\ttrain")
    _commit(shell, "a", b"two")
    assert shell("pin", "--check").startswith("moved\t")
    assert shell("pin", "--check", "--ref-moved", "warn") == ""
    assert shell.errors.startswith("moved\t")
    shell("pin", "--check", "--ref-moved", "error", status=1)
    lock = tmp_path / "lakegate.lock"
    lock.write_text(lock.read_text().replace(commit, "0" * 64))
    assert shell.json("pin", "--check", status=1)["results"][0]["state"] == "gone"
    shell("run", "--pin", "train", "--", sys.executable, "-c", "", status=1)
    assert "which this lake does not have" in shell.errors


def test_a_pin_that_tells_otherwise_of_its_tables_is_found(lakegate: Any, tmp_path: Path) -> None:
    _commit(lakegate, "t/a.parquet", parquet_bytes({"id": [1, 2]}))
    lakegate("pin", "sales/main", "--name", "train", "--table", "t")
    lock = tmp_path / "lakegate.lock"
    written = lock.read_text()
    for old, new in (("rows = 2", "rows = 3"), ('content = "sha256:', 'content = "sha256:0')):
        assert old in written
        lock.write_text(written.replace(old, new))
        assert lakegate.json("pin", "--check", status=1)["results"][0]["state"] == "altered"
        for args in (("verify", "train"), ("pull", "train"), ("run", "--pin", "train", "--", sys.executable, "-c", "")):
            lakegate(*args, status=1)
            assert "another table 't' than the pin says" in lakegate.errors
        with pytest.raises(InvalidInput):
            lakegate_pinned(lock)
    lock.write_text(written)
    lakegate("verify", "train")
    lakegate_pinned(lock)


def lakegate_pinned(lock: Path) -> None:
    with lakegate.pinned("train", file=lock):
        pass


def test_upgrade_pins_what_the_ref_names_now_and_gives_the_old_hold_back(pinned: tuple[Any, str]) -> None:
    shell, first = pinned
    second = _commit(shell, "a", b"two")
    assert shell.json("pin", "--upgrade", "train")["commit_id"] == second != first
    assert shell("pin", "--check").startswith("current\t")
    with lakegate.connect("lake") as lake:
        assert [hold.commit for hold in lake.repository("sales").holds()] == [second]
    shell("pin", "--upgrade", "none", status=1)


def test_a_pin_file_that_cannot_be_written_is_named(pinned: tuple[Any, str]) -> None:
    shell, _ = pinned
    shell("pin", "sales/main", "--file", "nowhere/x.lock", status=1)
    assert "nowhere/x.lock can't be written: No such file or directory." in shell.errors


def test_a_broken_pin_file_is_refused_with_what_helps(pinned: tuple[Any, str], tmp_path: Path) -> None:
    shell, _ = pinned
    (tmp_path / "lakegate.lock").write_text("<<<<<<< HEAD\n")
    for args in (("sales/main", "--name", "a"), ("--upgrade", "train"), ("--check",)):
        shell("pin", *args, status=1)
        assert "else delete it, and pin anew" in shell.errors
    (tmp_path / "lakegate.lock").unlink()
    shell("pin", "sales/main", "--name", "train")
    shell("pin", "--check")


def test_each_pin_file_has_a_hold_of_its_own(pinned: tuple[Any, str], tmp_path: Path) -> None:
    shell, first = pinned
    shell("pin", "sales/main", "--name", "train", "--file", "other.lock")
    _commit(shell, "a", b"two")
    shell("pin", "--upgrade", "train")
    with lakegate.connect("lake") as lake:
        repo = lake.repository("sales")
        assert first in [hold.commit for hold in repo.holds()]
        assert not shell.json("pin", "--check", "--file", "other.lock")["results"][0]["unheld"]
        for hold in repo.holds():
            repo.release_hold(hold.id)
    (found,) = shell.json("pin", "--check", "--file", "other.lock")["results"]
    assert (found["state"], found["unheld"]) == ("moved", True)
    shell("pin", "--check", "--file", "other.lock")
    assert "is gone: pin it again" in shell.errors


def test_verify_finds_what_was_damaged(pinned: tuple[Any, str], tmp_path: Path) -> None:
    shell, _ = pinned
    assert shell("verify").startswith("train at ")
    assert shell("verify", "train", "--deep").endswith("as they should be.\n")
    (data,) = [file for file in (tmp_path / "lake/data/sales/data").rglob("*") if file.is_file()]
    data.write_bytes(b"eno")
    assert shell("verify", "train")
    assert shell.json("verify", "train", "--deep", status=1)["results"][0]["problems"][0]["path"] == "a"


def test_pull_writes_the_pinned_bytes(pinned: tuple[Any, str], tmp_path: Path) -> None:
    shell, _ = pinned
    _commit(shell, "a", b"two")
    shell("pull")
    assert (tmp_path / "train/a").read_bytes() == b"one"
    shell("pull", "train", "--to", "here")
    assert (tmp_path / "here/a").read_bytes() == b"one"


def test_python_opens_the_pin_and_never_reads_the_newest_when_frozen(
    pinned: tuple[Any, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell, commit = pinned
    _commit(shell, "a", b"two")
    (tmp_path / "code").mkdir()
    monkeypatch.chdir(tmp_path / "code")
    home = tmp_path / "lake"
    with lakegate.pinned("train", url=home) as train:
        assert train.commit == commit
        assert train.open("a").read() == b"one"
        assert train.uri("a") == f"s3://sales/{commit}/a"
    with pytest.raises(LakegateError, match="no pin 'other'"):
        lakegate.pinned("other", url=home)
    with lakegate.pinned("other", default="sales/main", url=home) as other:
        assert other.open("a").read() == b"two"
    monkeypatch.setenv("LAKEGATE_FROZEN", "1")
    with lakegate.pinned("train", url=home) as train:
        assert train.open("a").read() == b"one"
    with pytest.raises(LakegateError, match="LAKEGATE_FROZEN forbids"):
        lakegate.pinned("other", default="sales/main", url=home)
    monkeypatch.setenv("LAKEGATE_HOME", str(home))
    shell("run", "--ref", "sales/main", "--", sys.executable, "-c", "", status=1)
    assert "LAKEGATE_FROZEN forbids" in shell.errors


def test_without_a_pin_file_the_next_step_is_said(lakegate: Any) -> None:
    for command in (("pin", "--check"), ("verify",), ("pull",), ("run", "--", "true")):
        lakegate(*command, status=1)
        assert "lakegate pin REPOSITORY/REF" in lakegate.errors


def test_env_needs_a_server(lakegate: Any) -> None:
    lakegate("env", status=1)
    assert "lakegate serve" in lakegate.errors

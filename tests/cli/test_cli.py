"""The command line as a person and a program use it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


class Shell:
    """Runs `lakegate` in a folder, in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *args: str, status: int = 0, stdin: bytes = b"") -> str:
        code = "from lakegate_cli.main import app; app()"
        done = subprocess.run(
            [sys.executable, "-c", code, *args], cwd=self.folder, input=stdin, capture_output=True, check=False
        )
        self.errors = done.stderr.decode()
        assert done.returncode == status, (args, done.stdout, done.stderr)
        return done.stdout.decode()

    def json(self, *args: str, status: int = 0) -> Any:
        return json.loads(self("--json", *args, status=status))


@pytest.fixture
def lakegate(tmp_path: Path) -> Shell:
    shell = Shell(tmp_path)
    shell("init")
    shell("repo", "create", "sales")
    return shell


def test_branch_commit_merge_and_roll_back(lakegate: Shell) -> None:
    lakegate("put", "-", "sales/main/a/f.txt", stdin=b"one")
    assert lakegate("status", "sales/main") == "added\ta/f.txt\n"
    lakegate("commit", "sales/main", "-m", "first", "--meta", "run=7")
    lakegate("branch", "create", "sales/exp")
    lakegate("put", "-", "sales/exp/a/f.txt", stdin=b"two")
    lakegate("commit", "sales/exp", "-m", "second")
    assert lakegate("cat", "sales/main/a/f.txt") == "one"
    assert lakegate("diff", "sales/main", "exp") == "changed\ta/f.txt\n"
    assert lakegate("merge", "sales/exp", "--into", "main", "--dry-run").startswith("Would merge: 0 objects added")
    lakegate("merge", "sales/exp", "--into", "main")
    assert lakegate("cat", "sales/main/a/f.txt") == "two"
    lakegate("rollback", "sales/main", "--to", "main~1")
    assert lakegate("cat", "sales/main/a/f.txt") == "one"
    history = lakegate.json("log", "sales/main")["items"]
    assert [c["message"] for c in history][1:] == ["Merge exp into main", "second", "first", "Repository created"]
    assert history[3]["metadata"] == {"run": "7"}
    assert lakegate.json("show", "sales/main")["manifest"]["objects"] == 1


def test_a_conflict_ends_with_status_3_and_says_how_to_settle_it(lakegate: Shell) -> None:
    lakegate("branch", "create", "sales/exp")
    for branch in ("main", "exp"):
        lakegate("put", "-", f"sales/{branch}/a", stdin=branch.encode())
        lakegate("commit", f"sales/{branch}", "-m", branch)
    lakegate("merge", "sales/exp", "--into", "main", status=3)
    assert "--take source:a" in lakegate.errors
    body = lakegate.json("merge", "sales/exp", "--into", "main", status=3)
    assert (body["code"], body["conflicts"][0]["path"]) == ("merge_conflict", "a")
    lakegate("merge", "sales/exp", "--into", "main", "--take", "source:a")
    assert lakegate("cat", "sales/main/a") == "exp"


def test_refusals_end_with_status_1_in_one_line(lakegate: Shell) -> None:
    lakegate("commit", "sales/main", "-m", "x", status=1)
    assert lakegate.errors.count("\n") == 1
    assert lakegate.json("cat", "sales/main/none", status=1)["code"] == "object_not_found"
    lakegate("put", "nowhere", "sales/main/a", status=1)
    lakegate("--home", "elsewhere", "repo", "list", status=1)
    assert "lakegate init" in lakegate.errors


def test_bad_usage_ends_with_status_2(lakegate: Shell) -> None:
    lakegate("nonsense", status=2)
    lakegate("commit", "sales/main", status=2)


def test_files_go_in_and_come_out(lakegate: Shell, tmp_path: Path) -> None:
    (tmp_path / "f.bin").write_bytes(bytes(range(256)) * 5000)
    lakegate("put", "f.bin", "sales/main/raw/f.bin", "--new")
    lakegate("put", "f.bin", "sales/main/raw/f.bin", "--new", status=1)
    lakegate("cp", "sales/main/raw/f.bin", "sales/main/copy.bin")
    lakegate("get", "sales/main/copy.bin", "g.bin")
    assert (tmp_path / "g.bin").read_bytes() == (tmp_path / "f.bin").read_bytes()
    assert [line.split("\t")[-1] for line in lakegate("ls", "sales/main/").splitlines()] == ["copy.bin", "raw/"]
    lakegate("commit", "sales/main", "-m", "files")
    assert lakegate("verify", "sales/main", "--deep").endswith("as they should be.\n")
    next((tmp_path / "lake/data/sales/data").rglob("??/*")).write_bytes(b"damaged")
    lakegate("verify", "sales/main", status=1)
    lakegate("rm", "sales/main/copy.bin")
    lakegate("branch", "reset", "sales/main")
    assert len(lakegate("ls", "-r", "sales/main/").splitlines()) == 2


def test_tags_and_repositories(lakegate: Shell) -> None:
    lakegate("tag", "create", "sales/v1")
    assert lakegate("tag", "list", "sales").startswith("v1\t")
    lakegate("tag", "delete", "sales/v1")
    assert lakegate.json("repo", "list")["items"][0]["name"] == "sales"
    lakegate("repo", "delete", "sales")
    assert lakegate("repo", "list") == ""


def test_the_version_is_answered_without_the_heavy_imports() -> None:
    code = (
        "import sys; sys.argv = ['lakegate', '--version']\n"
        "from lakegate_cli.main import app; app()\n"
        "heavy = {'typer', 'rich', 'sqlalchemy', 'pyarrow', 'obstore'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("lakegate 0.")

"""Processes that are killed while they write, commit and merge: the lake opens, and has all that was acknowledged."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lakegate.errors import ErrorKind, LakegateError, Refused
from lakegate.format.documents import FORMAT_KEY, REFS, decode_ref_record
from lakegate.lake import EmbeddedLake
from lakegate.model import CommitRequest, ListRequest

_EVERYTHING = ListRequest(amount=1000)

# Says each thing that was acknowledged, on a line of its own.
_WRITER = """
import itertools, sys
from pathlib import Path
from lakegate.errors import Refused
from lakegate.model import CommitRequest
from lakegate.lake import EmbeddedLake

home, run = Path(sys.argv[1]), sys.argv[2]
repo = EmbeddedLake.open(home).repository("killed")
print("ready", flush=True)
for number in itertools.count():
    path = f"{run}/{number}"
    repo.put("exp", path, path.encode())
    print("put", path, flush=True)
    if number % 3 == 2:
        print("commit", repo.commit("exp", CommitRequest(path)).id, flush=True)
    if number % 6 == 5:
        print("commit", repo.merge("exp", "main").commit.id, flush=True)
"""


def test_what_killed_writers_were_told_is_there(tmp_path: Path) -> None:
    with EmbeddedLake.create(tmp_path) as lake:
        lake.create_repository("killed")
        lake.repository("killed").create_branch("exp", "main")
    paths: list[str] = []
    commits: list[str] = []
    for run in range(4):
        for line in killed(tmp_path, str(run)):
            what, _, name = line.partition(" ")
            {"put": paths, "commit": commits, "ready": []}[what].append(name)
    assert len(paths) >= 8
    with EmbeddedLake.open(tmp_path) as lake:
        repo = lake.repository("killed")
        found = {e.path for e in repo.list("exp", _EVERYTHING).items}
        assert set(paths) <= found
        for path in found:
            assert repo.open("exp", path).read() == path.encode()
        for commit in commits:
            for entry in repo.list(commit, _EVERYTHING).items:
                assert repo.open(commit, entry.path).read() == entry.path.encode()
        # The next moves make the journal good.
        repo.put("exp", "last", b"last")
        repo.commit("exp", CommitRequest("last"))
        repo.merge("exp", "main")
        for branch in repo.branches().items:
            key = max(stored.key for stored in repo.ctx.store.list(f"{REFS}branches/{branch.name}/"))
            assert decode_ref_record(key, repo.ctx.store.get(key)).commit == branch.commit
            moves = repo.ctx.meta.ref_moves(repo.info.id, branch.name, 1000)
            assert len(list(repo.ctx.store.list(f"{REFS}branches/{branch.name}/"))) == len(moves)


def killed(home: Path, run: str) -> list[str]:
    """Starts a writer, kills it in the middle of something, and returns what it had said by then."""
    process = subprocess.Popen([sys.executable, "-c", _WRITER, str(home), run], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    rng = random.Random(run)
    said = "".join(process.stdout.readline() for _ in range(rng.randint(3, 9)))
    time.sleep(rng.uniform(0, 0.02))
    process.send_signal(signal.SIGKILL)
    said += process.stdout.read()
    process.stdout.close()
    assert process.wait(timeout=60) == -signal.SIGKILL
    return [line for line in said.split("\n")[:-1] if line]


def test_a_newer_storage_format_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "taken"
    (place / "_lakegate").mkdir(parents=True)
    (place / FORMAT_KEY).write_text('{"format_version":2,"repository":"later"}')
    with EmbeddedLake.create(tmp_path / "lake") as lake:
        with pytest.raises(Refused) as caught:
            lake.create_repository("later", place.as_uri())
        assert caught.value.kind is ErrorKind.FORMAT_TOO_NEW
        assert lake.repositories().items == ()
    assert [file.name for file in place.rglob("*") if file.is_file()] == ["format.json"]


def test_a_database_that_is_gone_is_said_to_be_gone(tmp_path: Path) -> None:
    with EmbeddedLake.create(tmp_path) as lake:
        lake.create_repository("gone")
        repo = lake.repository("gone")
        head = repo.branch("main").commit
        repo.put("main", "a", b"a")
        os.rename(tmp_path / "lake.db", tmp_path / "elsewhere.db")
        for act in (
            lambda: repo.put("main", "b", b"b"),
            lambda: repo.commit("main", CommitRequest("x")),
            lambda: repo.stat("main", "a"),
        ):
            with pytest.raises(LakegateError) as caught:
                act()
            assert caught.value.kind is ErrorKind.DATABASE_UNAVAILABLE
            assert caught.value.hint
        assert repo.list(head, _EVERYTHING).items == ()  # a commit id asks the database nothing
        assert not (tmp_path / "lake.db").exists()
        os.rename(tmp_path / "elsewhere.db", tmp_path / "lake.db")
        assert repo.open("main", "a").read() == b"a"
        assert repo.commit("main", CommitRequest("x")).parents == (head,)

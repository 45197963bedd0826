"""Merges that read only what came since the last one, held against merges that read all: random changes of one Delta
table, from logs written by hand, on three branches that merge each other again and again."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakegate.errors import LakegateError
from lakegate.lake import EmbeddedLake
from lakegate.log_paths import commit_path
from lakegate.model import (
    ApplyRequest,
    CommitRequest,
    Isolation,
    ListRequest,
    MergeOutcome,
    MergeRequest,
    RollbackRequest,
)
from lakegate.repository import EmbeddedRepository
from lakegate.tables.delta.merge import parting
from lakegate.testing.delta import Line, add, log_body, metadata, protocol, remove


class Branches:
    def __init__(self, repo: EmbeddedRepository, random: Random) -> None:
        self._repo = repo
        self._random = random
        self._named: list[str] = []
        self._names = (f"f{number}" for number in itertools.count())
        self._write("main", 0, protocol(), metadata(), add("a"))
        for branch in ("exp", "dev"):
            repo.create_branch(branch, "main")
        for branch in BRANCHES:
            self._write(branch, 1, add(f"first-{branch}"))
        for branch in ("exp", "dev"):  # from here on there are records
            repo.merge(branch, "main")

    def change(self, branch: str, other: str) -> None:
        """Appends, of a file that another branch had too, too, and with a `txn`; deletes; compacts; vacuums."""
        live = sorted(file.path for file in self._repo.table_files(branch, "t").items)
        version = (self._repo.table(branch, "t").version or 0) + 1
        some = self._random.sample(live, self._random.randint(0, len(live)))
        kind = self._random.choice(("add", "add", "add", "txn", "remove", "compact", "vacuum"))
        if kind == "add":
            again = [path for path in self._named if path not in live and self._random.random() < 0.2]
            self._write(branch, version, add(again[0] if again else self._name()))
        elif kind == "txn":
            self._write(branch, version, add(self._name()), {"txn": {"appId": "x", "version": version}})
        elif kind == "remove" and live:
            self._write(branch, version, remove(self._random.choice(live)))
        elif kind == "compact" and len(some) > 1:
            whole = add(self._name(), rows=len(some), dataChange=False)
            self._write(branch, version, *(remove(path, dataChange=False) for path in some), whole)
        elif kind == "vacuum":
            paths = [entry.path for entry in self._repo.list(branch, ListRequest("t/", "", 1000)).items]
            self._repo.delete_many(branch, [path for path in paths if path.count("/") == 1 and path[2:] not in live])
            self._repo.commit(branch, CommitRequest("vacuum"))

    def _name(self) -> str:
        self._named.append(next(self._names))
        return self._named[-1]

    def merge(self, branch: str, other: str) -> None:
        isolation = self._random.choice(list(Isolation))
        planned = self._planned(other, branch, isolation)
        source, recent = self._repo.manifest(other).objects_root, parting.recent
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(parting, "recent", lambda *at: None if at[2].root == source else recent(*at))
            by_destination = self._planned(other, branch, isolation)
            patch.setattr(parting, "recent", lambda *_: None)
            whole = self._planned(other, branch, isolation)
        assert by_destination == whole
        # Of a source whose log tells more than its state, reading all of it may find a conflict that is none.
        assert whole.conflicts or (_counts(planned), planned.conflicts) == (_counts(whole), ())
        self._repo.merge(other, branch, MergeRequest(isolation=isolation, squash=self._random.random() < 0.1))

    def cherry_pick(self, branch: str, other: str) -> None:
        self._repo.cherry_pick(branch, ApplyRequest(self._random.choice(self._repo.log(other).items).id))

    def undo(self, branch: str, other: str) -> None:
        commits = self._repo.log(branch).items[:4]
        if self._random.random() < 0.5:
            self._repo.rollback(branch, RollbackRequest(self._random.choice(commits).id))
        else:
            self._repo.revert(branch, ApplyRequest(commits[0].id))

    def _planned(self, source: str, destination: str, isolation: Isolation) -> MergeOutcome:
        return self._repo.merge(source, destination, MergeRequest(isolation=isolation, dry_run=True))

    def _write(self, branch: str, version: int, *lines: Line) -> None:
        info: Line = {"commitInfo": {"operation": "WRITE", "operationParameters": {"mode": "Append"}}}
        if any("remove" in line for line in lines):
            info = {"commitInfo": {"operation": "DELETE"}}
        for line in lines:
            if "add" in line:
                self._repo.put(branch, f"t/{line['add']['path']}", b"0123456789")
        self._repo.put(branch, commit_path("t", version), log_body(info, *lines))
        self._repo.commit(branch, CommitRequest(f"version {version}"))


def _counts(outcome: MergeOutcome) -> list[tuple[int | None, ...]]:
    return [
        (table.files_added, table.files_removed, table.rows_added, table.rows_removed, table.bytes_added)
        for table in outcome.tables
    ]


UNSAFE = {"LAKEGATE_STORAGE_FSYNC": "false"}
STEPS = (*["change"] * 6, *["merge"] * 5, "cherry_pick", "undo")
BRANCHES = ("main", "exp", "dev")


@settings(max_examples=max(2, settings.default.max_examples // 4), deadline=None)
@given(
    steps=st.lists(st.tuples(st.sampled_from(STEPS), st.permutations(BRANCHES)), min_size=10, max_size=14),
    seed=st.integers(),
)
def test_what_a_merge_recorded_changes_no_later_merge(steps: list[tuple[str, list[str]]], seed: int) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedLake.create(Path(folder) / "lake", environment=UNSAFE) as lake,
    ):
        lake.create_repository("records")
        branches = Branches(lake.repository("records"), Random(seed))
        for step, (branch, other, _) in steps:
            act: Callable[[str, str], None] = getattr(branches, step)
            try:
                act(branch, other)
            except LakegateError:  # a conflict, or nothing to do
                continue

"""The library against a plain-dict model, step by step, with the invariants checked after each."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from lakegate.errors import ErrorKind, MergeConflict, Refused
from lakegate.model import (
    ApplyRequest,
    CommitRequest,
    ListRequest,
    MergeRequest,
    RollbackRequest,
    Strategy,
)
from lakegate.repository import EmbeddedLake

PATHS = st.sampled_from(["a", "a/b", "a/c", "a-", "b/é", "b/\U0001f600"])
NAMES = st.sampled_from(["main", "one", "two"])
BYTES = st.sampled_from([b"", b"1", b"2", b"3"])

Files = dict[str, bytes]


def three_way(base: Files, source: Files, destination: Files) -> tuple[Files, set[str]]:
    """What a merge of plain files gives, and the paths in conflict (where the source's side is taken)."""
    merged, conflicts = dict(destination), set()
    for path in base.keys() | source.keys() | destination.keys():
        b, s, d = base.get(path), source.get(path), destination.get(path)
        if s in (b, d):
            continue
        if d != b:
            conflicts.add(path)
        if s is None:
            merged.pop(path, None)
        else:
            merged[path] = s
    return merged, conflicts


class Model(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.lake = EmbeddedLake.create(Path(self.folder.name))
        self.lake.create_repository("model")
        self.repo = self.lake.repository("model")
        self.commits: dict[str, Files] = {self.repo.branch("main").commit: {}}
        self.heads: dict[str, str] = {"main": self.repo.branch("main").commit}
        self.work: dict[str, Files] = {"main": {}}
        self.files: dict[Path, bytes] = {}

    def teardown(self) -> None:
        self.lake.close()
        self.folder.cleanup()

    @initialize()
    def two_branches(self) -> None:
        for name in ("one", "two"):
            self.repo.create_branch(name, "main")
            self.heads[name], self.work[name] = self.heads["main"], {}

    def dirty(self, name: str) -> bool:
        return self.work[name] != self.commits[self.heads[name]]

    def moved(self, name: str, commit: str, files: Files) -> None:
        assert commit not in self.commits or self.commits[commit] == files
        self.commits[commit] = files
        self.heads[name] = commit
        self.work[name] = dict(files)

    @rule(name=NAMES, path=PATHS, body=BYTES)
    def put(self, name: str, path: str, body: bytes) -> None:
        self.repo.put(name, path, body)
        self.work[name][path] = body

    @rule(name=NAMES, path=PATHS)
    def delete(self, name: str, path: str) -> None:
        self.repo.delete_many(name, [path])
        self.work[name].pop(path, None)

    @rule(name=NAMES)
    def commit(self, name: str) -> None:
        if self.dirty(name):
            made = self.repo.commit(name, CommitRequest("step"))
            self.moved(name, made.id, dict(self.work[name]))
        else:
            self.refused(ErrorKind.NOTHING_TO_COMMIT, lambda: self.repo.commit(name, CommitRequest("step")))

    @rule(name=NAMES)
    def reset(self, name: str) -> None:
        self.repo.reset(name)
        self.work[name] = dict(self.commits[self.heads[name]])

    @rule(source=NAMES, destination=NAMES, strategy=st.sampled_from([None, *Strategy]))
    def merge(self, source: str, destination: str, strategy: Strategy | None) -> None:
        if self.dirty(destination):
            self.refused(ErrorKind.DIRTY_BRANCH, lambda: self.repo.merge(source, destination))
            return
        base = self.repo.merge_base(source, destination)
        assert base is not None
        if base.id == self.heads[source]:
            self.refused(ErrorKind.NOTHING_TO_MERGE, lambda: self.repo.merge(source, destination))
            return
        sides = (self.commits[c] for c in (base.id, self.heads[source], self.heads[destination]))
        files, conflicts = three_way(*sides)
        if conflicts and strategy is None:
            with contextlib.suppress(MergeConflict):
                self.repo.merge(source, destination)
                raise AssertionError(f"no conflict in {conflicts}")
            return
        if strategy is Strategy.DESTINATION_WINS:
            ours = self.commits[self.heads[destination]]
            files = {p: b for p, b in files.items() if p not in conflicts} | {
                p: ours[p] for p in conflicts if p in ours
            }
        done = self.repo.merge(source, destination, MergeRequest(strategy=strategy))
        assert done.commit is not None
        self.moved(destination, done.commit.id, files)

    @rule(name=NAMES)
    def revert(self, name: str) -> None:
        head = self.repo.commit_of(name)
        if self.dirty(name) or len(head.parents) != 1:
            return
        before = self.commits[head.parents[0]]
        if before == self.commits[head.id]:
            return
        self.moved(name, self.repo.revert(name, ApplyRequest(head.id)).id, dict(before))

    @rule(name=NAMES, data=st.data())
    def rollback(self, name: str, data: Any) -> None:
        to = data.draw(st.sampled_from(sorted(self.commits)))
        if self.dirty(name):
            self.refused(ErrorKind.DIRTY_BRANCH, lambda: self.repo.rollback(name, RollbackRequest(to)))
        elif self.commits[to] == self.commits[self.heads[name]]:
            self.refused(ErrorKind.NOTHING_TO_ROLL_BACK, lambda: self.repo.rollback(name, RollbackRequest(to)))
        else:
            done = self.repo.rollback(name, RollbackRequest(to))
            assert done.commit is not None
            self.moved(name, done.commit.id, dict(self.commits[to]))

    @invariant()
    def branches_hold_what_the_model_holds(self) -> None:
        for name, files in self.work.items():
            entries = self.repo.list(name, ListRequest(amount=1000)).items
            assert [e.path for e in entries] == sorted(files, key=lambda path: path.encode())
            assert {e.path: self.repo.open(name, e.path).read() for e in entries} == files
            assert self.repo.branch(name).commit == self.heads[name]
            changed = {c.path for c in self.repo.uncommitted(name).items}
            committed = self.commits[self.heads[name]]
            assert changed == {p for p in files.keys() | committed.keys() if files.get(p) != committed.get(p)}

    @invariant()
    def commits_never_change(self) -> None:
        for commit, files in self.commits.items():
            entries = self.repo.list(commit, ListRequest(amount=1000)).items
            assert {e.path: self.repo.open(commit, e.path).read() for e in entries} == files

    @invariant()
    def stored_files_are_never_changed_or_removed(self) -> None:
        namespace = Path(self.folder.name) / "data"
        now = {f: f.read_bytes() for f in namespace.rglob("*") if f.is_file()}
        assert self.files.items() <= now.items()
        self.files = now

    def refused(self, kind: ErrorKind, call: Any) -> None:
        with pytest.raises(Refused) as caught:
            call()
        assert caught.value.kind is kind


Model.TestCase.settings = settings(max_examples=15, stateful_step_count=25, deadline=None, print_blob=True)
TestModel = Model.TestCase

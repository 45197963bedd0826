"""The library against a model of plain dictionaries, step by step, with the invariants checked after each."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from lakegate.config import LakeSettings, StorageSettings
from lakegate.errors import ErrorKind, LakegateError, MergeConflict
from lakegate.lake import EmbeddedLake
from lakegate.model import (
    ApplyRequest,
    CommitRequest,
    ImportKind,
    ImportRequest,
    ImportSource,
    ListRequest,
    MergeRequest,
    RollbackRequest,
    Strategy,
)
from lakegate.objectstore.local import LocalStore
from lakegate.ops.import_ import import_

PATHS = st.sampled_from(["a", "a/b", "a/c", "a-", "b/é", "b/\U0001f600", "b/\U0010ffff", "\U0010ffff", "in/x"])
NAMES = st.sampled_from(["main", "one", "two"])
BYTES = st.sampled_from([b"", b"1", b"2", b"3"])
NUMBERS = st.integers(0, 1 << 30)
EVERYTHING = ListRequest(amount=1000)

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


def counts(before: Files, after: Files) -> tuple[int, int, int]:
    """How many paths were added, removed, changed."""
    both = before.keys() & after.keys()
    return (
        len(after.keys() - before.keys()),
        len(before.keys() - after.keys()),
        sum(before[path] != after[path] for path in both),
    )


class Model(RuleBasedStateMachine):
    """`commits` and `parents` by commit id, `heads` and `work` (with what is not committed) by branch."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        home = Path(self.folder.name)
        self.source = home / "source"
        self.source.mkdir()
        for name in ("x", "y"):
            (self.source / name).write_bytes(b"imported " + name.encode())
        self.lake = EmbeddedLake.of(LakeSettings(home / "lake", storage=StorageSettings(fsync=False)), create=True)
        self.lake.create_repository("model")
        self.repo = self.lake.repository("model")
        first = self.repo.branch("main").commit
        self.commits: dict[str, Files] = {first: {}}
        self.parents: dict[str, tuple[str, ...]] = {first: ()}
        self.heads: dict[str, str] = {"main": first}
        self.work: dict[str, Files] = {"main": {}}
        self.tags: dict[str, str] = {}
        self.stored: dict[str, bytes] = {}
        self.seen: dict[str, tuple[int, int]] = {}

    def teardown(self) -> None:
        for commit in self.commits:
            self.check_commit(commit)
        self.lake.close()
        self.folder.cleanup()

    @initialize()
    def two_branches(self) -> None:
        for name in ("one", "two"):
            self.repo.create_branch(name, "main")
            self.heads[name], self.work[name] = self.heads["main"], {}

    # -- the model's own answers --------------------------------------------------------------------------------------

    def dirty(self, name: str) -> bool:
        return self.work[name] != self.commits[self.heads[name]]

    def moved(self, name: str, commit: str, files: Files, *parents: str) -> None:
        assert commit not in self.commits or self.commits[commit] == files
        assert self.repo.commit_of(commit).parents == parents
        self.commits[commit], self.parents[commit] = files, parents
        self.heads[name] = commit
        self.work[name] = dict(files)

    def ancestors(self, commit: str) -> set[str]:
        found, left = set[str](), [commit]
        while left:
            commit = left.pop()
            if commit not in found:
                found.add(commit)
                left.extend(self.parents[commit])
        return found

    def base_of(self, left: str, right: str) -> str:
        """The library's merge base, which must be one of the best common ancestors."""
        common = self.ancestors(left) & self.ancestors(right)
        best = {one for one in common if not any(one != other and one in self.ancestors(other) for other in common)}
        found = self.repo.merge_base(left, right)
        assert found is not None
        assert found.id in best
        return found.id

    def any_commit(self, number: int) -> str:
        return list(self.commits)[number % len(self.commits)]

    def refused(self, kind: ErrorKind, call: Callable[[], object]) -> None:
        with pytest.raises(LakegateError) as caught:
            call()
        assert caught.value.kind is kind
        assert caught.value.hint

    # -- objects ------------------------------------------------------------------------------------------------------

    @rule(name=NAMES, path=PATHS, body=BYTES)
    def put(self, name: str, path: str, body: bytes) -> None:
        self.stored[self.repo.put(name, path, body).address] = body
        self.work[name][path] = body

    @rule(name=NAMES, path=PATHS)
    def delete(self, name: str, path: str) -> None:
        if path in self.work[name]:
            self.repo.delete(name, path)
            del self.work[name][path]
        else:
            self.refused(ErrorKind.OBJECT_NOT_FOUND, lambda: self.repo.delete(name, path))

    @rule(name=NAMES, path=PATHS, other=NAMES, source=PATHS, committed=st.booleans())
    def copy(self, name: str, path: str, other: str, source: str, committed: bool) -> None:
        ref = self.heads[other] if committed else other
        there = self.commits[ref] if committed else self.work[other]
        if source in there:
            self.repo.copy(name, path, ref, source)
            self.work[name][path] = there[source]
        else:
            self.refused(ErrorKind.OBJECT_NOT_FOUND, lambda: self.repo.copy(name, path, ref, source))

    # -- history ------------------------------------------------------------------------------------------------------

    @rule(name=NAMES)
    def commit(self, name: str) -> None:
        if self.dirty(name):
            made = self.repo.commit(name, CommitRequest("step"))
            self.moved(name, made.id, dict(self.work[name]), self.heads[name])
        else:
            self.refused(ErrorKind.NOTHING_TO_COMMIT, lambda: self.repo.commit(name, CommitRequest("step")))

    @rule(name=NAMES, path=st.none() | PATHS)
    def reset(self, name: str, path: str | None) -> None:
        self.repo.reset(name, path)
        committed = self.commits[self.heads[name]]
        for each in [path] if path is not None else [*self.work[name].keys() | committed.keys()]:
            self.work[name].pop(each, None)
            if each in committed:
                self.work[name][each] = committed[each]

    @rule(name=NAMES, number=NUMBERS)
    def hard_reset(self, name: str, number: int) -> None:
        to = self.any_commit(number)
        if self.dirty(name):
            self.refused(ErrorKind.DIRTY_BRANCH, lambda: self.repo.hard_reset(name, to))
            return
        assert self.repo.hard_reset(name, to).commit == to
        self.heads[name], self.work[name] = to, dict(self.commits[to])

    @rule(name=NAMES, number=NUMBERS)
    def branch_anew(self, name: str, number: int) -> None:
        if name == "main":
            self.refused(ErrorKind.DEFAULT_BRANCH, lambda: self.repo.delete_branch(name))
            return
        to = self.any_commit(number)
        self.refused(ErrorKind.BRANCH_EXISTS, lambda: self.repo.create_branch(name, to))
        self.repo.delete_branch(name, force=True)
        self.repo.create_branch(name, to)
        self.heads[name], self.work[name] = to, dict(self.commits[to])

    @rule(name=st.sampled_from(["v1", "v2"]), number=NUMBERS)
    def tag(self, name: str, number: int) -> None:
        to = self.any_commit(number)
        if name in self.tags:
            self.refused(ErrorKind.TAG_EXISTS, lambda: self.repo.create_tag(name, to))
            self.repo.delete_tag(name)
            del self.tags[name]
        else:
            assert self.repo.create_tag(name, to).commit == to
            self.tags[name] = to

    @rule(
        source=NAMES,
        destination=NAMES,
        strategy=st.sampled_from([None, *Strategy]),
        squash=st.booleans(),
        dry_run=st.booleans(),
    )
    def merge(self, source: str, destination: str, strategy: Strategy | None, squash: bool, dry_run: bool) -> None:
        request = MergeRequest(strategy=strategy, squash=squash, dry_run=dry_run)
        if self.dirty(destination):
            self.refused(ErrorKind.DIRTY_BRANCH, lambda: self.repo.merge(source, destination, request))
            return
        theirs, ours = self.heads[source], self.heads[destination]
        base = self.base_of(theirs, ours)
        if base == theirs:
            self.refused(ErrorKind.NOTHING_TO_MERGE, lambda: self.repo.merge(source, destination, request))
            return
        files, conflicts = three_way(self.commits[base], self.commits[theirs], self.commits[ours])
        unsettled = conflicts if strategy is None else set[str]()
        if unsettled and not dry_run:
            with pytest.raises(MergeConflict) as caught:
                self.repo.merge(source, destination, request)
            assert {conflict.path for conflict in caught.value.conflicts} == conflicts
            return
        if strategy is Strategy.DESTINATION_WINS:
            kept = self.commits[ours]
            files = {p: b for p, b in files.items() if p not in conflicts}
            files |= {p: kept[p] for p in conflicts if p in kept}
        done = self.repo.merge(source, destination, request)
        assert {conflict.path for conflict in done.conflicts} == unsettled
        if not unsettled:
            changes = done.changes
            assert (changes.added, changes.removed, changes.changed) == counts(self.commits[ours], files)
        if dry_run:
            assert done.commit is None
            return
        assert done.commit is not None
        self.moved(destination, done.commit.id, files, ours, *(() if squash else (theirs,)))

    @rule(name=NAMES, number=NUMBERS, inverse=st.booleans())
    def apply(self, name: str, number: int, inverse: bool) -> None:
        """Revert and cherry-pick."""
        commit = self.any_commit(number)
        call = self.repo.revert if inverse else self.repo.cherry_pick
        request = ApplyRequest(commit, parent=1)
        if not self.parents[commit]:
            self.refused(ErrorKind.INVALID_ARGUMENT, lambda: call(name, request))
            return
        if self.dirty(name):
            self.refused(ErrorKind.DIRTY_BRANCH, lambda: call(name, request))
            return
        before, after = self.commits[self.parents[commit][0]], self.commits[commit]
        head = self.heads[name]
        sides = (after, before) if inverse else (before, after)
        files, conflicts = three_way(*sides, self.commits[head])
        if conflicts:
            self.refused(ErrorKind.MERGE_CONFLICT, lambda: call(name, request))
        elif files == self.commits[head]:
            self.refused(ErrorKind.NOTHING_TO_COMMIT, lambda: call(name, request))
        else:
            self.moved(name, call(name, request).id, files, head)

    @rule(name=NAMES, number=NUMBERS, path=st.none() | PATHS | st.sampled_from(["a/", "b/", "in/"]), dry=st.booleans())
    def rollback(self, name: str, number: int, path: str | None, dry: bool) -> None:
        to, head = self.any_commit(number), self.heads[name]
        now, then = self.commits[head], self.commits[to]
        request = RollbackRequest(to, paths=() if path is None else (path,), dry_run=dry)

        def covered(each: str) -> bool:
            return path is None or each == path or (path.endswith("/") and each.startswith(path))

        files = {p: b for p, b in now.items() if not covered(p)} | {p: b for p, b in then.items() if covered(p)}
        if self.dirty(name):
            self.refused(ErrorKind.DIRTY_BRANCH, lambda: self.repo.rollback(name, request))
        elif path is not None and not any(map(covered, now.keys() | then.keys())):
            self.refused(ErrorKind.OBJECT_NOT_FOUND, lambda: self.repo.rollback(name, request))
        elif files == now and not dry:
            self.refused(ErrorKind.NOTHING_TO_ROLL_BACK, lambda: self.repo.rollback(name, request))
        else:
            done = self.repo.rollback(name, request)
            assert (done.changes.added, done.changes.removed, done.changes.changed) == counts(now, files)
            if dry:
                assert done.commit is None
            else:
                assert done.commit is not None
                self.moved(name, done.commit.id, files, head)

    @rule(name=NAMES, replace=st.booleans())
    def import_(self, name: str, replace: bool) -> None:
        source = ImportSource(ImportKind.PREFIX, self.source.as_uri(), "in")
        request = ImportRequest((source,), CommitRequest("import"), replace=replace)
        head = self.heads[name]
        now = self.commits[head]
        files = {p: b for p, b in now.items() if not (replace and p.startswith("in/"))}
        files |= {f"in/{file.name}": file.read_bytes() for file in self.source.iterdir()}
        if self.dirty(name):
            self.refused(ErrorKind.DIRTY_BRANCH, lambda: import_(self.repo.ctx, name, request))
        elif files == now:
            self.refused(ErrorKind.NOTHING_TO_COMMIT, lambda: import_(self.repo.ctx, name, request))
        else:
            made = import_(self.repo.ctx, name, request).commit
            assert made is not None
            self.moved(name, made.id, files, head)

    @precondition(lambda self: len(self.commits) > 3)
    @rule()
    def opened_anew(self) -> None:
        """What a new process sees is what this one did."""
        settings = self.lake.settings
        self.lake.close()
        self.lake = EmbeddedLake.of(settings)
        self.repo = self.lake.repository("model")

    # -- invariants ---------------------------------------------------------------------------------------------------

    def check_commit(self, commit: str) -> None:
        files = self.commits[commit]
        entries = self.repo.list(commit, EVERYTHING).items
        assert [e.path for e in entries] == sorted(files, key=lambda path: path.encode())
        assert {e.path: self.repo.open(commit, e.path).read() for e in entries} == files

    @invariant()
    def branches_hold_what_the_model_holds(self) -> None:
        for name, files in self.work.items():
            entries = self.repo.list(name, EVERYTHING).items
            assert [e.path for e in entries] == sorted(files, key=lambda path: path.encode())
            assert {e.path: self.repo.open(name, e.path).read() for e in entries} == files
            assert self.repo.branch(name).commit == self.heads[name]
            changed = {c.path for c in self.repo.uncommitted(name, EVERYTHING).items}
            committed = self.commits[self.heads[name]]
            assert changed == {p for p in files.keys() | committed.keys() if files.get(p) != committed.get(p)}
        assert {tag.name: tag.commit for tag in self.repo.tags().items} == self.tags

    @invariant()
    def an_early_commit_never_changes(self) -> None:
        self.check_commit(list(self.commits)[len(self.stored) % len(self.commits)])

    @invariant()
    def the_stored_files_are_those_that_were_written_and_never_change(self) -> None:
        root = Path(self.lake.settings.home) / "data/model"
        found = {file: file.stat() for file in root.rglob("*") if file.is_file()}
        now = {str(file.relative_to(root)): (stat.st_ino, stat.st_mtime_ns) for file, stat in found.items()}
        assert self.seen.items() <= now.items()
        for key in now.keys() - self.seen.keys():
            if key.startswith("data/"):
                assert (root / key).read_bytes() == self.stored[key]
        self.seen = now
        # Each write left one file, at an address of its own; a request that was refused left none.
        assert {key for key in now if key.startswith("data/")} == self.stored.keys()

    @invariant()
    def every_file_of_the_metadata_is_what_its_name_says(self) -> None:
        store = LocalStore(Path(self.lake.settings.home) / "data/model", fsync=False)
        for found in store.list("_lakegate/commits/"):
            digest = hashlib.sha256(store.get(found.key)).hexdigest()
            assert found.key == f"_lakegate/commits/{digest}.json"
        assert {Path(found.key).stem for found in store.list("_lakegate/commits/")} >= self.commits.keys()


Model.TestCase.settings = settings(
    max_examples=20,
    stateful_step_count=25,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestModel = Model.TestCase

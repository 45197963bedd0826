"""Random operations on branches of two Delta tables, one of them partitioned, merges both ways, merges of rows by key
where those conflict, rollbacks and reverts, against a model of rows.

After every step the tables are read by a client that knows nothing of lakegate, and their logs are checked. Every row
has an id of its own, so that a merge of rows by id says what a merge of branches must give.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from lakegate.errors import ErrorKind, LakegateError, MergeConflict
from lakegate.ids import CommitId
from lakegate.lake import EmbeddedLake
from lakegate.model import ApplyRequest, CommitRequest, Isolation, MergeRequest, Resolution, RollbackRequest, Take
from lakegate.testing import delta_operations as ops
from lakegate.testing.delta_check import check_log
from lakegate.testing.delta_rows import READERS, read_rows
from lakegate.testing.mirror import Mirror

T = TypeVar("T")
Value = tuple[int, int] | None
"""Partition and `x` of a row; None: there is none."""
Key = tuple[str, int]
"""A row: its table, and its id."""
Rows = Mapping[Key, tuple[int, int]]

TABLES = {"t": ["p"], "u": []}
"""The tables, and what they are partitioned by."""
PATHS = st.sampled_from(sorted(TABLES))
PARTITIONS = st.integers(0, 2)
BLIND = frozenset({"append", "compact"})


def unless(call: Callable[[], T], *kinds: ErrorKind) -> T | LakegateError:
    """What the call answers, or its error where it is one of these."""
    try:
        return call()
    except LakegateError as error:
        if error.kind not in kinds:
            raise
        return error


class DeltaBranches(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self._scratch = tempfile.TemporaryDirectory(prefix="lakegate-merge-model-")
        self._folder = Path(self._scratch.name)
        self._lake = EmbeddedLake.create(self._folder / "lake")
        self._lake.create_repository("model")
        self._repo = self._lake.repository("model")
        self._rows: dict[CommitId, Rows] = {}
        self._operations: dict[CommitId, str] = {}
        self._branches = ["main"]
        self._next_id = 0

    def teardown(self) -> None:
        self._lake.close()
        self._scratch.cleanup()

    @initialize()
    def create(self) -> None:
        """Both tables come with one commit, so that no rollback or revert drops one."""
        made: dict[Key, tuple[int, int]] = {}
        for path, partition_by in TABLES.items():
            rows = [(self._fresh(), p, 1) for p in (0, 0, 1, 2)]
            mirror = self._mirror("main", path)
            ops.write(mirror.folder, rows, mode="append", partition_by=partition_by)
            mirror.push()
            made |= {(path, i): (p, x) for i, p, x in rows}
        self._done(self._repo.commit("main", CommitRequest("append")).id, "append", made)
        assert self._read("main") == made

    # -- what clients do ----------------------------------------------------------------------------------------------

    @precondition(lambda self: len(self._branches) < 3)
    @rule(data=st.data())
    def branch(self, data: st.DataObject) -> None:
        name = f"b{len(self._branches)}"
        self._repo.create_branch(name, self._pick(data))
        self._branches.append(name)

    @rule(data=st.data(), path=PATHS, p=PARTITIONS, more=st.booleans())
    def append(self, data: st.DataObject, path: str, p: int, more: bool) -> None:
        rows = [(self._fresh(), p, 1)] + ([(self._fresh(), (p + 1) % 3, 2)] if more else [])
        self._append(self._pick(data), path, rows)

    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        branch, row = self._pick_row(data)
        if row is not None:
            self._delete(branch, row)

    @rule(data=st.data())
    def update(self, data: st.DataObject) -> None:
        branch, row = self._pick_row(data)
        if row is not None:
            self._update(branch, row)

    @rule(data=st.data(), p=PARTITIONS)
    def upsert(self, data: st.DataObject, p: int) -> None:
        """A MERGE of a row that is there, and of a new one."""
        branch, row = self._pick_row(data)
        if row is not None:
            rows, new = self._at(branch), self._fresh()
            changed = {row: (rows[row][0], self._new_value()), (row[0], new): (p, 4)}
            source = ops.table_of([(i, *value) for (_, i), value in changed.items()])
            table = ops.opened(self._mirror(branch, row[0]).folder)
            merger = table.merge(source, "target.id = source.id", "source", "target")
            merger.when_matched_update_all().when_not_matched_insert_all().execute()
            self._committed(branch, row[0], "upsert", {**rows, **changed})

    @rule(data=st.data(), path=PATHS, p=PARTITIONS)
    def replace(self, data: st.DataObject, path: str, p: int) -> None:
        """Overwrites the rows with one `p`."""
        branch, new = self._pick(data), self._fresh()
        kept = {key: value for key, value in self._at(branch).items() if key[0] != path or value[0] != p}
        ops.write(self._mirror(branch, path).folder, [(new, p, 3)], mode="overwrite", predicate=f"p = {p}")
        self._committed(branch, path, "replace", {**kept, (path, new): (p, 3)})

    @rule(data=st.data(), path=PATHS, p=PARTITIONS)
    def overwrite(self, data: st.DataObject, path: str, p: int) -> None:
        branch, new = self._pick(data), self._fresh()
        kept = {key: value for key, value in self._at(branch).items() if key[0] != path}
        ops.write(self._mirror(branch, path).folder, [(new, p, 5)], mode="overwrite")
        self._committed(branch, path, "overwrite", {**kept, (path, new): (p, 5)})

    @rule(data=st.data(), path=PATHS, vacuum=st.booleans(), z_order=st.booleans())
    def compact(self, data: st.DataObject, path: str, vacuum: bool, z_order: bool) -> None:
        branch = self._pick(data)
        folder = self._mirror(branch, path).folder
        if z_order:
            ops.opened(folder).optimize.z_order(["x"])
        else:
            ops.opened(folder).optimize.compact()
        if vacuum:
            ops.opened(folder).vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
        self._committed(branch, path, "compact", self._at(branch))

    # -- what lakegate does -------------------------------------------------------------------------------------------

    @precondition(lambda self: len(self._branches) > 1)
    @rule(data=st.data(), isolation=st.sampled_from(Isolation))
    def merge(self, data: st.DataObject, isolation: Isolation) -> None:
        source, destination = self._pick(data), self._pick(data)
        if source != destination:
            self._merge(data, source, destination, isolation)

    @precondition(lambda self: len(self._branches) > 1)
    @rule(data=st.data(), isolation=st.sampled_from(Isolation), gone=st.booleans())
    def collide(self, data: st.DataObject, isolation: Isolation, gone: bool) -> None:
        """Both sides of a merge change one row, which is a conflict by Delta's rules; or one side deletes it."""
        source, destination = self._pick(data), self._pick(data)
        both = sorted(self._at(source).keys() & self._at(destination).keys())
        if source != destination and both:
            row = data.draw(st.sampled_from(both))
            self._update(source, row)
            if gone:
                self._delete(destination, row)
            else:
                self._update(destination, row)
            self._merge(data, source, destination, isolation)

    def _merge(self, data: st.DataObject, source: str, destination: str, isolation: Isolation) -> None:
        heads = [self._repo.branch(name).commit for name in (source, destination)]
        base = self._repo.merge_base(source, destination)
        assert base is not None
        request = MergeRequest(isolation=isolation)
        outcome = unless(
            lambda: self._repo.merge(source, destination, request),
            ErrorKind.NOTHING_TO_MERGE,
            ErrorKind.MERGE_CONFLICT,
        )
        if isinstance(outcome, MergeConflict):
            assert outcome.conflicts
            assert self._repo.branch(destination).commit == heads[1]
            ours, theirs = ({self._operations[c] for c in self._since(head, base.id)} for head in heads)
            harmless = isolation is not Isolation.SERIALIZABLE or theirs <= BLIND
            assert not (ours <= BLIND and "merge" not in theirs and harmless), outcome.conflicts
            self._merge_rows(data, (source, destination), outcome, (base.id, heads[0], heads[1]))
        elif not isinstance(outcome, LakegateError):
            assert outcome.commit is not None
            found = self._read(destination)
            self._check_merge(found, base.id, *heads)
            self._done(outcome.commit.id, "merge", found)

    def _merge_rows(
        self,
        data: st.DataObject,
        names: tuple[str, str],
        refused: MergeConflict,
        commits: tuple[CommitId, CommitId, CommitId],
    ) -> None:
        """Settles the tables in conflict by their rows."""
        prefer = data.draw(st.sampled_from((Take.SOURCE, Take.DESTINATION)))
        tables = sorted({str(conflict.table) for conflict in refused.conflicts})
        settled = tuple(Resolution(table, Take.ROWS, ("id",), prefer) for table in tables)
        outcome = self._repo.merge(*names, MergeRequest(resolutions=settled))
        assert outcome.commit is not None
        found = self._read(names[1])
        before, ours, theirs = (self._rows[commit] for commit in commits)
        for key in {*before, *ours, *theirs, *found}:
            if key[0] in tables:
                b, s, d = before.get(key), ours.get(key), theirs.get(key)
                both = d if prefer is Take.DESTINATION else s
                assert found.get(key) == (d if s == b else s if d == b else both), (key, b, s, d, found.get(key))
        self._check_merge(found, *commits, but_for=tables)
        self._done(outcome.commit.id, "merge", found)

    @rule(data=st.data(), back=st.integers(1, 4))
    def roll_back(self, data: st.DataObject, back: int) -> None:
        branch = self._pick(data)
        history = [commit.id for commit in self._repo.log(branch).items if commit.id in self._rows]
        target = history[min(back, len(history) - 1)]
        outcome = unless(lambda: self._repo.rollback(branch, RollbackRequest(target)), ErrorKind.NOTHING_TO_ROLL_BACK)
        if not isinstance(outcome, LakegateError):
            assert outcome.commit is not None
            self._done(outcome.commit.id, "rollback", self._rows[target])
            assert self._read(branch) == self._rows[target]

    @rule(data=st.data())
    def revert_the_last(self, data: st.DataObject) -> None:
        branch = self._pick(data)
        head = self._repo.commit_of(branch)
        if len(head.parents) != 1 or head.parents[0] not in self._rows:
            return
        made = unless(lambda: self._repo.revert(branch, ApplyRequest(head.id)), ErrorKind.NOTHING_TO_COMMIT)
        if not isinstance(made, LakegateError):
            self._done(made.id, "revert", self._rows[head.parents[0]])
            assert self._read(branch) == self._rows[head.parents[0]]

    # -- the model ----------------------------------------------------------------------------------------------------

    def _check_merge(
        self, found: Rows, base: CommitId, source: CommitId, destination: CommitId, but_for: Sequence[str] = ()
    ) -> None:
        """Every row is what a three-way merge by id gives. A change that stands on both sides already, and was built on
        since on one, may be taken as that side has it."""
        before, ours, theirs = (self._rows[commit] for commit in (base, source, destination))
        for i in {*before, *ours, *theirs, *found}:
            if i[0] in but_for:
                continue
            b, s, d = before.get(i), ours.get(i), theirs.get(i)
            allowed: set[Value] = set()
            if s in (b, d):
                allowed.add(d)
            elif d == b:
                allowed.add(s)
            if any(self._rows[c].get(i) == s for c in self._since(destination, base)):
                allowed.add(d)
            if any(self._rows[c].get(i) == d for c in self._since(source, base)):
                allowed.add(s)
            assert found.get(i) in allowed, (i, b, s, d, found.get(i))

    def _since(self, head: CommitId, base: CommitId) -> Iterator[CommitId]:
        """The commits behind a head that are not behind the base."""
        known = set(self._behind(base))
        return (commit for commit in self._behind(head) if commit not in known)

    def _behind(self, head: CommitId) -> Iterator[CommitId]:
        pending, seen = [head], set[CommitId]()
        while pending:
            commit = pending.pop()
            if commit in seen or commit not in self._rows:
                continue
            seen.add(commit)
            yield commit
            pending.extend(self._repo.commit_of(commit).parents)

    def _at(self, branch: str) -> Rows:
        return self._rows[self._repo.branch(branch).commit]

    def _fresh(self) -> int:
        self._next_id += 1
        return self._next_id

    def _pick(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(self._branches))

    def _new_value(self) -> int:
        return 1000 + self._fresh()

    def _pick_row(self, data: st.DataObject) -> tuple[str, Key | None]:
        branch = self._pick(data)
        keys = sorted(self._at(branch))
        return branch, data.draw(st.sampled_from(keys)) if keys else None

    def _delete(self, branch: str, row: Key) -> None:
        rows = self._at(branch)
        kept = {key: value for key, value in rows.items() if key != row}
        ops.opened(self._mirror(branch, row[0]).folder).delete(f"p = {rows[row][0]} and id = {row[1]}")
        self._committed(branch, row[0], "delete", kept)

    def _update(self, branch: str, row: Key) -> None:
        rows = self._at(branch)
        p, x = rows[row][0], self._new_value()
        ops.opened(self._mirror(branch, row[0]).folder).update({"x": str(x)}, predicate=f"p = {p} and id = {row[1]}")
        self._committed(branch, row[0], "update", {**rows, row: (p, x)})

    def _append(self, branch: str, path: str, rows: ops.Rows) -> None:
        before = self._rows.get(self._repo.branch(branch).commit, {})
        ops.write(self._mirror(branch, path).folder, rows, mode="append", partition_by=TABLES[path])
        self._committed(branch, path, "append", {**before, **{(path, i): (p, x) for i, p, x in rows}})

    def _mirror(self, branch: str, path: str) -> Mirror:
        folder = self._folder / branch / path
        folder.mkdir(parents=True, exist_ok=True)
        return Mirror(self._repo, branch, path, folder).pull()

    def _committed(self, branch: str, path: str, operation: str, rows: Rows) -> None:
        mirror = Mirror(self._repo, branch, path, self._folder / branch / path)
        made = unless(lambda: mirror.commit(operation), ErrorKind.NOTHING_TO_COMMIT)
        if not isinstance(made, LakegateError):
            self._done(made.id, operation, rows)
            self._check(branch, path)

    def _done(self, commit: CommitId, operation: str, rows: Rows) -> None:
        self._rows[commit] = rows
        self._operations[commit] = operation

    def _check(self, branch: str, path: str) -> None:
        rows = self._at(branch)
        assert self._read_table(branch, path) == {key: value for key, value in rows.items() if key[0] == path}

    def _read(self, branch: str) -> Rows:
        """The rows of the branch's tables as a reader finds them."""
        held = [table.path for table in self._repo.tables(branch).items]
        return {key: value for path in held for key, value in self._read_table(branch, path).items()}

    def _read_table(self, branch: str, path: str) -> Rows:
        """The rows of a table as a reader finds them: another one each time. Checks its log."""
        folder = self._mirror(branch, path).folder
        check_log(folder)
        reader = READERS[len(self._rows) % len(READERS)]
        rows = [json.loads(row) for row in read_rows(reader, str(folder)).elements()]
        found = {(path, row["id"]): (row["p"], row["x"]) for row in rows}
        assert len(found) == len(rows), f"{reader} finds a row twice"
        return found


DeltaBranches.TestCase.settings = settings(
    max_examples=4,
    stateful_step_count=14,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
DeltaBranches.TestCase.pytestmark = [
    pytest.mark.skipif(find_spec("deltalake") is None, reason="deltalake makes the tables"),
    pytest.mark.timeout(600),
]
TestDeltaBranches = DeltaBranches.TestCase

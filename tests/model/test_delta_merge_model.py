"""Random operations on branches of one Delta table, merges both ways, rollbacks and reverts, against a model of rows.

After every step the table is read by a client that knows nothing of lakegate, and its log is checked. Every row has an
id of its own, so that a merge of rows by id says what a merge of branches must give.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from lakegate.errors import ErrorKind, LakegateError, MergeConflict
from lakegate.ids import CommitId
from lakegate.model import ApplyRequest, Isolation, MergeRequest, RollbackRequest
from lakegate.repository import EmbeddedLake
from lakegate.testing import delta_operations as ops
from lakegate.testing.delta_check import check_log
from lakegate.testing.delta_rows import READERS, read_rows
from lakegate.testing.mirror import Mirror

T = TypeVar("T")
Value = tuple[int, int] | None
"""Partition and `x` of a row; None: there is none."""
Table = Mapping[int, tuple[int, int]]

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
        self._rows: dict[CommitId, Table] = {}
        self._operations: dict[CommitId, str] = {}
        self._branches = ["main"]
        self._next_id = 0

    def teardown(self) -> None:
        self._lake.close()
        self._scratch.cleanup()

    @initialize()
    def create(self) -> None:
        self._write("main", "append", [(self._fresh(), p, 1) for p in (0, 0, 1, 2)], {})

    # -- what clients do ----------------------------------------------------------------------------------------------

    @precondition(lambda self: len(self._branches) < 3)
    @rule(data=st.data())
    def branch(self, data: st.DataObject) -> None:
        name = f"b{len(self._branches)}"
        self._repo.create_branch(name, self._pick(data))
        self._branches.append(name)

    @rule(data=st.data(), p=PARTITIONS, more=st.booleans())
    def append(self, data: st.DataObject, p: int, more: bool) -> None:
        branch = self._pick(data)
        rows = [(self._fresh(), p, 1)] + ([(self._fresh(), (p + 1) % 3, 2)] if more else [])
        self._write(branch, "append", rows, self._at(branch))

    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        branch, row = self._pick_row(data)
        if row is not None:
            table = self._at(branch)
            kept = {i: value for i, value in table.items() if i != row}
            folder = self._mirror(branch).folder
            ops.opened(folder).delete(f"p = {table[row][0]} and id = {row}")
            self._committed(branch, "delete", kept)

    @rule(data=st.data(), x=st.integers(10, 1000))
    def update(self, data: st.DataObject, x: int) -> None:
        branch, row = self._pick_row(data)
        if row is not None:
            table = self._at(branch)
            p = table[row][0]
            value = x * 1000 + self._fresh()
            folder = self._mirror(branch).folder
            ops.opened(folder).update({"x": str(value)}, predicate=f"p = {p} and id = {row}")
            self._committed(branch, "update", {**table, row: (p, value)})

    @rule(data=st.data(), p=PARTITIONS)
    def replace_partition(self, data: st.DataObject, p: int) -> None:
        branch = self._pick(data)
        new = self._fresh()
        kept = {i: value for i, value in self._at(branch).items() if value[0] != p}
        folder = self._mirror(branch).folder
        ops.write(folder, [(new, p, 3)], mode="overwrite", predicate=f"p = {p}")
        self._committed(branch, "replace", {**kept, new: (p, 3)})

    @rule(data=st.data(), vacuum=st.booleans())
    def compact(self, data: st.DataObject, vacuum: bool) -> None:
        branch = self._pick(data)
        folder = self._mirror(branch).folder
        ops.opened(folder).optimize.compact()
        if vacuum:
            ops.opened(folder).vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
        self._committed(branch, "compact", self._at(branch))

    # -- what lakegate does -------------------------------------------------------------------------------------------

    @precondition(lambda self: len(self._branches) > 1)
    @rule(data=st.data(), isolation=st.sampled_from(Isolation))
    def merge(self, data: st.DataObject, isolation: Isolation) -> None:
        source, destination = self._pick(data), self._pick(data)
        if source == destination:
            return
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
        elif not isinstance(outcome, LakegateError):
            assert outcome.commit is not None
            found = self._read(destination)
            self._check_merge(found, base.id, *heads)
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

    def _check_merge(self, found: Table, base: CommitId, source: CommitId, destination: CommitId) -> None:
        """Every row is what a three-way merge by id gives. A change that stands on both sides already, and was built on
        since on one, may be taken as that side has it."""
        before, ours, theirs = (self._rows[commit] for commit in (base, source, destination))
        for i in {*before, *ours, *theirs, *found}:
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

    def _at(self, branch: str) -> Table:
        return self._rows[self._repo.branch(branch).commit]

    def _fresh(self) -> int:
        self._next_id += 1
        return self._next_id

    def _pick(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(self._branches))

    def _pick_row(self, data: st.DataObject) -> tuple[str, int | None]:
        branch = self._pick(data)
        ids = sorted(self._at(branch))
        return branch, data.draw(st.sampled_from(ids)) if ids else None

    def _write(self, branch: str, operation: str, rows: ops.Rows, before: Table) -> None:
        ops.write(self._mirror(branch).folder, rows, mode="append", partition_by=["p"])
        self._committed(branch, operation, {**before, **{i: (p, x) for i, p, x in rows}})

    def _mirror(self, branch: str) -> Mirror:
        folder = self._folder / branch
        folder.mkdir(exist_ok=True)
        return Mirror(self._repo, branch, "t", folder).pull()

    def _committed(self, branch: str, operation: str, rows: Table) -> None:
        mirror = Mirror(self._repo, branch, "t", self._folder / branch)
        made = unless(lambda: mirror.commit(operation), ErrorKind.NOTHING_TO_COMMIT)
        if not isinstance(made, LakegateError):
            self._done(made.id, operation, rows)
            assert self._read(branch) == rows

    def _done(self, commit: CommitId, operation: str, rows: Table) -> None:
        self._rows[commit] = rows
        self._operations[commit] = operation

    def _read(self, branch: str) -> Table:
        """The branch's rows as a reader finds them: another one each time."""
        folder = self._mirror(branch).folder
        check_log(folder)
        reader = READERS[len(self._rows) % len(READERS)]
        rows = [json.loads(row) for row in read_rows(reader, str(folder)).elements()]
        found = {row["id"]: (row["p"], row["x"]) for row in rows}
        assert len(found) == len(rows), f"{reader} finds a row twice"
        return found


DeltaBranches.TestCase.settings = settings(
    max_examples=8,
    stateful_step_count=14,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
DeltaBranches.TestCase.pytestmark = [
    pytest.mark.skipif(find_spec("deltalake") is None, reason="deltalake makes the tables"),
    pytest.mark.timeout(600),
]
TestDeltaBranches = DeltaBranches.TestCase

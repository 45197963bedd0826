"""Branches of two Delta tables that come to their states in every way (changes, merges, squash merges, cherry-picks,
reverts, rollbacks, clean-ups of logs, vacuums), against a model of rows.

After every step the rows of the branch that moved are read by an oracle, and are what a three-way merge by id gives;
the log is valid; no other branch moved. A step that is refused changes nothing. The logs are written by hand, so that
this sees many more histories than `test_delta_merge_model`, where clients make the tables.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import Phase, given, note, settings
from hypothesis import strategies as st

from lakegate.errors import ErrorKind, LakegateError, MergeConflict
from lakegate.ids import CommitId
from lakegate.lake import EmbeddedLake
from lakegate.model import ApplyRequest, Commit, CommitRequest, Isolation, MergeRequest, RollbackRequest, Strategy
from lakegate.repository import EmbeddedRepository
from lakegate.testing.delta_branches import DeltaBranches, Rows

TABLES = ("t", "u")
REFUSED = {
    ErrorKind.MERGE_CONFLICT,
    ErrorKind.NOTHING_TO_COMMIT,
    ErrorKind.NOTHING_TO_MERGE,
    ErrorKind.NOTHING_TO_ROLL_BACK,
}


class Branches:
    def __init__(self, repo: EmbeddedRepository) -> None:
        self._repo = repo
        self._tables = DeltaBranches(repo)
        self._rows: dict[CommitId, Rows] = {}
        self._took: dict[CommitId, CommitId] = {}
        """Commits, and those whose changes they took."""
        self._heads: dict[str, CommitId] = {}
        for table in TABLES:
            self._tables.create("main", table)
        self._moved("main", repo.commit("main", CommitRequest("create")))

    def step(self, step: str, random: Random) -> None:
        """Takes a step, and checks what it did to the branches."""
        act: Callable[[Random], None] = getattr(self, step)
        try:
            act(random)
        except LakegateError as error:
            if error.kind not in REFUSED:
                raise
            note(f"    {error.kind}")
        self._check_heads()

    def check(self) -> None:
        """Checks that every branch still holds the rows that it held when it moved last."""
        for name, head in self._heads.items():
            assert self._tables.rows(name, TABLES) == self._rows[head]

    # -- steps --------------------------------------------------------------------------------------------------------

    def branch(self, random: Random) -> None:
        name, start = f"b{len(self._heads)}", self._pick(random)
        if len(self._heads) < 3:
            note(f"branch {name} of {start}")
            self._heads[name] = self._repo.create_branch(name, start).commit

    def change(self, random: Random) -> None:
        """One to four changes of tables, in one commit or several."""
        branch = self._pick(random)
        for _ in range(random.choice((1, 1, 1, 1, 1, 1, 2, 3, 4))):
            table = random.choice(TABLES)
            note(f"{self._tables.change(branch, table, random)} {branch} {table}")
            if random.random() < 0.5:
                self._commit(branch)
        self._commit(branch)

    def merge(self, random: Random) -> None:
        source, destination = self._pick(random), self._pick(random)
        if source == destination:
            return
        base = self._repo.merge_base(source, destination)
        assert base is not None
        commits = base.id, self._heads[source], self._heads[destination]
        request = MergeRequest(isolation=random.choice(list(Isolation)), squash=random.random() < 0.3)
        strategy = random.choice((*Strategy, None, None, None, None))
        note(f"merge {source} into {destination}, {request.isolation}{', squashed' if request.squash else ''}")
        settled: set[str] = set()
        try:
            made = self._repo.merge(source, destination, request).commit
        except MergeConflict as conflict:
            settled = {str(one.table) for one in conflict.conflicts}
            note(f"    conflict in {sorted(settled)}, to be settled by {strategy}")
            self._check_conflict(settled, *commits[1:])
            if strategy is None:
                return
            made = self._repo.merge(source, destination, replace(request, strategy=strategy)).commit
        assert made is not None
        self._moved(destination, made, took=commits[1])
        before, ours, theirs = (self._rows[commit] for commit in commits)
        taken = ours if strategy is Strategy.SOURCE_WINS else theirs
        there, here = self._since(commits[2], base.id), self._since(commits[1], base.id)
        for row in self._ids(before, ours, theirs, self._rows[made.id]):
            b, s, d = before.get(row), ours.get(row), theirs.get(row)
            allowed = {d} if s in (b, d) else {s} if d == b else set()
            # A change that the other side had too may have been undone there, or built on, since: that stands.
            allowed |= {d} if any(self._rows[commit].get(row) == s for commit in there) else set()
            allowed |= {s} if any(self._rows[commit].get(row) == d for commit in here) else set()
            if row[0] in settled:
                allowed = {taken.get(row)}
            found = self._rows[made.id].get(row)
            assert found in allowed, f"row {row}: base {b}, source {s}, destination {d}, merged {found}"

    def revert(self, random: Random) -> None:
        branch = self._pick(random)
        commit = self._recent(branch, random)
        if commit is None:
            return
        note(f"revert {commit.message!r} on {branch}")
        self._apply(branch, self._repo.revert, commit.id, commit.id, commit.parents[0])

    def cherry_pick(self, random: Random) -> None:
        branch, source = self._pick(random), self._pick(random)
        commit = self._recent(source, random)
        if commit is None:
            return
        note(f"cherry-pick {commit.message!r} of {source} onto {branch}")
        self._apply(branch, self._repo.cherry_pick, commit.id, commit.parents[0], commit.id)

    def roll_back(self, random: Random) -> None:
        branch = self._pick(random)
        history = [commit.id for commit in self._repo.log(branch).items if commit.id in self._rows]
        target = history[min(random.randint(1, 4), len(history) - 1)]
        tables = random.choice(((), (), ("t",), ("u",)))
        note(f"roll back {branch} to {self._repo.commit_of(target).message!r}, tables {tables or 'all'}")
        before = self._rows[self._heads[branch]]
        made = self._repo.rollback(branch, RollbackRequest(target, tables)).commit
        assert made is not None
        self._moved(branch, made)
        for row in self._ids(before, self._rows[target], self._rows[made.id]):
            want = self._rows[target] if row[0] in (tables or TABLES) else before
            assert self._rows[made.id].get(row) == want.get(row), row

    def stay(self, random: Random) -> None:
        """Nothing happens."""

    # -- the model ----------------------------------------------------------------------------------------------------

    def _apply(
        self,
        branch: str,
        verb: Callable[[str, ApplyRequest], Commit],
        commit: CommitId,
        base: CommitId,
        source: CommitId,
    ) -> None:
        """Takes what led from `base` to `source`; rows that it does not change stay, and all others become what they
        are at `source`, or stay where that was undone before."""
        theirs = self._rows[self._heads[branch]]
        made = verb(branch, ApplyRequest(commit))
        self._moved(branch, made, took=commit)
        before, ours = self._rows[base], self._rows[source]
        for row in self._ids(before, ours, theirs, self._rows[made.id]):
            b, s, d = before.get(row), ours.get(row), theirs.get(row)
            found = self._rows[made.id].get(row)
            if b == s or d == s:
                assert found == d, f"row {row}, which {commit} does not change, was {d} and is {found}"
            elif d == b:
                assert found in (s, d), f"row {row} was {d}, should be {s}, and is {found}"

    def _check_heads(self) -> None:
        """Checks that no branch moved but by steps that succeeded, and that nothing is left uncommitted."""
        assert {name: self._repo.branch(name).commit for name in self._heads} == self._heads
        assert not any(self._repo.uncommitted(name).items for name in self._heads)

    def _check_conflict(self, tables: Iterable[str], source: CommitId, destination: CommitId) -> None:
        """Checks that the refusal changed nothing, and that no table is in conflict that is the same on both sides."""
        self._check_heads()
        for table in tables:
            assert self._tables.state(source, table) != self._tables.state(destination, table), f"{table} is the same"

    def _commit(self, branch: str) -> None:
        if self._repo.uncommitted(branch).items:
            self._moved(branch, self._repo.commit(branch, CommitRequest(f"change {len(self._rows)}")))

    def _moved(self, branch: str, commit: Commit, took: CommitId | None = None) -> None:
        self._heads[branch] = commit.id
        self._rows[commit.id] = self._tables.rows(branch, TABLES)
        if took is not None:
            self._took[commit.id] = took

    def _pick(self, random: Random) -> str:
        return random.choice(sorted(self._heads))

    def _recent(self, branch: str, random: Random) -> Commit | None:
        """One of the last commits that are no merges; the first one, which made the tables, is none of them."""
        found = [commit for commit in self._repo.log(branch).items[:5] if self._only_parent(commit)]
        return random.choice(found) if found else None

    def _only_parent(self, commit: Commit) -> bool:
        return len(commit.parents) == 1 and commit.parents[0] in self._rows

    def _since(self, head: CommitId, base: CommitId) -> set[CommitId]:
        """The commits whose changes a head has, and the base has not."""
        return self._behind(head) - self._behind(base)

    def _behind(self, head: CommitId) -> set[CommitId]:
        pending, seen = [head], set[CommitId]()
        while pending:
            commit = pending.pop()
            if commit not in seen and commit in self._rows:
                seen.add(commit)
                pending += self._repo.commit_of(commit).parents
                pending += [self._took[commit]] if commit in self._took else []
        return seen

    @staticmethod
    def _ids(*rows: Rows) -> Iterable[tuple[str, int]]:
        return sorted(set().union(*rows))


STEPS = (
    "stay",
    *["change"] * 10,
    *["merge"] * 7,
    *["cherry_pick"] * 2,
    *["revert"] * 2,
    "roll_back",
    "branch",
    "branch",
)
"""The first is what failing cases shrink to."""
UNSAFE = {"LAKEGATE_STORAGE_FSYNC": "false"}


@pytest.mark.timeout(1200)
@settings(max_examples=settings.default.max_examples // 2, deadline=None, phases=set(Phase) - {Phase.explain})
@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 2**32)), min_size=20, max_size=40))
def test_branches_hold_the_rows_that_their_history_gives(steps: list[tuple[str, int]]) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedLake.create(Path(folder) / "lake", environment=UNSAFE) as lake,
    ):
        lake.create_repository("ways")
        branches = Branches(lake.repository("ways"))
        for step, seed in [("branch", 0), *steps]:
            branches.step(step, Random(seed))
        branches.check()

"""Branches of Delta tables that deltalake wrote, merged, and read by clients that know nothing of lakegate."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pyarrow as pa
import pytest

from lakegate.errors import MergeConflict
from lakegate.lake import EmbeddedLake
from lakegate.model import (
    ApplyRequest,
    ConflictKind,
    Isolation,
    ListRequest,
    MergeOutcome,
    MergeRequest,
    Resolution,
    RollbackRequest,
    Strategy,
    TableOutcome,
    Take,
)
from lakegate.repository import EmbeddedRepository
from lakegate.testing import delta_operations as ops
from lakegate.testing.delta_check import check_log
from lakegate.testing.delta_operations import Rows
from lakegate.testing.delta_rows import agreed_rows, column, duckdb_connection
from lakegate.testing.mirror import Mirror

pytestmark = pytest.mark.skipif(find_spec("deltalake") is None, reason="deltalake makes the tables")

START: Rows = [(1, 0, 10), (2, 0, 20), (3, 1, 30), (4, 1, 40)]


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[EmbeddedRepository]:
    with EmbeddedLake.create(tmp_path / "lake") as lake:
        lake.create_repository("sales")
        yield lake.repository("sales")


class Branches:
    """The table `t` on the branches `main` and `exp`, each with a folder of its own that stands for it."""

    def __init__(self, repo: EmbeddedRepository, folder: Path) -> None:
        self.repo = repo
        self._folder = folder

    def at(self, branch: str) -> Path:
        """The table as the branch holds it, checked."""
        mirror = Mirror(self.repo, branch, "t", self._folder / branch)
        mirror.folder.mkdir(exist_ok=True)
        return mirror.pull().folder

    def change(self, branch: str, *changes: Callable[[Path], object]) -> str:
        mirror = Mirror(self.repo, branch, "t", self.at(branch))
        for change in changes:
            change(mirror.folder)
        return mirror.commit().id

    def merge(self, source: str, destination: str, isolation: Isolation = Isolation.WRITE_SERIALIZABLE) -> MergeOutcome:
        return self.repo.merge(source, destination, MergeRequest(isolation=isolation))

    def ids(self, branch: str) -> list[int]:
        """The ids that all readers find."""
        folder = self.at(branch)
        found: list[int] = column(agreed_rows(folder))
        return found

    def conflicts(self, source: str, destination: str) -> set[ConflictKind]:
        head = self.repo.branch(destination)
        with pytest.raises(MergeConflict) as caught:
            self.merge(source, destination)
        assert self.repo.branch(destination) == head
        return {conflict.kind for conflict in caught.value.conflicts}


def append(*rows: tuple[int, int, int]) -> Callable[[Path], object]:
    return lambda folder: ops.write(folder, rows, mode="append", partition_by=["p"])


def delete(condition: str) -> Callable[[Path], object]:
    return lambda folder: ops.opened(folder).delete(condition)


def compact(folder: Path) -> object:
    return ops.opened(folder).optimize.compact()


def vacuum(folder: Path) -> object:
    return ops.opened(folder).vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)


@pytest.fixture
def tables(repo: EmbeddedRepository, tmp_path: Path) -> Branches:
    branches = Branches(repo, tmp_path)
    branches.change("main", append(*START))
    repo.create_branch("exp", "main")
    return branches


def test_a_dry_run_tells_what_the_merge_does_and_changes_nothing(tables: Branches) -> None:
    tables.change("main", append((5, 0, 1)))
    tables.change("exp", append((6, 0, 1)), delete("p = 1 and id = 3"))
    head = tables.repo.branch("main")
    planned = tables.repo.merge("exp", "main", MergeRequest(dry_run=True))
    assert tables.repo.branch("main") == head
    assert planned.commit is None
    made = tables.merge("exp", "main")
    assert made.tables == planned.tables
    assert made.changes == planned.changes
    [table] = made.tables
    assert (table.outcome, table.from_version, table.to_version) == (TableOutcome.REPLAYED, 1, 3)
    assert (table.rows_added, table.rows_removed) == (2, 2)
    assert [(step.source, step.destination, step.operation) for step in table.versions] == [
        (1, 2, "WRITE"),
        (2, 3, "DELETE"),
    ]
    assert tables.ids("main") == [1, 2, 4, 5, 6]


def test_readers_and_writers_that_were_open_go_on(tables: Branches, tmp_path: Path) -> None:
    tables.change("main", append((5, 0, 1)))
    folder = tables.at("main")
    reader = ops.opened(folder)
    tables.change("exp", append((6, 0, 1)))
    tables.merge("exp", "main")
    tables.at("main")
    reader.update_incremental()
    assert reader.version() == 2
    assert reader.history(1)[0]["lakegate"]["source"] == "exp"
    assert column(agreed_rows(folder, 1)) == [1, 2, 3, 4, 5]
    tables.change("main", append((7, 0, 1)), lambda there: ops.opened(there).create_checkpoint())
    assert tables.ids("main") == [1, 2, 3, 4, 5, 6, 7]


def test_readers_and_writers_that_were_open_find_a_table_that_was_begun_anew(tables: Branches) -> None:
    """The id of the table changes in its log. Readers keep what they have open or go on to the new table, and never mix
    the two; what was about to be written to the old table is refused."""
    import polars as pl
    from deltalake import write_deltalake
    from deltalake.exceptions import CommitFailedError

    folder = tables.at("main")
    kept, followed, writer = (ops.opened(folder) for _ in range(3))
    lazy = pl.scan_delta(str(folder))
    duck = duckdb_connection()
    for name, options in (("newest", ""), ("pinned", ", pin_snapshot")):
        duck.execute(f"attach '{folder}' as {name} (type delta{options})")
        assert duck.execute(f"select count(*) from {name}").fetchall() == [(4,)]
    mirror = Mirror(tables.repo, "exp", "t", tables.at("exp"))
    shutil.rmtree(mirror.folder)
    pushed = pa.table({"id": [70, 71], "name": ["new", "table"]})  # another schema, no partitions
    write_deltalake(str(mirror.folder), pushed)
    tables.repo.delete_many("exp", [entry.path for entry in tables.repo.list("exp", ListRequest("t/", "", 1000)).items])
    mirror.commit()
    tables.merge("exp", "main")
    assert tables.at("main") == folder

    assert tables.ids("main") == [70, 71]
    assert (ops.opened(folder).version(), ops.opened(folder).metadata().id) != (0, kept.metadata().id)
    assert sorted(pa.table(kept.to_pyarrow_table())["id"].to_pylist()) == [1, 2, 3, 4]
    followed.update_incremental()
    assert followed.to_pyarrow_table().sort_by("id").to_pydict() == pushed.to_pydict()
    assert lazy.collect().sort("id").to_dict(as_series=False) == pushed.to_pydict()
    assert duck.execute("select id, name from newest order by id").fetchall() == [(70, "new"), (71, "table")]
    assert duck.execute("select id from pinned order by id").fetchall() == [(1,), (2,), (3,), (4,)]
    with pytest.raises(CommitFailedError, match="Metadata changed"):
        write_deltalake(writer, ops.table_of([(9, 0, 90)]), mode="append")
    assert column(agreed_rows(folder, 0)) == [1, 2, 3, 4]
    ops.opened(folder).create_checkpoint()
    assert tables.ids("main") == [70, 71]


def test_branches_that_merge_each_other_again_and_again(tables: Branches) -> None:
    expected = [1, 2, 3, 4]
    for step in range(3):
        tables.change("main", append((10 + step, 0, 1)))
        tables.change("exp", append((20 + step, 1, 1)))
        tables.merge("exp", "main")
        tables.change("exp", append((30 + step, 1, 1)))
        tables.merge("main", "exp")
        tables.merge("exp", "main")
        expected += [10 + step, 20 + step, 30 + step]
        assert tables.ids("main") == tables.ids("exp") == sorted(expected)
    check_log(tables.at("main"))
    check_log(tables.at("exp"))


def test_a_third_branch_brings_nothing_twice(tables: Branches) -> None:
    tables.repo.create_branch("dev", "main")
    tables.change("dev", append((5, 0, 1)))
    tables.change("exp", append((6, 0, 1)))
    tables.change("main", append((7, 0, 1)))
    tables.merge("dev", "exp")
    tables.merge("dev", "main")
    tables.merge("exp", "main")
    assert tables.ids("main") == [1, 2, 3, 4, 5, 6, 7]
    tables.change("dev", delete("p = 0 and id = 5"))
    tables.merge("dev", "main")
    assert tables.ids("main") == [1, 2, 3, 4, 6, 7]


def test_a_compaction_and_a_vacuum_on_one_branch_stand_in_no_merges_way(tables: Branches) -> None:
    tables.change("main", append((5, 0, 1), (6, 1, 1)))
    tables.repo.create_branch("old", "main")
    tables.change("main", compact, vacuum)
    tables.change("old", delete("p = 0 and id = 5"))
    tables.merge("old", "main")
    assert tables.ids("main") == [1, 2, 3, 4, 6]
    assert tables.ids("old") == [1, 2, 3, 4, 6]
    assert tables.ids("exp") == [1, 2, 3, 4]
    check_log(tables.at("main"))


def test_a_compaction_and_a_vacuum_of_the_source_are_left_out(tables: Branches) -> None:
    tables.change("exp", append((5, 0, 1)))
    tables.change("exp", compact, vacuum)
    tables.change("main", delete("p = 0 and id = 1"))
    tables.merge("exp", "main")
    assert tables.ids("main") == [2, 3, 4, 5]


def test_files_that_no_commit_ever_held_are_missed_as_a_conflict(tables: Branches) -> None:
    tables.change("exp", append((5, 0, 1)), compact, vacuum)
    tables.change("main", delete("p = 0 and id = 1"))
    assert tables.conflicts("exp", "main") == {ConflictKind.CONCURRENT_DELETE_DELETE}


@pytest.mark.parametrize("cleaned", ["main", "exp"])
def test_logs_that_writers_cleaned_up_are_merged_by_their_states(tables: Branches, cleaned: str) -> None:
    other = "exp" if cleaned == "main" else "main"

    def clean(folder: Path) -> None:
        table = ops.opened(folder)
        table.alter.set_table_properties({"delta.logRetentionDuration": "interval 0 days"})
        table = ops.opened(folder)
        table.create_checkpoint()
        time.sleep(0.01)
        table.cleanup_metadata()

    tables.change(other, append((5, 1, 1)))
    tables.change(cleaned, append((6, 0, 1)), delete("p = 0 and id = 1"), clean)
    assert len(list((tables.at(cleaned) / "_delta_log").glob("*.json"))) < 4
    tables.merge("exp", "main")
    assert tables.ids("main") == [2, 3, 4, 5, 6]
    tables.change("main", append((7, 0, 1)))
    assert tables.ids("main") == [2, 3, 4, 5, 6, 7]


def test_conflicts_are_settled_by_taking_a_side(tables: Branches) -> None:
    tables.change("main", delete("p = 0 and id = 1"))
    tables.change("exp", delete("p = 0 and id = 2"))
    assert ConflictKind.CONCURRENT_DELETE_DELETE in tables.conflicts("exp", "main")
    for name in ("theirs", "ours"):
        tables.repo.create_branch(name, "main")
    tables.repo.merge("exp", "theirs", MergeRequest(resolutions=(Resolution("t", Take.SOURCE),)))
    assert tables.ids("theirs") == [1, 3, 4]
    assert tables.repo.table("theirs", "t").version == 2
    tables.repo.merge("exp", "ours", MergeRequest(strategy=Strategy.DESTINATION_WINS))
    assert tables.ids("ours") == [2, 3, 4]
    check_log(tables.at("theirs"))
    # What is settled stays settled, and later work merges.
    tables.change("exp", append((5, 1, 1)))
    tables.merge("exp", "ours")
    assert tables.ids("ours") == [2, 3, 4, 5]


def test_a_strategy_settles_only_what_is_in_conflict(tables: Branches) -> None:
    tables.change("main", append((5, 0, 1)))
    tables.change("exp", append((6, 0, 1)))
    tables.repo.merge("exp", "main", MergeRequest(strategy=Strategy.SOURCE_WINS))
    assert tables.ids("main") == [1, 2, 3, 4, 5, 6]


def test_isolation_decides_about_what_was_read(tables: Branches) -> None:
    tables.change("main", append((5, 0, 1)), append((6, 0, 1)))
    tables.repo.create_branch("work", "main")
    tables.change("work", delete("p = 0 and id = 5"))
    tables.change("main", lambda folder: ops.opened(folder).update({"x": "7"}, predicate="p = 0 and id = 1"))
    assert tables.conflicts("work", "main") == {ConflictKind.CONCURRENT_APPEND}
    tables.merge("work", "main", Isolation.SNAPSHOT)
    assert tables.ids("main") == [1, 2, 3, 4, 6]


@pytest.mark.parametrize(("value", "merges"), [(5, True), (-5, False)])
def test_a_new_constraint_is_held_against_the_other_sides_rows(tables: Branches, value: int, merges: bool) -> None:
    tables.change("main", lambda folder: ops.opened(folder).alter.add_constraint({"positive": "x > 0"}))
    tables.change("exp", append((5, 0, value)))
    if not merges:
        assert tables.conflicts("exp", "main") == {ConflictKind.METADATA_CHANGED}
        return
    tables.merge("exp", "main")
    assert tables.ids("main") == [1, 2, 3, 4, 5]
    with pytest.raises(Exception, match="failed validation check"):
        ops.write(tables.at("main"), [(6, 0, -1)], mode="append")


def test_the_change_feed_tells_what_was_merged(repo: EmbeddedRepository, tmp_path: Path) -> None:
    tables = Branches(repo, tmp_path)
    feed = {"delta.enableChangeDataFeed": "true"}
    tables.change("main", lambda folder: ops.write(folder, START, partition_by=["p"], configuration=feed))
    repo.create_branch("exp", "main")
    tables.change("main", append((5, 0, 1)))
    tables.change("exp", lambda folder: ops.opened(folder).update({"x": "99"}, predicate="p = 1 and id = 3"))
    tables.merge("exp", "main")
    told = pa.table(ops.opened(tables.at("main")).load_cdf(starting_version=2).read_all()).to_pylist()
    assert sorted((row["_change_type"], row["id"], row["x"]) for row in told) == [
        ("update_postimage", 3, 99),
        ("update_preimage", 3, 30),
    ]


# -- revert and cherry-pick -------------------------------------------------------------------------------------------


def test_what_was_cherry_picked_is_not_merged_again(tables: Branches) -> None:
    picked = tables.change("exp", append((5, 0, 1)))
    tables.change("main", append((6, 0, 1)))
    tables.repo.cherry_pick("main", ApplyRequest(picked))
    assert tables.ids("main") == [1, 2, 3, 4, 5, 6]
    tables.change("exp", append((7, 1, 1)))
    [table] = tables.merge("exp", "main").tables
    assert [(step.source, step.destination) for step in table.versions] == [(1, None), (2, 3)]
    assert tables.ids("main") == [1, 2, 3, 4, 5, 6, 7]


def test_a_revert_takes_one_change_away_from_a_table_that_went_on(tables: Branches) -> None:
    reverted = tables.change("main", append((5, 0, 1)))
    tables.change("main", append((6, 0, 1)))
    tables.repo.revert("main", ApplyRequest(reverted))
    assert tables.ids("main") == [1, 2, 3, 4, 6]
    assert tables.repo.table("main", "t").version == 3
    check_log(tables.at("main"))


def test_a_revert_reaches_behind_a_compaction(tables: Branches) -> None:
    reverted = tables.change("main", append((5, 0, 1)))
    tables.change("main", append((6, 0, 1)))
    tables.change("main", compact, vacuum)
    tables.repo.revert("main", ApplyRequest(reverted))
    assert tables.ids("main") == [1, 2, 3, 4, 6]
    check_log(tables.at("main"))


def test_a_compaction_of_files_that_no_commit_ever_held_is_not_undone(tables: Branches) -> None:
    reverted = tables.change("main", append((5, 0, 1)))
    tables.change("main", append((6, 0, 1)), compact, vacuum)
    with pytest.raises(MergeConflict) as caught:
        tables.repo.revert("main", ApplyRequest(reverted))
    assert {conflict.kind for conflict in caught.value.conflicts} == {ConflictKind.CONCURRENT_DELETE_DELETE}


def test_a_revert_of_deletes_brings_the_rows_back(tables: Branches) -> None:
    deleted = tables.change("main", delete("p = 0 and id = 1"))
    tables.change("main", append((6, 0, 1)))
    tables.repo.revert("main", ApplyRequest(deleted))
    assert tables.ids("main") == [1, 2, 3, 4, 6]


def test_a_revert_of_what_was_changed_again_is_a_conflict(tables: Branches) -> None:
    deleted = tables.change("main", delete("p = 0 and id = 1"))
    tables.change("main", delete("p = 0 and id = 2"))
    head = tables.repo.branch("main")
    with pytest.raises(MergeConflict) as caught:
        tables.repo.revert("main", ApplyRequest(deleted))
    assert [conflict.kind for conflict in caught.value.conflicts] == [ConflictKind.CONCURRENT_DELETE_DELETE]
    assert tables.repo.branch("main") == head


def test_a_merge_can_be_reverted(tables: Branches) -> None:
    tables.change("exp", append((5, 0, 1)), delete("p = 1 and id = 3"))
    tables.change("main", append((6, 0, 1)))
    merged = tables.merge("exp", "main").commit
    assert merged is not None
    tables.change("main", append((7, 0, 1)))
    tables.repo.revert("main", ApplyRequest(merged.id, parent=1))
    assert tables.ids("main") == [1, 2, 3, 4, 6, 7]
    check_log(tables.at("main"))


# -- rows must not stand twice ----------------------------------------------------------------------------------------


def clean_log(folder: Path) -> None:
    """Leaves a checkpoint and the newest log commit, as a client's clean-up does."""
    ops.opened(folder).create_checkpoint()
    for commit in sorted((folder / "_delta_log").glob("*.json"))[:-1]:
        commit.unlink()


def merged_or_refused(call: Callable[[], object]) -> bool:
    """Tells whether it was done; False for a conflict."""
    try:
        call()
    except MergeConflict:
        return False
    return True


def test_a_revert_of_what_was_rolled_back_and_compacted_adds_no_row_again(tables: Branches) -> None:
    before = tables.change("main", append((5, 0, 1)))
    deleted = tables.change("main", delete("p = 0 and id = 5"))
    tables.repo.rollback("main", RollbackRequest(before))
    tables.change("main", compact)
    assert tables.ids("main") == [1, 2, 3, 4, 5]
    merged_or_refused(lambda: tables.repo.revert("main", ApplyRequest(deleted)))
    assert tables.ids("main") == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("taken", ["squash", "cherry-pick"])
def test_what_was_taken_over_and_compacted_is_not_added_again(tables: Branches, taken: str, both: bool) -> None:
    picked = tables.change("exp", append((5, 0, 1)))
    tables.change("main", append((7, 0, 1)))
    if taken == "squash":
        tables.repo.merge("exp", "main", MergeRequest(squash=True))
    else:
        tables.repo.cherry_pick("main", ApplyRequest(picked))
    tables.change("main", compact, *[clean_log] * both)
    tables.change("exp", append((6, 0, 1)), clean_log)
    merged = merged_or_refused(lambda: tables.merge("exp", "main"))
    assert merged or both
    assert tables.ids("main") == ([1, 2, 3, 4, 5, 6, 7] if merged else [1, 2, 3, 4, 5, 7])


def test_what_was_taken_over_and_changed_does_not_come_back(tables: Branches) -> None:
    tables.change("exp", append((5, 0, 1)))
    tables.repo.merge("exp", "main", MergeRequest(squash=True))
    tables.change("main", delete("p = 0 and id = 5"))
    tables.change("exp", append((6, 0, 1)), clean_log)
    merged_or_refused(lambda: tables.merge("exp", "main"))
    assert 5 not in tables.ids("main")


@pytest.mark.parametrize("undo", ["rollback", "revert"])
@pytest.mark.parametrize("again", ["merge", "cherry-pick"])
def test_what_was_taken_over_and_undone_comes_again(tables: Branches, undo: str, again: str) -> None:
    before = tables.change("main", append((6, 0, 1)))
    picked = tables.change("exp", append((5, 0, 1)))
    taken = tables.repo.cherry_pick("main", ApplyRequest(picked)).id
    if undo == "rollback":
        tables.repo.rollback("main", RollbackRequest(before))
    else:
        tables.repo.revert("main", ApplyRequest(taken))
    assert tables.ids("main") == [1, 2, 3, 4, 6]
    if again == "merge":
        tables.merge("exp", "main")
    else:
        tables.repo.cherry_pick("main", ApplyRequest(picked))
    assert tables.ids("main") == [1, 2, 3, 4, 5, 6]


def test_what_was_taken_over_and_lost_with_a_later_change_is_not_passed_by(tables: Branches) -> None:
    before = tables.change("main", append((6, 0, 1)))
    picked = tables.change("exp", append((5, 0, 1), (7, 0, 1)))
    tables.repo.cherry_pick("main", ApplyRequest(picked))
    tables.change("main", delete("p = 0 and id = 7"))
    tables.repo.rollback("main", RollbackRequest(before))
    merged = merged_or_refused(lambda: tables.merge("exp", "main"))
    assert tables.ids("main") == ([1, 2, 3, 4, 5, 6, 7] if merged else [1, 2, 3, 4, 6])
    assert not merged


def test_a_squash_merge_of_a_side_without_logs_stands_in_no_later_merges_way(tables: Branches) -> None:
    tables.change("exp", append((5, 0, 1)), append((6, 0, 1)))
    tables.change("main", append((7, 0, 1)))
    tables.change("exp", clean_log)
    tables.repo.merge("exp", "main", MergeRequest(squash=True))
    tables.merge("main", "exp")
    assert tables.ids("exp") == [1, 2, 3, 4, 5, 6, 7]
    tables.change("exp", append((8, 0, 1)))
    tables.merge("exp", "main")
    assert tables.ids("main") == [1, 2, 3, 4, 5, 6, 7, 8]

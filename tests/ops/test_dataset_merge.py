"""What merges tell of Parquet datasets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lakegate.errors import MergeConflict
from lakegate.lake import EmbeddedLake
from lakegate.model import CommitRequest, ConflictKind, MergeRequest, Resolution, Strategy, TableChange, Take
from lakegate.repository import EmbeddedRepository
from lakegate.testing.table_files import parquet_bytes


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[EmbeddedRepository]:
    with EmbeddedLake.create(tmp_path / "lake", environment={"LAKEGATE_STORAGE_FSYNC": "false"}) as lake:
        lake.create_repository("sales")
        made = lake.repository("sales")
        put(made, "main", {"p=1/a": [1], "p=2/a": [2], "p=3/a": [3]})
        made.create_branch("exp", "main")
        yield made


def put(repo: EmbeddedRepository, branch: str, files: dict[str, list[int] | None]) -> None:
    for name, ids in files.items():
        if ids is None:
            repo.delete(branch, f"t/{name}.parquet")
        else:
            repo.put(branch, f"t/{name}.parquet", parquet_bytes({"id": ids}))
    repo.commit(branch, CommitRequest("x"))


def told(repo: EmbeddedRepository, **options: Any) -> TableChange:
    """What a merge of exp says of the dataset: in a dry run, and in the merge; and what it really did to it."""
    (planned,) = repo.merge("exp", "main", MergeRequest(dry_run=True, **options)).tables
    (made,) = repo.merge("exp", "main", MergeRequest(**options)).tables
    assert planned == made
    for diff in repo.table_diff("main~1", "main").items:
        counts = ("files_added", "files_removed", "rows_added", "rows_removed", "bytes_added", "bytes_removed")
        assert [getattr(made, name) for name in counts] == [getattr(diff, name) for name in counts]
    return made


def counts(change: TableChange) -> tuple[str, int | None, int | None, int | None, int | None]:
    return (change.outcome, change.files_added, change.files_removed, change.rows_added, change.rows_removed)


def test_one_that_only_the_source_changed_is_taken(repo: EmbeddedRepository) -> None:
    put(repo, "exp", {"p=1/a": [1, 10], "p=1/b": [11], "p=2/a": None})
    change = told(repo)
    assert counts(change) == ("taken_source", 2, 2, 3, 2)
    assert change.bytes_added
    assert change.bytes_removed


def test_one_that_only_the_source_changed_is_taken_where_rows_are_asked_for(repo: EmbeddedRepository) -> None:
    put(repo, "exp", {"p=1/a": [1, 10]})
    change = told(repo, resolutions=(Resolution("t", Take.ROWS, ("id",)),))
    assert counts(change) == ("taken_source", 1, 1, 2, 1)


def test_a_new_one_and_one_that_is_gone(repo: EmbeddedRepository) -> None:
    repo.put("exp", "new/a.parquet", parquet_bytes({"id": [1, 2]}))
    put(repo, "exp", {"p=1/a": None, "p=2/a": None, "p=3/a": None})
    new, gone = repo.merge("exp", "main", MergeRequest(dry_run=True)).tables
    assert (new.path, *counts(new)) == ("new", "taken_source", 1, 0, 2, 0)
    assert (gone.path, *counts(gone)) == ("t", "removed", 0, 3, 0, 3)


def test_both_sides_files_are_merged(repo: EmbeddedRepository) -> None:
    put(repo, "exp", {"p=1/a": [1, 10], "p=2/b": [20], "p=4/a": [4], "p=5/same": [5]})
    put(repo, "main", {"p=2/c": [21], "p=3/a": None, "p=5/same": [5]})
    assert counts(told(repo)) == ("merged_files", 3, 1, 4, 1)
    assert sorted(row[0] for row in repo.table_preview("main", "t").rows) == [1, 2, 4, 5, 10, 20, 21]


def test_files_of_another_type_that_the_source_added_are_a_conflict(repo: EmbeddedRepository) -> None:
    repo.put("exp", "t/p=6/a.parquet", parquet_bytes({"id": ["text"]}))
    repo.commit("exp", CommitRequest("of another type"))
    put(repo, "main", {"p=2/c": [21]})
    with pytest.raises(MergeConflict) as caught:
        repo.merge("exp", "main")
    assert [(conflict.table, conflict.kind) for conflict in caught.value.conflicts] == [
        ("t", ConflictKind.SCHEMA_INCOMPATIBLE)
    ]
    assert "id: long, string" in caught.value.conflicts[0].message
    repo.merge("exp", "main", MergeRequest(resolutions=(Resolution("t", Take.DESTINATION),)))
    assert sorted(row[0] for row in repo.table_preview("main", "t").rows) == [1, 2, 3, 21]


def test_both_did_the_same_beside_what_only_the_destination_did(repo: EmbeddedRepository) -> None:
    put(repo, "exp", {"p=4/a": [4]})
    put(repo, "main", {"p=4/a": [4], "p=5/a": [5]})
    assert counts(told(repo)) == ("unchanged", 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("take", "expected"),
    [(Take.SOURCE, ("merged_files", 2, 1, 3, 2)), (Take.DESTINATION, ("merged_files", 1, 0, 1, 0))],
)
def test_partitions_in_conflict(repo: EmbeddedRepository, take: Take, expected: tuple[Any, ...]) -> None:
    put(repo, "exp", {"p=1/a": [1, 10], "p=4/a": [4]})
    put(repo, "main", {"p=1/a": [1, 11]})
    planned = repo.merge("exp", "main", MergeRequest(dry_run=True))
    assert [counts(change) for change in planned.tables] == [("conflict", None, None, None, None)]
    with pytest.raises(MergeConflict) as refused:
        repo.merge("exp", "main")
    assert "--take rows:t --key COLUMN" in refused.value.conflicts[0].hint
    change = told(repo, resolutions=(Resolution("t/p=1", take),))
    assert (*counts(change), change.note) == (*expected, f"t/p=1 from the {take.value}")


def test_one_of_which_nothing_is_taken(repo: EmbeddedRepository) -> None:
    put(repo, "exp", {"p=1/a": [1, 10]})
    put(repo, "main", {"p=1/a": [1, 11]})
    change = told(repo, resolutions=(Resolution("t", Take.DESTINATION),))
    assert counts(change) == ("kept_destination", 0, 0, 0, 0)


def test_a_file_that_both_added_otherwise(repo: EmbeddedRepository) -> None:
    put(repo, "exp", {"p=4/a": [4]})
    put(repo, "main", {"p=4/a": [40, 41]})
    planned = repo.merge("exp", "main", MergeRequest(dry_run=True))
    assert [(conflict.path, conflict.table) for conflict in planned.conflicts] == [("t/p=4/a.parquet", "t")]
    assert [change.outcome for change in planned.tables] == ["conflict"]
    change = told(repo, resolutions=(Resolution("t/p=4/a.parquet", Take.SOURCE),))
    assert counts(change) == ("merged_files", 1, 1, 1, 2)


def test_columns_that_clash(repo: EmbeddedRepository) -> None:
    for branch, values in (("exp", [1]), ("main", ["text"])):
        repo.put(branch, f"t/p=4/{branch}.parquet", parquet_bytes({"id": [4], "x": values}))
        repo.commit(branch, CommitRequest("x"))
    planned = repo.merge("exp", "main", MergeRequest(dry_run=True))
    assert [counts(change) for change in planned.tables] == [("conflict", None, None, None, None)]
    change = told(repo, resolutions=(Resolution("t", Take.SOURCE),))
    assert counts(change) == ("taken_source", 1, 1, 1, 1)


def test_rows_merged_by_key_count_bytes(repo: EmbeddedRepository) -> None:
    put(repo, "exp", {"p=1/a": [1, 10]})
    put(repo, "main", {"p=1/a": [1, 11]})
    (change,) = repo.merge("exp", "main", MergeRequest(resolutions=(Resolution("t", Take.ROWS, ("id",)),))).tables
    (diff,) = repo.table_diff("main~1", "main").items
    assert counts(change) == ("merged_rows", 1, 0, 1, 0)
    assert (change.bytes_added, change.bytes_removed) == (diff.bytes_added, diff.bytes_removed)


@pytest.mark.parametrize("both", [True, False])
def test_one_that_is_named_is_taken_whole(repo: EmbeddedRepository, both: bool) -> None:
    put(repo, "exp", {"p=1/a": [1, 10], "p=3/a": [3, 30], "p=4/a": [4]})
    if both:
        put(repo, "main", {"p=2/a": [2, 20], "p=3/a": [3, 33]})
        repo.put("main", "t/p=5/a.parquet", parquet_bytes({"id": [5]}))
    repo.put("main", "beside", b"beside")
    repo.commit("main", CommitRequest("beside"))
    repo.create_branch("other", "main")
    kept = repo.merge("exp", "other", MergeRequest(resolutions=(Resolution("t/", Take.DESTINATION),)))
    assert [counts(change) for change in kept.tables] == [("kept_destination", 0, 0, 0, 0)]
    assert repo.table("other", "t").digest == repo.table("main", "t").digest
    taken = told(repo, resolutions=(Resolution("t", Take.SOURCE),))
    assert counts(taken) == ("taken_source", *((4, 4, 6, 6) if both else (3, 2, 5, 2)))
    assert repo.table("main", "t").digest == repo.table("exp", "t").digest


def test_one_that_the_source_removed_is_taken_whole(repo: EmbeddedRepository) -> None:
    put(repo, "exp", {"p=1/a": None, "p=2/a": None, "p=3/a": None})
    put(repo, "main", {"p=1/a": [1, 11], "p=4/a": [4]})
    assert counts(told(repo, resolutions=(Resolution("t", Take.SOURCE),))) == ("removed", 0, 4, 0, 5)
    assert not repo.tables("main").items


def test_a_strategy_settles_only_what_is_in_conflict(repo: EmbeddedRepository) -> None:
    put(repo, "exp", {"p=1/a": [1, 10], "p=3/a": [3, 30]})
    put(repo, "main", {"p=2/a": [2, 20], "p=3/a": [3, 33]})
    change = told(repo, strategy=Strategy.DESTINATION_WINS)
    assert (*counts(change), change.note) == ("merged_files", 1, 1, 2, 1, "t/p=3 from the destination")


def test_a_file_in_conflict_beside_data_that_only_the_source_changed(repo: EmbeddedRepository) -> None:
    repo.put("exp", "t/_meta", b"1")
    put(repo, "exp", {"p=4/a": [4]})
    repo.put("main", "t/_meta", b"2")
    repo.commit("main", CommitRequest("x"))
    planned = repo.merge("exp", "main", MergeRequest(dry_run=True))
    assert [(conflict.path, conflict.table) for conflict in planned.conflicts] == [("t/_meta", "t")]
    assert [counts(change) for change in planned.tables] == [("conflict", None, None, None, None)]
    taken = repo.merge("exp", "main", MergeRequest(resolutions=(Resolution("t", Take.SOURCE),)))
    assert [counts(change) for change in taken.tables] == [("taken_source", 1, 0, 1, 0)]
    assert repo.open("main", "t/_meta").read() == b"1"


def test_a_file_of_the_destination_that_makes_it_no_dataset(repo: EmbeddedRepository) -> None:
    put(repo, "exp", {"p=4/a": [4]})
    repo.put("main", "t/p=1/notes.csv", b"text")
    repo.commit("main", CommitRequest("x"))
    change = told(repo)
    assert counts(change) == ("unchanged", 0, 0, 0, 0)
    assert change.note == "no table: 't/p=1/notes.csv' is no Parquet file"
    assert not repo.tables("main").items


def test_a_file_of_the_source_that_makes_it_no_dataset(repo: EmbeddedRepository) -> None:
    repo.put("exp", "t/notes.csv", b"text")
    repo.commit("exp", CommitRequest("x"))
    put(repo, "main", {"p=4/a": [4]})
    change = told(repo)
    assert counts(change) == ("removed", 0, 4, 0, 4)
    assert "'t/notes.csv' is no Parquet file" in change.note
    assert not repo.tables("main").items


@pytest.mark.parametrize("take", [Take.SOURCE, Take.DESTINATION])
def test_a_new_one_where_the_destination_has_other_files(repo: EmbeddedRepository, take: Take) -> None:
    repo.put("main", "new/notes.csv", b"text")
    repo.commit("main", CommitRequest("x"))
    repo.create_branch("fix", "main")
    repo.delete("fix", "new/notes.csv")
    repo.put("fix", "new/a.parquet", parquet_bytes({"id": [1]}))
    repo.commit("fix", CommitRequest("x"))
    repo.put("main", "new/notes.csv", b"other text")
    repo.commit("main", CommitRequest("x"))
    made = repo.merge("fix", "main", MergeRequest(resolutions=(Resolution("new/notes.csv", take),)))
    expected = ("taken_source", 1, 0, 1, 0) if take is Take.SOURCE else ("unchanged", 0, 0, 0, 0)
    assert [counts(change) for change in made.tables] == [expected]
    assert [table.path for table in repo.tables("main").items] == ["new", "t"][take is Take.DESTINATION :]


def test_partitions_of_a_dataset_inside_are_none_of_the_outer_one(repo: EmbeddedRepository) -> None:
    repo.put("main", "t/sub/a.parquet", parquet_bytes({"id": [1]}))
    repo.commit("main", CommitRequest("x"))
    repo.create_branch("fix", "main")
    for branch, number in (("fix", 2), ("main", 3)):
        repo.put(branch, "t/sub/a.parquet", parquet_bytes({"id": [number]}))
        put(repo, branch, {f"p={number}/a": [number, 10]})
    planned = repo.merge("fix", "main", MergeRequest(dry_run=True))
    assert [(conflict.path, conflict.table) for conflict in planned.conflicts] == [("t/sub", "t/sub")]
    assert [(change.path, change.outcome) for change in planned.tables] == [
        ("t", "merged_files"),
        ("t/sub", "conflict"),
    ]

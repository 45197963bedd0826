"""What every repository must do with rows of tables: differences, profiles, partitions, conflicts of a merge by key."""

from __future__ import annotations

import io
import json

import pytest

from lakegate.errors import ErrorKind, InvalidInput, MergeConflict, NotFound, Refused
from lakegate.interface import Repository
from lakegate.model import (
    ColumnStatistics,
    CommitRequest,
    ConflictKind,
    MergeRequest,
    PartitionDiff,
    Resolution,
    RowChange,
    RowChangeKind,
    RowConflict,
    RowDiffRequest,
    RowFormat,
    Take,
)
from lakegate.testing.contract_work import refused
from lakegate.testing.table_files import parquet_bytes

_BY_ID = RowDiffRequest("t", ("id",))


def _commit(repo: Repository, branch: str, **columns: list[object]) -> str:
    repo.put(branch, "t/p=1/a.parquet", parquet_bytes(columns))
    return str(repo.commit(branch, CommitRequest("rows")).id)


class RowsContract:
    def test_rows_that_differ(self, repo: Repository) -> None:
        left = _commit(repo, "main", id=[1, 2, 3], v=["a", "b", None])
        right = _commit(repo, "main", id=[1, 3, 4], v=["a", "c", "d"])
        diff = repo.row_diff(left, right, _BY_ID)
        assert (diff.added, diff.removed, diff.updated) == (1, 1, 1)
        assert diff.columns == ("id", "v", "p")
        assert diff.rows == (
            RowChange(RowChangeKind.REMOVED, (2, "b", 1)),
            RowChange(RowChangeKind.UPDATED, (3, None, 1), (3, "c", 1)),
            RowChange(RowChangeKind.ADDED, None, (4, "d", 1)),
        )
        assert diff.left is not None
        assert diff.left.rows == 3
        lines = b"".join(repo.row_diff_file(left, right, _BY_ID, RowFormat.JSONL)).splitlines()
        assert [json.loads(line)["_change"] for line in lines] == ["removed", "updated_from", "updated_to", "added"]
        with refused(InvalidInput, ErrorKind.KEY_NOT_FOUND):
            repo.row_diff_file(left, right, RowDiffRequest("t", ("no",)), RowFormat.CSV)
        with refused(NotFound, ErrorKind.TABLE_NOT_FOUND):
            repo.row_diff(left, right, RowDiffRequest("none"))

    def test_a_key_that_is_not_unique(self, repo: Repository) -> None:
        left = _commit(repo, "main", id=[1])
        right = _commit(repo, "main", id=[1, 1])
        with pytest.raises(Refused) as caught:
            repo.row_diff(left, right, _BY_ID)
        assert caught.value.kind is ErrorKind.KEY_NOT_UNIQUE
        assert caught.value.details["first"] == [[1]]

    def test_profile_and_partitions(self, repo: Repository) -> None:
        left = _commit(repo, "main", x=[1.0, None])
        right = _commit(repo, "main", x=[1.0, 3.0, float("nan")])
        found = repo.table_profile(left, right, "t")
        assert (found.left_rows, found.right_rows) == (2, 3)
        assert found.columns[0].left == ColumnStatistics(1, 1, 1.0, 1.0, 1.0)
        assert found.columns[0].right == ColumnStatistics(0, 3, 1.0, 3.0, 2.0, nans=1)
        (partition,) = repo.table_partitions(left, right, "t")
        assert isinstance(partition, PartitionDiff)
        assert dict(partition.values) == {"p": "1"}
        assert (partition.files_added, partition.rows_added, partition.rows_removed) == (1, 3, 2)
        assert repo.table_partitions(left, left, "t") == ()

    def test_a_merge_by_key(self, repo: Repository) -> None:
        _commit(repo, "main", id=[1, 2, 3], v=["a", "b", "c"])
        repo.create_branch("exp", "main")
        _commit(repo, "exp", id=[1, 2, 4], v=["A", "x", "d"])
        _commit(repo, "main", id=[1, 2, 3, 5], v=["a", "y", "c", "e"])
        by_id = Resolution("t", Take.ROWS, ("id",))
        with pytest.raises(MergeConflict) as caught:
            repo.merge("exp", "main", MergeRequest(resolutions=(by_id,)))
        (conflict,) = caught.value.conflicts
        assert conflict.kind is ConflictKind.ROW_CHANGED
        assert conflict.rows is not None
        assert conflict.rows.first == (RowConflict((2,), (2, "b", 1), (2, "x", 1), (2, "y", 1)),)
        import pyarrow.parquet as pq

        told = b"".join(repo.row_conflicts_file("exp", "main", by_id, RowFormat.PARQUET))
        assert pq.read_table(io.BytesIO(told))["v"].to_pylist() == ["b", "x", "y"]
        settled = Resolution("t", Take.ROWS, ("id",), prefer=Take.DESTINATION)
        outcome = repo.merge("exp", "main", MergeRequest(resolutions=(settled,)))
        assert [(table.path, table.rows_added, table.rows_removed) for table in outcome.tables] == [("t", 2, 2)]
        preview = repo.table_preview("main", "t")
        assert sorted(row[:2] for row in preview.rows) == [(1, "A"), (2, "y"), (4, "d"), (5, "e")]

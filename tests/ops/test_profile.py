"""What the columns of a table hold, before and after."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from lakegate.lake import EmbeddedLake
from lakegate.model import ColumnStatistics, CommitRequest
from lakegate.repository import EmbeddedRepository
from lakegate.testing.table_files import parquet_bytes


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[EmbeddedRepository]:
    with EmbeddedLake.create(tmp_path / "lake", environment={"LAKEGATE_STORAGE_FSYNC": "false"}) as lake:
        lake.create_repository("sales")
        yield lake.repository("sales")


def put(repo: EmbeddedRepository, path: str, table: pa.Table) -> str:
    repo.put("main", path, parquet_bytes(table))
    return str(repo.commit("main", CommitRequest("x")).id)


def test_a_bad_ingestion_is_seen_at_a_glance(repo: EmbeddedRepository) -> None:
    day = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)
    good = pa.table(
        {
            "id": [1, 2, 3],
            "x": [1.0, float("nan"), None],
            "price": pa.array([Decimal("1.50"), Decimal("2.50"), None], pa.decimal128(10, 2)),
            "at": pa.array([day, day, None], pa.timestamp("us", tz="UTC")),
            "name": ["b", "a", "b"],
            "tags": [["x"], [], None],
            "old": [True, False, None],
        }
    )
    left = put(repo, "t/a.parquet", good)
    right = put(repo, "t/b.parquet", good.drop_columns(["old"]).append_column("new", pa.array([7, 7, 9])))
    found = repo.table_profile(left, right, "t")
    assert (found.left_rows, found.right_rows) == (3, 6)
    columns = {column.name: column for column in found.columns}
    assert columns["id"].left == ColumnStatistics(0, 3, 1, 3, 2.0)
    assert columns["id"].right == ColumnStatistics(0, 3, 1, 3, 2.0)
    assert columns["x"].left == ColumnStatistics(1, 2, 1.0, 1.0, 1.0, nans=1)
    assert columns["x"].right == ColumnStatistics(2, 2, 1.0, 1.0, 1.0, nans=2)
    assert columns["price"].left == ColumnStatistics(1, 2, "1.50", "2.50", 2.0)
    assert columns["at"].left == ColumnStatistics(1, 1, "2026-01-02T00:00:00Z", "2026-01-02T00:00:00Z")
    assert columns["name"].left == ColumnStatistics(0, 2, "a", "b")
    assert columns["tags"].left == ColumnStatistics(1, 2)
    assert columns["new"].left is None
    assert columns["new"].right == ColumnStatistics(3, 2, 7, 9, pytest.approx(23 / 3))
    assert columns["old"].type == "boolean"


def test_there_are_never_more_values_than_rows(repo: EmbeddedRepository) -> None:
    left = put(repo, "t/a.parquet", pa.table({"id": [*range(8), None]}))
    right = put(repo, "t/b.parquet", pa.table({"id": range(10, 2000)}))
    (column,) = repo.table_profile(left, right, "t").columns
    assert column.left is not None
    assert column.right is not None
    assert (column.left.nulls, column.right.nulls) == (1, 1)
    assert (column.left.distinct or 0) in range(1, 9)
    assert (column.right.distinct or 0) in range(1800, 1999)


def test_values_of_a_small_table_are_counted_exactly(repo: EmbeddedRepository) -> None:
    left = put(repo, "t/a.parquet", pa.table({"id": list(range(1000))}))
    right = put(repo, "t/b.parquet", pa.table({"id": list(range(950, 1050))}))
    (column,) = repo.table_profile(left, right, "t").columns
    assert column.left is not None
    assert column.right is not None
    assert (column.left.distinct, column.right.distinct) == (1000, 1050)


def test_a_table_that_one_side_lacks(repo: EmbeddedRepository) -> None:
    empty = repo.commit_of("main").id
    full = put(repo, "t/a.parquet", pa.table({"id": pa.array([], pa.int64())}))
    found = repo.table_profile(empty, full, "t")
    assert (found.left_rows, found.right_rows) == (None, 0)
    assert found.columns[0].left is None
    assert found.columns[0].right == ColumnStatistics(0, 0)

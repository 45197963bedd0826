"""Rows of tables on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from lakegate.testing.table_files import parquet_bytes

pytestmark = pytest.mark.usefixtures("lakegate")


def put(lakegate: Any, branch: str, **columns: list[Any]) -> None:
    lakegate("put", "-", f"sales/{branch}/t/p=1/a.parquet", stdin=parquet_bytes(columns))
    lakegate("commit", f"sales/{branch}", "-m", "rows")


def test_rows_columns_and_partitions_that_differ(lakegate: Any, tmp_path: Path) -> None:
    put(lakegate, "main", id=[1, 2, 3], v=["a", "b", "c"])
    put(lakegate, "main", id=[1, 2, 4], v=["a", None, "d"])
    shown = lakegate("diff", "sales/main~1", "main", "--rows", "--key", "id")
    assert shown.splitlines() == [
        "t: 1 rows added, 1 removed, 1 updated",
        "  The key was checked in the files that differ.",
        "~\t2\tb -> \t1",
        "-\t3\tc\t1",
        "+\t4\td\t1",
    ]
    body = lakegate.json("table", "diff", "sales/main~1", "main", "--rows", "--profile", "--partitions")
    (answer,) = body["results"]
    assert (answer["table"], answer["rows"]["added"], answer["rows"]["removed"]) == ("t", 2, 2)
    assert answer["profile"]["columns"][0]["right"]["max"] == 4
    assert answer["partitions"][0]["values"] == {"p": "1"}
    profile = lakegate("table", "diff", "sales/main~1", "main", "--profile", "--table", "t")
    assert "v\tstring\t0 -> 1\t3 -> 2\ta\tc -> d\t" in profile
    assert "p=1\t+3 -3 rows\t+1 -1 files" in lakegate("diff", "sales/main~1", "main", "--partitions")
    for name, lines in (("rows.csv", 5), ("rows.jsonl", 4)):
        lakegate("diff", "sales/main~1", "main", "--output", str(tmp_path / name))
        assert len((tmp_path / name).read_text().splitlines()) == lines
    lakegate("diff", "sales/main~1", "main", "--key", "id", "-o", str(tmp_path / "rows.parquet"))
    changes = pq.read_table(tmp_path / "rows.parquet")["_change"].to_pylist()
    assert changes == ["updated_from", "updated_to", "removed", "added"]
    lakegate("diff", "sales/main~1", "main", "--output", str(tmp_path / "rows.xlsx"), status=1)
    assert "end with .parquet" in lakegate.errors
    lakegate("diff", "sales/main~1", "main", "--rows", "--key", "p", status=1)
    assert "not unique" in lakegate.errors


def test_a_merge_of_rows_by_key(lakegate: Any, tmp_path: Path) -> None:
    put(lakegate, "main", id=[1, 2], v=["a", "b"], at=[0, 0])
    lakegate("branch", "create", "sales/exp")
    put(lakegate, "exp", id=[1, 2, 3], v=["A", "x", "c"], at=[1, 2, 1])
    put(lakegate, "main", id=[1, 2], v=["a", "y"], at=[0, 1])
    lakegate("merge", "sales/exp", "--take", "rows:t", status=1)
    assert "--key" in lakegate.errors
    told = tmp_path / "conflicts.jsonl"
    lakegate("merge", "sales/exp", "--take", "rows:t", "--key", "id", "--conflicts", str(told), status=3)
    assert "1 rows of the table 't'" in lakegate.errors
    assert [json.loads(line)["v"] for line in told.read_text().splitlines()] == ["b", "x", "y"]
    planned = lakegate("merge", "sales/exp", "--take", "rows:t", "--key", "id", "--dry-run", status=3)
    assert "source\t2\tx\t2\t1" in planned
    merged = lakegate("merge", "sales/exp", "--take", "rows:t", "--key", "id", "--newest", "at")
    assert "merged_rows\tt\t- -> -\t+3 -2 rows\t+1 -1 files\t+" in merged
    assert "B\tby the key id\n" in merged
    rows = lakegate.json("table", "preview", "sales/main/t")["rows"]
    assert sorted(row[:2] for row in rows) == [[1, "A"], [2, "x"], [3, "c"]]

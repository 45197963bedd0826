"""Rows of tables on the command line."""

from __future__ import annotations

import io
import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from lakegate.model import Conflict, ConflictKind
from lakegate.testing.table_files import parquet_bytes
from lakegate_cli.conflicts import show_conflicts

pytestmark = pytest.mark.usefixtures("lakegate")


def put(lakegate: Any, branch: str, **columns: list[Any]) -> None:
    lakegate("put", "-", f"sales/{branch}/t/p=1/a.parquet", stdin=parquet_bytes(columns))
    lakegate("commit", f"sales/{branch}", "-m", "rows")


def test_rows_columns_and_partitions_that_differ(lakegate: Any, tmp_path: Path) -> None:
    put(lakegate, "main", id=[1, 2, 3], v=["a", "b", "c"])
    put(lakegate, "main", id=[1, 2, 4], v=["a", None, "d"])
    shown = lakegate("diff", "sales/main~1", "main", "--rows", "--key", "id")
    assert shown.splitlines() == [
        "t: 1 row added, 1 removed, 1 updated",
        "  The key was checked in the files that differ.",
        "\tid\tv\tp",
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
    lakegate("diff", "sales/main~1", "main", "--output", str(tmp_path / "none/rows.csv"), status=1)
    assert "can't be written" in lakegate.errors
    lakegate("diff", "sales/main~1", "main", "--output", str(tmp_path / "rows.xlsx"), status=1)
    assert "end with .parquet" in lakegate.errors
    lakegate("diff", "sales/main~1", "main", "--rows", "--key", "p", status=1)
    assert "not unique" in lakegate.errors


def test_a_table_without_partitions_is_told_as_one(lakegate: Any) -> None:
    for ids in ([1], [1, 2]):
        lakegate("put", "-", "sales/main/t/a.parquet", stdin=parquet_bytes({"id": ids}))
        lakegate("commit", "sales/main", "-m", "rows")
    shown = lakegate("diff", "sales/main~1", "main", "--partitions").splitlines()
    assert (shown[0], shown[2].split("\t")[:2]) == ("t: not partitioned", ["+2 -1 rows", "+1 -1 files"])
    lakegate("put", "-", "sales/main/t/k=1/a.parquet", stdin=parquet_bytes({"id": [3]}))
    lakegate("put", "-", "sales/main/t/a.parquet", stdin=parquet_bytes({"id": [4]}))
    lakegate("commit", "sales/main", "-m", "one partition")
    shown = lakegate("diff", "sales/main~1", "main", "--partitions").splitlines()
    assert (shown[0], [line.split("\t")[0] for line in shown[2:]]) == ("t: 2 partitions differ", ["(none)", "k=1"])


def test_a_profile_shows_a_type_that_changed(lakegate: Any) -> None:
    put(lakegate, "main", id=[1], v=[1])
    put(lakegate, "main", id=[1], v=["one"])
    profile = lakegate("diff", "sales/main~1", "main", "--profile")
    assert "\nid\tlong\t" in profile
    assert "\nv\tlong -> string\t" in profile
    columns = lakegate.json("diff", "sales/main~1", "main", "--profile")["results"][0]["profile"]["columns"]
    assert [(column["type"], column["left_type"]) for column in columns[:2]] == [("long", None), ("string", "long")]


def test_a_commit_says_that_a_dataset_is_no_table_any_more(lakegate: Any) -> None:
    put(lakegate, "main", id=[1])
    assert lakegate.errors == ""
    lakegate("put", "-", "sales/main/t/notes.txt", stdin=b"x")
    assert "  t: no table any more: 't/notes.txt' is no Parquet file\n" in lakegate("diff", "sales/main")
    lakegate("commit", "sales/main", "-m", "notes")
    assert lakegate.errors.startswith("warning: t is no table any more: 't/notes.txt' is no Parquet file.")
    (diff,) = lakegate.json("table", "diff", "sales/main~1", "main")["results"]
    assert (diff["type"], diff["reason"]) == ("dropped", "no table any more: 't/notes.txt' is no Parquet file")
    lakegate("revert", "sales/main", "main")
    assert lakegate.errors == ""
    assert lakegate.json("table", "list", "sales/main")["results"][0]["path"] == "t"


def test_all_that_commits_says_that_a_dataset_is_no_table_any_more(lakegate: Any, tmp_path: Path) -> None:
    said = "t is no table any more: 't/notes.txt' is no Parquet file."
    put(lakegate, "main", id=[1])
    lakegate("branch", "create", "sales/exp")
    (tmp_path / "notes.txt").write_text("x")
    notes = ("import", str(tmp_path / "notes.txt"), "sales/exp/t/notes.txt", "--object", "-m", "notes")
    lakegate(*notes)
    assert lakegate.errors.startswith(f"warning: {said}")
    lakegate("merge", "sales/exp", "--into", "main")
    assert lakegate.errors.startswith(f"warning: {said}")
    lakegate("rollback", "sales/exp", "--to", "exp~1")
    assert lakegate.errors == ""
    again = lakegate.json("rollback", "sales/exp", "--to", "main")
    assert (again["commit"]["warnings"], again["warnings"], lakegate.errors) == ([said], [], "")
    assert lakegate.json("show", "sales/exp")["warnings"] == []


def test_the_way_back_that_a_warning_names_works(lakegate: Any, tmp_path: Path) -> None:
    put(lakegate, "main", id=[1])
    lakegate("branch", "create", "sales/exp")
    lakegate("branch", "create", "sales/other")
    (tmp_path / "notes.txt").write_text("x")

    def undone(branch: str, *args: str) -> None:
        lakegate(*args)
        undo = lakegate.errors.rstrip().partition(" To undo the commit: lakegate ")[2].split()
        assert undo[:2] == ["revert", f"sales/{branch}"]
        assert not lakegate.json("table", "list", f"sales/{branch}")["results"]
        lakegate(*undo)
        assert lakegate.json("table", "list", f"sales/{branch}")["results"][0]["path"] == "t"

    lakegate("put", str(tmp_path / "notes.txt"), "sales/exp/t/notes.txt")
    undone("exp", "commit", "sales/exp", "-m", "notes")
    undone("main", "merge", "sales/exp~1", "--into", "main")
    undone("other", "cherry-pick", "sales/other", "exp~1")
    undone("other", "rollback", "sales/other", "--to", "exp~1")
    undone("other", "import", str(tmp_path / "notes.txt"), "sales/other/t/notes.txt", "--object", "-m", "notes")


def test_a_commit_says_that_types_clash(lakegate: Any) -> None:
    put(lakegate, "main", id=[1], v=[1])
    lakegate("put", "-", "sales/main/t/p=1/b.parquet", stdin=parquet_bytes({"id": [2], "v": ["two"]}))
    lakegate("commit", "sales/main", "-m", "a clash")
    assert "warning: t holds files whose types clash, so that most readers fail: v: long, string." in lakegate.errors


def test_a_merge_of_rows_by_key(lakegate: Any, tmp_path: Path) -> None:
    put(lakegate, "main", id=[1, 2], v=["a", "b"], at=[0, 0])
    lakegate("branch", "create", "sales/exp")
    put(lakegate, "exp", id=[1, 2, 3], v=["A", "x", "c"], at=[1, 2, 1])
    put(lakegate, "main", id=[1, 2], v=["a", "y"], at=[0, 1])
    lakegate("merge", "sales/exp", "--take", "rows:t", status=1)
    assert "--key" in lakegate.errors
    told = tmp_path / "conflicts.jsonl"
    lakegate("merge", "sales/exp", "--take", "rows:t", "--key", "id", "--conflicts", str(told), status=3)
    error, conflict, heading, *rows = lakegate.errors.splitlines()[1:]
    assert error.startswith("error: 'exp' can't be merged into 'main': 1 conflict.")
    assert conflict.startswith("  row_changed: Both sides changed 1 row of the table 't', each to other values. Settle")
    assert "--take rows:t --key t=id and --prefer source, --prefer destination or --newest t=COLUMN." in conflict
    assert heading == "  The row by the key id, with the columns id, v, at, p:"
    assert rows == ["side\tid\tv\tat\tp", "base\t2\tb\t0\t1", "source\t2\tx\t2\t1", "destination\t2\ty\t1\t1"]
    assert [json.loads(line)["v"] for line in told.read_text().splitlines()] == ["b", "x", "y"]
    planned = lakegate("merge", "sales/exp", "--take", "rows:t", "--key", "id", "--dry-run", status=3)
    assert "source\t2\tx\t2\t1" in planned
    assert planned.splitlines()[-1] == "The merge would stop, and change nothing: 1 conflict."
    assert planned.splitlines()[1].startswith("conflict\tt\t")
    merged = lakegate("merge", "sales/exp", "--take", "rows:t", "--key", "id", "--newest", "at", "--prefer", "source")
    assert "merged_rows\tt\t- -> -\t+3 -2 rows\t+1 -1 files\t+" in merged
    assert "B\tby the key id\n" in merged
    rows = lakegate.json("table", "preview", "sales/main/t")["rows"]
    assert sorted(row[:2] for row in rows) == [[1, "A"], [2, "x"], [3, "c"]]


def test_the_first_conflicts_and_the_count_of_all(lakegate: Any) -> None:
    put(lakegate, "main", id=list(range(120)), v=[0] * 120)
    lakegate("branch", "create", "sales/exp")
    put(lakegate, "exp", id=list(range(120)), v=[1] * 120)
    put(lakegate, "main", id=list(range(1, 120)), v=[2] * 119)
    lakegate("merge", "sales/exp", "--take", "rows:t", "--key", "id", status=3)
    told = lakegate.errors.splitlines()
    assert "  The first 100 of 120 rows by the key id, with the columns id, v, p; --conflicts FILE.parquet" in told[2]
    assert told[3:7] == ["side\tid\tv\tp", "base\t0\t0\t1", "source\t0\t1\t1", "destination (no row)\t0\t\t"]
    assert len(told) == 4 + 300


def test_a_key_and_a_newest_column_for_each_table(lakegate: Any, tmp_path: Path) -> None:
    for number, branch in enumerate(("main", "exp", "main")):
        if branch == "exp":
            lakegate("branch", "create", "sales/exp")
        for table, key, moment in (("orders", "id", "at"), ("raw/items", "sku", "seen=at")):
            body = parquet_bytes({key: [1], "v": [number], moment: [number]})
            lakegate("put", "-", f"sales/{branch}/{table}/a.parquet", stdin=body)
        lakegate("commit", f"sales/{branch}", "-m", "rows")
    asked = ("merge", "sales/exp", "--take", "rows:orders", "--take", "rows:raw/items/", "--key", "id")
    lakegate(*asked, status=1)
    assert "'id'" in lakegate.errors
    by_key = (*asked, "--key", "raw/items=sku")
    lakegate(*by_key, "--newest", "at", "--newest", "v", status=1)
    assert "more than one column" in lakegate.errors
    lakegate(*by_key, "--conflicts", str(tmp_path / "c.jsonl"), status=3)
    assert sorted(path.name for path in tmp_path.glob("*.jsonl")) == ["c-orders.jsonl", "c-raw-items.jsonl"]
    lakegate(*by_key, "--conflicts", str(tmp_path / "c.xlsx"), status=1)
    assert "end with .parquet" in lakegate.errors
    lakegate(*by_key, "--newest", "at", "--newest", "raw/items=seen=at")
    assert lakegate.json("table", "preview", "sales/main/raw/items")["rows"] == [[1, 2, 2]]


def test_each_table_has_its_own_file_of_conflicts(lakegate: Any, tmp_path: Path) -> None:
    tables = ("a/b", "A-b", "a-b-2")
    for number, branch in enumerate(("main", "exp", "main")):
        if branch == "exp":
            lakegate("branch", "create", "sales/exp")
        for table in tables:
            body = parquet_bytes({"id": [1], "v": [f"{table} {number}"]})
            lakegate("put", "-", f"sales/{branch}/{table}/x.parquet", stdin=body)
        lakegate("commit", f"sales/{branch}", "-m", "rows")
    takes = [word for table in tables for word in ("--take", f"rows:{table}")]
    lakegate("merge", "sales/exp", *takes, "--key", "id", "--conflicts", str(tmp_path / "c.jsonl"), status=3)
    told = dict(re.findall(r"Wrote the rows in conflict of (\S+) to (\S+) \(", lakegate.errors))
    assert set(told) == set(tables)
    assert len({path.casefold() for path in told.values()}) == len(tables)
    for table, path in told.items():
        assert [json.loads(line)["v"] for line in Path(path).read_text().splitlines()] == [
            f"{table} {number}" for number in range(3)
        ]


def test_partitions_and_files_in_conflict_are_named(lakegate: Any) -> None:
    put(lakegate, "main", id=[1])
    lakegate("branch", "create", "sales/exp")
    put(lakegate, "exp", id=[2])
    put(lakegate, "main", id=[3])
    lakegate("merge", "sales/exp", status=3)
    assert "replaced files in 't/p=1'" in lakegate.errors
    found = Conflict(ConflictKind.CONCURRENT_APPEND, "t", "Both.", files=tuple("abcdefg"), file_count=1200)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", out := io.StringIO())
        show_conflicts((found, replace(found, partitions=("p=1", "p=2"))))
    assert out.getvalue().splitlines() == [
        "  concurrent_append: Both. Files: a, b, c, d, e and 1,195 more.",
        "  concurrent_append: Both. Partitions: p=1, p=2, 1,200 files.",
    ]


def test_what_is_uncommitted_on_a_branch(lakegate: Any) -> None:
    assert lakegate("diff", "sales/main") == "Nothing is uncommitted on main.\n"
    put(lakegate, "main", id=[1, 2])
    lakegate("put", "-", "sales/main/t/p=1/b.parquet", stdin=parquet_bytes({"id": [3], "v": ["x"]}))
    lakegate("put", "-", "sales/main/notes.txt", stdin=b"x")
    lakegate("put", "-", "sales/main/t/_SUCCESS", stdin=b"x")
    shown = lakegate("diff", "sales/main")
    assert shown.splitlines() == [
        "change\ttable\tversion\trows in files\tfiles",
        "changed\tt\t- -> -\t+1 -0 rows\t+1 -0 files",
        "  t: added column v string",
        "  t: property lakegate.file_schemas set to 2",
        "change\tpath",
        "added\tnotes.txt",
    ]
    assert lakegate("diff", "sales/main", "--objects").splitlines() == [
        *("change\tpath", "added\tnotes.txt", "added\tt/_SUCCESS", "added\tt/p=1/b.parquet"),
    ]
    paths = [change["path"] for change in lakegate.json("diff", "sales/main")["results"]]
    assert paths == ["notes.txt", "t/_SUCCESS", "t/p=1/b.parquet"]
    assert lakegate.json("table", "diff", "sales/main")["results"][0]["rows_added"] == 1
    for asked in ("--rows", "--three-dot"):
        lakegate("diff", "sales/main", asked, status=1)
    assert "two refs" in lakegate.errors
    lakegate("diff", "sales/main~1", status=1)
    lakegate("commit", "sales/main", "-m", "more")
    assert lakegate("diff", "sales/main~1", "main") == shown

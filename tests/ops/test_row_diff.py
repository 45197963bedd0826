"""Which rows differ between two refs, against a model of rows in plain Python."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from lakegate.errors import ErrorKind, InvalidInput, LakegateError, NotFound, Refused
from lakegate.lake import EmbeddedLake
from lakegate.model import CommitRequest, RowChange, RowChangeKind, RowDiffRequest, RowFormat
from lakegate.repository import EmbeddedRepository
from lakegate.testing.table_files import parquet_bytes, put_folder

ADDED, REMOVED, UPDATED = RowChangeKind.ADDED, RowChangeKind.REMOVED, RowChangeKind.UPDATED


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[EmbeddedRepository]:
    with EmbeddedLake.create(tmp_path / "lake", environment={"LAKEGATE_STORAGE_FSYNC": "false"}) as lake:
        lake.create_repository("sales")
        yield lake.repository("sales")


def commit_folder(repo: EmbeddedRepository, folder: Path, path: str = "t") -> str:
    put_folder(repo, "main", folder, path)
    return str(repo.commit("main", CommitRequest("change")).id)


def orders(ids: list[int], amounts: list[float] | None = None) -> pa.Table:
    return pa.table(
        {
            "id": pa.array(ids, pa.int64()),
            "part": [f"p{i % 2}" for i in ids],
            "amount": pa.array(amounts if amounts is not None else [i * 1.5 for i in ids], pa.float64()),
        }
    )


def refusal(repo: EmbeddedRepository, left: str, right: str, *key: str) -> LakegateError:
    with pytest.raises(LakegateError) as caught:
        repo.row_diff(left, right, RowDiffRequest("t", key))
    return caught.value


def test_added_removed_and_updated_rows_of_a_delta_table(repo: EmbeddedRepository, tmp_path: Path) -> None:
    folder = tmp_path / "t"
    write_deltalake(folder, orders(list(range(10))), partition_by=["part"])
    write_deltalake(folder, orders(list(range(100, 110))), mode="append")
    left = commit_folder(repo, folder)
    table = DeltaTable(folder)
    table.delete("id = 3")
    table.update(updates={"amount": "amount + 1000"}, predicate="id = 4")
    write_deltalake(folder, orders([50]), mode="append")
    right = commit_folder(repo, folder)
    diff = repo.row_diff(left, right, RowDiffRequest("t", ("id",)))
    assert (diff.added, diff.removed, diff.updated) == (1, 1, 1)
    assert diff.columns == ("id", "part", "amount")
    assert diff.rows == (
        RowChange(REMOVED, (3, "p1", 4.5)),
        RowChange(UPDATED, (4, "p0", 6.0), (4, "p0", 1006.0)),
        RowChange(ADDED, None, (50, "p0", 75.0)),
    )
    plain = repo.row_diff(left, right, RowDiffRequest("t/"))
    assert (plain.added, plain.removed, plain.updated) == (2, 2, 0)
    # Four data files were there; those of the other rows were read on no side.
    assert (diff.files_left, diff.files_right) == (2, 3)
    back = repo.row_diff(right, left, RowDiffRequest("t", ("id",), limit=1))
    assert (back.added, back.removed, back.updated, len(back.rows)) == (1, 1, 1, 1)


def test_a_compaction_shows_no_rows(repo: EmbeddedRepository, tmp_path: Path) -> None:
    folder = tmp_path / "t"
    for start in range(0, 40, 10):
        write_deltalake(folder, orders(list(range(start, start + 10))), mode="append")
    left = commit_folder(repo, folder)
    DeltaTable(folder).optimize.compact()
    right = commit_folder(repo, folder)
    diff = repo.row_diff(left, right, RowDiffRequest("t"))
    assert (diff.files_left, diff.files_right) == (4, 1)
    assert (diff.added, diff.removed, diff.rows) == (0, 0, ())
    assert b"".join(repo.row_diff_file(left, right, RowDiffRequest("t"), RowFormat.JSONL)) == b""


def test_rows_are_a_multiset(repo: EmbeddedRepository) -> None:
    refs: list[str] = []
    for values in ([1, 1, 2, None], [1, 2, 2, 2, None, None]):
        repo.put("main", "t/a.parquet", parquet_bytes({"x": pa.array(values, pa.int32())}))
        refs.append(repo.commit("main", CommitRequest("x")).id)
    diff = repo.row_diff(refs[0], refs[1], RowDiffRequest("t"))
    assert (diff.added, diff.removed) == (3, 1)
    assert set(diff.rows) == {
        RowChange(REMOVED, (1,), None, 1),
        RowChange(ADDED, None, (2,), 2),
        RowChange(ADDED, None, (None,), 1),
    }


def test_a_created_and_a_dropped_table(repo: EmbeddedRepository) -> None:
    empty = repo.commit_of("main").id
    repo.put("main", "t/a.parquet", parquet_bytes({"x": [1, 2]}))
    full = repo.commit("main", CommitRequest("x")).id
    created = repo.row_diff(empty, full, RowDiffRequest("t", ("x",)))
    assert (created.added, created.removed, created.left) == (2, 0, None)
    dropped = repo.row_diff(full, empty, RowDiffRequest("t"))
    assert (dropped.added, dropped.removed, dropped.right) == (0, 2, None)
    with pytest.raises(NotFound) as caught:
        repo.row_diff(empty, full, RowDiffRequest("nothing"))
    assert caught.value.kind is ErrorKind.TABLE_NOT_FOUND


def test_keys_that_tell_no_rows_apart_are_refused(repo: EmbeddedRepository) -> None:
    refs: list[str] = []
    for columns in (
        {"id": [1, 2], "v": [1, 1]},
        {"id": [1, 1, 2, 2, 2], "v": [1, 2, 3, 4, 5]},
        {"id": [1, None], "v": [2, 3]},
        {"v": [9]},
    ):
        repo.put("main", "t/a.parquet", parquet_bytes(columns))
        refs.append(repo.commit("main", CommitRequest("x")).id)
    twice = refusal(repo, refs[0], refs[1], "id")
    assert isinstance(twice, Refused)
    assert twice.kind is ErrorKind.KEY_NOT_UNIQUE
    assert (twice.details["keys"], twice.details["rows"], twice.details["first"]) == (2, 5, [[1], [2]])
    assert "right side" in twice.message
    assert refusal(repo, refs[1], refs[0], "id").message.count("left side") == 1
    null = refusal(repo, refs[0], refs[2], "id")
    assert (null.kind, null.details["rows"]) == (ErrorKind.KEY_NULL, 1)
    missing = refusal(repo, refs[0], refs[3], "id")
    assert isinstance(missing, InvalidInput)
    assert missing.kind is ErrorKind.KEY_NOT_FOUND
    assert refusal(repo, refs[0], refs[1], "nope").kind is ErrorKind.KEY_NOT_FOUND
    assert refusal(repo, refs[0], refs[1], "id", "id").kind is ErrorKind.INVALID_ARGUMENT
    both = repo.row_diff(refs[0], refs[1], RowDiffRequest("t", ("id", "v")))
    assert (both.added, both.removed, both.updated) == (4, 1, 0)


def test_columns_that_only_one_side_has(repo: EmbeddedRepository) -> None:
    refs: list[str] = []
    for columns in ({"id": [1, 2], "old": ["a", "b"]}, {"id": [1, 2], "new": [None, 7.5]}):
        repo.put("main", "t/a.parquet", parquet_bytes(pa.table(columns)))
        refs.append(repo.commit("main", CommitRequest("x")).id)
    diff = repo.row_diff(refs[0], refs[1], RowDiffRequest("t", ("id",)))
    assert diff.columns == ("id", "new")
    assert diff.rows == (RowChange(UPDATED, (2, None), (2, 7.5)),)
    assert diff.schema_changes == ("dropped column old", "added column new double") or set(diff.schema_changes) == {
        "dropped column old string",
        "added column new double",
    }
    assert any("'new' is null on the left" in note for note in diff.notes)
    assert any("'old' is not compared" in note for note in diff.notes)


@pytest.mark.parametrize(
    ("left", "right", "differs"),
    [
        (pa.array([1, 2], pa.int32()), pa.array([1, 3], pa.int64()), 1),
        (pa.array([1.5, float("nan")], pa.float32()), pa.array([1.5, float("nan")], pa.float64()), 0),
        (pa.array([1, 2], pa.int64()), pa.array(["1", "3"]), 1),
        (pa.array([(1 << 53) + 1, 2], pa.int64()), pa.array([float(1 << 53), 2.0]), 2),
        (pa.array([{"a": 1}, None]), pa.array([{"a": 1, "b": 2}, None]), 1),
    ],
)
def test_a_column_whose_type_changed(repo: EmbeddedRepository, left: pa.Array, right: pa.Array, differs: int) -> None:
    refs: list[str] = []
    for column in (left, right):
        repo.put("main", "t/a.parquet", parquet_bytes({"id": [1, 2], "x": column}))
        refs.append(repo.commit("main", CommitRequest("x")).id)
    assert repo.row_diff(refs[0], refs[1], RowDiffRequest("t", ("id",))).updated == differs


def test_columns_whose_names_differ_by_case_and_odd_names(repo: EmbeddedRepository) -> None:
    refs: list[str] = []
    for value in (1, 2):
        columns = {"a": [1], "A": [value], 'odd "name"; --': [value], "": ["x"]}
        repo.put("main", "t/a.parquet", parquet_bytes(columns))
        refs.append(repo.commit("main", CommitRequest("x")).id)
    diff = repo.row_diff(refs[0], refs[1], RowDiffRequest("t", ("a",)))
    assert diff.rows == (RowChange(UPDATED, (1, 1, 1, "x"), (1, 2, 2, "x")),)


def test_all_rows_as_a_file(repo: EmbeddedRepository) -> None:
    left = {"id": [1, 2, 3], "name": ["a", "", None], "tags": [["x", "y"], [], None]}
    right = {"id": [1, 2, 4], "name": ["a", 'say "hi"\n', "é"], "tags": [["x"], [], None]}
    refs: list[str] = []
    for columns in (left, right):
        repo.put("main", "t/a.parquet", parquet_bytes(columns))
        refs.append(repo.commit("main", CommitRequest("x")).id)
    request = RowDiffRequest("t", ("id",), limit=0)
    made = {form: b"".join(repo.row_diff_file(refs[0], refs[1], request, form)) for form in RowFormat}
    words = ["updated_from", "updated_to", "updated_from", "updated_to", "removed", "added"]
    table = pq.read_table(io.BytesIO(made[RowFormat.PARQUET]))
    assert table["_change"].to_pylist() == words
    assert table["name"].to_pylist() == ["a", "a", "", 'say "hi"\n', None, "é"]
    lines = [json.loads(line) for line in made[RowFormat.JSONL].splitlines()]
    assert lines == [{**row} for row in table.to_pylist()]
    rows = list(csv.reader(io.StringIO(made[RowFormat.CSV].decode())))
    assert rows[0] == ["_change", "id", "name", "tags"]
    assert [row[0] for row in rows[1:]] == words
    assert rows[1][3] == '["x","y"]'
    assert rows[5] == ["removed", "3", "", ""]
    counted = pq.read_table(
        io.BytesIO(b"".join(repo.row_diff_file(refs[0], refs[1], RowDiffRequest("t"), RowFormat.PARQUET)))
    )
    assert Counter(counted["_change"].to_pylist()) == {"added": 3, "removed": 3}
    assert set(counted["_count"].to_pylist()) == {1}


@pytest.mark.parametrize("form", list(RowFormat))
def test_columns_named_as_those_of_the_file(repo: EmbeddedRepository, form: RowFormat) -> None:
    refs: list[str] = []
    for value in (1, 2):
        repo.put("main", "t/a.parquet", parquet_bytes({"_change": [value], "__change": ["x"], "_Count": [7]}))
        refs.append(repo.commit("main", CommitRequest("x")).id)
    made = b"".join(repo.row_diff_file(refs[0], refs[1], RowDiffRequest("t"), form))
    names = ["___change", "__count", "_change", "__change", "_Count"]
    match form:
        case RowFormat.PARQUET:
            rows = [list(row.values()) for row in pq.read_table(io.BytesIO(made)).to_pylist()]
            assert pq.read_table(io.BytesIO(made)).column_names == names
        case RowFormat.CSV:
            found, *rows = list(csv.reader(io.StringIO(made.decode()), quoting=csv.QUOTE_NONNUMERIC))
            assert found == names
        case RowFormat.JSONL:
            rows = [list(json.loads(line).values()) for line in made.splitlines()]
            assert list(json.loads(made.splitlines()[0])) == names
    assert rows == [["removed", 1, 1, "x", 7], ["added", 1, 2, "x", 7]]


def test_a_missing_data_file_is_told_as_what_it_is(repo: EmbeddedRepository, tmp_path: Path) -> None:
    folder = tmp_path / "t"
    write_deltalake(folder, orders([1]))
    left = commit_folder(repo, folder)
    write_deltalake(folder, orders([2]), mode="append")
    right = commit_folder(repo, folder)
    entry = next(e for e in _objects(repo, right) if e.path.endswith(".parquet"))
    store, key = repo.ctx.addresses.locate(entry.address)
    local = store.local_path(key)
    assert local is not None
    local.chmod(0o644)
    local.write_bytes(b"no parquet")
    with pytest.raises(LakegateError) as caught:
        repo.row_diff(repo.commit_of(f"{left}~1").id, right, RowDiffRequest("t"))
    assert caught.value.kind is ErrorKind.CORRUPT
    assert entry.path in caught.value.message


def _objects(repo: EmbeddedRepository, ref: str) -> Iterator[Any]:
    yield from repo.list(ref).items

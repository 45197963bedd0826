"""Merges of rows by key, against a model of rows in plain Python."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from lakegate import tree
from lakegate.errors import ErrorKind, LakegateError, MergeConflict, Refused
from lakegate.format.kinds import OBJECTS, TABLES
from lakegate.ids import CommitId
from lakegate.lake import EmbeddedLake
from lakegate.model import (
    CommitRequest,
    ConflictKind,
    MergeRequest,
    Resolution,
    RowConflict,
    RowFormat,
    Strategy,
    TableVersion,
    Take,
)
from lakegate.ops.row_merge import MergedRows, RowMergeSides, TableInTree, merge_table_rows
from lakegate.repository import EmbeddedRepository
from lakegate.snapshot import Snapshot
from lakegate.tables.detect import detect
from lakegate.tables.file_counts import file_counts
from lakegate.tables.reader import batches
from lakegate.testing.table_files import parquet_bytes, put_folder


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[EmbeddedRepository]:
    with EmbeddedLake.create(tmp_path / "lake", environment={"LAKEGATE_STORAGE_FSYNC": "false"}) as lake:
        lake.create_repository("sales")
        yield lake.repository("sales")


def at(repo: EmbeddedRepository, ref: str) -> TableInTree | None:
    manifest = repo.manifest(ref)
    table = tree.get(repo.ctx.manifests.nodes, TABLES, manifest.tables_root, "t")
    return TableInTree(manifest.objects_root, table) if table is not None else None


def merged(
    repo: EmbeddedRepository, refs: tuple[str, str, str], resolution: Resolution, *, dry_run: bool = False
) -> MergedRows:
    base, source, destination = (at(repo, ref) for ref in refs)
    assert source is not None
    assert destination is not None
    return merge_table_rows(repo.ctx, RowMergeSides(base, source, destination), resolution, dry_run=dry_run)


def applied(repo: EmbeddedRepository, ref: str, found: MergedRows) -> tuple[Snapshot, TableVersion]:
    """The destination with the changes of a merge, as a commit would find it."""
    nodes, manifest = repo.ctx.manifests.nodes, repo.manifest(ref)
    root = tree.apply(nodes, OBJECTS, manifest.objects_root, found.changes)
    table = tree.get(nodes, TABLES, detect(repo.ctx, manifest, root).tables_root, "t")
    assert table is not None
    return Snapshot(repo.ctx, CommitId(""), root), table


def rows_of(repo: EmbeddedRepository, view: Snapshot, table: TableVersion) -> list[dict[str, Any]]:
    return batches(repo.ctx, view, table).read_all().to_pylist()


def dataset(repo: EmbeddedRepository, branch: str, files: Mapping[str, Mapping[str, Any] | pa.Table | None]) -> str:
    """Puts the files of a Parquet dataset, and commits."""
    for name, columns in files.items():
        if columns is None:
            repo.delete(branch, f"t/{name}")
        else:
            repo.put(branch, f"t/{name}", parquet_bytes(columns))
    return str(repo.commit(branch, CommitRequest("x", allow_empty=True)).id)


def three(
    repo: EmbeddedRepository,
    base: Mapping[str, Any],
    source: Mapping[str, Any],
    destination: Mapping[str, Any],
) -> tuple[str, str, str]:
    """One dataset in one file on three commits."""
    first = dataset(repo, "main", {"a.parquet": base})
    repo.create_branch("exp", "main")
    return first, dataset(repo, "exp", {"a.parquet": source}), dataset(repo, "main", {"a.parquet": destination})


ID = Resolution("t", Take.ROWS, ("id",))


def test_each_side_s_rows_are_taken(repo: EmbeddedRepository) -> None:
    refs = three(
        repo,
        {"id": [1, 2, 3, 4], "v": ["a", "b", "c", "d"]},
        {"id": [1, 2, 4, 5], "v": ["A", "b", "d", "e"]},
        {"id": [1, 2, 3, 6], "v": ["a", "B", "c", "f"]},
    )
    found = merged(repo, refs, ID)
    assert found.conflict is None
    assert (found.counts.rows_added, found.counts.rows_removed) == (2, 2)
    rows = rows_of(repo, *applied(repo, refs[2], found))
    assert sorted((row["id"], row["v"]) for row in rows) == [(1, "A"), (2, "B"), (5, "e"), (6, "f")]
    dry = merged(repo, refs, ID, dry_run=True)
    assert dry.counts == found.counts
    assert [entry is None for _, entry in dry.changes] == [True, False]


def test_rows_that_both_changed_are_conflicts_until_they_are_settled(repo: EmbeddedRepository) -> None:
    refs = three(
        repo,
        {"id": [1, 2, 3, 4], "v": ["a", "b", "c", "d"], "at": [0, 0, 0, 0]},
        {"id": [1, 2, 5, 4], "v": ["x", "same", "s", "n"], "at": [2, 1, 1, None]},
        {"id": [1, 2, 3, 5, 4], "v": ["y", "same", "z", "d", "m"], "at": [1, 1, 5, 7, None]},
    )
    found = merged(repo, refs, ID)
    assert found.changes == ()
    assert found.conflict is not None
    assert found.conflict.rows is not None
    assert found.conflict.rows.count == 4
    assert found.conflict.rows.columns == ("id", "v", "at")
    assert found.conflict.rows.first == (
        RowConflict((1,), (1, "a", 0), (1, "x", 2), (1, "y", 1)),
        RowConflict((3,), (3, "c", 0), None, (3, "z", 5)),
        RowConflict((4,), (4, "d", 0), (4, "n", None), (4, "m", None)),
        RowConflict((5,), None, (5, "s", 1), (5, "d", 7)),
    )
    expected = {
        "source": [(1, "x"), (2, "same"), (4, "n"), (5, "s")],
        "destination": [(1, "y"), (2, "same"), (3, "z"), (4, "m"), (5, "d")],
    }
    for side, rows in expected.items():
        settled = merged(repo, refs, Resolution("t", Take.ROWS, ("id",), prefer=Take(side)))
        assert sorted((r["id"], r["v"]) for r in rows_of(repo, *applied(repo, refs[2], settled))) == rows
    newest = merged(repo, refs, Resolution("t", Take.ROWS, ("id",), newest="at"))
    assert newest.conflict is not None  # the times of 4 are null on both sides: neither is the newer one
    assert newest.conflict.rows is not None
    assert "beside --newest at, by which none is newer, --prefer source" in newest.conflict.hint
    assert [row.key for row in newest.conflict.rows.first] == [(4,)]
    settled = merged(repo, refs, Resolution("t", Take.ROWS, ("id",), prefer=Take.SOURCE, newest="at"))
    assert sorted((r["id"], r["v"]) for r in rows_of(repo, *applied(repo, refs[2], settled))) == [
        *((1, "x"), (2, "same"), (3, "z"), (4, "n"), (5, "d"))  # 4 by the preferred side
    ]
    lines = b"".join(repo.row_conflicts_file(refs[1], refs[2], ID, RowFormat.PARQUET))
    table = pq.read_table(io.BytesIO(lines))
    assert table["_side"].to_pylist() == [
        *("base", "source", "destination"),
        *("base", "destination"),
        *("base", "source", "destination"),
        *("source", "destination"),
    ]
    assert table["id"].to_pylist() == [1, 1, 1, 3, 3, 4, 4, 4, 5, 5]


@pytest.mark.parametrize("kind", [pa.float64(), pa.float32()])
def test_nan_is_no_moment(repo: EmbeddedRepository, kind: pa.DataType) -> None:
    """The engine holds NaN for the greatest value; a row that has it as its time is as old as one without."""
    nan = float("nan")
    times = {"base": [0.0] * 4, "exp": [nan, 1.0, nan, nan], "main": [1.0, nan, None, nan]}
    base, exp, main = (
        pa.table({"id": [1, 2, 3, 4], "_SIDE": [side] * 4, "at": pa.array(times[side], kind)}) for side in times
    )
    first = dataset(repo, "main", {"a.parquet": base})
    repo.create_branch("exp", "main")
    refs = first, dataset(repo, "exp", {"a.parquet": exp}), dataset(repo, "main", {"a.parquet": main})
    asked = Resolution("t", Take.ROWS, ("id",), newest="at")
    found = merged(repo, refs, asked)
    assert found.conflict is not None
    assert found.conflict.rows is not None
    assert [row.key for row in found.conflict.rows.first] == [(3,), (4,)]
    lines = pq.read_table(io.BytesIO(b"".join(repo.row_conflicts_file(refs[1], refs[2], asked, RowFormat.PARQUET))))
    assert lines.column_names == ["__side", "id", "_SIDE", "at"]
    assert lines["__side"].to_pylist() == ["base", "source", "destination"] * 2


def test_a_delta_table_gets_a_version_that_clients_read(repo: EmbeddedRepository, tmp_path: Path) -> None:
    folders = {name: tmp_path / name for name in ("base", "exp", "main")}

    def orders(ids: list[int], day: str) -> pa.Table:
        amounts = pa.array([float(i) for i in ids], pa.float64())
        return pa.table({"day": [day] * len(ids), "id": pa.array(ids, pa.int64()), "amount": amounts})

    for folder in folders.values():
        if folder.name == "base":
            write_deltalake(folder, orders([1, 2, 3], "2026-01-01"), partition_by=["day"])
            write_deltalake(folder, orders([4, 5, 6], "2026-01-02"), partition_by=["day"], mode="append")
        else:
            shutil.copytree(folders["base"], folder)
    put_folder(repo, "main", folders["base"], "t")
    base = str(repo.commit("main", CommitRequest("base")).id)
    repo.create_branch("exp", "main")
    source = DeltaTable(folders["exp"])
    source.update(updates={"amount": "amount + 100"}, predicate="id = 1")
    source.delete("id = 5")
    write_deltalake(folders["exp"], orders([7], "2026 odd/day"), partition_by=["day"], mode="append")
    destination = DeltaTable(folders["main"])
    destination.update(updates={"amount": "amount + 1000"}, predicate="id = 2")
    destination.update(updates={"amount": "amount + 1000"}, predicate="id = 6")
    for branch in ("exp", "main"):
        put_folder(repo, branch, folders[branch], "t")
        repo.commit(branch, CommitRequest("change"))
    before = at(repo, "main")
    assert before is not None
    planned = merged(repo, (base, "exp", "main"), ID, dry_run=True)
    found = merged(repo, (base, "exp", "main"), ID)
    assert (found.counts.rows_added, found.counts.rows_removed, found.version) == (2, 2, 4)
    assert (planned.counts, planned.version) == (found.counts, 4)
    view, table = applied(repo, "main", found)
    files = file_counts(repo.ctx, before.version, table)
    assert (found.counts.files_added, found.counts.files_removed) == (files.files_added, files.files_removed)
    assert (found.counts.bytes_added, found.counts.bytes_removed) == (files.bytes_added, files.bytes_removed)
    assert (table.version, table.rows) == (4, 6)
    out = tmp_path / "out"
    for entry in view.iterate("t/"):
        target = out / entry.path
        target.parent.mkdir(parents=True, exist_ok=True)
        store, key = repo.ctx.addresses.locate(entry.address)
        target.write_bytes(store.get_range(key, 0, entry.size))
    read = DeltaTable(out / "t")
    assert read.version() == 4
    rows = sorted(read.to_pyarrow_table().to_pylist(), key=lambda row: row["id"])
    assert [(r["id"], r["amount"], r["day"]) for r in rows] == [
        (1, 101.0, "2026-01-01"),
        (2, 1002.0, "2026-01-01"),
        (3, 3.0, "2026-01-01"),
        (4, 4.0, "2026-01-02"),
        (6, 1006.0, "2026-01-02"),
        (7, 7.0, "2026 odd/day"),
    ]
    assert read.history(1)[0]["operation"] == "MERGE"
    actions = pa.table(read.get_add_actions(flatten=True)).to_pylist()
    for action in actions:
        inside = [r for r in rows if r["day"] == action["partition.day"]]
        if action["num_records"] == len(inside):
            assert (action["min.id"], action["max.id"]) == (min(r["id"] for r in inside), max(r["id"] for r in inside))
            assert action["null_count.amount"] == 0
    # Data of the partitions is written again only where rows went.
    assert sum(1 for path, entry in found.changes if entry is not None and path.endswith(".parquet")) == 3


def test_what_a_merge_of_rows_does_not_bring_is_told(repo: EmbeddedRepository, tmp_path: Path) -> None:
    """On a table that deltalake gave the feature variantType, though no column is a variant."""
    days = {"exp": "interval 10 days", "main": "interval 20 days"}
    rows = pa.table({"id": pa.array([1, 2], pa.int64()), "v": ["a", "b"]})
    vectors = {"delta.enableDeletionVectors": "true"}
    write_deltalake(tmp_path / "base", rows, configuration=vectors)
    assert "variantType" in (DeltaTable(tmp_path / "base").protocol().writer_features or ())
    put_folder(repo, "main", tmp_path / "base", "t")
    repo.commit("main", CommitRequest("base"))
    repo.create_branch("exp", "main")
    for number, (branch, kept) in enumerate(days.items(), 1):
        shutil.copytree(tmp_path / "base", tmp_path / branch)
        table = DeltaTable(tmp_path / branch)
        table.update(new_values={"v": branch}, predicate=f"id = {number}")
        table.alter.set_table_properties({"delta.logRetentionDuration": kept})
        put_folder(repo, branch, tmp_path / branch, "t")
        repo.commit(branch, CommitRequest("change"))
    (planned,) = repo.merge("exp", "main", MergeRequest(dry_run=True, resolutions=(ID,))).tables
    (made,) = repo.merge("exp", "main", MergeRequest(resolutions=(ID,))).tables
    assert planned == made
    assert made.note == (
        "by the key id; columns and properties stay the destination's, without the source's property "
        "delta.logRetentionDuration set to interval 10 days"
    )
    assert repo.table("main", "t").properties["delta.logRetentionDuration"] == days["main"]
    found = repo.read_table("main", "t").to_table().to_pylist()
    assert sorted((row["id"], row["v"]) for row in found) == [(1, "exp"), (2, "main")]


def refusal(repo: EmbeddedRepository, refs: tuple[str, str, str], resolution: Resolution) -> LakegateError:
    with pytest.raises(LakegateError) as caught:
        merged(repo, refs, resolution)
    return caught.value


def test_what_can_not_be_merged_by_key_is_refused(repo: EmbeddedRepository) -> None:
    refs = three(
        repo,
        {"id": [1, 2], "v": ["a", "b"]},
        {"id": [1, 2, 2], "v": ["A", "b", "c"]},
        {"id": [1, None], "v": ["a", "x"]},
    )
    assert refusal(repo, (refs[0], refs[1], refs[0]), ID).kind is ErrorKind.KEY_NOT_UNIQUE
    assert refusal(repo, (refs[0], refs[0], refs[2]), ID).kind is ErrorKind.KEY_NULL
    assert refusal(repo, refs, Resolution("t", Take.ROWS, ("no",))).kind is ErrorKind.KEY_NOT_FOUND
    assert refusal(repo, refs, Resolution("t", Take.ROWS, ())).kind is ErrorKind.KEY_NOT_FOUND
    nowhere = Resolution("t", Take.ROWS, ("id",), newest="nowhere")
    assert refusal(repo, refs, nowhere).kind is ErrorKind.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("base", "source", "destination", "why"),
    [
        ({"id": [1]}, {"id": [1], "new": [2]}, {"id": [1]}, "'new', which the destination has not"),
        ({"id": [1], "v": [1]}, {"id": [1]}, {"id": [1], "v": [2]}, "dropped the column 'v'"),
        ({"id": [1], "v": [1]}, {"id": [1], "v": ["x"]}, {"id": [1], "v": [2]}, "types that don't fit"),
        ({"id": [1], "v": [1]}, {"id": [1], "v": [1.5]}, {"id": [1], "v": [2]}, "types that don't fit"),
    ],
)
def test_columns_that_don_t_fit_are_refused(
    repo: EmbeddedRepository, base: Any, source: Any, destination: Any, why: str
) -> None:
    error = refusal(repo, three(repo, base, source, destination), ID)
    assert error.kind is ErrorKind.ROWS_INCOMPATIBLE
    assert why in error.message


def test_a_column_that_the_destination_added_keeps_its_values(repo: EmbeddedRepository) -> None:
    refs = three(
        repo,
        {"id": [1, 2], "v": ["a", "b"]},
        {"id": [1, 2, 3], "v": ["A", "b", "c"]},
        {"note": ["one", "two"], "v": ["a", "b"], "id": [1, 2]},
    )
    rows = rows_of(repo, *applied(repo, refs[2], merged(repo, refs, ID)))
    assert sorted((row["id"], row["v"], row["note"]) for row in rows if row["note"]) == [
        (1, "A", "one"),
        (2, "b", "two"),
    ]
    assert [row for row in rows if row["id"] == 3] == [{"note": None, "v": "c", "id": 3}]


def test_rows_move_between_partitions(repo: EmbeddedRepository) -> None:
    first = dataset(
        repo, "main", {"p=1/a.parquet": {"id": [1, 2]}, "p=2/a.parquet": {"id": [3]}, "p=3/a.parquet": {"id": [9]}}
    )
    repo.create_branch("exp", "main")
    second = dataset(repo, "exp", {"p=1/a.parquet": {"id": [1]}, "p=2/a.parquet": {"id": [2, 3]}})
    third = dataset(repo, "main", {"p=3/a.parquet": {"id": [9, 10]}})
    found = merged(repo, (first, second, third), ID)
    view, table = applied(repo, third, found)
    assert sorted((r["id"], r["p"]) for r in rows_of(repo, view, table)) == [(1, 1), (2, 2), (3, 2), (9, 3), (10, 3)]
    assert [path for path, entry in found.changes if entry is None] == ["t/p=1/a.parquet"]


def test_clashing_columns_of_a_dataset_are_a_conflict_of_the_table(repo: EmbeddedRepository) -> None:
    dataset(repo, "main", {"a.parquet": {"id": [1]}})
    repo.create_branch("exp", "main")
    dataset(repo, "exp", {"b.parquet": {"id": [2], "x": [1]}})
    dataset(repo, "main", {"c.parquet": {"id": [3], "x": ["text"]}})
    with pytest.raises(MergeConflict) as caught:
        repo.merge("exp", "main")
    (conflict,) = caught.value.conflicts
    assert (conflict.kind, conflict.path) == (ConflictKind.SCHEMA_INCOMPATIBLE, "t")
    assert "x: string, long" in conflict.message or "x: long, string" in conflict.message
    repo.merge("exp", "main", MergeRequest(resolutions=(Resolution("t", Take.SOURCE),)))
    assert sorted(row[0] for row in repo.table_preview("main", "t").rows) == [1, 2]


@pytest.mark.parametrize(
    ("strategy", "newest", "expected"),
    [
        (Strategy.SOURCE_WINS, None, [(1, 10), (2, 20)]),
        (Strategy.DESTINATION_WINS, None, [(1, 11), (2, 21)]),
        (Strategy.SOURCE_WINS, "v", [(1, 11), (2, 21)]),
    ],
)
def test_a_strategy_settles_the_rows_that_are_left(
    repo: EmbeddedRepository, strategy: Strategy, newest: str | None, expected: list[tuple[int, int]]
) -> None:
    three(repo, {"id": [1, 2], "v": [0, 0]}, {"id": [1, 2], "v": [10, 20]}, {"id": [1, 2], "v": [11, 21]})
    resolution = Resolution("t", Take.ROWS, ("id",), newest=newest)
    repo.merge("exp", "main", MergeRequest(strategy=strategy, resolutions=(resolution,)))
    assert sorted(repo.table_preview("main", "t").rows) == expected


@pytest.mark.parametrize(("values", "fits"), [([1], True), (["x"], False)])
def test_a_merge_of_rows_is_advised_where_the_columns_allow_it(
    repo: EmbeddedRepository, values: list[Any], fits: bool, tmp_path: Path
) -> None:
    for branch, column in (("main", [2]), ("exp", values)):
        if branch == "exp":
            repo.create_branch("exp", "main~1")
        write_deltalake(str(tmp_path / branch), pa.table({"id": [1], "v": column}))
        put_folder(repo, branch, tmp_path / branch, "t")
        repo.commit(branch, CommitRequest("both created it"))
    with pytest.raises(MergeConflict) as caught:
        repo.merge("exp", "main")
    (conflict,) = caught.value.conflicts
    assert conflict.message == (
        "Both sides created a Delta table 't'. The source: WRITE (version 0). The destination: WRITE (version 0)."
    )
    assert (conflict.source.versions, conflict.destination.versions) == ((0,), (0,))
    assert ("--take rows:t --key COLUMN" in conflict.hint, "types that don't fit" in conflict.hint) == (fits, not fits)


def test_rows_of_a_table_that_one_side_dropped_are_refused(repo: EmbeddedRepository) -> None:
    dataset(repo, "main", {"a.parquet": {"id": [1]}})
    repo.create_branch("exp", "main")
    dataset(repo, "exp", {"a.parquet": {"id": [2]}})
    dataset(repo, "main", {"a.parquet": None})
    with pytest.raises(Refused) as caught:
        repo.merge("exp", "main", MergeRequest(resolutions=(ID,)))
    assert caught.value.kind is ErrorKind.ROWS_INCOMPATIBLE
    assert repo.tables("main").items == ()

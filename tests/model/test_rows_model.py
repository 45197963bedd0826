"""Row differences and merges of rows by key, on any small tables, against models in plain Python."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakegate import tree
from lakegate.format.kinds import OBJECTS, TABLES
from lakegate.ids import CommitId
from lakegate.lake import EmbeddedLake
from lakegate.model import CommitRequest, Resolution, RowChangeKind, RowDiffRequest, RowFormat, TableVersion, Take
from lakegate.ops.row_merge import MergedRows, RowMergeSides, TableInTree, merge_table_rows
from lakegate.repository import EmbeddedRepository
from lakegate.snapshot import Snapshot
from lakegate.tables.detect import detect
from lakegate.tables.preview import json_values
from lakegate.tables.reader import batches
from lakegate.testing.table_files import parquet_bytes

QUICK = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
ID = Resolution("t", Take.ROWS, ("id",))


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[EmbeddedRepository]:
    with EmbeddedLake.create(tmp_path / "lake", environment={"LAKEGATE_STORAGE_FSYNC": "false"}) as lake:
        lake.create_repository("sales")
        yield lake.repository("sales")


def put_files(repo: EmbeddedRepository, files: Mapping[str, pa.Table]) -> str:
    """Makes the table hold exactly these files, and commits."""
    repo.delete_many("main", [item.path for item in repo.list("main").items])
    for name, table in files.items():
        repo.put("main", f"t/{name}", parquet_bytes(table))
    return str(repo.commit("main", CommitRequest("x", allow_empty=True)).id)


# -- differences ------------------------------------------------------------------------------------------------------

SCHEMA = pa.schema(
    [
        ("n", pa.int32()),
        ("f", pa.float64()),
        ("d", pa.decimal128(9, 2)),
        ("at", pa.timestamp("us", tz="UTC")),
        ("ns", pa.timestamp("ns", tz="UTC")),
        ("s", pa.string()),
        ("b", pa.binary()),
        ("l", pa.list_(pa.struct([("a", pa.int64()), ("t", pa.time64("us"))]))),
        ("m", pa.map_(pa.string(), pa.float32())),
    ]
)
DAY = datetime.datetime(2026, 3, 4, 5, 6, 7, 8, tzinfo=datetime.UTC)
ROW = st.fixed_dictionaries(
    {
        "n": st.sampled_from([None, 1, 2]),
        "f": st.sampled_from([None, float("nan"), float("inf"), 0.25]),
        "d": st.sampled_from([None, Decimal("1.50")]),
        "at": st.sampled_from([None, DAY]),
        "ns": st.sampled_from([None, 1_700_000_000_000_000_001, 1_700_000_000_000_000_002]),
        "s": st.sampled_from([None, "", "a\x00b", "\u00e9"]),
        "b": st.sampled_from([None, b"", b"\xff"]),
        "l": st.sampled_from([None, [], [None], [{"a": 1, "t": datetime.time(1, 2, 3)}], [{"a": None, "t": None}]]),
        "m": st.sampled_from([None, [], [("k", 1.5)], [("k", None)], [("k", float("nan"))]]),
    }
)
FILES = st.lists(st.lists(ROW, max_size=5), min_size=1, max_size=3)


def json_rows(table: pa.Table) -> list[str]:
    """Rows as text that tells all values apart."""
    columns = [json_values(column) for column in (table.column(i).combine_chunks() for i in range(table.num_columns))]
    return [repr(row) for row in zip(*columns, strict=True)]


@QUICK
@given(left=FILES, right=FILES, shared=st.lists(ROW, max_size=4))
def test_any_difference_equals_the_model(
    repo: EmbeddedRepository, left: list[list[Any]], right: list[list[Any]], shared: list[Any]
) -> None:
    refs: list[str] = []
    counted: list[Counter[str]] = []
    for side, files in enumerate((left, right)):
        tables = {f"{side}-{i}.parquet": pa.Table.from_pylist(rows, SCHEMA) for i, rows in enumerate(files)}
        refs.append(put_files(repo, {**tables, "shared.parquet": pa.Table.from_pylist(shared, SCHEMA)}))
        counted.append(Counter(row for table in tables.values() for row in json_rows(table)))
    diff = repo.row_diff(refs[0], refs[1], RowDiffRequest("t", limit=1000))
    added = Counter({repr(r.right): r.count for r in diff.rows if r.kind is RowChangeKind.ADDED})
    removed = Counter({repr(r.left): r.count for r in diff.rows if r.kind is RowChangeKind.REMOVED})
    assert added == counted[1] - counted[0]
    assert removed == counted[0] - counted[1]
    assert (diff.added, diff.removed) == (added.total(), removed.total())
    lines = b"".join(repo.row_diff_file(refs[0], refs[1], RowDiffRequest("t"), RowFormat.JSONL)).splitlines()
    assert len(lines) == len(diff.rows)


# -- merges -----------------------------------------------------------------------------------------------------------


def at(repo: EmbeddedRepository, ref: str) -> TableInTree | None:
    manifest = repo.manifest(ref)
    table = tree.get(repo.ctx.manifests.nodes, TABLES, manifest.tables_root, "t")
    return TableInTree(manifest.objects_root, table) if table is not None else None


def merged(repo: EmbeddedRepository, refs: tuple[str, str, str], resolution: Resolution) -> MergedRows:
    base, source, destination = (at(repo, ref) for ref in refs)
    assert source is not None
    assert destination is not None
    return merge_table_rows(repo.ctx, RowMergeSides(base, source, destination), resolution)


def applied(repo: EmbeddedRepository, ref: str, found: MergedRows) -> tuple[Snapshot, TableVersion]:
    """The destination with the changes of a merge, as a commit would find it."""
    nodes, manifest = repo.ctx.manifests.nodes, repo.manifest(ref)
    root = tree.apply(nodes, OBJECTS, manifest.objects_root, found.changes)
    table = tree.get(nodes, TABLES, detect(repo.ctx, manifest, root).tables_root, "t")
    assert table is not None
    return Snapshot(repo.ctx, CommitId(""), root), table


def rows_of(repo: EmbeddedRepository, view: Snapshot, table: TableVersion) -> list[dict[str, Any]]:
    return batches(repo.ctx, view, table).read_all().to_pylist()


KEYS = st.integers(0, 5)
VALUES = st.sampled_from([None, 0.5, float("nan"), -0.0, 7.0])
STATES = st.dictionaries(KEYS, st.tuples(VALUES, st.sampled_from(["x", "y"])), min_size=1, max_size=6)


@QUICK
@given(states=st.tuples(STATES, STATES, STATES), cuts=st.tuples(*[st.integers(1, 3)] * 3), prefer=st.booleans())
def test_any_merge_equals_the_model(
    repo: EmbeddedRepository, states: tuple[Any, Any, Any], cuts: tuple[int, int, int], prefer: bool
) -> None:
    refs = tuple(commit_state(repo, state, cut) for state, cut in zip(states, cuts, strict=True))
    expected, disputed = model(*(dict(state) for state in states))
    found = merged(repo, (refs[0], refs[1], refs[2]), ID)
    count = found.conflict.rows.count if found.conflict is not None and found.conflict.rows is not None else 0
    assert count == len(disputed)
    side = Take.SOURCE if prefer else Take.DESTINATION
    settled = merged(repo, (refs[0], refs[1], refs[2]), Resolution("t", Take.ROWS, ("id",), prefer=side))
    for key in disputed:
        row = states[1 if prefer else 2].get(key)
        if row is None:
            expected.pop(key, None)
        else:
            expected[key] = row
    if not expected:
        assert all(entry is None for _, entry in settled.changes)
        return
    rows = rows_of(repo, *applied(repo, refs[2], settled))
    assert sorted(map(shown, rows)) == sorted(shown({"id": k, "v": v, "p": p}) for k, (v, p) in expected.items())


def commit_state(repo: EmbeddedRepository, state: Mapping[int, tuple[float | None, str]], cuts: int) -> str:
    files: dict[str, pa.Table] = {}
    rows = sorted(state.items())
    for number in range(cuts):
        for part in ("x", "y"):
            mine = [(key, value) for key, (value, where) in rows[number::cuts] if where == part]
            columns: dict[str, Any] = {
                "id": pa.array([k for k, _ in mine], pa.int64()),
                "v": pa.array([v for _, v in mine], pa.float64()),
            }
            files[f"p={part}/{number}.parquet"] = pa.table(columns)
    return put_files(repo, files)


def model(base: dict[int, Any], source: dict[int, Any], destination: dict[int, Any]) -> tuple[dict[int, Any], set[int]]:
    """What a merge by key makes of three states, and the keys in conflict."""
    result, disputed = dict(destination), set[int]()
    for key in {*base, *source}:
        was, ours, theirs = (None if row is None else shown(row) for row in map_get(key, base, source, destination))
        if ours in (was, theirs):
            continue
        if theirs != was:
            disputed.add(key)
        elif key in source:
            result[key] = source[key]
        else:
            del result[key]
    return result, disputed


def map_get(key: int, *states: dict[int, Any]) -> list[Any]:
    return [state.get(key) for state in states]


def shown(row: Any) -> str:
    """A row as text, in which NaN is itself and 0.0 is -0.0."""
    values = list(row.values()) if isinstance(row, dict) else list(row)
    return repr([0.0 if value == 0 and isinstance(value, float) else value for value in values])

"""The engine is shut off from the outside, keeps to its memory, and says what a stream of rows said."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from lakegate.engine.forms import engine_type, from_engine, to_engine
from lakegate.engine.session import Engine
from lakegate.errors import Corrupt, ErrorKind, NotOffered, Unavailable


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine() as opened:
        yield opened


def numbers(count: int, batches: int = 1) -> pa.RecordBatchReader:
    schema = pa.schema([("c0", pa.int64())])
    made = (pa.record_batch([pa.array(range(i * count, (i + 1) * count), pa.int64())], schema) for i in range(batches))
    return pa.RecordBatchReader.from_batches(schema, made)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_csv('{file}')",
        "COPY (SELECT 1) TO '{file}'",
        "ATTACH '{file}' AS other",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET memory_limit = '10GB'",
    ],
)
def test_no_way_leads_outside(engine: Engine, tmp_path: Path, statement: str) -> None:
    file = tmp_path / "secret.csv"
    file.write_text("a,b\n1,2\n")
    with pytest.raises((duckdb.PermissionException, duckdb.InvalidInputException, Unavailable, Corrupt)):
        engine.run(statement.format(file=file))
    assert file.read_text() == "a,b\n1,2\n"


def test_what_does_not_fit_goes_to_disk_and_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with Engine(memory_mb=32) as engine:
        engine.stream("rows", numbers(200_000, 20))
        engine.run("CREATE TEMP TABLE t AS SELECT c0, c0 * 7919 % 4000037 AS x, c0 || 'padding-padding' AS s FROM rows")
        assert engine.rows("SELECT count(*), count(DISTINCT c0) FROM t") == [(4_000_000, 4_000_000)]
        assert any(file.is_file() for file in tmp_path.rglob("*"))
    assert list(tmp_path.iterdir()) == []


def test_a_query_beyond_memory_and_disk_is_told(engine: Engine) -> None:
    with pytest.raises(Unavailable) as caught:
        engine.rows("SELECT list(range) FROM range(200000000)")
    assert caught.value.kind is ErrorKind.ENGINE_EXHAUSTED


def test_a_stream_that_fails_says_why_itself(engine: Engine) -> None:
    def broken() -> Iterator[pa.RecordBatch]:
        yield next(numbers(10))
        raise Corrupt("The file is broken.", hint="Mend it.")

    engine.stream("rows", pa.RecordBatchReader.from_batches(numbers(1).schema, broken()))
    with pytest.raises(Corrupt, match="The file is broken"):
        engine.run("CREATE TEMP TABLE t AS SELECT * FROM rows")


def test_text_that_is_none_is_told(engine: Engine) -> None:
    text = pa.array([b"\xff\xfe"], pa.binary()).view(pa.string())
    engine.stream("rows", pa.table({"c0": text}).to_reader())
    with pytest.raises(Corrupt):
        engine.rows("SELECT c0 || 'x' FROM rows")


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1, None, -(1 << 62)], pa.timestamp("ns", tz="UTC")),
        pa.array([1, None], pa.timestamp("ns")),
        pa.array([1, None], pa.duration("ns")),
        pa.array([1, None], pa.time64("ns")),
        pa.array([1, None], pa.time32("ms")),
        pa.array([0, (1 << 64) - 1], pa.uint64()),
        pa.array([None, None], pa.null()),
        pa.array([[{"a": 5}], None], pa.list_(pa.struct([("a", pa.timestamp("ns", tz="UTC"))]))),
        pa.array([[("k", 7)], None], pa.map_(pa.string(), pa.duration("us"))),
    ],
)
def test_values_come_back_as_they_were(engine: Engine, column: pa.Array) -> None:
    held = to_engine(column)
    assert held.type == engine_type(column.type)
    engine.stream("rows", pa.table({"c0": held}).to_reader())
    found = engine.batches("SELECT c0 FROM rows").read_all()["c0"].combine_chunks()
    assert from_engine(found, column.type).equals(column)


@pytest.mark.parametrize("kind", [pa.decimal256(50, 2), pa.month_day_nano_interval(), pa.struct([])])
def test_types_that_would_lose_something_are_refused(kind: pa.DataType) -> None:
    with pytest.raises(NotOffered, match="type"):
        engine_type(kind)

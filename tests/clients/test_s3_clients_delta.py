"""Delta clients with their default options against a running gateway: deltalake, Polars, DuckDB."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from lakegate.testing.s3 import S3Lake

pytest.importorskip("deltalake")
import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError


def rows(start: int, count: int, text: str = "x") -> pa.Table:
    return pa.table({"id": range(start, start + count), "part": [i % 2 for i in range(count)], "text": [text] * count})


def ids(lake: S3Lake, uri: str, version: int | None = None) -> list[int]:
    table = DeltaTable(uri, version=version, storage_options=lake.options)
    found = QueryBuilder().register("t", table).execute("select id from t order by id")
    return [row["id"] for row in pa.table(found.read_all()).to_pylist()]


def test_a_table_lives_its_life_on_a_branch(s3: S3Lake) -> None:
    uri = s3.uri("tables/or ders")  # a blank in the path: clients encode it in three ways
    options = s3.options
    assert not DeltaTable.is_deltatable(uri, options)
    write_deltalake(uri, rows(0, 10), storage_options=options, partition_by=["part"])
    write_deltalake(uri, rows(10, 10), mode="append", storage_options=options)
    table = DeltaTable(uri, storage_options=options)
    table.delete("id = 3")
    table.update(new_values={"text": "new"}, predicate="id = 4")
    merge = table.merge(rows(18, 5, "merged"), "s.id = t.id", source_alias="s", target_alias="t")
    merge.when_matched_update_all().when_not_matched_insert_all().execute()
    assert ids(s3, uri) == [i for i in range(23) if i != 3]
    table.create_checkpoint()
    table.optimize.compact()
    assert ids(s3, uri) == [i for i in range(23) if i != 3]
    assert ids(s3, uri, version=0) == list(range(10))
    history = DeltaTable(uri, storage_options=options).history()
    assert [item["operation"] for item in history] == ["OPTIMIZE", "MERGE", "UPDATE", "DELETE", "WRITE", "WRITE"]
    committed = s3.commit()

    write_deltalake(uri, rows(100, 3), mode="overwrite", storage_options=options)
    assert ids(s3, uri) == [100, 101, 102]
    DeltaTable(uri, storage_options=options).vacuum(0, dry_run=False, enforce_retention_duration=False)
    assert ids(s3, uri) == [100, 101, 102]
    # The vacuum deleted on the branch alone: the commit still has every file, of every version.
    pinned = s3.uri("tables/or ders", committed)
    assert ids(s3, pinned) == [i for i in range(23) if i != 3]
    assert ids(s3, pinned, version=0) == list(range(10))
    with pytest.raises(DeltaError, match="tag or a commit"):
        write_deltalake(pinned, rows(0, 1), mode="append", storage_options=options)


def test_large_files_come_in_parts_and_are_read_back(s3: S3Lake) -> None:
    import os

    uri = s3.uri("wide")
    data = pa.table({"id": range(60), "blob": [os.urandom(200_000) for _ in range(60)]})
    write_deltalake(uri, data, storage_options=s3.options)
    assert DeltaTable(uri, storage_options=s3.options).to_pyarrow_table().sort_by("id").equals(data)


def test_writers_at_once_lose_no_row_and_double_none(s3: S3Lake) -> None:
    uri = s3.uri("busy")
    write_deltalake(uri, rows(0, 1), storage_options=s3.options)

    def write(start: int) -> None:
        for i in range(3):
            write_deltalake(uri, rows(start + i, 1), mode="append", storage_options=s3.options)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, (10, 20, 30, 40)))
    assert ids(s3, uri) == sorted([0, *(s + i for s in (10, 20, 30, 40) for i in range(3))])


def test_two_compactions_at_once_double_no_row(s3: S3Lake) -> None:
    uri = s3.uri("compacted")
    for i in range(6):
        write_deltalake(uri, rows(i, 1), mode="append", storage_options=s3.options)
    tables = [DeltaTable(uri, storage_options=s3.options) for _ in range(4)]

    def compact(table: DeltaTable) -> bool:
        try:
            table.optimize.compact()
        except CommitFailedError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(compact, tables))
    assert any(done)
    assert ids(s3, uri) == list(range(6))


def test_polars_writes_and_scans(s3: S3Lake) -> None:
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame({"a": [1, 2, 3], "b": ["x", "y", None]})
    frame.write_delta(s3.uri("pl/delta"), storage_options=s3.options)
    frame.write_delta(s3.uri("pl/delta"), storage_options=s3.options, mode="append")
    scanned = pl.scan_delta(s3.uri("pl/delta"), storage_options=s3.options)
    assert scanned.select(pl.col("a").sum()).collect().item() == 12
    assert pl.read_delta(s3.uri("pl/delta"), version=0, storage_options=s3.options).height == 3
    frame.write_parquet(s3.uri("pl/files/one.parquet"), storage_options=s3.options)
    frame.lazy().sink_parquet(s3.uri("pl/files/two.parquet"), storage_options=s3.options)
    found = pl.scan_parquet(s3.uri("pl/files/*.parquet"), storage_options=s3.options).collect()
    assert found.equals(pl.concat([frame, frame]))


@pytest.fixture
def duck(s3: S3Lake) -> Any:
    duckdb = pytest.importorskip("duckdb")
    httpfs = pytest.importorskip("duckdb_extension_httpfs")
    delta = pytest.importorskip("duckdb_extension_delta")
    connection = duckdb.connect()
    for module in (httpfs, delta):
        file = next(Path(module.__path__[0]).rglob("*.duckdb_extension"))
        connection.execute(f"LOAD '{file}'")
    connection.execute(
        f"CREATE SECRET (TYPE s3, KEY_ID '{s3.access_key_id}', SECRET '{s3.secret_access_key}', "
        f"REGION 'us-east-1', ENDPOINT '{s3.host}', URL_STYLE 'path', USE_SSL false)"
    )
    yield connection
    connection.close()


def test_duckdb_copies_globs_scans_and_inserts(s3: S3Lake, duck: Any) -> None:
    one = duck.execute
    one(f"COPY (SELECT range AS i, range % 3 AS p FROM range(999)) TO '{s3.uri('dd/one.parquet')}'")
    one(f"COPY (FROM range(999) t(i) SELECT i, i % 3 AS p) TO '{s3.uri('dd/parts')}' (FORMAT parquet, PARTITION_BY p)")
    assert one(f"SELECT count(*), sum(i) FROM '{s3.uri('dd/*.parquet')}'").fetchone() == (999, 498501)
    assert one(f"SELECT count(*) FROM read_parquet('{s3.uri('dd/parts/**/*.parquet')}')").fetchone() == (999,)

    write_deltalake(s3.uri("dd/t"), rows(0, 5), storage_options=s3.options)
    assert one(f"SELECT sum(id) FROM delta_scan('{s3.uri('dd/t')}')").fetchone() == (10,)
    one(f"ATTACH '{s3.uri('dd/t')}' AS t (TYPE delta, READ_ONLY false)")
    one("INSERT INTO t VALUES (5, 0, 'duck')")
    assert one(f"SELECT count(*) FROM delta_scan('{s3.uri('dd/t')}')").fetchone() == (6,)
    assert one(f"SELECT count(*) FROM delta_scan('{s3.uri('dd/t')}', version => 0)").fetchone() == (5,)
    assert ids(s3, s3.uri("dd/t")) == list(range(6))

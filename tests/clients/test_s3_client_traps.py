"""What Delta clients and pandas send beside the usual: options, odd keys, log maintenance, time travel, large parts."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lakegate.testing.delta_rows import duckdb_connection, duckdb_secret
from lakegate.testing.s3 import S3Lake, encoded

pytest.importorskip("deltalake")
import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder, write_deltalake

CONFIG = "list-type=2&prefix=main%2F"


def rows(*ids: int) -> pa.Table:
    return pa.table({"id": pa.array(ids, pa.int64()), "part": [f"p{i % 2}" for i in ids]})


def ids(lake: S3Lake, uri: str, **at: Any) -> list[int]:
    table = DeltaTable(uri, storage_options=lake.options, **at)
    found = QueryBuilder().register("t", table).execute("select id from t order by id")
    return [row["id"] for row in pa.table(found.read_all()).to_pylist()]


def log_files(lake: S3Lake, table: str, ref: str = "main") -> list[str]:
    keys = lake.get("", f"list-type=2&prefix={ref}%2F{table}%2F_delta_log%2F").texts("Key")
    return [key.rpartition("/")[2] for key in keys]


# -- options of storage -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"aws_unsigned_payload": "true"},
        {"aws_checksum_algorithm": "sha256"},
        {"AWS_SESSION_TOKEN": "a-token-that-nobody-asked-for"},
        {"aws_conditional_put": "etag"},
        {"AWS_S3_ALLOW_UNSAFE_RENAME": "true", "aws_copy_if_not_exists": "header: x-copy: y"},
        {"AWS_S3_LOCKING_PROVIDER": "dynamodb"},
        {"AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "false"},
    ],
)
def test_options_that_users_set_elsewhere(s3: S3Lake, options: dict[str, str]) -> None:
    uri = s3.uri("t")
    for i in range(2):
        write_deltalake(uri, rows(i), mode="append", storage_options=s3.options | options)
    # The same version again, whatever the client thinks of locks, is a conflict and not an overwrite.
    log = "main/t/_delta_log/00000000000000000001.json"
    assert s3.put(log, s3.get(log).body + b"\n").code == "PreconditionFailed"
    table = DeltaTable(uri, storage_options=s3.options | options)
    assert table.version() == 1
    assert ids(s3, uri) == [0, 1]


# -- keys -------------------------------------------------------------------------------------------------------------


def test_keys_are_decoded_once(s3: S3Lake) -> None:
    """Values of partitions are written percent-encoded into keys, and those are encoded again on the wire."""
    values = ["a b", "a%20b", "a%2520b", "a+b", "a/b", "a@b", "a=b&c", "é", "e\u0301", "日本", "#?*", ""]
    data = pa.table({"id": range(len(values)), "p": values})
    for folder in ("plain", "a b+c@d", "p%41"):
        uri = s3.uri(folder)
        write_deltalake(uri, data, partition_by=["p"], storage_options=s3.options)
        write_deltalake(uri, data, mode="append", storage_options=s3.options)
        table = DeltaTable(uri, storage_options=s3.options)
        found = QueryBuilder().register("t", table).execute("select id, p from t").read_all()
        answered = sorted((row["id"], row["p"] or "") for row in pa.table(found).to_pylist())
        assert answered == sorted([*enumerate(values), *enumerate(values)])
    s3.commit()
    assert len(s3.rest("GET", "/refs/main/tables")["results"]) == 3


# -- the life of a log ------------------------------------------------------------------------------------------------


def test_checkpoints_come_by_themselves_and_old_versions_go_on_the_branch_alone(s3: S3Lake) -> None:
    uri = s3.uri("t")
    config = {
        "delta.checkpointInterval": "3",
        "delta.logRetentionDuration": "interval 0 days",
        "delta.enableExpiredLogCleanup": "true",
    }
    write_deltalake(uri, rows(0), configuration=config, storage_options=s3.options)
    pinned = s3.commit()
    for i in range(1, 8):
        write_deltalake(uri, rows(i), mode="append", storage_options=s3.options)
    DeltaTable(uri, storage_options=s3.options).create_checkpoint()
    DeltaTable(uri, storage_options=s3.options).cleanup_metadata()
    names = log_files(s3, "t")
    assert any(".checkpoint" in name for name in names)
    assert "_last_checkpoint" in names
    assert "00000000000000000000.json" not in names
    assert ids(s3, uri) == list(range(8))
    after = s3.commit()
    assert ids(s3, s3.uri("t", after)) == list(range(8))
    assert ids(s3, s3.uri("t", pinned)) == [0]
    write_deltalake(uri, rows(8), mode="append", storage_options=s3.options)
    assert ids(s3, uri) == list(range(9))


def test_logs_are_compacted_in_parts(s3: S3Lake) -> None:
    """A compacted log goes up as a multipart upload, however small it is."""
    uri = s3.uri("t")
    for i in range(4):
        write_deltalake(uri, rows(i), mode="append", storage_options=s3.options)
    table = DeltaTable(uri, storage_options=s3.options)
    table.compact_logs(1, 3)
    assert any(name.endswith(".compacted.json") for name in log_files(s3, "t"))
    assert ids(s3, uri) == [0, 1, 2, 3]
    s3.commit()
    assert ids(s3, uri) == [0, 1, 2, 3]


def test_a_table_is_restored_ordered_and_vacuumed_in_full(s3: S3Lake) -> None:
    uri = s3.uri("t")
    options = s3.options
    for i in range(4):
        write_deltalake(uri, rows(i, i + 10), mode="append", storage_options=options)
    pinned = s3.commit()
    DeltaTable(uri, storage_options=options).delete("id >= 10")
    DeltaTable(uri, storage_options=options).optimize.z_order(["id"])
    assert ids(s3, uri) == [0, 1, 2, 3]
    DeltaTable(uri, storage_options=options).restore(1)
    assert ids(s3, uri) == [0, 1, 10, 11]
    s3.put("main/t/stray.parquet", b"no file of the table")
    DeltaTable(uri, storage_options=options).vacuum(0, dry_run=False, enforce_retention_duration=False, full=True)
    assert s3.head("main/t/stray.parquet").status == 404
    assert ids(s3, uri) == [0, 1, 10, 11]
    s3.commit()
    assert ids(s3, s3.uri("t", pinned)) == [0, 1, 2, 3, 10, 11, 12, 13]


def test_time_travel_by_the_clock(s3: S3Lake) -> None:
    """A client looks for the version by the Last-Modified of the log's files, which are whole seconds."""
    uri = s3.uri("t")
    moments = []
    for i in range(3):
        if moments:  # until the next whole second, the least by which the log can tell this version from the last
            time.sleep(1.05 - moments[-1].microsecond / 1e6)
        write_deltalake(uri, rows(i), mode="append", storage_options=s3.options)
        moments.append(datetime.now(UTC))
    for i, moment in enumerate(moments):
        table = DeltaTable(uri, storage_options=s3.options)
        table.load_as_version(moment)
        assert table.version() == i


def test_what_a_client_is_told_of_a_missing_table_and_a_wrong_key(s3: S3Lake) -> None:
    from deltalake.exceptions import TableNotFoundError

    with pytest.raises(TableNotFoundError):
        DeltaTable(s3.uri("none"), storage_options=s3.options)
    wrong = s3.options | {"AWS_SECRET_ACCESS_KEY": "another"}
    with pytest.raises(Exception, match="SignatureDoesNotMatch"):
        write_deltalake(s3.uri("t"), rows(1), storage_options=wrong)
    assert s3.get("", CONFIG).texts("Key") == []


# -- Polars, DuckDB ---------------------------------------------------------------------------------------------------


def test_polars_merges_and_reads_by_the_end_of_files(s3: S3Lake) -> None:
    pl = pytest.importorskip("polars")
    uri = s3.uri("t")
    pl.DataFrame({"id": [1, 2], "v": ["a", "b"]}).write_delta(uri, storage_options=s3.options)
    merge = pl.DataFrame({"id": [2, 3], "v": ["new", "c"]}).write_delta(
        uri,
        mode="merge",
        storage_options=s3.options,
        delta_merge_options={"predicate": "s.id = t.id", "source_alias": "s", "target_alias": "t"},
    )
    merge.when_matched_update_all().when_not_matched_insert_all().execute()
    found = pl.scan_delta(uri, storage_options=s3.options).sort("id").collect()
    assert found.to_dict(as_series=False) == {"id": [1, 2, 3], "v": ["a", "new", "c"]}
    wide = pl.DataFrame({"x": range(700_000)}).with_columns(y=pl.col("x").hash(), z=pl.col("x").hash(1))
    wide.write_parquet(s3.uri("wide.parquet"), storage_options=s3.options)  # one PUT of some megabytes
    assert pl.scan_parquet(s3.uri("wide.parquet"), storage_options=s3.options).collect().equals(wide)


def test_duckdb_writes_in_large_parts_and_reads_versions(s3: S3Lake) -> None:
    pytest.importorskip("duckdb_extension_delta")
    with duckdb_connection() as duck:
        duck.execute(duckdb_secret(s3.options))
        # 12,000,000 hashes don't compress: about 96 MB, which goes up as parts of 80 MB.
        big = s3.uri("big.parquet")
        duck.execute(f"COPY (SELECT hash(range) AS h FROM range(12000000)) TO '{big}' (COMPRESSION uncompressed)")
        assert int(s3.head("main/big.parquet").headers["content-length"]) > 84_000_000
        assert s3.head("main/big.parquet").headers["etag"].endswith('-2"')
        counted = duck.execute(f"SELECT count(*), sum(h % 1000) FROM '{big}'").fetchone()
        assert counted == duck.execute("SELECT count(*), sum(hash(range) % 1000) FROM range(12000000)").fetchone()
        uri = s3.uri("t")
        for i in range(3):
            write_deltalake(uri, rows(i), mode="append", storage_options=s3.options)
        duck.execute(f"ATTACH '{uri}' AS t (TYPE delta, VERSION 1)")
        assert duck.execute("SELECT count(*) FROM t").fetchone() == (2,)
        assert duck.execute(f"SELECT count(*) FROM delta_scan('{uri}')").fetchone() == (3,)


# -- pandas -----------------------------------------------------------------------------------------------------------


def test_pandas_reads_and_writes_with_its_default_file_system(s3: S3Lake, tmp_path: Path) -> None:
    pd = pytest.importorskip("pandas")
    pytest.importorskip("s3fs")
    options = {"key": s3.access_key_id, "secret": s3.secret_access_key, "client_kwargs": {"endpoint_url": s3.url}}
    frame = pd.DataFrame(
        {"id": range(1000), "part": [f"p{i % 3}" for i in range(1000)], "x": [i / 7 for i in range(1000)]}
    )
    frame.to_parquet(s3.uri("pd/one.parquet"), storage_options=options)
    pd.testing.assert_frame_equal(pd.read_parquet(s3.uri("pd/one.parquet"), storage_options=options), frame)
    frame.to_parquet(s3.uri("pd/parts"), partition_cols=["part"], storage_options=options)
    found = pd.read_parquet(s3.uri("pd/parts"), storage_options=options, filters=[("part", "==", "p1")])
    assert sorted(found["id"]) == list(range(1, 1000, 3))
    frame.to_csv(s3.uri("pd/one.csv.gz"), index=False, storage_options=options)
    assert pd.read_csv(s3.uri("pd/one.csv.gz"), storage_options=options)["id"].tolist() == list(range(1000))
    commit = s3.commit()
    frame.head(1).to_parquet(s3.uri("pd/one.parquet"), storage_options=options)
    old = pd.read_parquet(s3.uri("pd/one.parquet", commit), storage_options=options)
    assert len(old) == 1000
    assert [t["path"] for t in s3.rest("GET", f"/refs/{commit}/tables")["results"]] == ["pd/parts"]
    with pytest.raises(OSError, match=r"tag or a commit|MethodNotAllowed|not allowed"):
        frame.to_parquet(s3.uri("pd/two.parquet", commit), storage_options=options)
    assert s3.head(f"{encoded(commit)}/pd/two.parquet").status == 404

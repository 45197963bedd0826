"""The live view: readers that know Parquet and not Delta see the live files alone."""

from __future__ import annotations

from typing import Any

import pytest

from lakegate.testing.s3 import S3Lake

pytest.importorskip("deltalake")
import pyarrow as pa
from deltalake import write_deltalake


def system(lake: S3Lake) -> Any:
    from pyarrow.fs import S3FileSystem

    return S3FileSystem(
        access_key=lake.access_key_id, secret_key=lake.secret_access_key, endpoint_override=lake.host, scheme="http"
    )


def ids(lake: S3Lake, path: str) -> list[int]:
    import pyarrow.dataset as ds

    found = ds.dataset(f"{lake.repository}/{path}", filesystem=system(lake), format="parquet", partitioning="hive")
    return sorted(found.to_table().column("id").to_pylist())


def rows(*values: int) -> pa.Table:
    return pa.table({"id": values, "part": [value % 2 for value in values]})


def test_a_plain_reader_sees_the_rows_of_the_version_at_the_ref(s3: S3Lake) -> None:
    uri = s3.uri("sales/orders")
    write_deltalake(uri, rows(1, 2, 3), storage_options=s3.options, partition_by=["part"])
    first = s3.commit()
    write_deltalake(uri, rows(7, 8), mode="overwrite", storage_options=s3.options)
    assert s3.get("", "list-type=2&prefix=main%2F_live%2Fsales%2Forders%2F").text("KeyCount") == "2"
    second = s3.commit()
    # Read as plain files, the folder still holds what the overwrite took out.
    keys = s3.get("", f"list-type=2&prefix={second}%2Fsales%2Forders%2Fpart").texts("Key")
    assert len(keys) == 4
    for ref, expected in (("main", [7, 8]), (second, [7, 8]), (first, [1, 2, 3])):
        assert ids(s3, f"{ref}/_live/sales/orders") == expected
    listed = s3.get("", "list-type=2&delimiter=%2F&prefix=main%2F_live%2Fsales%2Forders%2F")
    assert listed.headers["x-lakegate-commit"] == second
    assert [text for text in listed.texts("Prefix") if "=" in text] == [
        "main/_live/sales/orders/part=0/",
        "main/_live/sales/orders/part=1/",
    ]
    paged: list[str] = []
    query = "list-type=2&max-keys=1&prefix=main%2F_live%2Fsales%2Forders%2F"
    for _ in range(2):
        paged += s3.get("", f"{query}&start-after={paged[-1] if paged else ''}").texts("Key")
    assert len(set(paged)) == 2
    live = s3.get(paged[0])
    assert live.body == s3.get(paged[0].replace("_live/", "")).body
    assert live.headers["x-amz-version-id"] == second
    dead = next(key for key in keys if key.replace(second, "main/_live") not in paged)
    assert s3.get(dead).status == 200
    assert s3.get(dead.replace(f"{second}/", "main/_live/")).code == "NoSuchKey"


def test_the_view_is_no_place_to_write_to_and_names_whole_tables(s3: S3Lake) -> None:
    write_deltalake(s3.uri("t"), rows(1), storage_options=s3.options)
    s3.commit()
    for reply in (
        s3.put("main/_live/t/x", b"1"),
        s3.delete("main/_live/t/x"),
        s3.post("main/_live/t/x", "uploads="),
    ):
        assert (reply.status, reply.code) == (405, "MethodNotAllowed")
    missing = s3.get("", "list-type=2&prefix=main%2F_live%2Fnone%2F")
    assert (missing.status, missing.code) == (404, "NoSuchKey")
    assert "no table" in missing.text("Message")


def test_where_plain_parquet_would_be_wrong_the_view_is_refused(s3: S3Lake) -> None:
    schema = r"{\"type\":\"struct\",\"fields\":[{\"name\":\"id\",\"type\":\"long\",\"nullable\":true,\"metadata\":"
    schema += r"{\"delta.columnMapping.id\":1,\"delta.columnMapping.physicalName\":\"c\"}}]}"
    log = (
        '{"protocol":{"minReaderVersion":2,"minWriterVersion":5}}\n'
        '{"metaData":{"id":"1","format":{"provider":"parquet","options":{}},"partitionColumns":[],'
        '"configuration":{"delta.columnMapping.mode":"name","delta.columnMapping.maxColumnId":"1"},'
        f'"schemaString":"{schema}"}}}}\n'
    )
    assert s3.put("main/mapped/_delta_log/00000000000000000000.json", log.encode()).status == 200
    s3.commit()
    refused = s3.get("", "list-type=2&prefix=main%2F_live%2Fmapped%2F")
    assert (refused.status, refused.code) == (403, "AccessDenied")
    assert "maps its columns" in refused.text("Message")

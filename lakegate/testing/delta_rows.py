"""Reads Delta tables with clients that know nothing of lakegate, each with a log reader or a scan of its own."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakegate.testing.delta_check import check_log

if TYPE_CHECKING:
    import duckdb

READERS = ("querybuilder", "duckdb", "polars")
"""deltalake's QueryBuilder (DataFusion), DuckDB's delta extension (the Delta kernel), Polars' own Parquet scan.
deltalake's `to_pyarrow_*` is left out: on tables with column mapping it answers nulls without an error.

Beside these there is "parquet": the live files of the checked log, read by pyarrow as they are and brought to the
schema's types. It is for local tables without deletion vectors, mapped columns and partitions, that clients refuse.
"""


def read_rows(reader: str, table: str, version: int | None = None, storage: Mapping[str, str] | None = None) -> Any:
    """The rows of a table (a folder, or an `s3://` URL with `storage` options), as a multiset of JSON texts.

    Values are brought to one form: the readers differ in the Python types that they answer, not in what they mean.
    """
    found = {"querybuilder": _querybuilder, "duckdb": _duckdb, "polars": _polars, "parquet": _parquet}[reader](
        table, version, storage
    )
    return Counter(json.dumps({name: _plain(value) for name, value in row.items()}, sort_keys=True) for row in found)


def agreed_rows(
    table: Path | str,
    version: int | None = None,
    readers: tuple[str, ...] = READERS,
    storage: Mapping[str, str] | None = None,
) -> Counter[str]:
    """The rows of a table, which all readers must agree on. Raises AssertionError where they don't."""
    answers = {reader: read_rows(reader, str(table), version, storage) for reader in readers}
    first, *others = readers
    for other in others:
        assert answers[first] == answers[other], f"{first} and {other} read different rows of {table}"
    found: Counter[str] = answers[first]
    return found


def column(rows: Counter[str], name: str = "id") -> list[Any]:
    """The sorted values of one column of such rows."""
    return sorted(json.loads(row)[name] for row in rows.elements())


def _querybuilder(table: str, version: int | None, storage: Mapping[str, str] | None) -> list[dict[str, Any]]:
    import pyarrow as pa
    from deltalake import DeltaTable, QueryBuilder

    opened = DeltaTable(table, version=version, storage_options=dict(storage or {}))
    answer = QueryBuilder().register("t", opened).execute("select * from t").read_all()
    return list(pa.table(answer).to_pylist())


def _polars(table: str, version: int | None, storage: Mapping[str, str] | None) -> list[dict[str, Any]]:
    import polars as pl

    return pl.scan_delta(table, version=version, storage_options=dict(storage or {})).collect().to_dicts()


def _duckdb(table: str, version: int | None, storage: Mapping[str, str] | None) -> list[dict[str, Any]]:
    with _duckdb_with_extensions().cursor() as connection:
        if storage:
            connection.execute(duckdb_secret(storage))
        at = f", version => {version}" if version is not None else ""
        result = connection.execute(f"select * from delta_scan('{table}'{at})")
        names = [item[0] for item in result.description or ()]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def _parquet(table: str, version: int | None, storage: Mapping[str, str] | None) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    if version is not None or storage:
        raise NotImplementedError("the newest version of a local table only")
    log = check_log(Path(table))
    fields = json.loads(log.metadata["schemaString"])["fields"]
    files = [pq.read_table(Path(table) / path).to_pydict() for path in sorted(log.paths)]
    names = [field["name"] for field in fields]
    return [dict(zip(names, row, strict=True)) for file in files for row in zip(*(file[n] for n in names), strict=True)]


@lru_cache(maxsize=1)
def _duckdb_with_extensions() -> duckdb.DuckDBPyConnection:
    return duckdb_connection()


def duckdb_connection() -> duckdb.DuckDBPyConnection:
    """A database of its own with the extensions `httpfs` and `delta`."""
    import duckdb

    connection = duckdb.connect()
    for name in ("httpfs", "delta"):
        connection.execute(f"load '{duckdb_extension(name)}'")
    return connection


def duckdb_extension(name: str) -> Path:
    """The signed extension as its package on PyPI holds it: nothing is downloaded."""
    import importlib.util

    found = importlib.util.find_spec(f"duckdb_extension_{name}")
    assert found is not None, f"install duckdb-extension-{name}"
    assert found.origin is not None
    return next(Path(found.origin).parent.rglob(f"{name}.duckdb_extension"))


def duckdb_secret(storage: Mapping[str, str]) -> str:
    """The statement that gives DuckDB the key and endpoint of such storage options."""
    endpoint = storage["AWS_ENDPOINT_URL"]
    return (
        f"create or replace secret (type s3, key_id '{storage['AWS_ACCESS_KEY_ID']}', "
        f"secret '{storage['AWS_SECRET_ACCESS_KEY']}', endpoint '{endpoint.split('://')[1]}', "
        f"use_ssl {str(endpoint.startswith('https')).lower()}, url_style 'path', "
        f"region '{storage.get('AWS_REGION', 'us-east-1')}')"
    )


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return "nan" if math.isnan(value) else value
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, bytes):
        return value.hex()
    return str(value)

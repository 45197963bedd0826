"""The golden Delta tables through a running server: imported, committed, branched, and read back through the S3 gateway
by readers that know nothing of lakegate; the broken ones refused by name.

They lie in ../shared/data/delta-golden beside the project, or where LAKEGATE_GOLDEN_TABLES says; without them the
tests are skipped.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest

from lakegate.errors import ErrorKind
from lakegate.testing.delta_rows import duckdb_connection, duckdb_secret
from lakegate.testing.golden import BROKEN, NO_LOG, archives, expected_rows, reason, rows, unpack
from lakegate.testing.s3 import S3Lake, encoded

pytestmark = pytest.mark.skipif(not archives(), reason=reason())

Reader = Callable[[str, dict[str, str]], pa.Table]
WHOLE = [name for name in archives() if name not in BROKEN and name != NO_LOG]


@pytest.fixture
def table(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return unpack(request.param, tmp_path)


def imported(s3: S3Lake, folder: Path, destination: str) -> dict[str, Any]:
    """Imports a folder onto `main` without copying a byte, and returns how the job ended."""
    source = {"type": "common_prefix", "path": folder.as_uri(), "destination": destination}
    job = s3.rest("POST", "/branches/main/import", {"paths": [source], "commit": {"message": "golden"}})["id"]
    for _ in range(3000):
        found = s3.rest("GET", f"/jobs/{job}")
        if found["state"] != "running":
            return dict(found)
        time.sleep(0.02)
    raise AssertionError("the job does not end")


def by_querybuilder(uri: str, options: dict[str, str]) -> pa.Table:
    from deltalake import DeltaTable, QueryBuilder

    opened = DeltaTable(uri, storage_options=options)
    return pa.table(QueryBuilder().register("t", opened).execute("select * from t").read_all())


def by_duckdb(uri: str, options: dict[str, str]) -> pa.Table:
    import duckdb

    try:
        with opened_duckdb().cursor() as connection:
            if options:
                connection.execute(duckdb_secret(options))
            return connection.execute(f"select * from delta_scan('{uri}')").to_arrow_table()
    except duckdb.Error:
        opened_duckdb.cache_clear()  # a failed assertion in it makes a database unusable
        raise


opened_duckdb = lru_cache(maxsize=1)(duckdb_connection)


# What a client can't read anywhere: deltalake does not know the feature vacuumProtocolCheck; DuckDB's Delta extension
# 1.5.5 answers null for a partition column of this table, and fails on lists in the layout of old Parquet writers. The
# test shows that each does the same with the table in a plain folder.
LIMITS: dict[Reader, tuple[str, ...]] = {
    by_querybuilder: ("basic-with-vacuum-protocol-check-feature",),
    by_duckdb: ("data-reader-timestamp_ntz-name-mode", "parquet-all-types-legacy-format"),
}


def outcome(read: Reader, uri: str, options: dict[str, str], expected: pa.Table) -> Counter[Any] | str:
    """The rows that a client reads; where it can't, the first line of what it says."""
    try:
        answer = read(uri, options)
    except Exception as error:  # noqa: BLE001 - each client has errors of its own
        return str(error).partition("\n")[0]
    assert set(answer.column_names) == set(expected.column_names)
    return rows(answer.select(expected.column_names).cast(expected.schema))


@pytest.mark.parametrize("table", WHOLE, indirect=True)
def test_a_golden_table_is_read_back_on_a_branch(s3: S3Lake, table: Path) -> None:
    name = table.name
    assert imported(s3, table / "delta", f"golden/{name}")["state"] == "done"
    s3.rest("POST", "/branches", {"name": "again", "source": "main"})
    found = s3.rest("GET", "/refs/again/tables")["results"]
    assert [(item["path"], item["format"]) for item in found] == [(f"golden/{name}", "delta")]
    expected = expected_rows(table)
    uri = s3.uri(f"golden/{name}", "again")
    for read in (by_querybuilder, by_duckdb):
        answer = outcome(read, uri, s3.options, expected)
        if name in LIMITS.get(read, ()):
            assert answer == outcome(read, str(table / "delta"), {}, expected) != rows(expected)
        else:
            assert answer == rows(expected), read.__name__


@pytest.mark.parametrize("table", [name for name in BROKEN if name in archives()], indirect=True)
def test_an_import_of_a_broken_table_is_refused(s3: S3Lake, table: Path) -> None:
    head = s3.rest("GET", "/branches/main")["commit_id"]
    ended = imported(s3, table / "delta", f"golden/{table.name}")
    assert (ended["state"], ended["error_code"]) == ("failed", BROKEN[table.name])
    assert table.name in ended["error_message"]
    assert s3.rest("GET", "/branches/main")["commit_id"] == head
    assert s3.rest("GET", "/refs/main/objects/ls")["results"] == []


@pytest.mark.parametrize("table", [name for name in BROKEN if name in archives()], indirect=True)
def test_a_broken_table_that_a_client_copies_is_refused(s3: S3Lake, table: Path) -> None:
    """At the write that breaks a rule, or at the latest by the commit; what was uploaded by then stays uncommitted."""
    head = s3.rest("GET", "/branches/main")["commit_id"]
    refused: list[tuple[int, str, str]] = []
    for file in sorted(file for file in (table / "delta").rglob("*") if file.is_file()):
        key = encoded(f"main/golden/{table.name}/{file.relative_to(table / 'delta').as_posix()}")
        reply = s3.put(key, file.read_bytes())
        if reply.status != 200:
            refused.append((reply.status, reply.code, reply.text("Message")))
    with pytest.raises(httpx.HTTPStatusError) as caught:
        s3.commit()
    answer = caught.value.response
    told = answer.json()
    assert all(status == 403 and code == "AccessDenied" and message for status, code, message in refused)
    if refused:
        assert told["code"] in {BROKEN[table.name], ErrorKind.DELTA_LOG_INVALID, ErrorKind.NOTHING_TO_COMMIT}
    else:
        assert (answer.status_code, told["code"]) == (403, BROKEN[table.name])
        assert table.name in told["message"]
    assert s3.rest("GET", "/branches/main")["commit_id"] == head


def test_every_golden_table_is_looked_at() -> None:
    assert len(WHOLE) + len([name for name in BROKEN if name in archives()]) + 1 == len(archives())
    assert Counter(archives()).most_common(1)[0][1] == 1

"""`lakegate serve` on PostgreSQL: the same lake behind S3 and REST; what clients are told when the database is gone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lakegate.lake import DATABASE_FILE
from lakegate.testing.postgres_server import PostgresServer
from lakegate.testing.s3 import S3Lake
from lakegate.testing.web import web

pytest.importorskip("psycopg")
pytest.importorskip("deltalake")
import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder, write_deltalake

KEY = ("LGPOSTGRES", "a-secret-for-tests-only")
_COMMAND = [sys.executable, "-c", "from lakegate_cli.main import app; app()", "--json", "serve", "--port", "0"]
_PLAIN = {name: value for name, value in os.environ.items() if not name.startswith("LAKEGATE_")}


@contextmanager
def served(home: Path, database: str) -> Generator[S3Lake]:
    environment = _PLAIN | {
        "LAKEGATE_DATABASE_URL": database,
        "LAKEGATE_ACCESS_KEY_ID": KEY[0],
        "LAKEGATE_SECRET_ACCESS_KEY": KEY[1],
        "LAKEGATE_STORAGE_FSYNC": "false",
    }
    command = [*_COMMAND, "--home", str(home)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            lines: list[str] = []
            while not lines or lines[-1] != "}\n":
                lines.append(process.stdout.readline())
                assert lines[-1], "the server did not start"
            yield S3Lake(json.loads("".join(lines))["url"], "sales", *KEY)
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            process.kill()


def ids(lake: S3Lake, ref: str) -> list[int]:
    table = DeltaTable(lake.uri("orders", ref), storage_options=lake.options)
    found = QueryBuilder().register("t", table).execute("select id from t order by id")
    return [row["id"] for row in pa.table(found.read_all()).to_pylist()]


def append(lake: S3Lake, ref: str, *values: int) -> None:
    data = pa.table({"id": pa.array(values, pa.int64())})
    write_deltalake(lake.uri("orders", ref), data, mode="append", storage_options=lake.options)


def test_a_lake_on_postgresql_is_written_committed_branched_and_merged(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    database = postgres.new_database()
    with served(tmp_path / "lake", database) as s3:
        assert s3.put("", b"").status == 200
        append(s3, "main", 1)
        first = s3.commit()
        s3.rest("POST", "/branches", {"name": "exp", "source": "main"})
        append(s3, "exp", 2)
        append(s3, "main", 3)
        s3.commit()
        s3.commit("exp")
        assert (ids(s3, "main"), ids(s3, "exp"), ids(s3, first)) == ([1, 3], [1, 2], [1])
        s3.rest("POST", "/refs/exp/merge/main", {})
        assert ids(s3, "main") == [1, 2, 3]
        assert s3.put("main/a", b"once", if_none_match="*").status == 200
        assert s3.put("main/a", b"twice", if_none_match="*").status == 412
    assert not (tmp_path / "lake" / DATABASE_FILE).exists()
    with served(tmp_path / "lake", database) as s3:
        assert ids(s3, "main") == [1, 2, 3]
        assert s3.get("main/a").body == b"once"
        assert [change["path"] for change in s3.rest("GET", "/branches/main/diff")["results"]] == ["a"]


def test_a_database_that_goes_away_and_comes_back(postgres: PostgresServer, tmp_path: Path) -> None:
    database = postgres.new_database()
    name = database.partition("?")[0].rpartition("/")[2]
    with served(tmp_path / "lake", database) as s3:
        assert s3.put("", b"").status == 200
        assert s3.put("main/a", b"one").status == 200
        s3.commit()
        assert s3.put("main/b", b"uncommitted").status == 200
        postgres.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        postgres.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        reply = s3.put("main/a", b"changed")
        assert (reply.status, reply.code) == (503, "ServiceUnavailable"), reply.body
        deadline = time.monotonic() + 60
        while (reply := s3.get("main/a")).status == 200 and time.monotonic() < deadline:
            time.sleep(0.05)  # what was known of the repository and the key is believed for seconds
        assert (reply.status, reply.code) == (503, "ServiceUnavailable"), reply.body
        url = f"{s3.url}/api/v1/repositories/sales/branches/main/commits"
        answer = web.post(url, auth=KEY, json={"message": "x"})
        assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
        postgres.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        assert s3.get("main/a").body == b"one"
        assert s3.get("main/b").body == b"uncommitted"
        s3.commit()

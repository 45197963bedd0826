"""Spark with Delta Lake, which Delta's protocol was written from, as a client of the gateway: it writes tables on two
branches, reads what lakegate merges and rolls back, and goes on writing.

Needs a JVM and some 600 MB, so that `make test` leaves it out: `make spark` installs and runs it.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from lakegate.testing.delta_rows import agreed_rows
from lakegate.testing.s3 import S3Lake

HERE = Path(__file__).parent
BASE = "INSERT INTO {t} VALUES (0, 0), (1, 10), (2, 20), (3, 30)"


class Case(NamedTuple):
    """What is done to one table; `{t}` in a statement is the table on the statement's branch, {url} where it lies.
    `conflicts` are the kinds that stop the merge. `readers` read the result beside Spark. `also` is asked of main after
    the merge, and of a branch on which both sides' statements ran one after the other: both must answer the same."""

    name: str
    create: tuple[str, ...]
    main: tuple[str, ...]
    exp: tuple[str, ...]
    readers: tuple[str, ...] = ("querybuilder", "duckdb", "polars")
    also: str = ""
    conflicts: frozenset[str] = frozenset()


def table(properties: str = "", columns: str = "id BIGINT, v INT", rest: str = "") -> str:
    given = f" TBLPROPERTIES ({properties})" if properties else ""
    return f"CREATE TABLE {{name}} ({columns}) USING delta {rest} LOCATION {{url}}{given}"


VECTORS = "'delta.enableDeletionVectors' = 'true'"
BY_PARTITION = (
    table(columns="id BIGINT, v INT, p INT", rest="PARTITIONED BY (p)"),
    "INSERT INTO {t} VALUES (0, 0, 0), (1, 10, 0), (2, 20, 1), (3, 30, 1)",
)
REWRITTEN = frozenset({"concurrent_append", "concurrent_delete_read", "concurrent_delete_delete"})
CASES = (
    Case("appends", (table(), BASE), ("INSERT INTO {t} VALUES (4, 40)",), ("INSERT INTO {t} VALUES (5, 50)",)),
    Case(
        "vectors of one file",
        (table(VECTORS), BASE),
        ("DELETE FROM {t} WHERE id = 0", "INSERT INTO {t} VALUES (4, 40)"),
        ("DELETE FROM {t} WHERE id = 2",),
    ),
    Case(
        "rows that the other side moved",
        (table(VECTORS), BASE),
        ("UPDATE {t} SET v = 11 WHERE id = 1",),
        ("DELETE FROM {t} WHERE id = 2",),
        conflicts=frozenset({"concurrent_append"}),
    ),
    Case(
        "one row",
        (table(VECTORS), BASE),
        ("UPDATE {t} SET v = 1 WHERE id = 1",),
        ("UPDATE {t} SET v = 2 WHERE id = 1",),
        conflicts=REWRITTEN,
    ),
    Case(
        "a rewrite of one file",
        (table(), BASE),
        ("DELETE FROM {t} WHERE id = 0",),
        ("UPDATE {t} SET v = 2 WHERE id = 1",),
        conflicts=REWRITTEN,
    ),
    Case(
        "a compaction beside a delete",
        (table(), BASE, "INSERT INTO {t} VALUES (4, 40)", "INSERT INTO {t} VALUES (5, 50)"),
        ("DELETE FROM {t} WHERE id = 4",),
        ("OPTIMIZE {t}",),
    ),
    Case(
        "a delete beside a compaction",
        (table(VECTORS), BASE, "INSERT INTO {t} VALUES (4, 40)", "INSERT INTO {t} VALUES (5, 50)"),
        ("OPTIMIZE {t}",),
        ("DELETE FROM {t} WHERE id IN (0, 4)",),
    ),
    Case(
        "a merge in another partition",
        BY_PARTITION,
        ("INSERT INTO {t} VALUES (4, 40, 1)",),
        (
            "MERGE INTO {t} AS t USING (SELECT 1L AS id, 11 AS v, 0 AS p UNION ALL SELECT 6L, 60, 0) AS s "
            "ON t.p = 0 AND t.id = s.id WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *",
        ),
    ),
    Case(
        "a partition replaced",
        BY_PARTITION,
        ("INSERT INTO {t} VALUES (4, 40, 1)",),
        ("INSERT INTO {t} REPLACE WHERE p = 0 VALUES (7, 70, 0)",),
    ),
    Case(
        "a vacuum",
        (table(), BASE),
        ("INSERT INTO {t} VALUES (4, 40)",),
        ("UPDATE {t} SET v = 11 WHERE id = 1", "VACUUM {t} RETAIN 0 HOURS"),
    ),
    Case(
        "mapped columns",
        (table("'delta.columnMapping.mode' = 'name', " + VECTORS), BASE, "ALTER TABLE {t} RENAME COLUMN v TO w"),
        ("DELETE FROM {t} WHERE id = 1",),
        ("ALTER TABLE {t} ADD COLUMNS (x STRING)", "INSERT INTO {t} VALUES (4, 40, 'new')"),
        readers=("querybuilder", "duckdb"),
    ),
    Case(
        "a widened type",
        (
            table("'delta.enableTypeWidening' = 'true'", "id BIGINT, v SMALLINT"),
            BASE,
            "ALTER TABLE {t} ALTER COLUMN v TYPE INT",
        ),
        ("INSERT INTO {t} VALUES (4, 400000)",),
        ("INSERT INTO {t} VALUES (5, 50)",),
        readers=("duckdb",),
    ),
    Case(
        "tracked rows",
        (table("'delta.enableRowTracking' = 'true', " + VECTORS), BASE),
        ("INSERT INTO {t} VALUES (4, 40)",),
        ("UPDATE {t} SET v = 21 WHERE id = 2", "INSERT INTO {t} VALUES (5, 50)"),
        also="SELECT count(DISTINCT _metadata.row_id), count(*), sum(IF(id < 4, _metadata.row_id, 0)) FROM {t}",
    ),
    Case(
        "the change feed",
        (table("'delta.enableChangeDataFeed' = 'true', " + VECTORS), BASE),
        ("DELETE FROM {t} WHERE id = 0",),
        ("UPDATE {t} SET v = 21 WHERE id = 2", "INSERT INTO {t} VALUES (5, 50)"),
        also="SELECT id, v, _change_type, _commit_version FROM table_changes_by_path({url}, 0) ORDER BY 4, 1, 3",
    ),
    Case(
        "a constraint",
        (table(), BASE),
        ("INSERT INTO {t} VALUES (4, 40)",),
        ("ALTER TABLE {t} ADD CONSTRAINT positive CHECK (v >= 0)", "INSERT INTO {t} VALUES (5, 50)"),
    ),
    Case(
        "a constraint that rows break",
        (table(), BASE),
        ("INSERT INTO {t} VALUES (4, -1)",),
        ("ALTER TABLE {t} ADD CONSTRAINT positive CHECK (v >= 0)",),
        conflicts=frozenset({"metadata_changed"}),
    ),
    Case(
        "a default",
        (table("'delta.feature.allowColumnDefaults' = 'supported'", "id BIGINT, v INT DEFAULT 7"), BASE),
        ("INSERT INTO {t} (id) VALUES (4)",),
        ("INSERT INTO {t} (id) VALUES (5)",),
    ),
    Case(
        "clustering",
        (table(columns="id BIGINT, v INT", rest="CLUSTER BY (id)"), BASE),
        ("INSERT INTO {t} VALUES (4, 40)",),
        ("INSERT INTO {t} VALUES (5, 50)", "OPTIMIZE {t}"),
    ),
    Case(
        "times of commits in the log",
        (table("'delta.enableInCommitTimestamps' = 'true'"), BASE),
        ("INSERT INTO {t} VALUES (4, 40)",),
        ("INSERT INTO {t} VALUES (5, 50)",),
    ),
    Case(
        "checkpoints V2",
        (table("'delta.checkpointPolicy' = 'v2', 'delta.checkpointInterval' = '2'"), BASE),
        ("INSERT INTO {t} VALUES (4, 40)", "INSERT INTO {t} VALUES (5, 50)"),
        ("INSERT INTO {t} VALUES (6, 60)", "INSERT INTO {t} VALUES (7, 70)", "DELETE FROM {t} WHERE id = 6"),
        readers=("querybuilder", "duckdb"),
    ),
)


@dataclass(frozen=True, slots=True)
class Spark:
    """A running Spark."""

    process: subprocess.Popen[str]

    errors: Path

    def sql(self, statement: str) -> list[list[Any]]:
        """Runs a statement and returns its rows. Raises AssertionError with Spark's message."""
        return [list(row.values()) for row in self.named(statement)]

    def named(self, statement: str) -> list[dict[str, Any]]:
        """The same, as values by column."""
        answer = self._ask({"sql": statement})
        assert "error" not in answer, f"{statement}: {answer['error']}"
        return [dict(zip(answer["columns"], row, strict=True)) for row in answer["rows"]]

    def stream(self, url: str, into: Path) -> list[int]:
        """Runs a stream of a table, begun by the first call, up to now. Returns all ids that it ever brought."""
        answer = self._ask({"stream": url, "into": str(into)})
        assert "error" not in answer, answer["error"]
        return sorted(row[0] for row in answer["rows"])

    def _ask(self, what: dict[str, str]) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"Spark ended: {self.errors.read_text()[-2000:]}"
        answer: dict[str, Any] = json.loads(line)
        return answer


@pytest.fixture(scope="module")
def spark(server_process: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spark]:
    installed = os.environ.get("LAKEGATE_TESTS_SPARK")
    if not installed:
        pytest.skip("Spark is a large client: `make spark` installs it and runs these tests")
    command = [f"{installed}/bin/python", str(HERE / "sql_server.py"), f"{installed}/jars", server_process.url]
    command += [server_process.access_key_id, server_process.secret_access_key]
    folder = tmp_path_factory.mktemp("spark")
    with (
        (folder / "errors").open("w") as errors,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=folder
        ) as process,
    ):
        assert process.stdout is not None
        assert process.stdin is not None
        started = process.stdout.readline()
        assert "ready" in started, (folder / "errors").read_text()[-2000:]
        yield Spark(process, folder / "errors")
        process.stdin.close()


def at(lake: S3Lake, branch: str, statement: str) -> str:
    """A statement about the table on a branch."""
    url = f"s3a://{lake.repository}/{branch}/t"
    name = lake.repository.replace("-", "_")
    return statement.replace("{t}", f"delta.`{url}`").replace("{url}", f"'{url}'").replace("{name}", name)


def run(spark: Spark, lake: S3Lake, branch: str, statements: tuple[str, ...]) -> None:
    for statement in statements:
        spark.sql(at(lake, branch, statement))
    lake.commit(branch)


def rows(spark: Spark, lake: S3Lake, ref: str) -> Counter[str]:
    """The rows of the table as Spark reads them."""
    return Counter(json.dumps(row, sort_keys=True) for row in spark.named(at(lake, ref, "SELECT * FROM {t}")))


@pytest.mark.timeout(300)  # Spark starts within the first
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_two_branches_merge(spark: Spark, s3: S3Lake, case: Case) -> None:
    run(spark, s3, "main", case.create)
    for name in ("exp", "serial"):
        s3.rest("POST", "/branches", {"name": name, "source": "main"})
    base = rows(spark, s3, "main")
    run(spark, s3, "main", case.main)
    run(spark, s3, "exp", case.exp)
    if case.conflicts:
        before = rows(spark, s3, "main")
        dry = s3.rest("POST", "/refs/exp/merge/main", {"dry_run": True})
        assert {conflict["type"] for conflict in dry["conflicts"]} == case.conflicts
        assert rows(spark, s3, "main") == before
        return
    s3.rest("POST", "/refs/exp/merge/main", {})
    run(spark, s3, "serial", (*case.main, *case.exp))
    merged = rows(spark, s3, "main")
    assert merged == rows(spark, s3, "serial") != base
    if case.also:
        assert spark.sql(at(s3, "main", case.also)) == spark.sql(at(s3, "serial", case.also))
    assert agreed_rows(s3.uri("t"), None, case.readers, s3.options) == merged
    versions = [row[0] for row in spark.sql(at(s3, "main", "DESCRIBE HISTORY {t}"))]
    assert versions == sorted(versions, reverse=True)
    # Spark goes on writing, on the state that it has kept; and reads on after a roll back.
    spark.sql(at(s3, "main", "DELETE FROM {t} WHERE id = 3"))
    assert sum(rows(spark, s3, "main").values()) == sum(merged.values()) - sum('"id": 3,' in row for row in merged)
    s3.commit("main")
    s3.rest("POST", "/branches/main/rollback", {"to": "main~1", "tables": ["t"]})
    assert rows(spark, s3, "main") == merged


@pytest.mark.timeout(300)
def test_a_stream_goes_on_after_a_merge_and_a_roll_back(spark: Spark, s3: S3Lake, tmp_path: Path) -> None:
    def brought() -> list[int]:
        return spark.stream(f"s3a://{s3.repository}/main/t", tmp_path)

    run(spark, s3, "main", (table(), BASE))
    s3.rest("POST", "/branches", {"name": "exp", "source": "main"})
    assert brought() == [0, 1, 2, 3]
    run(spark, s3, "main", ("INSERT INTO {t} VALUES (4, 40)",))
    run(spark, s3, "exp", ("INSERT INTO {t} VALUES (5, 50)",))
    s3.rest("POST", "/refs/exp/merge/main", {})
    assert brought() == [0, 1, 2, 3, 4, 5]
    run(spark, s3, "main", ("INSERT INTO {t} VALUES (6, -1)",))
    assert brought() == [0, 1, 2, 3, 4, 5, 6]
    s3.rest("POST", "/branches/main/rollback", {"to": "main~1"})
    assert brought() == [0, 1, 2, 3, 4, 5, 6]
    run(spark, s3, "main", ("INSERT INTO {t} VALUES (7, 70)",))
    assert brought() == [0, 1, 2, 3, 4, 5, 6, 7]
    assert [row[0] for row in spark.sql(at(s3, "main", "SELECT id FROM {t} ORDER BY id"))] == [0, 1, 2, 3, 4, 5, 7]

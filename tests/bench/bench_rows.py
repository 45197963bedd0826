"""Times row differences of a Delta table with a tenth of its files rewritten, beside DuckDB alone on those files.

    python tests/bench/bench_rows.py [--rows 5000000] [--runs 5] [--folder DIR]

A table of 50 files and 10 columns; an update rewrites five files, and changes a hundredth of their rows. Each step runs
in a process of its own. DuckDB reads the rewritten files of both sides itself, with the same query, the same memory and
the same threads; what it can't know (which files differ) it is told.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from measure import Measured, in_process, measured, table

from lakegate.lake import EmbeddedLake
from lakegate.model import CommitRequest, ImportKind, ImportRequest, ImportSource, RowDiffRequest
from lakegate.repository import EmbeddedRepository

FILES = 50
REWRITTEN = 5
MEMORY = "256MB"


def rows_of(start: int, count: int) -> Any:
    import numpy as np
    import pyarrow as pa

    random = np.random.default_rng(start)
    cities = np.array([f"city-{number}" for number in range(500)])
    codes = np.array([f"c{number:06d}" for number in range(20_000)])
    moments = random.integers(1_600_000_000_000_000, 1_700_000_000_000_000, count)
    return pa.table(
        {
            "id": np.arange(start, start + count),
            "user": random.integers(0, 1_000_000, count),
            "amount": random.random(count) * 100,
            "quantity": random.integers(0, 50, count).astype("int32"),
            "price": np.round(random.random(count) * 50, 2),
            "city": cities[random.integers(0, 500, count)],
            "code": codes[random.integers(0, 20_000, count)],
            "at": pa.array(moments, pa.timestamp("us", tz="UTC")),
            "flag": random.random(count) > 0.5,
            "score": random.normal(size=count),
        }
    )


def open_repository(folder: Path) -> EmbeddedRepository:
    return EmbeddedLake.open(folder / "lake").repository("bench")


def build(folder: Path, rows: int) -> tuple[list[str], list[str]]:
    """Makes the table, and commits it before and after the update. Returns the files that only one side has."""
    from deltalake import DeltaTable, write_deltalake

    data = folder / "data"
    each = rows // FILES
    for number in range(FILES):
        write_deltalake(data, rows_of(number * each, each), mode="append")
    with EmbeddedLake.create(folder / "lake") as lake:
        lake.create_repository("bench")
        repo = lake.repository("bench")
        before = commit(repo, data)
        DeltaTable(data).update(updates={"amount": "amount + 1"}, predicate=f"id < {REWRITTEN * each} and id % 100 = 0")
        after = commit(repo, data)
        repo.create_tag("before", before)
        repo.create_tag("after", after)
        files = [{file.path for file in repo.table_files(ref, "orders", amount=1000).items} for ref in (before, after)]
    return tuple([str(data / path) for path in sorted(mine - other)] for mine, other in (files, files[::-1]))  # type: ignore[return-value]


def commit(repo: EmbeddedRepository, data: Path) -> str:
    sources = (ImportSource(ImportKind.PREFIX, data.as_uri(), "orders"),)
    repo.import_("main", ImportRequest(sources, CommitRequest("state"), replace=True))
    return str(repo.commit_of("main").id)


def by_lakegate(folder: Path, key: tuple[str, ...], runs: int) -> Measured:
    repo = open_repository(folder)
    found: list[str] = []

    def run() -> None:
        diff = repo.row_diff("before", "after", RowDiffRequest("orders", key))
        found[:] = [f"{diff.added:,} added, {diff.removed:,} removed, {diff.updated:,} updated"]

    return measured([run] * runs, lambda: found[0])


def by_duckdb(left: list[str], right: list[str], key: tuple[str, ...], runs: int) -> Measured:
    import duckdb

    found: list[str] = []

    def run() -> None:
        with duckdb.connect(":memory:", config={"memory_limit": MEMORY, "threads": 2}) as engine:
            engine.execute(
                "CREATE TEMP TABLE d AS SELECT sum(n) AS n, * EXCLUDE (n) FROM "
                f"(SELECT -1 AS n, * FROM read_parquet({left}) UNION ALL SELECT 1, * FROM read_parquet({right})) "
                "GROUP BY ALL HAVING sum(n) <> 0"
            )
            if key:
                name = ", ".join(key)
                for side in (left, right):
                    engine.execute(
                        f"SELECT count(*) FROM (SELECT {name} FROM read_parquet({side}) GROUP BY {name} "
                        f"HAVING count(*) > 1 OR {name} IS NULL)"
                    ).fetchall()
                counts = engine.execute(
                    f"SELECT s, count(*) FROM (SELECT sum(n) AS s FROM d GROUP BY {name}) GROUP BY s"
                )
                order = name
            else:
                counts = engine.execute("SELECT sign(n), count(*) FROM d GROUP BY 1")
                order = "ALL"
            found[:] = [str(counts.fetchall())]
            engine.execute(f"SELECT * FROM d ORDER BY {order} LIMIT 100").to_arrow_table()

    return measured([run] * runs, lambda: found[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="200,000 rows once, to see that it runs")
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=None)
    given = parser.parse_args()
    if given.quick:
        given.rows, given.runs = 200_000, 1
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        left, right = in_process(build, folder, given.rows)
        lines: list[list[str]] = []
        for words, key in (("by content", ()), ("by key", ("id",))):
            ours = in_process(by_lakegate, folder, key, given.runs)
            alone = in_process(by_duckdb, left, right, key, given.runs)
            for who, found in (("lakegate", ours), ("DuckDB alone", alone)):
                ratio = f"{found.median / alone.median:.2f}"
                lines.append([f"{words}, {who}", f"{found.median:.2f}", ratio, f"{found.peak_mb:.0f}", found.note])
        print(f"{given.rows:,} rows in {FILES} files, {len(left)} and {len(right)} of them differ\n")
        print(table(["row difference", "seconds", "ratio", "peak MB", "found"], lines))


if __name__ == "__main__":
    main()

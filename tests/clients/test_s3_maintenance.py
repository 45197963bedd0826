"""Maintenance by clients on one branch, through the gateway: no other branch, tag or commit is harmed, and branches
merge as before. deltalake maintains; deltalake's QueryBuilder and DuckDB's delta extension read."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from lakegate.testing.delta_rows import agreed_rows
from lakegate.testing.s3 import S3Lake

pytest.importorskip("deltalake")
pytest.importorskip("duckdb_extension_delta")
import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

READERS = ("querybuilder", "duckdb")
ROWS = {1: 1, 2: 2, 4: 4, 5: 5, 6: 60, 7: 7}


def rows(*ids: int) -> pa.Table:
    numbers = pa.array(ids, pa.int64())
    return pa.table({"id": numbers, "p": pa.array([i % 2 for i in ids], pa.int64()), "v": numbers})


@dataclass(frozen=True)
class Orders:
    """A partitioned table at `sales/orders`, behind a gateway."""

    lake: S3Lake

    def open(self, branch: str) -> DeltaTable:
        return DeltaTable(self.lake.uri("sales/orders", branch), storage_options=self.lake.options)

    def append(self, branch: str, *ids: int) -> None:
        uri = self.lake.uri("sales/orders", branch)
        write_deltalake(uri, rows(*ids), mode="append", partition_by=["p"], storage_options=self.lake.options)

    def read(self, ref: str, version: int | None = None) -> dict[int, int]:
        """`v` by `id`, as both readers see the table at a ref."""
        uri = self.lake.uri("sales/orders", ref)
        found = agreed_rows(uri, version, READERS, self.lake.options)
        read = [json.loads(row) for row in found.elements()]
        assert len({row["id"] for row in read}) == len(read)
        return {row["id"]: row["v"] for row in read}

    def merge(self, source: str, destination: str) -> None:
        self.lake.rest("POST", f"/refs/{source}/merge/{destination}", {})


@pytest.fixture
def orders(s3: S3Lake) -> Orders:
    """Small files, dead files, a log of six versions; and each of them known by a branch, a tag and a commit id."""
    table = Orders(s3)
    write_deltalake(
        s3.uri("sales/orders"),
        rows(1, 2, 3),
        partition_by=["p"],
        storage_options=s3.options,
        configuration={"delta.logRetentionDuration": "interval 0 days"},
    )
    table.append("main", 4, 5)
    table.append("main", 6)
    table.append("main", 7)
    table.open("main").delete("id = 3")
    table.open("main").update({"v": "60"}, predicate="id = 6")
    return table


def compact(table: DeltaTable) -> None:
    assert table.optimize.compact()["numFilesRemoved"] > 0


def z_order(table: DeltaTable) -> None:
    assert table.optimize.z_order(["v"])["numFilesRemoved"] > 0


def vacuum(table: DeltaTable) -> None:
    assert table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False, full=True)


def compact_and_vacuum(table: DeltaTable) -> None:
    compact(table)
    vacuum(table)


def checkpoint(table: DeltaTable) -> None:
    table.create_checkpoint()


def clean_up_log(table: DeltaTable) -> None:
    table.create_checkpoint()
    table.cleanup_metadata()


MAINTENANCE = (compact, z_order, vacuum, compact_and_vacuum, checkpoint, clean_up_log)


@pytest.mark.parametrize("maintain", MAINTENANCE, ids=lambda maintain: maintain.__name__)
def test_no_other_ref_is_harmed_and_branches_merge(orders: Orders, maintain: Callable[[DeltaTable], None]) -> None:
    lake = orders.lake
    known = lake.commit()
    lake.rest("POST", "/branches", {"name": "exp", "source": "main"})
    lake.rest("POST", "/tags", {"id": "v1", "ref": "main"})
    held = _paths(lake, known)

    maintain(orders.open("main"))
    assert orders.read("main") == ROWS  # before the commit too
    lake.commit()
    for ref in ("main", "exp", "v1", known):
        assert orders.read(ref) == ROWS
        assert ref == "main" or _paths(lake, ref) == held
    assert orders.read(known, 0) == {1: 1, 2: 2, 3: 3}

    # What the other branch does to the files that were maintained here merges, both ways, and readers go on.
    orders.open("exp").delete("id = 1 and p = 1")
    orders.append("exp", 8)
    lake.commit("exp")
    orders.append("main", 9)
    lake.commit()
    orders.merge("exp", "main")
    merged = {i: v for i, v in ROWS.items() if i != 1} | {8: 8, 9: 9}
    assert orders.read("main") == merged
    orders.merge("main", "exp")
    assert orders.read("exp") == merged
    assert orders.read("v1") == ROWS


@pytest.mark.parametrize("maintain", [compact, z_order, compact_and_vacuum], ids=lambda maintain: maintain.__name__)
def test_both_branches_may_be_compacted(orders: Orders, maintain: Callable[[DeltaTable], None]) -> None:
    lake = orders.lake
    lake.commit()
    lake.rest("POST", "/branches", {"name": "exp", "source": "main"})
    for branch, added in (("main", 9), ("exp", 8)):
        orders.append(branch, added)
        lake.commit(branch)  # a vacuum takes nothing away that a commit held
        maintain(orders.open(branch))
        lake.commit(branch)
    orders.merge("exp", "main")
    assert orders.read("main") == ROWS | {8: 8, 9: 9}


def test_the_log_that_was_cleaned_up_is_shorter_on_its_branch_only(orders: Orders) -> None:
    known = orders.lake.commit()
    clean_up_log(orders.open("main"))
    orders.lake.commit()
    logs = {
        ref: [path for path in _paths(orders.lake, ref) if path.endswith(".json") and "/_delta_log/" in path]
        for ref in ("main", known)
    }
    assert len(logs["main"]) < len(logs[known]) == 6


def _paths(lake: S3Lake, ref: str) -> list[str]:
    listing = lake.rest("GET", f"/refs/{ref}/objects/ls?amount=1000")
    return [item["path"] for item in listing["results"]]

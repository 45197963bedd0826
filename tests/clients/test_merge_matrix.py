"""Every pair of operations on one Delta table, on two branches: what merges, what conflicts, and which rows come out.

The pairs are generated; what is expected of them are Delta's conflict rules (`lakegate.testing.delta_conflicts`), all
kinds of conflicts exactly, with two differences that docs/design/014-merging-delta-tables.md gives the reasons of.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest.importorskip("deltalake", reason="deltalake makes the tables")

from lakegate.lake import EmbeddedLake
from lakegate.model import ConflictKind, Isolation
from lakegate.ops.table_replay import Replaying, replay_table
from lakegate.tables.delta.merge.plan import MergePlan, Three
from lakegate.tables.delta.merge.side_log import TableAt
from lakegate.tables.delta.state import load
from lakegate.testing import delta_operations as ops
from lakegate.testing.delta import folder_snapshot
from lakegate.testing.delta_check import check_log
from lakegate.testing.delta_conflicts import conflicts, effect_of
from lakegate.testing.delta_operations import Operation, Rows, Target
from lakegate.testing.delta_rows import READERS, read_rows

pytestmark = pytest.mark.timeout(300)

# Two partitions of two files each; then a fifth file, so that there is a version to restore.
FILES: list[Rows] = [
    [(1, 0, 10), (2, 0, 20)],
    [(3, 0, 30), (4, 0, 40)],
    [(5, 1, 50), (6, 1, 60)],
    [(7, 1, 70), (8, 1, 80)],
]
LATER: Rows = [(9, 2, 90)]
OLD: Rows = sorted(row for rows in FILES for row in rows)
BASE: Rows = sorted([*OLD, *LATER])
RESTORE = ops.restore(3, OLD)
OPERATIONS = (*ops.OPERATIONS, RESTORE)

SOURCE = Target(0, 1, 100)
PLACES = {
    "same file": Target(0, 2, 200),
    "same partition": Target(0, 3, 200),
    "other partition": Target(1, 5, 200),
}


@dataclass(frozen=True)
class Variant:
    """The table after one operation."""

    folder: Path
    at: TableAt


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedLake]:
    with EmbeddedLake.create(tmp_path_factory.mktemp("lake")) as opened:
        opened.create_repository("matrix")
        yield opened


@dataclass(frozen=True)
class Tables:
    lake: EmbeddedLake
    base: Variant
    ours: Mapping[str, Variant]
    theirs: Mapping[tuple[str, str], Variant]

    def plan(self, source: Operation, destination: Operation, place: str, isolation: Isolation) -> MergePlan:
        three = Three(self.base.at, self.ours[source.name].at, self.theirs[destination.name, place].at)
        ctx = self.lake.repository("matrix").ctx
        return replay_table(ctx, three, Replaying(isolation), dry_run=True).plan


@pytest.fixture(scope="module")
def tables(lake: EmbeddedLake, tmp_path_factory: pytest.TempPathFactory) -> Tables:
    root = tmp_path_factory.mktemp("tables")
    base = root / "base"
    for rows in [*FILES, LATER]:
        ops.write(base, rows, mode="append", partition_by=["p"])

    def variant(name: str, operation: Operation | None = None, target: Target = SOURCE) -> Variant:
        folder = root / name.replace(" ", "-")
        if operation is not None:
            shutil.copytree(base, folder, copy_function=os.link)
            operation.apply(folder, target)
        ctx = lake.repository("matrix").ctx
        view = folder_snapshot(ctx, folder)
        return Variant(folder, TableAt(view.root, load(ctx, view, "t")))

    ours = {operation.name: variant(f"ours {operation.name}", operation) for operation in OPERATIONS}
    theirs: dict[tuple[str, str], Variant] = {}
    for operation in OPERATIONS:
        for place, target, first in _places(operation):
            made = theirs.get((operation.name, first))
            theirs[operation.name, place] = made or variant(f"{place} {operation.name}", operation, target)
    return Tables(lake, variant("base"), ours, theirs)


def _places(operation: Operation) -> Iterator[tuple[str, Target, str]]:
    """The places, each with the first at which the operation does the same."""
    firsts: dict[tuple[int, ...], str] = {}
    for place, target in PLACES.items():
        yield place, target, firsts.setdefault(tuple(getattr(target, name) for name in operation.uses), place)


DESTINATIONS = [
    (operation, place, target)
    for operation in OPERATIONS
    for place, target, first in _places(operation)
    if place == first  # elsewhere it is the same table
]


# -- what is expected -------------------------------------------------------------------------------------------------

LAYOUT = {f"file {i}": (rows[0][1], frozenset(row[0] for row in rows)) for i, rows in enumerate([*FILES, LATER])}
NEWEST = frozenset({f"file {len(FILES)}"})

# Delta's conflict matrix as it is published, of the source's operation (down) against the destination's (across):
# "-" they commute, else the kind that its writers raise; under the default isolation, and after a slash, where it
# differs, under Serializable. "=" are the two differences: what rearranges files, and what defines the table.
COLUMNS = (
    ("blind append", "same file"),
    ("reading append", "same file"),
    ("delete", "same file"),
    ("delete", "same partition"),
    ("delete", "other partition"),
    ("overwrite", "same file"),
    ("overwrite", "other partition"),
    ("compaction", "same file"),
    ("property change", "same file"),
    ("txn", "same file"),
)
CELLS = {
    "blind append": "-     -   -      -   -   -      -      =  =  -",
    "reading append": "-/CA  CA  DR     CA  -   DR     DR     =  =  -/CA",
    "delete": "-/CA  CA  DR+DD  CA  -   DR     DR     =  =  -/CA",
    "update": "-/CA  CA  DR+DD  CA  -   DR     DR     =  =  -/CA",
    "merge": "-/CA  CA  DR+DD  CA  -   DR     DR     =  =  -/CA",
    "overwrite": "-/CA  CA  DR+DD  DR  DR  DR     DR     =  =  -/CA",
    "replace where": "-/CA  CA  DR+DD  DR  -   DR     DR     =  =  -/CA",
    "compaction": "-     -   =      -   -   =      =      =  =  -",
    "schema change": "-     -   -      -   -   -      -      -  =  -",
    "protocol upgrade": "-     -   -      -   -   -      -      -  =  -",
    "vacuum": "-     -   -      -   -   -      -      -  -  -",
    "txn": "-     -   -      -   -   -      -      =  =  TX",
}
SHORT = {
    "CA": ConflictKind.CONCURRENT_APPEND,
    "DR": ConflictKind.CONCURRENT_DELETE_READ,
    "DD": ConflictKind.CONCURRENT_DELETE_DELETE,
    "TX": ConflictKind.CONCURRENT_TRANSACTION,
}


def _expected(source: str, destination: str, place: str, isolation: Isolation) -> frozenset[ConflictKind]:
    """All kinds of conflicts that Delta's rules find; none: the two merge."""
    ours, theirs = (
        effect_of(name, target, LAYOUT, NEWEST) for name, target in ((source, SOURCE), (destination, PLACES[place]))
    )
    return conflicts(ours, theirs, isolation, LAYOUT)


@pytest.mark.parametrize("source", CELLS)
def test_the_rules_give_the_published_matrix(source: str) -> None:
    for (destination, place), cell in zip(COLUMNS, CELLS[source].split(), strict=True):
        default, _, strict = cell.partition("/")
        for isolation, text in ((Isolation.WRITE_SERIALIZABLE, default), (Isolation.SERIALIZABLE, strict or default)):
            if text != "=":
                named = {SHORT[name] for name in text.split("+") if name != "-"}
                found = _expected(source, destination, place, isolation)
                assert bool(named) == bool(found), (destination, place, isolation)
                assert named <= found, (destination, place, isolation)


# -- the pairs --------------------------------------------------------------------------------------------------------

BY_SOURCE = pytest.mark.parametrize("source", OPERATIONS, ids=lambda operation: operation.name)


@BY_SOURCE
def test_pairs_conflict_as_deltas_rules_say(tables: Tables, source: Operation) -> None:
    wrong: list[str] = []
    for (destination, place, _), isolation in itertools.product(DESTINATIONS, Isolation):
        plan = tables.plan(source, destination, place, isolation)
        kinds = {clash.kind for clash in plan.clashes}
        expected = _expected(source.name, destination.name, place, isolation)
        if kinds != expected:
            wrong.append(f"{destination.name}, {place}, {isolation}: {sorted(kinds)} instead of {sorted(expected)}")
    assert not wrong, "\n".join(wrong)


@BY_SOURCE
def test_what_merges_has_the_rows_of_a_serial_run(tables: Tables, source: Operation, tmp_path: Path) -> None:
    wrong: list[str] = []
    for destination, place, target in DESTINATIONS:
        plan = tables.plan(source, destination, place, Isolation.WRITE_SERIALIZABLE)
        if plan.clashes:
            continue
        folder = tmp_path / f"{destination.name}-{place}".replace(" ", "-")
        _lay_out(folder, tables.theirs[destination.name, place].folder, tables.ours[source.name].folder, plan)
        check_log(folder)
        serial = [
            destination.rows(source.rows(BASE, SOURCE), target),
            source.rows(destination.rows(BASE, target), SOURCE),
        ]
        for reader in READERS:
            read = [json.loads(row) for row in read_rows(reader, str(folder)).elements()]
            rows = sorted((row["id"], row["p"], row["x"]) for row in read)
            if rows not in serial:
                wrong.append(f"{destination.name}, {place}: {reader} reads {rows}, and a serial run gives {serial}")
    assert not wrong, "\n".join(wrong)


def _lay_out(folder: Path, destination: Path, source: Path, plan: MergePlan) -> None:
    """The table as the merge leaves it on the destination."""
    shutil.copytree(destination, folder, copy_function=os.link)
    base = destination.parent / "base"
    for file in itertools.chain(source.rglob("*.parquet"), base.rglob("*.parquet")):
        origin = source if source in file.parents else base
        there = folder / file.relative_to(origin)
        if not there.exists():
            there.parent.mkdir(exist_ok=True)
            os.link(file, there)
    for commit in plan.commits:
        (folder / "_delta_log" / Path(commit.path).name).write_bytes(commit.body)

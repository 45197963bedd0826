"""Times the use cases on a repository of 10,000 objects and on one of 1,000,000, and reads of a pinned Delta table.

    python tests/bench/bench_core.py [--objects 1000000] [--table-mb 1024] [--folder DIR]

Each step runs in a process of its own, which has imported what it needs (so has any process that did something before;
what a command costs from its start is in bench_cli), on a lake in a local folder with durable writes. The repositories
are filled by an import from a store that makes up its listing, so that no other store's speed is in the figures.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pyarrow.compute
import pyarrow.parquet
from measure import Measured, in_process, measured, table

import lakegate.ops.commit
import lakegate.ops.diff
import lakegate.ops.merge
import lakegate.tables.detect
from lakegate.ids import BranchName
from lakegate.lake import EmbeddedLake
from lakegate.metastore.protocol import StagedChange
from lakegate.model import (
    CommitRequest,
    Entry,
    ImportKind,
    ImportRequest,
    ImportSource,
    ListRequest,
    MergeRequest,
)
from lakegate.objectstore.protocol import StoredObject
from lakegate.ops.import_ import import_
from lakegate.repository import EmbeddedRepository
from lakegate.testing.faulty_store import FaultyStore

IMPORTED = (
    numpy,
    pyarrow.compute,
    pyarrow.parquet,
    lakegate.ops.commit,
    lakegate.ops.diff,
    lakegate.ops.merge,
    lakegate.tables.detect,
)
SMALL = 10_000
CHANGES = 1000
LOOKUPS = 20_000
RUNS = 5
MAIN = BranchName("main")


def path_of(number: int) -> str:
    return f"images/{number // 1000:05}/{number % 1000:03}-{number * 2654435761 % 2**32:08x}.jpg"


class Listing:
    """A store that lists `count` objects and holds none."""

    url = "s3://made-up"

    def __init__(self, count: int) -> None:
        self._count = count

    def list(self, prefix: str = "", start_after: str = "") -> Iterator[StoredObject]:
        for number in range(self._count):
            yield StoredObject(path_of(number), 100_000 + number, f"{number * 0x9E3779B97F4A7C15:032x}"[-32:], number)


class Addresses:
    """The addresses of a repository, and those of the listing."""

    def __init__(self, inner: Any, listing: Listing) -> None:
        self._inner = inner
        self._listing = listing

    def locate(self, address: str) -> tuple[Any, str]:
        if address.startswith(self._listing.url):
            return self._listing, address.removeprefix(self._listing.url).strip("/")
        return self._inner.locate(address)


def open_repository(folder: Path) -> EmbeddedRepository:
    return EmbeddedLake.create(folder).repository("bench")


# -- steps, each in a process of its own ----------------------------------------------------------------------------


def import_listed(folder: Path, count: int) -> Measured:
    lake = EmbeddedLake.create(folder)
    lake.create_repository("bench")
    ctx = lake.repository("bench").ctx
    ctx = replace(ctx, addresses=Addresses(ctx.addresses, Listing(count)))
    source = ImportSource(ImportKind.PREFIX, "s3://made-up", "")
    request = ImportRequest((source,), CommitRequest("import"))
    started = time.perf_counter()
    for _ in Listing(count).list():
        pass
    listing = time.perf_counter() - started
    return measured([lambda: import_(ctx, "main", request)], lambda: f"{listing:.2f}")


def create_branches(folder: Path, count: int) -> Measured:
    repo = open_repository(folder)
    counting = FaultyStore(repo.ctx.store)
    ctx = replace(repo.ctx, store=counting)
    from lakegate import refs
    from lakegate.manifests import Manifests

    ctx = replace(ctx, manifests=Manifests(counting))
    refs.create_branch(ctx, "warm", "main")
    counting.clear()

    def bytes_written() -> str:
        for call in counting.calls:
            if call.operation in ("put_if_absent", "write") and not call.key.startswith("_lakegate/refs/"):
                raise AssertionError(f"branch create wrote {call.key}")
        return f"{counting.bytes_written() // 20} bytes of journal each"

    return measured([lambda n=n: refs.create_branch(ctx, f"b{n}", "main") for n in range(20)], bytes_written)


def anywhere(count: int, seed: int) -> list[int]:
    """Numbers of objects all over the tree: at 1,000,000 objects they touch every range."""
    return random.Random(seed).sample(range(count), CHANGES)


def together(count: int, seed: int) -> list[int]:
    """Numbers of objects in two folders, as an ingestion changes some partitions."""
    folders = random.Random(seed).sample(range(count // 1000), 2)
    return [folder * 1000 + number for folder in folders for number in range(CHANGES // 2)]


def changes(numbers: list[int], seed: int) -> list[StagedChange]:
    """A third each of updates, removals and additions."""
    found: list[StagedChange] = []
    for position, number in enumerate(numbers):
        path = path_of(number)
        digest = hashlib.sha256(f"{path} {seed}".encode()).hexdigest()
        entry = Entry(path, f"data/{digest[:2]}/{digest[2:34]}", 5, digest[:32], 7, f"sha256:{digest}", "image/jpeg")
        if position % 3 == 0:
            found.append(StagedChange(path, entry))
        elif position % 3 == 1:
            found.append(StagedChange(path, None))
        else:
            found.append(StagedChange(f"{path}.{seed}", replace(entry, path=f"{path}.{seed}")))
    return found


def stage_changes(folder: Path, count: int) -> None:
    repo = open_repository(folder)
    for name, seed, pick in (("left", 1, anywhere), ("right", 2, anywhere), ("near", 3, together)):
        repo.create_branch(name, "main")
        repo.ctx.meta.stage(repo.info.id, BranchName(name), changes(pick(count, seed), seed))


def commit(folder: Path, count: int) -> Measured:
    repo = open_repository(folder)
    return measured([lambda: repo.commit("left", CommitRequest("1,000 changes"))])


def commit_other(folder: Path, count: int) -> Measured:
    repo = open_repository(folder)
    return measured([lambda: repo.commit("right", CommitRequest("1,000 others"))])


def commit_near(folder: Path, count: int) -> Measured:
    repo = open_repository(folder)
    return measured([lambda: repo.commit("near", CommitRequest("1,000 in two folders"))])


def diff(folder: Path, count: int, branch: str = "left") -> Measured:
    repo = open_repository(folder)
    found = []
    result = measured([lambda: found.append(repo.diff("main", branch, ListRequest(amount=1000)))])
    if len(found[0].items) != CHANGES:
        raise AssertionError(len(found[0].items))
    return result


def diff_near(folder: Path, count: int) -> Measured:
    return diff(folder, count, "near")


def merge(folder: Path, count: int, source: str = "right") -> Measured:
    from lakegate.model import Strategy

    repo = open_repository(folder)
    request = MergeRequest(strategy=Strategy.SOURCE_WINS)
    return measured([lambda: repo.merge(source, "left", request)])


def merge_near(folder: Path, count: int) -> Measured:
    return merge(folder, count, "near")


def look_up(folder: Path, count: int) -> Measured:
    repo = open_repository(folder)
    head = repo.branch("main").commit
    rng = random.Random(3)
    paths = [path_of(rng.randrange(count)) for _ in range(LOOKUPS)]
    for path in paths:
        repo.stat(head, path)

    def run() -> None:
        for path in paths:
            repo.stat(head, path)

    return measured([run])


def look_up_branch(folder: Path, count: int) -> Measured:
    repo = open_repository(folder)
    rng = random.Random(3)
    paths = [path_of(rng.randrange(count)) for _ in range(LOOKUPS)]
    for path in paths:
        repo.stat("main", path)

    def run() -> None:
        for path in paths:
            repo.stat("main", path)

    return measured([run])


STEPS: dict[str, Callable[[Path, int], Measured]] = {
    "import": import_listed,
    "branch": create_branches,
    "commit": commit,
    "commit other": commit_other,
    "commit near": commit_near,
    "diff": diff,
    "diff near": diff_near,
    "merge": merge,
    "merge near": merge_near,
    "look-up": look_up,
    "look-up on a branch": look_up_branch,
}


def core(folder: Path, objects: int, only: str | None) -> str:
    figures: dict[str, list[Measured]] = {name: [] for name in STEPS}
    for count in (SMALL, objects):
        place = folder / str(count)
        for name, step in STEPS.items():
            if name == "commit":
                in_process(stage_changes, place, count)
            figures[name].append(in_process(step, place, count))
    rows = [row(name, objects, *both) for name, both in figures.items()]
    head = ("", f"{SMALL:,}", f"{objects:,}", "ratio", "CPU s", "before MB", "peak MB", "goal", "met")
    return table(head, rows)


def row(name: str, objects: int, small: Measured, large: Measured) -> list[str]:
    ratio = large.median / small.median
    memory = [f"{large.cpu:.2f}", f"{large.before_mb:.0f}", f"{large.peak_mb:.0f}"]
    thrifty = large.peak_mb < 400

    def said(what: str, left: str, right: str, goal: str, met: bool) -> list[str]:
        return [what, left, right, f"{ratio:.2f}", *memory, goal, "yes" if met else "**no**"]

    if name == "import":
        rates = [SMALL / small.median, objects / large.median]
        text = [f"{rate:,.0f} /s" for rate in rates]
        return said("import, listing included", *text, "> 50,000 /s, < 400 MB", rates[1] > 50_000 and thrifty)
    if name.startswith("look-up"):
        rates = [LOOKUPS / small.median, LOOKUPS / large.median]
        text = [f"{rate:,.0f} /s" for rate in rates]
        what = "look-up at a commit id, warm" if name == "look-up" else "look-up on a branch, warm"
        return said(what, *text, "> 5,000 /s", rates[1] > 5_000)
    text = [f"{figure.median * 1000:,.1f} ms" for figure in (small, large)]
    if name == "branch":
        return said(f"branch create ({large.note})", *text, "ratio < 1.2", ratio < 1.2)
    goals = {"commit": ("commit of 1,000 staged changes, anywhere", 1.5), "commit other": ("1,000 others", 1.5)}
    goals |= {"diff": ("diff, 1,000 changes apart, anywhere", 0.5), "diff near": ("in two folders", 0.5)}
    goals |= {"merge": ("merge of 1,000 and 1,000 changes, anywhere", 2.0), "commit near": ("in two folders", 1.5)}
    goals |= {"merge near": ("of 1,000 in two folders", 2.0)}
    what, goal = goals[name]
    return said(what, *text, f"< {goal:g} s, < 400 MB", large.median < goal and thrifty)


# -- a pinned Delta table --------------------------------------------------------------------------------------------


def make_table(folder: Path, megabytes: int) -> str:
    """Writes a Delta table with deltalake, imports it and returns the commit to read."""
    import numpy as np
    import pyarrow as pa
    from deltalake import write_deltalake

    rng = np.random.default_rng(1)
    rows = 1_000_000  # of 32 incompressible bytes
    for number in range(max(1, megabytes // 32)):
        columns = {f"c{n}": rng.random(rows) for n in range(3)} | {"id": np.arange(rows) + number * rows}
        write_deltalake(str(folder / "source/t"), pa.table(columns), mode="append")
    lake = EmbeddedLake.create(folder / "lake")
    lake.create_repository("bench")
    source = ImportSource(ImportKind.PREFIX, f"file://{folder}/source/t", "t")
    repo = lake.repository("bench")
    repo.import_("main", ImportRequest((source,), CommitRequest("import")))
    return repo.pin("main", hold="bench").commit


def read_pinned(folder: Path, commit_id: str, runs: int) -> tuple[Measured, Measured, int]:
    """Reads all rows through the library and through pyarrow, by turns."""
    import pyarrow.dataset as pads

    repo = EmbeddedLake.open(folder / "lake").repository("bench")
    files = sorted(str(path) for path in (folder / "source/t").glob("*.parquet"))

    def ours() -> int:
        return drained(repo.read_table(commit_id, "t"))

    def theirs() -> int:
        return drained(pads.dataset(files, format="parquet"))

    if ours() != theirs():
        raise AssertionError("other rows")
    both = [measured([run]) for _ in range(runs) for run in (ours, theirs)]
    mine, other = both[::2], both[1::2]
    return (
        Measured(tuple(m.median for m in mine), mine[0].before_mb, max(m.peak_mb for m in mine)),
        Measured(tuple(m.median for m in other), other[0].before_mb, max(m.peak_mb for m in other)),
        sum(Path(file).stat().st_size for file in files),
    )


def drained(dataset: Any) -> int:
    return sum(batch.num_rows for batch in dataset.to_batches())


def pinned(folder: Path, megabytes: int) -> str:
    commit_id = in_process(make_table, folder, megabytes)
    mine, other, size = in_process(read_pinned, folder, commit_id, RUNS)
    ratio = min(other.seconds) / min(mine.seconds)
    cells = [f"read a pinned Delta table of {size / 1e9:.2f} GB"]
    cells += [f"{size / 1e6 / min(figure.seconds):,.0f} MB/s" for figure in (mine, other)]
    cells += [f"{ratio:.2f}", f"{mine.peak_mb:.0f}", ">= 0.95", "yes" if ratio >= 0.95 else "**no**"]
    return table(("", "lakegate", "pyarrow", "ratio", "peak MB", "goal", "met"), [cells])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="100,000 objects and 128 MB, to see that it runs")
    parser.add_argument("--objects", type=int, default=None)
    parser.add_argument("--table-mb", type=int, default=None)
    parser.add_argument("--folder", type=Path, default=None)
    options = parser.parse_args()
    objects = options.objects or (100_000 if options.quick else 1_000_000)
    megabytes = options.table_mb if options.table_mb is not None else (128 if options.quick else 1024)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        print(core(Path(folder), objects, None), flush=True)
    if megabytes:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            print("\n" + pinned(Path(folder), megabytes))


if __name__ == "__main__":
    main()

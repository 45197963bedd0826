"""Times trees on a local folder, durable writes and all, at 10,000 entries and at 1,000,000, and prints the ratio.

    python tests/bench/bench_trees.py [--quick] [--entries N] [--folder DIR]

Caches of the process are empty at the start of each step but the last; the operating system's may be warm.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from lakegate import tree
from lakegate.format.kinds import OBJECTS
from lakegate.ids import NodeId
from lakegate.manifests import Manifests
from lakegate.manifests.nodes import StoredNodes
from lakegate.model import Entry
from lakegate.objectstore.local import LocalStore

CHANGES = 1000
LOOKUPS = 20_000

Work = tuple[Callable[[], None], int]


def path_of(number: int) -> str:
    folder = f"sales/orders/year={2000 + number // 100_000}/month={number // 10_000 % 10:02}"
    return f"{folder}/part-{number % 10_000:05}.parquet"


def entry_of(number: int, generation: int = 0) -> Entry:
    seed = f"{number}/{generation}".encode()
    digest = hashlib.sha256(seed).hexdigest()
    etag = hashlib.md5(seed).hexdigest()
    return Entry(
        path=path_of(number),
        address=f"data/{digest[:2]}/{digest[8:40]}",
        size=100_000 + number,
        etag=etag,
        mtime=1_700_000_000_000 + number,
        digest=f"sha256:{digest}",
    )


def changes_of(count: int, generation: int) -> Iterator[tuple[str, Entry | None]]:
    """Spread over the whole tree: updates, removals and additions."""
    chosen = sorted(random.Random(generation).sample(range(count), min(CHANGES, count)))
    for position, number in enumerate(chosen):
        entry = entry_of(number, generation)
        if position % 3 == 0:
            yield entry.path, entry
        elif position % 3 == 1:
            yield entry.path, None
        else:
            added = replace(entry, path=entry.path + f".{generation}")
            yield added.path, added


@dataclass(frozen=True)
class Figure:
    """Seconds of the work (each, where it is many), and the peak of the process's resident memory before and in it."""

    seconds: float
    before_mb: float
    peak_mb: float


class Bench:
    """One tree in one folder. Every step runs in a process of its own, so that its memory is its own."""

    def __init__(self, folder: Path, count: int) -> None:
        self.store = LocalStore(folder / "namespace")
        self.count = count
        self._notes = folder / "roots.json"

    def nodes(self, cache_bytes: int = 128 << 20) -> StoredNodes:
        return Manifests(self.store, cache_bytes=cache_bytes).nodes

    def root(self, name: str) -> NodeId:
        return NodeId(json.loads(self._notes.read_text())[name])

    def note(self, name: str, root: NodeId) -> None:
        notes = json.loads(self._notes.read_text()) if self._notes.exists() else {}
        self._notes.write_text(json.dumps({**notes, name: root}))

    # -- steps: each returns the work to be timed and by how many to divide --------------------------------------------

    def build(self) -> Work:
        return lambda: self.note(
            "base", tree.build(self.nodes(), OBJECTS, map(entry_of, range(self.count)))
        ), self.count

    def apply(self) -> Work:
        base, changes = self.root("base"), list(changes_of(self.count, 1))
        return lambda: self.note("left", tree.apply(self.nodes(), OBJECTS, base, changes)), 1

    def apply_other(self) -> Work:
        base, changes = self.root("base"), list(changes_of(self.count, 2))
        return lambda: self.note("right", tree.apply(self.nodes(), OBJECTS, base, changes)), 1

    def diff(self) -> Work:
        base, left = self.root("base"), self.root("left")
        return lambda: drain(tree.diff(self.nodes(), OBJECTS, base, left)), 1

    def merge(self) -> Work:
        base, left, right = self.root("base"), self.root("left"), self.root("right")
        return lambda: drain(tree.merge(self.nodes(), OBJECTS, base, left, right)), 1

    def iterate(self) -> Work:
        base = self.root("base")
        return lambda: drain(tree.iterate(self.nodes(), OBJECTS, base)), self.count

    def get(self) -> Work:
        """Anywhere in the tree, with room for all of it in memory."""
        base, nodes = self.root("base"), self.nodes(512 << 20)
        for number in range(0, self.count, 500):
            tree.get(nodes, OBJECTS, base, path_of(number))
        rng = random.Random(3)
        wanted = [path_of(rng.randrange(self.count)) for _ in range(LOOKUPS)]

        def look_up() -> None:
            for path in wanted:
                if tree.get(nodes, OBJECTS, base, path) is None:
                    raise AssertionError(path)

        return look_up, LOOKUPS


STEPS = {
    "build, each entry": Bench.build,
    "apply 1,000 changes": Bench.apply,
    "apply 1,000 others": Bench.apply_other,
    "diff, 1,000 apart": Bench.diff,
    "merge, 2 times 1,000": Bench.merge,
    "iterate, each entry": Bench.iterate,
    "get, warm, each": Bench.get,
}


def run(step: str, folder: Path, count: int) -> Figure:
    """Runs one step; the imports that every process pays once are not counted."""
    import pyarrow.compute
    import pyarrow.parquet  # noqa: F401

    work, per = STEPS[step](Bench(folder, count))
    Path("/proc/self/clear_refs").write_text("5")
    before = peak_mb()
    started = time.perf_counter()
    work()
    return Figure((time.perf_counter() - started) / per, before, peak_mb())


def drain(items: Iterator[object]) -> None:
    for _ in items:
        pass


def peak_mb() -> float:
    """The highest resident memory since it was last cleared."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM:"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="100,000 entries, to see that it runs")
    parser.add_argument("--entries", type=int, default=None)
    parser.add_argument("--folder", type=Path, default=None)
    options = parser.parse_args()
    entries = options.entries or (100_000 if options.quick else 1_000_000)
    print(f"{'':22} {'10,000':>12} {entries:>12,} {'ratio':>7} {'before':>7} {'peak MB':>8}")
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for step in STEPS:
            figures = []
            for count in (10_000, entries):
                place = Path(folder, str(count))
                place.mkdir(exist_ok=True)
                with ProcessPoolExecutor(1, mp_context=spawn) as pool:
                    figures.append(pool.submit(run, step, place, count).result())
            small, large = figures
            print(
                f"{step:22} {small.seconds * 1e3:>9.4f} ms {large.seconds * 1e3:>9.4f} ms "
                f"{large.seconds / small.seconds:>7.2f} {large.before_mb:>7.0f} {large.peak_mb:>8.0f}"
            )


if __name__ == "__main__":
    main()

"""Times trees on a local folder, durable writes and all, at 10,000 entries and at 1,000,000, and prints the ratio.

    python tests/bench/bench_trees.py [--entries 1000000] [--folder DIR]

"cold" means a fresh process cache (files may be in the operating system's); peak is the process's resident memory.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from lakegate import tree
from lakegate.format.kinds import OBJECTS
from lakegate.ids import NodeId
from lakegate.manifests import Manifests
from lakegate.model import Entry
from lakegate.objectstore.local import LocalStore

CHANGES = 1000
LOOKUPS = 20_000


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


@dataclass
class Figure:
    seconds: float
    peak_mb: float


class Clock:
    def __init__(self) -> None:
        self.figures: dict[str, Figure] = {}

    def time(self, name: str, work: Callable[[], object], per: int = 1) -> None:
        Path("/proc/self/clear_refs").write_text("5")
        started = time.perf_counter()
        work()
        self.figures[name] = Figure((time.perf_counter() - started) / per, peak_mb())


def peak_mb() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run(folder: Path, count: int) -> dict[str, Figure]:
    store = LocalStore(folder)
    clock = Clock()
    roots: dict[str, NodeId] = {}

    def fresh() -> Manifests:
        return Manifests(store)

    def build() -> None:
        roots["base"] = tree.build(fresh().nodes, OBJECTS, map(entry_of, range(count)))

    def apply(name: str, generation: int) -> None:
        roots[name] = tree.apply(fresh().nodes, OBJECTS, roots["base"], changes_of(count, generation))

    def drain(items: Iterator[object]) -> None:
        for _ in items:
            pass

    clock.time("build, each entry", build, per=count)
    clock.time("apply 1,000 changes, cold", lambda: apply("left", 1))
    apply("right", 2)
    clock.time("diff, cold", lambda: drain(tree.diff(fresh().nodes, OBJECTS, roots["base"], roots["left"])))
    clock.time(
        "merge, cold",
        lambda: drain(tree.merge(fresh().nodes, OBJECTS, roots["base"], roots["left"], roots["right"])),
    )
    clock.time("iterate, each entry", lambda: drain(tree.iterate(fresh().nodes, OBJECTS, roots["base"])), per=count)
    nodes = Manifests(store, cache_bytes=512 << 20).nodes
    drain(tree.iterate(nodes, OBJECTS, roots["base"], after=path_of(count - 2)))
    wanted = [path_of(random.Random(3).randrange(count)) for _ in range(LOOKUPS)]
    random.Random(4).shuffle(wanted)
    everywhere = [path_of(n) for n in range(0, count, 1000)]
    for path in everywhere:
        tree.get(nodes, OBJECTS, roots["base"], path)

    def look_up() -> None:
        for path in wanted:
            if tree.get(nodes, OBJECTS, roots["base"], path) is None:
                raise AssertionError(path)

    clock.time("get, warm, each", look_up, per=LOOKUPS)
    return clock.figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, default=None)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        small = run(Path(folder, "small"), 10_000)
        large = run(Path(folder, "large"), options.entries)
    print(f"{'':28} {'10,000':>12} {options.entries:>12,} {'ratio':>8} {'peak MB':>8}")
    for name, figure in large.items():
        before = small[name]
        print(
            f"{name:28} {before.seconds * 1e3:>9.4f} ms {figure.seconds * 1e3:>9.4f} ms "
            f"{figure.seconds / before.seconds:>8.1f} {figure.peak_mb:>8.0f}"
        )


if __name__ == "__main__":
    main()

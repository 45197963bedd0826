"""What the benchmarks share: a step in a process of its own, its time, and the peak of its resident memory."""

from __future__ import annotations

import gc
import multiprocessing
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Measured:
    """Seconds of each run, the highest resident memory before the work and during it, MB, and the processor's seconds
    in all threads, of all runs together."""

    seconds: tuple[float, ...]
    before_mb: float
    peak_mb: float
    note: str = ""
    cpu: float = 0.0

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def in_process(function: Callable[..., T], *arguments: Any) -> T:
    """Runs a function of a module in a fresh process, so that no step warms another's caches."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def measured(runs: Sequence[Callable[[], object]], note: Callable[[], str] = lambda: "") -> Measured:
    """Times each run, one after the other, in this process."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    before = peak_mb()
    seconds: list[float] = []
    cpu = time.process_time()
    for run in runs:
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    cpu = time.process_time() - cpu
    return Measured(tuple(seconds), before, peak_mb(), note(), cpu)


def peak_mb() -> float:
    """The highest resident memory of this process since it was last cleared."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM:"))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; all columns but the first are right-aligned."""
    lines = [f"| {' | '.join(head)} |", f"|---|{'---:|' * (len(head) - 1)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])

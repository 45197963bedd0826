"""Times short calls of the command line as a shell makes them: each a process of its own, on a lake in a folder.

    python tests/bench/bench_cli.py [--quick]

The goals: `lakegate --version` within 150 ms, `lakegate branch create` on an embedded lake within 0.6 s. Python's
compiled files are written by a first call that is not counted (an environment that forbids them, such as
PYTHONDONTWRITEBYTECODE, has every call compile all that it imports; it is taken out here). "processor ms" is what one
call costs, whatever else the machine does.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from measure import table

SCRIPT = Path(sys.executable).with_name("lakegate")
CALLS: dict[str, tuple[tuple[str, ...], float | None]] = {
    "lakegate --version": (("--version",), 0.150),
    "lakegate branch create sales/NAME": (("branch", "create", "sales/{}"), 0.600),
    "lakegate branch list sales": (("branch", "list", "sales"), None),
    "lakegate log sales/main": (("log", "sales/main"), None),
    "lakegate ls sales/main/": (("ls", "sales/main/"), None),
    "lakegate --help": (("--help",), None),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    runs = 3 if parser.parse_args().quick else 15
    with tempfile.TemporaryDirectory() as folder:
        call(folder, "init")
        call(folder, "repo", "create", "sales")
        rows = [row(folder, name, runs) for name in CALLS]
        bare = [timed([sys.executable, "-c", "pass"], folder) for _ in range(runs)]
    rows.append(["`python -c pass`", *shown(bare), "", ""])
    print(table(["call", "median ms", "fastest ms", "slowest ms", "processor ms", "goal ms", "reached"], rows))
    return 0


def row(folder: str, name: str, runs: int) -> list[str]:
    arguments, goal = CALLS[name]
    calls = []
    for number in range(runs + 1):
        command = [str(SCRIPT), *(argument.format(f"b{number}") for argument in arguments)]
        calls.append(timed(command, folder))
    counted = calls[1:]
    median = statistics.median(call.wall for call in counted)
    reached = "" if goal is None else "yes" if median <= goal else "no"
    return [f"`{name}`", *shown(counted), "" if goal is None else f"{goal * 1000:.0f}", reached]


@dataclass(frozen=True)
class Call:
    """Seconds by the clock, and of the processor."""

    wall: float
    processor: float


def shown(calls: list[Call]) -> list[str]:
    walls = [call.wall for call in calls]
    values = (statistics.median(walls), min(walls), max(walls), statistics.median(call.processor for call in calls))
    return [f"{value * 1000:.0f}" for value in values]


def call(folder: str, *arguments: str) -> None:
    timed([str(SCRIPT), *arguments], folder)


def timed(command: list[str], folder: str) -> Call:
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("LAKEGATE_") and name != "PYTHONDONTWRITEBYTECODE"
    }
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, check=True)
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Call(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


if __name__ == "__main__":
    sys.exit(main())

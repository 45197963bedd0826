"""Runs every benchmark of this folder, one after the other, and writes what they print into docs/benchmarks.md.

    python tests/bench/run.py [--quick] [NAME ...]

A benchmark is a script `bench_NAME.py` that takes `--quick` and prints Markdown. A quick run, or one of some only,
prints and writes nothing.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs/benchmarks.md"
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    parts = [described()]
    failed: list[str] = []
    for script in sorted(HERE.glob("bench_*.py")):
        name = script.stem.removeprefix("bench_")
        if options.names and name not in options.names:
            continue
        print(f"## {name}", flush=True)
        command = [sys.executable, str(script), *(["--quick"] if options.quick else [])]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        print(done.stdout, flush=True)
        if done.returncode:
            failed.append(name)
        body = done.stdout.strip()
        text = body if body.startswith(("|", "#")) else f"```\n{body}\n```"
        parts.append(f"### `tests/bench/{script.name}`\n\n{text}")
    if not (options.quick or options.names or failed):
        page = PAGE.read_text(encoding="utf-8")
        before, after = page.split(BEGIN)[0], page.split(END)[1]
        PAGE.write_text(f"{before}{BEGIN}\n\n" + "\n\n".join(parts) + f"\n\n{END}{after}", encoding="utf-8")
        print(f"Written to {PAGE.relative_to(Path.cwd())}.")
    for name in failed:
        print(f"The benchmark {name} failed.", file=sys.stderr)
    return 1 if failed else 0


def described() -> str:
    load = os.getloadavg()[0]
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"{platform.system()} {platform.machine()}; load average when it began: {load:.1f}."
    )


if __name__ == "__main__":
    sys.exit(main())

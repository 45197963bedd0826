"""How answers look: tables for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.progress import Progress as ProgressBar
from rich.table import Table
from rich.text import Text

from lakegate.errors import LakegateError, MergeConflict
from lakegate.model import Progress

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


def time_of(milliseconds: int) -> str:
    """Writes a time as people read it, UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def show_json(value: Any) -> None:
    """Prints a model, or a sequence of them, as JSON."""
    json.dump(_plain(value), sys.stdout, indent=2, ensure_ascii=False, default=str)
    sys.stdout.write("\n")


def show_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Prints rows under headings on a terminal, and plain lines of tab-separated values elsewhere."""
    if not console.is_terminal:
        for row in rows:
            sys.stdout.write("\t".join(str(value) for value in row) + "\n")
        return
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(Text(str(value)) for value in row))
    console.print(table)


def say(text: str) -> None:
    """Prints one line."""
    sys.stdout.write(text + "\n")


@contextmanager
def counted(what: str) -> Generator[Progress, None, None]:
    """Shows how far long work is: a bar on a terminal, nothing elsewhere."""
    with ProgressBar(console=errors, disable=not errors.is_terminal, transient=True) as bar:
        task = bar.add_task(what, total=None)

        def report(done: int, total: int | None) -> None:
            bar.update(task, completed=done, total=total)

        yield report


def show_error(error: LakegateError, as_json: bool) -> None:
    """Prints an error in one line, each conflict of a merge in one more."""
    if as_json:
        body: dict[str, Any] = {"code": error.kind, "message": error.message, "hint": error.hint}
        body["details"] = error.details
        if isinstance(error, MergeConflict):
            body["conflicts"] = [asdict(conflict) for conflict in error.conflicts]
        show_json(body)
        return
    errors.print(Text(f"error: {error}"), soft_wrap=True)
    if isinstance(error, MergeConflict):
        for conflict in error.conflicts:
            errors.print(Text(f"  {conflict.kind}: {conflict.message} {conflict.hint}"), soft_wrap=True)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value

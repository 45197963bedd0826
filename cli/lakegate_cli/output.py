"""How answers look: tables for people, JSON for programs, one line for an error.

On a terminal tables have columns; elsewhere headings and rows are lines of tab-separated values, so that `cut`, `awk`
and spreadsheets work. Nothing is ever cut short. Control characters, which a terminal would obey, are written as
`\\x1b`, but for newlines and tabs; JSON has its own way. Rich is imported only where something is drawn on a terminal.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TextIO, TypeVar

from lakegate.errors import LakegateError, MergeConflict
from lakegate.model import Page

T = TypeVar("T")

_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if code not in (0x09, 0x0A)}
_UNCUT = 100_000  # columns: what is wider than the terminal runs on in its next line


def time_of(milliseconds: int) -> str:
    """Writes a time as people read it, UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def size_of(count: int) -> str:
    """Writes a number of bytes as people read it: 12 B, 4.2 MB."""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{count} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def number(count: int | None) -> str:
    """Writes a count, "?" where it is not known."""
    return "?" if count is None else f"{count:,}"


def many(count: int | None, noun: str, plural: str = "") -> str:
    """Writes a count with its noun: "1 object", "2,000 objects"."""
    return f"{number(count)} {noun if count == 1 else plural or f'{noun}s'}"


def short(commit: str) -> str:
    """The first digits of a commit id: enough to name it."""
    return commit[:12]


def show_json(body: Any) -> None:
    """Prints JSON."""
    json.dump(body, sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")


def show_table(columns: Sequence[str], rows: Sequence[Sequence[object]], stream: TextIO | None = None) -> None:
    """Prints rows under headings: in columns on a terminal, as lines of tab-separated values elsewhere. No rows, no
    headings."""
    if not rows:
        return
    out: TextIO = sys.stdout if stream is None else stream
    if not out.isatty():
        for row in (columns, *rows):
            out.write("\t".join(_one_line(_harmless(value)) for value in row) + "\n")
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(Text(_harmless(value)) for value in row))
    # Rich heeds a width on every terminal only where a height comes with it.
    Console(file=out, highlight=False, width=_UNCUT, height=1).print(table)


def show_fields(fields: Sequence[tuple[str, object]]) -> None:
    """Prints names and values, one pair a line."""
    width = max((len(name) for name, _ in fields), default=0)
    for name, value in fields:
        sys.stdout.write(f"{_harmless(name).ljust(width)}  {_harmless(value)}\n")


def say(text: str) -> None:
    """Prints one line."""
    sys.stdout.write(_harmless(text) + "\n")


def warn(text: str) -> None:
    """Prints one line on standard error."""
    sys.stderr.write(_harmless(text) + "\n")


def warn_of(warnings: Sequence[str], branch: str, commit: str, *, merge: bool = False) -> None:
    """Prints what a commit on a branch (REPOSITORY/BRANCH) did to tables that may not be meant, and how to undo it."""
    undo = f"lakegate revert {branch} {short(commit)}{' --parent 1' if merge else ''}"
    for warning in warnings:
        warn(f"warning: {warning} To undo the commit: {undo}")


def more_of(page: Page[Any]) -> None:
    """Says how to go on where a listing has another page."""
    if page.has_more:
        warn(f"There is more: go on with --after '{page.next_after}'")


def show_error(error: LakegateError, as_json: bool) -> None:
    """Prints an error in one line, and below it the conflicts of a merge; as JSON, the body that REST answers."""
    if as_json:
        from lakegate_api.errors import error_body

        show_json(error_body(error))
        return
    sys.stdout.flush()
    warn(f"error: {_one_line(str(error))}")
    if isinstance(error, MergeConflict):
        from lakegate_cli.conflicts import show_conflicts

        show_conflicts(error.conflicts, on_error=True)


def pages(fetch: Callable[[str], Page[T]], amount: int, after: str = "") -> Page[T]:
    """Fetches up to `amount` items in as many pages as that takes."""
    items: list[T] = []
    while True:
        page = fetch(after)
        items += page.items
        after = page.next_after
        if not after or len(items) >= amount:
            return Page(tuple(items), after)


def _harmless(value: object) -> str:
    """A text as a terminal shows it and does not obey it."""
    return str(value).translate(_CONTROLS)


def _one_line(text: str) -> str:
    return " ".join(text.split("\n")).replace("\t", " ")

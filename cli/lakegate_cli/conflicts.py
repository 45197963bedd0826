"""How the conflicts of a merge are shown, and the rows in conflict written to files."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from lakegate.interface import Repository
from lakegate.model import Conflict, ConflictKind, Resolution, RowConflicts
from lakegate_cli.files import write_file
from lakegate_cli.output import show_table, size_of, warn
from lakegate_cli.rows import cell, form_of

_NAMED = 5


def show_conflicts(conflicts: Sequence[Conflict], *, on_error: bool = False) -> None:
    """Prints one line a conflict, and below it the first rows in conflict; with `on_error` on standard error."""
    stream = sys.stderr if on_error else sys.stdout
    for conflict in conflicts:
        told = f"{conflict.kind.value}: {conflict.message} {_about(conflict)} {conflict.hint}"
        stream.write(f"  {' '.join(told.split())}\n")
        if conflict.rows is not None:
            stream.write(f"  {_count(conflict.rows)}\n")
            show_table(("side", *conflict.rows.columns), _rows(conflict.rows), stream)


def write_conflicts(
    repository: Repository,
    refs: tuple[str, str],
    conflicts: Sequence[Conflict],
    resolutions: Sequence[Resolution],
    output: Path,
) -> None:
    """Writes all rows that the resolutions can't settle; of more than one table, each to a file that has the table in
    its name."""
    found = {conflict.path for conflict in conflicts if conflict.kind is ConflictKind.ROW_CHANGED}
    by_table = {asked.path.rstrip("/"): asked for asked in resolutions}
    asked_for = [table for table in by_table if table in found]
    for table, name in zip(asked_for, _file_names(output, asked_for), strict=True):
        path = output.with_name(name)
        size = write_file(path, repository.row_conflicts_file(*refs, by_table[table], form_of(output)))
        warn(f"Wrote the rows in conflict of {table} to {path} ({size_of(size)}).")


def _file_names(output: Path, tables: Sequence[str]) -> list[str]:
    """A name for each table, no two alike, not by case either: `a/b` and `a-b` would be, so that one gets a number."""
    if len(tables) == 1:
        return [output.name]
    names: dict[str, str] = {}
    for table in tables:
        stem = name = f"{output.stem}-{table.replace('/', '-')}"
        numbers = count(2)
        while name.casefold() in names:
            name = f"{stem}-{next(numbers)}"
        names[name.casefold()] = name
    return [name + output.suffix for name in names.values()]


def _about(conflict: Conflict) -> str:
    if conflict.partitions:
        files = f", {conflict.file_count:,} files" if conflict.file_count > 1 else ""
        return f"Partitions: {_first(conflict.partitions, len(conflict.partitions))}{files}."
    return f"Files: {_first(conflict.files, conflict.file_count)}." if conflict.files else ""


def _first(names: Sequence[str], count: int) -> str:
    more = count - len(names[:_NAMED])
    return ", ".join(names[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _count(rows: RowConflicts) -> str:
    key = f"by the key {', '.join(rows.key)}, with the columns {', '.join(rows.columns)}"
    if len(rows.first) < rows.count:
        return f"The first {len(rows.first)} of {rows.count:,} rows {key}; --conflicts FILE.parquet writes all:"
    return f"The {'row' if rows.count == 1 else f'{rows.count:,} rows'} {key}:"


def _rows(rows: RowConflicts) -> list[tuple[str, ...]]:
    """One line each for base, source and destination."""
    shown: list[tuple[str, ...]] = []
    for conflict in rows.first:
        for side, values in (
            ("base", conflict.base),
            ("source", conflict.source),
            ("destination", conflict.destination),
        ):
            if values is None:
                blank = ("",) * (len(rows.columns) - len(conflict.key))
                shown.append((f"{side} (no row)", *(cell(value) for value in conflict.key), *blank))
            else:
                shown.append((side, *(cell(value) for value in values)))
    return shown

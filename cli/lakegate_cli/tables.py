"""How tables, their differences and what became of them are shown."""

from __future__ import annotations

from collections.abc import Sequence

from lakegate.model import TableChange, TableDiff, TableVersion
from lakegate_cli.output import number, say, show_table, size_of


def version_of(table: TableVersion | None) -> str:
    """The Delta version, or "-" where there is none."""
    return "-" if table is None or table.version is None else str(table.version)


def show_tables(tables: Sequence[TableVersion]) -> None:
    """Prints one row a table."""
    rows = [
        (
            table.path,
            table.format.value,
            version_of(table),
            number(table.rows),
            number(table.files),
            size_of(table.bytes),
        )
        for table in tables
    ]
    show_table(("table", "format", "version", "rows", "files", "size"), rows)


def show_table_diffs(diffs: Sequence[TableDiff]) -> None:
    """Prints one row a table that differs, and below them what changed of schemas and which operations did it."""
    if not diffs:
        return
    rows = [
        (
            diff.kind.value,
            diff.path,
            f"{version_of(diff.left)} -> {version_of(diff.right)}",
            f"+{number(diff.rows_added)} -{number(diff.rows_removed)} rows",
            f"+{number(diff.files_added)} -{number(diff.files_removed)} files",
        )
        for diff in diffs
    ]
    show_table(("change", "table", "version", "rows in files", "files"), rows)
    for diff in diffs:
        if diff.reason:
            say(f"  {diff.path}: {diff.reason}")
        for change in diff.schema_changes:
            say(f"  {diff.path}: {change}")
        if diff.operations:
            say(f"  {diff.path}: by {', '.join(diff.operations)}")


def show_table_changes(changes: Sequence[TableChange]) -> None:
    """Prints what a merge or rollback does to each table."""
    if not changes:
        return
    rows = [
        (
            change.outcome.value,
            change.path,
            f"{_version(change.from_version)} -> {_version(change.to_version)}",
            *_counts(change),
            change.note,
        )
        for change in changes
    ]
    show_table(("outcome", "table", "version", "rows", "files", "size", "note"), rows)


def _counts(change: TableChange) -> tuple[str, str, str]:
    if change.files_added is None:
        return ("", "", "")
    return (
        f"+{number(change.rows_added)} -{number(change.rows_removed)} rows",
        f"+{number(change.files_added)} -{number(change.files_removed)} files",
        f"+{size_of(change.bytes_added or 0)} -{size_of(change.bytes_removed or 0)}",
    )


def _version(version: int | None) -> str:
    return "-" if version is None else str(version)

"""How rows of tables that differ, and profiles of columns, are shown and written to files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from lakegate.client.wire.rows import partition_diff_to_json, profile_to_json, row_diff_to_json
from lakegate.errors import ErrorKind, InvalidInput, NotOffered
from lakegate.interface import Repository
from lakegate.model import (
    MAX_PAGE,
    ColumnStatistics,
    PartitionDiff,
    RowChangeKind,
    RowDiff,
    RowDiffRequest,
    RowFormat,
    TableProfile,
)
from lakegate_cli.files import write_file
from lakegate_cli.output import many, number, say, show_json, show_table, size_of, warn

Rows = Annotated[bool, typer.Option("--rows", help="Show the rows of tables that differ")]
Profile = Annotated[bool, typer.Option("--profile", help="Show the columns of tables before and after")]
Partitions = Annotated[bool, typer.Option("--partitions", help="Show the partitions of tables that differ")]
TableOption = Annotated[str, typer.Option("--table", help="Only this table [default: each that differs]")]
Key = Annotated[
    list[str] | None, typer.Option("--key", help="A column that tells rows apart; may be repeated, or a,b,c")
]
Limit = Annotated[
    int | None, typer.Option("--limit", help="With --rows: at most so many [default: 100]", min=0, max=MAX_PAGE)
]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="Write all rows to a file: .parquet, .csv or .jsonl")
]

_PARTITION_COLUMNS = ("partition", "rows", "files", "size")
_SHOWN = 100  # rows of a table, where --limit says no other
_MARKS = {RowChangeKind.ADDED: "+", RowChangeKind.REMOVED: "-"}
_FORMS = {
    ".parquet": RowFormat.PARQUET,
    ".csv": RowFormat.CSV,
    ".jsonl": RowFormat.JSONL,
    ".ndjson": RowFormat.JSONL,
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of the tables that differ, beyond their list."""

    rows: bool = False
    profile: bool = False
    partitions: bool = False
    table: str = ""
    prefix: str = ""
    key: tuple[str, ...] = ()
    limit: int | None = None
    output: Path | None = None

    @property
    def is_any(self) -> bool:
        """Whether more is asked for than the list."""
        return self.rows or self.profile or self.partitions or self.output is not None


def require_used(asked: Asked) -> None:
    """Raises typer.BadParameter for an option that would do nothing beside the others."""
    shown = [
        option
        for option, given in (
            ("--rows", asked.rows),
            ("--profile", asked.profile),
            ("--partitions", asked.partitions),
        )
        if given
    ]
    to_file = asked.output is not None
    if to_file and set(shown) - {"--rows"}:
        raise typer.BadParameter(f"--output writes the rows that differ: {shown[-1]} can't go with it.")
    if asked.limit is not None and (to_file or not asked.rows):
        raise typer.BadParameter("--limit goes with --rows, without --output, which writes all of them.")
    if asked.key and not (asked.rows or to_file):
        raise typer.BadParameter("--key goes with --rows or --output.")
    if asked.table and not asked.is_any:
        raise typer.BadParameter("--table goes with --rows, --profile, --partitions or --output.")


def key_of(given: Sequence[str] | None) -> tuple[str, ...]:
    """The columns of a key: each option names one, or several between commas."""
    return tuple(name for item in given or () for name in item.split(",") if name)


def require_committed(asked: Asked, three_dot: bool = False) -> None:
    """Refuses what is told of two commits only, where one ref is given. Raises InvalidInput, NotOffered."""
    if three_dot:
        raise InvalidInput(
            ErrorKind.INVALID_ARGUMENT, "--three-dot needs two refs.", hint="Name the one to compare with."
        )
    if asked.is_any:
        raise NotOffered(
            "Rows, profiles and partitions of uncommitted changes are not offered.",
            hint="Commit them, then compare BRANCH~1 with BRANCH.",
        )


def form_of(path: Path) -> RowFormat:
    """The format that a file's name asks for. Raises InvalidInput(INVALID_ARGUMENT)."""
    form = _FORMS.get(path.suffix.lower())
    if form is None:
        raise InvalidInput(
            ErrorKind.INVALID_ARGUMENT,
            f"The name {path.name!r} does not say how rows are to be written.",
            hint="Let it end with .parquet, .csv or .jsonl.",
        )
    return form


def show_asked(repository: Repository, left: str, right: str, asked: Asked, as_json: bool) -> None:
    """Shows what is asked of the tables that differ; with an output, writes the rows of one table."""
    if asked.output is not None:
        form = form_of(asked.output)
        table = _only(list(_tables(repository, left, right, asked)))
        request = RowDiffRequest(table, asked.key)
        size = write_file(asked.output, repository.row_diff_file(left, right, request, form))
        if as_json:
            show_json({"table": table, "file": str(asked.output), "bytes": size})
        else:
            say(f"Wrote the rows of {table} that differ to {asked.output} ({size_of(size)}).")
        return
    answers: list[dict[str, Any]] = []
    for table in _tables(repository, left, right, asked):
        answer: dict[str, Any] = {"table": table}
        if asked.partitions:
            parts = repository.table_partitions(left, right, table)
            answer["partitions"] = [partition_diff_to_json(part) for part in parts]
            if not as_json:
                _show_partitions(table, parts)
        if asked.profile:
            profile = repository.table_profile(left, right, table)
            answer["profile"] = profile_to_json(profile)
            if not as_json:
                _show_profile(profile)
        if asked.rows:
            diff = repository.row_diff(
                left, right, RowDiffRequest(table, asked.key, _SHOWN if asked.limit is None else asked.limit)
            )
            answer["rows"] = row_diff_to_json(diff)
            if not as_json:
                _show_rows(diff)
        answers.append(answer)
    if as_json:
        show_json({"results": answers})


def cell(value: Any) -> str:
    """A value as a cell of a table."""
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list | bool) else str(value)


def _tables(repository: Repository, left: str, right: str, asked: Asked) -> Iterator[str]:
    if asked.table:
        yield asked.table.rstrip("/")
        return
    after = ""
    while True:
        page = repository.table_diff(left, right, asked.prefix, after, MAX_PAGE)
        yield from (diff.path for diff in page.items)
        after = page.next_after
        if not after:
            return


def _only(tables: list[str]) -> str:
    if len(tables) != 1:
        raise InvalidInput(
            ErrorKind.INVALID_ARGUMENT,
            f"{len(tables)} tables differ, and a file holds the rows of one.",
            hint="Name it with --table." if tables else "There is nothing to write.",
        )
    return tables[0]


def _show_rows(diff: RowDiff) -> None:
    counts = f"{many(diff.added, 'row')} added, {number(diff.removed)} removed"
    say(f"{diff.path}: {counts}" + (f", {number(diff.updated)} updated" if diff.key else ""))
    for line in (*diff.schema_changes, *diff.notes):
        say(f"  {line}")
    rows: list[tuple[str, ...]] = []
    for change in diff.rows:
        if change.left is not None and change.right is not None:
            pairs = zip(change.left, change.right, strict=True)
            rows.append(("~", *(cell(a) if a == b else f"{cell(a)} -> {cell(b)}" for a, b in pairs)))
        else:
            times = f" x{change.count}" if change.count > 1 else ""
            values = change.right if change.left is None else change.left
            rows.append((_MARKS[change.kind] + times, *(cell(value) for value in values or ())))
    show_table(("", *diff.columns), rows)
    if sum(change.count for change in diff.rows) < diff.added + diff.removed + diff.updated:
        warn("There are more rows: raise --limit, or write all with --output FILE.")


def _show_profile(profile: TableProfile) -> None:
    say(f"{profile.path}: {_count(profile.left_rows)} -> {_count(profile.right_rows)} rows")
    rows: list[tuple[str, ...]] = []
    for column in profile.columns:
        sides = [_statistics(side) for side in (column.left, column.right)]
        kind = column.type if column.left_type is None else f"{column.left_type} -> {column.type}"
        rows.append((column.name, kind, *(_change(a, b) for a, b in zip(*sides, strict=True))))
    show_table(("column", "type", "nulls", "distinct (about)", "min", "max", "mean"), rows)


def _statistics(found: ColumnStatistics | None) -> tuple[str, ...]:
    if found is None:
        return ("",) * 5
    nulls = number(found.nulls) + (f" (and {found.nans:,} NaN)" if found.nans else "")
    mean = "" if found.mean is None else f"{found.mean:g}"
    return (nulls, number(found.distinct), cell(found.min), cell(found.max), mean)


def _change(left: str, right: str) -> str:
    return left if left == right else f"{left or '-'} -> {right or '-'}"


def _show_partitions(table: str, parts: Sequence[PartitionDiff]) -> None:
    if not any(part.values for part in parts):
        say(f"{table}: not partitioned")
        show_table(_PARTITION_COLUMNS[1:], [_part(part) for part in parts])
        return
    rows = [
        (
            "/".join(f"{name}={'null' if value is None else value}" for name, value in part.values.items()) or "(none)",
            *_part(part),
        )
        for part in parts
    ]
    say(f"{table}: {many(len(parts), 'partition')} {'differs' if len(parts) == 1 else 'differ'}")
    show_table(_PARTITION_COLUMNS, rows)


def _part(part: PartitionDiff) -> tuple[str, str, str]:
    return (
        f"+{number(part.rows_added)} -{number(part.rows_removed)} rows",
        f"+{part.files_added} -{part.files_removed} files",
        f"+{size_of(part.bytes_added)} -{size_of(part.bytes_removed)}",
    )


def _count(rows: int | None) -> str:
    return "no" if rows is None else f"{rows:,}"

"""Rows of tables: their differences, and statistics of their columns."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from lakegate.model.tables import TableVersion


class RowChangeKind(StrEnum):
    ADDED = "added"
    REMOVED = "removed"
    UPDATED = "updated"


class RowFormat(StrEnum):
    """How all rows of a difference are written out."""

    PARQUET = "parquet"
    CSV = "csv"
    JSONL = "jsonl"


@dataclass(frozen=True, slots=True)
class RowDiffRequest:
    """Which rows to compare.

    table  the table's folder
    key    columns that tell rows apart: a row with the same key and other values is updated. Without a key, rows are
           compared by content, as a multiset: a row that stands twice on one side and once on the other differs once
    limit  the most rows to answer with (0 to 1,000); counts are of all
    """

    table: str
    key: tuple[str, ...] = ()
    limit: int = 100


@dataclass(frozen=True, slots=True)
class RowChange:
    """One row that differs: an added one has no `left`, a removed one no `right`, an updated one both. Values are
    JSON-ready as `TablePreview` has them, in the order of `RowDiff.columns`. `count` says how often an added or removed
    row stands (more than once only without a key)."""

    kind: RowChangeKind
    left: tuple[Any, ...] | None = None
    right: tuple[Any, ...] | None = None
    count: int = 1


@dataclass(frozen=True, slots=True)
class RowDiff:
    """How the rows of one table differ between two refs. Only data files that differ were read.

    left, right      the table versions; None: there is no such table
    columns          that were compared and are shown: those of the right side (of the left, where the right has no
                     table). A column that the left lacks is null there; one that the right lacks is left out
    schema_changes   in words, as `TableDiff` has them
    added, removed, updated  counts of all rows, not only those in `rows`
    files_left, files_right  how many data files were read on each side
    notes            what to know of the comparison, in words
    """

    path: str
    left: TableVersion | None
    right: TableVersion | None
    key: tuple[str, ...]
    columns: tuple[str, ...]
    added: int
    removed: int
    updated: int
    rows: tuple[RowChange, ...]
    schema_changes: tuple[str, ...] = ()
    files_left: int = 0
    files_right: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ColumnStatistics:
    """What one column holds. Values are JSON-ready as `TablePreview` has them; None where there is no such value.

    nulls     how many values are null
    nans      how many are not a number; they count in nothing else but `distinct`
    distinct  how many different values; within some percent (a HyperLogLog sketch) above 1,000,000 rows
    min, max  of a column of numbers, texts or moments
    mean      of a column of numbers
    """

    nulls: int
    distinct: int | None
    min: Any = None
    max: Any = None
    mean: float | None = None
    nans: int = 0


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """One column before and after; None: the side has no such column. `type` is in words, the right side's first;
    `left_type` is the left side's where both have the column and it is another, else None."""

    name: str
    type: str
    left: ColumnStatistics | None
    right: ColumnStatistics | None
    left_type: str | None = None


@dataclass(frozen=True, slots=True)
class TableProfile:
    """The columns of one table on two refs, side by side. Row counts are None where the side has no table."""

    path: str
    left_rows: int | None
    right_rows: int | None
    columns: tuple[ColumnProfile, ...]

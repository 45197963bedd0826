"""Rows of tables: differences, conflicts, profiles, partitions."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from lakegate_api.rest.models.base import Answer
from lakegate_api.rest.models.tables import Table


class RowChange(Answer):
    """A row that differs. Values stand in the order of `columns`, as a preview has them."""

    type: str = Field(description="`added`, `removed` or, with a key, `updated`.")
    left: list[Any] | None
    right: list[Any] | None
    count: int


class RowDiff(Answer):
    path: str
    left: Table | None
    right: Table | None
    key: list[str]
    columns: list[str]
    added: int
    removed: int
    updated: int
    rows: list[RowChange]
    schema_changes: list[str]
    files_left: int = Field(description="How many data files were read on this side.")
    files_right: int
    notes: list[str]


class ColumnStatistics(Answer):
    nulls: int
    distinct: int | None = Field(description="About how many different values.")
    min: Any
    max: Any
    mean: float | None
    nans: int


class ColumnProfile(Answer):
    name: str
    type: str
    left_type: str | None = Field(description="The type before, where it was another.")
    left: ColumnStatistics | None
    right: ColumnStatistics | None


class TableProfile(Answer):
    path: str
    left_rows: int | None
    right_rows: int | None
    columns: list[ColumnProfile]


class PartitionDiff(Answer):
    values: dict[str, str | None]
    files_added: int
    files_removed: int
    rows_added: int | None
    rows_removed: int | None
    bytes_added: int
    bytes_removed: int


class PartitionDiffList(Answer):
    results: list[PartitionDiff]

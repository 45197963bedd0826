"""Differences of rows, profiles of columns and differences of partitions in JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from lakegate.client.wire.nouns import Json
from lakegate.client.wire.tables import table_from_json, table_to_json
from lakegate.model import (
    ColumnProfile,
    ColumnStatistics,
    PartitionDiff,
    RowChange,
    RowChangeKind,
    RowConflict,
    RowConflicts,
    RowDiff,
    TableProfile,
)


def row_diff_to_json(diff: RowDiff) -> Json:
    return {
        "path": diff.path,
        "left": None if diff.left is None else table_to_json(diff.left),
        "right": None if diff.right is None else table_to_json(diff.right),
        "key": list(diff.key),
        "columns": list(diff.columns),
        "added": diff.added,
        "removed": diff.removed,
        "updated": diff.updated,
        "rows": [
            {"type": row.kind.value, "left": _listed(row.left), "right": _listed(row.right), "count": row.count}
            for row in diff.rows
        ],
        "schema_changes": list(diff.schema_changes),
        "files_left": diff.files_left,
        "files_right": diff.files_right,
        "notes": list(diff.notes),
    }


def row_diff_from_json(body: Json) -> RowDiff:
    return RowDiff(
        path=body["path"],
        left=None if body["left"] is None else table_from_json(body["left"]),
        right=None if body["right"] is None else table_from_json(body["right"]),
        key=tuple(body["key"]),
        columns=tuple(body["columns"]),
        added=body["added"],
        removed=body["removed"],
        updated=body["updated"],
        rows=tuple(
            RowChange(RowChangeKind(row["type"]), _row(row["left"]), _row(row["right"]), row["count"])
            for row in body["rows"]
        ),
        schema_changes=tuple(body["schema_changes"]),
        files_left=body["files_left"],
        files_right=body["files_right"],
        notes=tuple(body["notes"]),
    )


def row_conflicts_to_json(found: RowConflicts) -> Json:
    return {
        "key": list(found.key),
        "columns": list(found.columns),
        "count": found.count,
        "first": [
            {
                "key": list(row.key),
                "base": _listed(row.base),
                "source": _listed(row.source),
                "destination": _listed(row.destination),
            }
            for row in found.first
        ],
    }


def row_conflicts_from_json(body: Json) -> RowConflicts:
    return RowConflicts(
        tuple(body["key"]),
        tuple(body["columns"]),
        body["count"],
        tuple(
            RowConflict(tuple(row["key"]), _row(row["base"]), _row(row["source"]), _row(row["destination"]))
            for row in body["first"]
        ),
    )


def profile_to_json(profile: TableProfile) -> Json:
    return {
        "path": profile.path,
        "left_rows": profile.left_rows,
        "right_rows": profile.right_rows,
        "columns": [
            {
                "name": column.name,
                "type": column.type,
                "left_type": column.left_type,
                "left": None if column.left is None else asdict(column.left),
                "right": None if column.right is None else asdict(column.right),
            }
            for column in profile.columns
        ],
    }


def profile_from_json(body: Json) -> TableProfile:
    return TableProfile(
        body["path"],
        body["left_rows"],
        body["right_rows"],
        tuple(
            ColumnProfile(
                column["name"],
                column["type"],
                None if column["left"] is None else ColumnStatistics(**column["left"]),
                None if column["right"] is None else ColumnStatistics(**column["right"]),
                column.get("left_type"),
            )
            for column in body["columns"]
        ),
    )


def partition_diff_to_json(diff: PartitionDiff) -> Json:
    return asdict(diff)


def partition_diff_from_json(body: Json) -> PartitionDiff:
    return PartitionDiff(**body)


def _listed(row: tuple[Any, ...] | None) -> list[Any] | None:
    return None if row is None else list(row)


def _row(values: list[Any] | None) -> tuple[Any, ...] | None:
    return None if values is None else tuple(values)

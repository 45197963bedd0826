"""The columns in which a merge of rows by key sees a table's base, source and destination.

The destination's columns are those of the result. Rows are compared over the columns that all sides have; a column that
the destination alone added keeps its values there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lakegate.engine.frame import (
    Frame,
    FrameColumn,
    SideColumn,
    View,
    aligned,
    counterpart,
    has_ids,
    key_not_found,
    plain_type,
)
from lakegate.errors import ErrorKind, Refused
from lakegate.model import TableVersion
from lakegate.tables.schema import Field, Struct, parse_schema, type_words

_CONSTRAINT = "delta.constraints."
_GENERATED = "delta.generationExpression"
_INVARIANT = "delta.invariants"
_IDENTITY = "delta.identity."

_Compared = tuple[int, FrameColumn, FrameColumn]
"""A column that all sides have: its position in the destination's schema, from the base to the source, and from the
base to the destination."""


@dataclass(frozen=True, slots=True)
class Versions:
    """A table on the three sides; `base` is None where both made it."""

    base: View | None
    source: View
    destination: View


@dataclass(frozen=True, slots=True)
class ThreeWayFrame:
    """
    source, destination  from the base (left) to each side (right), over the compared columns, those of the key first
    key                  how many columns the key has
    extras               positions, in the destination's schema, of the columns that it alone has
    order                for each column of the destination's schema its place among the compared ones, None for extras
    """

    source: Frame
    destination: Frame
    key: int
    extras: tuple[int, ...]
    order: tuple[int | None, ...]
    schema: Struct

    @property
    def names(self) -> tuple[str, ...]:
        return self.destination.names


def three_way_frame(versions: Versions, key: Sequence[str]) -> ThreeWayFrame:
    """Lines up the sides. Raises InvalidInput(KEY_NOT_FOUND), Refused(ROWS_INCOMPATIBLE) where columns, types or rules
    for values differ so that a row of the source may be none of the destination."""
    before = versions.base.table if versions.base is not None else None
    compared, extras = line_up(before, versions.source.table, versions.destination.table)
    schema = parse_schema(versions.destination.table.schema)
    ordered = _key_first(versions.source.table.path, compared, key, tuple(part.name for part in schema.fields))
    places = {position: place for place, (position, _, _) in enumerate(ordered)}
    return ThreeWayFrame(
        Frame(tuple(column for _, column, _ in ordered)),
        Frame(tuple(column for _, _, column in ordered)),
        len(key),
        tuple(extras),
        tuple(places.get(position) for position in range(len(schema.fields))),
        schema,
    )


def line_up(
    before: TableVersion | None, source: TableVersion, destination: TableVersion
) -> tuple[list[_Compared], list[int]]:
    """Finds the compared columns, and the positions of those that the destination alone has. Raises as
    `three_way_frame`, whatever the key."""
    table = destination.path
    schema, theirs = parse_schema(destination.schema), parse_schema(source.schema)
    base = parse_schema(before.schema) if before is not None else None
    _check_rules(source, destination, theirs, schema)
    by_id = has_ids(schema) and has_ids(theirs)
    for part in theirs.fields:
        if counterpart(schema, part, by_id) is None:
            raise incompatible(table, f"the source has a column {part.name!r}, which the destination has not")
    compared: list[_Compared] = []
    extras: list[int] = []
    for position, part in enumerate(schema.fields):
        from_source = counterpart(theirs, part, by_id)
        at_base = counterpart(base, part, by_id and has_ids(base)) if base is not None else None
        if from_source is None:
            if at_base is not None:
                raise incompatible(table, f"the source dropped the column {part.name!r}, which the destination has")
            if not part.nullable:
                raise incompatible(table, f"the destination's new column {part.name!r} can't be null in new rows")
            extras.append(position)
            continue
        compared.append((position, *_columns(table, at_base, from_source, part)))
    return compared, extras


def incompatible(table: str, why: str) -> Refused:
    """Makes the error for rows of one side that may be none of the other."""
    return Refused(
        ErrorKind.ROWS_INCOMPATIBLE,
        f"The rows of the table {table!r} can't be merged by key: {why}.",
        hint="Bring the columns together on both branches first, or take the source or the destination.",
        details={"table": table},
    )


def _columns(table: str, before: Field | None, source: Field, part: Field) -> tuple[FrameColumn, FrameColumn]:
    kind = plain_type(part.type)
    sides: list[SideColumn] = []
    for field in (before, source):
        if field is None:
            sides.append(SideColumn(None, kind))
            continue
        pair = aligned(field.type, part.type)
        if pair is None or pair[1] != kind:
            words = f"{type_words(field.type)} and {type_words(part.type)}"
            raise incompatible(table, f"the column {part.name!r} has types that don't fit: {words}")
        sides.append(SideColumn(field.name, pair[0]))
    own = SideColumn(part.name, kind)
    return FrameColumn(part.name, kind, sides[0], sides[1]), FrameColumn(part.name, kind, sides[0], own)


def _key_first(table: str, compared: list[_Compared], key: Sequence[str], names: Sequence[str]) -> list[_Compared]:
    if not key:
        raise key_not_found(table, "", names, "names no column")
    front: list[_Compared] = []
    for name in key:
        found = next((item for item in compared if item[2].name == name), None)
        if found is None or found in front:
            why = "is named twice" if found is not None else "is not there on every side"
            raise key_not_found(table, name, names, why)
        front.append(found)
    return front + [item for item in compared if item not in front]


def _check_rules(source: TableVersion, destination: TableVersion, theirs: Struct, ours: Struct) -> None:
    """What must hold of every row must be the same on both sides: then a row that the source took is right here too."""
    if dict(_rules(source.properties, theirs)) != dict(_rules(destination.properties, ours)):
        raise incompatible(destination.path, "constraints, or columns that must not be null, differ between the sides")
    for part in ours.fields:
        if any(name.startswith(_IDENTITY) for name in part.metadata):
            raise incompatible(
                destination.path, f"{part.name!r} is an identity column, whose values both sides gave out by themselves"
            )


def _rules(properties: Mapping[str, str], schema: Struct) -> Iterator[tuple[str, Any]]:
    for name, text in properties.items():
        if name.startswith(_CONSTRAINT):
            yield name, text
    for part in schema.fields:
        found = {name: part.metadata[name] for name in (_GENERATED, _INVARIANT) if name in part.metadata}
        if found:
            yield f"column {part.name}", json.dumps(found, sort_keys=True)
        if not part.nullable:
            yield f"not null {part.name}", True

"""One set of columns for the two sides of a comparison.

The columns are those of the right side; the left side's rows are seen through them. So a column that was dropped makes
no row differ by itself, and a change of files (a compaction) after a change of schema is still no change of rows. A
column is the same by column mapping's id where both sides have ids, so that a rename changes no row; else by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lakegate.context import RepositoryContext
from lakegate.engine.forms import engine_type, to_engine
from lakegate.errors import ErrorKind, InvalidInput
from lakegate.model import FileEntry, TableVersion
from lakegate.snapshot import Snapshot
from lakegate.tables.conform import Matching, conform
from lakegate.tables.reader import ReadRequest, batches
from lakegate.tables.schema import (
    PHYSICAL_NAME,
    Array,
    DataType,
    Field,
    Map,
    Primitive,
    Struct,
    arrow_type,
    parse_schema,
    type_words,
)
from lakegate.tables.unify import promoted

if TYPE_CHECKING:
    import pyarrow as pa

_TEXT = Primitive("string")
_DOUBLE = Primitive("double")


@dataclass(frozen=True, slots=True)
class SideColumn:
    """Where one side has a column: `name` in its own table, None where it has none. `type` is the common one, in which
    fields that the side names otherwise carry its name."""

    name: str | None
    type: DataType


@dataclass(frozen=True, slots=True)
class FrameColumn:
    """One column of a comparison. `text` says that the sides' types don't fit together, so that values are compared as
    text; then each side goes into the engine as its own type."""

    name: str
    type: DataType
    left: SideColumn
    right: SideColumn
    text: bool = False


@dataclass(frozen=True, slots=True)
class Frame:
    columns: tuple[FrameColumn, ...]
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def positions(self, table: str, key: Sequence[str]) -> tuple[int, ...]:
        """Where the columns of a table's key are. Raises InvalidInput(KEY_NOT_FOUND) for one not on both sides."""
        if len(set(key)) != len(key):
            raise InvalidInput(ErrorKind.INVALID_ARGUMENT, "A key names a column twice.", hint="Name each once.")
        found: list[int] = []
        for name in key:
            position = next((i for i, column in enumerate(self.columns) if column.name == name), None)
            if position is None or None in (self.columns[position].left.name, self.columns[position].right.name):
                raise key_not_found(table, name, self.names)
            if self.columns[position].text:
                raise key_not_found(table, name, self.names, "has types on the two sides that don't fit together")
            found.append(position)
        return tuple(found)


def key_not_found(table: str, name: str, names: Iterable[str], why: str = "is not there on every side") -> InvalidInput:
    """Makes the error for a key that can't tell rows apart."""
    return InvalidInput(
        ErrorKind.KEY_NOT_FOUND,
        f"The column {name!r} can't be a key of the table {table!r}: it {why}.",
        hint="Name columns that all sides have: " + ", ".join(names) + ".",
        details={"table": table, "column": name},
    )


def frame_of(left: TableVersion | None, right: TableVersion | None) -> Frame:
    """The frame for two versions of a table; with one of them, its own columns."""
    old = parse_schema(left.schema) if left is not None else None
    new = parse_schema(right.schema) if right is not None else None
    if old is None or new is None:
        only = old or new or Struct()
        return Frame(tuple(_same(part) for part in only.fields))
    columns: list[FrameColumn] = []
    notes: list[str] = []
    by_id = has_ids(old) and has_ids(new)
    for part in new.fields:
        before = counterpart(old, part, by_id)
        columns.append(_column(before, part))
        if before is None:
            notes.append(f"The column {part.name!r} is null on the left side, which has no such column.")
        elif columns[-1].text:
            notes.append(
                f"The column {part.name!r} is compared as text: {type_words(before.type)} and {type_words(part.type)}."
            )
    for gone in old.fields:
        if counterpart(new, gone, by_id) is None:
            notes.append(f"The column {gone.name!r} is not compared: the right side has no such column.")
    return Frame(tuple(columns), tuple(notes))


def has_ids(struct: Struct) -> bool:
    """Tells whether every field has column mapping's id."""
    return bool(struct.fields) and all(part.id is not None for part in struct.fields)


def counterpart(struct: Struct, wanted: Field, by_id: bool) -> Field | None:
    """The field of another version of a struct that is the same column."""
    for candidate in struct.fields:
        if (candidate.id == wanted.id) if by_id else (candidate.name == wanted.name):
            return candidate
    return None


def _same(part: Field) -> FrameColumn:
    side = SideColumn(part.name, plain_type(part.type))
    return FrameColumn(part.name, side.type, side, side)


def _column(before: Field | None, part: Field) -> FrameColumn:
    if before is None:
        kind = plain_type(part.type)
        return FrameColumn(part.name, kind, SideColumn(None, kind), SideColumn(part.name, kind))
    pair = aligned(before.type, part.type)
    if pair is None:
        left, right = SideColumn(before.name, plain_type(before.type)), SideColumn(part.name, plain_type(part.type))
        return FrameColumn(part.name, _TEXT, left, right, text=True)
    return FrameColumn(part.name, pair[1], SideColumn(before.name, pair[0]), SideColumn(part.name, pair[1]))


def aligned(left: DataType, right: DataType) -> tuple[DataType, DataType] | None:
    """The common type of two, with the right's fields: as the left and as the right side find its parts. None where
    there is none."""
    match left, right:
        case Struct(), Struct():
            return _aligned_structs(left, right)
        case Array(), Array():
            element = aligned(left.element, right.element)
            return None if element is None else (Array(element[0]), Array(element[1]))
        case Map(), Map():
            key, value = aligned(left.key, right.key), aligned(left.value, right.value)
            return None if key is None or value is None else (Map(key[0], value[0]), Map(key[1], value[1]))
        case Primitive(), Primitive():
            kind = left if left == right else _promoted(left, right)
            return None if kind is None else (kind, kind)
        case _:
            return None


def _promoted(left: Primitive, right: Primitive) -> Primitive | None:
    # A double does not hold every long: two that differ might look the same.
    return None if "long" in (left.name, right.name) and promoted(left, right) == _DOUBLE else promoted(left, right)


def _aligned_structs(left: Struct, right: Struct) -> tuple[DataType, DataType] | None:
    by_id = has_ids(left) and has_ids(right)
    olds: list[Field] = []
    news: list[Field] = []
    for part in right.fields:
        before = counterpart(left, part, by_id)
        pair = aligned(before.type, part.type) if before is not None else (plain_type(part.type), plain_type(part.type))
        if pair is None:
            return None
        # A field that the left lacks is looked for under a name that no field has.
        olds.append(Field(part.name, pair[0], metadata={PHYSICAL_NAME: before.name if before is not None else ""}))
        news.append(Field(part.name, pair[1]))
    return Struct(tuple(olds)), Struct(tuple(news))


def plain_type(kind: DataType) -> DataType:
    """The type with nothing but names and types."""
    match kind:
        case Struct(fields):
            return Struct(tuple(Field(part.name, plain_type(part.type)) for part in fields))
        case Array(element):
            return Array(plain_type(element))
        case Map(key, value):
            return Map(plain_type(key), plain_type(value))
        case Primitive():
            return kind


# -- rows into the engine ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class View:
    """One table version, with the snapshot that holds its files."""

    ctx: RepositoryContext
    snapshot: Snapshot
    table: TableVersion


def engine_name(position: int) -> str:
    """The name of a column in the engine: table columns may differ by letter case only, there none can."""
    return f"c{position}"


def engine_rows(
    view: View | None, columns: Sequence[SideColumn], files: Iterable[FileEntry] | None = None
) -> pa.RecordBatchReader:
    """Streams rows of a table as the engine takes them, with the columns c0, c1, ...; of no table: no rows.

    Raises NotOffered for types that the engine can't hold, else as `lakegate.tables.reader.batches`.
    """
    import pyarrow as pa

    kinds = [arrow_type(column.type) for column in columns]
    schema = pa.schema([pa.field(engine_name(i), engine_type(kind)) for i, kind in enumerate(kinds)])
    if view is None:
        return pa.RecordBatchReader.from_batches(schema, iter(()))
    names = tuple(dict.fromkeys(column.name for column in columns if column.name is not None))
    rows = batches(view.ctx, view.snapshot, view.table, ReadRequest(names, files))
    places = {name: position for position, name in enumerate(names)}

    def framed() -> Iterator[pa.RecordBatch]:
        for batch in rows:
            arrays = [
                pa.nulls(batch.num_rows, field.type)
                if column.name is None
                else to_engine(_conformed(batch.column(places[column.name]), column.type, kind))
                for column, kind, field in zip(columns, kinds, schema, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    return pa.RecordBatchReader.from_batches(schema, framed())


def _conformed(column: pa.Array, kind: DataType, target: pa.DataType) -> pa.Array:
    return column if column.type == target and not _renames(kind) else conform(column, kind, Matching.PHYSICAL_NAME)


def _renames(kind: DataType) -> bool:
    match kind:
        case Struct(fields):
            return any(part.physical_name != part.name or _renames(part.type) for part in fields)
        case Array(element):
            return _renames(element)
        case Map(key, value):
            return _renames(key) or _renames(value)
        case Primitive():
            return False


def with_key_first(frame: Frame, key: Sequence[int]) -> Frame:
    """The same frame with the columns of a key in front, in the key's order."""
    front = [frame.columns[position] for position in key]
    rest = [column for position, column in enumerate(frame.columns) if position not in key]
    return replace(frame, columns=(*front, *rest))

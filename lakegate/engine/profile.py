"""What the columns of a table hold, on two sides: a bad ingestion is seen at a glance.

Files that both sides have are read once, and count for both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakegate import tree
from lakegate.engine.forms import from_engine
from lakegate.engine.frame import Frame, FrameColumn, SideColumn, engine_name, engine_rows, frame_of
from lakegate.engine.row_diff import Sides
from lakegate.engine.session import Engine
from lakegate.format.kinds import FILES
from lakegate.model import ColumnProfile, ColumnStatistics, FileEntry, TableProfile
from lakegate.tables.preview import json_values
from lakegate.tables.schema import DataType, Primitive, arrow_type, parse_schema, type_words

if TYPE_CHECKING:
    import pyarrow as pa

_FLOATS = frozenset({"float", "double", "halffloat"})
_NUMBERS = frozenset({"long", "integer", "short", "byte", "uint8", "uint16", "uint32", "uint64"}) | _FLOATS
_NO_ORDER = frozenset({"binary", "variant", "void"})
_LEFT, _RIGHT = 1, 2

# That many hashes of all columns fit the engine's memory.
_COUNTED_EXACTLY = 1_000_000  # rows
_COUNTED_EXACTLY_BYTES = 1 << 20  # of files, where the log does not tell their rows


def profile(sides: Sides, path: str) -> TableProfile:
    """Reads both sides. Raises as `lakegate.engine.row_diff.compare`; there is a table on one side at least."""
    frame = _whole(frame_of(*(side.table if side is not None else None for side in (sides.left, sides.right))), sides)
    with Engine() as engine:
        _load(engine, sides, frame)
        found = {side: _statistics(engine, frame, side) for side in (_LEFT, _RIGHT)}
    old, new = (_types(side.table.schema) if side is not None else {} for side in (sides.left, sides.right))
    columns: list[ColumnProfile] = []
    for i, column in enumerate(frame.columns):
        left = found[_LEFT].columns[i] if column.left.name is not None and sides.left is not None else None
        right = found[_RIGHT].columns[i] if column.right.name is not None and sides.right is not None else None
        before, after = old.get(column.left.name or ""), new.get(column.right.name or "")
        is_other = before is not None and after is not None and before != after
        kind = after or before or type_words(column.type)
        columns.append(ColumnProfile(column.name, kind, left, right, before if is_other else None))
    return TableProfile(
        path,
        found[_LEFT].rows if sides.left is not None else None,
        found[_RIGHT].rows if sides.right is not None else None,
        tuple(columns),
    )


def _types(schema: str) -> dict[str, str]:
    """The types of a table's columns, in words."""
    return {part.name: type_words(part.type) for part in parse_schema(schema).fields}


def _whole(frame: Frame, sides: Sides) -> Frame:
    """The frame, and the columns that the left side alone has."""
    if sides.left is None or sides.right is None:
        return frame
    known = {column.left.name for column in frame.columns}
    gone = frame_of(sides.left.table, None)
    more = [
        FrameColumn(part.name, own.type, own.left, SideColumn(None, own.type))
        for part, own in zip(parse_schema(sides.left.table.schema).fields, gone.columns, strict=True)
        if part.name not in known
    ]
    return Frame((*frame.columns, *more), frame.notes)


@dataclass(frozen=True, slots=True)
class _Found:
    rows: int
    columns: tuple[ColumnStatistics, ...]


def _load(engine: Engine, sides: Sides, frame: Frame) -> None:
    """Runs all aggregates over three streams: files that both have, of the left alone, of the right alone."""
    lefts = [column.left for column in frame.columns]
    rights = [column.right for column in frame.columns]
    engine.stream("l", engine_rows(sides.left, lefts, sides.files(True)))
    engine.stream("r", engine_rows(sides.right, rights, sides.files(False)))
    # What the right side alone has, a file that both have does not hold.
    engine.stream("b", engine_rows(sides.left, lefts, _shared(sides)))
    names = ", ".join(
        f"CAST({engine_name(i)} AS VARCHAR) AS {engine_name(i)}" if column.text else engine_name(i)
        for i, column in enumerate(frame.columns)
    )
    engine.run(
        f"CREATE TEMP TABLE profiles AS SELECT {', '.join(_aggregates(frame, _counts_exactly(sides)))} FROM ("
        f"SELECT {_LEFT} AS side, {names} FROM l UNION ALL SELECT {_RIGHT} AS side, {names} FROM r "
        f"UNION ALL SELECT {_LEFT | _RIGHT} AS side, {names} FROM b)"
    )


def _shared(sides: Sides) -> Iterator[FileEntry]:
    """The files that both sides have, by path."""
    if sides.left is None or sides.right is None:
        return
    differing = sides.files(True)
    skipped = next(differing, None)
    for file in tree.iterate(sides.left.ctx.manifests.nodes, FILES, sides.left.table.state):
        if skipped is not None and file.path == skipped.path:
            skipped = next(differing, None)
            continue
        yield file


def _counts_exactly(sides: Sides) -> bool:
    """Tells whether different values are counted one by one: where the tables are known to be small."""
    tables = [side.table for side in (sides.left, sides.right) if side is not None]
    return all(
        table.bytes <= _COUNTED_EXACTLY_BYTES if table.rows is None else table.rows <= _COUNTED_EXACTLY
        for table in tables
    )


def _aggregates(frame: Frame, exactly: bool) -> Iterator[str]:
    for side in (_LEFT, _RIGHT):
        here = f"side & {side} > 0"
        yield f"count(*) FILTER ({here}) AS rows{side}"
        for i, column in enumerate(frame.columns):
            name = engine_name(i)
            is_float = _name(column.type) in _FLOATS
            valued = f"{here} AND NOT isnan({name})" if is_float else here
            of = f"{name}_{side}"
            yield f"count(*) FILTER ({here} AND {name} IS NULL) AS nulls_{of}"
            distinct = f"count(DISTINCT hash({name}))" if exactly else f"approx_count_distinct(hash({name}))"
            yield f"{distinct} FILTER ({here} AND {name} IS NOT NULL) AS distinct_{of}"
            yield f"{f'count(*) FILTER ({here} AND isnan({name}))' if is_float else '0'} AS nans_{of}"
            if _is_ordered(column.type):
                yield f"min({name}) FILTER ({valued}) AS min_{of}"
                yield f"max({name}) FILTER ({valued}) AS max_{of}"
            if _is_number(column.type):
                yield f"avg({name}) FILTER ({valued}) AS mean_{of}"


def _statistics(engine: Engine, frame: Frame, side: int) -> _Found:
    row = next(iter(engine.batches("SELECT * FROM profiles")))
    values = {name: row.column(i) for i, name in enumerate(row.schema.names)}
    columns: list[ColumnStatistics] = []
    for i, column in enumerate(frame.columns):
        of = f"{engine_name(i)}_{side}"
        kind = arrow_type(column.type)
        ordered = _is_ordered(column.type)
        nulls = values[f"nulls_{of}"][0].as_py()
        columns.append(
            ColumnStatistics(
                nulls=nulls,
                # The estimate may be some percent too high: there can't be more values than rows that have one.
                distinct=min(values[f"distinct_{of}"][0].as_py(), values[f"rows{side}"][0].as_py() - nulls),
                min=_shown(values[f"min_{of}"], kind) if ordered else None,
                max=_shown(values[f"max_{of}"], kind) if ordered else None,
                mean=values[f"mean_{of}"][0].as_py() if _is_number(column.type) else None,
                nans=values[f"nans_{of}"][0].as_py(),
            )
        )
    return _Found(values[f"rows{side}"][0].as_py(), tuple(columns))


def _shown(value: pa.Array, kind: pa.DataType) -> Any:
    return json_values(from_engine(value, kind))[0]


def _name(kind: DataType) -> str:
    return kind.name if isinstance(kind, Primitive) else ""


def _is_ordered(kind: DataType) -> bool:
    return isinstance(kind, Primitive) and kind.name not in _NO_ORDER


def _is_number(kind: DataType) -> bool:
    return _name(kind) in _NUMBERS or (isinstance(kind, Primitive) and kind.decimal is not None)

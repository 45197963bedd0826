"""Merges the rows of a table by key, from its states at base, source and destination.

What each side changed since the base is found as a row difference. A row that only the source changed is taken from it;
one that both changed to the same is left; one that both changed, each to another value, is a conflict, unless one side
is preferred. Then the destination's files that hold rows to be replaced or removed are found by their key columns, and
only those are read whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from lakegate.engine.forms import engine_type, from_engine
from lakegate.engine.frame import FrameColumn, SideColumn, View, engine_name, engine_rows, plain_type
from lakegate.engine.keys import check_keys, columns_of
from lakegate.engine.output import free_name
from lakegate.engine.row_diff import Sides, load_differing
from lakegate.engine.session import Engine
from lakegate.engine.three_way import ThreeWayFrame, Versions
from lakegate.errors import ErrorKind, InvalidInput
from lakegate.model import FileEntry, Resolution, RowConflict, RowConflicts, Take
from lakegate.tables.data_files import live_files
from lakegate.tables.partition_values import partition_scalar
from lakegate.tables.preview import json_values
from lakegate.tables.scan import TableLayout
from lakegate.tables.schema import Field, arrow_schema, arrow_type

if TYPE_CHECKING:
    from collections.abc import Sequence

_SIDE = "_side"
_SIDES = ("base", "source", "destination")
_SHOWN = 100
_GROUP_ROWS = 65_536

Partition = tuple[pa.Scalar, ...]
"""Typed values of the destination's partition columns, in their order."""


@dataclass(frozen=True, slots=True)
class Rewrite:
    """One partition of the result: `files` go, `rows` come in their place. `values` are those of the partition
    columns, typed."""

    values: Partition
    files: tuple[FileEntry, ...]
    rows: Iterator[pa.RecordBatch]


class RowMerge:
    """One merge, held by an engine until it is closed. Made by `merge_rows`."""

    def __init__(self, engine: Engine, versions: Versions, frame: ThreeWayFrame) -> None:
        self._engine = engine
        self._versions = versions
        self._frame = frame
        self._key = columns_of(range(frame.key))
        self._columns = columns_of(range(len(frame.names)))
        taken, conflicts = engine.rows(
            "SELECT count(*) FILTER (verdict = 'take'), count(*) FILTER (verdict = 'conflict') FROM verdicts"
        )[0]
        self.taken, self.conflicts = int(taken), int(conflicts)
        puts, stale = engine.rows("SELECT (SELECT count(*) FROM puts), (SELECT count(*) FROM stale)")[0]
        self.rows_added, self.rows_removed = int(puts), int(stale)

    def close(self) -> None:
        self._engine.close()

    # -- conflicts ----------------------------------------------------------------------------------------------------

    def first_conflicts(self) -> RowConflicts:
        """The count of all conflicts, and the first of them."""
        found: dict[tuple[object, ...], dict[str, tuple[object, ...]]] = {}
        for batch in self._conflict_batches(f"WHERE place <= {_SHOWN}"):
            columns = [json_values(column) for column in batch.columns]
            for side, *row in zip(*columns, strict=True):
                found.setdefault(_hashable(row[: self._frame.key]), {})[side] = tuple(row)
        first = [
            RowConflict(
                next(iter(sides.values()))[: self._frame.key],
                sides.get("base"),
                sides.get("source"),
                sides.get("destination"),
            )
            for sides in found.values()
        ]
        names = self._frame.names
        return RowConflicts(names[: self._frame.key], names, self.conflicts, tuple(first))

    @property
    def conflict_schema(self) -> pa.Schema:
        """The schema of `conflict_rows`."""
        side = pa.field(free_name(_SIDE, self._frame.names), pa.string())
        return pa.schema([side, *(pa.field(c.name, arrow_type(c.type)) for c in self._compared)])

    def conflict_rows(self) -> Iterator[pa.RecordBatch]:
        """Yields all conflicts, as `Repository.row_conflicts_file` has them."""
        yield from self._conflict_batches("")

    def _conflict_batches(self, where: str) -> Iterator[pa.RecordBatch]:
        disputed = (
            f"(SELECT *, row_number() OVER (ORDER BY {self._key}) AS place FROM verdicts WHERE verdict='conflict')"
        )
        join = f"JOIN {disputed} USING ({self._key}) {where}"
        query = " UNION ALL ".join(
            f"SELECT {number} AS side, {self._columns} FROM {table} {join} {'AND' if where else 'WHERE'} n {sign} 0"
            for number, table, sign in ((0, "ours", "<"), (1, "ours", ">"), (2, "theirs", ">"))
        )
        for batch in self._engine.batches(f"{query} ORDER BY {self._key}, side"):
            words = pa.array([_SIDES[number] for number in batch.column(0).to_pylist()], pa.string())
            typed = [
                from_engine(batch.column(i + 1), arrow_type(column.type)) for i, column in enumerate(self._compared)
            ]
            yield pa.RecordBatch.from_arrays([words, *typed], schema=self.conflict_schema)

    @property
    def _compared(self) -> tuple[FrameColumn, ...]:
        return self._frame.destination.columns

    # -- the result ---------------------------------------------------------------------------------------------------

    def rewrites(self) -> Iterator[Rewrite]:
        """Yields the partitions that change; each must be read before the next is asked for.

        Rows have all columns of the destination. Those of a file that stay keep their order.
        """
        layout = TableLayout.of(self._versions.destination.table)
        parts = [part for part in layout.schema.fields if part.name in layout.partitions]
        groups: dict[tuple[object, ...], tuple[Partition, list[FileEntry]]] = {}
        for file in self._touched():
            values = tuple(
                partition_scalar(part.type, file.partition.get(part.physical_name if layout.is_mapped else part.name))
                for part in parts
            )
            groups.setdefault(_identity(values), (values, []))[1].append(file)
        if self._frame.extras:
            self._hold_extras([file for _, files in groups.values() for file in files])
        numbers = self._number_partitions(parts)
        for identity, (_, values) in numbers.items():
            groups.setdefault(identity, (values, []))
        for identity, (values, files) in groups.items():
            placed = numbers.get(identity)
            rows = self._partition_rows(files, placed[0] if placed is not None else None)
            yield Rewrite(values, tuple(files), rows)

    def _touched(self) -> Iterator[FileEntry]:
        """The destination's files that hold rows which go, by path."""
        if not self.rows_removed:
            return
        view = self._versions.destination
        key = [column.right for column in self._compared[: self._frame.key]]
        self._engine.stream("k", _numbered(view, key))
        self._engine.run(f"CREATE TEMP TABLE touched AS SELECT DISTINCT f FROM k SEMI JOIN stale USING ({self._key})")
        numbers = {int(number) for (number,) in self._engine.rows("SELECT f FROM touched")}
        for number, item in enumerate(live_files(view.ctx, view.snapshot, view.table)):
            if number in numbers:
                yield item.file

    def _hold_extras(self, files: list[FileEntry]) -> None:
        """Keeps what rows that are replaced hold in columns that the source does not know."""
        columns = [column.right for column in self._compared[: self._frame.key]]
        columns += [_own(self._frame.schema.fields[position]) for position in self._frame.extras]
        self._engine.stream("x", engine_rows(self._versions.destination, columns, sorted(files, key=_path)))
        held = "".join(f", {engine_name(self._frame.key + i)} AS x{i}" for i in range(len(self._frame.extras)))
        self._engine.run(
            f"CREATE TEMP TABLE extras AS SELECT {self._key}{held} FROM x SEMI JOIN stale USING ({self._key})"
        )

    def _number_partitions(self, parts: list[Field]) -> dict[tuple[object, ...], tuple[int, Partition]]:
        """The partitions that get rows, with the numbers that the engine's table `parts` gives them."""
        places = [self._frame.order[self._frame.schema.fields.index(part)] for part in parts]
        held = [f"c{place}" if place is not None else "NULL" for place in places]
        names = [f"p{i}" for i in range(len(parts))]
        listed = ", ".join(f"{value} AS {name}" for value, name in zip(held, names, strict=True)) or "true AS p"
        distinct = f"(SELECT DISTINCT {listed} FROM puts)"
        self._engine.run(f"CREATE TEMP TABLE parts AS SELECT row_number() OVER () AS number, * FROM {distinct}")
        found: dict[tuple[object, ...], tuple[int, Partition]] = {}
        for batch in self._engine.batches("SELECT * FROM parts ORDER BY number"):
            columns = [from_engine(batch.column(i + 1), arrow_type(part.type)) for i, part in enumerate(parts)]
            for row, number in enumerate(batch.column(0).to_pylist()):
                values = tuple(column[row] for column in columns)
                found[_identity(values)] = (int(number), values)
        joined = " AND ".join(f"{v} IS NOT DISTINCT FROM {n}" for v, n in zip(held, names, strict=True)) or "true"
        self._engine.run(f"CREATE TEMP TABLE placed AS SELECT puts.*, number FROM puts JOIN parts ON {joined}")
        return found

    def _partition_rows(self, files: list[FileEntry], number: int | None) -> Iterator[pa.RecordBatch]:
        fields = self._frame.schema.fields
        own = [_own(part) for part in fields]
        order = self._frame.order
        for file in files:
            self._engine.stream("f", engine_rows(self._versions.destination, own, [file]))
            same = " AND ".join(
                f"f.{engine_name(order.index(place))} = s.{engine_name(place)}" for place in range(self._frame.key)
            )
            names = ", ".join(f"f.{engine_name(i)}" for i in range(len(fields)))
            yield from self._typed(f"SELECT {names} FROM f ANTI JOIN stale s ON {same}")
        if number is not None:
            shown = ", ".join(
                f"p.{engine_name(place)}" if place is not None else f"x.x{self._frame.extras.index(position)}"
                for position, place in enumerate(order)
            )
            join = f"LEFT JOIN extras x USING ({self._key})" if self._frame.extras else ""
            by = ", ".join(f"p.{engine_name(place)}" for place in range(self._frame.key))
            yield from self._typed(f"SELECT {shown} FROM placed p {join} WHERE number = {number} ORDER BY {by}")

    def _typed(self, query: str) -> Iterator[pa.RecordBatch]:
        """Yields rows with the destination's columns, in groups."""
        schema = arrow_schema(self._frame.schema)
        for group in grouped(self._engine.batches(query)):
            arrays = [from_engine(group.column(i), field.type) for i, field in enumerate(schema)]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def merge_rows(versions: Versions, frame: ThreeWayFrame, resolution: Resolution) -> RowMerge:
    """Merges. `frame` is that of `versions` and the resolution's key.

    Raises Refused(KEY_NULL, KEY_NOT_UNIQUE), InvalidInput(INVALID_ARGUMENT) for a way of settling that is none.
    """
    rule = _rule(frame, resolution)
    engine = Engine(ordered=True)
    try:
        sides = (("base", versions.base), ("source", versions.source), ("destination", versions.destination))
        for name, view in sides:
            if view is not None:
                check_keys(engine, view, _side(frame, name), range(frame.key), None, f"on the {name}'s side")
        load_differing(engine, Sides(versions.base, versions.source), frame.source, "ours")
        load_differing(engine, Sides(versions.base, versions.destination), frame.destination, "theirs")
        key = columns_of(range(frame.key))
        rest = range(frame.key, len(frame.names))
        same = " AND ".join(f"o.{engine_name(i)} IS NOT DISTINCT FROM t.{engine_name(i)}" for i in rest) or "true"
        has = "bool_or(n < 0) AS was, bool_or(n > 0) AS present"
        engine.run(
            f"CREATE TEMP TABLE verdicts AS SELECT {', '.join(f's.{engine_name(i)}' for i in range(frame.key))}, "
            "s.present AS put, coalesce(d.present, s.was) AS held, CASE "
            "WHEN d.present IS NULL THEN 'take' "
            "WHEN NOT s.present AND NOT d.present THEN 'same' "
            f"WHEN s.present AND d.present AND {same} THEN 'same' "
            f"{rule} ELSE 'conflict' END AS verdict "
            f"FROM (SELECT {key}, {has} FROM ours GROUP BY {key}) s "
            f"LEFT JOIN (SELECT {key}, {has} FROM theirs GROUP BY {key}) d USING ({key}) "
            f"LEFT JOIN (SELECT * FROM ours WHERE n > 0) o USING ({key}) "
            f"LEFT JOIN (SELECT * FROM theirs WHERE n > 0) t USING ({key})"
        )
        engine.run(f"CREATE TEMP TABLE stale AS SELECT {key} FROM verdicts WHERE verdict = 'take' AND held")
        engine.run(
            f"CREATE TEMP TABLE puts AS SELECT {columns_of(range(len(frame.names)))} FROM ours "
            f"SEMI JOIN (SELECT {key} FROM verdicts WHERE verdict = 'take' AND put) USING ({key}) WHERE n > 0"
        )
        return RowMerge(engine, versions, frame)
    except BaseException:
        engine.close()
        raise


def _rule(frame: ThreeWayFrame, resolution: Resolution) -> str:
    """How a row that both changed is settled, as branches of the verdict: the newest first, then the preferred."""
    newest = _newest(frame, resolution.newest) if resolution.newest is not None else ""
    match resolution.prefer:
        case Take.SOURCE:
            return f"{newest}WHEN true THEN 'take'"
        case Take.DESTINATION:
            return f"{newest}WHEN true THEN 'same'"
        case Take.ROWS:
            raise InvalidInput(
                ErrorKind.INVALID_ARGUMENT, "Rows can't be preferred.", hint="Prefer the source or the destination."
            )
        case None:
            return newest


def _newest(frame: ThreeWayFrame, column: str) -> str:
    """The branches of the verdict that take the row with the greater value in a column."""
    if column not in frame.names:
        raise InvalidInput(
            ErrorKind.INVALID_ARGUMENT,
            f"There is no column {column!r} on every side by which a row is the newest.",
            hint="Name one of " + ", ".join(frame.names) + ".",
        )
    place = frame.names.index(column)
    moments = [f"{side}.{engine_name(place)}" for side in ("o", "t")]
    if pa.types.is_floating(engine_type(arrow_type(frame.destination.columns[place].type))):
        moments = [f"nullif({moment}, 'NaN')" for moment in moments]  # the engine holds NaN for the greatest of all
    newer = "WHEN {0} > {1} OR ({0} IS NOT NULL AND {1} IS NULL) THEN '{2}' "
    return newer.format(*moments, "take") + newer.format(*reversed(moments), "same")


def grouped(batches: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """Joins small batches to larger ones."""
    held: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        held.append(batch)
        rows += batch.num_rows
        if rows >= _GROUP_ROWS:
            yield pa.Table.from_batches(held).combine_chunks().to_batches()[0]
            held, rows = [], 0
    if rows:
        yield pa.Table.from_batches(held).combine_chunks().to_batches()[0]


def _numbered(view: View, key: Sequence[SideColumn]) -> pa.RecordBatchReader:
    """Streams the key columns of all live files, and `f`, the number of the file."""
    schema = engine_rows(None, key).schema.append(pa.field("f", pa.int64()))

    def numbered() -> Iterator[pa.RecordBatch]:
        for number, item in enumerate(live_files(view.ctx, view.snapshot, view.table)):
            for batch in engine_rows(view, key, [item.file]):
                numbers = pa.repeat(pa.scalar(number, pa.int64()), batch.num_rows)
                yield pa.RecordBatch.from_arrays([*batch.columns, numbers], schema=schema)

    return pa.RecordBatchReader.from_batches(schema, numbered())


def _side(frame: ThreeWayFrame, name: str) -> list[SideColumn]:
    match name:
        case "base":
            return [column.left for column in frame.source.columns]
        case "source":
            return [column.right for column in frame.source.columns]
        case _:
            return [column.right for column in frame.destination.columns]


def _own(part: Field) -> SideColumn:
    return SideColumn(part.name, plain_type(part.type))


def _identity(values: Partition) -> tuple[object, ...]:
    """Values that can be compared: NaN is itself."""
    return tuple(str(value.as_py()) if value.is_valid else None for value in values)


def _hashable(values: list[object]) -> tuple[object, ...]:
    return tuple(repr(value) for value in values)


def _path(file: FileEntry) -> str:
    return file.path

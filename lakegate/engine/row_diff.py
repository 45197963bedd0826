"""Which rows of a table differ between two of its versions.

Rows of both sides' differing files go through one aggregation, +1 for each on the right and -1 for each on the left:
what does not sum to zero differs, exactly, as a multiset. Files that both sides have cancel, and are not read. A key
then pairs what differs into updates.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakegate import tree
from lakegate.engine.forms import from_engine
from lakegate.engine.frame import Frame, SideColumn, View, engine_name, engine_rows
from lakegate.engine.keys import check_keys, columns_of
from lakegate.engine.output import free_name
from lakegate.engine.session import Engine
from lakegate.format.kinds import FILES
from lakegate.model import FileEntry, RowChange, RowChangeKind, TableFormat
from lakegate.tables.preview import json_values
from lakegate.tables.schema import arrow_type

if TYPE_CHECKING:
    import pyarrow as pa

_CHANGE = "_change"
_COUNT = "_count"
_TABLE = "differing"


@dataclass(frozen=True, slots=True)
class Counts:
    added: int
    removed: int
    updated: int


@dataclass(frozen=True, slots=True)
class Sides:
    """What is compared: None on a side that has no such table."""

    left: View | None
    right: View | None

    def files(self, is_left: bool) -> Iterator[FileEntry]:
        """The files of one side that the other has not, or not as they are, by path. Reads only nodes that differ.

        Of a Delta table a file is the same where its bytes, deletion vector and partition are; of a Parquet dataset
        where its bytes are.
        """
        for old, new in self._pairs():
            wanted = old if is_left else new
            if wanted is not None:
                yield wanted

    def _pairs(self) -> Iterator[tuple[FileEntry | None, FileEntry | None]]:
        view = self.left or self.right
        if view is None:
            return
        nodes = view.ctx.manifests.nodes
        roots = [side.table.state if side is not None else tree.empty(nodes, FILES) for side in (self.left, self.right)]
        for change in tree.diff(nodes, FILES, roots[0], roots[1]):
            if change.left is None or change.right is None or not self._is_same(change.left, change.right):
                yield change.left, change.right

    def _is_same(self, old: FileEntry, new: FileEntry) -> bool:
        if self.left is None or self.right is None:
            return False
        if self.left.table.format is not TableFormat.DELTA or self.right.table.format is not TableFormat.DELTA:
            return False
        if old.deletion_vector != new.deletion_vector or dict(old.partition) != dict(new.partition):
            return False
        before = self.left.snapshot.get(f"{self.left.table.path}/{old.path}")
        after = self.right.snapshot.get(f"{self.right.table.path}/{new.path}")
        return before is not None and after is not None and before.same_content(after)


class RowComparison:
    """The rows that differ, held by an engine. Made by `compare`."""

    def __init__(self, engine: Engine, frame: Frame, key: tuple[int, ...], files: tuple[int, int]) -> None:
        self._engine = engine
        self._frame = frame
        self._key = key
        self.files_left, self.files_right = files
        self.counts = self._counted()

    def close(self) -> None:
        self._engine.close()

    def first(self, limit: int) -> tuple[RowChange, ...]:
        """The first differences: by key, without one by the columns' values."""
        if limit == 0:
            return ()
        changes: list[RowChange] = []
        pending: tuple[Any, ...] | None = None
        for batch in self._engine.batches(self._ordered(f"LIMIT {limit if not self._key else 2 * limit}")):
            counts = batch.column(0).to_pylist()
            pairs = batch.column(1).to_pylist()
            columns = [json_values(column) for column in self._typed(batch)]
            for count, paired, row in zip(counts, pairs, zip(*columns, strict=True), strict=True):
                if paired and count < 0:
                    pending = row
                elif paired:
                    changes.append(RowChange(RowChangeKind.UPDATED, pending, row))
                elif count < 0:
                    changes.append(RowChange(RowChangeKind.REMOVED, row, None, -count))
                else:
                    changes.append(RowChange(RowChangeKind.ADDED, None, row, count))
        return tuple(changes[:limit])

    @property
    def schema(self) -> pa.Schema:
        """The schema of `batches`."""
        import pyarrow as pa

        change, count = (free_name(name, self._frame.names) for name in (_CHANGE, _COUNT))
        head = [pa.field(change, pa.string())] + ([] if self._key else [pa.field(count, pa.int64())])
        return pa.schema([*head, *(pa.field(c.name, arrow_type(c.type)) for c in self._frame.columns)])

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yields all differences, as `Repository.row_diff_file` has them."""
        import pyarrow as pa

        for batch in self._engine.batches(self._ordered("")):
            counts, pairs = batch.column(0).to_pylist(), batch.column(1).to_pylist()
            words = pa.array([_word(count, paired) for count, paired in zip(counts, pairs, strict=True)], pa.string())
            head = [words] if self._key else [words, pa.array([abs(count) for count in counts], pa.int64())]
            yield pa.RecordBatch.from_arrays([*head, *self._typed(batch)], schema=self.schema)

    def _typed(self, batch: pa.RecordBatch) -> list[pa.Array]:
        return [
            from_engine(batch.column(position + 2), arrow_type(column.type))
            for position, column in enumerate(self._frame.columns)
        ]

    def _ordered(self, limit: str) -> str:
        """A query of (count, whether it is half of an update, columns). The halves of one key follow each other, the
        left one first."""
        columns = ", ".join(engine_name(i) for i in range(len(self._frame.columns)))
        if not self._key:
            return f"SELECT n, false, {columns} FROM {_TABLE} ORDER BY {columns}, n {limit}"
        key = columns_of(self._key)
        paired = f"count(*) OVER (PARTITION BY {key}) = 2"
        return f"SELECT n, {paired}, {columns} FROM {_TABLE} ORDER BY {key}, n {limit}"

    def _counted(self) -> Counts:
        if not self._key:
            query = f"SELECT sum(n) FILTER (n > 0), -sum(n) FILTER (n < 0), 0 FROM {_TABLE}"
        else:
            query = (
                "SELECT count(*) FILTER (s = 1), count(*) FILTER (s = -1), count(*) FILTER (s = 0) "
                f"FROM (SELECT sum(n) AS s FROM {_TABLE} GROUP BY {columns_of(self._key)})"
            )
        added, removed, updated = self._engine.rows(query)[0]
        return Counts(int(added or 0), int(removed or 0), int(updated))


def compare(sides: Sides, frame: Frame, key: Sequence[int]) -> RowComparison:
    """Compares. The result holds its rows, beyond a limit on disk, until it is closed.

    Raises Refused(KEY_NULL, KEY_NOT_UNIQUE) where a key among the rows read is null, or stands twice on a side.
    """
    engine = Engine()
    try:
        if key:
            for name, is_left in (("left", True), ("right", False)):
                view = sides.left if is_left else sides.right
                if view is not None:
                    check_keys(engine, view, _side(frame, is_left), key, sides.files(is_left), f"on the {name} side")
        counts = load_differing(engine, sides, frame)
        return RowComparison(engine, frame, tuple(key), counts)
    except BaseException:
        engine.close()
        raise


def load_differing(engine: Engine, sides: Sides, frame: Frame, table: str = _TABLE) -> tuple[int, int]:
    """Makes an engine table of the rows that differ: `n` (how often more on the right), then the columns. Returns how
    many files were read on each side."""
    counted = [_Counted(), _Counted()]
    for name, is_left, counter in (("l", True, counted[0]), ("r", False, counted[1])):
        view = sides.left if is_left else sides.right
        engine.stream(name, engine_rows(view, _side(frame, is_left), counter.through(sides.files(is_left))))
    columns = ", ".join(
        f"CAST({engine_name(i)} AS VARCHAR) AS {engine_name(i)}" if column.text else engine_name(i)
        for i, column in enumerate(frame.columns)
    )
    names = ", ".join(engine_name(i) for i in range(len(frame.columns)))
    engine.run(
        f"CREATE TEMP TABLE {table} AS SELECT CAST(sum(n) AS BIGINT) AS n, {names} FROM "
        f"(SELECT -1 AS n, {columns} FROM l UNION ALL SELECT 1 AS n, {columns} FROM r) "
        f"GROUP BY {names} HAVING sum(n) <> 0"
    )
    return counted[0].files, counted[1].files


def _side(frame: Frame, is_left: bool) -> list[SideColumn]:
    return [column.left if is_left else column.right for column in frame.columns]


def _word(count: int, paired: bool) -> str:
    if paired:
        return "updated_from" if count < 0 else "updated_to"
    return RowChangeKind.REMOVED.value if count < 0 else RowChangeKind.ADDED.value


@dataclass(slots=True)
class _Counted:
    files: int = 0

    def through(self, files: Iterable[FileEntry]) -> Iterator[FileEntry]:
        for file in files:
            self.files += 1
            yield file

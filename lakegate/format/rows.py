"""Sorted runs of rows, column by column, over Arrow: what nodes are made of and trees are cut from.

Everything that touches many rows works on whole columns; a Python object is built only for a row that is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from lakegate.format.arrays import make_array, numbers
from lakegate.format.kinds import Layout, Row

if TYPE_CHECKING:
    import pyarrow as pa

_DECODE_STEP = 512


class Rows:
    """An immutable run of rows of one layout, sorted by its key column, no key twice. Thread-safe."""

    __slots__ = ("_columns", "_data", "_offsets", "batch", "key_index", "layout")

    def __init__(self, layout: Layout, batch: pa.RecordBatch) -> None:
        self.layout = layout
        self.batch = batch
        self.key_index = layout.key_index
        self._columns: list[pa.Array] | None = None
        self._offsets: memoryview | None = None
        self._data: memoryview | None = None

    @staticmethod
    def of(layout: Layout, rows: Sequence[Row]) -> Rows:
        """Makes rows of column values, which must be sorted by key already."""
        import pyarrow as pa

        columns: Sequence[Sequence[Any]] = list(zip(*rows, strict=True)) if rows else [()] * len(layout.columns)
        arrays = [make_array(column, values) for column, values in zip(layout.columns, columns, strict=True)]
        return Rows(layout, pa.RecordBatch.from_arrays(arrays, schema=layout.schema()))

    @staticmethod
    def concat(parts: Sequence[Rows]) -> Rows:
        """Joins runs, each of which comes after the one before it. One part comes back as it is."""
        if len(parts) == 1:
            return parts[0]
        return Rows(parts[0].layout, _one_batch([part.batch for part in parts]))

    def __len__(self) -> int:
        return self.batch.num_rows  # type: ignore[no-any-return]

    @property
    def nbytes(self) -> int:
        """Bytes of memory that these rows keep alive."""
        return self.batch.get_total_buffer_size()  # type: ignore[no-any-return]

    def compact(self) -> Rows:
        """The same rows, not keeping a much larger run alive."""
        if self.nbytes <= 2 * self.batch.nbytes + 4096:
            return self
        return Rows(self.layout, _one_batch([self.batch.slice(0, 0), self.batch]))

    @property
    def columns(self) -> list[pa.Array]:
        """The columns, in the order of the layout. Kept, for Arrow makes new objects of them at every look."""
        columns = self._columns
        if columns is None:
            columns = self._columns = self.batch.columns
        return columns

    @property
    def keys(self) -> pa.StringArray:
        return self.batch.column(self.key_index)

    def key(self, position: int) -> str:
        offsets, data = self._buffers()
        return str(data[offsets[position] : offsets[position + 1]], "utf-8")

    @property
    def first(self) -> str:
        return self.key(0)

    @property
    def last(self) -> str:
        return self.key(len(self) - 1)

    def find(self, key: str, start: int = 0, *, after: bool = False) -> int:
        """The position of the first row from `start` on whose key is at or after `key` (`after`: is after it)."""
        offsets, data = self._buffers()
        wanted = key.encode("utf-8")
        low, high = start, len(offsets) - 1
        while low < high:
            middle = (low + high) >> 1
            there = bytes(data[offsets[middle] : offsets[middle + 1]])
            if there < wanted or (after and there == wanted):
                low = middle + 1
            else:
                high = middle
        return low

    def has(self, position: int, key: str) -> bool:
        """Tells whether the row at a position (which may be past the end) has this key."""
        return position < len(self) and self.key(position) == key

    def slice(self, start: int, stop: int) -> Rows:
        """Rows from `start` up to `stop`, without copying."""
        if start == 0 and stop == len(self):
            return self
        return Rows(self.layout, self.batch.slice(start, stop - start))

    def row(self, position: int) -> Row:
        return tuple(column[position].as_py() for column in self.columns)

    def value(self, column: str, position: int) -> Any:
        return self.batch.column(self.layout.index(column))[position].as_py()

    def rows(self, start: int = 0, stop: int | None = None) -> Iterator[Row]:
        """Yields rows as tuples of column values, decoding in growing steps so that few rows cost little."""
        stop = len(self) if stop is None else min(stop, len(self))
        step = 32
        while start < stop:
            end = min(stop, start + step)
            part = self.batch.slice(start, end - start)
            yield from zip(*(column.to_pylist() for column in part.columns), strict=True)
            start = end
            step = min(_DECODE_STEP, step * 2)

    def sum(self, column: str) -> int:
        """The sum of a column of integers without nulls."""
        return int(numbers(self.batch.column(self.layout.index(column))).sum()) if len(self) else 0

    def _buffers(self) -> tuple[memoryview, memoryview]:
        offsets, data = self._offsets, self._data
        if offsets is None or data is None:
            array = self.keys
            buffers = array.buffers()
            if len(array) == 0 or buffers[1] is None:
                offsets = memoryview(bytes(4)).cast("i")
            else:
                all_offsets = memoryview(buffers[1]).cast("B").cast("i")
                offsets = all_offsets[array.offset : array.offset + len(array) + 1]
            data = memoryview(buffers[2]).cast("B") if buffers[2] is not None else memoryview(b"")
            self._data, self._offsets = data, offsets
        return offsets, data


def _one_batch(batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    import pyarrow as pa

    schema = batches[0].schema
    columns = [pa.concat_arrays([batch.column(i) for batch in batches]) for i in range(len(schema))]
    return pa.RecordBatch.from_arrays(columns, schema=schema)

"""Finds the rows in which two runs differ, column by column."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lakegate.format.arrays import mask
from lakegate.format.rows import Rows

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

_WINDOW = 64


def differing(left: Rows | None, right: Rows | None) -> Iterator[tuple[int | None, int | None]]:
    """Yields positions (left, right) of rows that differ, in the order of their keys; None: the run lacks the key."""
    if left is None or right is None:
        for position in range(len(left) if left is not None else 0):
            yield position, None
        for position in range(len(right) if right is not None else 0):
            yield None, position
        return
    i = j = 0
    while i < len(left) and j < len(right):
        length = _same_keys(left, i, right, j)
        if length:
            for k in _unequal(left, i, right, j, length):
                yield i + k, j + k
            i += length
            j += length
        if i < len(left) and j < len(right):
            there, here = left.key(i), right.key(j)
            if there < here:
                stop = left.find(here, i)
                yield from ((position, None) for position in range(i, stop))
                i = stop
            else:
                stop = right.find(there, j)
                yield from ((None, position) for position in range(j, stop))
                j = stop
    yield from ((position, None) for position in range(i, len(left)))
    yield from ((None, position) for position in range(j, len(right)))


def _same_keys(left: Rows, i: int, right: Rows, j: int) -> int:
    """How many rows from (i, j) on have the same keys. Looks at growing windows, so that many short stretches do not
    cost the length of the run each."""
    ours, theirs = left.keys, right.keys
    most = min(len(left) - i, len(right) - j)
    length, window = 0, _WINDOW
    while length < most:
        window = min(window, most - length)
        mine, other = ours.slice(i + length, window), theirs.slice(j + length, window)
        if not mine.equals(other):
            return length + int(_not_equal(mine, other).argmax())
        length += window
        window *= 8
    return length


def _unequal(left: Rows, i: int, right: Rows, j: int, length: int) -> list[int]:
    """Offsets of the rows that differ in a column, within a stretch of rows with the same keys."""
    unequal: npt.NDArray[np.bool_] | None = None
    for index in range(len(left.layout.columns)):
        if index == left.layout.key_index:
            continue
        mine = left.batch.column(index).slice(i, length)
        other = right.batch.column(index).slice(j, length)
        if not mine.equals(other):
            found = _not_equal(mine, other)
            unequal = found if unequal is None else unequal | found
    return [] if unequal is None else unequal.nonzero()[0].tolist()


def _not_equal(mine: pa.Array, other: pa.Array) -> npt.NDArray[np.bool_]:
    import pyarrow.compute as pc

    found = pc.call_function("not_equal", [mine, other])
    if found.null_count:
        found = pc.call_function("coalesce", [found, pc.call_function("xor", [mine.is_null(), other.is_null()])])
    return mask(found)

"""Finds the rows in which two runs differ. Whole stretches are compared at once, column by column; no Python value is
made of a row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lakegate.format.arrays import mask
from lakegate.format.rows import Rows

if TYPE_CHECKING:
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
    columns = _compared(left, right)
    i = j = 0
    while i < len(left) and j < len(right):
        length = _same_keys(left, i, right, j)
        if length:
            yield from ((i + k, j + k) for k in _unequal(columns, i, j, length))
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


def _compared(left: Rows, right: Rows) -> list[tuple[pa.Array, pa.Array]]:
    """The columns in which rows of the same key can differ: all but the key and those that are null throughout."""
    return [
        (ours, theirs)
        for index, (ours, theirs) in enumerate(zip(left.columns, right.columns, strict=True))
        if index != left.key_index and (ours.null_count < len(ours) or theirs.null_count < len(theirs))
    ]


def _same_keys(left: Rows, i: int, right: Rows, j: int) -> int:
    """How many rows from (i, j) on have the same keys. Looks at growing windows, so that many short stretches do not
    cost the length of the run each, and halves the one in which they part."""
    ours, theirs = left.keys, right.keys
    most = min(len(left) - i, len(right) - j)
    length, window, parted = 0, _WINDOW, False
    while length < most and window:
        window = min(window, most - length)
        if ours.slice(i + length, window).equals(theirs.slice(j + length, window)):
            length += window
            window = window // 2 if parted else window * 8
        else:
            parted = True
            window //= 2
    return length


def _unequal(columns: list[tuple[pa.Array, pa.Array]], i: int, j: int, length: int) -> list[int]:
    """Offsets, ascending, of the rows that differ in some column, within a stretch of rows with the same keys."""
    import pyarrow.compute as pc

    found: set[int] = set()
    for ours, theirs in columns:
        mine, other = ours.slice(i, length), theirs.slice(j, length)
        if mine.equals(other):
            continue
        differ = pc.call_function("not_equal", [mine, other])
        if differ.null_count:  # at least one of the two values is null: they differ if just one is
            alone = pc.call_function("xor", [mine.is_null(), other.is_null()])
            differ = pc.call_function("coalesce", [differ, alone])
        found.update(mask(differ).nonzero()[0].tolist())
    return sorted(found)

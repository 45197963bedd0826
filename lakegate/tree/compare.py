"""Finds the rows in which two runs differ, column by column."""

from __future__ import annotations

from collections.abc import Iterator

from lakegate.format.arrays import differences, first_difference
from lakegate.format.rows import Rows

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
        same = first_difference(ours.slice(i + length, window), theirs.slice(j + length, window))
        length += same
        if same < window:
            break
        window *= 8
    return length


def _unequal(left: Rows, i: int, right: Rows, j: int, length: int) -> list[int]:
    """Offsets of the rows that differ in a column, within a stretch of rows with the same keys."""
    found: set[int] = set()
    for index, column in enumerate(left.layout.columns):
        if index == left.key_index:
            continue
        mine = left.batch.column(index).slice(i, length)
        other = right.batch.column(index).slice(j, length)
        if not mine.equals(other):
            found.update(differences(column, mine, other).tolist())
    return sorted(found)

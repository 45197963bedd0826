"""Finds the rows in which two runs differ: whole stretches are compared at once, and halved where they differ."""

from __future__ import annotations

from collections.abc import Iterator

from lakegate.format.rows import Rows

_WINDOW = 64
_FEW = 8


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


def _unequal(left: Rows, i: int, right: Rows, j: int, length: int) -> list[int]:
    """Offsets of the rows that differ in a column, within a stretch of rows with the same keys. Halves what differs
    down to a few rows."""
    found: list[int] = []
    todo = [(0, length)]
    while todo:
        start, stop = todo.pop()
        ours, theirs = left.slice(i + start, i + stop), right.slice(j + start, j + stop)
        if ours.batch.equals(theirs.batch):
            continue
        if stop - start > _FEW:
            middle = (start + stop) // 2
            todo += ((middle, stop), (start, middle))
            continue
        pairs = zip(ours.rows(), theirs.rows(), strict=True)
        found.extend(start + k for k, (mine, other) in enumerate(pairs) if mine != other)
    return found

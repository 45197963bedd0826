"""Puts edits into a run of rows, copying whole stretches of columns at a time."""

from __future__ import annotations

from collections.abc import Sequence

from lakegate.format.kinds import Row
from lakegate.format.rows import Rows

Edit = tuple[str, Row | None]
"""A key, and the row that shall stand there (None: nothing shall)."""


def splice(rows: Rows, edits: Sequence[Edit]) -> tuple[Rows, list[int]]:
    """Returns the rows with the edits made, and the ascending positions in them that could be boundaries: those of all
    rows put, and of the last of the old rows if it stands. Both inputs are sorted."""
    put = Rows.of(rows.layout, [row for _, row in edits if row is not None])
    parts: list[Rows] = []
    candidates: list[int] = []
    total = start = taken = seen = 0

    def add_put() -> None:
        """Adds the rows put since the last stretch of old rows."""
        nonlocal seen, total
        if taken > seen:
            parts.append(put.slice(seen, taken))
            candidates.extend(range(total, total + taken - seen))
            total += taken - seen
            seen = taken

    def add_old(stop: int) -> None:
        nonlocal total
        if stop > start:
            add_put()
            parts.append(rows.slice(start, stop))
            total += stop - start
            if stop == len(rows):
                candidates.append(total - 1)

    for key, row in edits:
        stop = rows.find(key, start)
        add_old(stop)
        start = stop + 1 if rows.has(stop, key) else stop
        if row is not None:
            taken += 1
    add_put()
    add_old(len(rows))
    return (Rows.concat(parts) if parts else rows.slice(0, 0)), candidates

"""Intervals of paths, as `prefix` and `after` give them."""

from __future__ import annotations

from dataclasses import dataclass

from lakegate.format.rows import Rows
from lakegate.ids import prefix_end


@dataclass(frozen=True, slots=True)
class Bounds:
    """Paths from `start` on (`after`: past it) and before `end` (None: to the last)."""

    start: str = ""
    after: bool = False
    end: str | None = None

    @staticmethod
    def of(prefix: str, after: str) -> Bounds:
        """The paths that start with `prefix` and are greater than `after`."""
        end = prefix_end(prefix)
        return Bounds(after, True, end) if after >= prefix else Bounds(prefix, False, end)

    def is_past(self, first: str) -> bool:
        """Tells whether a run that begins with `first` lies wholly past the interval."""
        return self.end is not None and first >= self.end

    def entries(self, rows: Rows) -> Rows:
        """The rows of a range that lie in the interval."""
        start = rows.find(self.start, after=self.after)
        stop = len(rows) if self.end is None else rows.find(self.end, start)
        return rows.slice(start, stop)

    def children(self, rows: Rows) -> Rows:
        """The rows of an inner node below which something of the interval can lie."""
        start = rows.find(self.start, after=self.after)
        # The first child that ends at or after the end may hold paths before it; no later one does.
        stop = len(rows) if self.end is None else min(len(rows), rows.find(self.end, start) + 1)
        return rows.slice(start, stop)

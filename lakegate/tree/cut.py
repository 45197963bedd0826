"""Where trees are cut: a pure function of the sorted paths, so that equal content gives equal nodes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence

from lakegate.format.kinds import TreeShape
from lakegate.format.rows import Rows


class Boundary:
    """Tells after which elements of one level a node ends because their path's hash says so."""

    __slots__ = ("_below", "_seed")

    def __init__(self, shape: TreeShape, level: int) -> None:
        self._seed = hashlib.sha256(bytes([level]))
        # A digest is below these 8 bytes exactly when its own first 8 bytes are.
        self._below = ((1 << 64) // shape.mean(level)).to_bytes(8, "big")

    def at(self, path: str) -> bool:
        digest = self._seed.copy()
        digest.update(path.encode("utf-8"))
        return digest.digest() < self._below

    def among(self, paths: Iterable[str]) -> list[int]:
        """The positions of boundaries in a sequence of paths."""
        at = self.at
        return [position for position, path in enumerate(paths) if at(path)]


class Cutter:
    """Cuts a stream of elements into runs: after every boundary, and after every `cap` elements."""

    __slots__ = ("_cap", "_count", "_parts")

    def __init__(self, cap: int) -> None:
        self._cap = cap
        self._parts: list[Rows] = []
        self._count = 0

    @property
    def open(self) -> bool:
        """Tells whether elements wait for the end of their run."""
        return self._count > 0

    def add(self, rows: Rows, boundaries: Sequence[int]) -> Iterator[Rows]:
        """Takes elements, with the ascending positions of boundaries among them; yields the runs that end."""
        start = 0
        for stop in [boundary + 1 for boundary in boundaries]:
            yield from self._fill(rows, start, stop)
            yield from self.finish()
            start = stop
        yield from self._fill(rows, start, len(rows))

    def finish(self) -> Iterator[Rows]:
        """Ends the open run, if there is one."""
        parts, self._parts, self._count = self._parts, [], 0
        if parts:
            yield Rows.concat(parts)

    def _fill(self, rows: Rows, start: int, stop: int) -> Iterator[Rows]:
        while stop - start >= self._cap - self._count:
            middle = start + self._cap - self._count
            self._parts.append(rows.slice(start, middle))
            yield from self.finish()
            start = middle
        if stop > start:
            self._parts.append(rows.slice(start, stop))
            self._count += stop - start

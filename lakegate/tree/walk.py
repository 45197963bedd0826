"""Walks several trees of one kind side by side, skipping what they have in common.

The walk cuts the space of paths into regions. In each region every tree shows at most one range, and regions that are
the same where it matters are never read: two subtrees with one id are equal.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

from lakegate.format.kinds import Child, Kind
from lakegate.format.rows import Rows
from lakegate.ids import NodeId
from lakegate.tree.bounds import Bounds
from lakegate.tree.cursor import describe
from lakegate.tree.store import NodeStore, read_node

Same = Callable[[Sequence[Child | None]], bool]
"""Tells from the heads of all trees whether what lies below the first tree's head needs no look."""

_READ_AHEAD = 4


class Side:
    """One tree in a walk: what is left of it, as a queue of subtrees."""

    def __init__(self, nodes: NodeStore, kind: Kind[Any], root: NodeId) -> None:
        self._nodes = nodes
        self._kind = kind
        self._rows: tuple[NodeId, Rows] | None = None
        self.queue: deque[Child] = deque()
        self.queue.append(Child(root, -1, "", "", 0, 0))

    @property
    def head(self) -> Child | None:
        return self.queue[0] if self.queue else None

    def open_root(self) -> None:
        """Reads the root, so that the head is known with its paths."""
        node = read_node(self._nodes, self._kind, self.queue.popleft().child, scan=True)
        if len(node.rows):
            self.queue.append(describe(self._kind, node, node.id))

    def expand(self) -> None:
        """Puts the children of the head, an inner node, in its place."""
        rows = read_node(self._nodes, self._kind, self.queue.popleft().child, scan=True).rows
        self.queue.extendleft(Child(*row) for row in reversed(list(rows.rows())))

    def drop(self, path: str, *, inclusive: bool) -> None:
        """Drops subtrees that end before a path (`inclusive`: or at it)."""
        queue = self.queue
        while queue and (queue[0].last_path < path or (inclusive and queue[0].last_path == path)):
            queue.popleft()

    def rows(self) -> Rows:
        """Reads the head, a range."""
        head = self.queue[0].child
        if self._rows is None or self._rows[0] != head:
            self._rows = (head, read_node(self._nodes, self._kind, head, scan=True).rows)
        return self._rows[1]


class Region:
    """Paths from `low` on up to and with `high`, in which every tree shows at most one range."""

    __slots__ = ("_high", "_low", "_sides")

    def __init__(self, sides: Sequence[Side | None], low: Bounds, high: str) -> None:
        self._sides = sides
        self._low = low
        self._high = high

    def rows(self, side: int) -> Rows | None:
        """What a tree holds in the region; None where that is nothing. Reads the range when asked."""
        source = self._sides[side]
        if source is None:
            return None
        rows = self._low.entries(source.rows())
        rows = rows.slice(0, rows.find(self._high, after=True))
        return rows if len(rows) else None


def regions(
    nodes: NodeStore, sides: Sequence[Side], same: Same, bounds: Bounds, *, beside: int = 0
) -> Iterator[Region]:
    """Yields, in order, the regions of `bounds` where a tree shows something that `same` does not wave through. The
    last `beside` trees are shown with the others, and never walked alone.

    A region must be read before the next one is asked for.
    """
    driving = sides[: len(sides) - beside]
    for side in sides:
        side.open_root()
    low = bounds
    while True:
        for side in sides:
            side.drop(low.start, inclusive=low.after)
        leading = [side.head for side in driving if side.head is not None]
        if not leading:
            return
        first = min(head.first_path for head in leading)
        if bounds.is_past(first):
            return
        for side in sides[len(driving) :]:
            side.drop(first, inclusive=False)
        heads = [side.head for side in sides]
        if heads[0] is not None and same(heads):
            low = Bounds(heads[0].last_path, True, bounds.end)
            continue
        high = min(head.last_path for head in heads if head is not None)
        shown: list[Side | None] = [
            side if side.head is not None and side.head.first_path <= high else None for side in sides
        ]
        level = max(side.queue[0].level for side in shown if side is not None)
        if level:
            for side in sides:
                if side in shown and side.queue[0].level == level:
                    side.expand()
            continue
        nodes.prefetch(_read_next(sides, bounds))
        yield Region(shown, low, high)
        low = Bounds(high, True, bounds.end)


def _read_next(sides: Sequence[Side], bounds: Bounds) -> list[NodeId]:
    """The ranges that are read next: of those that all trees show ahead, the ones that the first does not share."""
    windows: list[list[Child]] = []
    limits: list[str] = []
    for side in sides:
        window = [child for child in islice(side.queue, _READ_AHEAD) if child.level == 0]
        windows.append(window)
        if len(window) < len(side.queue):
            limits.append(window[-1].last_path if window else "")
    limit = min(limits) if limits else None
    others = {child.child for window in windows[1:] for child in window}
    shared = {child.child for child in windows[0]} & others
    return [
        child.child
        for window in windows
        for child in window
        if child.child not in shared
        and (limit is None or child.last_path <= limit)
        and not bounds.is_past(child.first_path)
    ]

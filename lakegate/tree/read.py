"""Looking up paths, stepping through a tree in order, and its totals."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from lakegate.format.kinds import KINDS, Kind, Row
from lakegate.ids import NodeId
from lakegate.tree.bounds import Bounds
from lakegate.tree.cursor import child_at
from lakegate.tree.store import NodeStore, Totals, read_node

E = TypeVar("E")

_BEFORE_READING_AHEAD = 1024
_READ_AHEAD = 4


def get(nodes: NodeStore, kind: Kind[E], root: NodeId, path: str, *, scan: bool = False) -> E | None:
    """Looks up the entry at a path; None where there is none. `scan` says that others after it will be, in passing."""
    node = read_node(nodes, kind, root)
    while node.level:
        rows = node.rows
        position = rows.find(path)
        if position == len(rows):
            return None
        node = read_node(nodes, kind, NodeId(rows.batch.column(0)[position].as_py()), scan=scan)
    rows = node.rows
    position = rows.find(path)
    return kind.from_row(rows.row(position)) if rows.has(position, path) else None


def get_all(nodes: NodeStore, kind: Kind[E], root: NodeId, paths: Sequence[str]) -> Iterator[E | None]:
    """Yields what `get` answers for each of ascending paths. Lazy; reads each range once, and a few of them ahead."""
    ahead: deque[tuple[NodeId | None, Sequence[str]]] = deque()
    for node, held in _spread(nodes, kind, root, read_node(nodes, kind, root).level, paths):
        if ahead and node is not None:
            nodes.prefetch((node,))
        ahead.append((node, held))
        if len(ahead) > _READ_AHEAD:
            yield from _in_range(nodes, kind, *ahead.popleft())
    for node, held in ahead:
        yield from _in_range(nodes, kind, node, held)


def _spread(
    nodes: NodeStore, kind: Kind[Any], node: NodeId, level: int, paths: Sequence[str]
) -> Iterator[tuple[NodeId | None, Sequence[str]]]:
    """Yields the ranges in which paths lie, each with its paths; None for paths behind the last."""
    if not level:
        yield node, paths
        return
    rows = read_node(nodes, kind, node).rows
    start = position = 0
    while start < len(paths):
        position = rows.find(paths[start], position)
        if position == len(rows):
            yield None, paths[start:]
            return
        last, stop = rows.key(position), start + 1
        while stop < len(paths) and paths[stop] <= last:
            stop += 1
        child = child_at(rows, position)
        yield from _spread(nodes, kind, child.child, child.level, paths[start:stop])
        start = stop


def _in_range(nodes: NodeStore, kind: Kind[E], node: NodeId | None, paths: Sequence[str]) -> Iterator[E | None]:
    if node is None:
        yield from (None for _ in paths)
        return
    rows = read_node(nodes, kind, node, scan=True).rows
    position = 0
    for path in paths:
        position = rows.find(path, position)
        yield kind.from_row(rows.row(position)) if rows.has(position, path) else None


def iterate(nodes: NodeStore, kind: Kind[E], root: NodeId, prefix: str = "", after: str = "") -> Iterator[E]:
    """Yields entries whose path starts with `prefix` and is greater than `after`, in the order of their paths.

    Lazy: seeks to the first, and reads ranges as they are reached.
    """
    return map(kind.from_row, _rows(nodes, kind, root, Bounds.of(prefix, after)))


def _rows(nodes: NodeStore, kind: Kind[Any], root: NodeId, bounds: Bounds) -> Iterator[Row]:
    """Yields the rows of the interval in order; reads the next range ahead once a page's worth was taken of one."""
    pending = [root]
    while pending:
        node = read_node(nodes, kind, pending.pop(), scan=True)
        if node.level:
            pending.extend(reversed(bounds.children(node.rows).batch.column(0).to_pylist()))
            continue
        rows = bounds.entries(node.rows)
        yield from rows.rows(0, _BEFORE_READING_AHEAD)
        if len(rows) > _BEFORE_READING_AHEAD:
            nodes.prefetch(pending[-1:])
            yield from rows.rows(_BEFORE_READING_AHEAD)


def totals(nodes: NodeStore, root: NodeId) -> Totals:
    """How many entries a tree of any kind holds and the sum of their sizes; reads its root only."""
    node = nodes.read(root)
    if node.level:
        return Totals(node.rows.sum("entries"), node.rows.sum("bytes"))
    return Totals(len(node.rows), node.rows.sum(KINDS[node.kind].weight))

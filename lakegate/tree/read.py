"""Looking up one path, stepping through a tree in order, and its totals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

from lakegate.format.kinds import KINDS, Kind, Row
from lakegate.ids import NodeId
from lakegate.tree.bounds import Bounds
from lakegate.tree.store import NodeStore, Totals, read_node

E = TypeVar("E")

_BEFORE_READING_AHEAD = 1024


def get(nodes: NodeStore, kind: Kind[E], root: NodeId, path: str) -> E | None:
    """Looks up the entry at a path; None where there is none."""
    node = read_node(nodes, kind, root)
    while node.level:
        rows = node.rows
        position = rows.find(path)
        if position == len(rows):
            return None
        node = read_node(nodes, kind, NodeId(rows.batch.column(0)[position].as_py()))
    rows = node.rows
    position = rows.find(path)
    return kind.from_row(rows.row(position)) if rows.has(position, path) else None


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

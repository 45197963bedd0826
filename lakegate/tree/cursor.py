"""Steps through the nodes of one level of a tree in the order of their paths, reading only inner nodes."""

from __future__ import annotations

from typing import Any

from lakegate.format.kinds import Child, Kind
from lakegate.format.node import Node
from lakegate.format.rows import Rows
from lakegate.ids import NodeId
from lakegate.tree.store import NodeStore, read_node


def describe(kind: Kind[Any], node: Node, node_id: NodeId) -> Child:
    """What a parent would say of a node that is not empty."""
    rows = node.rows
    if node.level:
        first = str(rows.value("first_path", 0))
        return Child(node_id, node.level, first, rows.last, rows.sum("entries"), rows.sum("bytes"))
    return Child(node_id, 0, rows.first, rows.last, len(rows), rows.sum(kind.weight))


def child_at(rows: Rows, position: int) -> Child:
    return Child(*rows.row(position))


class LevelCursor:
    """A position among the nodes of one level, which only moves forward."""

    def __init__(self, nodes: NodeStore, kind: Kind[Any], root: Child, level: int) -> None:
        self._nodes = nodes
        self._kind = kind
        self._root = root
        self._level = level
        self._path: list[tuple[Rows, int]] = []  # inner nodes from the root down, each with the child stood at
        self._started = False

    @property
    def at_end(self) -> bool:
        """Tells whether the cursor stands at the last node of its level."""
        return self._started and all(position == len(rows) - 1 for rows, position in self._path)

    def seek(self, path: str) -> Child:
        """Moves to the node where a path is, or would be put: the first that ends at or after it, else the last.

        The path must be greater than the end of the node that the cursor stood at, unless that is the last one.
        """
        self._started = True
        while self._path:
            rows, position = self._path[-1]
            if rows.last >= path:
                self._path[-1] = (rows, rows.find(path, position))
                break
            self._path.pop()
        return self._descend(path)

    def next(self) -> Child | None:
        """Moves to the node after this one; None where there is none."""
        if not self._started:
            self._started = True
            return self._descend("")
        while self._path:
            rows, position = self._path.pop()
            if position + 1 < len(rows):
                self._path.append((rows, position + 1))
                return self._descend("")
        return None

    def _descend(self, path: str) -> Child:
        child = child_at(*self._path[-1]) if self._path else self._root
        while child.level > self._level:
            rows = read_node(self._nodes, self._kind, child.child).rows
            position = min(rows.find(path), len(rows) - 1)
            self._path.append((rows, position))
            child = child_at(rows, position)
        return child

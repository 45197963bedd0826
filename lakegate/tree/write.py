"""Building trees and applying changes to them.

`apply` gives exactly the root that `build` gives over the resulting content. At every level it re-cuts only the nodes
that changes fall into, and those after them until a cut of the new stream falls together with one of the old: from
there on the old nodes stand as they are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

from lakegate.format.kinds import CHILDREN, Child, Kind, Layout, Row
from lakegate.format.node import Node
from lakegate.format.rows import Rows
from lakegate.ids import NodeId
from lakegate.tree.cursor import LevelCursor, child_at, describe
from lakegate.tree.cut import Boundary, Cutter
from lakegate.tree.splice import Edit, splice
from lakegate.tree.store import NodeStore, read_node
from lakegate.tree.writer import LevelWriter, Writes

E = TypeVar("E")

_BATCH = 8192


def empty(nodes: NodeStore, kind: Kind[Any]) -> NodeId:
    """Writes the tree that holds nothing, one empty range, and returns its root."""
    return nodes.write(Node(kind.name, 0, Rows.of(kind.layout, ())))


def build(nodes: NodeStore, kind: Kind[E], entries: Iterable[E]) -> NodeId:
    """Builds a tree from entries sorted by path, in constant memory, and returns its root; all of it is durable.

    Raises ValueError where the entries are not sorted, or two have the same path.
    """
    with Writes(nodes) as writes:
        return _build(nodes, writes, kind, 0, _batches(kind.layout, map(kind.to_row, entries)))


def apply(nodes: NodeStore, kind: Kind[E], root: NodeId, changes: Iterable[tuple[str, E | None]]) -> NodeId:
    """Puts entries into a tree (None: removes what is at the path, if anything) and returns the new root.

    The changes are sorted by path, each path once, and the path is the entry's own (ValueError otherwise); they are
    consumed as a stream. All nodes of the new tree are durable when this returns. Work and memory are in proportion to
    the ranges touched.
    """
    edits: Iterator[Edit] = (_edit(kind, path, entry) for path, entry in changes)
    node = read_node(nodes, kind, root)
    with Writes(nodes) as writes:
        if not len(node.rows):
            rows = (row for _, row in edits if row is not None)
            return _build(nodes, writes, kind, 0, _batches(kind.layout, rows))
        top = describe(kind, node, root)
        for level in range(top.level + 1):
            cursor = LevelCursor(nodes, kind, top, level)
            edits = _Splicer(nodes, cursor, kind, LevelWriter(writes, kind, level), level).run(edits)
        # What comes out are edits of a level that had one element, the old root.
        over: dict[str, Row | None] = {top.last_path: tuple(top)}
        over.update(edits)
        children = [Child(*row) for _, row in sorted(over.items()) if row is not None]
        return _settle(nodes, writes, kind, top.level + 1, children)


def _edit(kind: Kind[E], path: str, entry: E | None) -> Edit:
    if entry is None:
        return path, None
    row = kind.to_row(entry)
    if row[kind.layout.key_index] != path:
        raise ValueError(f"The entry for {path!r} says that its path is {row[kind.layout.key_index]!r}.")
    return path, row


def _build(
    nodes: NodeStore, writes: Writes, kind: Kind[Any], level: int, batches: Iterator[tuple[Rows, list[str]]]
) -> NodeId:
    boundary, cutter = Boundary(kind.shape, level), Cutter(kind.shape.cap(level))
    writer = LevelWriter(writes, kind, level)
    children: list[Child] = []
    for rows, keys in batches:
        for run in cutter.add(rows, boundary.among(keys)):
            children.extend(writer.put(run))
    for run in cutter.finish():
        children.extend(writer.put(run))
    children.extend(writer.finish())
    return _settle(nodes, writes, kind, level + 1, children)


def _settle(nodes: NodeStore, writes: Writes, kind: Kind[Any], level: int, children: list[Child]) -> NodeId:
    """Returns the root over all nodes of the level below `level`: the one node of the lowest level with only one."""
    if not children:
        return empty(nodes, kind)
    if len(children) > 1:
        return _build(nodes, writes, kind, level, _batches(CHILDREN, iter(children)))
    top = children[0]
    while top.level:
        rows = read_node(nodes, kind, top.child).rows
        if len(rows) > 1:
            break
        top = child_at(rows, 0)
    return top.child


def _batches(layout: Layout, rows: Iterator[Row]) -> Iterator[tuple[Rows, list[str]]]:
    """Yields rows by the batch, with their keys."""
    index, last = layout.key_index, ""
    while batch := list(islice(rows, _BATCH)):
        keys: list[str] = [row[index] for row in batch]
        for before, key in zip([last, *keys], keys, strict=False):
            if key <= before:
                _in_order(before, key)
        last = keys[-1]
        yield Rows.of(layout, batch), keys


def _in_order(last: str, path: str) -> str:
    if path <= last:
        raise ValueError(f"Paths must be sorted, each once, and not empty; {path!r} comes after {last!r}.")
    return path


class _Splicer:
    """Applies a sorted stream of edits to one level of a tree; what comes out are the edits of the level above.

    An edit's key is the path of an entry at level 0, and the last path of a child above.
    """

    def __init__(self, nodes: NodeStore, cursor: LevelCursor, kind: Kind[Any], writer: LevelWriter, level: int) -> None:
        self._nodes = nodes
        self._kind = kind
        self._cursor = cursor
        self._boundary = Boundary(kind.shape, level)
        self._cutter = Cutter(kind.shape.cap(level))
        self._writer = writer
        self._replaced: deque[Child] = deque()  # old nodes taken apart, whose keys no new node has reached yet

    def run(self, edits: Iterator[Edit]) -> Iterator[Edit]:
        ahead = _Ahead(edits)
        while True:
            if self._cutter.open:
                node = self._cursor.next()
            elif ahead.head is not None:
                node = self._cursor.seek(ahead.head[0])
            else:
                break
            if node is None:
                break
            yield from self._take_apart(node, ahead)
        for run in self._cutter.finish():
            yield from self._upward(self._writer.put(run))
        yield from self._upward(self._writer.finish())
        for child in self._replaced:
            yield child.last_path, None

    def _take_apart(self, node: Child, ahead: _Ahead) -> Iterator[Edit]:
        rows = read_node(self._nodes, self._kind, node.child, scan=True).rows
        self._replaced.append(node)
        until = None if self._cursor.at_end else node.last_path
        start = 0
        while batch := ahead.take(until):
            # Only the rows up to the last edit of the batch are settled; a long stream of edits takes several.
            stop = rows.find(batch[-1][0], start, after=True)
            new, fresh = splice(rows.slice(start, stop), batch)
            yield from self._cut(new, fresh)
            start = stop
        # Inside an old node no path but the last can be a boundary.
        rest = rows.slice(start, len(rows))
        if len(rest):
            yield from self._cut(rest, [len(rest) - 1])

    def _cut(self, rows: Rows, candidates: Sequence[int]) -> Iterator[Edit]:
        boundaries = [position for position in candidates if self._boundary.at(rows.key(position))]
        for run in self._cutter.add(rows, boundaries):
            yield from self._upward(self._writer.put(run))

    def _upward(self, written: Iterator[Child]) -> Iterator[Edit]:
        for child in written:
            unchanged = False
            while self._replaced and self._replaced[0].last_path <= child.last_path:
                old = self._replaced.popleft()
                if old.last_path < child.last_path:
                    yield old.last_path, None
                else:
                    unchanged = old.child == child.child
            if not unchanged:
                yield child.last_path, tuple(child)


class _Ahead:
    """A stream of edits with a look at its head. Checks the order."""

    def __init__(self, edits: Iterator[Edit]) -> None:
        self._edits = edits
        self._last = ""
        self.head: Edit | None = None
        self._advance()

    def take(self, until: str | None) -> list[Edit]:
        """Takes the next edits up to a path (None: any), at most a batch of them."""
        batch: list[Edit] = []
        while self.head is not None and len(batch) < _BATCH and (until is None or self.head[0] <= until):
            batch.append(self.head)
            self._advance()
        return batch

    def _advance(self) -> None:
        self.head = next(self._edits, None)
        if self.head is not None:
            self._last = _in_order(self._last, self.head[0])

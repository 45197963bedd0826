"""Writes the nodes of a new tree, a few beside each other, and knows when they are durable."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, wait
from types import TracebackType
from typing import Any

from lakegate.format.kinds import Child, Kind
from lakegate.format.node import Node
from lakegate.format.rows import Rows
from lakegate.ids import NodeId
from lakegate.tree.cursor import describe
from lakegate.tree.store import NodeStore

_WRITES_AHEAD = 4


class Writes:
    """The writes under way for one tree. Left by an exception, it calls off those not begun and waits for the rest, so
    that nothing goes on behind the caller's back."""

    def __init__(self, nodes: NodeStore) -> None:
        self._nodes = nodes
        self._under_way: set[Future[NodeId]] = set()

    def __enter__(self) -> Writes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        left = tuple(self._under_way)
        for future in left:
            future.cancel()
        wait(left)

    def submit(self, node: Node) -> Future[NodeId]:
        future = self._nodes.submit(node)
        self._under_way.add(future)
        return future

    def settle(self, future: Future[NodeId]) -> NodeId:
        """Waits for a write; raises what it raised."""
        self._under_way.discard(future)
        return future.result()


class LevelWriter:
    """Writes the nodes of one level in order."""

    def __init__(self, writes: Writes, kind: Kind[Any], level: int) -> None:
        self._writes = writes
        self._kind = kind
        self._level = level
        self._under_way: deque[tuple[Future[NodeId], Child]] = deque()

    def put(self, rows: Rows) -> Iterator[Child]:
        """Starts writing a node; yields those that are durable now, oldest first."""
        node = Node(self._kind.name, self._level, rows)
        self._under_way.append((self._writes.submit(node), describe(self._kind, node, NodeId(""))))
        while len(self._under_way) > _WRITES_AHEAD:
            yield self._oldest()

    def finish(self) -> Iterator[Child]:
        """Yields the rest."""
        while self._under_way:
            yield self._oldest()

    def _oldest(self) -> Child:
        future, child = self._under_way.popleft()
        return child._replace(child=self._writes.settle(future))

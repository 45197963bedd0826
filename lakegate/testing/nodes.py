"""A node store in memory that records what was asked of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future

from lakegate.errors import Corrupt
from lakegate.format.node import Node
from lakegate.ids import NodeId


class MemoryNodes:
    """A NodeStore over a dict. `reads` holds the ids asked for since it was last cleared, hints too; `written` those of
    nodes that were new."""

    def __init__(self) -> None:
        self.nodes: dict[NodeId, Node] = {}
        self.reads: list[NodeId] = []
        self.written: list[NodeId] = []

    def read(self, node: NodeId, *, scan: bool = False, verify: bool = False) -> Node:
        self.reads.append(node)
        found = self.nodes.get(node)
        if found is None:
            raise Corrupt(f"The node {node} is missing.")
        if verify:
            found.verify()
        return found

    def prefetch(self, nodes: Iterable[NodeId]) -> None:
        self.reads.extend(nodes)

    def write(self, node: Node) -> NodeId:
        if node.id not in self.nodes:
            self.nodes[node.id] = node
            self.written.append(node.id)
        return node.id

    def submit(self, node: Node) -> Future[NodeId]:
        future: Future[NodeId] = Future()
        future.set_result(self.write(node))
        return future

    def reachable(self, root: NodeId) -> Iterator[Node]:
        """Yields every node of a tree, the root first, without recording reads."""
        node = self.nodes[root]
        yield node
        if node.level:
            for child in node.rows.rows():
                yield from self.reachable(NodeId(child[0]))

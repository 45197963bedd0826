"""What trees ask of the place that keeps their nodes."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

from lakegate.errors import Corrupt
from lakegate.format.kinds import Kind
from lakegate.format.node import Node
from lakegate.ids import NodeId


class NodeStore(Protocol):
    """Nodes by id: immutable and content-addressed, so that writing one that is there is no error. Thread-safe."""

    def read(self, node: NodeId, *, scan: bool = False, verify: bool = False) -> Node:
        """Reads a node. `scan` says that it is read in passing and need not displace what is looked up by path;
        `verify` re-hashes it, whatever a cache holds. Raises Corrupt where it is missing or not what it should be."""
        ...

    def prefetch(self, nodes: Iterable[NodeId]) -> None:
        """Hints that these nodes will be read next, in passing. May do nothing, and never raises for a bad node."""
        ...

    def write(self, node: Node) -> NodeId:
        """Writes a node; it is durable when this returns."""
        ...

    def submit(self, node: Node) -> Future[NodeId]:
        """Starts writing a node; it is durable when the future has its result."""
        ...


@dataclass(frozen=True, slots=True)
class Totals:
    """What lies below a node: how many entries, and the sum of their sizes in bytes."""

    entries: int
    bytes: int


def read_node(nodes: NodeStore, kind: Kind[Any], node_id: NodeId, *, scan: bool = False) -> Node:
    """Reads a node that must be of this kind. Raises Corrupt where it is of another."""
    node = nodes.read(node_id, scan=scan)
    if node.kind != kind.name:
        raise Corrupt(
            f"The node {node_id} is of kind {node.kind!r} where one of kind {kind.name!r} should stand.",
            hint="Run `lakegate verify`.",
        )
    return node

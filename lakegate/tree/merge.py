"""What a three-way merge has to decide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from lakegate.format.kinds import Child, Kind
from lakegate.ids import NodeId
from lakegate.tree.bounds import Bounds
from lakegate.tree.compare import differing
from lakegate.tree.diff import entry_at, key_of
from lakegate.tree.store import NodeStore
from lakegate.tree.walk import Side, regions

E = TypeVar("E")


@dataclass(frozen=True, slots=True)
class TreeTriple(Generic[E]):
    """One path at which the source differs from the base and from the destination; None: nothing there."""

    path: str
    base: E | None
    source: E | None
    destination: E | None


def merge(
    nodes: NodeStore, kind: Kind[E], base: NodeId, source: NodeId, destination: NodeId
) -> Iterator[TreeTriple[E]]:
    """Yields every path at which the source's entry differs from the base's and from the destination's, in order.

    Where the destination's is the base's, only the source changed it; else both did. Lazy; reads only nodes that
    differ: none below a subtree that the source shares with the base or with the destination.
    """
    if source in (base, destination):
        return
    sides = (Side(nodes, kind, source), Side(nodes, kind, base), Side(nodes, kind, destination))
    for region in regions(nodes, sides, _same, Bounds(), beside=1):
        ours, old = region.rows(0), region.rows(1)
        theirs = None
        at = 0
        for i, j in differing(ours, old):
            path = key_of(ours, i, old, j)
            if theirs is None:
                theirs = region.rows(2) or ()
            there = None
            if theirs:
                at = theirs.find(path, at)
                there = entry_at(kind, theirs, at if theirs.has(at, path) else None)
            new = entry_at(kind, ours, i)
            if new != there:
                yield TreeTriple(path, entry_at(kind, old, j), new, there)


def _same(heads: Sequence[Child | None]) -> bool:
    source, base, destination = heads
    if source is None:
        return False
    return (base is not None and source.child == base.child) or (
        destination is not None and source.child == destination.child
    )

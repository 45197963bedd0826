"""What differs between two trees."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from lakegate.format.kinds import Child, Kind
from lakegate.format.rows import Rows
from lakegate.ids import NodeId
from lakegate.tree.bounds import Bounds
from lakegate.tree.compare import differing
from lakegate.tree.store import NodeStore
from lakegate.tree.walk import Side, regions

E = TypeVar("E")


@dataclass(frozen=True, slots=True)
class TreeChange(Generic[E]):
    """One path at which two trees differ; None: the tree holds nothing there."""

    path: str
    left: E | None
    right: E | None


def diff(
    nodes: NodeStore, kind: Kind[E], left: NodeId, right: NodeId, prefix: str = "", after: str = ""
) -> Iterator[TreeChange[E]]:
    """Yields every path that starts with `prefix` and is greater than `after` at which two trees hold different entries
    (any column counts), in order. Lazy; reads only nodes that differ."""
    if left == right:
        return
    sides = (Side(nodes, kind, left), Side(nodes, kind, right))
    for region in regions(nodes, sides, _same, Bounds.of(prefix, after)):
        mine, other = region.rows(0), region.rows(1)
        for i, j in differing(mine, other):
            old, new = entry_at(kind, mine, i), entry_at(kind, other, j)
            yield TreeChange(key_of(mine, i, other, j), old, new)


def changed_paths(
    nodes: NodeStore, kind: Kind[Any], left: NodeId, right: NodeId, prefix: str = "", after: str = ""
) -> Iterator[tuple[str, bool, bool]]:
    """Yields the paths that `diff` yields, and whether the left and the right tree hold each; makes no entries of
    them."""
    if left == right:
        return
    sides = (Side(nodes, kind, left), Side(nodes, kind, right))
    for region in regions(nodes, sides, _same, Bounds.of(prefix, after)):
        mine, other = region.rows(0), region.rows(1)
        if mine is None or other is None:
            alone = mine if mine is not None else other
            if alone is not None:
                for path in alone.keys.to_pylist():
                    yield path, mine is not None, other is not None
            continue
        for i, j in differing(mine, other):
            yield key_of(mine, i, other, j), i is not None, j is not None


def entry_at(kind: Kind[E], rows: Rows | None, position: int | None) -> E | None:
    """The entry at a position; None where there is no position."""
    if rows is None or position is None:
        return None
    return kind.from_row(rows.row(position))


def key_of(left: Rows | None, i: int | None, right: Rows | None, j: int | None) -> str:
    """The key of a row that at least one of two runs holds."""
    if left is not None and i is not None:
        return left.key(i)
    assert right is not None
    assert j is not None
    return right.key(j)


def _same(heads: Sequence[Child | None]) -> bool:
    left, right = heads
    return left is not None and right is not None and left.child == right.child

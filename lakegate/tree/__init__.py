"""Trees: the sorted map from path to entry as content-addressed nodes, cut by content.

Pure functions over a `NodeStore`, for every kind of `lakegate.format.kinds`. A tree's root depends on its content only,
never on how it came about. Paths are ordered by their UTF-8 bytes, which is Python's order of `str`.
"""

from lakegate.tree.diff import TreeChange, changed_paths, diff
from lakegate.tree.leap import leaping
from lakegate.tree.merge import TreeTriple, merge
from lakegate.tree.read import get, get_all, iterate, totals
from lakegate.tree.store import NodeStore, Totals
from lakegate.tree.write import apply, build, empty

__all__ = [
    "NodeStore",
    "Totals",
    "TreeChange",
    "TreeTriple",
    "apply",
    "build",
    "changed_paths",
    "diff",
    "empty",
    "get",
    "get_all",
    "iterate",
    "leaping",
    "merge",
    "totals",
]

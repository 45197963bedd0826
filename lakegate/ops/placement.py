"""Which table a path belongs to, by the TABLES trees of some manifests."""

from __future__ import annotations

from collections.abc import Sequence

from lakegate import tree
from lakegate.context import RepositoryContext
from lakegate.format.kinds import OBJECTS, TABLES
from lakegate.ids import NodeId
from lakegate.log_paths import log_commit_of, log_folder
from lakegate.model import TableFormat, TableVersion
from lakegate.tree import NodeStore

_REMEMBERED = 100_000


class Placement:
    """Finds the innermost table folder above a path, over several commits at once.

    Look-ups are remembered by folder: the paths of a sorted walk ask the trees once a folder.
    """

    def __init__(self, nodes: NodeStore, roots: Sequence[NodeId]) -> None:
        self._nodes = nodes
        self._roots = tuple(dict.fromkeys(roots))
        self._folders: dict[str, str | None] = {}

    def table_of(self, path: str) -> str | None:
        """Returns the path of the table that holds `path`, None where none does."""
        folder = path.rpartition("/")[0]
        return self._of_folder(folder) if folder else None

    def _of_folder(self, folder: str) -> str | None:
        if folder in self._folders:
            return self._folders[folder]
        parent = folder.rpartition("/")[0]
        found: str | None = None
        if any(tree.get(self._nodes, TABLES, root, folder) is not None for root in self._roots):
            found = folder
        elif parent:
            found = self._of_folder(parent)
        if len(self._folders) > _REMEMBERED:
            self._folders.clear()
        self._folders[folder] = found
        return found


def in_log(table: str, path: str) -> bool:
    """Tells whether `path` lies in the Delta log folder of `table`."""
    return path.startswith(log_folder(table))


def same_version(left: TableVersion | None, right: TableVersion | None) -> bool:
    """Tells whether two states of one table are one: both absent, or the same Delta version of the same content."""
    if left is None or right is None:
        return left is right
    return left.format is right.format and left.version == right.version and left.digest == right.digest


def same_content(left: TableVersion | None, right: TableVersion | None) -> bool:
    """Tells whether two states of one table hold the same, by whatever versions they came to it."""
    if left is None or right is None:
        return False
    return left.format is right.format and left.digest == right.digest and left.metadata == right.metadata


def is_delta(*versions: TableVersion | None) -> bool:
    """Tells whether some of these is a Delta table."""
    return any(v is not None and v.format is TableFormat.DELTA for v in versions)


def rewrites(ctx: RepositoryContext, roots: tuple[NodeId, NodeId], table: TableVersion) -> bool:
    """Tells whether the second of two trees of objects holds a log commit of a Delta table of the first as another."""
    for change in tree.diff(ctx.manifests.nodes, OBJECTS, *roots, prefix=log_folder(table.path)):
        commit = log_commit_of(change.path)
        if commit is None or commit[1] > (table.version or 0):
            continue
        left, right = change.left, change.right
        if left is not None and right is not None and not left.same_content(right):
            return True
    return False

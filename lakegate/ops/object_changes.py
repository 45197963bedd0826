"""What differs between two entries, and what an uncommitted row changes of the commit below it: one rule for commits,
diffs and clean branches."""

from __future__ import annotations

from lakegate import tree
from lakegate.context import RepositoryContext
from lakegate.errors import NotFound
from lakegate.format.kinds import OBJECTS
from lakegate.ids import NodeId
from lakegate.metastore.protocol import StagedRow
from lakegate.model import ChangeKind, Entry, ObjectChange


def change_of(path: str, left: Entry | None, right: Entry | None) -> ObjectChange | None:
    """Makes the change between two entries of one path; None where a reader sees none."""
    if left is None and right is None:
        return None
    if left is None:
        return ObjectChange(path, ChangeKind.ADDED, None, right)
    if right is None:
        return ObjectChange(path, ChangeKind.REMOVED, left, None)
    return None if left.same_content(right) else ObjectChange(path, ChangeKind.CHANGED, left, right)


def staged_change(ctx: RepositoryContext, root: NodeId, row: StagedRow) -> ObjectChange | None:
    """Makes the change that a staged row makes to a tree of objects; None where it makes none.

    Empty objects that stand for folders stay out of commits. Bytes that were written again are no change, unless those
    that the commit names are gone: then the new ones repair it.
    """
    before = tree.get(ctx.manifests.nodes, OBJECTS, root, row.path)
    after = row.entry
    if before is None and after is not None and after.size == 0 and row.path.endswith("/"):
        return None
    change = change_of(row.path, before, after)
    if change is None and before is not None and after is not None and _repairs(ctx, before, after):
        return ObjectChange(row.path, ChangeKind.CHANGED, before, after)
    return change


def _repairs(ctx: RepositoryContext, before: Entry, after: Entry) -> bool:
    if after.address == before.address:
        return False
    store, key = ctx.addresses.locate(before.address)
    try:
        return store.head(key).size != before.size
    except NotFound:
        return True

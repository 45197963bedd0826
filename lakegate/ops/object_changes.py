"""What differs between two entries, and what an uncommitted row changes of the commit below it: one rule for commits,
diffs and clean branches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lakegate import staging, tree
from lakegate.context import RepositoryContext
from lakegate.errors import NotFound, Refused
from lakegate.format.kinds import OBJECTS
from lakegate.ids import CommitId, StagingToken
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


def staged_changes(
    ctx: RepositoryContext, commit: CommitId, tokens: Sequence[StagingToken], prefix: str = "", after: str = ""
) -> Iterator[ObjectChange]:
    """Yields the changes that the staged rows of these tokens make to a commit, in order. Lazy.

    Empty objects that stand for folders stay out of commits. Bytes that were written again are no change, unless those
    that the commit names are gone: then the new ones repair it.
    """
    root = staging.objects_root(ctx, commit)
    for page in staging.pages(ctx, tokens, prefix, after):
        held = tree.get_all(ctx.manifests.nodes, OBJECTS, root, [row.path for row in page])
        for row, before in zip(page, held, strict=True):
            change = _staged_change(ctx, row, before)
            if change is not None:
                yield change


def _staged_change(ctx: RepositoryContext, row: StagedRow, before: Entry | None) -> ObjectChange | None:
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
    store, key = ctx.addresses.source(before)
    try:
        return store.head(key).size != before.size
    except (NotFound, Refused):  # gone, or an imported object that was changed
        return True

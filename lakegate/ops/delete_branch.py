"""Deletes a branch."""

from __future__ import annotations

from lakegate import refs
from lakegate.context import RepositoryContext
from lakegate.ids import BranchName
from lakegate.metastore.protocol import branch_not_found
from lakegate.ops.clean import sealed_clean
from lakegate.ops.commit import too_many_updates

_TRIES = 20


def delete_branch(ctx: RepositoryContext, name: str, force: bool = False) -> None:
    """Deletes a branch; `force`, with its uncommitted changes. A write that comes in between is seen, and not lost.

    Raises NotFound(BRANCH_NOT_FOUND), Refused(DEFAULT_BRANCH, DIRTY_BRANCH).
    """
    branch = BranchName(name)
    refs.require_deletable(ctx, name)
    if force:
        if not refs.delete_branch(ctx, branch):
            raise branch_not_found(name)
        return
    for _ in range(_TRIES):
        otherwise = "delete it with --force (over REST without `require_clean`), which loses them"
        state = sealed_clean(ctx, branch, "deleting it", otherwise)
        if refs.delete_branch(ctx, branch, state):
            return
    raise too_many_updates(name)

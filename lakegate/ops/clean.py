"""Seals a branch and makes sure that it holds no uncommitted changes."""

from __future__ import annotations

from lakegate import staging
from lakegate.context import RepositoryContext
from lakegate.errors import ErrorKind, LakegateError, NotFound, Refused
from lakegate.ids import BranchName
from lakegate.metastore.protocol import BranchState
from lakegate.ops.object_changes import staged_change


def sealed_clean(ctx: RepositoryContext, branch: BranchName, what: str) -> BranchState:
    """Seals the branch and returns its state, where no sealed row differs from the branch's commit.

    The rows that remain (folder markers, writes of what the commit already holds) are dropped by the caller's move,
    which asks for `clean`, so that a write that comes in between makes the move lose, not the write.
    `what` names the operation in the error. Raises Refused(DIRTY_BRANCH), NotFound(BRANCH_NOT_FOUND).
    """
    require_clean(ctx, branch, what)
    state = ctx.meta.seal(ctx.info.id, branch)
    if state is None:
        raise branch_not_found(branch)
    _refuse_changes(ctx, state, what)
    return state


def require_clean(ctx: RepositoryContext, branch: BranchName, what: str) -> BranchState:
    """Returns the branch's state, where it has no uncommitted changes. Raises as `sealed_clean`; changes nothing."""
    state = ctx.meta.get_branch(ctx.info.id, branch)
    if state is None:
        raise branch_not_found(branch)
    _refuse_changes(ctx, state, what)
    return state


def branch_not_found(branch: str) -> LakegateError:
    """Makes the error for a branch that is not there."""
    return NotFound(
        ErrorKind.BRANCH_NOT_FOUND, f"There is no branch {branch!r}.", hint="List the branches to see which there are."
    )


def _refuse_changes(ctx: RepositoryContext, state: BranchState, what: str) -> None:
    root = ctx.manifests.read_manifest(ctx.manifests.read_commit(state.commit).manifest).objects_root
    for row in staging.iterate(ctx, state.tokens):
        if staged_change(ctx, root, row) is None:
            continue
        raise Refused(
            ErrorKind.DIRTY_BRANCH,
            f"The branch {state.name!r} has uncommitted changes (the first: {row.path!r}), so {what} is refused.",
            hint="Commit them, or throw them away with `lakegate branch reset`, then try again.",
            details={"branch": state.name, "path": row.path},
        )

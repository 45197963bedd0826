"""Seals a branch and makes sure that it holds no uncommitted changes."""

from __future__ import annotations

from lakegate.context import RepositoryContext
from lakegate.errors import ErrorKind, Refused
from lakegate.ids import BranchName
from lakegate.metastore.protocol import BranchState, branch_not_found
from lakegate.ops.object_changes import staged_changes

_THROW_AWAY = "throw them away with `lakegate branch reset`, then try again"


def sealed_clean(ctx: RepositoryContext, branch: BranchName, what: str, otherwise: str = _THROW_AWAY) -> BranchState:
    """Seals the branch and returns its state, where no sealed row differs from the branch's commit.

    The rows that remain (folder markers, writes of what the commit already holds) are dropped by the caller's move,
    which asks for `clean`, so that a write that comes in between makes the move lose, not the write.
    `what` names the operation in the error, `otherwise` what to do but commit. Raises Refused(DIRTY_BRANCH),
    NotFound(BRANCH_NOT_FOUND).
    """
    require_clean(ctx, branch, what, otherwise)
    state = ctx.meta.seal(ctx.info.id, branch)
    if state is None:
        raise branch_not_found(branch)
    _refuse_changes(ctx, state, what, otherwise)
    return state


def require_clean(ctx: RepositoryContext, branch: BranchName, what: str, otherwise: str = _THROW_AWAY) -> BranchState:
    """Returns the branch's state, where it has no uncommitted changes. Raises as `sealed_clean`; changes nothing."""
    state = ctx.meta.get_branch(ctx.info.id, branch)
    if state is None:
        raise branch_not_found(branch)
    _refuse_changes(ctx, state, what, otherwise)
    return state


def _refuse_changes(ctx: RepositoryContext, state: BranchState, what: str, otherwise: str) -> None:
    for change in staged_changes(ctx, state.commit, state.tokens):
        raise Refused(
            ErrorKind.DIRTY_BRANCH,
            f"The branch {state.name!r} has uncommitted changes (the first: {change.path!r}), so {what} is refused.",
            hint=f"Commit them, or {otherwise}.",
            details={"branch": state.name, "path": change.path},
        )

"""Throws away uncommitted changes, or points a branch at another commit."""

from __future__ import annotations

from lakegate import refs
from lakegate.context import RepositoryContext
from lakegate.errors import ErrorKind, InvalidInput, Refused
from lakegate.ids import branch_name, object_path
from lakegate.model import Branch
from lakegate.ops.clean import sealed_clean


def reset(ctx: RepositoryContext, branch: str, path: str | None = None, prefix: str | None = None) -> int:
    """Throws away the uncommitted changes of one path, of a prefix, or all. Returns how many paths they touched.

    The bytes stay on the object store until they are collected.
    """
    if path is not None and prefix is not None:
        raise InvalidInput(
            ErrorKind.INVALID_ARGUMENT, "A reset takes a path or a prefix, not both.", hint="Reset twice instead."
        )
    if path is not None:
        object_path(path)
    return ctx.meta.unstage(ctx.info.id, branch_name(branch), path=path, prefix=prefix)


def hard_reset(ctx: RepositoryContext, branch: str, ref: str) -> Branch:
    """Points the branch at the commit that `ref` names, a descendant or not; the commits left behind stay readable by
    their ids. Raises Refused(DIRTY_BRANCH, BRANCH_MOVED)."""
    name = branch_name(branch)
    target = refs.resolve(ctx, ref).commit
    state = sealed_clean(ctx, name, "a hard reset")
    moved = refs.move(ctx, state, target, drop=state.sealed, clean=True, reason=f"hard reset to {ref}")
    if moved is None:
        raise Refused(
            ErrorKind.BRANCH_MOVED,
            f"The branch {name!r} changed while it was being reset; it was left as it is.",
            hint="Look at its log, then try again.",
        )
    return Branch(name, moved.commit)

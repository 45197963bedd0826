"""Tells whether a repository may be deleted without force."""

from __future__ import annotations

from collections.abc import Iterator

from lakegate.context import RepositoryContext
from lakegate.errors import ErrorKind, Refused
from lakegate.metastore.protocol import BranchState
from lakegate.model import MAX_PAGE


def require_empty(ctx: RepositoryContext) -> None:
    """Raises Refused(REPOSITORY_NOT_EMPTY) where there is more than branches at the first commit: another commit
    (reachable or not), a tag, a hold, an upload, or uncommitted changes."""
    found = _found(ctx)
    if found is not None:
        raise Refused(
            ErrorKind.REPOSITORY_NOT_EMPTY,
            f"The repository {ctx.info.name!r} is not empty: it has {found}.",
            hint="Delete it with force, if that is meant; the bytes stay in its storage namespace.",
        )


def _found(ctx: RepositoryContext) -> str | None:
    repo = ctx.info.id
    if len(ctx.meta.commits_by_prefix(repo, "", 2)) > 1:
        return "commits"
    for tag in ctx.meta.list_tags(repo, "", "", 1):
        return f"the tag {tag.name!r}"
    for hold in ctx.meta.list_holds(repo):
        return f"the hold {hold.name!r} of a commit"
    for state in _branches(ctx):
        if ctx.meta.staged_rows(state.tokens, limit=1):
            return f"uncommitted changes on the branch {state.name!r}"
        for upload in ctx.meta.list_uploads(repo, state.name, "", "", 1):
            return f"the upload of {upload.path!r} to the branch {state.name!r}"
    return None


def _branches(ctx: RepositoryContext) -> Iterator[BranchState]:
    after = ""
    while page := ctx.meta.list_branches(ctx.info.id, "", after, MAX_PAGE):
        yield from page
        after = page[-1].name

"""Lists the history of a ref."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from lakegate import refs, staging
from lakegate.context import RepositoryContext
from lakegate.errors import ErrorKind, InvalidInput
from lakegate.graph import walk
from lakegate.model import Commit, LogRequest, Page, page_amount, page_of
from lakegate.ops.diff import changes


def log(ctx: RepositoryContext, ref: str, request: LogRequest) -> Page[Commit]:
    """Lists a page of a ref's history, newest first, as `request` narrows it. Raises InvalidInput(INVALID_ARGUMENT)
    where it is to go on behind a commit that is not in it."""
    amount = page_amount(request.amount)
    found = tuple(islice(_commits(ctx, ref, request), amount + 1))
    return page_of(found, amount, lambda commit: commit.id)


def _commits(ctx: RepositoryContext, ref: str, request: LogRequest) -> Iterator[Commit]:
    stop = refs.resolve(ctx, request.stop_at).commit if request.stop_at else None
    after = refs.resolve(ctx, request.after).commit if request.after else None
    waiting = after is not None
    for commit in walk(ctx.manifests.read_commit, (refs.resolve(ctx, ref).commit,), request.first_parent):
        recent = request.since is None or commit.created >= request.since
        if not waiting and recent and _touches(ctx, commit, request):
            yield commit
        if commit.id == after:
            waiting = False
        if commit.id == stop:
            break
    if waiting:
        raise InvalidInput(
            ErrorKind.INVALID_ARGUMENT,
            f"The commit {request.after!r} is not in the history of {ref!r} that was asked for.",
            hint="Go on behind the commit that a page of it ended with, or begin anew.",
        )


def _touches(ctx: RepositoryContext, commit: Commit, request: LogRequest) -> bool:
    if not request.paths and not request.prefixes:
        return True
    after = staging.objects_root(ctx, commit.id)
    before = staging.objects_root(ctx, commit.parents[0]) if commit.parents else None
    if before is None:
        return False
    nodes = ctx.manifests.shown_nodes()
    for prefix in request.prefixes:
        if next(changes(nodes, before, after, prefix), None) is not None:
            return True
    for path in request.paths:
        change = next(changes(nodes, before, after, path), None)
        if change is not None and change.path == path:
            return True
    return False

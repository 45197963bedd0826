"""How the uncommitted changes of a branch change its tables."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

from lakegate import refs, staging, tree
from lakegate.context import RepositoryContext
from lakegate.errors import InvalidInput, Refused
from lakegate.format.kinds import OBJECTS
from lakegate.metastore.protocol import BranchState
from lakegate.model import ListRequest, Page, TableDiff, page_of
from lakegate.ops.commit import manifest_of, staged_steps, too_many_updates
from lakegate.ops.scratch import scratch
from lakegate.tables.detect import detect
from lakegate.tables.diff import diff
from lakegate.tables.touched import Touched

_TRIES = 20


def uncommitted_tables(ctx: RepositoryContext, branch: str, request: ListRequest) -> Page[TableDiff]:
    """Lists a page of the tables that a commit of the branch would change; see `Repository.uncommitted_tables`."""
    for _ in range(_TRIES):
        state = refs.get_branch(ctx, branch)
        try:
            with scratch(ctx) as apart:
                page = _page(apart, state, request)
        except (Refused, InvalidInput):
            # A table of which half the files were read is refused for what is no fault of it.
            if staging.still_whole(ctx, state.name, state.tokens):
                raise
            continue
        if staging.still_whole(ctx, state.name, state.tokens):
            return page
    raise too_many_updates(branch)


def _page(ctx: RepositoryContext, state: BranchState, request: ListRequest) -> Page[TableDiff]:
    before = manifest_of(ctx, state.commit)
    touched = Touched(ctx.manifests.nodes, before.objects_root)
    steps = staged_steps(ctx, state.commit, state.tokens, touched)
    root = tree.apply(ctx.manifests.nodes, OBJECTS, before.objects_root, steps)
    after = replace(before, objects_root=root, tables_root=detect(ctx, before, root, touched).tables_root)
    found = diff(ctx, before, after, request.prefix, request.after)
    return page_of(tuple(islice(found, request.amount + 1)), request.amount, lambda item: item.path)

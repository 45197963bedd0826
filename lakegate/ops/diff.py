"""What differs between two commits, or between a branch and its uncommitted changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice

from lakegate import refs, staging, tree
from lakegate.context import RepositoryContext
from lakegate.errors import ErrorKind, Refused
from lakegate.format.kinds import OBJECTS
from lakegate.graph import merge_base
from lakegate.ids import CommitId, NodeId
from lakegate.model import ChangeKind, ListRequest, ObjectChange, Page, page_amount, page_of
from lakegate.ops.object_changes import change_of, staged_changes
from lakegate.snapshot import by_folder

Source = Callable[[str], Iterator[ObjectChange]]
"""Yields changes after a path."""


def diff(
    ctx: RepositoryContext, left: str, right: str, request: ListRequest, three_dot: bool = False
) -> Page[ObjectChange]:
    """Lists what differs from the commit of `left` (three_dot: of the merge base) to the commit of `right`."""
    before, after = refs.resolve(ctx, left).commit, refs.resolve(ctx, right).commit
    if three_dot:
        before = base_of(ctx, before, after)
    roots = staging.objects_root(ctx, before), staging.objects_root(ctx, after)
    return _page(partial(changes, ctx.manifests.shown_nodes(), *roots, request.prefix), request)


def uncommitted(ctx: RepositoryContext, branch: str, request: ListRequest) -> Page[ObjectChange]:
    """Lists what a commit of the branch would change."""
    while True:
        state = refs.get_branch(ctx, branch)
        source = partial(staged_changes, ctx, state.commit, state.tokens, request.prefix)
        page = _page(source, request)
        if staging.still_whole(ctx, state.name, state.tokens):
            return page


def changes(
    nodes: tree.NodeStore, left: NodeId, right: NodeId, prefix: str = "", after: str = ""
) -> Iterator[ObjectChange]:
    """Yields what a reader sees differ between two trees of objects, in order; reads only nodes that differ."""
    for found in tree.diff(nodes, OBJECTS, left, right, prefix, after):
        change = change_of(found.path, found.left, found.right)
        if change is not None:
            yield change


def base_of(ctx: RepositoryContext, left: CommitId, right: CommitId) -> CommitId:
    """Returns the merge base of two commits. Raises Refused(NO_MERGE_BASE)."""
    base = merge_base(ctx.manifests.read_commit, left, right)
    if base is None:
        raise Refused(
            ErrorKind.NO_MERGE_BASE,
            f"The commits {left[:12]} and {right[:12]} have no history in common.",
            hint="Compare or copy between them instead.",
        )
    return base


def _page(source: Source, request: ListRequest) -> Page[ObjectChange]:
    amount = page_amount(request.amount)
    found = tuple(islice(_grouped(source, request), amount + 1))
    return page_of(found, amount, lambda change: change.path)


def _grouped(source: Source, request: ListRequest) -> Iterator[ObjectChange]:
    """With a delimiter, the changes of one folder are one line, and the walk steps over the rest of it."""
    for change, folder in by_folder(source, request, lambda change: change.path):
        yield change if folder is None else ObjectChange(folder, ChangeKind.PREFIX_CHANGED)

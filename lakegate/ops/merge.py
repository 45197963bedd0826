"""Merges the commit of one ref into a branch."""

from __future__ import annotations

from lakegate import refs
from lakegate.context import RepositoryContext
from lakegate.errors import ErrorKind, MergeConflict, Refused
from lakegate.graph import merge_base as best_base
from lakegate.ids import CommitId
from lakegate.metastore.protocol import BranchState
from lakegate.model import Commit, MergeOutcome, MergeRequest
from lakegate.ops.clean import require_clean, sealed_clean
from lakegate.ops.commit import TreeCommit, commit_tree, manifest_of, too_many_updates
from lakegate.ops.conflicts import counted
from lakegate.ops.decisions import Sides
from lakegate.ops.diff import base_of
from lakegate.ops.table_replay import Replaying, held_since, past_before, past_of
from lakegate.ops.threeway import Plan, Settlement, plan_three_way
from lakegate.tables.history import MERGE_COMMIT, MERGE_SOURCE

_TRIES = 20


def merge(ctx: RepositoryContext, source: str, destination: str, request: MergeRequest) -> MergeOutcome:
    """Merges `source` into the branch `destination`; see `lakegate.interface.Repository.merge`."""
    name = refs.get_branch(ctx, destination).name
    theirs = refs.resolve(ctx, source).commit
    for _ in range(_TRIES):
        state = require_clean(ctx, name, "a merge") if request.dry_run else sealed_clean(ctx, name, "a merge")
        base, plan = _plan(ctx, theirs, state, source, request)
        if request.dry_run:
            return _outcome(None, theirs, state, base, plan)
        if plan.root is None:
            raise MergeConflict(
                f"{source!r} can't be merged into {destination!r}: {counted(plan.conflicts)}.",
                plan.conflicts,
                hint="Nothing was changed. Settle each with --take (over REST `resolutions`), or all with --strategy.",
            )
        parents = (state.commit,) if request.squash else (state.commit, theirs)
        made = commit_tree(
            ctx,
            state,
            plan.root,
            TreeCommit(
                parents,
                request.message or f"Merge {source} into {destination}",
                f"merge of {source}",
                {**request.metadata, MERGE_SOURCE: source, MERGE_COMMIT: theirs},
                drop=state.sealed,
                clean=True,
                touched=plan.touched,
            ),
        )
        if made is not None:
            return _outcome(made, theirs, state, base, plan)
    raise too_many_updates(name)


def merge_base(ctx: RepositoryContext, left: str, right: str) -> Commit | None:
    """Returns the best common ancestor of two refs' commits; None where there is none."""
    base = best_base(ctx.manifests.read_commit, refs.resolve(ctx, left).commit, refs.resolve(ctx, right).commit)
    return None if base is None else ctx.manifests.read_commit(base)


def _plan(
    ctx: RepositoryContext, theirs: CommitId, state: BranchState, source: str, request: MergeRequest
) -> tuple[CommitId, Plan]:
    base = base_of(ctx, theirs, state.commit)
    if base == theirs and not request.allow_empty:
        raise Refused(
            ErrorKind.NOTHING_TO_MERGE,
            f"{state.name!r} holds everything of {source!r} already.",
            hint="Nothing needs to be done; uncommitted changes are merged once they are committed.",
        )
    sides = Sides(*(manifest_of(ctx, commit) for commit in (base, theirs, state.commit)))
    origin = {"operation": "merge", "source": source, "sourceCommit": theirs}
    earlier = held_since(ctx, (state.commit, theirs), base)
    pasts = past_of(ctx, theirs, base), past_of(ctx, state.commit, base)
    before = past_before(ctx, base)
    replaying = Replaying(request.isolation, origin, whole=True, earlier=earlier, pasts=pasts, base_past=before)
    settlement = Settlement(request.resolutions, request.strategy, request.dry_run, replaying)
    return base, plan_three_way(ctx, sides, settlement)


def _outcome(made: Commit | None, theirs: CommitId, state: BranchState, base: CommitId, plan: Plan) -> MergeOutcome:
    return MergeOutcome(
        commit=made,
        source=theirs,
        destination=state.commit,
        base=base,
        fast_path=base == state.commit,
        changes=plan.changes,
        tables=plan.tables,
        conflicts=plan.conflicts,
    )

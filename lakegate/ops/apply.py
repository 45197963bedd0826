"""Reverts a commit on a branch, or cherry-picks one onto it."""

from __future__ import annotations

from dataclasses import replace

from lakegate import refs
from lakegate.context import RepositoryContext
from lakegate.errors import ErrorKind, InvalidInput, MergeConflict, Refused
from lakegate.graph import merge_base
from lakegate.ids import BranchName, CommitId
from lakegate.model import ApplyRequest, Commit, Conflict, Isolation
from lakegate.ops.clean import sealed_clean
from lakegate.ops.commit import TreeCommit, commit_tree, manifest_of, too_many_updates
from lakegate.ops.conflicts import counted
from lakegate.ops.decisions import Sides
from lakegate.ops.table_replay import Replaying, held_since, past_before, past_of
from lakegate.ops.threeway import Settlement, plan_three_way
from lakegate.tables.delta.merge.side_log import no_past

_TRIES = 20


def revert(ctx: RepositoryContext, branch: str, request: ApplyRequest) -> Commit:
    """Commits the inverse of what a commit changed."""
    return _apply(ctx, branch, request, "revert", inverse=True)


def cherry_pick(ctx: RepositoryContext, branch: str, request: ApplyRequest) -> Commit:
    """Commits what a commit changed."""
    return _apply(ctx, branch, request, "cherry-pick", inverse=False)


def _apply(ctx: RepositoryContext, branch: str, request: ApplyRequest, verb: str, *, inverse: bool) -> Commit:
    name = refs.get_branch(ctx, branch).name
    applied = ctx.manifests.read_commit(refs.resolve(ctx, request.ref).commit)
    before = manifest_of(ctx, _parent(applied, request))
    after = manifest_of(ctx, applied.id)
    for _ in range(_TRIES):
        state = sealed_clean(ctx, name, f"a {verb}")
        head = manifest_of(ctx, state.commit)
        sides = Sides(after, before, head) if inverse else Sides(before, after, head)
        base = applied.id if inverse else _parent(applied, request)
        replaying = replace(_replaying(ctx, applied, state.commit, verb), base_past=past_before(ctx, base))
        plan = plan_three_way(ctx, sides, Settlement(replaying=replaying))
        if plan.root is None:
            to = _parent(applied, request) if inverse else applied.id
            raise MergeConflict(
                f"The {verb} of {applied.id[:12]} on {branch!r} meets {counted(plan.conflicts)}.",
                tuple(replace(conflict, hint=_hint(conflict, name, to)) for conflict in plan.conflicts),
                hint="Nothing was changed: what it changed was changed again on the branch.",
            )
        if plan.root == head.objects_root and not request.allow_empty:
            raise Refused(
                ErrorKind.NOTHING_TO_COMMIT,
                f"The {verb} of {applied.id[:12]} changes nothing on {branch!r}.",
                hint="Nothing needs to be done.",
            )
        default = f'Revert "{applied.message}"' if inverse else applied.message
        made = commit_tree(
            ctx,
            state,
            plan.root,
            TreeCommit(
                (state.commit,),
                request.message or default,
                f"{verb} of {applied.id}",
                request.metadata,
                drop=state.sealed,
                clean=True,
                touched=plan.touched,
            ),
        )
        if made is not None:
            return made
    raise too_many_updates(name)


def _replaying(ctx: RepositoryContext, applied: Commit, head: CommitId, verb: str) -> Replaying:
    """Files decide: what a commit changed is known, and is put or taken away as it is."""
    origin = {"operation": verb, "sourceCommit": applied.id}
    base = merge_base(ctx.manifests.read_commit, applied.id, head) or applied.id
    pasts = no_past, past_of(ctx, head, base)
    return Replaying(Isolation.SNAPSHOT, origin, verb.upper(), held_since(ctx, (head, applied.id), applied.id), pasts)


def _hint(conflict: Conflict, branch: BranchName, to: CommitId) -> str:
    """A revert and a cherry-pick have no way to settle a conflict, but a rollback takes a table or path whole."""
    what = f"--path {conflict.path}" if conflict.table is None else f"--table {conflict.table}"
    return f"To have all of it as at {to[:12]}: lakegate rollback {branch} --to {to[:12]} {what}"


def _parent(commit: Commit, request: ApplyRequest) -> CommitId:
    number = request.parent or 1
    if request.parent is None and len(commit.parents) > 1:
        raise InvalidInput(
            ErrorKind.INVALID_ARGUMENT,
            f"The commit {commit.id[:12]} is a merge of {len(commit.parents)} parents.",
            hint="Say against which parent (--parent, over REST `parent_number`), counted from 1.",
        )
    if not 1 <= number <= len(commit.parents):
        raise InvalidInput(
            ErrorKind.INVALID_ARGUMENT,
            f"The commit {commit.id[:12]} has {len(commit.parents)} parents, so no parent {number}.",
            hint="Choose one that it has: `lakegate show` lists them.",
        )
    return commit.parents[number - 1]

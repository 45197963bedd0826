"""Branches and tags: resolving ref expressions, moving refs by compare-and-swap, and the ref journal."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from lakegate.context import RepositoryContext
from lakegate.errors import ErrorKind, InvalidInput, LakegateError, NotFound, OutcomeUnknown, Refused
from lakegate.format.documents import RefRecord, encode_ref_record, ref_key
from lakegate.ids import BranchName, CommitId, StagingToken, TagName, branch_name, is_full_id, tag_name
from lakegate.metastore.protocol import BranchState, RefMove
from lakegate.model import Branch, Tag
from lakegate.revision import At, Back, Parent, parse

_MIN_PREFIX = 4
_HEALED = 20  # moves
_HEX = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a ref names. `branch` is given where the expression is a branch's name and nothing else."""

    commit: CommitId
    branch: BranchState | None = None


def resolve(ctx: RepositoryContext, ref: str) -> Resolved:
    """Resolves a ref expression. A full commit id is read from the object store and asks the database nothing.

    Raises InvalidInput(INVALID_REF, AMBIGUOUS_REF), NotFound(REF_NOT_FOUND, COMMIT_NOT_FOUND).
    """
    revision = parse(ref)
    steps = list(revision.steps)
    state = None
    if is_full_id(revision.name):
        commit = ctx.manifests.read_commit(CommitId(revision.name)).id
    elif (state := ctx.meta.get_branch(ctx.info.id, BranchName(revision.name))) is not None:
        commit = state.commit
        if steps and isinstance(first := steps[0], At):
            commit = _at(ctx, state.name, first)
            steps = steps[1:]
    else:
        commit = _tag_or_prefix(ctx, revision.name)
    for step in steps:
        commit = _step(ctx, ref, commit, step)
    return Resolved(commit, state if not revision.steps else None)


def get_branch(ctx: RepositoryContext, name: str) -> BranchState:
    """Returns a branch's state. Raises NotFound(BRANCH_NOT_FOUND), Refused(READ_ONLY_REF) for a tag or commit."""
    state = ctx.meta.get_branch(ctx.info.id, BranchName(name))
    if state is not None:
        return state
    if is_full_id(name) or ctx.meta.get_tag(ctx.info.id, TagName(name)) is not None:
        raise Refused(
            ErrorKind.READ_ONLY_REF,
            f"{name!r} is a tag or a commit, which never changes.",
            hint="Write to a branch; make one from it with `lakegate branch create`.",
        )
    raise branch_not_found(name)


def create_branch(ctx: RepositoryContext, name: str, source: str) -> Branch:
    """Creates a branch at the commit that `source` names: no bytes are copied. Raises AlreadyExists(BRANCH_EXISTS)."""
    checked = branch_name(name)
    commit = resolve(ctx, source).commit
    heal(ctx)
    state = ctx.meta.create_branch(ctx.info.id, checked, commit, ctx.actor)
    journal(ctx, "branch", name, state.sequence)
    return Branch(checked, commit)


def delete_branch(ctx: RepositoryContext, name: str) -> None:
    """Deletes a branch with its uncommitted changes. Raises Refused(DEFAULT_BRANCH), NotFound(BRANCH_NOT_FOUND)."""
    if name == ctx.info.default_branch:
        raise Refused(
            ErrorKind.DEFAULT_BRANCH,
            f"{name!r} is the repository's default branch and can't be deleted.",
            hint="Delete the repository instead, if that is meant.",
        )
    heal(ctx)
    sequence = ctx.meta.delete_branch(ctx.info.id, BranchName(name), ctx.actor)
    if sequence is None:
        raise branch_not_found(name)
    journal(ctx, "branch", name, sequence)


def create_tag(ctx: RepositoryContext, name: str, ref: str) -> Tag:
    """Creates a tag at the commit that `ref` names. Raises AlreadyExists(TAG_EXISTS)."""
    checked = tag_name(name)
    commit = resolve(ctx, ref).commit
    heal(ctx)
    tag = ctx.meta.create_tag(ctx.info.id, checked, commit, ctx.actor)
    journal(ctx, "tag", name)
    return tag


def get_tag(ctx: RepositoryContext, name: str) -> Tag:
    """Returns a tag. Raises NotFound(TAG_NOT_FOUND)."""
    tag = ctx.meta.get_tag(ctx.info.id, TagName(name))
    if tag is None:
        raise _tag_not_found(name)
    return tag


def delete_tag(ctx: RepositoryContext, name: str) -> None:
    """Deletes a tag. Raises NotFound(TAG_NOT_FOUND)."""
    heal(ctx)
    if not ctx.meta.delete_tag(ctx.info.id, TagName(name), ctx.actor):
        raise _tag_not_found(name)
    journal(ctx, "tag", name)


def move(
    ctx: RepositoryContext,
    expected: BranchState,
    commit: CommitId,
    *,
    drop: Sequence[StagingToken] = (),
    clean: bool = False,
    reason: str,
) -> BranchState | None:
    """Moves a branch by compare-and-swap, and journals the move before it returns. None where the race was lost."""
    heal(ctx)
    made = ctx.manifests.read_commit(commit)
    ctx.meta.add_commit(ctx.info.id, commit, made.created)
    state = ctx.meta.move_branch(ctx.info.id, expected, commit, drop=drop, clean=clean, actor=ctx.actor, reason=reason)
    if state is not None:
        journal(ctx, "branch", state.name, state.sequence)
    return state


def journal(ctx: RepositoryContext, kind: str, name: str, sequence: int | None = None) -> None:
    """Writes what the ref log tells of a ref to the journal on the object store, as far back as it lacks there: a
    record that a crash kept from being written is made good by the ref's next move.

    `sequence` is the move that the caller made, all of them where not given. Raises OutcomeUnknown where the record
    can't be written: the ref has moved by then.
    """
    try:
        for move in reversed(_missing(ctx, kind, name, sequence)):
            _write_record(ctx, move)
    except LakegateError as error:
        raise OutcomeUnknown(
            f"The {kind} {name!r} was changed, but the journal did not take it: {error.message}",
            hint="The change stands: look at the log before you try again. The next one makes the journal good.",
            details={"ref": name},
        ) from error


def _missing(ctx: RepositoryContext, kind: str, name: str, sequence: int | None) -> list[RefMove]:
    """The moves of a ref whose records are to be written, newest first."""
    found: list[RefMove] = []
    for move in ctx.meta.ref_moves(ctx.info.id, name, _HEALED):
        if move.kind != kind:
            continue
        if sequence is not None and move.sequence > sequence:
            continue  # another's move, who journals it
        if move.sequence != sequence and _is_journaled(ctx, move):
            break
        found.append(move)
    return found


def heal(ctx: RepositoryContext) -> None:
    """Writes the journal's records of the newest moves that a crash kept from being written, of all refs: once a
    process, before its first move. Costs nothing after that.

    Raises what the store raises; nothing was moved by then.
    """
    if ctx.journal_check.done:
        return
    moves = ctx.meta.newest_moves(ctx.info.id, _HEALED)
    if moves:
        with ThreadPoolExecutor(len(moves), "lakegate-journal") as pool:
            journaled = list(pool.map(partial(_is_journaled, ctx), moves))
        for move, there in reversed(list(zip(moves, journaled, strict=True))):
            if not there:
                _write_record(ctx, move)
    ctx.journal_check.done = True


def branch_not_found(name: str) -> LakegateError:
    """Makes the error for a branch that is not there."""
    return NotFound(
        ErrorKind.BRANCH_NOT_FOUND, f"There is no branch {name!r}.", hint="List the branches to see which there are."
    )


def _key(move: RefMove) -> str:
    return ref_key(move.kind, move.name, move.sequence)


def _is_journaled(ctx: RepositoryContext, move: RefMove) -> bool:
    try:
        ctx.store.head(_key(move))
    except NotFound:
        return False
    return True


def _write_record(ctx: RepositoryContext, move: RefMove) -> None:
    """Each record tells the whole state of one ref, so that the newest one is all that counts."""
    data = encode_ref_record(
        RefRecord(move.kind, move.name, move.commit, move.sequence, move.at, move.actor, move.reason)
    )
    try:
        ctx.store.put_if_absent(_key(move), data)
    except LakegateError:
        ctx.store.put_if_absent(_key(move), data)


def _at(ctx: RepositoryContext, branch: BranchName, step: At) -> CommitId:
    move = ctx.meta.ref_move_at(ctx.info.id, branch, step.time)
    if move is None or move.commit is None:
        raise NotFound(
            ErrorKind.REF_NOT_FOUND,
            f"The branch {branch!r} did not exist at that time.",
            hint="Look at `lakegate log` for the times of its commits.",
        )
    return move.commit


def _tag_or_prefix(ctx: RepositoryContext, name: str) -> CommitId:
    tag = ctx.meta.get_tag(ctx.info.id, TagName(name))
    if tag is not None:
        return tag.commit
    if len(name) >= _MIN_PREFIX and set(name) <= _HEX:
        found = ctx.meta.commits_by_prefix(ctx.info.id, name, 2)
        if len(found) > 1:
            raise InvalidInput(
                ErrorKind.AMBIGUOUS_REF,
                f"Several commit ids start with {name!r}.",
                hint="Give more digits.",
                details={"commits": [str(commit) for commit in found]},
            )
        if found:
            return found[0]
    raise NotFound(
        ErrorKind.REF_NOT_FOUND,
        f"There is no branch, tag or commit {name!r}.",
        hint="List them with `lakegate branch list`, `lakegate tag list` and `lakegate log`.",
    )


def _step(ctx: RepositoryContext, ref: str, commit: CommitId, step: Back | Parent | At) -> CommitId:
    if isinstance(step, At):
        raise InvalidInput(
            ErrorKind.INVALID_REF, f"{ref!r}: @{{...}} needs a branch's name before it.", hint="Name a branch."
        )
    number, count = (1, step.count) if isinstance(step, Back) else (step.number, 1)
    for _ in range(count):
        parents = ctx.manifests.read_commit(commit).parents
        if number > len(parents):
            raise NotFound(
                ErrorKind.REF_NOT_FOUND,
                f"{ref!r} goes beyond the history: the commit {commit[:12]} has {len(parents)} parents.",
                hint="Look at the history with `lakegate log`.",
            )
        commit = parents[number - 1]
    return commit


def _tag_not_found(name: str) -> NotFound:
    return NotFound(ErrorKind.TAG_NOT_FOUND, f"There is no tag {name!r}.", hint="List the tags to see which there are.")

"""Branches and tags: resolving ref expressions, moving refs by compare-and-swap, and the ref journal."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from lakegate.context import RepositoryContext
from lakegate.errors import ErrorKind, InvalidInput, LakegateError, NotFound, OutcomeUnknown, Refused, Unavailable
from lakegate.format.documents import RefRecord, encode_ref_record, ref_key, ref_prefix
from lakegate.ids import BranchName, CommitId, StagingToken, TagName, branch_name, is_full_id, tag_name
from lakegate.metastore.protocol import BranchState, RefMove, branch_not_found
from lakegate.model import Branch, Tag
from lakegate.revision import At, Back, Parent, parse

_MIN_PREFIX = 4
_HEALED = 100  # moves at a time
_AT_WORK_MS = 10_000  # so long after a move its writer may still be about to journal it
_FOREVER = (1 << 63) - 1
_HEX = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a ref names. `branch` is given where the expression is a branch's name and nothing else."""

    commit: CommitId
    branch: BranchState | None = None


def resolve(ctx: RepositoryContext, ref: str) -> Resolved:
    """Resolves a ref expression. A full commit id is read from the object store and asks the database nothing; a branch
    or tag comes before a commit id that begins like it, as in git.

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
    ctx.meta.create_branch(ctx.info.id, checked, commit, ctx.actor)
    journal(ctx, "branch", name)
    return Branch(checked, commit)


def require_deletable(ctx: RepositoryContext, name: str) -> None:
    """Raises Refused(DEFAULT_BRANCH) for the branch that is never deleted."""
    if name == ctx.info.default_branch:
        raise Refused(
            ErrorKind.DEFAULT_BRANCH,
            f"{name!r} is the repository's default branch and can't be deleted.",
            hint="Delete the repository instead, if that is meant.",
        )


def delete_branch(ctx: RepositoryContext, name: BranchName, expected: BranchState | None = None) -> bool:
    """Deletes a branch with its uncommitted changes; with `expected`, only where it is still as a seal answered it.
    False where it is not, or there is none."""
    heal(ctx)
    gone = ctx.meta.delete_branch(ctx.info.id, name, ctx.actor, expected)
    if gone is not None:
        journal(ctx, "branch", name)
        _sweep(ctx, gone.tokens)
    return gone is not None


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
        journal(ctx, "branch", state.name)
        if drop:
            _sweep(ctx, drop)
    return state


def journal(ctx: RepositoryContext, kind: str, name: str) -> None:
    """Writes what the ref log tells of a ref, and the journal on the object store lacks, to the journal.

    Raises OutcomeUnknown where that can't be done: the ref has moved by then.
    """
    try:
        _write_missing(ctx, name, _FOREVER)
    except LakegateError as error:
        raise OutcomeUnknown(
            f"The {kind} {name!r} was changed, but the journal did not take it: {error.message}",
            hint="The change stands: look at the log before you try again. The next one makes the journal good.",
            details={"ref": name},
        ) from error


def heal(ctx: RepositoryContext) -> None:
    """Writes the journal's records that a crash kept from being written, of all refs: before a process's first move
    of all moves, and before later ones of those whose writer can't be at work on it any more.

    Raises what the store raises; nothing was moved by then.
    """
    _write_missing(ctx, None, ctx.clock() - _AT_WORK_MS if ctx.journal_check.done else _FOREVER)
    ctx.journal_check.done = True


def _sweep(ctx: RepositoryContext, tokens: Sequence[StagingToken]) -> None:
    """Deletes rows that a move let go of, after its record is in the journal: however long that takes, and if it fails
    or is broken off, the move is whole."""
    with suppress(Unavailable, OutcomeUnknown):
        ctx.meta.sweep(tokens)


def _write_missing(ctx: RepositoryContext, name: str | None, until: int) -> None:
    """Writes the missing records of the moves of one ref, or of all, up to a time, oldest first: each tells the whole
    state of its ref, so that the newest one is all that counts.

    The database is the authority for where refs are. Where it was put back to an older state, sequences that it gives
    out are taken in the journal: these moves are renumbered, to come after all that is there.
    """
    after = 0
    while True:
        moves = ctx.meta.unjournaled_moves(ctx.info.id, name, until, after, _HEALED)
        taken = next((move for move in moves if not _write_record(ctx, move)), None)
        if taken is not None:
            ctx.meta.renumber_moves(ctx.info.id, taken, _newest_record(ctx, taken))
            after = 0
        elif len(moves) < _HEALED:
            return
        else:
            after = moves[-1].row


def _write_record(ctx: RepositoryContext, move: RefMove) -> bool:
    """Writes the record of a move, and notes that it is there. False where its key is another's."""
    key = ref_key(move.kind, move.name, move.sequence)
    data = encode_ref_record(
        RefRecord(move.kind, move.name, move.commit, move.sequence, move.at, move.actor, move.reason)
    )
    try:
        written = ctx.store.put_if_absent(key, data)
    except LakegateError:
        written = ctx.store.put_if_absent(key, data)
    if not written and ctx.store.get(key) != data:
        return False
    # Where this can't be noted, the next move finds the record there and notes it then.
    with suppress(Unavailable, OutcomeUnknown):
        ctx.meta.mark_journaled(ctx.info.id, move)
    return True


def _newest_record(ctx: RepositoryContext, move: RefMove) -> int:
    """The greatest sequence that the journal has of a ref; at least the move's own."""
    prefix = ref_prefix(move.kind, move.name)
    newest = move.sequence
    for found in ctx.store.list(prefix, ref_key(move.kind, move.name, move.sequence)):
        number = found.key.removeprefix(prefix).removesuffix(".json")
        if number.isdecimal():  # else it is of a ref whose name begins with this one's
            newest = max(newest, int(number))
    return newest


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
                hint="Give more digits of the commit id: `lakegate log --json` shows all.",
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
    return NotFound(ErrorKind.TAG_NOT_FOUND, f"There is no tag {name!r}.", hint="`lakegate tag list` lists them.")

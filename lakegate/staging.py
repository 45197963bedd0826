"""The uncommitted state of a branch: its effective entries, and writes that are decided once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, repeat

from lakegate import tree
from lakegate.context import RepositoryContext
from lakegate.errors import ErrorKind, LakegateError, NotFound, Refused
from lakegate.format.kinds import OBJECTS
from lakegate.ids import BranchName, CommitId, NodeId, StagingToken, UploadId
from lakegate.metastore.protocol import BranchState, Expect, StagedChange, StagedRow
from lakegate.model import Entry

_PAGES = (16, 64, 256, 1000)  # rows: who steps over folders takes few of each, and begins anew behind it
_TRIES = 50

Decide = Callable[[BranchState, Entry | None], Entry | None]


def objects_root(ctx: RepositoryContext, commit: CommitId) -> NodeId:
    """Returns the root of a commit's tree of objects."""
    return ctx.manifests.read_manifest(ctx.manifests.read_commit(commit).manifest).objects_root


def committed(ctx: RepositoryContext, commit: CommitId, path: str) -> Entry | None:
    """Returns a commit's entry at a path."""
    root = objects_root(ctx, commit)
    entry = ctx.manifests.entries.get((root, path))
    if entry is None:
        entry = tree.get(ctx.manifests.nodes, OBJECTS, root, path)
        if entry is not None:
            ctx.manifests.entries.put((root, path), entry)
    return entry


def effective(
    ctx: RepositoryContext, branch: BranchName, path: str
) -> tuple[BranchState, StagedRow | None, Entry | None]:
    """Returns the branch, the staged row of a path if there is one, and the entry that a reader sees there."""
    state, row = ctx.meta.staged_row(ctx.info.id, branch, path)
    return state, row, row.entry if row is not None else committed(ctx, state.commit, path)


def iterate(
    ctx: RepositoryContext, tokens: Sequence[StagingToken], prefix: str = "", after: str = ""
) -> Iterator[StagedRow]:
    """Yields the staged rows of these tokens in order."""
    return chain.from_iterable(pages(ctx, tokens, prefix, after))


def pages(
    ctx: RepositoryContext, tokens: Sequence[StagingToken], prefix: str = "", after: str = ""
) -> Iterator[Sequence[StagedRow]]:
    """Yields the staged rows of these tokens in order, page by page: small ones first, then larger ones."""
    for amount in chain(_PAGES, repeat(_PAGES[-1])):
        page = ctx.meta.staged_rows(tokens, prefix, after, amount)
        yield page
        if len(page) < amount:
            return
        after = page[-1].path


def write(ctx: RepositoryContext, branch: BranchName, path: str, entry: Entry | None) -> None:
    """Stages an entry, or a tombstone (None), whatever is there: one transaction."""
    ctx.meta.stage(ctx.info.id, branch, [StagedChange(path, entry)])


def write_if(
    ctx: RepositoryContext,
    branch: BranchName,
    path: str,
    decide: Decide,
    closes: UploadId | None = None,
) -> Entry | None:
    """Stages what `decide` makes of the branch's state and of the entry that is there (None: a tombstone); `decide`
    raises to refuse.

    The decision is taken on one state of the branch, and holds at the moment of the write. Where another write to the
    path, a commit or a reset came between, it is taken anew, a refusal too: what else `decide` read of the branch may
    have been half of one state and half of another. `closes` removes that upload in the same transaction.

    Raises NotFound(UPLOAD_NOT_FOUND) where the upload is gone, Refused(TOO_MANY_UPDATES) after many lost races.
    """
    refusal: LakegateError | None = None
    for _ in range(_TRIES):
        state, row, present = effective(ctx, branch, path)
        try:
            wanted = decide(state, present)
        except LakegateError as error:
            if _stands(ctx, state):
                raise
            refusal = error
            continue
        change = StagedChange(path, wanted, row.write_id if row is not None else Expect.NOT_STAGED)
        if ctx.meta.stage(ctx.info.id, branch, [change], expected=state, closes=closes) is not None:
            return wanted
        if closes is not None and ctx.meta.get_upload(ctx.info.id, closes) is None:
            raise upload_not_found(closes)
    raise refusal or Refused(
        ErrorKind.TOO_MANY_UPDATES,
        f"{path!r} on the branch {branch!r} was changed by others {_TRIES} times during this write.",
        hint="Try again.",
    )


def _stands(ctx: RepositoryContext, state: BranchState) -> bool:
    """Tells whether the branch is what it was: a stricter question than `still_whole`, for what was decided was read of
    its commit too."""
    now = ctx.meta.get_branch(ctx.info.id, state.name)
    return now is not None and (now.commit, now.tokens) == (state.commit, state.tokens)


def still_whole(ctx: RepositoryContext, branch: BranchName, tokens: Sequence[StagingToken]) -> bool:
    """Tells whether what was read of the tokens was true at one time: none was taken by a commit, or thrown away, since
    the branch named them. Page after page of a token that is gone may come out half."""
    if not tokens:
        return True
    now = ctx.meta.get_branch(ctx.info.id, branch)
    return now is not None and set(tokens) <= set(now.tokens)


def upload_not_found(upload: str) -> NotFound:
    """Makes the error for a multipart upload that is not open."""
    return NotFound(
        ErrorKind.UPLOAD_NOT_FOUND,
        f"There is no open upload {upload!r}: it was completed or aborted, or never was.",
        hint="List the uploads of the branch, or start a new one.",
    )

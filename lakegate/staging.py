"""The uncommitted state of a branch: its effective entries, and writes that are decided once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from lakegate import tree
from lakegate.context import RepositoryContext
from lakegate.errors import ErrorKind, Refused
from lakegate.format.kinds import OBJECTS
from lakegate.ids import BranchName, CommitId, NodeId, StagingToken
from lakegate.metastore.protocol import BranchState, Expect, StagedChange, StagedRow
from lakegate.model import Entry

_PAGE = 1000
_TRIES = 50


def objects_root(ctx: RepositoryContext, commit: CommitId) -> NodeId:
    """Returns the root of a commit's tree of objects."""
    return ctx.manifests.read_manifest(ctx.manifests.read_commit(commit).manifest).objects_root


def committed(ctx: RepositoryContext, commit: CommitId, path: str) -> Entry | None:
    """Returns a commit's entry at a path."""
    return tree.get(ctx.manifests.nodes, OBJECTS, objects_root(ctx, commit), path)


def effective(
    ctx: RepositoryContext, branch: BranchName, path: str
) -> tuple[BranchState, StagedRow | None, Entry | None]:
    """Returns the branch, the staged row of a path if there is one, and the entry that a reader sees there."""
    state, row = ctx.meta.staged_row(ctx.info.id, branch, path)
    return state, row, row.entry if row is not None else committed(ctx, state.commit, path)


def iterate(
    ctx: RepositoryContext, tokens: Sequence[StagingToken], prefix: str = "", after: str = ""
) -> Iterator[StagedRow]:
    """Yields the staged rows of these tokens in order, page by page."""
    while page := ctx.meta.staged_rows(tokens, prefix, after, _PAGE):
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1].path


def write(ctx: RepositoryContext, branch: BranchName, path: str, entry: Entry | None) -> None:
    """Stages an entry, or a tombstone (None), whatever is there: one transaction."""
    ctx.meta.stage(ctx.info.id, branch, [StagedChange(path, entry)])


def write_if(
    ctx: RepositoryContext, branch: BranchName, path: str, decide: Callable[[Entry | None], Entry | None]
) -> Entry | None:
    """Stages what `decide` makes of the entry that is there (None: a tombstone); `decide` raises to refuse.

    The decision is taken on a state of the branch, and holds at the moment of the write: where another write came
    between, it is taken anew. Raises Refused(TOO_MANY_UPDATES) after many lost races.
    """
    for _ in range(_TRIES):
        state, row, present = effective(ctx, branch, path)
        wanted = decide(present)
        change = StagedChange(path, wanted, row.write_id if row is not None else Expect.NOT_STAGED)
        if ctx.meta.stage(ctx.info.id, branch, [change], expected=state) is not None:
            return wanted
    raise Refused(
        ErrorKind.TOO_MANY_UPDATES,
        f"{path!r} on the branch {branch!r} was changed by others {_TRIES} times during this write.",
        hint="Try again.",
    )

"""A read view of one commit, or of a branch with its uncommitted changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import TypeVar

from lakegate import refs, staging, tree
from lakegate.context import RepositoryContext
from lakegate.errors import ErrorKind, NotFound
from lakegate.format.kinds import OBJECTS
from lakegate.ids import BranchName, CommitId, NodeId, StagingToken, is_full_id, require_unicode
from lakegate.metastore.protocol import BranchState
from lakegate.model import CommonPrefix, Entry, ListRequest, Page, page_amount, page_of
from lakegate.revision import parse

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One tree, with the staged rows of `tokens` (newest first) on top."""

    ctx: RepositoryContext
    commit: CommitId
    root: NodeId
    tokens: tuple[StagingToken, ...] = ()

    @classmethod
    def at(cls, ctx: RepositoryContext, commit: CommitId) -> Snapshot:
        """The view of a commit."""
        return cls(ctx, commit, staging.objects_root(ctx, commit))

    @classmethod
    def of_branch(cls, ctx: RepositoryContext, state: BranchState) -> Snapshot:
        """The view of a branch with its uncommitted changes."""
        return cls(ctx, state.commit, staging.objects_root(ctx, state.commit), state.tokens)

    @classmethod
    def of_ref(cls, ctx: RepositoryContext, ref: str) -> Snapshot:
        """The view of what a ref names; a branch's name means its uncommitted changes too."""
        resolved = refs.resolve(ctx, ref)
        return cls.of_branch(ctx, resolved.branch) if resolved.branch else cls.at(ctx, resolved.commit)

    def get(self, path: str) -> Entry | None:
        """Returns the entry at a path."""
        if self.tokens:
            rows = self.ctx.meta.staged_rows(self.tokens, prefix=path, limit=1)
            if rows and rows[0].path == path:
                return rows[0].entry
        return tree.get(self.ctx.manifests.nodes, OBJECTS, self.root, path)

    def still_whole(self, branch: str) -> bool:
        """Tells whether no staged row was taken by a commit since this view was made: then all that was read through
        it was true at one time. A view of a commit always is."""
        return staging.still_whole(self.ctx, BranchName(branch), self.tokens)

    def iterate(self, prefix: str = "", after: str = "") -> Iterator[Entry]:
        """Yields the entries below a prefix, after a path, in the order of UTF-8 bytes."""
        entries = tree.iterate(self.ctx.manifests.nodes, OBJECTS, self.root, prefix, after)
        if not self.tokens:
            yield from entries
            return
        committed = next(entries, None)
        for row in staging.iterate(self.ctx, self.tokens, prefix, after):
            while committed is not None and committed.path < row.path:
                yield committed
                committed = next(entries, None)
            if committed is not None and committed.path == row.path:
                committed = next(entries, None)
            if row.entry is not None:
                yield row.entry
        while committed is not None:
            yield committed
            committed = next(entries, None)

    def items(self, request: ListRequest) -> Iterator[Entry | CommonPrefix]:
        """Yields what a listing shows; with a delimiter, whole folders are stepped over, not walked through."""
        return fold(self.iterate, request)


def fold(iterate: Callable[[str, str], Iterator[Entry]], request: ListRequest) -> Iterator[Entry | CommonPrefix]:
    """Makes a listing of ordered entries. `iterate` yields those below a prefix, after a path; with a delimiter it is
    called anew behind each folder, which so is stepped over and not walked through."""
    for entry, folder in by_folder(lambda after: iterate(request.prefix, after), request, lambda entry: entry.path):
        yield entry if folder is None else CommonPrefix(folder)


def by_folder(
    source: Callable[[str], Iterator[T]], request: ListRequest, path_of: Callable[[T], str]
) -> Iterator[tuple[T, str | None]]:
    """Yields what `source` yields after a path as a listing with a delimiter shows it: an item with None for itself,
    the first of a folder's with that folder. A page that ended with a folder goes on behind it."""
    folder = folder_in(request.after, request)
    seen = folder if folder == request.after else None
    return tree.leaping(source, lambda item: folder_in(path_of(item), request), request.after, seen)


def folder_in(path: str, request: ListRequest) -> str | None:
    """The folder that a listing shows in place of a path, with its delimiter; None for a path that it shows itself."""
    if not request.delimiter or not path.startswith(request.prefix):
        return None
    end = path.find(request.delimiter, len(request.prefix))
    return None if end < 0 else path[: end + len(request.delimiter)]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a reader of a ref sees at a path, and the commit that the ref stood at. `staged`: not committed yet."""

    commit: CommitId
    entry: Entry | None
    staged: bool


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of what a reader of a ref sees, and the commit that the ref stood at.

    staged  the paths on the page that are not committed yet, where asked for
    """

    commit: CommitId
    page: Page[Entry | CommonPrefix]
    staged: frozenset[str] = frozenset()


def look(ctx: RepositoryContext, ref: str, path: str) -> Seen:
    """Looks a path up at a ref. A branch's name costs one query, a full commit id none. Raises NotFound, InvalidInput
    for the ref."""
    if not is_full_id(ref) and not parse(ref).steps:
        try:
            # Branch and staged row as of one instant: a commit in between moves rows from the one to the other.
            state, row, entry = staging.effective(ctx, BranchName(ref), path)
        except NotFound as error:
            if error.kind is not ErrorKind.BRANCH_NOT_FOUND:
                raise
        else:
            return Seen(state.commit, entry, row is not None)
    commit = refs.resolve(ctx, ref).commit
    return Seen(commit, staging.committed(ctx, commit, path), False)


def stat(ctx: RepositoryContext, ref: str, path: str) -> Entry:
    """Returns the entry that a reader of a ref sees at a path. Raises NotFound(OBJECT_NOT_FOUND)."""
    entry = look(ctx, ref, path).entry
    if entry is None:
        raise object_not_found(ref, path)
    return entry


def list_page(ctx: RepositoryContext, ref: str, request: ListRequest) -> Page[Entry | CommonPrefix]:
    """Lists a page of what a reader of a ref sees."""
    return list_at(ctx, ref, request).page


def list_at(ctx: RepositoryContext, ref: str, request: ListRequest, *, with_staged: bool = False) -> Listing:
    """Lists a page of what a reader of a ref sees, and tells at which commit. Raises InvalidInput(INVALID_ARGUMENT)."""
    require_unicode(request.prefix, "The prefix")
    require_unicode(request.after, "The path to start after")
    amount = page_amount(request.amount)
    while True:
        view = Snapshot.of_ref(ctx, ref)
        page = page_of(tuple(islice(view.items(request), amount + 1)), amount, lambda item: item.path)
        staged = _staged(view, request, page) if with_staged and view.tokens else frozenset[str]()
        if view.still_whole(ref):
            return Listing(view.commit, page, staged)


def _staged(view: Snapshot, request: ListRequest, page: Page[Entry | CommonPrefix]) -> frozenset[str]:
    last = page.items[-1].path if page.items else ""
    rows = by_folder(
        lambda after: staging.iterate(view.ctx, view.tokens, request.prefix, after), request, lambda row: row.path
    )
    return frozenset(row.path for row, _ in takewhile(lambda found: found[0].path <= last, rows))


def object_gone(entry: Entry) -> NotFound:
    """Makes the error for an object whose bytes are gone: "not found" would be read as "write it anew"."""
    return NotFound(
        ErrorKind.OBJECT_GONE,
        f"The bytes of {entry.path!r} are gone from {entry.address!r}.",
        hint="They were deleted past lakegate: restore them there, or roll the path back to what is there.",
        details={"physical_address": entry.address},
    )


def object_not_found(ref: str, path: str) -> NotFound:
    """Makes the error for a path that holds nothing."""
    return NotFound(
        ErrorKind.OBJECT_NOT_FOUND, f"There is no object {path!r} at {ref!r}.", hint="`lakegate ls` lists a folder."
    )

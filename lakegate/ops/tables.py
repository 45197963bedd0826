"""Tells of the tables of a ref's commit; what is uncommitted is not a table version yet."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from lakegate import refs, tree
from lakegate.context import RepositoryContext
from lakegate.errors import ErrorKind, NotFound
from lakegate.format.kinds import FILES, TABLES
from lakegate.ids import CommitId
from lakegate.model import (
    FileEntry,
    ListRequest,
    Manifest,
    Page,
    TableDiff,
    TableHistoryItem,
    TablePreview,
    TableVersion,
    page_of,
)
from lakegate.snapshot import Snapshot

if TYPE_CHECKING:
    import pyarrow.dataset as pads

Found = TypeVar("Found", TableVersion, FileEntry, TableDiff)


def tables(ctx: RepositoryContext, ref: str, prefix: str, after: str, amount: int) -> Page[TableVersion]:
    """Lists a page of a ref's tables by path."""
    root = _manifest(ctx, refs.resolve(ctx, ref).commit).tables_root
    return _page(tree.iterate(ctx.manifests.nodes, TABLES, root, prefix, after), amount)


def table(ctx: RepositoryContext, ref: str, path: str) -> TableVersion:
    """Returns the table version at a path. Raises NotFound(TABLE_NOT_FOUND)."""
    return _table(ctx, refs.resolve(ctx, ref).commit, ref, path)


def table_files(ctx: RepositoryContext, ref: str, path: str, after: str, amount: int) -> Page[FileEntry]:
    """Lists a page of a table version's live files by path."""
    state = table(ctx, ref, path).state
    return _page(tree.iterate(ctx.manifests.nodes, FILES, state, "", after), amount)


def read_table(ctx: RepositoryContext, ref: str, path: str) -> pads.Dataset:
    """Returns the live rows of a table; see `Repository.read_table`."""
    from lakegate.tables.reader import dataset

    commit = refs.resolve(ctx, ref).commit
    return dataset(ctx, Snapshot.at(ctx, commit), _table(ctx, commit, ref, path))


def table_preview(ctx: RepositoryContext, ref: str, path: str, limit: int) -> TablePreview:
    """Reads the first rows of a table."""
    from lakegate.tables.preview import preview

    commit = refs.resolve(ctx, ref).commit
    return preview(ctx, Snapshot.at(ctx, commit), _table(ctx, commit, ref, path), limit)


def table_history(ctx: RepositoryContext, ref: str, path: str, amount: int) -> tuple[TableHistoryItem, ...]:
    """Tells the versions of a table, newest first, with the commits that brought them."""
    from lakegate.tables.history import history

    return history(ctx, refs.resolve(ctx, ref).commit, path.rstrip("/"), amount)


def table_diff(ctx: RepositoryContext, left: str, right: str, request: ListRequest) -> Page[TableDiff]:
    """Lists a page of the tables that differ between two commits."""
    from lakegate.tables.diff import diff

    manifests = [_manifest(ctx, refs.resolve(ctx, ref).commit) for ref in (left, right)]
    return _page(diff(ctx, manifests[0], manifests[1], request.prefix, request.after), request.amount)


def _manifest(ctx: RepositoryContext, commit: CommitId) -> Manifest:
    return ctx.manifests.read_manifest(ctx.manifests.read_commit(commit).manifest)


def _table(ctx: RepositoryContext, commit: CommitId, ref: str, path: str) -> TableVersion:
    path = path.rstrip("/")
    found = tree.get(ctx.manifests.nodes, TABLES, _manifest(ctx, commit).tables_root, path)
    if found is None:
        raise NotFound(
            ErrorKind.TABLE_NOT_FOUND,
            f"There is no table {path!r} at {ref!r}.",
            hint="`lakegate table list` lists them; a table that was just written shows after the next commit.",
        )
    return found


def _page(found: Iterator[Found], amount: int) -> Page[Found]:
    return page_of(tuple(islice(found, amount + 1)), amount, lambda item: item.path)

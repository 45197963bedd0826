"""The versions of one table and the commits that brought them onto a ref."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from lakegate import graph, tree
from lakegate.context import RepositoryContext
from lakegate.errors import ErrorKind, NotFound
from lakegate.format.kinds import TABLES
from lakegate.ids import CommitId
from lakegate.model import Commit, Manifest, TableFormat, TableHistoryItem, TableVersion
from lakegate.tables.file_counts import file_counts
from lakegate.tables.operations import new_versions, read_logged

CREATED, CHANGED, DROPPED = "CREATED", "CHANGED", "DROPPED"


def history(ctx: RepositoryContext, commit: CommitId, path: str, amount: int = 100) -> tuple[TableHistoryItem, ...]:
    """The history of the table at `path`, newest first, along the first parents of `commit`: what a merge brought is
    its own.

    For a Delta table an item is one Delta version, with the operation as its writer named it; versions whose log
    commits were cleaned up before they came here have none. Where a commit changed the table without a new version (an
    exact rollback), or for a Parquet dataset, an item is the commit's change as a whole: CREATED, CHANGED or DROPPED.
    Raises NotFound(TABLE_NOT_FOUND) where the table is not at the commit.
    """
    if table_at(ctx, _manifest(ctx, ctx.manifests.read_commit(commit)), path) is None:
        raise NotFound(
            ErrorKind.TABLE_NOT_FOUND,
            f"There is no table {path!r} at {commit[:12]}.",
            hint="List the tables with `lakegate table list`.",
        )
    return tuple(islice(_items(ctx, commit, path), amount))


def table_at(ctx: RepositoryContext, manifest: Manifest, path: str) -> TableVersion | None:
    """The version of a table that a manifest holds."""
    return tree.get(ctx.manifests.nodes, TABLES, manifest.tables_root, path) if path else None


def _items(ctx: RepositoryContext, head: CommitId, path: str) -> Iterator[TableHistoryItem]:
    newer: tuple[Commit, Manifest, TableVersion | None] | None = None
    for commit in graph.walk(ctx.manifests.read_commit, (head,), first_parent=True):
        manifest = _manifest(ctx, commit)
        if newer is not None and newer[1].tables_root == manifest.tables_root:
            newer = (commit, manifest, newer[2])
            continue
        table = table_at(ctx, manifest, path)
        if newer is not None:
            yield from _brought(ctx, newer, (manifest, table))
        newer = (commit, manifest, table)
    if newer is not None:
        yield from _brought(ctx, newer, None)


def _brought(
    ctx: RepositoryContext,
    newer: tuple[Commit, Manifest, TableVersion | None],
    older: tuple[Manifest, TableVersion | None] | None,
) -> Iterator[TableHistoryItem]:
    """What a commit did to the table, newest first."""
    commit, manifest, new = newer
    old_manifest, old = older if older is not None else (None, None)
    if new is None:
        if old is not None:
            yield _item(commit, None, commit.created, DROPPED)
        return
    if old is not None and (old.digest, old.version) == (new.digest, new.version):
        return
    if new.format is TableFormat.DELTA:
        before = old_manifest.objects_root if old_manifest is not None and old is not None else None
        versions = new_versions(ctx, before, manifest.objects_root, new.path)
        for number, entry in reversed(versions):
            if new.version is not None and number <= new.version:
                logged = read_logged(ctx, new.path, number, entry)
                yield _item(commit, number, logged.timestamp, logged.operation, dict(logged.parameters))
        if versions:
            return
    counts = file_counts(ctx, old, new)
    parameters = {
        "files_added": str(counts.files_added),
        "files_removed": str(counts.files_removed),
        "rows_added": _count(counts.rows_added),
        "rows_removed": _count(counts.rows_removed),
    }
    yield _item(commit, new.version, new.timestamp, CHANGED if old is not None else CREATED, parameters)


def _item(
    commit: Commit, version: int | None, timestamp: int, operation: str, parameters: dict[str, str] | None = None
) -> TableHistoryItem:
    return TableHistoryItem(
        version, timestamp, operation, parameters or {}, commit.id, commit.committer, commit.message
    )


def _manifest(ctx: RepositoryContext, commit: Commit) -> Manifest:
    return ctx.manifests.read_manifest(commit.manifest)


def _count(rows: int | None) -> str:
    return "unknown" if rows is None else str(rows)

"""The versions of one table and the commits that brought them onto a ref."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from lakegate import graph, tree
from lakegate.context import RepositoryContext
from lakegate.errors import ErrorKind, NotFound
from lakegate.format.kinds import OBJECTS, TABLES
from lakegate.ids import CommitId
from lakegate.log_paths import commit_path
from lakegate.model import Commit, Entry, Manifest, TableFormat, TableHistoryItem, TableVersion
from lakegate.tables.file_counts import file_counts
from lakegate.tables.operations import new_versions, read_logged

CREATED, CHANGED, DROPPED = "CREATED", "CHANGED", "DROPPED"
MERGE_SOURCE, MERGE_COMMIT = "lakegate.merge.source", "lakegate.merge.commit"
"""Metadata of a merge's commit: the ref that it merged, as it was named, and the commit that this was."""


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
    source = _Source.of(ctx, commit, new.path)
    if new.format is TableFormat.DELTA:
        before = old_manifest.objects_root if old_manifest is not None and old is not None else None
        versions = new_versions(ctx, before, manifest.objects_root, new.path)
        for number, entry in reversed(versions):
            if new.version is not None and number <= new.version:
                logged = read_logged(ctx, new.path, number, entry)
                item = _item(commit, number, logged.timestamp, logged.operation, dict(logged.parameters))
                yield item if source is None else source.joined(item, entry, logged.replays)
        if versions:
            return
    counts = file_counts(ctx, old, new)
    parameters = {
        "files_added": str(counts.files_added),
        "files_removed": str(counts.files_removed),
        "rows_added": _count(counts.rows_added),
        "rows_removed": _count(counts.rows_removed),
    }
    item = _item(commit, new.version, new.timestamp, CHANGED if old is not None else CREATED, parameters)
    yield item if source is None else source.joined_whole(item, new)


class _Source:
    """What a merge merged: the ref's name, and the history of the table there, read as far as it is asked for."""

    def __init__(self, ctx: RepositoryContext, merged: Commit, name: str | None, path: str) -> None:
        self._ctx = ctx
        self._name = name
        self._path = path
        manifest = _manifest(ctx, merged)
        self._root = manifest.objects_root
        self._table = table_at(ctx, manifest, path)
        self._items = _items(ctx, merged.id, path)
        self._found: dict[int, TableHistoryItem] = {}

    @classmethod
    def of(cls, ctx: RepositoryContext, commit: Commit, path: str) -> _Source | None:
        """The source of a merge; None for another commit, and where the merged commit is gone."""
        merged = commit.parents[1] if len(commit.parents) > 1 else CommitId(commit.metadata.get(MERGE_COMMIT, ""))
        if not merged:
            return None
        try:
            return cls(ctx, ctx.manifests.read_commit(merged), commit.metadata.get(MERGE_SOURCE), path)
        except NotFound:
            return None

    def joined(self, item: TableHistoryItem, entry: Entry, replays: int | None) -> TableHistoryItem:
        """An item of the merge with what the source's history says of the version; `replays` is the source's version
        that it repeats, or takes in."""
        assert item.version is not None
        there = tree.get(self._ctx.manifests.nodes, OBJECTS, self._root, commit_path(self._path, item.version))
        taken = there is not None and there.same_content(entry)
        version = item.version if taken else replays
        return self._told(item, self._of_version(version) if version is not None else None)

    def joined_whole(self, item: TableHistoryItem, new: TableVersion) -> TableHistoryItem:
        """The same for a commit's change as a whole, which is the source's where its table is."""
        table = self._table
        taken = table is not None and (table.digest, table.version) == (new.digest, new.version)
        return self._told(item, next(self._items, None) if taken else None)

    def _told(self, item: TableHistoryItem, first: TableHistoryItem | None) -> TableHistoryItem:
        item = replace(item, merged_from=self._name)
        if first is None:
            return item
        return replace(
            item,
            origin=first.origin or first.commit,
            origin_version=first.origin_version if first.origin is not None else first.version,
            origin_committer=first.origin_committer if first.origin is not None else first.committer,
        )

    def _of_version(self, version: int) -> TableHistoryItem | None:
        while version not in self._found:
            item = next(self._items, None)
            if item is None or (item.version is not None and item.version < version):
                if item is not None and item.version is not None:
                    self._found.setdefault(item.version, item)
                return None
            if item.version is not None:
                self._found.setdefault(item.version, item)
        return self._found[version]


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

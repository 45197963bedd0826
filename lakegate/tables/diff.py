"""How tables differ between two commits: by digest first, then definition, then files; rows by statistics."""

from __future__ import annotations

from collections.abc import Iterator

from lakegate import tree
from lakegate.context import RepositoryContext
from lakegate.format.kinds import OBJECTS, TABLES
from lakegate.log_paths import commit_path
from lakegate.model import Manifest, TableChangeKind, TableDiff, TableFormat, TableVersion
from lakegate.tables.dropped import why_dropped
from lakegate.tables.file_counts import file_counts
from lakegate.tables.operations import new_versions, read_logged
from lakegate.tables.schema_changes import definition_changes

_MOST_OPERATIONS = 1000


def diff(
    ctx: RepositoryContext, left: Manifest, right: Manifest, prefix: str = "", after: str = ""
) -> Iterator[TableDiff]:
    """Yields the tables that differ, by path, whose path starts with `prefix` and is greater than `after`. Lazy; reads
    only nodes that differ, and of logs only what the right side has beyond the left."""
    changes = tree.diff(ctx.manifests.nodes, TABLES, left.tables_root, right.tables_root, prefix, after)
    for change in changes:
        if _is_same(change.left, change.right):
            continue
        counts = file_counts(ctx, change.left, change.right)
        yield TableDiff(
            path=change.path,
            kind=_kind(change.left, change.right),
            left=change.left,
            right=change.right,
            schema_changes=_definition(change.left, change.right),
            files_added=counts.files_added,
            files_removed=counts.files_removed,
            rows_added=counts.rows_added,
            rows_removed=counts.rows_removed,
            bytes_added=counts.bytes_added,
            bytes_removed=counts.bytes_removed,
            operations=_operations(ctx, left, right, change.left, change.right),
            reason=why_dropped(ctx, left, right, change.left) if change.left and not change.right else "",
        )


def operations_between(
    ctx: RepositoryContext, manifest: Manifest, base: TableVersion | None, version: TableVersion
) -> tuple[str, ...]:
    """The operations of a table's versions after `base` up to `version`, oldest first, as far as the log in the tree of
    `manifest` still tells. () where `base` is the later one, and for Parquet datasets."""
    if version.version is None:
        return ()
    start = base.version + 1 if base is not None and base.version is not None else 0
    start = max(start, version.version + 1 - _MOST_OPERATIONS)
    found: list[str] = []
    for number in range(start, version.version + 1):
        entry = tree.get(ctx.manifests.nodes, OBJECTS, manifest.objects_root, commit_path(version.path, number))
        if entry is not None:
            found.append(read_logged(ctx, version.path, number, entry).words)
    return tuple(found)


def _operations(
    ctx: RepositoryContext,
    left: Manifest,
    right: Manifest,
    old: TableVersion | None,
    new: TableVersion | None,
) -> tuple[str, ...]:
    if new is None or new.format is not TableFormat.DELTA:
        return ()
    before = left.objects_root if old is not None else None
    versions = new_versions(ctx, before, right.objects_root, new.path)[-_MOST_OPERATIONS:]
    return tuple(read_logged(ctx, new.path, number, entry).words for number, entry in versions)


def _is_same(left: TableVersion | None, right: TableVersion | None) -> bool:
    if left is None or right is None:
        return False
    return (
        left.digest == right.digest
        and left.version == right.version
        and left.format is right.format
        and left.name == right.name
    )


def _kind(left: TableVersion | None, right: TableVersion | None) -> TableChangeKind:
    if left is None:
        return TableChangeKind.CREATED
    return TableChangeKind.DROPPED if right is None else TableChangeKind.CHANGED


def _definition(left: TableVersion | None, right: TableVersion | None) -> tuple[str, ...]:
    if left is None or right is None:
        return ()
    words = definition_changes(left, right)
    if left.format is not right.format:
        return (f"format: {left.format.value} to {right.format.value}", *words)
    return words

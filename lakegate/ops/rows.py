"""Compares the rows of a table on two refs."""

from __future__ import annotations

from collections.abc import Iterator

from lakegate import refs, tree
from lakegate.context import RepositoryContext
from lakegate.engine.frame import Frame, View, frame_of
from lakegate.engine.output import render
from lakegate.engine.profile import profile
from lakegate.engine.row_diff import Sides, compare
from lakegate.errors import ErrorKind, InvalidInput, NotFound
from lakegate.format.kinds import TABLES
from lakegate.ids import CommitId
from lakegate.model import (
    MAX_PAGE,
    PartitionDiff,
    Resolution,
    RowDiff,
    RowDiffRequest,
    RowFormat,
    TableProfile,
)
from lakegate.ops.diff import base_of
from lakegate.ops.row_merge import RowMergeSides, TableInTree, open_row_merge
from lakegate.snapshot import Snapshot
from lakegate.tables.partitions import partition_diff
from lakegate.tables.schema_changes import definition_changes

_KEY_NOTE = "The key was checked in the files that differ."


def table_partitions(
    ctx: RepositoryContext, left: str, right: str, path: str, amount: int
) -> tuple[PartitionDiff, ...]:
    """Tells which partitions of a table differ; see `Repository.table_partitions`."""
    sides = _sides(ctx, left, right, path)
    old, new = (side.table if side is not None else None for side in (sides.left, sides.right))
    return partition_diff(ctx, old, new)[:amount]


def table_profile(ctx: RepositoryContext, left: str, right: str, path: str) -> TableProfile:
    """Sets the columns of a table side by side; see `Repository.table_profile`."""
    return profile(_sides(ctx, left, right, path), path.rstrip("/"))


def row_diff(ctx: RepositoryContext, left: str, right: str, request: RowDiffRequest) -> RowDiff:
    """Compares the rows of a table; see `Repository.row_diff`."""
    if request.limit < 0:
        raise InvalidInput(ErrorKind.INVALID_ARGUMENT, "A limit can't be below 0.", hint="Ask for 0 to 1,000 rows.")
    sides, frame, key = _compared(ctx, left, right, request)
    comparison = compare(sides, frame, key)
    try:
        old = sides.left.table if sides.left is not None else None
        new = sides.right.table if sides.right is not None else None
        return RowDiff(
            path=request.table.rstrip("/"),
            left=old,
            right=new,
            key=tuple(request.key),
            columns=frame.names,
            added=comparison.counts.added,
            removed=comparison.counts.removed,
            updated=comparison.counts.updated,
            rows=comparison.first(min(request.limit, MAX_PAGE)),
            schema_changes=definition_changes(old, new) if old is not None and new is not None else (),
            files_left=comparison.files_left,
            files_right=comparison.files_right,
            notes=frame.notes + ((_KEY_NOTE,) if key else ()),
        )
    finally:
        comparison.close()


def row_diff_file(
    ctx: RepositoryContext, left: str, right: str, request: RowDiffRequest, form: RowFormat
) -> Iterator[bytes]:
    """Yields a file of all rows that differ; see `Repository.row_diff_file`."""
    comparison = compare(*_compared(ctx, left, right, request))

    def written() -> Iterator[bytes]:
        try:
            yield from render(comparison.schema, comparison.batches(), form)
        finally:
            comparison.close()

    return written()


def _compared(
    ctx: RepositoryContext, left: str, right: str, request: RowDiffRequest
) -> tuple[Sides, Frame, tuple[int, ...]]:
    sides = _sides(ctx, left, right, request.table)
    frame = frame_of(*(side.table if side is not None else None for side in (sides.left, sides.right)))
    return sides, frame, frame.positions(request.table, request.key)


def row_conflicts_file(
    ctx: RepositoryContext, source: str, destination: str, resolution: Resolution, form: RowFormat
) -> Iterator[bytes]:
    """Yields a file of all rows that a merge of a table by key can't settle."""
    commits = [refs.resolve(ctx, ref).commit for ref in (source, destination)]
    base = base_of(ctx, commits[0], commits[1])
    path = resolution.path.rstrip("/")
    found = [_in_tree(ctx, commit, path) for commit in (base, *commits)]
    if found[1] is None or found[2] is None:
        raise NotFound(
            ErrorKind.TABLE_NOT_FOUND,
            f"There is no table {path!r} on both {source!r} and {destination!r}.",
            hint="Rows are merged of tables that both sides have.",
        )
    merge = open_row_merge(ctx, RowMergeSides(found[0], found[1], found[2]), resolution)

    def written() -> Iterator[bytes]:
        try:
            yield from render(merge.conflict_schema, merge.conflict_rows(), form)
        finally:
            merge.close()

    return written()


def _in_tree(ctx: RepositoryContext, commit: CommitId, path: str) -> TableInTree | None:
    manifest = ctx.manifests.read_manifest(ctx.manifests.read_commit(commit).manifest)
    table = tree.get(ctx.manifests.nodes, TABLES, manifest.tables_root, path)
    return TableInTree(manifest.objects_root, table) if table is not None else None


def _sides(ctx: RepositoryContext, left: str, right: str, path: str) -> Sides:
    path = path.rstrip("/")
    found: list[View | None] = []
    for ref in (left, right):
        commit = refs.resolve(ctx, ref).commit
        root = ctx.manifests.read_manifest(ctx.manifests.read_commit(commit).manifest).tables_root
        table = tree.get(ctx.manifests.nodes, TABLES, root, path)
        found.append(View(ctx, Snapshot.at(ctx, commit), table) if table is not None else None)
    if found == [None, None]:
        raise NotFound(
            ErrorKind.TABLE_NOT_FOUND,
            f"There is no table {path!r} at {left!r} or {right!r}.",
            hint="`lakegate table list` lists them; a table that was just written shows after the next commit.",
        )
    return Sides(found[0], found[1])

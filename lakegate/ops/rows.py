"""Compares the rows of a table on two refs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NoReturn

from lakegate import refs, tree
from lakegate.context import RepositoryContext
from lakegate.errors import ErrorKind, NotFound, NotOffered
from lakegate.format.kinds import TABLES
from lakegate.model import (
    PartitionDiff,
    Resolution,
    RowDiff,
    RowDiffRequest,
    RowFormat,
    TableProfile,
    TableVersion,
)
from lakegate.tables.partitions import partition_diff


def table_partitions(
    ctx: RepositoryContext, left: str, right: str, path: str, amount: int
) -> tuple[PartitionDiff, ...]:
    """Tells which partitions of a table differ; see `Repository.table_partitions`."""
    old, new = _versions(ctx, left, right, path)
    return partition_diff(ctx, old, new)[:amount]


def table_profile(ctx: RepositoryContext, left: str, right: str, path: str) -> TableProfile:
    """Sets the columns of a table side by side."""
    _not_offered()


def row_diff(ctx: RepositoryContext, left: str, right: str, request: RowDiffRequest) -> RowDiff:
    """Compares the rows of a table."""
    _not_offered()


def row_diff_file(
    ctx: RepositoryContext, left: str, right: str, request: RowDiffRequest, form: RowFormat
) -> Iterator[bytes]:
    """Yields a file of all rows that differ."""
    _not_offered()


def row_conflicts_file(
    ctx: RepositoryContext, source: str, destination: str, resolution: Resolution, form: RowFormat
) -> Iterator[bytes]:
    """Yields a file of all rows that a merge of a table by key can't settle."""
    _not_offered()


def _not_offered() -> NoReturn:
    raise NotOffered("Comparing rows is not offered yet.", hint="Compare the tables' files.")


def _versions(
    ctx: RepositoryContext, left: str, right: str, path: str
) -> tuple[TableVersion | None, TableVersion | None]:
    path = path.rstrip("/")
    found: list[TableVersion | None] = []
    for ref in (left, right):
        commit = ctx.manifests.read_commit(refs.resolve(ctx, ref).commit)
        root = ctx.manifests.read_manifest(commit.manifest).tables_root
        found.append(tree.get(ctx.manifests.nodes, TABLES, root, path))
    if found == [None, None]:
        raise NotFound(
            ErrorKind.TABLE_NOT_FOUND,
            f"There is no table {path!r} at {left!r} or {right!r}.",
            hint="List the tables to see which there are; a table that was just written shows after the next commit.",
        )
    return found[0], found[1]

"""What is decided of one table in a three-way change, and from which manifests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lakegate.context import RepositoryContext
from lakegate.model import Conflict, Entry, Manifest, TableChange, TableOutcome, TableVersion
from lakegate.tables.file_counts import file_counts, with_counts

Change = tuple[str, Entry | None]


@dataclass(frozen=True, slots=True)
class Sides:
    """The three manifests of a three-way change: what `source` did since `base` is to be done to `destination`."""

    base: Manifest
    source: Manifest
    destination: Manifest


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of one table, or of one partition of a Parquet dataset. `folder` is what the decision covers (a
    partition: its direct files only); `changes`, sorted, bring the destination there."""

    folder: str
    changes: Iterator[Change]
    report: TableChange | None = None
    conflicts: tuple[Conflict, ...] = ()
    partition: bool = False


def taken(
    ctx: RepositoryContext, path: str, source: TableVersion | None, destination: TableVersion | None
) -> TableChange:
    """Reports a table that becomes what the source has."""
    before, after = (side.version if side is not None else None for side in (destination, source))
    outcome = TableOutcome.REMOVED if source is None else TableOutcome.TAKEN_SOURCE
    return with_counts(TableChange(path, outcome, before, after), file_counts(ctx, destination, source))

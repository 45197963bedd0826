"""What is decided of one table in a three-way change, and from which manifests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lakegate.model import Conflict, Entry, Manifest, TableChange

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

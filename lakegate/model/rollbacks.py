"""Rolling back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from lakegate.ids import CommitId
from lakegate.model.history import ChangeCounts, Commit
from lakegate.model.merges import TableChange


class RollbackMode(StrEnum):
    FORWARD = "forward"
    EXACT = "exact"


@dataclass(frozen=True, slots=True)
class RollbackRequest:
    """Puts the content of `to` back as a new commit: all of it, or only these tables and paths.

    Forward (the default) gives a Delta table a new version with the old content; exact puts the old tree back bit for
    bit, so that a table's version number goes back. A path that ends with '/' is a prefix.
    """

    to: str
    tables: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    mode: RollbackMode = RollbackMode.FORWARD
    dry_run: bool = False
    message: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RollbackOutcome:
    """`commit` is None for a dry run. `warnings` says what the rollback does to open readers."""

    commit: Commit | None
    to: CommitId
    changes: ChangeCounts
    tables: tuple[TableChange, ...] = ()
    warnings: tuple[str, ...] = ()

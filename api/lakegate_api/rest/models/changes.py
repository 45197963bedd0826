"""Merges, conflicts, rollbacks, verifications."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import Field

from lakegate.model import Isolation, RollbackMode, Take
from lakegate_api.rest.models.base import Answer, Ask, Error, Metadata
from lakegate_api.rest.models.refs import Commit


class MergeStrategy(StrEnum):
    NONE = ""
    SOURCE_WINS = "source-wins"
    DESTINATION_WINS = "destination-wins"
    DEST_WINS = "dest-wins"


class Prefer(StrEnum):
    SOURCE = "source"
    DESTINATION = "destination"


class Resolution(Ask):
    """How one conflict is settled: names a table's folder or an object's path."""

    table: str | None = None
    path: str | None = None
    take: Take
    key: list[str] = Field(default=[], description="Columns that name a row, where rows are taken.", max_length=100)
    prefer: Prefer | None = Field(
        default=None,
        description="Whose row is taken where both sides changed it; `newest` goes first. Default: the strategy.",
    )
    newest: str | None = Field(
        default=None,
        description="The row with the greater value in this column; null and NaN are the least.",
    )


class Merge(Ask):
    message: str | None = None
    metadata: Metadata | None = None
    strategy: MergeStrategy | None = None
    force: bool = False
    allow_empty: bool = False
    squash_merge: bool = False
    dry_run: bool = Field(default=False, description="Answers what would happen, and changes nothing.")
    resolutions: list[Resolution] = Field(default=[], max_length=1000)
    isolation: Isolation = Field(
        default=Isolation.WRITE_SERIALIZABLE,
        description="Which changes of one Delta table on both sides merge: what decides is files, partitions, or both "
        "with blind appends and new schemas too.",
    )


class Side(Answer):
    """One side of a conflict: Delta version and operations since the base, or an object's ETag."""

    version: int | None
    operations: list[str]
    etag: str | None
    versions: list[int]


class RowConflict(Answer):
    """A row that both sides changed, at base, source and destination; null where there is none."""

    key: list[Any]
    base: list[Any] | None
    source: list[Any] | None
    destination: list[Any] | None


class RowConflicts(Answer):
    """The count of all rows in conflict, and the first of them. Values stand in the order of `columns`."""

    key: list[str]
    columns: list[str]
    count: int
    first: list[RowConflict]


class Conflict(Answer):
    type: str
    path: str
    message: str
    hint: str
    table: str | None
    base: Side
    source: Side
    destination: Side
    files: list[str]
    partitions: list[str]
    file_count: int
    rows: RowConflicts | None


class ReplayedVersion(Answer):
    """What became of one version of the source's; `destination` is null where the destination needed none."""

    source: int | None
    destination: int | None
    operation: str
    note: str


class TableChange(Answer):
    path: str
    outcome: str
    from_version: int | None
    to_version: int | None
    rows_added: int | None
    rows_removed: int | None
    note: str
    bytes_added: int | None
    bytes_removed: int | None
    versions: list[ReplayedVersion]
    files_added: int | None
    files_removed: int | None


class ChangeCounts(Answer):
    added: int
    removed: int
    changed: int


class MergeResult(Answer):
    """`reference` is the commit that the destination points at afterwards; a dry run has no `commit`."""

    reference: str
    commit: Commit | None
    source: str
    destination: str
    base: str
    fast_path: bool
    changes: ChangeCounts
    tables: list[TableChange]
    conflicts: list[Conflict]


class ConflictError(Error):
    """A merge, revert or cherry-pick that can't go on, with every conflict; other 409s have no conflicts."""

    reference: str = ""
    conflicts: list[Conflict] = Field(default=[])


class FindMergeBaseResult(Answer):
    """`base_commit_id` is empty where the two have no common ancestor."""

    source_commit_id: str
    destination_commit_id: str
    base_commit_id: str


class RollbackCreation(Ask):
    """Puts the content of `to` back as a new commit: all of it, or only these tables and paths."""

    to: str
    tables: list[str] = Field(default=[], max_length=1000)
    paths: list[str] = Field(default=[], max_length=1000)
    mode: RollbackMode = RollbackMode.FORWARD
    dry_run: bool = False
    message: str | None = None
    metadata: Metadata | None = None


class RollbackResult(Answer):
    commit: Commit | None
    to: str
    changes: ChangeCounts
    tables: list[TableChange]
    warnings: list[str]


class VerifyRequest(Ask):
    background: bool = Field(default=False, description="Answers 202 with a job, which shows progress and can stop.")
    deep: bool = Field(default=False, description="Re-hash the data too, not only commit, manifest and nodes.")
    tables: list[str] = Field(default=[], max_length=1000)


class VerifyProblem(Answer):
    path: str
    problem: str


class VerifyResult(Answer):
    ok: bool
    commit: str
    nodes: int
    objects: int
    objects_hashed: int
    bytes_hashed: int
    unverifiable: int
    problem_count: int
    problems: list[VerifyProblem]

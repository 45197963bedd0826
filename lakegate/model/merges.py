"""Merges: how conflicts are resolved, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from lakegate.ids import CommitId
from lakegate.model.history import ChangeCounts, Commit


class Take(StrEnum):
    SOURCE = "source"
    DESTINATION = "destination"
    ROWS = "rows"


@dataclass(frozen=True, slots=True)
class Resolution:
    """How one conflict is settled: `path` is a table's folder or an object's path.

    For `Take.ROWS` `key` names the columns that tell rows apart. Rows that both sides changed, each to another value,
    are conflicts, unless `newest` names a column: the row with the greater value there is taken (a row that is gone, or
    has null or NaN there, is older than any other); or `prefer` (SOURCE or DESTINATION; where it is not given, the
    strategy) takes one side's, and settles with `newest` what is equally new.
    """

    path: str
    take: Take
    key: tuple[str, ...] = ()
    prefer: Take | None = None
    newest: str | None = None


class Strategy(StrEnum):
    """Settles every conflict of a merge that no resolution settles."""

    SOURCE_WINS = "source-wins"
    DESTINATION_WINS = "destination-wins"


class Isolation(StrEnum):
    """Which changes of one Delta table on two branches merge, as Delta's isolation levels have it.

    snapshot            files decide: two changes conflict where both removed one file
    write-serializable  partitions decide, for changes that read the table: what was written beside them in a partition
                        that they read conflicts, but for blind appends
    serializable        as if one branch had been written after the other: blind appends and new schemas count too
    """

    SNAPSHOT = "snapshot"
    WRITE_SERIALIZABLE = "write-serializable"
    SERIALIZABLE = "serializable"


@dataclass(frozen=True, slots=True)
class MergeRequest:
    message: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    strategy: Strategy | None = None
    squash: bool = False
    allow_empty: bool = False
    dry_run: bool = False
    resolutions: tuple[Resolution, ...] = ()
    isolation: Isolation = Isolation.WRITE_SERIALIZABLE


class ConflictKind(StrEnum):
    """Append only."""

    OBJECT_CHANGED = "object_changed"  # both sides changed one object, differently
    OBJECT_CHANGED_REMOVED = "object_changed_removed"  # one side changed what the other removed
    DELTA_TABLE_CHANGED = "delta_table_changed"  # both sides changed one Delta table
    PARQUET_PARTITION_CHANGED = "parquet_partition_changed"  # both sides changed files of one partition
    PATH_COLLISION = "path_collision"  # a table on one side, other objects in its folder on the other
    # Delta's own, of one table that both sides changed (see `Isolation`):
    CONCURRENT_APPEND = "concurrent_append"  # the destination added files that a change of the source should have read
    CONCURRENT_DELETE_READ = "concurrent_delete_read"  # the destination removed files that a change of the source read
    CONCURRENT_DELETE_DELETE = "concurrent_delete_delete"  # both removed, or rewrote, one file
    METADATA_CHANGED = "metadata_changed"  # schema, partitioning, properties or domains don't go together
    PROTOCOL_CHANGED = "protocol_changed"  # the protocols don't go together
    CONCURRENT_TRANSACTION = "concurrent_transaction"  # both advanced one application's `txn` version
    ROW_CHANGED = "row_changed"  # a merge of rows by key: both sides changed one row, each to another value
    SCHEMA_INCOMPATIBLE = "schema_incompatible"  # both sides changed a table's columns, so that they don't fit together


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a conflict: Delta version and the operations since the base (oldest first), or an object's ETag.

    `versions` are the Delta versions that `operations` belong to, one each; () where the log does not tell.
    """

    version: int | None = None
    operations: tuple[str, ...] = ()
    etag: str | None = None
    versions: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class RowConflict:
    """One row that both sides of a merge by key changed: its values at base, source and destination, JSON-ready as
    `TablePreview` has them, in the order of `RowConflicts.columns`; None: no such row there."""

    key: tuple[Any, ...]
    base: tuple[Any, ...] | None
    source: tuple[Any, ...] | None
    destination: tuple[Any, ...] | None


@dataclass(frozen=True, slots=True)
class RowConflicts:
    """The rows of one table that both sides changed: how many, and the first of them by key."""

    key: tuple[str, ...]
    columns: tuple[str, ...]
    count: int
    first: tuple[RowConflict, ...] = ()


@dataclass(frozen=True, slots=True)
class Conflict:
    """One typed reason why a merge cannot go on. `table` is the table's folder, None for a plain object.

    files       paths of data files that it is about, relative to the table: at most 100 of `file_count`
    partitions  those that it is about, as `year=2026/month=1`; at most 100. () for unpartitioned tables too
    rows        of ROW_CHANGED
    """

    kind: ConflictKind
    path: str
    message: str
    table: str | None = None
    base: Side = Side()
    source: Side = Side()
    destination: Side = Side()
    hint: str = ""
    files: tuple[str, ...] = ()
    partitions: tuple[str, ...] = ()
    file_count: int = 0
    rows: RowConflicts | None = None


class TableOutcome(StrEnum):
    UNCHANGED = "unchanged"
    TAKEN_SOURCE = "taken_source"  # the source's table version stands in the result
    KEPT_DESTINATION = "kept_destination"
    ROLLED_BACK = "rolled_back"
    REMOVED = "removed"
    CONFLICT = "conflict"
    MERGED_FILES = "merged_files"  # a Parquet dataset with the files of both sides
    MERGED_ROWS = "merged_rows"  # a new version that holds both sides' changes, row by row
    REPLAYED = "replayed"  # the source's versions stand as new versions after the destination's


@dataclass(frozen=True, slots=True)
class ReplayedVersion:
    """What became of one version of the source's: the `destination`'s version that repeats it, None where it needed
    none (a vacuum, a compaction that was undone, a change that the destination has already). `source` is None for
    a version that no single one of the source's stands behind; `note` says what it is."""

    source: int | None
    destination: int | None
    operation: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class TableChange:
    """What happens, or would happen, to one table. Versions are Delta versions (None: no table, or not Delta).

    Files, rows and bytes are what the destination gains and loses, by the statistics of its files (a merge of rows: the
    rows themselves); rows are None where a file has none, all are where the outcome is a conflict.
    """

    path: str
    outcome: TableOutcome
    from_version: int | None = None
    to_version: int | None = None
    rows_added: int | None = None
    rows_removed: int | None = None
    note: str = ""
    bytes_added: int | None = None
    bytes_removed: int | None = None
    versions: tuple[ReplayedVersion, ...] = ()
    files_added: int | None = None
    files_removed: int | None = None


@dataclass(frozen=True, slots=True)
class MergeOutcome:
    """`commit` is None for a dry run. `fast_path` says that the source's tree was taken whole."""

    commit: Commit | None
    source: CommitId
    destination: CommitId
    base: CommitId
    fast_path: bool
    changes: ChangeCounts
    tables: tuple[TableChange, ...] = ()
    conflicts: tuple[Conflict, ...] = ()

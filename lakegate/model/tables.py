"""Tables: their versions, and what is told of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from lakegate.ids import CommitId, NodeId


class TableFormat(StrEnum):
    DELTA = "delta"
    PARQUET = "parquet"


@dataclass(frozen=True, slots=True)
class Protocol:
    """The Delta protocol of a table version (Delta protocol, section Protocol Evolution)."""

    min_reader: int
    min_writer: int
    reader_features: tuple[str, ...] = ()
    writer_features: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TableVersion:
    """What a commit says of one table.

    path        the table's folder, without a trailing '/'
    version     Delta version; None for a Parquet dataset
    schema      the schema as Delta's JSON (`{"type":"struct","fields":[..]}`), for Parquet datasets too
    state       root of the tree of live files (kind `files`): a table diff is a tree diff
    rows        None where some file states no number of records
    bytes       of the live data files
    digest      `sha256:<hex>` over state, schema, partition columns, properties, protocol, txns, domains (not over
                path and version): equal digests, equal tables
    timestamp   of the version, ms (Delta: in-commit timestamp or the log file's time)
    metadata    the whole metaData action as canonical JSON; None for a Parquet dataset
    txns        latest version by application id (Delta `txn`)
    domains     configuration by domain (Delta `domainMetadata`, not removed)
    """

    path: str
    format: TableFormat
    version: int | None
    schema: str
    partition_columns: tuple[str, ...]
    state: NodeId
    files: int
    rows: int | None
    bytes: int
    digest: str
    timestamp: int
    table_id: str | None = None
    name: str | None = None
    properties: Mapping[str, str] = field(default_factory=dict)
    protocol: Protocol | None = None
    metadata: str | None = None
    txns: Mapping[str, int] = field(default_factory=dict)
    domains: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One live file of a table version, as the tree of kind `files` keeps it.

    path             relative to the table's folder, decoded (never percent-encoded)
    rows             physical records less those a deletion vector deletes; None where no statistics tell
    partition        values as Delta's strings; None is SQL NULL
    deletion_vector  canonical JSON of Delta's descriptor; None where there is none
    action           canonical JSON of the whole Delta `add` action, without `dataChange`; None for a Parquet dataset
    """

    path: str
    size: int
    rows: int | None
    partition: Mapping[str, str | None] = field(default_factory=dict)
    deletion_vector: str | None = None
    action: str | None = None


class TableChangeKind(StrEnum):
    CREATED = "created"
    DROPPED = "dropped"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class TableDiff:
    """How one table differs between two refs. Rows are by the files' statistics, None where a file has none.

    `schema_changes` is in words: "added column x long", "dropped column y", "partitioning: () to (month)", ...
    `operations` are the Delta operations that the right side has and the left has not, oldest first, where the log
    still tells. `reason` says why a Parquet dataset was dropped whose folder still holds data; else it is "".
    """

    path: str
    kind: TableChangeKind
    left: TableVersion | None
    right: TableVersion | None
    schema_changes: tuple[str, ...] = ()
    files_added: int = 0
    files_removed: int = 0
    rows_added: int | None = 0
    rows_removed: int | None = 0
    bytes_added: int = 0
    bytes_removed: int = 0
    operations: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class TableHistoryItem:
    """One Delta version (or, for a Parquet dataset, one change) and the commit that brought it onto the ref.

    Where that was a merge, `merged_from` is the ref that it merged (as it was named then), and `origin` the commit that
    first held the version there, with its `origin_version` (another than `version` where the merge replayed it) and
    `origin_committer`; None where the source's history is not known any more.
    """

    version: int | None
    timestamp: int
    operation: str
    parameters: Mapping[str, str]
    commit: CommitId | None
    committer: str | None
    message: str | None
    merged_from: str | None = None
    origin: CommitId | None = None
    origin_version: int | None = None
    origin_committer: str | None = None


@dataclass(frozen=True, slots=True)
class TablePreview:
    """The first rows of a table, JSON-ready: one list a row, in the order of `columns`."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True, slots=True)
class PartitionDiff:
    """How the files of one partition differ. `values` are as the table states them; None is SQL NULL. Rows are by the
    files' statistics, None where a file has none."""

    values: Mapping[str, str | None]
    files_added: int = 0
    files_removed: int = 0
    rows_added: int | None = 0
    rows_removed: int | None = 0
    bytes_added: int = 0
    bytes_removed: int = 0

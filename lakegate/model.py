"""The nouns of lakegate as frozen dataclasses. No I/O, no heavy imports.

Times are integer milliseconds since the epoch, UTC. Sizes are bytes. Paths are `str`, ordered by their UTF-8 bytes
(which for `str` is the order of code points, Python's own).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, TypeVar

from lakegate.errors import ErrorKind, InvalidInput
from lakegate.ids import (
    BranchName,
    CommitId,
    HoldId,
    JobId,
    ManifestId,
    NodeId,
    RepositoryId,
    RepositoryName,
    TagName,
    UploadId,
)

DEFAULT_CONTENT_TYPE = "application/octet-stream"
MAX_PAGE = 1000

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a listing. `next_after` is what to send as `after` for the next page, "" where there is none."""

    items: tuple[T, ...]
    next_after: str = ""

    @property
    def has_more(self) -> bool:
        return self.next_after != ""


# -- objects ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Entry:
    """One object of a tree or of a staging area.

    address       physical address: a key relative to the storage namespace (`data/..`), or an absolute URL
                  (`s3://..`, `file:///..`) of an imported object, which lakegate never deletes
    etag          without quotes; MD5 of the bytes for a plain upload, `<hex>-<parts>` for a multipart one
    digest        `sha256:<64 hex>` over all bytes; None where lakegate never saw them (imported objects)
    mtime         milliseconds since the epoch
    metadata      the user's own (`x-amz-meta-*`), keys lower-case
    headers       kept headers, keys lower-case: content-encoding, cache-control, content-disposition,
                  content-language, expires, and stored checksums as `x-amz-checksum-<algorithm>`
    """

    path: str
    address: str
    size: int
    etag: str
    mtime: int
    digest: str | None = None
    content_type: str = DEFAULT_CONTENT_TYPE
    metadata: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def same_bytes(self, other: Entry) -> bool:
        """Tells whether both name the same bytes: by digest, or by size and ETag where one is unknown."""
        if self.digest is not None and other.digest is not None:
            return self.digest == other.digest
        return self.size == other.size and self.etag == other.etag

    def same_content(self, other: Entry) -> bool:
        """Tells whether a reader could see no difference: same bytes by digest (by ETag where one is unknown), same
        content type, user metadata and kept headers. Address and modification time do not count."""
        if self.address == other.address and self.etag == other.etag:
            same_bytes = True
        elif self.digest is not None and other.digest is not None:
            same_bytes = self.digest == other.digest
        else:
            same_bytes = self.etag == other.etag
        return (
            same_bytes
            and self.size == other.size
            and self.content_type == other.content_type
            and dict(self.metadata) == dict(other.metadata)
            and dict(self.headers) == dict(other.headers)
        )


@dataclass(frozen=True, slots=True)
class CommonPrefix:
    """A folder in a listing with a delimiter; `path` ends with the delimiter."""

    path: str


class ChangeKind(StrEnum):
    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    PREFIX_CHANGED = "prefix_changed"


@dataclass(frozen=True, slots=True)
class ObjectChange:
    """One difference between two trees, seen from `left` to `right`: added has no left, removed no right.

    PREFIX_CHANGED (in listings with a delimiter) has neither, and `path` ends with the delimiter.
    """

    path: str
    kind: ChangeKind
    left: Entry | None = None
    right: Entry | None = None


# -- history ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Commit:
    """An immutable commit. `id` is the SHA-256 of its canonical JSON without the id."""

    id: CommitId
    parents: tuple[CommitId, ...]
    manifest: ManifestId
    message: str
    committer: str
    created: int
    metadata: Mapping[str, str] = field(default_factory=dict)
    generation: int = 1


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a commit holds: the root of the tree of all objects (kind `objects`), its totals, and the root of the tree
    of the table versions found in it (kind `tables`, keyed by the table's path)."""

    id: ManifestId
    objects_root: NodeId
    tables_root: NodeId
    objects: int
    bytes: int
    tables: int


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


# -- refs -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RepositoryInfo:
    id: RepositoryId
    name: RepositoryName
    storage_namespace: str
    default_branch: BranchName
    created: int


@dataclass(frozen=True, slots=True)
class Branch:
    name: BranchName
    commit: CommitId


@dataclass(frozen=True, slots=True)
class Tag:
    name: TagName
    commit: CommitId


# -- requests and outcomes of the use cases ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CommitRequest:
    """`date`, milliseconds, stands for the commit's own time where given."""

    message: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    date: int | None = None
    allow_empty: bool = False


@dataclass(frozen=True, slots=True)
class LogRequest:
    """Which commits of a ref's history to list, newest first.

    after         exclusive: the commit id that the last page ended with
    paths         only commits that changed one of these objects
    prefixes      only commits that changed something under one of these prefixes
    first_parent  follow only first parents
    since         only commits made at or after this time
    stop_at       the last commit to list (inclusive), by ref
    """

    after: str = ""
    amount: int = 100
    paths: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    first_parent: bool = False
    since: int | None = None
    stop_at: str | None = None


@dataclass(frozen=True, slots=True)
class ListRequest:
    """`after` is exclusive and any string; `amount` at most 1,000 (larger is taken as 1,000)."""

    prefix: str = ""
    after: str = ""
    amount: int = 100
    delimiter: str = ""


class Take(StrEnum):
    SOURCE = "source"
    DESTINATION = "destination"
    ROWS = "rows"


@dataclass(frozen=True, slots=True)
class Resolution:
    """How one conflict is settled: `path` is a table's folder or an object's path.

    For `Take.ROWS` `key` names the columns that tell rows apart. Rows that both sides changed, each to another value,
    are conflicts, unless `prefer` (SOURCE or DESTINATION) takes one side's, or `newest` names a column: the row with
    the greater value there is taken (a row that is gone, or has null or NaN there, is older than any other).
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
class ChangeCounts:
    added: int = 0
    removed: int = 0
    changed: int = 0


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


@dataclass(frozen=True, slots=True)
class ApplyRequest:
    """A revert or a cherry-pick of `ref` onto a branch. `parent` (1-based) names the mainline of a merge commit."""

    ref: str
    parent: int | None = None
    message: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    allow_empty: bool = False


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


class ImportKind(StrEnum):
    PREFIX = "common_prefix"
    OBJECT = "object"


@dataclass(frozen=True, slots=True)
class ImportSource:
    """`url` is `s3://bucket/prefix`, `file:///dir` or an absolute local path; `destination` the path in the branch."""

    kind: ImportKind
    url: str
    destination: str


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """`replace` also removes what stands below a prefix's destination and is not in a source: the branch mirrors the
    sources there."""

    sources: tuple[ImportSource, ...]
    commit: CommitRequest
    dry_run: bool = False
    replace: bool = False


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """Writes the objects of `ref` under `prefix` as plain files below `destination` (a folder path or an S3 URL).

    Refuses a destination that holds other files unless `overwrite`; files already equal are not written again.
    """

    ref: str
    destination: str
    prefix: str = ""
    overwrite: bool = False
    dry_run: bool = False


class JobState(StrEnum):
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Job:
    """One long operation in the background. `done` and `total` count objects; total is None while unknown."""

    id: JobId
    kind: str
    state: JobState
    done: int
    total: int | None
    created: int
    updated: int
    result: Mapping[str, Any] = field(default_factory=dict)
    error_code: str | None = None
    error_message: str | None = None
    error_hint: str = ""


Progress = Callable[[int, int | None], None]
"""Called with (objects done, total or None); may raise Refused(CANCELLED) to stop the work."""


# -- tables -----------------------------------------------------------------------------------------------------------


class TableChangeKind(StrEnum):
    CREATED = "created"
    DROPPED = "dropped"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class TableDiff:
    """How one table differs between two refs. Rows are by the files' statistics, None where a file has none.

    `schema_changes` is in words: "added column x long", "dropped column y", "partitioning: () to (month)", ...
    `operations` are the Delta operations that the right side has and the left has not, oldest first, where the log
    still tells.
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


# -- rows of tables ---------------------------------------------------------------------------------------------------


class RowChangeKind(StrEnum):
    ADDED = "added"
    REMOVED = "removed"
    UPDATED = "updated"


class RowFormat(StrEnum):
    """How all rows of a difference are written out."""

    PARQUET = "parquet"
    CSV = "csv"
    JSONL = "jsonl"


@dataclass(frozen=True, slots=True)
class RowDiffRequest:
    """Which rows to compare.

    table  the table's folder
    key    columns that tell rows apart: a row with the same key and other values is updated. Without a key, rows are
           compared by content, as a multiset: a row that stands twice on one side and once on the other differs once
    limit  the most rows to answer with (0 to 1,000); counts are of all
    """

    table: str
    key: tuple[str, ...] = ()
    limit: int = 100


@dataclass(frozen=True, slots=True)
class RowChange:
    """One row that differs: an added one has no `left`, a removed one no `right`, an updated one both. Values are
    JSON-ready as `TablePreview` has them, in the order of `RowDiff.columns`. `count` says how often an added or removed
    row stands (more than once only without a key)."""

    kind: RowChangeKind
    left: tuple[Any, ...] | None = None
    right: tuple[Any, ...] | None = None
    count: int = 1


@dataclass(frozen=True, slots=True)
class RowDiff:
    """How the rows of one table differ between two refs. Only data files that differ were read.

    left, right      the table versions; None: there is no such table
    columns          that were compared and are shown: those of the right side (of the left, where the right has no
                     table). A column that the left lacks is null there; one that the right lacks is left out
    schema_changes   in words, as `TableDiff` has them
    added, removed, updated  counts of all rows, not only those in `rows`
    files_left, files_right  how many data files were read on each side
    notes            what to know of the comparison, in words
    """

    path: str
    left: TableVersion | None
    right: TableVersion | None
    key: tuple[str, ...]
    columns: tuple[str, ...]
    added: int
    removed: int
    updated: int
    rows: tuple[RowChange, ...]
    schema_changes: tuple[str, ...] = ()
    files_left: int = 0
    files_right: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ColumnStatistics:
    """What one column holds. Values are JSON-ready as `TablePreview` has them; None where there is no such value.

    nulls     how many values are null
    nans      how many are not a number; they count in nothing else but `distinct`
    distinct  about how many different values, within some percent (a HyperLogLog sketch)
    min, max  of a column of numbers, texts or moments
    mean      of a column of numbers
    """

    nulls: int
    distinct: int | None
    min: Any = None
    max: Any = None
    mean: float | None = None
    nans: int = 0


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """One column before and after; None: the side has no such column. `type` is in words, the right side's first."""

    name: str
    type: str
    left: ColumnStatistics | None
    right: ColumnStatistics | None


@dataclass(frozen=True, slots=True)
class TableProfile:
    """The columns of one table on two refs, side by side. Row counts are None where the side has no table."""

    path: str
    left_rows: int | None
    right_rows: int | None
    columns: tuple[ColumnProfile, ...]


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


# -- pins -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hold:
    """A promise that `commit` stays readable."""

    id: HoldId
    repository: RepositoryName
    commit: CommitId
    name: str
    created: int


@dataclass(frozen=True, slots=True)
class PinnedTable:
    path: str
    format: TableFormat
    version: int | None
    schema: str
    files: int
    rows: int | None
    bytes: int
    content: str
    table_id: str | None = None


@dataclass(frozen=True, slots=True)
class PinDocument:
    """What a ref is pinned to: the resolved commit with its manifest id and the table versions and their digests.
    `schema` of a table is the SHA-256 of its schema JSON."""

    repository: RepositoryName
    ref: str
    commit: CommitId
    committed_at: int
    manifest: ManifestId
    tables: tuple[PinnedTable, ...]
    hold: HoldId | None = None


@dataclass(frozen=True, slots=True)
class VerifyProblem:
    path: str
    problem: str


@dataclass(frozen=True, slots=True)
class VerifyOutcome:
    """`objects_hashed` and `bytes_hashed` count what a deep verification re-read; `unverifiable` lists how many
    objects have no digest (imported ones): their size and ETag were compared with the store instead. `problem_count`
    counts all problems; `problems` lists the first 1,000 of them."""

    commit: CommitId
    nodes: int
    objects: int
    objects_hashed: int
    bytes_hashed: int
    unverifiable: int
    problems: tuple[VerifyProblem, ...]
    problem_count: int

    @property
    def ok(self) -> bool:
        return not self.problem_count


# -- multipart uploads ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Upload:
    """One open multipart upload."""

    id: UploadId
    branch: BranchName
    path: str
    created: int
    content_type: str = DEFAULT_CONTENT_TYPE
    metadata: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Part:
    number: int
    address: str
    size: int
    etag: str
    created: int
    checksums: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PutRequest:
    """What goes with the bytes of one object.

    if_none_match   True: only where the path holds nothing (`If-None-Match: *`)
    if_match        only where the path holds an object with this ETag
    size            declared length, checked: a shorter or longer body is refused
    content_md5     hex, checked
    sha256          hex, checked
    """

    content_type: str = DEFAULT_CONTENT_TYPE
    metadata: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    if_none_match: bool = False
    if_match: str | None = None
    size: int | None = None
    content_md5: str | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class StageRequest:
    """An object that lies outside the repository, at `url`, and is to stand on a branch without being copied.

    size      checked
    checksum  its ETag or MD5; checked where both it and the store's ETag are an MD5 (hex)
    mtime     milliseconds; None: the store's
    """

    url: str
    size: int
    checksum: str = ""
    mtime: int | None = None
    content_type: str = DEFAULT_CONTENT_TYPE
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeleteFailure:
    path: str
    code: str
    message: str


def page_amount(amount: int) -> int:
    """Checks how many items a page was asked to have: at most MAX_PAGE. Raises InvalidInput(INVALID_ARGUMENT)."""
    if amount < 0:
        raise InvalidInput(ErrorKind.INVALID_ARGUMENT, f"An amount can't be {amount}.", hint="Ask for 0 to 1,000.")
    return min(amount, MAX_PAGE)


def page_of(items: Sequence[T], amount: int, key: Callable[[T], str]) -> Page[T]:
    """Makes a page of at most `amount` items from a sequence that holds one more where there is more."""
    if len(items) > amount:
        kept = tuple(items[:amount])
        return Page(kept, key(kept[-1]) if kept else "")
    return Page(tuple(items))

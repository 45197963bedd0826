"""What a lake answers, whether it is a folder on this machine or a server: the use cases as two protocols.

`lakegate.connect(url)` returns a `Lake`. The embedded implementation is `lakegate.lake`, the one over HTTP
`lakegate.client`; one contract suite runs against both. Refs are strings in the grammar of `lakegate.revision`:
a branch, tag, commit id or unique prefix of one (4 hex digits or more), each with `~N`, `^N`, `@{TIMESTAMP}`.
A branch as a ref in `stat`, `open`, `list` and `diff`'s right side means its uncommitted state too, where said so.

Errors are those of `lakegate.errors`; every method raises NotFound for a repository, ref, branch or path that is not
there, InvalidInput for names and paths that break the rules, Unavailable where store or database do not answer, and
changes nothing when it raises.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Protocol

from lakegate.ids import HoldId, JobId, UploadId
from lakegate.model import (
    ApplyRequest,
    Branch,
    Commit,
    CommitRequest,
    CommonPrefix,
    DeleteFailure,
    Entry,
    ExportRequest,
    FileEntry,
    Hold,
    ImportRequest,
    Job,
    ListRequest,
    LogRequest,
    Manifest,
    MergeOutcome,
    MergeRequest,
    ObjectChange,
    Page,
    Part,
    PartitionDiff,
    PinDocument,
    Progress,
    PutRequest,
    RepositoryInfo,
    Resolution,
    RollbackOutcome,
    RollbackRequest,
    RowDiff,
    RowDiffRequest,
    RowFormat,
    StageRequest,
    TableDiff,
    TableHistoryItem,
    TablePreview,
    TableProfile,
    TableVersion,
    Tag,
    Upload,
    VerifyOutcome,
)

if TYPE_CHECKING:
    import pyarrow.dataset as pads

Body = bytes | BinaryIO | Iterable[bytes]


class ObjectReader(Protocol):
    """One object, opened. `entry` is as of the opening; its bytes never change (physical addresses are write-once)."""

    @property
    def entry(self) -> Entry: ...

    def read(self, start: int = 0, length: int | None = None) -> bytes:
        """Reads `length` bytes from `start`, fewer only at the end of the object."""
        ...

    def chunks(self, start: int = 0, length: int | None = None, size: int = 1 << 20) -> Iterator[bytes]:
        """Yields the same in pieces of at most `size` bytes; memory does not grow with the object."""
        ...


class Lake(Protocol):
    @property
    def url(self) -> str: ...

    def close(self) -> None: ...

    def __enter__(self) -> Lake: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def version(self) -> str:
        """The version of the lakegate that serves the lake."""
        ...

    def create_repository(
        self, name: str, storage_namespace: str | None = None, default_branch: str = "main"
    ) -> RepositoryInfo:
        """Creates a repository with one branch at an empty first commit.

        Without a storage namespace it lies under the lake's default base. Raises AlreadyExists(REPOSITORY_EXISTS,
        NAMESPACE_IN_USE), InvalidInput(INVALID_NAMESPACE).
        """
        ...

    def repositories(self, prefix: str = "", after: str = "", amount: int = 100) -> Page[RepositoryInfo]: ...

    def repository(self, name: str) -> Repository:
        """Opens a repository. Raises NotFound(REPOSITORY_NOT_FOUND)."""
        ...

    def delete_repository(self, name: str, force: bool = False) -> None:
        """Forgets a repository: its refs, staging and settings. The bytes in its storage namespace stay.

        Raises Refused(REPOSITORY_NOT_EMPTY) where it has more than its first commit, or uncommitted changes, unless
        `force`.
        """
        ...


class Repository(Protocol):
    @property
    def info(self) -> RepositoryInfo: ...

    # -- refs ---------------------------------------------------------------------------------------------------------

    def branches(self, prefix: str = "", after: str = "", amount: int = 100) -> Page[Branch]: ...

    def branch(self, name: str) -> Branch: ...

    def create_branch(self, name: str, source: str) -> Branch:
        """Creates a branch at the commit that `source` names. Raises AlreadyExists(BRANCH_EXISTS)."""
        ...

    def delete_branch(self, name: str, force: bool = False) -> None:
        """Deletes a branch; its commits stay. Raises Refused(DEFAULT_BRANCH) for the default branch, and
        Refused(DIRTY_BRANCH) where uncommitted changes would be lost, unless `force`."""
        ...

    def tags(self, prefix: str = "", after: str = "", amount: int = 100) -> Page[Tag]: ...

    def tag(self, name: str) -> Tag: ...

    def create_tag(self, name: str, ref: str) -> Tag: ...

    def delete_tag(self, name: str) -> None: ...

    def commit_of(self, ref: str) -> Commit:
        """Resolves a ref expression to its commit. Raises NotFound, InvalidInput(INVALID_REF, AMBIGUOUS_REF)."""
        ...

    def manifest(self, ref: str) -> Manifest:
        """The manifest of a ref's commit: roots and totals."""
        ...

    def log(self, ref: str, request: LogRequest = LogRequest()) -> Page[Commit]: ...

    # -- objects ------------------------------------------------------------------------------------------------------

    def stat(self, ref: str, path: str) -> Entry:
        """The entry at a path; a branch answers its uncommitted state."""
        ...

    def open(self, ref: str, path: str) -> ObjectReader:
        """Opens an object for reading; a branch answers its uncommitted state."""
        ...

    def list(self, ref: str, request: ListRequest = ListRequest()) -> Page[Entry | CommonPrefix]:
        """Lists in the order of UTF-8 bytes; a branch answers its uncommitted state."""
        ...

    def put(self, branch: str, path: str, body: Body, request: PutRequest = PutRequest()) -> Entry:
        """Writes an object to a branch (uncommitted). Durable when it returns.

        Raises PreconditionFailed, InvalidInput(INCOMPLETE_BODY, CHECKSUM_MISMATCH), Refused(READ_ONLY_REF) for a ref
        that is no branch, and what the Delta commit guard refuses: PreconditionFailed(DELTA_VERSION_TAKEN,
        DELTA_STALE_REMOVE), Refused(DELTA_LOG_INVALID, DELTA_PATH_FORBIDDEN, DELTA_FEATURE_UNKNOWN).
        """
        ...

    def copy(
        self, branch: str, path: str, source_ref: str, source_path: str, request: PutRequest | None = None
    ) -> Entry:
        """Copies an object onto a branch without copying bytes. `request` replaces metadata and content type."""
        ...

    def stage(self, branch: str, path: str, request: StageRequest) -> Entry:
        """Makes an object outside the repository stand at a path (uncommitted), as an import does, without copying it.

        Raises NotFound(OBJECT_NOT_FOUND), InvalidInput(CHECKSUM_MISMATCH, INVALID_ARGUMENT for a place that a
        repository owns), and what `put` raises of the branch and of Delta logs.
        """
        ...

    def set_metadata(self, branch: str, path: str, metadata: Mapping[str, str]) -> Entry:
        """Replaces the user metadata of an object (uncommitted)."""
        ...

    def delete(self, branch: str, path: str) -> None:
        """Deletes an object on the branch (uncommitted). Raises NotFound(OBJECT_NOT_FOUND)."""
        ...

    def delete_many(self, branch: str, paths: Sequence[str]) -> tuple[DeleteFailure, ...]:
        """Deletes objects on the branch; paths that hold nothing are no failure."""
        ...

    # -- multipart uploads --------------------------------------------------------------------------------------------

    def create_upload(self, branch: str, path: str, request: PutRequest = PutRequest()) -> Upload: ...

    def put_part(self, upload: UploadId, number: int, body: Body, request: PutRequest = PutRequest()) -> Part:
        """Stores one part (1 to 10,000). Raises NotFound(UPLOAD_NOT_FOUND), InvalidInput."""
        ...

    def parts(self, upload: UploadId, after: int = 0, amount: int = 1000) -> tuple[Upload, Page[Part]]: ...

    def uploads(self, branch: str, prefix: str = "", after: str = "", amount: int = 1000) -> Page[Upload]: ...

    def complete_upload(
        self, upload: UploadId, parts: Sequence[tuple[int, str]], request: PutRequest = PutRequest()
    ) -> Entry:
        """Makes one object of the parts, by (number, ETag) in ascending order. `request` gives the conditions."""
        ...

    def abort_upload(self, upload: UploadId) -> None: ...

    # -- changes ------------------------------------------------------------------------------------------------------

    def uncommitted(self, branch: str, request: ListRequest = ListRequest()) -> Page[ObjectChange]:
        """What a commit of the branch would change."""
        ...

    def uncommitted_tables(self, branch: str, prefix: str = "", after: str = "", amount: int = 100) -> Page[TableDiff]:
        """How the tables of the branch's commit differ from those that a commit of it would hold now. The work is that
        of such a commit. Raises what it would of a table that can't be one: Refused(DELTA_LOG_INVALID, ...)."""
        ...

    def diff(
        self, left: str, right: str, request: ListRequest = ListRequest(), three_dot: bool = False
    ) -> Page[ObjectChange]:
        """What differs from the commit `left` to the commit `right`; three_dot: from their merge base to `right`."""
        ...

    def commit(self, branch: str, request: CommitRequest) -> Commit:
        """Commits all uncommitted changes. Raises Refused(NOTHING_TO_COMMIT, DELTA_LOG_INVALID)."""
        ...

    def merge(self, source: str, destination: str, request: MergeRequest = MergeRequest()) -> MergeOutcome:
        """Merges the commit of `source` into the branch `destination`.

        Raises MergeConflict with every conflict (a dry run returns them instead), Refused(DIRTY_BRANCH,
        NOTHING_TO_MERGE, NO_MERGE_BASE).
        """
        ...

    def merge_base(self, left: str, right: str) -> Commit | None: ...

    def revert(self, branch: str, request: ApplyRequest) -> Commit:
        """Commits the inverse of what `request.ref` changed."""
        ...

    def cherry_pick(self, branch: str, request: ApplyRequest) -> Commit:
        """Commits what `request.ref` changed."""
        ...

    def reset(self, branch: str, path: str | None = None, prefix: str | None = None) -> int:
        """Throws away uncommitted changes: of one path, of a prefix, or all. Returns how many paths."""
        ...

    def hard_reset(self, branch: str, ref: str) -> Branch:
        """Points the branch at another commit. Raises Refused(DIRTY_BRANCH) where there are uncommitted changes."""
        ...

    def rollback(self, branch: str, request: RollbackRequest) -> RollbackOutcome:
        """Puts old content back as a new commit. Raises Refused(DIRTY_BRANCH, NOTHING_TO_ROLL_BACK), NotFound."""
        ...

    # -- import, export, jobs -----------------------------------------------------------------------------------------

    def import_(self, branch: str, request: ImportRequest, progress: Progress | None = None) -> Job:
        """Imports existing objects without copying them, and commits. Returns the ended job (its `result` holds
        `commit` and `objects`); raises what the import raised."""
        ...

    def start_import(self, branch: str, request: ImportRequest) -> Job:
        """The same in the background."""
        ...

    def export(self, request: ExportRequest, progress: Progress | None = None) -> Job:
        """Writes a ref's objects as plain files that any client can read without lakegate."""
        ...

    def start_export(self, request: ExportRequest) -> Job:
        """The same in the background, where the lake lies: `destination` is a place as the lake sees it."""
        ...

    def job(self, job: JobId) -> Job: ...

    def jobs(self, amount: int = 100) -> tuple[Job, ...]: ...

    def cancel_job(self, job: JobId) -> None:
        """Raises NotFound(JOB_NOT_FOUND), Refused(JOB_NOT_RUNNING)."""
        ...

    # -- tables -------------------------------------------------------------------------------------------------------

    def tables(self, ref: str, prefix: str = "", after: str = "", amount: int = 100) -> Page[TableVersion]: ...

    def table(self, ref: str, path: str) -> TableVersion: ...

    def table_files(self, ref: str, path: str, after: str = "", amount: int = 100) -> Page[FileEntry]: ...

    def table_history(self, ref: str, path: str, amount: int = 100) -> tuple[TableHistoryItem, ...]:
        """Newest first: the Delta versions and the commits that brought them onto the ref."""
        ...

    def table_preview(self, ref: str, path: str, limit: int = 20) -> TablePreview: ...

    def table_diff(
        self, left: str, right: str, prefix: str = "", after: str = "", amount: int = 100
    ) -> Page[TableDiff]: ...

    def table_partitions(self, left: str, right: str, path: str, amount: int = 1000) -> tuple[PartitionDiff, ...]:
        """Tells which partitions of a table differ, and by how many files, rows and bytes, in the order of their
        values; at most `amount`. A table that a ref lacks holds nothing there."""
        ...

    def table_profile(self, left: str, right: str, path: str) -> TableProfile:
        """Tells for each column of a table its nulls, distinct values, least, greatest and mean value on both refs.
        Reads the table. Raises as `row_diff`."""
        ...

    def row_diff(self, left: str, right: str, request: RowDiffRequest) -> RowDiff:
        """Compares the rows of a table on two refs' commits, reading only data files that differ.

        Raises NotFound(TABLE_NOT_FOUND) where neither has the table, InvalidInput(KEY_NOT_FOUND), Refused(KEY_NULL,
        KEY_NOT_UNIQUE) with the first such keys in `details`, Refused(DELTA_FEATURE_UNKNOWN) where rows can't be read
        right.
        """
        ...

    def row_diff_file(self, left: str, right: str, request: RowDiffRequest, form: RowFormat) -> Iterator[bytes]:
        """Yields a file of all rows that differ. Its columns are `_change` (`added`, `removed`, and with a key
        `updated_from` and `updated_to`, which follow each other), `_count` without a key, then those of the table. A
        name that the table has gets one more `_` in front. Raises as `row_diff`, before the first bytes."""
        ...

    def row_conflicts_file(
        self, source: str, destination: str, resolution: Resolution, form: RowFormat
    ) -> Iterator[bytes]:
        """Yields a file of all rows that a merge of a table by key can't settle: `_side` (`base`, `source`,
        `destination`), then the table's columns; the rows of one key follow each other. Names as in `row_diff_file`."""
        ...

    def read_table(self, ref: str, path: str) -> pads.Dataset:
        """The live rows of a table as a pyarrow dataset with the table's logical columns, straight from the data
        files. Raises Refused(DELTA_FEATURE_UNKNOWN) where a feature of the table would make plain reading wrong,
        NotOffered over HTTP (read through the S3 gateway there)."""
        ...

    # -- pins ---------------------------------------------------------------------------------------------------------

    def pin(self, ref: str, tables: Sequence[str] = (), hold: str | None = None) -> PinDocument:
        """Resolves a ref to a pin document (all its tables, or those named). With `hold`, a name, also takes a hold."""
        ...

    def holds(self) -> tuple[Hold, ...]: ...

    def release_hold(self, hold: HoldId) -> None: ...

    def verify(
        self, ref: str, deep: bool = False, tables: Sequence[str] = (), progress: Progress | None = None
    ) -> VerifyOutcome:
        """Re-hashes commit, manifest and nodes; checks that every object is there with its size; with `deep`
        re-hashes the data too. Only below `tables` where given."""
        ...

    def start_verify(self, ref: str, deep: bool = False, tables: Sequence[str] = ()) -> Job:
        """The same in the background; the job's `result` holds the fields of the outcome, and `ok`."""
        ...

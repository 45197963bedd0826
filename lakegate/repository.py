"""A repository in this process: each use case as a method.

Longer than other files by design: it is one class of one protocol, a method hands its call on to the module of its use
case, and imports that only then, so that a short command does not pay for the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lakegate.context import RepositoryContext
from lakegate.errors import ErrorKind, NotFound
from lakegate.ids import (
    BranchName,
    CommitId,
    HoldId,
    JobId,
    UploadId,
)
from lakegate.interface import Body, ObjectReader
from lakegate.jobs import JobRunner, Work
from lakegate.metastore.protocol import branch_not_found
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
    page_amount,
    page_of,
)

if TYPE_CHECKING:
    import pyarrow.dataset as pads

    from lakegate.ops.multipart import PartUpload
    from lakegate.ops.objects import ObjectUpload, StoredReader
    from lakegate.snapshot import Listing, Seen


class EmbeddedRepository:
    """Implements `lakegate.interface.Repository` in this process."""

    def __init__(self, ctx: RepositoryContext, runner: JobRunner) -> None:
        self.ctx = ctx
        self._runner = runner

    @property
    def info(self) -> RepositoryInfo:
        return self.ctx.info

    def acting_as(self, actor: str) -> EmbeddedRepository:
        """Returns the same repository, where what is done is done in another's name."""
        return EmbeddedRepository(replace(self.ctx, actor=actor), self._runner)

    # -- refs ---------------------------------------------------------------------------------------------------------

    def branches(self, prefix: str = "", after: str = "", amount: int = 100) -> Page[Branch]:
        amount = page_amount(amount)
        states = self.ctx.meta.list_branches(self.info.id, prefix, after, amount + 1)
        return page_of([Branch(s.name, s.commit) for s in states], amount, lambda branch: branch.name)

    def branch(self, name: str) -> Branch:
        state = self.ctx.meta.get_branch(self.info.id, BranchName(name))
        if state is None:
            raise branch_not_found(name)
        return Branch(state.name, state.commit)

    def create_branch(self, name: str, source: str) -> Branch:
        from lakegate import refs

        return refs.create_branch(self.ctx, name, source)

    def delete_branch(self, name: str, force: bool = False) -> None:
        from lakegate.ops.delete_branch import delete_branch

        delete_branch(self.ctx, name, force)

    def tags(self, prefix: str = "", after: str = "", amount: int = 100) -> Page[Tag]:
        amount = page_amount(amount)
        found = self.ctx.meta.list_tags(self.info.id, prefix, after, amount + 1)
        return page_of(found, amount, lambda tag: tag.name)

    def tag(self, name: str) -> Tag:
        from lakegate import refs

        return refs.get_tag(self.ctx, name)

    def create_tag(self, name: str, ref: str) -> Tag:
        from lakegate import refs

        return refs.create_tag(self.ctx, name, ref)

    def delete_tag(self, name: str) -> None:
        from lakegate import refs

        refs.delete_tag(self.ctx, name)

    def commit_of(self, ref: str) -> Commit:
        from lakegate import refs

        return self.ctx.manifests.read_commit(refs.resolve(self.ctx, ref).commit)

    def manifest(self, ref: str) -> Manifest:
        return self.ctx.manifests.read_manifest(self.commit_of(ref).manifest)

    def log(self, ref: str, request: LogRequest = LogRequest()) -> Page[Commit]:
        from lakegate.ops.log import log

        return log(self.ctx, ref, request)

    # -- objects ------------------------------------------------------------------------------------------------------

    def stat(self, ref: str, path: str) -> Entry:
        from lakegate.ids import object_path
        from lakegate.snapshot import stat

        return stat(self.ctx, ref, object_path(path))

    def open(self, ref: str, path: str) -> ObjectReader:
        from lakegate.ops.objects import open_object

        return open_object(self.ctx, ref, path)

    def list(self, ref: str, request: ListRequest = ListRequest()) -> Page[Entry | CommonPrefix]:
        from lakegate.snapshot import list_page

        return list_page(self.ctx, ref, request)

    def look(self, ref: str, path: str) -> Seen:
        """Looks a path up at a ref; tells the ref's commit too. See `lakegate.snapshot.look`."""
        from lakegate.ids import object_path
        from lakegate.snapshot import look

        return look(self.ctx, ref, object_path(path))

    def reader(self, entry: Entry) -> StoredReader:
        """Opens the bytes of an entry of this repository."""
        from lakegate.ops.objects import StoredReader

        return StoredReader(self.ctx, entry)

    def list_at(self, ref: str, request: ListRequest = ListRequest(), *, with_staged: bool = False) -> Listing:
        """Lists a page; tells the ref's commit too. See `lakegate.snapshot.list_at`."""
        from lakegate.snapshot import list_at

        return list_at(self.ctx, ref, request, with_staged=with_staged)

    def look_live(self, ref: str, path: str) -> Seen:
        """Looks up a path below `_live/`; see `lakegate.tables.live`."""
        from lakegate.ids import object_path
        from lakegate.tables.live import look_live

        return look_live(self.ctx, ref, object_path(path))

    def list_live(self, ref: str, request: ListRequest) -> Listing:
        """Lists a page of a table's live files; see `lakegate.tables.live`."""
        from lakegate.tables.live import list_live

        return list_live(self.ctx, ref, request)

    def writable(self, branch: str) -> CommitId:
        """Returns where a branch stands. Raises NotFound(BRANCH_NOT_FOUND), Refused(READ_ONLY_REF)."""
        from lakegate import refs

        return refs.get_branch(self.ctx, branch).commit

    def start_put(self, branch: str, path: str) -> ObjectUpload:
        """Opens a write whose bytes are handed over piece by piece; nothing is seen of it before it is finished."""
        from lakegate.ops.objects import ObjectUpload

        return ObjectUpload(self.ctx, branch, path)

    def put(self, branch: str, path: str, body: Body, request: PutRequest = PutRequest()) -> Entry:
        from lakegate.ops.objects import put

        return put(self.ctx, branch, path, body, request)

    def copy(
        self, branch: str, path: str, source_ref: str, source_path: str, request: PutRequest | None = None
    ) -> Entry:
        from lakegate.ops.objects import copy

        return copy(self.ctx, branch, path, (source_ref, source_path), request)

    def copy_entry(self, branch: str, path: str, source: Entry, request: PutRequest | None = None) -> Entry:
        """Copies an entry of this repository, as it was read, onto a branch without copying bytes."""
        from lakegate.ops.objects import copy_entry

        return copy_entry(self.ctx, branch, path, source, request)

    def stage(self, branch: str, path: str, request: StageRequest) -> Entry:
        from lakegate.ops.stage import stage

        return stage(self.ctx, branch, path, request)

    def set_metadata(self, branch: str, path: str, metadata: Mapping[str, str]) -> Entry:
        from lakegate.ops.objects import set_metadata

        return set_metadata(self.ctx, branch, path, metadata)

    def delete(self, branch: str, path: str) -> None:
        from lakegate.ops.objects import delete

        delete(self.ctx, branch, path)

    def delete_many(self, branch: str, paths: Sequence[str]) -> tuple[DeleteFailure, ...]:
        from lakegate.ops.objects import delete_many

        return delete_many(self.ctx, branch, paths)

    # -- multipart uploads --------------------------------------------------------------------------------------------

    def create_upload(self, branch: str, path: str, request: PutRequest = PutRequest()) -> Upload:
        from lakegate.ops.multipart import create_upload

        return create_upload(self.ctx, branch, path, request)

    def upload(self, upload: UploadId) -> Upload:
        """Returns an open upload. Raises NotFound(UPLOAD_NOT_FOUND)."""
        from lakegate.ops.multipart import get_upload

        return get_upload(self.ctx, upload)

    def start_part(self, upload: UploadId, number: int) -> PartUpload:
        """Opens a write of one part, as `start_put` does of an object."""
        from lakegate.ops.multipart import PartUpload

        return PartUpload(self.ctx, upload, number)

    def put_part(self, upload: UploadId, number: int, body: Body, request: PutRequest = PutRequest()) -> Part:
        from lakegate.ops.multipart import put_part

        return put_part(self.ctx, upload, number, body, request)

    def parts(self, upload: UploadId, after: int = 0, amount: int = 1000) -> tuple[Upload, Page[Part]]:
        from lakegate.ops.multipart import list_parts

        return list_parts(self.ctx, upload, after, page_amount(amount))

    def uploads(self, branch: str, prefix: str = "", after: str = "", amount: int = 1000) -> Page[Upload]:
        from lakegate.ops.multipart import list_uploads

        return list_uploads(self.ctx, branch, prefix, after, page_amount(amount))

    def complete_upload(
        self, upload: UploadId, parts: Sequence[tuple[int, str]], request: PutRequest = PutRequest()
    ) -> Entry:
        from lakegate.ops.multipart import complete_upload

        return complete_upload(self.ctx, upload, parts, request)

    def completed(self, upload: UploadId, branch: str, path: str) -> Entry:
        """Returns the entry that an upload became, where it still stands at its path. Raises
        NotFound(UPLOAD_NOT_FOUND)."""
        from lakegate.ops.multipart import completed

        return completed(self.ctx, upload, BranchName(branch), path)

    def abort_upload(self, upload: UploadId) -> None:
        from lakegate.ops.multipart import abort_upload

        abort_upload(self.ctx, upload)

    # -- changes ------------------------------------------------------------------------------------------------------

    def uncommitted(self, branch: str, request: ListRequest = ListRequest()) -> Page[ObjectChange]:
        from lakegate.ops.diff import uncommitted

        return uncommitted(self.ctx, branch, request)

    def uncommitted_tables(self, branch: str, prefix: str = "", after: str = "", amount: int = 100) -> Page[TableDiff]:
        from lakegate.ops.uncommitted_tables import uncommitted_tables

        return uncommitted_tables(self.ctx, branch, ListRequest(prefix, after, page_amount(amount)))

    def diff(
        self, left: str, right: str, request: ListRequest = ListRequest(), three_dot: bool = False
    ) -> Page[ObjectChange]:
        from lakegate.ops.diff import diff

        return diff(self.ctx, left, right, request, three_dot)

    def commit(self, branch: str, request: CommitRequest) -> Commit:
        from lakegate.ops.commit import commit

        return commit(self.ctx, branch, request)

    def merge(self, source: str, destination: str, request: MergeRequest = MergeRequest()) -> MergeOutcome:
        from lakegate.ops.merge import merge

        return merge(self.ctx, source, destination, request)

    def merge_base(self, left: str, right: str) -> Commit | None:
        from lakegate.ops.merge import merge_base

        return merge_base(self.ctx, left, right)

    def revert(self, branch: str, request: ApplyRequest) -> Commit:
        from lakegate.ops.apply import revert

        return revert(self.ctx, branch, request)

    def cherry_pick(self, branch: str, request: ApplyRequest) -> Commit:
        from lakegate.ops.apply import cherry_pick

        return cherry_pick(self.ctx, branch, request)

    def reset(self, branch: str, path: str | None = None, prefix: str | None = None) -> int:
        from lakegate.ops.reset import reset

        return reset(self.ctx, branch, path, prefix)

    def hard_reset(self, branch: str, ref: str) -> Branch:
        from lakegate.ops.reset import hard_reset

        return hard_reset(self.ctx, branch, ref)

    def rollback(self, branch: str, request: RollbackRequest) -> RollbackOutcome:
        from lakegate.ops.rollback import rollback

        return rollback(self.ctx, branch, request)

    # -- import, export, jobs -----------------------------------------------------------------------------------------

    def import_(self, branch: str, request: ImportRequest, progress: Progress | None = None) -> Job:
        return self._runner.run(self.ctx, "import", self._import_work(branch, request), progress)

    def start_import(self, branch: str, request: ImportRequest) -> Job:
        return self._runner.start(self.ctx, "import", self._import_work(branch, request))

    def _import_work(self, branch: str, request: ImportRequest) -> Work:
        from lakegate import refs
        from lakegate.ops.import_ import import_

        name = refs.get_branch(self.ctx, branch).name
        return lambda progress: import_(self.ctx, name, request, progress).as_result()

    def export(self, request: ExportRequest, progress: Progress | None = None) -> Job:
        return self._runner.run(self.ctx, "export", self._export_work(request), progress)

    def start_export(self, request: ExportRequest) -> Job:
        self.commit_of(request.ref)
        return self._runner.start(self.ctx, "export", self._export_work(request))

    def _export_work(self, request: ExportRequest) -> Work:
        from lakegate.ops.export import export

        return lambda progress: export(self.ctx, request, progress).as_result()

    def job(self, job: JobId) -> Job:
        return self._runner.get(self.ctx, job)

    def jobs(self, amount: int = 100) -> tuple[Job, ...]:
        return self._runner.list(self.ctx, page_amount(amount))

    def cancel_job(self, job: JobId) -> None:
        self._runner.cancel(self.ctx, job)

    # -- tables -------------------------------------------------------------------------------------------------------

    def tables(self, ref: str, prefix: str = "", after: str = "", amount: int = 100) -> Page[TableVersion]:
        from lakegate.ops.tables import tables

        return tables(self.ctx, ref, prefix, after, page_amount(amount))

    def table(self, ref: str, path: str) -> TableVersion:
        from lakegate.ops.tables import table

        return table(self.ctx, ref, path)

    def table_files(self, ref: str, path: str, after: str = "", amount: int = 100) -> Page[FileEntry]:
        from lakegate.ops.tables import table_files

        return table_files(self.ctx, ref, path, after, page_amount(amount))

    def table_history(self, ref: str, path: str, amount: int = 100) -> tuple[TableHistoryItem, ...]:
        from lakegate.ops.tables import table_history

        return table_history(self.ctx, ref, path, page_amount(amount))

    def table_preview(self, ref: str, path: str, limit: int = 20) -> TablePreview:
        from lakegate.ops.tables import table_preview

        return table_preview(self.ctx, ref, path, limit)

    def table_diff(
        self, left: str, right: str, prefix: str = "", after: str = "", amount: int = 100
    ) -> Page[TableDiff]:
        from lakegate.ops.tables import table_diff

        return table_diff(self.ctx, left, right, ListRequest(prefix, after, page_amount(amount)))

    def table_partitions(self, left: str, right: str, path: str, amount: int = 1000) -> tuple[PartitionDiff, ...]:
        from lakegate.ops.rows import table_partitions

        return table_partitions(self.ctx, left, right, path, page_amount(amount))

    def table_profile(self, left: str, right: str, path: str) -> TableProfile:
        from lakegate.ops.rows import table_profile

        return table_profile(self.ctx, left, right, path)

    def row_diff(self, left: str, right: str, request: RowDiffRequest) -> RowDiff:
        from lakegate.ops.rows import row_diff

        return row_diff(self.ctx, left, right, request)

    def row_diff_file(self, left: str, right: str, request: RowDiffRequest, form: RowFormat) -> Iterator[bytes]:
        from lakegate.ops.rows import row_diff_file

        return row_diff_file(self.ctx, left, right, request, form)

    def row_conflicts_file(
        self, source: str, destination: str, resolution: Resolution, form: RowFormat
    ) -> Iterator[bytes]:
        from lakegate.ops.rows import row_conflicts_file

        return row_conflicts_file(self.ctx, source, destination, resolution, form)

    def read_table(self, ref: str, path: str) -> pads.Dataset:
        from lakegate.ops.tables import read_table

        return read_table(self.ctx, ref, path)

    # -- pins ---------------------------------------------------------------------------------------------------------

    def pin(self, ref: str, tables: Sequence[str] = (), hold: str | None = None) -> PinDocument:
        from lakegate.ops.pin import pin

        return pin(self.ctx, ref, tables, hold)

    def holds(self) -> tuple[Hold, ...]:
        return tuple(self.ctx.meta.list_holds(self.info.id))

    def release_hold(self, hold: HoldId) -> None:
        if not self.ctx.meta.delete_hold(self.info.id, hold):
            raise NotFound(ErrorKind.HOLD_NOT_FOUND, f"There is no hold {hold!r}.", hint="List the holds.")

    def verify(
        self, ref: str, deep: bool = False, tables: Sequence[str] = (), progress: Progress | None = None
    ) -> VerifyOutcome:
        from lakegate.ops.verify import verify

        return verify(self.ctx, ref, deep, tables, progress)

    def start_verify(self, ref: str, deep: bool = False, tables: Sequence[str] = ()) -> Job:
        from lakegate.ops.verify import as_result, verify

        commit = self.commit_of(ref).id
        return self._runner.start(
            self.ctx, "verify", lambda progress: as_result(verify(self.ctx, commit, deep, tables, progress))
        )

"""Reads, writes, copies and deletes objects of a branch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from lakegate import refs, staging
from lakegate.context import RepositoryContext
from lakegate.errors import ErrorKind, InvalidInput, NotFound, PreconditionFailed, Refused
from lakegate.ids import BranchName, UploadId, object_path, writable_path
from lakegate.interface import Body
from lakegate.log_paths import log_commit_of
from lakegate.metastore.protocol import BranchState, StagedChange
from lakegate.model import DeleteFailure, Entry, PutRequest
from lakegate.ops.content_types import content_type_of
from lakegate.ops.intake import Data, Intake, drop, fresh_address, pieces
from lakegate.snapshot import object_gone, object_not_found, stat

_PIECE = 1 << 20


class StoredReader:
    """One object, opened: its bytes never change. A physical address is written once, and of an imported object that
    was changed since, nothing is read: Refused(OBJECT_CHANGED)."""

    def __init__(self, ctx: RepositoryContext, entry: Entry) -> None:
        self.entry = entry
        self._store, self._key = ctx.addresses.source(entry)

    @property
    def is_local(self) -> bool:
        """True where reads are quick; see `ObjectStore.is_local`."""
        return self._store.is_local

    def read(self, start: int = 0, length: int | None = None) -> bytes:
        length = self._bounded(start, length)
        return self._range(start, length) if length else b""

    def chunks(self, start: int = 0, length: int | None = None, size: int = _PIECE) -> Iterator[bytes]:
        left = self._bounded(start, length)
        while left:
            piece = min(size, left)
            yield self._range(start, piece)
            start += piece
            left -= piece

    def _range(self, start: int, length: int) -> bytes:
        try:
            return self._store.get_range(self._key, start, length)
        except NotFound as error:
            raise object_gone(self.entry) from error

    def _bounded(self, start: int, length: int | None) -> int:
        if start < 0 or start > self.entry.size or (length is not None and length < 0):
            raise InvalidInput(
                ErrorKind.INVALID_RANGE,
                f"The range from {start} lies outside the object, which has {self.entry.size} bytes.",
                hint="Ask for bytes that are there.",
            )
        rest = self.entry.size - start
        return rest if length is None else min(length, rest)


class ObjectUpload:
    """Takes one object's bytes piece by piece, in constant memory; nothing is seen of it before `finish`.

    What `write` and `finish` raise has dropped the bytes; a caller that gives up calls `abort`. `commit` is where the
    branch stood at the start.
    """

    def __init__(self, ctx: RepositoryContext, branch: str, path: str) -> None:
        self._ctx = ctx
        self._path = writable_path(path)
        state = refs.get_branch(ctx, branch)
        self.commit = state.commit
        self._branch = state.name
        self._intake = Intake(ctx, fresh_address())

    def write(self, data: Data) -> None:
        """Takes the next piece."""
        self._intake.write(data)

    def finish(self, request: PutRequest) -> Entry:
        """Checks what was declared, makes the bytes durable, and stages the entry. Raises what `Repository.put`
        does."""
        received = self._intake.finish(repr(self._path), request)
        entry = Entry(
            path=self._path,
            address=received.address,
            size=received.size,
            etag=received.md5,
            mtime=self._ctx.clock(),
            digest=received.digest,
            content_type=content_type_of(self._path, request.content_type),
            metadata=dict(request.metadata),
            headers=dict(request.headers),
        )
        try:
            staged = stage_put(self._ctx, self._branch, entry, request)
        except (NotFound, PreconditionFailed, Refused, InvalidInput):
            # Surely not staged. After any other error the row may stand, so the bytes stay.
            drop(self._ctx, [entry.address])
            raise
        if staged.address != entry.address:
            drop(self._ctx, [entry.address])
        return staged

    def abort(self) -> None:
        """Drops the bytes. May be called at any time; after `finish` it does nothing."""
        self._intake.abort()


def open_object(ctx: RepositoryContext, ref: str, path: str) -> StoredReader:
    """Opens an object for reading. Raises NotFound(OBJECT_NOT_FOUND)."""
    return StoredReader(ctx, stat(ctx, ref, object_path(path)))


def put(ctx: RepositoryContext, branch: str, path: str, body: Body, request: PutRequest) -> Entry:
    """Writes an object to a branch; durable when it returns."""
    upload = ObjectUpload(ctx, branch, path)
    try:
        for piece in pieces(body):
            upload.write(piece)
    except BaseException:
        upload.abort()
        raise
    return upload.finish(request)


def copy(ctx: RepositoryContext, branch: str, path: str, source: tuple[str, str], request: PutRequest | None) -> Entry:
    """Copies an object (ref, path) onto a branch: a new entry for the same bytes."""
    return copy_entry(ctx, branch, path, stat(ctx, source[0], object_path(source[1])), request)


def copy_entry(ctx: RepositoryContext, branch: str, path: str, source: Entry, request: PutRequest | None) -> Entry:
    """Copies an entry of this repository onto a branch. `request` replaces metadata and content type."""
    entry = replace(source, path=writable_path(path), mtime=ctx.clock())
    if request is not None:
        entry = replace(
            entry,
            content_type=content_type_of(path, request.content_type),
            metadata=dict(request.metadata),
            headers=dict(request.headers),
        )
    return stage_put(ctx, refs.get_branch(ctx, branch).name, entry, request or PutRequest())


def set_metadata(ctx: RepositoryContext, branch: str, path: str, metadata: Mapping[str, str]) -> Entry:
    """Replaces the user metadata of an object."""
    object_path(path)

    def decide(_: BranchState, present: Entry | None) -> Entry:
        if present is None:
            raise object_not_found(branch, path)
        return replace(present, metadata=dict(metadata), mtime=ctx.clock())

    entry = staging.write_if(ctx, refs.get_branch(ctx, branch).name, path, decide)
    if entry is None:
        raise object_not_found(branch, path)
    return entry


def delete(ctx: RepositoryContext, branch: str, path: str) -> None:
    """Deletes an object on the branch: a tombstone. Raises NotFound(OBJECT_NOT_FOUND)."""
    object_path(path)

    def decide(_: BranchState, present: Entry | None) -> None:
        if present is None:
            raise object_not_found(branch, path)

    staging.write_if(ctx, refs.get_branch(ctx, branch).name, path, decide)


def delete_many(ctx: RepositoryContext, branch: str, paths: Sequence[str]) -> tuple[DeleteFailure, ...]:
    """Deletes objects on the branch, all at once; paths that hold nothing are no failure."""
    name = refs.get_branch(ctx, branch).name
    failures: list[DeleteFailure] = []
    changes: list[StagedChange] = []
    for path in paths:
        try:
            changes.append(StagedChange(object_path(path), None))
        except InvalidInput as error:
            failures.append(DeleteFailure(path, error.kind, error.message))
    ctx.meta.stage(ctx.info.id, name, changes)
    return tuple(failures)


def stage_put(
    ctx: RepositoryContext, branch: BranchName, entry: Entry, request: PutRequest, closes: UploadId | None = None
) -> Entry:
    """Stages an entry under the conditions of a request, and returns what stands there then. Raises PreconditionFailed.

    Every object that a client brings onto a branch comes by here. A log commit of a Delta table passes the commit guard
    (`lakegate.tables.delta.guard`), and is never overwritten, asked for or not: clients cache versions. The same bytes
    again are a retry whose reply was lost, and answered as the first time. `closes`: see `staging.write_if`.
    """
    logged = log_commit_of(entry.path) is not None
    if not (request.if_none_match or request.if_match is not None or logged or closes is not None):
        staging.write(ctx, branch, entry.path, entry)
        return entry

    def decide(state: BranchState, present: Entry | None) -> Entry:
        if logged:
            if present is not None and present.same_bytes(entry):
                return present
            from lakegate.tables.delta.guard import check_log_write

            check_log_write(ctx, state, entry, conditional=request.if_none_match)
        if request.if_none_match and present is not None:
            raise _condition(entry.path, "there is an object already, and the write asked for none")
        if request.if_match is not None and (present is None or present.etag != request.if_match):
            raise _condition(entry.path, "the object is not the one that the write asked for")
        return entry

    return staging.write_if(ctx, branch, entry.path, decide, closes) or entry


def store_bytes(ctx: RepositoryContext, path: str, data: bytes) -> Entry:
    """Writes bytes durably to a fresh address and returns the entry for them, staged nowhere."""
    return store_pieces(ctx, path, [data])


def store_pieces(ctx: RepositoryContext, path: str, data: Iterable[Data]) -> Entry:
    """The same of bytes that come piece by piece, in constant memory. Where their source fails they are dropped."""
    intake = Intake(ctx, fresh_address())
    try:
        for piece in data:
            intake.write(piece)
    except BaseException:
        intake.abort()
        raise
    received = intake.finish(repr(path), PutRequest())
    return Entry(
        path=path,
        address=received.address,
        size=received.size,
        etag=received.md5,
        mtime=ctx.clock(),
        digest=received.digest,
        content_type=content_type_of(path),
    )


def _condition(path: str, why: str) -> PreconditionFailed:
    return PreconditionFailed(
        ErrorKind.PRECONDITION_FAILED, f"{path!r} was not written: {why}.", hint="Read it again, then decide anew."
    )

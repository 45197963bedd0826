"""Multipart uploads: parts are objects of their own until a completion makes one object of them.

The bytes of a part lie at an address that starts with its upload's, and so do those of the completed object: an entry
tells by its address which upload it came from, so that a completion whose reply was lost can be answered again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from lakegate import refs, staging
from lakegate.context import RepositoryContext
from lakegate.errors import ErrorKind, InvalidInput, NotFound, PreconditionFailed, Refused
from lakegate.ids import BranchName, UploadId, new_id, writable_path
from lakegate.interface import Body
from lakegate.model import MAX_PAGE, Entry, Page, Part, PutRequest, Upload, page_of
from lakegate.ops.content_types import content_type_of
from lakegate.ops.intake import Data, Intake, drop, pieces
from lakegate.ops.objects import stage_put
from lakegate.snapshot import stat

MIN_PART_BYTES = 5 << 20
MAX_PARTS = 10_000
_DIGEST = "digest"  # among a part's checksums: SHA-256 of its bytes, as in Entry
_PIECE = 1 << 20


def create_upload(ctx: RepositoryContext, branch: str, path: str, request: PutRequest) -> Upload:
    """Opens an upload. Its conditions are asked for when it is completed."""
    upload = Upload(
        id=UploadId(new_id()),
        branch=refs.get_branch(ctx, branch).name,
        path=writable_path(path),
        created=ctx.clock(),
        content_type=content_type_of(path, request.content_type),
        metadata=dict(request.metadata),
        headers=dict(request.headers),
    )
    ctx.meta.create_upload(ctx.info.id, upload)
    return upload


class PartUpload:
    """Takes one part's bytes piece by piece, in constant memory; as `ops.objects.ObjectUpload`.

    A part of the same number replaces an earlier one. The earlier one's bytes stay, as garbage to be collected: a
    completion that runs beside this may have taken them.
    """

    def __init__(self, ctx: RepositoryContext, upload: UploadId, number: int) -> None:
        if not 1 <= number <= MAX_PARTS:
            raise _invalid_part("number", f"There can't be a part {number}.", f"Number parts from 1 to {MAX_PARTS}.")
        get_upload(ctx, upload)
        self._ctx = ctx
        self._upload = upload
        self._number = number
        self._intake = Intake(ctx, _fresh_address(upload))

    def write(self, data: Data) -> None:
        """Takes the next piece."""
        self._intake.write(data)

    def finish(self, request: PutRequest) -> Part:
        """Checks what was declared, makes the bytes durable, and records the part with the checksums among the
        request's headers. Raises what `Repository.put_part` does."""
        received = self._intake.finish(f"part {self._number}", request)
        prefix = "x-amz-checksum-"
        sums = {name.removeprefix(prefix): text for name, text in request.headers.items() if name.startswith(prefix)}
        part = Part(
            number=self._number,
            address=received.address,
            size=received.size,
            etag=received.md5,
            created=self._ctx.clock(),
            checksums={**sums, _DIGEST: received.digest},
        )
        if not self._ctx.meta.put_part(self._ctx.info.id, self._upload, part):
            drop(self._ctx, [part.address])
            raise staging.upload_not_found(self._upload)
        return part

    def abort(self) -> None:
        """Drops the bytes. May be called at any time; after `finish` it does nothing."""
        self._intake.abort()


def put_part(ctx: RepositoryContext, upload: UploadId, number: int, body: Body, request: PutRequest) -> Part:
    """Stores one part; durable when it returns."""
    part = PartUpload(ctx, upload, number)
    try:
        for piece in pieces(body):
            part.write(piece)
    except BaseException:
        part.abort()
        raise
    return part.finish(request)


def get_upload(ctx: RepositoryContext, upload: UploadId) -> Upload:
    """Returns an open upload. Raises NotFound(UPLOAD_NOT_FOUND)."""
    found = ctx.meta.get_upload(ctx.info.id, upload)
    if found is None:
        raise staging.upload_not_found(upload)
    return found


def list_parts(ctx: RepositoryContext, upload: UploadId, after: int, amount: int) -> tuple[Upload, Page[Part]]:
    """Lists the parts of an upload by number, after one."""
    amount = max(0, min(amount, MAX_PAGE))
    found = get_upload(ctx, upload)
    parts = ctx.meta.list_parts(ctx.info.id, upload, after, amount + 1)
    return found, page_of(parts, amount, lambda part: str(part.number))


def list_uploads(ctx: RepositoryContext, branch: str, prefix: str, after: str, amount: int) -> Page[Upload]:
    """Lists the open uploads of a branch by path and id; `after` is a page's `next_after`."""
    amount = max(0, min(amount, MAX_PAGE))
    name = refs.get_branch(ctx, branch).name
    found = ctx.meta.list_uploads(ctx.info.id, name, prefix, after, amount + 1)
    return page_of(found, amount, lambda upload: f"{upload.path}\n{upload.id}")


def complete_upload(
    ctx: RepositoryContext, upload: UploadId, parts: Sequence[tuple[int, str]], request: PutRequest
) -> Entry:
    """Makes one object of the parts and stages it. Of two that complete one upload, one wins, and both get its entry.

    The entry's digest is over all bytes, so that a deep verification can re-hash them: they are read once more for it,
    beside the composing (a single part is taken as it is, with the digest it has). What fails leaves the upload open.
    """
    found = get_upload(ctx, upload)
    there = {part.number: part for part in _all_parts(ctx, upload)}
    chosen = _chosen(there, parts)
    size = sum(part.size for part in chosen)
    if request.size is not None and request.size != size:
        raise InvalidInput(
            ErrorKind.INCOMPLETE_BODY,
            f"{request.size} bytes were announced for {found.path!r}, and the parts hold {size}.",
            hint="Complete it with all of its parts.",
        )
    try:
        entry = _composed(ctx, found, chosen, request)
    except NotFound:
        if ctx.meta.get_upload(ctx.info.id, upload) is not None:
            raise
        # Another completion won, and took the parts; or the upload was aborted.
        return completed(ctx, upload, found.branch, found.path)
    ours = (entry.address,) if len(chosen) > 1 else ()
    try:
        staged = stage_put(ctx, found.branch, entry, request, closes=upload)
    except NotFound as error:
        drop(ctx, ours)
        if error.kind is ErrorKind.UPLOAD_NOT_FOUND:
            return completed(ctx, upload, found.branch, found.path)
        raise
    except (PreconditionFailed, Refused, InvalidInput):
        # Surely not staged. After any other error the row may stand, so the bytes stay.
        drop(ctx, ours)
        raise
    drop(ctx, ({part.address for part in there.values()} | {entry.address}) - {staged.address})
    return staged


def completed(ctx: RepositoryContext, upload: UploadId, branch: BranchName, path: str) -> Entry:
    """Returns the entry that an upload became, where it still stands at its path: the answer to a completion that is
    sent again. Raises NotFound(UPLOAD_NOT_FOUND)."""
    try:
        entry = stat(ctx, branch, path)
    except NotFound:
        raise staging.upload_not_found(upload) from None
    if not entry.address.startswith(_folder(upload)):
        raise staging.upload_not_found(upload)
    return entry


def abort_upload(ctx: RepositoryContext, upload: UploadId) -> None:
    """Forgets an upload and drops its parts. Raises NotFound(UPLOAD_NOT_FOUND)."""
    addresses = [part.address for part in _all_parts(ctx, upload)]
    if not ctx.meta.delete_upload(ctx.info.id, upload):
        raise staging.upload_not_found(upload)
    drop(ctx, addresses)


def _all_parts(ctx: RepositoryContext, upload: UploadId) -> Iterator[Part]:
    after = 0
    while page := ctx.meta.list_parts(ctx.info.id, upload, after, MAX_PAGE):
        yield from page
        after = page[-1].number


def _chosen(there: dict[int, Part], wanted: Sequence[tuple[int, str]]) -> list[Part]:
    if not wanted:
        raise _invalid_part("none", "A completion names no parts.", "Name at least one.")
    chosen: list[Part] = []
    for number, etag in wanted:
        if chosen and number <= chosen[-1].number:
            raise _invalid_part(
                "order", f"Part {number} comes after part {chosen[-1].number}.", "Name parts in ascending order."
            )
        part = there.get(number)
        if part is None or part.etag != etag.strip('"'):
            raise _invalid_part(
                "unknown", f"There is no part {number} with the ETag {etag}.", "Upload it again, then complete."
            )
        chosen.append(part)
    for part in chosen[:-1]:
        if part.size < MIN_PART_BYTES:
            raise _invalid_part(
                "too_small",
                f"Part {part.number} has {part.size} bytes; all but the last need {MIN_PART_BYTES}.",
                "Upload fewer, larger parts.",
            )
    return chosen


def _composed(ctx: RepositoryContext, upload: Upload, parts: list[Part], request: PutRequest) -> Entry:
    if len(parts) == 1:
        address, digest = parts[0].address, parts[0].checksums[_DIGEST]
    else:
        address = _fresh_address(upload.id)
        try:
            with ThreadPoolExecutor(1, "lakegate-sha256") as beside:
                hashing = beside.submit(_digest, ctx, parts)
                ctx.store.compose(address, [part.address for part in parts])
                digest = hashing.result()
        except BaseException:
            drop(ctx, [address])
            raise
    md5s = b"".join(bytes.fromhex(part.etag) for part in parts)
    return Entry(
        path=upload.path,
        address=address,
        size=sum(part.size for part in parts),
        etag=f"{hashlib.md5(md5s, usedforsecurity=False).hexdigest()}-{len(parts)}",
        mtime=ctx.clock(),
        digest=digest,
        content_type=upload.content_type,
        metadata=upload.metadata,
        headers={**upload.headers, **request.headers},
    )


def _digest(ctx: RepositoryContext, parts: list[Part]) -> str:
    sha256 = hashlib.sha256()
    for part in parts:
        for start in range(0, part.size, _PIECE):
            sha256.update(ctx.store.get_range(part.address, start, min(_PIECE, part.size - start)))
    return f"sha256:{sha256.hexdigest()}"


def _folder(upload: UploadId) -> str:
    return f"data/{upload[:2]}/{upload[2:]}."


def _fresh_address(upload: UploadId) -> str:
    return _folder(upload) + new_id()


def _invalid_part(reason: str, message: str, hint: str) -> InvalidInput:
    return InvalidInput(ErrorKind.INVALID_PART, message, hint=hint, details={"reason": reason})

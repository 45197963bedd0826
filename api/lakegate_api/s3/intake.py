"""Streams a request's body into the library, in constant memory: the next batch comes in while one is written."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Generic, Protocol, TypeVar

from lakegate.errors import ErrorKind, InvalidInput, LakegateError
from lakegate.model import PutRequest
from lakegate_api.s3.bodies import BATCH_BYTES, Body, Taker
from lakegate_api.s3.call import BucketCall
from lakegate_api.s3.declared import Declared, declared_body
from lakegate_api.s3.failures import S3Refusal

_WHOLE_BYTES = 256 << 10  # a body up to this is taken and written in one go

R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")


class Upload(Protocol[R_co]):
    """What the bytes go to: an object's upload, or a part's."""

    def write(self, data: bytes | bytearray | memoryview) -> None: ...

    def finish(self, request: PutRequest) -> R_co: ...

    def abort(self) -> None: ...


class _Writer(Generic[T]):
    """One upload under way; its methods run in threads, one after the other."""

    def __init__(self, start: Callable[[], Upload[T]], declared: Declared, request: PutRequest) -> None:
        self._start = start
        self._declared = declared
        self._request = request
        self._taker = Taker(declared)
        self._upload: Upload[T] | None = None

    def open(self) -> None:
        self._upload = self._start()

    def write(self, data: bytes) -> None:
        upload = self._upload
        assert upload is not None
        for piece in self._taker.take(data):
            upload.write(piece)

    def finish(self) -> T:
        upload = self._upload
        assert upload is not None
        checksum = self._taker.finish()
        declared = self._declared
        request = replace(
            self._request,
            headers={**self._request.headers, **checksum},
            size=declared.size,
            content_md5=declared.md5,
            sha256=declared.sha256,
        )
        return upload.finish(request)

    def whole(self, data: bytes) -> T:
        try:
            self.open()
            if data:
                self.write(data)
            return self.finish()
        except BaseException:
            self.abort()
            raise

    def abort(self) -> None:
        if self._upload is not None:
            self._upload.abort()


async def take_in(call: BucketCall, start: Callable[[], Upload[T]], request: PutRequest) -> T:
    """Takes the body of a request into an upload, checks all that was declared of it, and finishes it.

    Nothing is staged where anything does not hold. Raises S3Refusal, and what the upload raises.
    """
    declared = declared_body(call.call)
    writer = _Writer(start, declared, request)
    body = Body(call.call.receive)
    length = call.request.content_length()
    try:
        if length is not None and length <= _WHOLE_BYTES:
            data = await body.batch(_WHOLE_BYTES + 1)
            return await call.run(lambda: writer.whole(data))
        return await _in_batches(call, writer, body)
    except InvalidInput as error:
        if error.kind is ErrorKind.CHECKSUM_MISMATCH and error.details.get("checksum") == "SHA-256":
            raise _wrong_hash(declared, error) from error
        raise


async def _in_batches(call: BucketCall, writer: _Writer[T], body: Body) -> T:
    threads = call.call.service.threads
    # Opened before the first byte is asked for: what is refused now, a client that awaits `100 Continue` never sends.
    pending: asyncio.Future[None] = threads.start(writer.open)
    try:
        await pending
        while True:
            batch = await body.batch(BATCH_BYTES)
            await pending
            if not batch:
                break
            pending = threads.start(lambda data=batch: writer.write(data))  # type: ignore[misc]
        return await threads.run(writer.finish)
    except BaseException:
        with suppress(LakegateError, S3Refusal, OSError):
            await asyncio.wait([pending])
            await threads.run(writer.abort)
        raise


def _wrong_hash(declared: Declared, error: InvalidInput) -> Exception:
    if declared.is_payload_hash:
        return S3Refusal("XAmzContentSHA256Mismatch", error.message, error.hint)
    return error

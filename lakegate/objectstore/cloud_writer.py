"""Streams one new object to a cloud store."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from lakegate.errors import LakegateError

if TYPE_CHECKING:
    from obstore.store import ObjectStore as ObstoreStore

_CHUNK_BYTES = 8 << 20
_MAX_PARTS = 9_000  # S3 allows 10,000 parts an upload
_CONCURRENCY = 4
_QUEUED = 2


class _Aborted(Exception):
    """Ends the stream of an upload that was given up, on which obstore aborts its multipart upload."""


class CloudWriter:
    """Writes one new object: one PUT while it is small, else a multipart upload that a thread feeds.

    obstore's own writer has no way to abort, and leaves parts behind that cost money; its `put` of an iterator aborts
    the upload when the iterator raises. Memory: a few chunks. `expected`, bytes, lets a very large object use larger
    chunks than the 8 MiB that hold 70 GiB.
    """

    def __init__(
        self, store: ObstoreStore, name: str, failed: Callable[[Exception], LakegateError], *, expected: int = 0
    ) -> None:
        self._store = store
        self._name = name
        self._failed = failed
        self._chunk = max(_CHUNK_BYTES, -(-expected // _MAX_PARTS))
        self._buffer = bytearray()
        self._queue: queue.Queue[bytes | _Aborted | None] = queue.Queue(_QUEUED)
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None
        self._ended = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._ended:
            raise ValueError("the writer has ended")
        self._buffer += data
        if len(self._buffer) < self._chunk:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._upload, name="lakegate-upload", daemon=True)
            self._thread.start()
        view = memoryview(bytes(self._buffer))
        self._buffer = bytearray()
        while len(view) >= self._chunk:
            self._send(bytes(view[: self._chunk]))
            view = view[self._chunk :]
        self._buffer += view

    def finish(self) -> None:
        import obstore

        if self._ended:
            raise ValueError("the writer has ended")
        if self._thread is None:
            self._ended = True
            try:
                obstore.put(self._store, self._name, bytes(self._buffer), use_multipart=False)
            except Exception as error:
                raise self._failed(error) from error
            return
        if self._buffer:
            self._send(bytes(self._buffer))
        self._ended = True
        self._send(None)
        self._thread.join()
        if self._error is not None:
            raise self._failed(self._error) from self._error

    def abort(self) -> None:
        if self._ended:
            return
        self._ended = True
        self._buffer = bytearray()
        if self._thread is not None:
            self._put(_Aborted())
            self._thread.join()

    def _send(self, data: bytes | None) -> None:
        if not self._put(data):
            self._ended = True
            error = self._error or RuntimeError("the upload ended early")
            raise self._failed(error) from error

    def _put(self, item: bytes | _Aborted | None) -> bool:
        """Hands a piece to the thread; False where the thread has ended."""
        assert self._thread is not None
        while self._thread.is_alive():
            try:
                self._queue.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def _pieces(self) -> Iterator[bytes]:
        while True:
            item = self._queue.get()
            if item is None:
                return
            if isinstance(item, _Aborted):
                raise item
            yield item

    def _upload(self) -> None:
        import obstore

        try:
            obstore.put(
                self._store,
                self._name,
                self._pieces(),
                use_multipart=True,
                chunk_size=self._chunk,
                max_concurrency=_CONCURRENCY,
            )
        except _Aborted:
            return
        except Exception as error:  # noqa: BLE001 - handed to the caller by _send and finish
            self._error = error

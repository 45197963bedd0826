"""The files of the fsspec filesystem: one that is read in ranges, one that is written as a stream."""

from __future__ import annotations

import io
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

from fsspec import spec

if TYPE_CHECKING:
    from lakegate.interface import ObjectReader

_PIECE_BYTES = 1 << 20
_PIECES_WAITING = 4
_BufferedFile: Any = spec.AbstractBufferedFile  # fsspec states no types


class ReadingFile(_BufferedFile):  # type: ignore[misc]
    """Reads the object that was opened in ranges, a few MiB ahead. What is written at its path later is not seen."""

    def __init__(self, fs: Any, path: str, reader: ObjectReader, block_size: int | None, **options: Any) -> None:
        super().__init__(fs, path, "rb", block_size or "default", size=reader.entry.size, **options)
        self._reader = reader

    def _fetch_range(self, start: int, end: int) -> bytes:
        return self._reader.read(start, end - start)


class WritingFile(io.RawIOBase):
    """Hands what is written to it on to `put`, which takes it as pieces; at most a few MiB wait in between.

    The object is there once `close` has returned. Left by an exception, nothing is written.
    """

    def __init__(self, path: str, put: Callable[[Iterable[bytes]], object]) -> None:
        super().__init__()
        self.path = path
        self.mode = "wb"
        self._offset = 0
        self._buffer = bytearray()
        self._pieces: queue.Queue[bytes | None] = queue.Queue(_PIECES_WAITING)
        self._given_up = False
        self._failure: BaseException | None = None
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(put,), name="lakegate-write", daemon=True)
        self._thread.start()

    def _run(self, put: Callable[[Iterable[bytes]], object]) -> None:
        try:
            put(self._received())
        except BaseException as error:  # noqa: BLE001 - raised in the thread that writes
            self._failure = error
        finally:
            self._done.set()

    def _received(self) -> Iterator[bytes]:
        while (piece := self._pieces.get()) is not None:
            yield piece
        if self._given_up:
            raise _GivenUp

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._offset

    def write(self, data: Any, /) -> int:
        if self.closed:
            raise ValueError("I/O operation on closed file.")
        view = memoryview(data).cast("B")
        self._buffer += view
        self._offset += len(view)
        if len(self._buffer) >= _PIECE_BYTES:
            self._send(bytes(self._buffer))
            self._buffer.clear()
        return len(view)

    def close(self) -> None:
        if self.closed:
            return
        try:
            if self._buffer and not self._given_up:
                self._send(bytes(self._buffer))
            self._end()
        finally:
            super().close()

    def discard(self) -> None:
        """Gives up: nothing is written."""
        self._given_up = True
        self.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()

    def __del__(self) -> None:
        # A file that nobody closed was not finished: what was written to it must not become an object.
        if not self.closed:
            self.discard()

    def _end(self) -> None:
        self._send(None)
        self._thread.join()
        if self._failure is not None and not isinstance(self._failure, _GivenUp):
            raise self._failure

    def _send(self, piece: bytes | None) -> None:
        """Hands a piece on; raises what `put` raised where it ended before its time."""
        while not self._done.is_set():
            try:
                return self._pieces.put(piece, timeout=0.1)
            except queue.Full:
                continue
        if piece is not None and self._failure is not None:
            raise self._failure
        return None


class CompressingFile(io.RawIOBase):
    """Compresses what is written on its way into a file, and closes that file with itself."""

    def __init__(self, compressor: Any, file: WritingFile) -> None:
        super().__init__()
        self._compressor = compressor
        self._file = file

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        return int(self._compressor.write(data))

    def close(self) -> None:
        if self.closed:
            return
        try:
            self._compressor.close()
            self._file.close()
        finally:
            super().close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._file.discard()
            super().close()
        else:
            self.close()


class _GivenUp(Exception):
    """Ends a body whose writer gave up."""

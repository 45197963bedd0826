"""Takes bytes to a fresh physical address, and hashes them on the way."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Semaphore, Thread

from lakegate.context import RepositoryContext
from lakegate.errors import ErrorKind, InvalidInput, LakegateError
from lakegate.ids import new_id
from lakegate.interface import Body
from lakegate.model import PutRequest

_PIECE = 1 << 20
_ALONE_FROM = 1 << 20  # bytes; a thread costs more than it saves on less
_WAITING = 8  # pieces

Data = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class Received:
    """Bytes that lie at a physical address. `md5` is hex, `digest` as in Entry."""

    address: str
    size: int
    md5: str
    digest: str


class Intake:
    """Takes bytes piece by piece, in constant memory. Nothing is visible before `finish`; not thread-safe."""

    def __init__(self, ctx: RepositoryContext, address: str) -> None:
        self._address = address
        self._writer = ctx.store.writer(address)
        self._md5 = _Md5()
        self._sha256 = hashlib.sha256()
        self._size = 0

    def write(self, data: Data) -> None:
        """Takes the next piece. What it raises has dropped the bytes."""
        try:
            self._md5.update(data)
            self._writer.write(data)
            self._sha256.update(data)
        except BaseException:
            self.abort()
            raise
        self._size += len(data)

    def finish(self, what: str, declared: PutRequest) -> Received:
        """Checks what was declared, and makes the bytes durable. `what` names them in errors.

        Raises InvalidInput(INCOMPLETE_BODY, CHECKSUM_MISMATCH), and what the store raises; then the bytes are dropped.
        """
        try:
            digest = f"sha256:{self._sha256.hexdigest()}"
            received = Received(self._address, self._size, self._md5.hexdigest(), digest)
            _check(what, received, declared)
            self._writer.finish()
        except BaseException:
            self.abort()
            raise
        return received

    def abort(self) -> None:
        """Drops the bytes. May be called at any time; after `finish` it does nothing."""
        self._md5.stop()
        self._writer.abort()


def fresh_address() -> str:
    """Returns a physical address that was never used."""
    name = new_id()
    return f"data/{name[:2]}/{name[2:]}"


def drop(ctx: RepositoryContext, addresses: Iterable[str]) -> None:
    """Deletes bytes that nothing points at. Where the store does not answer they stay, as garbage to be collected:
    that must not hide what the caller has to say."""
    with suppress(LakegateError):
        ctx.store.delete(addresses)


def pieces(body: Body) -> Iterator[bytes]:
    """Yields a body piece by piece."""
    if isinstance(body, bytes):
        yield body
        return
    read: Callable[[int], bytes] | None = getattr(body, "read", None)
    if read is None:
        yield from body
        return
    while piece := read(_PIECE):
        yield piece


class _Md5:
    """An MD5 that moves to a thread of its own once the body is long: hashing lets other threads run, so that MD5,
    the slowest of what is done to a byte, goes beside the rest."""

    def __init__(self) -> None:
        self._hash = hashlib.md5(usedforsecurity=False)
        self._seen = 0
        self._thread: Thread | None = None
        self._queue: SimpleQueue[bytes | None] = SimpleQueue()
        self._room = Semaphore(_WAITING)

    def update(self, data: Data) -> None:
        self._seen += len(data)
        if self._seen < _ALONE_FROM:
            self._hash.update(data)
            return
        if self._thread is None:
            self._thread = Thread(target=self._run, name="lakegate-md5", daemon=True)
            self._thread.start()
        self._room.acquire()
        self._queue.put(data if isinstance(data, bytes) else bytes(data))  # the caller may reuse its buffer

    def hexdigest(self) -> str:
        self.stop()
        return self._hash.hexdigest()

    def stop(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(None)
            thread.join()

    def _run(self) -> None:
        while (data := self._queue.get()) is not None:
            self._hash.update(data)
            self._room.release()


def _check(what: str, received: Received, declared: PutRequest) -> None:
    if declared.size is not None and declared.size != received.size:
        raise InvalidInput(
            ErrorKind.INCOMPLETE_BODY,
            f"{declared.size} bytes were announced for {what}, and {received.size} came.",
            hint="Send it again, whole.",
        )
    for name, wanted, found in (
        ("MD5", declared.content_md5, received.md5),
        ("SHA-256", declared.sha256, received.digest.removeprefix("sha256:")),
    ):
        if wanted is not None and wanted.lower() != found:
            raise InvalidInput(
                ErrorKind.CHECKSUM_MISMATCH,
                f"The bytes that came for {what} have the {name} {found}, not {wanted}.",
                hint="They were damaged on the way: send them again.",
                details={"checksum": name},
            )

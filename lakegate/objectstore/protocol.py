"""What lakegate asks of an object store. Knows no vendor."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object as the store tells of it. `etag` without quotes ("" where the store has none), `mtime` in ms."""

    key: str
    size: int
    etag: str
    mtime: int


class ObjectWriter(Protocol):
    """Writes one new object piece by piece. Nothing is visible before `finish`; `abort` leaves nothing behind."""

    def write(self, data: bytes | bytearray | memoryview) -> None: ...

    def finish(self) -> None:
        """Makes the object durable and visible. After it returned, the object survives a power cut."""
        ...

    def abort(self) -> None:
        """Throws away what was written. May be called at any time, also twice; after `finish` it does nothing."""
        ...


class ObjectSource(Protocol):
    """Reads objects by key. Thread-safe. Errors: NotFound(OBJECT_NOT_FOUND), Unavailable(STORE_UNAVAILABLE,
    STORE_DENIED); of an imported object Refused(OBJECT_CHANGED)."""

    @property
    def is_local(self) -> bool:
        """True where calls are so quick that an event loop may make them in place (local files, memory)."""
        ...

    def get(self, key: str) -> bytes:
        """Reads an object whole. Raises NotFound."""
        ...

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Reads exactly `length` bytes from `start`. Raises NotFound; Corrupt where the object is shorter."""
        ...

    def head(self, key: str) -> StoredObject:
        """Tells size, ETag and time. Raises NotFound."""
        ...

    def local_path(self, key: str) -> Path | None:
        """The file that holds the object, where the store is a local folder; None elsewhere."""
        ...


class ObjectStore(ObjectSource, Protocol):
    """Objects by key (`a/b/c`, UTF-8) below one root. Thread-safe.

    Nothing is ever overwritten: all writes create. Errors: NotFound(OBJECT_NOT_FOUND), Unavailable(STORE_UNAVAILABLE,
    STORE_FULL, STORE_DENIED), OutcomeUnknown. A failed write leaves nothing visible.
    """

    @property
    def url(self) -> str:
        """The root: `file:///dir`, `s3://bucket/prefix`, `memory:///`, without a trailing '/'."""
        ...

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Writes an object whole, durably. False where the key is taken, which changes nothing. A lost reply is read
        back: True where the bytes that stand there can only be ours (the key was absent before the call)."""
        ...

    def writer(self, key: str) -> ObjectWriter:
        """Opens a writer for a key that nothing else writes (a fresh unique name)."""
        ...

    def get_range_seen(self, key: str, start: int, length: int) -> tuple[bytes, StoredObject]:
        """Reads as `get_range`, and tells of the very object that was read, in one request."""
        ...

    def list(self, prefix: str = "", start_after: str = "") -> Iterator[StoredObject]:
        """Lists all objects whose key starts with `prefix`, and is greater than `start_after`, in the order of their
        UTF-8 bytes. Streams: memory does not grow with the number of objects (of one folder, for a local store)."""
        ...

    def delete(self, keys: Iterable[str]) -> None:
        """Deletes objects; a key that is not there is no error."""
        ...

    def compose(self, key: str, parts: Sequence[str]) -> None:
        """Writes the concatenation of existing objects of this store as a new one, in constant memory."""
        ...


class ReplacingStore(ObjectStore, Protocol):
    """A store that can also replace objects: for exports, never below a storage namespace."""

    def replacer(self, key: str, mtime: int) -> ObjectWriter:
        """Opens a writer whose `finish` puts the object in place of the one that is there, if any, atomically.

        A local file gets the modification time `mtime`, ms: Delta tells a version's time by that of its log file.
        """
        ...

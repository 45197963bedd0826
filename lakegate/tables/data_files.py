"""From the live files of a table version to their bytes."""

from __future__ import annotations

import io
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakegate import tree
from lakegate.context import RepositoryContext
from lakegate.errors import ErrorKind, NotFound, Refused
from lakegate.format.kinds import FILES
from lakegate.model import Entry, FileEntry, TableVersion
from lakegate.objectstore.addresses import is_absolute
from lakegate.objectstore.protocol import ObjectSource
from lakegate.snapshot import Snapshot, object_gone

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.fs as pafs

    from lakegate.tables.store_filesystem import EntryHandler

_STEPS = 32


@dataclass(frozen=True, slots=True)
class DataFile:
    """A live file and the object that holds its bytes."""

    file: FileEntry
    entry: Entry


def live_files(
    ctx: RepositoryContext, snapshot: Snapshot, table: TableVersion, files: Iterable[FileEntry] | None = None
) -> Iterator[DataFile]:
    """Yields the live files of a table version (or only `files`, sorted by path) with their objects, by path.

    Raises Refused(DELTA_LOG_INVALID) where one is missing in the snapshot.
    """
    wanted = tree.iterate(ctx.manifests.nodes, FILES, table.state) if files is None else iter(files)
    finder = EntryFinder(snapshot, table.path + "/")
    for file in wanted:
        entry = finder.find(file.path)
        if entry is None:
            raise missing_file(table.path, file.path)
        yield DataFile(file, entry)


class EntryFinder:
    """Finds the entries of ascending paths below a prefix: walks along where they lie close together, else seeks."""

    def __init__(self, snapshot: Snapshot, prefix: str) -> None:
        self._snapshot = snapshot
        self._prefix = prefix
        self._walk: Iterator[Entry] | None = None
        self._current: Entry | None = None

    def find(self, path: str) -> Entry | None:
        """The entry at a path relative to the prefix; each path must come after the one before."""
        wanted = self._prefix + path
        if self._walk is not None:
            for _ in range(_STEPS):
                if self._current is None or self._current.path >= wanted:
                    found = self._current
                    return found if found is not None and found.path == wanted else None
                self._current = next(self._walk, None)
        entry = self._snapshot.get(wanted)
        self._walk = self._snapshot.iterate(self._prefix, wanted)
        self._current = next(self._walk, None)
        return entry


def missing_file(table: str, path: str) -> Refused:
    """Makes the error for a live file, or a deletion vector in use, that is not there."""
    return Refused(
        ErrorKind.DELTA_LOG_INVALID,
        f"The table {table!r} needs the file {path!r}, and there is no object {table + '/' + path!r}.",
        hint="Put the file back (`lakegate branch reset` with its path undoes an uncommitted delete), or take it out "
        f"of the table with a Delta client; to keep the folder as plain files, list {table!r} under `ignore` in "
        ".lakegate/tables.yaml.",
        details={"table": table, "path": f"{table}/{path}"},
    )


# -- bytes ------------------------------------------------------------------------------------------------------------


class StoredFile(io.RawIOBase):
    """One stored object as a file that is read at random: every read is one range of the store."""

    def __init__(self, store: ObjectSource, key: str, entry: Entry) -> None:
        super().__init__()
        self._store = store
        self._key = key
        self._entry = entry
        self._size = entry.size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def size(self) -> int:
        return self._size

    def read(self, size: int | None = -1) -> bytes:
        left = max(0, self._size - self._at)
        length = left if size is None or size < 0 else min(size, left)
        if length == 0:
            return b""
        with _there(self._entry):
            data = self._store.get_range(self._key, self._at, length)
        self._at += len(data)
        return data

    def readall(self) -> bytes:
        return self.read()

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def open_arrow(ctx: RepositoryContext, entry: Entry) -> pa.NativeFile:
    """Opens an object for Arrow's readers, at random access and constant memory."""
    import pyarrow as pa

    store, key = ctx.addresses.source(entry)
    local = store.local_path(key)
    if local is not None:
        try:
            return pa.OSFile(str(local))
        except FileNotFoundError:
            with _there(entry):
                store.head(key)
            raise
    return pa.PythonFile(StoredFile(store, key, entry), mode="r")


def read_range(ctx: RepositoryContext, entry: Entry, start: int, length: int) -> bytes:
    """Reads a range of an object. Raises Corrupt where the object is shorter."""
    store, key = ctx.addresses.source(entry)
    with _there(entry):
        return store.get_range(key, start, length)


@contextmanager
def _there(entry: Entry) -> Generator[None]:
    """Reads bytes of an object. Raises NotFound(OBJECT_GONE) where they are not there."""
    try:
        yield
    except NotFound as error:
        raise object_gone(entry) from error


class Locations:
    """Gives each object of one snapshot the (path, filesystem) under which Arrow's datasets open it."""

    def __init__(self, ctx: RepositoryContext) -> None:
        import pyarrow.fs as pafs

        self._ctx = ctx
        self._local: pafs.FileSystem = pafs.LocalFileSystem()
        self._handler: EntryHandler | None = None

    def of(self, entry: Entry) -> tuple[str, pafs.FileSystem]:
        """The path of an object's bytes and the filesystem to open it with."""
        import pyarrow.fs as pafs

        from lakegate.tables.store_filesystem import EntryHandler

        if not is_absolute(entry.address):
            store, key = self._ctx.addresses.source(entry)
            local = store.local_path(key)
            if local is not None:
                return str(local), self._local
        if self._handler is None:
            self._handler = EntryHandler(self._ctx)
        self._handler.entries[entry.path] = entry
        return entry.path, pafs.PyFileSystem(self._handler)

"""Objects as plain files in a local folder, written atomically and durably.

obstore has a local store too, but it never calls fsync: after a power cut an acknowledged object can be gone, or be
there with zeros. Here every write goes to a temporary file beside its place, is flushed to the disk, and then gets its
name by a hard link, which (other than rename) never replaces what is there; last, the folders are flushed.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from threading import Lock

from lakegate.errors import Corrupt, LakegateError
from lakegate.objectstore import failures
from lakegate.objectstore.keys import addressable, check_key
from lakegate.objectstore.protocol import ObjectWriter, StoredObject
from lakegate.objectstore.unfinished import make, make_held
from lakegate.objectstore.walk import walk

_KNOWN_FOLDERS = 100_000
_READ_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_COPY_BYTES = 64 << 20


class LocalStore:
    """An ObjectStore over one local folder. The folder is made by the first write, and may be a symbolic link.

    The ETag is stable while a file's path, size and modification time stay: 32 hex digits and `-1`, so that no client
    takes it for an MD5.
    """

    def __init__(self, root: Path, *, fsync: bool = True) -> None:
        text = str(root)
        if not text.startswith("/"):
            raise ValueError(f"not an absolute path: {text!r}")
        self._root = text.rstrip("/")  # "" stands for the whole file system
        self._fsync = fsync
        self._lock = Lock()
        self._durable: set[str] = set()
        self._inside: set[str] = set()

    @property
    def url(self) -> str:
        return f"file://{self._root or '/'}"

    @property
    def is_local(self) -> bool:
        return True

    # -- writes -------------------------------------------------------------------------------------------------------

    def put_if_absent(self, key: str, data: bytes) -> bool:
        if self._settle_taken(key):
            return False
        writer = LocalWriter(self, key)
        try:
            writer.write(data)
            return writer.publish()
        finally:
            writer.abort()

    def writer(self, key: str) -> ObjectWriter:
        return LocalWriter(self, key)

    def replacer(self, key: str, mtime: int) -> ObjectWriter:
        return LocalWriter(self, key, replace_at=mtime)

    def compose(self, key: str, parts: Sequence[str]) -> None:
        writer = LocalWriter(self, key)
        try:
            for part in parts:
                source = self._open(part)
                try:
                    writer.copy_from(source)
                finally:
                    os.close(source)
            writer.finish()
        finally:
            writer.abort()

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            path = self._path(key)
            try:
                if self._contains(path):
                    os.unlink(path)  # noqa: PTH108
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EISDIR):
                    raise failures.from_os_error(error, self.url, key, "delete") from error

    # -- reads --------------------------------------------------------------------------------------------------------

    def get(self, key: str) -> bytes:
        fd = self._open(key)
        try:
            return self._read(fd, key, 0, os.fstat(fd).st_size)
        finally:
            os.close(fd)

    def get_range(self, key: str, start: int, length: int) -> bytes:
        fd = self._open(key)
        try:
            return self._read(fd, key, start, length)
        finally:
            os.close(fd)

    def get_range_seen(self, key: str, start: int, length: int) -> tuple[bytes, StoredObject]:
        fd = self._open(key)
        try:
            data = self._read(fd, key, start, length)
            return data, self._stored(key, os.fstat(fd))  # told of after the read: a change while it ran is seen
        finally:
            os.close(fd)

    def head(self, key: str) -> StoredObject:
        path = self._path(key)
        try:
            status = os.stat(path) if self._contains(path) else None  # noqa: PTH116
        except OSError as error:
            raise failures.from_os_error(error, self.url, key, "read") from error
        if status is None or not stat.S_ISREG(status.st_mode):
            raise failures.not_found(self.url, key)
        return self._stored(key, status)

    def list(self, prefix: str = "", start_after: str = "") -> Iterator[StoredObject]:
        folder = prefix.rpartition("/")[0]
        if folder and (addressable(folder) != folder or not self._contains(f"{self._root}/{folder}/x")):
            return
        try:
            for key, status in walk(self._root or "/", prefix, start_after):
                yield self._stored(key, status)
        except OSError as error:
            raise failures.from_os_error(error, self.url, prefix, "list") from error

    def local_path(self, key: str) -> Path | None:
        return Path(self._path(key))

    # -- inside -------------------------------------------------------------------------------------------------------

    def _path(self, key: str) -> str:
        return f"{self._root}/{check_key(key)}"

    def _stored(self, key: str, status: os.stat_result) -> StoredObject:
        seed = f"{status.st_size} {status.st_mtime_ns} {self._root}/{key}".encode("utf-8", "surrogateescape")
        etag = hashlib.blake2b(seed, digest_size=16).hexdigest() + "-1"
        return StoredObject(key, status.st_size, etag, status.st_mtime_ns // 1_000_000)

    def _contains(self, path: str) -> bool:
        """Tells whether the folder of `path` lies in the root, symbolic links followed (and the link at its end)."""
        folder = path.rpartition("/")[0]
        if folder not in self._inside:
            if not self._is_inside(folder):
                return False
            self._remember(self._inside, folder)
        return not os.path.islink(path) or self._is_inside(path)  # noqa: PTH114

    def _is_inside(self, path: str) -> bool:
        root = os.path.realpath(self._root or "/")
        real = os.path.realpath(path)
        return real == root or real.startswith(root.rstrip("/") + "/")

    def _open(self, key: str) -> int:
        path = self._path(key)
        try:
            if not self._contains(path):
                raise failures.not_found(self.url, key)
            try:
                fd = os.open(path, _READ_FLAGS)
            except OSError as error:
                if error.errno != errno.ELOOP:
                    raise
                fd = os.open(os.path.realpath(path), _READ_FLAGS)
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                os.close(fd)
                raise failures.not_found(self.url, key)
        except OSError as error:
            raise failures.from_os_error(error, self.url, key, "read") from error
        return fd

    def _read(self, fd: int, key: str, start: int, length: int) -> bytes:
        pieces: list[bytes] = []
        at, left = start, length
        try:
            while left > 0:
                piece = os.pread(fd, left, at)
                if not piece:
                    raise _too_short(self.url, key, start, length, at)
                pieces.append(piece)
                at += len(piece)
                left -= len(piece)
        except OSError as error:
            raise failures.from_os_error(error, self.url, key, "read") from error
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _settle_taken(self, key: str) -> bool:
        """Tells whether a file has the name; where so, makes that as durable as if it were ours.

        Its writer may not have flushed the folder yet, and our caller will point at what is there.
        """
        path = self._path(key)
        if not os.path.isfile(path):  # noqa: PTH113 - strings: this is the hot path
            return False
        folder = path.rpartition("/")[0]
        try:
            self.make_folder(folder)
            self.flush_folder(folder)
        except OSError as error:
            raise failures.from_os_error(error, self.url, key, "write") from error
        return True

    def _remember(self, folders: set[str], folder: str) -> None:
        with self._lock:
            if len(folders) >= _KNOWN_FOLDERS:
                folders.clear()
            folders.add(folder)

    def make_folder(self, folder: str) -> None:
        """Makes a folder and its parents, each durable in its own parent. Raises OSError.

        A folder that is there may have been made an instant ago by someone who has not flushed its parent yet, so each
        process flushes the chain up to the root once before it relies on it.
        """
        if not folder or (folder in self._durable and os.path.isdir(folder)):  # noqa: PTH112
            return
        parent = folder.rpartition("/")[0]
        made = False
        try:
            os.mkdir(folder)  # noqa: PTH102
            made = True
        except FileExistsError:
            if not os.path.isdir(folder):  # noqa: PTH112
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), folder) from None
        except FileNotFoundError:
            self.make_folder(parent or "/")
            self.make_folder(folder)
            return
        below_root = len(folder) > len(self._root)
        if below_root and not made:
            self.make_folder(parent)
        if made or below_root:
            self.flush_folder(parent or "/")
        self._remember(self._durable, folder)

    def flush_folder(self, folder: str) -> None:
        """Makes the names in a folder durable. Raises OSError."""
        if not self._fsync:
            return
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def flush_file(self, fd: int) -> None:
        """Makes the bytes of an open file durable. Raises OSError."""
        if self._fsync:
            os.fsync(fd)

    def target(self, key: str) -> str:
        """Returns the path to write `key` to; raises InvalidInput where the folder lies outside the root."""
        path = self._path(key)
        if not self._contains(path):
            raise failures.invalid_key(key, "runs through a symbolic link that leads out of the store")
        return path


class LocalWriter:
    """Writes one new file of a local store; with `replace_at`, a modification time in ms, also over an old one."""

    def __init__(self, store: LocalStore, key: str, *, replace_at: int | None = None) -> None:
        self._store = store
        self._replace_at = replace_at
        self._key = key
        self._path = store.target(key)
        self._folder = self._path.rpartition("/")[0]
        try:
            self._fd, self._temporary = self._create()
        except OSError as error:
            raise self._failed(error) from error

    def write(self, data: bytes | bytearray | memoryview) -> None:
        view = memoryview(data).cast("B")
        try:
            while view:
                view = view[os.write(self._fd, view) :]
        except OSError as error:
            self.abort()
            raise self._failed(error) from error

    def copy_from(self, source: int) -> None:
        """Appends a whole open file, inside the kernel where it can."""
        try:
            size = os.fstat(source).st_size
            at = 0
            while at < size:
                copied = _copy(source, self._fd, min(_COPY_BYTES, size - at), at)
                if copied == 0:
                    raise OSError(errno.EIO, "a part became shorter while it was copied")
                at += copied
        except OSError as error:
            self.abort()
            raise self._failed(error) from error

    def finish(self) -> None:
        if not self.publish():
            raise failures.invalid_key(self._key, "is taken")

    def publish(self) -> bool:
        """Makes the file durable and gives it its name. False where the name is taken, which changes nothing."""
        try:
            if self._replace_at is not None:
                at = self._replace_at * 1_000_000
                os.utime(self._fd, ns=(at, at))
            self._store.flush_file(self._fd)
            linked = self._link() if self._replace_at is None else self._replace()
            self.abort()
            # Where this fails the name stays: another writer may have found it taken, and rely on it already.
            self._store.flush_folder(self._folder)
        except OSError as error:
            raise self._failed(error) from error
        finally:
            self.abort()
        return linked

    def abort(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
        temporary, self._temporary = self._temporary, ""
        if temporary:
            try:
                os.unlink(temporary)  # noqa: PTH108
            except OSError:
                return  # it has its name already, or is garbage that nothing lists

    def _create(self) -> tuple[int, str]:
        make_file = make if self._replace_at is None else make_held
        for _ in range(3):
            self._store.make_folder(self._folder)
            try:
                return make_file(self._folder)
            except FileNotFoundError:
                continue  # someone removed the empty folder in between
        return make_file(self._folder)

    def _link(self) -> bool:
        os.close(self._fd)
        self._fd = -1
        try:
            os.link(self._temporary, self._path)
        except FileExistsError:
            if os.path.isdir(self._path):  # noqa: PTH112
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), self._path) from None
            # On a network file system the reply of a link that was made can be lost, and the retry finds it taken.
            return os.path.samefile(self._temporary, self._path)  # noqa: PTH121
        return True

    def _replace(self) -> bool:
        os.replace(self._temporary, self._path)  # noqa: PTH105 - still held: an export beside this one clears no such
        self._temporary = ""
        return True

    def _failed(self, error: OSError) -> LakegateError:
        return failures.from_os_error(error, self._store.url, self._key, "write")


def _copy(source: int, destination: int, count: int, at: int) -> int:
    try:
        return os.copy_file_range(source, destination, count, at)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
            raise
        return os.sendfile(destination, source, at, count)


def _too_short(url: str, key: str, start: int, length: int, size: int) -> Corrupt:
    return Corrupt(
        f"The object {key!r} in {url} ends at byte {size}; bytes {start} to {start + length} were asked for.",
        hint="It was cut or replaced outside lakegate; run `lakegate verify` to see what else is damaged.",
        details={"store": url, "key": key},
    )

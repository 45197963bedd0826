"""A bounded folder of node files, for stores that are far away."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from pathlib import Path

from lakegate.ids import NodeId

_CHECK_EVERY = 256


class DiskCache:
    """Files by node id below a folder that several processes may share; it never grows far beyond `capacity` bytes.

    A file appears whole, by rename. Losing any of it at any time is no harm, and a folder that can't be written is no
    error: the store is asked again. Files read longest ago go first, by their modification time, which a read renews.
    """

    def __init__(self, folder: Path, capacity: int) -> None:
        self._folder = folder
        self._capacity = capacity
        self._lock = threading.Lock()
        self._puts = 0

    def get(self, node: NodeId) -> bytes | None:
        path = self._path(node)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return data

    def put(self, node: NodeId, data: bytes) -> None:
        path = self._path(node)
        temporary = ""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            os.replace(temporary, path)  # noqa: PTH105
        except OSError:
            if temporary:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)  # noqa: PTH108
            return
        with self._lock:
            due = self._puts % _CHECK_EVERY == 0
            self._puts += 1
        if due:
            self.shrink()

    def shrink(self) -> None:
        """Brings a folder beyond its capacity down to nine tenths of it: the files read longest ago go."""
        files: list[tuple[float, int, Path]] = []
        for path in self._folder.glob("*/*"):
            with contextlib.suppress(OSError):
                status = path.stat()
                files.append((status.st_mtime, status.st_size, path))
        total = sum(size for _, size, _ in files)
        if total <= self._capacity:
            return
        for _, size, path in sorted(files):
            with contextlib.suppress(OSError):
                path.unlink()
            total -= size
            if total <= self._capacity * 9 // 10:
                return

    def _path(self, node: NodeId) -> Path:
        return self._folder / node[:2] / f"{node}.parquet"

"""An ObjectStore as a filesystem that Arrow's datasets read. Read-only."""

from __future__ import annotations

from typing import Any, NoReturn

import pyarrow as pa
import pyarrow.fs as pafs

from lakegate.errors import NotFound, NotOffered
from lakegate.objectstore.protocol import ObjectStore
from lakegate.tables.data_files import StoredFile


class ReadOnlyHandler(pafs.FileSystemHandler):  # type: ignore[misc]  # pyarrow has no types
    """What a filesystem that only opens files answers to all else."""

    def get_type_name(self) -> str:
        return "lakegate"

    def normalize_path(self, path: str) -> str:
        return path

    def get_file_info_selector(self, selector: Any) -> NoReturn:
        raise _read_only()

    def create_dir(self, path: str, recursive: bool) -> NoReturn:
        raise _read_only()

    def delete_dir(self, path: str) -> NoReturn:
        raise _read_only()

    def delete_dir_contents(self, path: str, missing_dir_ok: bool = False) -> NoReturn:
        raise _read_only()

    def delete_root_dir_contents(self) -> NoReturn:
        raise _read_only()

    def delete_file(self, path: str) -> NoReturn:
        raise _read_only()

    def move(self, src: str, dest: str) -> NoReturn:
        raise _read_only()

    def copy_file(self, src: str, dest: str) -> NoReturn:
        raise _read_only()

    def open_output_stream(self, path: str, metadata: Any) -> NoReturn:
        raise _read_only()

    def open_append_stream(self, path: str, metadata: Any) -> NoReturn:
        raise _read_only()


class StoreHandler(ReadOnlyHandler):
    """Opens the objects of one store by key. `sizes` are those that are known without asking it."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self.sizes: dict[str, int] = {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StoreHandler) and self._store is other._store

    def __hash__(self) -> int:
        return id(self._store)

    def get_file_info(self, paths: list[str]) -> list[pafs.FileInfo]:
        return [self._info(path) for path in paths]

    def open_input_stream(self, path: str) -> pa.NativeFile:
        return self.open_input_file(path)

    def open_input_file(self, path: str) -> pa.NativeFile:
        return pa.PythonFile(StoredFile(self._store, path, self._size(path)), mode="r")

    def _size(self, path: str) -> int:
        known = self.sizes.get(path)
        return self._store.head(path).size if known is None else known

    def _info(self, path: str) -> pafs.FileInfo:
        try:
            return pafs.FileInfo(path, pafs.FileType.File, size=self._size(path))
        except NotFound:
            return pafs.FileInfo(path, pafs.FileType.NotFound)


def _read_only() -> NotOffered:
    return NotOffered("A table's data files are only read here.", hint="Write through the S3 gateway.")

"""Objects of a snapshot as a filesystem that Arrow's datasets read. Read-only."""

from __future__ import annotations

from typing import Any, NoReturn

import pyarrow as pa
import pyarrow.fs as pafs

from lakegate.context import RepositoryContext
from lakegate.errors import NotOffered
from lakegate.model import Entry
from lakegate.tables.data_files import open_arrow


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


class EntryHandler(ReadOnlyHandler):
    """Opens the `entries` of one snapshot by their paths; an imported one is held against its entry at each opening."""

    def __init__(self, ctx: RepositoryContext) -> None:
        self._ctx = ctx
        self.entries: dict[str, Entry] = {}

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def get_file_info(self, paths: list[str]) -> list[pafs.FileInfo]:
        return [self._info(path) for path in paths]

    def open_input_stream(self, path: str) -> pa.NativeFile:
        return self.open_input_file(path)

    def open_input_file(self, path: str) -> pa.NativeFile:
        return open_arrow(self._ctx, self.entries[path])

    def _info(self, path: str) -> pafs.FileInfo:
        entry = self.entries.get(path)
        if entry is None:
            return pafs.FileInfo(path, pafs.FileType.NotFound)
        return pafs.FileInfo(path, pafs.FileType.File, size=entry.size)


def _read_only() -> NotOffered:
    return NotOffered("A table's data files are only read here.", hint="Write through the S3 gateway.")

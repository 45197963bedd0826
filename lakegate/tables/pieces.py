"""An Arrow dataset over decoded pieces: for tables whose Parquet files are not to be read as they stand.

Arrow can't mask rows by position or rename columns inside a dataset. So each fragment is a virtual file in Arrow's IPC
format, made in memory from some row groups of a data file when a scan reaches it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.fs as pafs

from lakegate.context import RepositoryContext
from lakegate.snapshot import Snapshot
from lakegate.tables.data_files import DataFile, live_files, open_arrow
from lakegate.tables.scan import FileScan, TableLayout, scan_file, unreadable
from lakegate.tables.schema import arrow_schema
from lakegate.tables.store_filesystem import ReadOnlyHandler

if TYPE_CHECKING:
    import pyarrow.dataset as pads

_WHOLE_FILE_BYTES = 64 << 20
_KEPT = 4


@dataclass(frozen=True, slots=True)
class Piece:
    """Some row groups of a data file, [from, to); None: all of them."""

    file: DataFile
    row_groups: tuple[int, int] | None = None


def piecewise_dataset(ctx: RepositoryContext, snapshot: Snapshot, layout: TableLayout) -> pads.Dataset:
    """Makes the dataset. Footers are read of large files only, to cut them into pieces."""
    import pyarrow.dataset as pads

    pieces = [piece for file in live_files(ctx, snapshot, layout.table) for piece in _cut(ctx, layout, file)]
    filesystem = pafs.PyFileSystem(PieceHandler(ctx, snapshot, layout, pieces))
    ipc = pads.IpcFileFormat()
    fragments = [ipc.make_fragment(str(number), filesystem) for number in range(len(pieces))]
    return pads.FileSystemDataset(fragments, arrow_schema(layout.schema), ipc, filesystem)


def _cut(ctx: RepositoryContext, layout: TableLayout, file: DataFile) -> Iterator[Piece]:
    import pyarrow.parquet as pq

    if file.entry.size <= _WHOLE_FILE_BYTES:
        yield Piece(file)
        return
    try:
        with open_arrow(ctx, file.entry) as source:
            metadata = pq.read_metadata(source)
    except pa.ArrowException as error:
        raise unreadable(layout.table, file, error) from error
    start, size = 0, 0
    for group in range(metadata.num_row_groups):
        size += metadata.row_group(group).total_byte_size
        if size >= _WHOLE_FILE_BYTES or group == metadata.num_row_groups - 1:
            yield Piece(file, (start, group + 1))
            start, size = group + 1, 0


class PieceHandler(ReadOnlyHandler):
    """Serves piece N as the IPC file "N".

    A scan opens a file twice, for its schema and for its rows: what was made is kept for the second opening.
    """

    def __init__(self, ctx: RepositoryContext, snapshot: Snapshot, layout: TableLayout, pieces: list[Piece]) -> None:
        self._ctx = ctx
        self._snapshot = snapshot
        self._layout = layout
        self._pieces = pieces
        self._lock = Lock()
        self._made: OrderedDict[str, pa.Buffer] = OrderedDict()

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def get_file_info(self, paths: list[str]) -> list[pafs.FileInfo]:
        return [pafs.FileInfo(path, pafs.FileType.File) for path in paths]

    def open_input_stream(self, path: str) -> pa.NativeFile:
        return self.open_input_file(path)

    def open_input_file(self, path: str) -> pa.NativeFile:
        with self._lock:
            kept = self._made.pop(path, None)
        if kept is None:
            kept = self._make(self._pieces[int(path)])
            with self._lock:
                self._made[path] = kept
                while len(self._made) > _KEPT:
                    self._made.popitem(last=False)
        return pa.BufferReader(kept)

    def _make(self, piece: Piece) -> pa.Buffer:
        # Without Arrow's threads: this runs in one of them, and a pool that waits for itself never ends.
        scan = FileScan(self._layout.schema, threads=False)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, arrow_schema(self._layout.schema)) as writer:
            for batch in scan_file(self._ctx, self._snapshot, self._layout, piece.file, scan, piece.row_groups):
                writer.write_batch(batch)
        return sink.getvalue()

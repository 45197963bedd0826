"""The live rows of a table version, straight from its data files, with the table's logical columns.

Partition values, column mapping, deletion vectors and schema evolution are honoured; a table with a feature that would
make this wrong, or that is unknown, is refused by name. See `lakegate.tables.features`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakegate import tree
from lakegate.context import RepositoryContext
from lakegate.format.kinds import FILES
from lakegate.model import FileEntry, TableVersion
from lakegate.snapshot import Snapshot
from lakegate.tables.conform import Matching
from lakegate.tables.data_files import Locations, live_files
from lakegate.tables.partition_values import partition_scalar
from lakegate.tables.scan import FileScan, TableLayout, scan_file
from lakegate.tables.schema import arrow_schema

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.dataset as pads


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """What to read of a table.

    columns     logical names, in the order wanted; None: all
    files       only these live files, sorted by path; None: all
    batch_rows  the most rows of one batch
    """

    columns: tuple[str, ...] | None = None
    files: Iterable[FileEntry] | None = None
    batch_rows: int = 65_536


def batches(
    ctx: RepositoryContext, snapshot: Snapshot, table: TableVersion, request: ReadRequest = ReadRequest()
) -> pa.RecordBatchReader:
    """Streams the live rows file by file, in the order of the files' paths and of the rows in them.

    Reads only the columns asked for; memory is one row group of them. Raises Refused(DELTA_FEATURE_UNKNOWN,
    DELTA_LOG_INVALID), InvalidInput for an unknown column; Corrupt while reading.
    """
    import pyarrow as pa

    layout = TableLayout.of(table)
    scan = FileScan(layout.columns(request.columns), request.batch_rows)

    def read() -> Iterator[pa.RecordBatch]:
        for file in live_files(ctx, snapshot, table, request.files):
            yield from scan_file(ctx, snapshot, layout, file, scan)

    return pa.RecordBatchReader.from_batches(arrow_schema(scan.columns), read())


def dataset(ctx: RepositoryContext, snapshot: Snapshot, table: TableVersion) -> pads.Dataset:
    """The live rows as an Arrow dataset, which reads when it is scanned, as often as one likes.

    A table without deletion vectors and column mapping is a dataset over its Parquet files: projection, filters and
    threads work as in pyarrow. Any other is one over pieces that are decoded when they are reached; a filter then saves
    no reading, and all columns of a piece are read (`batches` reads only those asked for). Raises
    Refused(DELTA_FEATURE_UNKNOWN, DELTA_LOG_INVALID).
    """
    layout = TableLayout.of(table)
    if layout.matching is Matching.NAME and not _has_vectors(ctx, table):
        return _plain_dataset(ctx, snapshot, layout)
    from lakegate.tables.pieces import piecewise_dataset

    return piecewise_dataset(ctx, snapshot, layout)


def _has_vectors(ctx: RepositoryContext, table: TableVersion) -> bool:
    if table.protocol is None or "deletionVectors" not in table.protocol.reader_features:
        return False
    return any(file.deletion_vector is not None for file in tree.iterate(ctx.manifests.nodes, FILES, table.state))


def _plain_dataset(ctx: RepositoryContext, snapshot: Snapshot, layout: TableLayout) -> pads.Dataset:
    import pyarrow.dataset as pads

    schema = arrow_schema(layout.schema)
    parquet = pads.ParquetFileFormat(coerce_int96_timestamp_unit="us")
    parts = [part for part in layout.schema.fields if part.name in layout.partitions]
    known: dict[tuple[str, str | None], pads.Expression] = {}
    locations = Locations(ctx)
    fragments: list[pads.Fragment] = []
    for file in live_files(ctx, snapshot, layout.table):
        path, filesystem = locations.of(file.entry)
        where: pads.Expression | None = None
        for part in parts:
            text = layout.partition_text(file, part)
            condition = known.get((part.name, text))
            if condition is None:
                value = partition_scalar(part.type, text)
                column = pads.field(part.name)
                condition = column == value if value.is_valid else column.is_null()
                known[part.name, text] = condition
            where = condition if where is None else where & condition
        fragments.append(parquet.make_fragment(path, filesystem, where, file_size=file.entry.size))
    return pads.FileSystemDataset(fragments, schema, parquet)

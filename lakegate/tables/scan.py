"""Reads the live rows of one data file after the other, as the table's logical columns.

The way that is right for every table that can be read: deletion vectors are taken out, columns are found by column
mapping and brought to the table's types. Memory is one row group of the columns asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from lakegate.context import RepositoryContext
from lakegate.errors import Corrupt, ErrorKind, InvalidInput
from lakegate.model import Entry, TableVersion
from lakegate.snapshot import Snapshot
from lakegate.tables.conform import Matching, conform, find_column
from lakegate.tables.data_files import DataFile, missing_file, open_arrow, read_range
from lakegate.tables.deletion_vectors import parse_descriptor, read_vector
from lakegate.tables.features import matching_of, require_readable
from lakegate.tables.partition_values import partition_scalar
from lakegate.tables.schema import Field, Struct, arrow_schema, arrow_type, parse_schema

if TYPE_CHECKING:
    import pyarrow as pa
    from pyroaring import BitMap64


@dataclass(frozen=True, slots=True)
class TableLayout:
    """What there is to know of a table before a file is opened. `partitions` are names of logical columns."""

    table: TableVersion
    schema: Struct
    partitions: frozenset[str]
    matching: Matching

    @classmethod
    def of(cls, table: TableVersion) -> TableLayout:
        """Raises Refused(DELTA_FEATURE_UNKNOWN) where the rows can't be read right."""
        require_readable(table)
        schema = parse_schema(table.schema)
        arrow_schema(schema)
        return cls(table, schema, frozenset(table.partition_columns), matching_of(table))

    @property
    def is_mapped(self) -> bool:
        """Whether files, and the partition values of the log, name columns otherwise than the schema."""
        return self.matching is not Matching.NAME

    @property
    def stored(self) -> Struct:
        """The columns that stand in data files."""
        return Struct(tuple(part for part in self.schema.fields if part.name not in self.partitions))

    def partition_text(self, file: DataFile, part: Field) -> str | None:
        """The value of a partition column in a file, as the log has it."""
        values = file.file.partition
        return values.get(part.physical_name if self.is_mapped else part.name)

    def columns(self, names: tuple[str, ...] | None) -> Struct:
        """The columns of these names, in this order; None: all. Raises InvalidInput(INVALID_ARGUMENT)."""
        if names is None:
            return self.schema
        fields: list[Field] = []
        for name in names:
            found = self.schema.field(name)
            if found is None:
                raise InvalidInput(
                    ErrorKind.INVALID_ARGUMENT,
                    f"The table {self.table.path!r} has no column {name!r}.",
                    hint="Its columns: " + ", ".join(part.name for part in self.schema.fields),
                )
            fields.append(found)
        return Struct(tuple(fields))


@dataclass(frozen=True, slots=True)
class FileScan:
    """How files are scanned: which columns, how many rows a batch has at most, and whether Arrow's threads help."""

    columns: Struct
    batch_rows: int = 65_536
    threads: bool = True


def scan_file(
    ctx: RepositoryContext,
    snapshot: Snapshot,
    layout: TableLayout,
    file: DataFile,
    scan: FileScan,
    row_groups: tuple[int, int] | None = None,
) -> Iterator[pa.RecordBatch]:
    """Yields the live rows of one file in their order; of its row groups [from, to) where given.

    Raises Corrupt where the file can't be read, or holds what does not fit the table's schema.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    target = arrow_schema(scan.columns)
    deleted = _deleted(ctx, snapshot, layout.table, file)
    try:
        with (
            open_arrow(ctx, file.entry) as source,
            pq.ParquetFile(source, coerce_int96_timestamp_unit="us", pre_buffer=False) as parquet,
        ):
            held = parquet.schema_arrow
            stored = _stored_columns(layout, scan.columns, held)
            start = 0
            groups = range(parquet.num_row_groups)
            if row_groups is not None:
                start = sum(parquet.metadata.row_group(i).num_rows for i in range(row_groups[0]))
                groups = range(*row_groups)
            batches = parquet.iter_batches(
                batch_size=scan.batch_rows,
                row_groups=list(groups),
                columns=sorted({held.field(position).name for position in stored.values()}),
                use_threads=scan.threads,
            )
            for batch in batches:
                kept = batch if deleted is None else _without(batch, deleted, start)
                start += batch.num_rows
                if kept.num_rows:
                    yield _logical(layout, scan.columns, target, file, kept, stored, held)
    except pa.ArrowException as error:
        raise unreadable(layout.table, file, error) from error


def unreadable(table: TableVersion, file: DataFile, error: Exception) -> Corrupt:
    """Makes the error for a data file that can't be read as the table says."""
    return Corrupt(
        f"The data file {file.entry.path!r} of the table {table.path!r} can't be read: {str(error).splitlines()[0]}",
        hint="Compare its columns with the table's schema; roll the table back to a commit at which it was readable.",
        details={"table": table.path, "path": file.entry.path},
    )


def _stored_columns(layout: TableLayout, columns: Struct, held: pa.Schema) -> dict[str, int]:
    """Where the columns that the file holds are, by logical name."""
    found: dict[str, int] = {}
    for part in columns.fields:
        if part.name not in layout.partitions:
            position = find_column(held, part, layout.matching)
            if position is not None:
                found[part.name] = position
    return found


def _logical(
    layout: TableLayout,
    columns: Struct,
    target: pa.Schema,
    file: DataFile,
    batch: pa.RecordBatch,
    stored: dict[str, int],
    held: pa.Schema,
) -> pa.RecordBatch:
    import pyarrow as pa

    rows = batch.num_rows
    arrays: list[pa.Array] = []
    for part in columns.fields:
        if part.name in layout.partitions:
            arrays.append(pa.repeat(partition_scalar(part.type, layout.partition_text(file, part)), rows))
        elif part.name in stored:
            column = batch.column(batch.schema.get_field_index(held.field(stored[part.name]).name))
            # The batch's own schema has lost the ids of fields.
            arrays.append(conform(column.cast(held.field(stored[part.name]).type), part.type, layout.matching))
        else:
            arrays.append(pa.nulls(rows, arrow_type(part.type)))
    if not arrays:
        return batch.select([])
    return pa.RecordBatch.from_arrays(arrays, schema=target)


def _deleted(ctx: RepositoryContext, snapshot: Snapshot, table: TableVersion, file: DataFile) -> BitMap64 | None:
    if file.file.deletion_vector is None:
        return None
    return read_vector(parse_descriptor(file.file.deletion_vector), partial(_read_vector_range, ctx, snapshot, table))


def _read_vector_range(
    ctx: RepositoryContext, snapshot: Snapshot, table: TableVersion, path: str, start: int, length: int
) -> bytes:
    entry: Entry | None = snapshot.get(f"{table.path}/{path}")
    if entry is None:
        raise missing_file(table.path, path)
    return read_range(ctx, entry, start, length)


def _without(batch: pa.RecordBatch, deleted: BitMap64, start: int) -> pa.RecordBatch:
    """A batch, whose first row is the file's row `start`, without the deleted rows."""
    import numpy as np
    import pyarrow as pa
    from pyroaring import BitMap64

    here = deleted & BitMap64(range(start, start + batch.num_rows))
    if not here:
        return batch
    keep = np.ones(batch.num_rows, dtype=np.bool_)
    keep[np.frombuffer(here.to_array(), dtype=np.uint64).astype(np.int64) - start] = False
    return batch.filter(pa.array(keep))

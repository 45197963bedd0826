"""Writes rows as a data file of a table, with the statistics that its add action states."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakegate.errors import ErrorKind, Refused
from lakegate.tables.conform import Matching, conform
from lakegate.tables.schema import PHYSICAL_NAME, Array, DataType, Field, Map, Primitive, Struct, arrow_type
from lakegate.tables.taken_bytes import TakenBytes

if TYPE_CHECKING:
    import pyarrow as pa

_STATS_COLUMNS = 32
_LONGEST_TEXT = 128
_ID = b"PARQUET:field_id"
_COMPARED = frozenset({"long", "integer", "short", "byte", "float", "double", "string", "date", "timestamp"})


class DataFileWriter:
    """Makes one Parquet file of batches with a table's logical columns. Memory is one row group and the statistics.

    `columns` are those that stand in files (not the partition columns); with column mapping they are written under
    their physical names and ids.
    """

    def __init__(self, columns: Struct, matching: Matching) -> None:
        import pyarrow.parquet as pq

        self._columns = columns
        self._mapped = matching is not Matching.NAME
        self._schema = _file_schema(columns, self._mapped)
        self._sink = TakenBytes()
        self._writer = pq.ParquetWriter(self._sink, self._schema, compression="snappy")
        self._ranges = [
            _Range(part.physical_name if self._mapped else part.name) for part in columns.fields[:_STATS_COLUMNS]
        ]
        self.rows = 0

    def write(self, batch: pa.RecordBatch) -> bytes:
        """Takes rows as a row group of their own; returns the bytes that are ready."""
        import pyarrow as pa

        arrays: list[pa.Array] = []
        for part, column in zip(self._columns.fields, batch.columns, strict=True):
            kind = _physical(part.type) if self._mapped else part.type
            arrays.append(conform(column, kind, Matching.PHYSICAL_NAME) if self._mapped else column)
        for range_, part, column in zip(self._ranges, self._columns.fields, batch.columns, strict=False):
            range_.note(column, part.type)
        self.rows += batch.num_rows
        self._writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
        return self._sink.take()

    def close(self) -> bytes:
        """Ends the file; returns its last bytes."""
        self._writer.close()
        return self._sink.take()

    @property
    def stats(self) -> str:
        """The statistics as Delta's JSON (Delta protocol, Per-file Statistics): never narrower than the values."""
        bounds = [found for found in self._ranges if found.is_bounded]
        return json.dumps(
            {
                "numRecords": self.rows,
                "minValues": {found.name: found.shown(found.least) for found in bounds},
                "maxValues": {found.name: found.shown(found.greatest) for found in bounds},
                "nullCount": {found.name: found.nulls for found in self._ranges if found.counts_nulls},
            },
            separators=(",", ":"),
        )


@dataclass(slots=True)
class _Range:
    """The nulls, and the least and greatest value, of one column of a file."""

    name: str
    nulls: int = 0
    least: Any = None
    greatest: Any = None
    counts_nulls: bool = True
    usable: bool = True
    moment: bool = False
    suffix: str = ""

    @property
    def is_bounded(self) -> bool:
        return self.usable and self.least is not None

    def note(self, column: pa.Array, kind: DataType) -> None:
        import pyarrow.compute as pc

        if not isinstance(kind, Primitive):
            # Delta states nulls of nested columns leaf by leaf.
            self.counts_nulls = self.usable = False
            return
        self.nulls += column.null_count
        if kind.name not in _COMPARED and kind.name != "timestamp_ntz":
            self.usable = False
        if not self.usable or column.null_count == len(column):
            return
        if kind.name in ("float", "double") and pc.call_function("any", [pc.call_function("is_nan", [column])]).as_py():
            self.usable = False
            return
        found = pc.call_function("min_max", [column])
        least, greatest = found["min"], found["max"]
        if kind.name in ("timestamp", "timestamp_ntz"):
            self.moment = True
            self.suffix = "Z" if kind.name == "timestamp" else ""
            least, greatest = least.value, greatest.value
        else:
            least, greatest = least.as_py(), greatest.as_py()
        if isinstance(greatest, str) and max(len(least), len(greatest)) > _LONGEST_TEXT:
            self.usable = False
            return
        if isinstance(greatest, float) and not (math.isfinite(least) and math.isfinite(greatest)):
            self.usable = False
            return
        self.least = least if self.least is None else min(self.least, least)
        self.greatest = greatest if self.greatest is None else max(self.greatest, greatest)

    def shown(self, value: Any) -> Any:
        import numpy as np

        if self.moment:
            return f"{np.datetime_as_string(np.datetime64(value, 'us'))}{self.suffix}"
        return value if isinstance(value, int | float | str) else value.isoformat()


# -- schemas ----------------------------------------------------------------------------------------------------------


def _file_schema(columns: Struct, mapped: bool) -> pa.Schema:
    import pyarrow as pa

    return pa.schema([_file_field(part, mapped) for part in columns.fields])


def _file_field(part: Field, mapped: bool) -> pa.Field:
    import pyarrow as pa

    if not mapped:
        return pa.field(part.name, arrow_type(part.type))
    metadata = {_ID: str(part.id).encode()} if part.id is not None else None
    return pa.field(part.physical_name, _file_type(part.type), metadata=metadata)


def _file_type(kind: DataType) -> pa.DataType:
    import pyarrow as pa

    match kind:
        case Struct(fields):
            return pa.struct([_file_field(part, True) for part in fields])
        case Array(element):
            return pa.list_(pa.field("element", _file_type(element)))
        case Map(key, value):
            return pa.map_(_file_type(key), _file_type(value))
        case Primitive():
            return arrow_type(kind)


def _physical(kind: DataType) -> DataType:
    """The type under its physical names, whose fields are found by their logical ones."""
    match kind:
        case Struct(fields):
            return Struct(
                tuple(
                    Field(part.physical_name, _physical(part.type), True, {PHYSICAL_NAME: part.name}) for part in fields
                )
            )
        case Array(element):
            return Array(_physical(element))
        case Map(key, value):
            return Map(_physical(key), _physical(value))
        case Primitive():
            return kind


# -- partition values -------------------------------------------------------------------------------------------------


def partition_text(value: pa.Scalar, kind: DataType, column: str) -> str | None:
    """A partition value as text (Delta protocol, Partition Value Serialization). The empty text is null there.

    Raises Refused(ROWS_INCOMPATIBLE) for a value that has no text.
    """
    if not value.is_valid:
        return None
    name = kind.name if isinstance(kind, Primitive) else ""
    render = _TEXTS.get("decimal" if name.startswith("decimal") else name)
    if render is None:
        raise Refused(
            ErrorKind.ROWS_INCOMPATIBLE,
            f"A row can't be put into a partition by the column {column!r}: its type has no text form.",
            hint="Take the source or the destination.",
            details={"column": column},
        )
    return render(value) or None


def _moment(value: pa.Scalar) -> str:
    import numpy as np

    text = str(np.datetime_as_string(np.datetime64(value.value, "us"))).replace("T", " ")
    return text.removesuffix(".000000")


def _plain(value: pa.Scalar) -> str:
    return str(value.as_py())


_TEXTS: dict[str, Callable[[Any], str]] = {
    "string": _plain,
    "long": _plain,
    "integer": _plain,
    "short": _plain,
    "byte": _plain,
    "float": _plain,
    "double": _plain,
    "boolean": lambda value: "true" if value.as_py() else "false",
    "date": lambda value: str(value.as_py().isoformat()),
    "timestamp": _moment,
    "timestamp_ntz": _moment,
    "decimal": lambda value: f"{value.as_py():f}",
}

"""Rows as a file, streamed: Parquet, CSV or JSON lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import orjson

from lakegate.model import RowFormat
from lakegate.tables.preview import json_values
from lakegate.tables.taken_bytes import TakenBytes

if TYPE_CHECKING:
    import pyarrow as pa

_GROUP_ROWS = 65_536


def free_name(name: str, columns: Iterable[str]) -> str:
    """A name for a column beside those of a table: with one more `_` in front for as long as the table has it, in
    whatever case, for not every reader tells cases apart."""
    taken = {column.casefold() for column in columns}
    while name in taken:
        name = f"_{name}"
    return name


def render(schema: pa.Schema, rows: Iterator[pa.RecordBatch], form: RowFormat) -> Iterator[bytes]:
    """Yields the bytes of a file that holds the rows. Memory is some batches, for Parquet one row group.

    CSV has a header; null is empty, text is quoted, and what is no simple value is JSON. In JSON lines each row is an
    object. Both have values as `TablePreview` has them.
    """
    match form:
        case RowFormat.PARQUET:
            return _parquet(schema, rows)
        case RowFormat.CSV:
            return _csv(schema, rows)
        case RowFormat.JSONL:
            return _jsonl(schema, rows)


def _parquet(schema: pa.Schema, rows: Iterator[pa.RecordBatch]) -> Iterator[bytes]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = TakenBytes()
    with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
        for group in _groups(rows):
            writer.write_table(pa.Table.from_batches(group, schema), row_group_size=_GROUP_ROWS)
            yield sink.take()
    yield sink.take()


def _groups(rows: Iterator[pa.RecordBatch]) -> Iterator[list[pa.RecordBatch]]:
    group: list[pa.RecordBatch] = []
    held = 0
    for batch in rows:
        group.append(batch)
        held += batch.num_rows
        if held >= _GROUP_ROWS:
            yield group
            group, held = [], 0
    if group:
        yield group


def _csv(schema: pa.Schema, rows: Iterator[pa.RecordBatch]) -> Iterator[bytes]:
    yield (",".join(_quoted(name) for name in schema.names) + "\n").encode("utf-8")
    for batch in rows:
        columns = [[_cell(value) for value in json_values(column)] for column in batch.columns]
        yield "".join(",".join(row) + "\n" for row in zip(*columns, strict=True)).encode("utf-8")


def _cell(value: Any) -> str:
    """Python's own writer can't tell null from an empty text before version 3.12."""
    if value is None:
        return ""
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, dict | list):
        return _quoted(orjson.dumps(value).decode("utf-8"))
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _jsonl(schema: pa.Schema, rows: Iterator[pa.RecordBatch]) -> Iterator[bytes]:
    names = schema.names
    for batch in rows:
        columns = [json_values(column) for column in batch.columns]
        yield b"".join(orjson.dumps(dict(zip(names, row, strict=True))) + b"\n" for row in zip(*columns, strict=True))

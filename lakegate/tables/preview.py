"""The first rows of a table as values that JSON can hold."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lakegate.context import RepositoryContext
from lakegate.errors import ErrorKind, InvalidInput
from lakegate.model import TablePreview, TableVersion
from lakegate.snapshot import Snapshot
from lakegate.tables.reader import ReadRequest, batches

if TYPE_CHECKING:
    import pyarrow as pa

MOST_ROWS = 1000


def preview(ctx: RepositoryContext, snapshot: Snapshot, table: TableVersion, limit: int = 20) -> TablePreview:
    """Reads the first `limit` rows (0 to 1,000; more is taken as 1,000), in the order of the files' paths.

    Values: decimals, dates, times and timestamps as text (ISO 8601, timestamps in UTC with a Z), binary as Base64,
    NaN and infinities as "NaN", "Infinity", "-Infinity", structs as objects, maps with string keys as objects and
    others as lists of [key, value]. Raises as `reader.batches`, InvalidInput for a negative limit.
    """
    if limit < 0:
        raise InvalidInput(ErrorKind.INVALID_ARGUMENT, "A preview can't have fewer than 0 rows.", hint="Ask for 20.")
    wanted = min(limit, MOST_ROWS)
    rows: list[tuple[Any, ...]] = []
    with batches(ctx, snapshot, table, ReadRequest(batch_rows=max(1, wanted))) as reader:
        names = tuple(reader.schema.names)
        while len(rows) < wanted:
            batch = next(reader, None)
            if batch is None:
                break
            columns = [json_values(column) for column in batch.slice(0, wanted - len(rows)).columns]
            rows.extend(zip(*columns, strict=True))
    return TablePreview(names, tuple(rows))


def json_values(column: pa.Array) -> list[Any]:
    """The values of an Arrow array, JSON-ready as `preview` says."""
    import pyarrow as pa

    kind = column.type
    is_ = pa.types
    if is_.is_struct(kind):
        parts = [json_values(column.field(i)) for i in range(kind.num_fields)]
        names = [kind.field(i).name for i in range(kind.num_fields)]
        values = [dict(zip(names, row, strict=True)) for row in zip(*parts, strict=True)] or [{}] * len(column)
        return [value if valid else None for value, valid in zip(values, column.is_valid().to_pylist(), strict=True)]
    if is_.is_map(kind):
        pairs = json_values(column.cast(pa.list_(pa.struct([kind.key_field, kind.item_field]))))
        named = is_.is_string(kind.key_type)
        return [None if row is None else _mapping(row, named) for row in pairs]
    if is_.is_list(kind):
        return _lists(column)
    convert = _leaf(kind)
    return convert(column) if convert is not None else list(column.to_pylist())


def _mapping(pairs: list[dict[str, Any]], named: bool) -> Any:
    found = [tuple(pair.values()) for pair in pairs]
    return dict(found) if named else [list(pair) for pair in found]


def _lists(column: pa.Array) -> list[Any]:
    import pyarrow.compute as pc

    values = json_values(column.flatten())
    found: list[Any] = []
    start = 0
    for length in pc.call_function("list_value_length", [column]).to_pylist():
        found.append(None if length is None else values[start : start + length])
        start += length or 0
    return found


def _leaf(kind: pa.DataType) -> Callable[[pa.Array], list[Any]] | None:
    import pyarrow as pa

    is_ = pa.types
    if is_.is_decimal(kind):
        return lambda column: [None if v is None else f"{v:f}" for v in column.to_pylist()]
    if is_.is_floating(kind):
        return lambda column: [_number(v) for v in column.to_pylist()]
    if is_.is_binary(kind):
        return lambda column: [None if v is None else base64.b64encode(v).decode("ascii") for v in column.to_pylist()]
    if is_.is_timestamp(kind) or is_.is_date(kind):
        return _moments
    if is_.is_time(kind):
        return lambda column: column.cast(pa.string()).to_pylist()
    if is_.is_duration(kind):
        return lambda column: column.cast(pa.int64()).to_pylist()
    return None


def _number(value: float | None) -> float | str | None:
    if value is None or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")


def _moments(column: pa.Array) -> list[Any]:
    """Dates and timestamps; numpy writes those too that Python's datetime can't hold."""
    import numpy as np
    import pyarrow as pa

    is_date = pa.types.is_date(column.type)
    unit = "D" if is_date else column.type.unit
    whole = column.cast(pa.date32()).cast(pa.int32()) if is_date else column.cast(pa.int64())
    numbers = whole.fill_null(0).to_numpy(zero_copy_only=False).astype("int64")
    suffix = "Z" if not is_date and column.type.tz else ""
    texts = np.datetime_as_string(numbers.astype(f"datetime64[{unit}]"))
    valid = column.is_valid().to_pylist()
    return [_trimmed(str(text)) + suffix if ok else None for text, ok in zip(texts, valid, strict=True)]


def _trimmed(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text

"""Arrow types in the form in which the engine keeps their values exactly, and back.

DuckDB would lose the nanoseconds of a timestamp with a zone, and what a duration is; those go in as another type of
the same values. Types that it can't hold are refused by name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakegate.errors import NotOffered

if TYPE_CHECKING:
    import pyarrow as pa


def engine_type(kind: pa.DataType) -> pa.DataType:
    """The type as which values of a type go into the engine. Raises NotOffered."""
    import pyarrow as pa

    is_ = pa.types
    if is_.is_struct(kind) and kind.num_fields:
        return pa.struct([pa.field(part.name, engine_type(part.type)) for part in kind])
    if is_.is_list(kind):
        return pa.list_(pa.field("element", engine_type(kind.value_type)))
    if is_.is_map(kind):
        return pa.map_(engine_type(kind.key_type), engine_type(kind.item_type))
    if is_.is_timestamp(kind) and kind.unit == "ns":
        return pa.timestamp("ns")
    if is_.is_duration(kind) or is_.is_time(kind):
        return pa.int64()
    if is_.is_float16(kind):
        return pa.float32()
    if is_.is_null(kind):
        return pa.int32()
    if is_.is_decimal256(kind) or is_.is_interval(kind) or is_.is_struct(kind):
        raise NotOffered(
            f"Comparing rows with a column of the type {kind} is not offered.",
            hint="Compare the tables' files, or read both refs with a client of your own.",
            details={"type": str(kind)},
        )
    return kind


def to_engine(column: pa.Array) -> pa.Array:
    """The values of an array in the engine's form."""
    return _cast(column, engine_type(column.type))


def from_engine(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """The values of the engine's array as the type that they were."""
    import pyarrow as pa

    if pa.types.is_null(kind):
        return pa.nulls(len(column))
    return _cast(column, kind)


def _cast(column: pa.Array, target: pa.DataType) -> pa.Array:
    import pyarrow as pa

    if column.type == target:
        return column
    is_ = pa.types
    if is_.is_time(column.type) and is_.is_integer(target):
        return column.cast(pa.int32() if column.type.bit_width == 32 else pa.int64()).cast(target)
    if is_.is_time(target) and is_.is_integer(column.type):
        return column.cast(pa.int32() if target.bit_width == 32 else pa.int64()).cast(target)
    return column.cast(target)

"""Gives columns as a data file holds them the names and types of the table's schema.

What a file lacks is null, what the table lacks is left out, and values are cast to wider types; at every depth.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from lakegate.errors import ErrorKind, Refused
from lakegate.tables.schema import Array, DataType, Field, Map, Primitive, Struct, arrow_type

if TYPE_CHECKING:
    import pyarrow as pa

_FIELD_ID = b"PARQUET:field_id"


class Matching(StrEnum):
    """How a logical field finds its column in a data file (Delta protocol, Column Mapping)."""

    NAME = "none"
    PHYSICAL_NAME = "name"
    ID = "id"


def find_column(fields: Iterable[pa.Field], wanted: Field, matching: Matching) -> int | None:
    """The position of the column that holds a logical field; None where the file has none."""
    for position, candidate in enumerate(fields):
        if matching is Matching.ID:
            found = (candidate.metadata or {}).get(_FIELD_ID)
            if found is not None and wanted.id is not None and int(found) == wanted.id:
                return position
        elif candidate.name == (wanted.name if matching is Matching.NAME else wanted.physical_name):
            return position
    return None


def conform(column: pa.Array, kind: DataType, matching: Matching) -> pa.Array:
    """Makes of a column an array of the type's Arrow form. Raises pyarrow.ArrowInvalid where a value does not fit."""
    import pyarrow as pa

    target = arrow_type(kind)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if matching is Matching.NAME and column.type == target:
        return column
    if kind == Primitive("variant"):
        return _variant(column, target)
    match kind:
        case Primitive():
            return column if column.type == target else column.cast(target)
        case Struct(fields):
            return _struct(column, fields, matching, target)
        case Array(element):
            offsets, values = _flattened(column)
            return pa.ListArray.from_arrays(offsets, conform(values, element, matching), type=target)
        case Map(key, value):
            column = _map_as_list(column)
            offsets, pairs = _flattened(column)
            return pa.MapArray.from_arrays(
                offsets,
                conform(pairs.field(0), key, matching),
                conform(pairs.field(1), value, matching),
                type=target,
            )


def _struct(column: pa.Array, fields: tuple[Field, ...], matching: Matching, target: pa.DataType) -> pa.Array:
    import pyarrow as pa

    children: list[pa.Array] = []
    for part in fields:
        position = find_column(column.type, part, matching)
        if position is None:
            children.append(pa.nulls(len(column), arrow_type(part.type)))
        else:
            children.append(conform(column.field(position), part.type, matching))
    if not children:
        return column.cast(target)
    return pa.StructArray.from_arrays(children, fields=list(target), mask=column.is_null())


def _flattened(column: pa.Array) -> tuple[pa.Array, Any]:
    """The offsets of the lists of a column, null where a list is null, and the values that they hold."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    lengths = pc.call_function("list_value_length", [column])
    counted = lengths.fill_null(0).to_numpy(zero_copy_only=False)
    offsets = np.zeros(len(column) + 1, dtype=np.int64)
    np.cumsum(counted, out=offsets[1:])
    nulls = np.append(lengths.is_null().to_numpy(zero_copy_only=False), False)
    return pa.array(offsets.astype(np.int32), mask=nulls), column.flatten()


def _map_as_list(column: pa.Array) -> pa.Array:
    import pyarrow as pa

    if not pa.types.is_map(column.type):
        return column
    kind = column.type
    return column.cast(pa.list_(pa.struct([kind.key_field, kind.item_field])))


def _variant(column: pa.Array, target: pa.DataType) -> pa.Array:
    import pyarrow as pa

    if any(part.name == "typed_value" for part in column.type):
        raise Refused(
            ErrorKind.DELTA_FEATURE_UNKNOWN,
            "Reading shredded variant columns is not offered.",
            hint="Read the table with a client that knows them, through the S3 gateway.",
        )
    children = [column.field(part.name).cast(part.type) for part in target]
    return pa.StructArray.from_arrays(children, fields=list(target), mask=column.is_null())

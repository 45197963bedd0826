"""Delta's schema JSON as types, and to and from Arrow.

A Parquet dataset's schema is kept in the same form. Where Delta has no name for an Arrow type, or only one that loses
something (`timestamp[ns]`, `uint64`, `time64[us]`), Arrow's own name stands for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lakegate.errors import ErrorKind, InvalidInput, Refused
from lakegate.format.canonical import canonical_json

if TYPE_CHECKING:
    import pyarrow as pa

PHYSICAL_NAME = "delta.columnMapping.physicalName"
COLUMN_ID = "delta.columnMapping.id"

_DECIMAL = re.compile(r"decimal\(\s*(\d+)\s*,\s*(-?\d+)\s*\)")
_PLAIN = frozenset(
    {
        "string",
        "long",
        "integer",
        "short",
        "byte",
        "float",
        "double",
        "boolean",
        "binary",
        "date",
        "timestamp",
        "timestamp_ntz",
        "variant",
        "void",
    }
)
_ARROW_NAME = re.compile(
    r"u?int(8|16|32|64)|halffloat|time32\[m?s\]|time64\[[un]s\]|duration\[(s|ms|us|ns)\]|timestamp\[ns(, tz=UTC)?\]"
    r"|month_day_nano_interval"
)


@dataclass(frozen=True, slots=True)
class Primitive:
    """A type without parts, by Delta's name (`long`, `decimal(10,2)`), or Arrow's where Delta has none."""

    name: str

    @property
    def decimal(self) -> tuple[int, int] | None:
        """Precision and scale of a decimal."""
        found = _DECIMAL.fullmatch(self.name)
        return (int(found[1]), int(found[2])) if found else None


@dataclass(frozen=True, slots=True)
class Array:
    element: DataType
    contains_null: bool = True


@dataclass(frozen=True, slots=True)
class Map:
    key: DataType
    value: DataType
    value_contains_null: bool = True


@dataclass(frozen=True, slots=True)
class Field:
    """One field. `physical_name` and `id` are those of column mapping, where the table has it."""

    name: str
    type: DataType
    nullable: bool = True
    metadata: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def physical_name(self) -> str:
        return str(self.metadata.get(PHYSICAL_NAME, self.name))

    @property
    def id(self) -> int | None:
        found = self.metadata.get(COLUMN_ID)
        return int(found) if found is not None else None


@dataclass(frozen=True, slots=True)
class Struct:
    fields: tuple[Field, ...] = ()

    def field(self, name: str) -> Field | None:
        """The field of this name; without one, the only field whose name differs in letter case."""
        for candidate in self.fields:
            if candidate.name == name:
                return candidate
        folded = [candidate for candidate in self.fields if candidate.name.lower() == name.lower()]
        return folded[0] if len(folded) == 1 else None


DataType = Primitive | Array | Map | Struct


# -- Delta's JSON -----------------------------------------------------------------------------------------------------


def parse_schema(text: str) -> Struct:
    """Parses schema JSON. Raises InvalidInput(INVALID_TABLE) where it is none."""
    try:
        found = _parse_type(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InvalidInput(
            ErrorKind.INVALID_TABLE, f"A table's schema can't be parsed: {error}.", hint="Check the table's metadata."
        ) from error
    if not isinstance(found, Struct):
        raise InvalidInput(
            ErrorKind.INVALID_TABLE,
            f"A table's schema is no struct: {text[:80]}",
            hint="Check the table's metadata.",
        )
    return found


def render_schema(schema: Struct) -> str:
    """Renders a schema as canonical JSON."""
    return canonical_json(_render(schema))


def type_words(kind: DataType) -> str:
    """A type in words, as Spark writes them: `array<struct<a: long>>`."""
    match kind:
        case Primitive(name):
            return name
        case Array(element):
            return f"array<{type_words(element)}>"
        case Map(key, value):
            return f"map<{type_words(key)}, {type_words(value)}>"
        case Struct(fields):
            return "struct<" + ", ".join(f"{part.name}: {type_words(part.type)}" for part in fields) + ">"


def _parse_type(given: Any) -> DataType:
    if isinstance(given, str):
        return Primitive(given)
    match given["type"]:
        case "struct":
            return Struct(
                tuple(
                    Field(
                        str(part["name"]),
                        _parse_type(part["type"]),
                        bool(part.get("nullable", True)),
                        dict(part.get("metadata") or {}),
                    )
                    for part in given["fields"]
                )
            )
        case "array":
            return Array(_parse_type(given["elementType"]), bool(given.get("containsNull", True)))
        case "map":
            return Map(
                _parse_type(given["keyType"]),
                _parse_type(given["valueType"]),
                bool(given.get("valueContainsNull", True)),
            )
        case other:
            raise ValueError(f"unknown type {other!r}")


def _render(kind: DataType) -> Any:
    match kind:
        case Primitive(name):
            return name
        case Array(element, contains_null):
            return {"type": "array", "elementType": _render(element), "containsNull": contains_null}
        case Map(key, value, contains_null):
            return {
                "type": "map",
                "keyType": _render(key),
                "valueType": _render(value),
                "valueContainsNull": contains_null,
            }
        case Struct(fields):
            return {
                "type": "struct",
                "fields": [
                    {
                        "name": part.name,
                        "type": _render(part.type),
                        "nullable": part.nullable,
                        "metadata": dict(part.metadata),
                    }
                    for part in fields
                ],
            }


# -- Arrow ------------------------------------------------------------------------------------------------------------


def arrow_schema(schema: Struct) -> pa.Schema:
    """The Arrow schema of a table's logical columns. Every field is nullable: readers don't check constraints, and
    files written before a column was there hold none. Raises Refused(DELTA_FEATURE_UNKNOWN) for unknown types."""
    import pyarrow as pa

    return pa.schema([pa.field(part.name, arrow_type(part.type)) for part in schema.fields])


def arrow_type(kind: DataType) -> pa.DataType:
    """The Arrow type of a logical type. Raises Refused(DELTA_FEATURE_UNKNOWN) for unknown ones."""
    import pyarrow as pa

    match kind:
        case Primitive():
            return _arrow_primitive(kind)
        case Array(element):
            return pa.list_(pa.field("element", arrow_type(element)))
        case Map(key, value):
            return pa.map_(arrow_type(key), arrow_type(value))
        case Struct(fields):
            return pa.struct([pa.field(part.name, arrow_type(part.type)) for part in fields])


def _arrow_primitive(kind: Primitive) -> pa.DataType:
    import pyarrow as pa

    name = kind.name
    if name in _PLAIN:
        return {
            "string": pa.string(),
            "long": pa.int64(),
            "integer": pa.int32(),
            "short": pa.int16(),
            "byte": pa.int8(),
            "float": pa.float32(),
            "double": pa.float64(),
            "boolean": pa.bool_(),
            "binary": pa.binary(),
            "date": pa.date32(),
            "timestamp": pa.timestamp("us", tz="UTC"),
            "timestamp_ntz": pa.timestamp("us"),
            "variant": pa.struct([pa.field("metadata", pa.binary()), pa.field("value", pa.binary())]),
            "void": pa.null(),
        }[name]
    if kind.decimal is not None:
        precision, scale = kind.decimal
        if 1 <= precision <= 38:
            return pa.decimal128(precision, scale)
        if precision <= 76:
            return pa.decimal256(precision, scale)
    if name == "timestamp[ns, tz=UTC]":
        return pa.timestamp("ns", tz="UTC")
    if _ARROW_NAME.fullmatch(name):
        return pa.type_for_alias(name)
    raise Refused(
        ErrorKind.DELTA_FEATURE_UNKNOWN,
        f"Reading columns of type {name!r} is not offered.",
        hint="Read the table with a client that knows the type, through the S3 gateway.",
        details={"type": name},
    )


def from_arrow(schema: pa.Schema) -> Struct:
    """The schema of what Arrow describes. Raises InvalidInput(INVALID_TABLE) for a type that has no name here."""
    return Struct(tuple(_from_arrow_field(part) for part in schema))


def _from_arrow_field(part: pa.Field) -> Field:
    return Field(str(part.name), from_arrow_type(part.type), bool(part.nullable))


def from_arrow_type(kind: pa.DataType) -> DataType:
    """The type of an Arrow type. Raises InvalidInput(INVALID_TABLE) for one that has no name here."""
    import pyarrow as pa

    is_ = pa.types
    if is_.is_struct(kind):
        return Struct(tuple(_from_arrow_field(part) for part in kind))
    if is_.is_map(kind):
        return Map(from_arrow_type(kind.key_type), from_arrow_type(kind.item_type), bool(kind.item_field.nullable))
    if (
        is_.is_list(kind)
        or is_.is_large_list(kind)
        or is_.is_fixed_size_list(kind)
        or is_.is_list_view(kind)
        or is_.is_large_list_view(kind)
    ):
        return Array(from_arrow_type(kind.value_type), bool(kind.value_field.nullable))
    if is_.is_dictionary(kind) or is_.is_run_end_encoded(kind):
        return from_arrow_type(kind.value_type)
    return Primitive(_primitive_name(kind))


def _primitive_name(kind: pa.DataType) -> str:
    import pyarrow as pa

    is_ = pa.types
    names = {
        pa.bool_(): "boolean",
        pa.int8(): "byte",
        pa.int16(): "short",
        pa.int32(): "integer",
        pa.int64(): "long",
        pa.float32(): "float",
        pa.float64(): "double",
        pa.string(): "string",
        pa.large_string(): "string",
        pa.string_view(): "string",
        pa.binary(): "binary",
        pa.large_binary(): "binary",
        pa.binary_view(): "binary",
        pa.date32(): "date",
        pa.date64(): "date",
        pa.null(): "void",
    }
    if kind in names:
        return names[kind]
    if is_.is_fixed_size_binary(kind):
        return "binary"
    if is_.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    if is_.is_timestamp(kind):
        if kind.unit == "ns":
            return "timestamp[ns, tz=UTC]" if kind.tz else "timestamp[ns]"
        return "timestamp" if kind.tz else "timestamp_ntz"
    if _ARROW_NAME.fullmatch(str(kind)):
        return str(kind)
    raise InvalidInput(
        ErrorKind.INVALID_TABLE,
        f"A column of the Arrow type {kind} has no place in a table's schema.",
        hint="Write the column with another type.",
        details={"type": str(kind)},
    )

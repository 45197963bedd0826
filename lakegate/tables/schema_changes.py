"""What changed in the definition of a table from one version to another, in words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from lakegate.model import Protocol, TableVersion
from lakegate.tables.schema import (
    COLUMN_ID,
    PHYSICAL_NAME,
    Array,
    DataType,
    Field,
    Map,
    Struct,
    parse_schema,
    type_words,
)

_CONSTRAINT = "delta.constraints."
_SILENT_METADATA = frozenset({COLUMN_ID, PHYSICAL_NAME})
# Properties that writers keep as bookkeeping, and the ones whose change the schema shows already.
_SILENT_PROPERTIES = frozenset({"delta.columnMapping.maxColumnId"})


def definition_changes(left: TableVersion, right: TableVersion) -> tuple[str, ...]:
    """Says how schema, partitioning, properties, constraints, protocol and domains differ; () where they do not.

    Columns are the same by column mapping's id where both sides have ids, so that a rename shows as one; else by name.
    """
    words: list[str] = []
    if left.schema != right.schema:
        words.extend(_struct_changes(parse_schema(left.schema), parse_schema(right.schema), ""))
    if left.partition_columns != right.partition_columns:
        words.append(f"partitioning: {_listed(left.partition_columns)} to {_listed(right.partition_columns)}")
    words.extend(_property_changes(left.properties, right.properties))
    words.extend(_protocol_changes(left.protocol, right.protocol))
    words.extend(_domain_changes(left.domains, right.domains))
    if left.name != right.name:
        words.append(f"name: {left.name or '(none)'} to {right.name or '(none)'}")
    return tuple(words)


def _struct_changes(left: Struct, right: Struct, path: str) -> Iterator[str]:
    pairs = _paired(left, right)
    paired = {id(new) for _, new in pairs}
    for old, new in pairs:
        if new is None:
            yield f"dropped column {path}{old.name}"
        else:
            yield from _field_changes(old, new, path)
    for new in right.fields:
        if id(new) not in paired:
            nullable = "" if new.nullable else ", not nullable"
            yield f"added column {path}{new.name} {type_words(new.type)}{nullable}"
    kept_before = [new.name for _, new in pairs if new is not None]
    kept_after = [new.name for new in right.fields if id(new) in paired]
    if kept_before != kept_after:
        yield f"columns {'of ' + path[:-1] + ' ' if path else ''}in another order: {', '.join(kept_after)}"


def _paired(left: Struct, right: Struct) -> list[tuple[Field, Field | None]]:
    """Each field on the left with the one that it became."""
    if _has_ids(left) and _has_ids(right):
        by_id = {new.id: new for new in right.fields}
        return [(old, by_id.get(old.id)) for old in left.fields]
    by_name = {new.name: new for new in right.fields}
    return [(old, by_name.get(old.name)) for old in left.fields]


def _has_ids(struct: Struct) -> bool:
    return all(part.id is not None for part in struct.fields)


def _field_changes(old: Field, new: Field, path: str) -> Iterator[str]:
    if old.name != new.name:
        yield f"renamed column {path}{old.name} to {new.name}"
    name = f"{path}{new.name}"
    yield from _type_changes(old.type, new.type, name)
    if old.nullable != new.nullable:
        yield f"column {name}: {'now nullable' if new.nullable else 'no longer nullable'}"
    for key in sorted({*old.metadata, *new.metadata} - _SILENT_METADATA):
        if old.metadata.get(key) != new.metadata.get(key):
            yield f"column {name}: {_value_change(key, old.metadata, new.metadata)}"


def _type_changes(old: DataType, new: DataType, name: str) -> Iterator[str]:
    match old, new:
        case Struct(), Struct():
            yield from _struct_changes(old, new, name + ".")
        case Array(), Array():
            yield from _type_changes(old.element, new.element, f"{name}.element")
            if old.contains_null != new.contains_null:
                yield f"column {name}: elements {'now nullable' if new.contains_null else 'no longer nullable'}"
        case Map(), Map():
            yield from _type_changes(old.key, new.key, f"{name}.key")
            yield from _type_changes(old.value, new.value, f"{name}.value")
            if old.value_contains_null != new.value_contains_null:
                yield f"column {name}: values {'now nullable' if new.value_contains_null else 'no longer nullable'}"
        case _:
            if old != new:
                yield f"column {name}: {type_words(old)} to {type_words(new)}"


def _property_changes(left: Mapping[str, str], right: Mapping[str, str]) -> Iterator[str]:
    for key in sorted({*left, *right} - _SILENT_PROPERTIES):
        if left.get(key) == right.get(key):
            continue
        if key.startswith(_CONSTRAINT):
            name = key.removeprefix(_CONSTRAINT)
            if key not in right:
                yield f"dropped constraint {name}"
            else:
                yield f"{'changed' if key in left else 'added'} constraint {name}: {right[key]}"
        else:
            yield f"property {_value_change(key, left, right)}"


def _protocol_changes(left: Protocol | None, right: Protocol | None) -> Iterator[str]:
    if left is None or right is None:
        return
    before = (left.min_reader, left.min_writer)
    after = (right.min_reader, right.min_writer)
    if before != after:
        yield f"protocol: reader {before[0]}, writer {before[1]} to reader {after[0]}, writer {after[1]}"
    old = {*left.reader_features, *left.writer_features}
    new = {*right.reader_features, *right.writer_features}
    yield from (f"added feature {name}" for name in sorted(new - old))
    yield from (f"dropped feature {name}" for name in sorted(old - new))


def _domain_changes(left: Mapping[str, str], right: Mapping[str, str]) -> Iterator[str]:
    for name in sorted({*left, *right}):
        if name not in right:
            yield f"dropped domain {name}"
        elif left.get(name) != right[name]:
            yield f"{'changed' if name in left else 'added'} domain {name}"


def _value_change(key: str, left: Mapping[str, Any], right: Mapping[str, Any]) -> str:
    if key not in right:
        return f"{key} removed (was {_shown(left[key])})"
    if key not in left:
        return f"{key} set to {_shown(right[key])}"
    return f"{key}: {_shown(left[key])} to {_shown(right[key])}"


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def _listed(columns: tuple[str, ...]) -> str:
    return "(" + ", ".join(columns) + ")"

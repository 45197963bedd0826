"""One schema for the files of a Parquet dataset: columns united, types promoted.

Files whose types can't be brought together don't stop a commit: the column takes the type of the last file in the
order of paths, and the clash is kept in words, to be seen in the table's properties and in diffs.
"""

from __future__ import annotations

from collections.abc import Iterable

from lakegate.tables.schema import Array, DataType, Field, Map, Primitive, Struct, type_words

_INTEGERS = ("byte", "short", "integer", "long")
_UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
_DIGITS = {"byte": 3, "short": 5, "integer": 10, "long": 19}
_FLOATS = ("halffloat", "float", "double")
_MOST_DIGITS = 38


def unify(schemas: Iterable[Struct]) -> tuple[Struct, tuple[str, ...]]:
    """Unites schemas, in the order of the files that have them. Also returns the clashes, as "column: type, type"."""
    united: Struct | None = None
    clashes: list[str] = []
    for schema in schemas:
        united = schema if united is None else _structs(united, schema, "", clashes)
    return united or Struct(), tuple(dict.fromkeys(clashes))


def _structs(left: Struct, right: Struct, path: str, clashes: list[str]) -> Struct:
    other = {part.name: part for part in right.fields}
    fields: list[Field] = []
    for part in left.fields:
        found = other.pop(part.name, None)
        if found is None:
            fields.append(Field(part.name, part.type, True, part.metadata))
            continue
        kind = _types(part.type, found.type, f"{path}{part.name}", clashes)
        fields.append(Field(part.name, kind, part.nullable or found.nullable, part.metadata))
    fields.extend(Field(part.name, part.type, True, part.metadata) for part in other.values())
    return Struct(tuple(fields))


def _types(left: DataType, right: DataType, path: str, clashes: list[str]) -> DataType:
    if left == right:
        return left
    match left, right:
        case Struct(), Struct():
            return _structs(left, right, path + ".", clashes)
        case Array(), Array():
            element = _types(left.element, right.element, path + ".element", clashes)
            return Array(element, left.contains_null or right.contains_null)
        case Map(), Map():
            return Map(
                _types(left.key, right.key, path + ".key", clashes),
                _types(left.value, right.value, path + ".value", clashes),
                left.value_contains_null or right.value_contains_null,
            )
        case Primitive(), Primitive():
            kind = promoted(left, right)
            if kind is not None:
                return kind
        case Primitive("void"), other:
            return other
        case other, Primitive("void"):
            return other
        case _:
            pass
    clashes.append(f"{path}: {type_words(left)}, {type_words(right)}")
    return right


def promoted(left: Primitive, right: Primitive) -> Primitive | None:
    """The least type that holds the values of both; None where there is none."""
    names = {left.name, right.name}
    if "void" in names:
        return right if left.name == "void" else left
    for family in (_INTEGERS, _UNSIGNED, _FLOATS):
        if names <= set(family):
            return Primitive(max(names, key=family.index))
    if names <= {*_INTEGERS, *_FLOATS}:
        return Primitive("double")
    if names <= {*_INTEGERS, *_UNSIGNED} and "uint64" not in names:
        return Primitive("long")
    for coarse, fine in (("timestamp", "timestamp[ns, tz=UTC]"), ("timestamp_ntz", "timestamp[ns]")):
        if names == {coarse, fine}:
            return Primitive(fine)
    return _decimals(left, right)


def _decimals(left: Primitive, right: Primitive) -> Primitive | None:
    known = [part.decimal or ((_DIGITS[part.name], 0) if part.name in _DIGITS else None) for part in (left, right)]
    if known[0] is None or known[1] is None:
        return None
    whole = max(precision - scale for precision, scale in (known[0], known[1]))
    scale = max(known[0][1], known[1][1])
    return Primitive(f"decimal({whole + scale},{scale})") if whole + scale <= _MOST_DIGITS else None

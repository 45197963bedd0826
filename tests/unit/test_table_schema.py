"""Schemas: Delta's JSON, Arrow, uniting, and changes in words."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakegate.errors import ErrorKind, InvalidInput, Refused
from lakegate.ids import NodeId
from lakegate.model import Protocol, TableFormat, TableVersion
from lakegate.tables.schema import (
    Array,
    DataType,
    Field,
    Map,
    Primitive,
    Struct,
    arrow_schema,
    arrow_type,
    from_arrow,
    parse_schema,
    render_schema,
    type_words,
)
from lakegate.tables.schema_changes import definition_changes
from lakegate.tables.unify import unify

PRIMITIVES = [
    *("string", "long", "integer", "short", "byte", "float", "double", "boolean", "binary", "date"),
    *("timestamp", "timestamp_ntz", "void", "decimal(10,2)", "decimal(38,0)"),
    *("uint8", "uint64", "time64[us]", "duration[ns]", "timestamp[ns]", "timestamp[ns, tz=UTC]", "halffloat"),
]


def types(primitives: st.SearchStrategy[DataType] | None = None) -> st.SearchStrategy[DataType]:
    leaves: st.SearchStrategy[DataType] = primitives or st.sampled_from(PRIMITIVES).map(Primitive)

    def deeper(inner: st.SearchStrategy[DataType]) -> st.SearchStrategy[DataType]:
        fields = st.lists(st.tuples(st.text("abcé .", min_size=1, max_size=3), inner), min_size=1, max_size=3)
        return st.one_of(
            inner.map(Array),
            st.tuples(st.sampled_from(["string", "long"]).map(Primitive), inner).map(lambda t: Map(*t)),
            fields.map(lambda named: Struct(tuple(Field(n, t) for n, t in dict(named).items()))),
        )

    return st.recursive(leaves, deeper, max_leaves=6)


schemas = st.lists(st.tuples(st.text("xyz", min_size=1, max_size=2), types()), max_size=4).map(
    lambda named: Struct(tuple(Field(n, t) for n, t in dict(named).items()))
)


@given(schemas)
def test_json_round_trip(schema: Struct) -> None:
    assert parse_schema(render_schema(schema)) == schema


@given(schemas)
def test_arrow_round_trip(schema: Struct) -> None:
    assert from_arrow(arrow_schema(schema)) == schema


def test_parses_what_spark_writes() -> None:
    text = json.dumps(
        {
            "type": "struct",
            "fields": [
                {"name": "id", "type": "long", "nullable": False, "metadata": {"comment": "key"}},
                {
                    "name": "tags",
                    "type": {
                        "type": "map",
                        "keyType": "string",
                        "valueType": {"type": "array", "elementType": "decimal(5, 2)", "containsNull": False},
                        "valueContainsNull": True,
                    },
                    "nullable": True,
                    "metadata": {},
                },
            ],
        }
    )
    schema = parse_schema(text)
    assert [part.name for part in schema.fields] == ["id", "tags"]
    assert not schema.fields[0].nullable
    assert arrow_schema(schema).types == [pa.int64(), pa.map_(pa.string(), pa.list_(pa.decimal128(5, 2)))]
    assert type_words(schema.fields[1].type) == "map<string, array<decimal(5, 2)>>"


@pytest.mark.parametrize("text", ["", "[]", '"long"', '{"type":"struct"}', '{"type":"struct","fields":[{"name":"x"}]}'])
def test_refuses_what_is_no_schema(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_schema(text)
    assert caught.value.kind is ErrorKind.INVALID_TABLE


def test_refuses_unknown_types_by_name() -> None:
    with pytest.raises(Refused) as caught:
        arrow_type(Primitive("geometry(4326)"))
    assert caught.value.kind is ErrorKind.DELTA_FEATURE_UNKNOWN
    assert "geometry(4326)" in caught.value.message


def test_arrow_types_with_other_layouts_have_the_same_names() -> None:
    schema = pa.schema(
        [
            ("a", pa.large_string()),
            ("b", pa.dictionary(pa.int32(), pa.string())),
            ("c", pa.large_list(pa.int8())),
            ("d", pa.timestamp("ms", tz="Europe/Berlin")),
            ("e", pa.date64()),
        ]
    )
    assert [type_words(part.type) for part in from_arrow(schema).fields] == [
        *("string", "string", "array<byte>", "timestamp", "date"),
    ]


# -- uniting ----------------------------------------------------------------------------------------------------------


def struct(**columns: str | DataType) -> Struct:
    return Struct(tuple(Field(n, Primitive(t) if isinstance(t, str) else t) for n, t in columns.items()))


@pytest.mark.parametrize(
    ("left", "right", "both"),
    [
        ("integer", "long", "long"),
        ("float", "integer", "double"),
        ("void", "date", "date"),
        ("decimal(5,2)", "decimal(10,0)", "decimal(12,2)"),
        ("decimal(5,2)", "long", "decimal(21,2)"),
        ("uint8", "short", "long"),
        ("timestamp", "timestamp[ns, tz=UTC]", "timestamp[ns, tz=UTC]"),
    ],
)
def test_types_are_promoted(left: str, right: str, both: str) -> None:
    for first, second in ((left, right), (right, left)):
        united, clashes = unify([struct(x=first), struct(x=second)])
        assert united == struct(x=both)
        assert clashes == ()


def test_columns_are_united_at_every_depth() -> None:
    united, clashes = unify([struct(a="long", s=struct(x="byte")), struct(s=struct(y="date", x="short"), b="string")])
    assert united == struct(a="long", s=struct(x="short", y="date"), b="string")
    assert clashes == ()


def test_a_clash_takes_the_last_type_and_is_told() -> None:
    united, clashes = unify([struct(a="long"), struct(a="string"), struct(a="string")])
    assert united == struct(a="string")
    assert clashes == ("a: long, string",)


# -- changes in words -------------------------------------------------------------------------------------------------


def version(schema: Struct, **changes: Any) -> TableVersion:
    base = TableVersion("t", TableFormat.DELTA, 1, render_schema(schema), (), NodeId("n"), 1, 1, 1, "d", 0)
    return replace(base, **changes)


def mapped(*columns: tuple[str, int, str]) -> Struct:
    return Struct(
        tuple(
            Field(n, Primitive(t), True, {"delta.columnMapping.id": i, "delta.columnMapping.physicalName": f"c{i}"})
            for n, i, t in columns
        )
    )


def test_no_change_has_no_words() -> None:
    one = version(struct(a="long"))
    assert definition_changes(one, replace(one, version=2, digest="e")) == ()


def test_added_dropped_and_retyped_columns() -> None:
    left = version(struct(a="long", b="string", s=struct(x="byte")))
    right = version(struct(a="double", s=struct(x="byte", y="date"), c="date"))
    assert definition_changes(left, right) == (
        "column a: long to double",
        "dropped column b",
        "added column s.y date",
        "added column c date",
    )


def test_renames_by_column_mapping() -> None:
    left = version(mapped(("a", 1, "long"), ("b", 2, "string")))
    right = version(mapped(("total", 1, "long"), ("b", 3, "string")))
    assert definition_changes(left, right) == ("renamed column a to total", "dropped column b", "added column b string")


def test_nullability_and_order() -> None:
    left = version(Struct((Field("a", Primitive("long")), Field("b", Primitive("long")))))
    right = version(Struct((Field("b", Primitive("long")), Field("a", Primitive("long"), False))))
    assert definition_changes(left, right) == ("column a: no longer nullable", "columns in another order: b, a")


def test_partitioning_properties_constraints_protocol_domains() -> None:
    left = version(struct(a="long"), properties={"k": "1", "gone": "x"}, protocol=Protocol(1, 2))
    right = version(
        struct(a="long"),
        partition_columns=("a",),
        properties={"k": "2", "delta.constraints.pos": "a > 0"},
        protocol=Protocol(3, 7, ("deletionVectors",), ("deletionVectors", "appendOnly")),
        domains={"delta.clustering": "{}"},
    )
    assert definition_changes(left, right) == (
        "partitioning: () to (a)",
        "added constraint pos: a > 0",
        "property gone removed (was x)",
        "property k: 1 to 2",
        "protocol: reader 1, writer 2 to reader 3, writer 7",
        "added feature appendOnly",
        "added feature deletionVectors",
        "added domain delta.clustering",
    )

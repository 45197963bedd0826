"""Conditions of logs: what is understood of them, and what they say of partitions and rows."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from lakegate.errors import Refused
from lakegate.tables.conditions import fails
from lakegate.tables.predicates import Column, Truth, Value, columns_of, evaluate, is_plain, parse_predicate

VALUES: dict[str, Value] = {
    "p": 1,
    "s": "o'x",
    "n": None,
    "t": True,
    "d": 1.5,
    "nan": math.nan,
    "day": date(2026, 1, 5),
}


def truth(text: str) -> Truth:
    return evaluate(parse_predicate(text), lambda name: (name in VALUES, VALUES.get(name)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("p = 1", Truth.TRUE),
        ("1 <= p", Truth.TRUE),
        ("p == 1 AND s = 'o''x'", Truth.TRUE),
        ("(p#12L = 1)", Truth.TRUE),
        ("`p` = '1'", Truth.TRUE),
        ("p <> 1", Truth.FALSE),
        ("NOT (p > 5)", Truth.TRUE),
        ("p IN (2, 3) OR d BETWEEN 1 AND 2.5", Truth.TRUE),
        ("p NOT IN (1)", Truth.FALSE),
        ("n IS NULL", Truth.TRUE),
        ("n is not null", Truth.FALSE),
        ("n = 1", Truth.NULL),
        ("n <=> null", Truth.TRUE),
        ("n = 1 or p = 1", Truth.TRUE),
        ("t = true", Truth.TRUE),
        ("((p) = (1))", Truth.TRUE),
        ("false", Truth.FALSE),
        ("unknown_column = 1", Truth.UNKNOWN),
        ("unknown_column = 1 and p = 2", Truth.FALSE),
        ("unknown_column = 1 or p = 1", Truth.TRUE),
        ("not (unknown_column = 1)", Truth.UNKNOWN),
        ("p = 'x'", Truth.UNKNOWN),
        # Engines differ in these.
        ("p = '1.0'", Truth.UNKNOWN),
        ("p > '0'", Truth.UNKNOWN),
        ("s <> 1", Truth.UNKNOWN),
        ("t = 1", Truth.UNKNOWN),
        ("nan > 1", Truth.UNKNOWN),
        ("day = '2026-01-05'", Truth.TRUE),
        ("day < '2026-01-05'", Truth.FALSE),
        ("day = '2026-1-5'", Truth.UNKNOWN),
        ("day = 20260105", Truth.UNKNOWN),
    ],
)
def test_what_a_condition_says_of_known_values(text: str, expected: Truth) -> None:
    assert truth(text) is expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "abs(p) = 1",
        "p + 1 = 2",
        "p LIKE 'a%'",
        "p = 1 and f(p) = 2",
        "p =",
        "case when p = 1 then 2 end",
        "(" * 5000,
    ],
)
def test_what_is_not_plain_is_unknown(text: str) -> None:
    found = parse_predicate(text)
    assert not is_plain(found)
    assert evaluate(found, lambda _: (True, 1)) is Truth.UNKNOWN


def test_the_columns_of_a_condition() -> None:
    found = columns_of(parse_predicate("a = 1 and not (t.b > c or d is null)"))
    assert found == {Column("a"), Column("b", ("t",)), Column("c"), Column("d")}


@pytest.mark.parametrize(("text", "inside"), [("t.s.p = 1", True), ("S.p = 1", True), ("t.p = 1", False)])
def test_a_field_of_a_column_is_not_a_column_of_that_name(text: str, inside: bool) -> None:
    (column,) = columns_of(parse_predicate(text))
    assert (column.name, column.is_field({"s", "p"})) == ("p", inside)


@pytest.mark.parametrize(
    ("text", "rows", "expected"),
    [
        ("a > 0", [1, 2], False),
        ("a > 0", [1, 0], True),
        ("a > 0", [1, None], True),  # NULL is not true
        ("a > 1.5", [2, 3], False),
        ("a > 1.5", [1, 3], True),
        ("a is null or a in (1, 2)", [1, None], False),
        ("not (a between 2 and 4)", [1, 5], False),
        ("true", [1], False),
        ("a > 0", [], False),
    ],
)
def test_rows_that_break_a_condition(text: str, rows: list[object], expected: bool) -> None:
    columns = pa.record_batch({"a": pa.array(rows, pa.int64())})
    assert fails(parse_predicate(text), columns) is expected


DAY, MOMENT = date(2026, 5, 1), datetime(2026, 5, 1, 12)


@pytest.mark.parametrize(
    ("text", "value", "kind", "expected"),
    [
        ("a >= '2026-01-01'", DAY, pa.date32(), False),
        ("a < '2026-01-01'", DAY, pa.date32(), True),
        ("a > '2026-05-01 11:59:59'", MOMENT, pa.timestamp("us"), False),
        ("a > '2026-05-01T11:00:00Z'", MOMENT.replace(tzinfo=UTC), pa.timestamp("us", "UTC"), False),
        ("a < 1.005", Decimal("1.00"), pa.decimal128(5, 2), False),
        ("a = 1", Decimal("1.00"), pa.decimal128(5, 2), False),
        ("a < 300", 100, pa.int8(), False),
        ("a = 0.1", 0.1, pa.float32(), True),  # the nearest float of 0.1 is not the nearest double
        ("a > 9", "10", pa.string(), None),
        ("a > '9'", 10, pa.int64(), None),
        ("a = 1", True, pa.bool_(), None),
        ("a > 5", math.nan, pa.float64(), None),
        ("not (a > 5)", math.nan, pa.float64(), None),
        ("a < 9007199254740993.0", 2**53 + 1, pa.int64(), None),
        ("a < 100000000000000000000", 1, pa.int64(), None),
        ("a < 0.1234567890123456", Decimal("1.00"), pa.decimal128(5, 2), None),
        ("a >= 'no day'", DAY, pa.date32(), None),
        ("a >= '2026-05-01 00:00:00'", DAY, pa.date32(), None),
        ("a > '2026-05-01 11:59:59'", MOMENT.replace(tzinfo=UTC), pa.timestamp("us", "UTC"), None),
        ("a > '2026-05-01'", MOMENT, pa.timestamp("us"), None),
        ("a <=> 1", 1, pa.int64(), None),
    ],
)
def test_a_comparison_is_made_where_engines_agree_on_it(
    text: str, value: object, kind: pa.DataType, expected: bool | None
) -> None:
    """`expected` None: it can't be told."""
    rows = pa.record_batch({"a": pa.array([value], kind)})
    if expected is None:
        with pytest.raises(Refused, match="can't be evaluated"):
            fails(parse_predicate(text), rows)
    else:
        assert fails(parse_predicate(text), rows) is expected


@pytest.mark.parametrize(
    ("left", "right", "told"),
    [(1, 2, True), (1, 1.5, True), ("a", "b", True), ("1", 2, False), (1.5, Decimal("2"), False), (DAY, MOMENT, False)],
)
def test_columns_are_compared_where_they_are_of_one_kind(left: object, right: object, told: bool) -> None:
    rows = pa.record_batch({"a": pa.array([left]), "b": pa.array([right])})
    if told:
        assert not fails(parse_predicate("a < b"), rows)
    else:
        with pytest.raises(Refused):
            fails(parse_predicate("a < b"), rows)

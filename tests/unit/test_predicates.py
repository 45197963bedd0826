"""Conditions of logs: what is understood of them, and what they say of partitions and rows."""

from __future__ import annotations

import pyarrow as pa
import pytest

from lakegate.errors import Refused
from lakegate.tables.conditions import fails
from lakegate.tables.predicates import Truth, Value, columns_of, evaluate, is_plain, parse_predicate

VALUES: dict[str, Value] = {"p": 1, "s": "o'x", "n": None, "t": True, "d": 1.5}


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
    assert columns_of(parse_predicate("a = 1 and not (t.b > c or d is null)")) == {"a", "b", "c", "d"}


def batch(**columns: list[object]) -> pa.RecordBatch:
    return pa.record_batch({name: pa.array(values) for name, values in columns.items()})


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


def test_literals_take_the_columns_type() -> None:
    import datetime

    assert not fails(parse_predicate("day >= '2026-01-01'"), batch(day=[datetime.date(2026, 5, 1)]))
    with pytest.raises(Refused):
        fails(parse_predicate("day >= 'no day'"), batch(day=[datetime.date(2026, 5, 1)]))

"""Evaluates plain conditions (`lakegate.tables.predicates`) on rows.

A comparison is evaluated only where SQL engines agree on it: between values of one kind, without loss. A text beside a
number, a moment beside a text without its time zone, NaN, or an integer that no double holds are refused.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from lakegate.errors import ErrorKind, Refused
from lakegate.tables.predicates import (
    And,
    Column,
    Comparison,
    Constant,
    IsNull,
    Literal,
    Not,
    Operand,
    Or,
    Predicate,
    Unknown,
)

if TYPE_CHECKING:
    import pyarrow as pa

_FUNCTIONS = {
    "=": "equal",
    "<>": "not_equal",
    "<": "less",
    "<=": "less_equal",
    ">": "greater",
    ">=": "greater_equal",
}
_DOUBLE_DIGITS = 15
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?(?:Z|[+-]\d{2}:\d{2})?", re.ASCII)


def fails(condition: Predicate, batch: pa.RecordBatch) -> bool:
    """Tells whether a condition is false or NULL of some row. Raises Refused(DELTA_FEATURE_UNKNOWN) where it can't be
    evaluated."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        result = _evaluate(condition, batch)
        if isinstance(result, pa.Scalar):
            return batch.num_rows > 0 and result.as_py() is not True
        return bool(len(result)) and pc.call_function("all", [result.fill_null(False)]).as_py() is not True
    except (pa.ArrowException, TypeError, KeyError, OverflowError) as error:
        raise Refused(
            ErrorKind.DELTA_FEATURE_UNKNOWN,
            f"The condition can't be evaluated here: {str(error).splitlines()[0]}",
            hint="Check it with a client that knows it.",
        ) from error


def _evaluate(condition: Predicate, batch: pa.RecordBatch) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    match condition:
        case Constant(value):
            return pa.scalar(value, pa.bool_())
        case IsNull(operand):
            return pc.call_function("is_null", [_operand(operand, batch)])
        case Not(part):
            return pc.call_function("invert", [_evaluate(part, batch)])
        case And(parts):
            return _joined("and_kleene", parts, batch)
        case Or(parts):
            return _joined("or_kleene", parts, batch)
        case Comparison(operator, left, right):
            a, b = _alike(_operand(left, batch), _operand(right, batch))
            return pc.call_function(_FUNCTIONS[operator], [a, b])
        case Unknown(text):
            raise TypeError(f"{text!r} is not a plain condition")


def _alike(a: Any, b: Any) -> tuple[Any, Any]:
    """Two operands as types that compare without loss. Raises TypeError where what they mean hangs on the engine."""
    import pyarrow as pa

    if isinstance(a, pa.Scalar) and not isinstance(b, pa.Scalar):
        a = _beside(a, b.type)
    elif isinstance(b, pa.Scalar) and not isinstance(a, pa.Scalar):
        b = _beside(b, a.type)
    kinds = {_kind(a.type), _kind(b.type)}
    if "double" in kinds and kinds <= {"integer", "double"}:
        return _as_double(a), _as_double(b)
    if a.type != b.type and not kinds <= {"integer", "decimal"} and kinds != {"text"}:
        raise TypeError(f"how {a.type} compares with {b.type} hangs on the engine")
    return a, b


def _beside(literal: pa.Scalar, column: pa.DataType) -> pa.Scalar:
    """A literal as what stands beside it, where it means one thing only there."""
    import pyarrow as pa

    value = literal.as_py()
    if value is None:
        return pa.scalar(None, column)
    if isinstance(value, float) and pa.types.is_decimal(column):
        exact = Decimal(repr(value))
        if len(exact.as_tuple().digits) > _DOUBLE_DIGITS:
            raise TypeError(f"{value} is not exact")
        return pa.scalar(exact)
    wanted = _DATE if pa.types.is_date(column) else _MOMENT if pa.types.is_timestamp(column) else None
    if isinstance(value, str) and wanted is not None and wanted.fullmatch(value):
        return literal.cast(column)  # a moment with a time zone needs one in the text, or this fails
    return literal


def _as_double(operand: Any) -> Any:
    """An operand as doubles. Raises TypeError where it holds what these have not, or what engines compare each its own
    way."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_floating(operand.type):
        if pc.call_function("any", [pc.call_function("is_nan", [_column(operand)])]).as_py():
            raise TypeError("it holds NaN")
    else:
        extent = pc.call_function("min_max", [_column(operand)]).as_py()
        if any(abs(bound) > 2**53 for bound in extent.values() if bound is not None):
            raise TypeError("it holds an integer beyond the exact ones of a double")
    return operand.cast(pa.float64())


def _column(operand: Any) -> Any:
    import pyarrow as pa

    return pa.array([operand.as_py()], operand.type) if isinstance(operand, pa.Scalar) else operand


def _kind(kind: pa.DataType) -> str:
    import pyarrow as pa

    if pa.types.is_integer(kind):
        return "integer"
    if pa.types.is_floating(kind):
        return "double"
    if pa.types.is_decimal(kind):
        return "decimal"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return "text"
    return str(kind)


def _joined(function: str, parts: tuple[Predicate, ...], batch: pa.RecordBatch) -> Any:
    import pyarrow.compute as pc

    result = _evaluate(parts[0], batch)
    for part in parts[1:]:
        result = pc.call_function(function, [result, _evaluate(part, batch)])
    return result


def _operand(operand: Operand, batch: pa.RecordBatch) -> Any:
    import pyarrow as pa

    if isinstance(operand, Literal):
        return pa.scalar(operand.value)
    assert isinstance(operand, Column)
    names = {name.lower(): name for name in batch.schema.names}
    return batch.column(names[operand.name.lower()])

"""Evaluates plain conditions (`lakegate.tables.predicates`) on rows."""

from __future__ import annotations

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
    except (pa.ArrowException, TypeError, KeyError) as error:
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
            a, b = _operand(left, batch), _operand(right, batch)
            if isinstance(a, pa.Scalar) and not isinstance(b, pa.Scalar):
                a = _as_type(a, b.type)
            elif isinstance(b, pa.Scalar) and not isinstance(a, pa.Scalar):
                b = _as_type(b, a.type)
            return pc.call_function(_FUNCTIONS[operator], [a, b])
        case Unknown(text):
            raise TypeError(f"{text!r} is not a plain condition")


def _as_type(value: pa.Scalar, wanted: pa.DataType) -> pa.Scalar:
    """A literal beside a column: a number with a fraction is compared as one, also with a column of integers."""
    import pyarrow as pa

    if pa.types.is_floating(value.type) and pa.types.is_integer(wanted):
        return value
    return value.cast(wanted)


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

"""Delta's partition values, which are strings, as typed values (Delta protocol, Partition Value Serialization)."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from lakegate.errors import ErrorKind, Refused
from lakegate.tables.schema import DataType, Primitive, arrow_type, type_words

if TYPE_CHECKING:
    import pyarrow as pa

_TIMESTAMP = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[ T](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?)?\s*(Z|UTC|[+-]\d\d:?\d\d)?", re.ASCII
)
_EPOCH = datetime.datetime(1970, 1, 1)  # noqa: DTZ001 - arithmetic in UTC without a zone object
_BOOLEANS = {"true": True, "false": False}


def partition_scalar(kind: DataType, text: str | None) -> pa.Scalar:
    """The value of a partition column. None and "" are null, of every type. A timestamp that names no zone is in UTC.

    Raises Refused(DELTA_LOG_INVALID) for text that is no value of the type.
    """
    import pyarrow as pa

    target = arrow_type(kind)
    if text is None or text == "":
        return pa.scalar(None, target)
    try:
        if not isinstance(kind, Primitive):
            raise TypeError("a partition column must be of a simple type")
        if kind.decimal is not None:
            return pa.scalar(_rescaled(Decimal(text), kind.decimal[1]), target)
        return pa.scalar(_PARSERS.get(kind.name, str)(text), target)
    except (ValueError, TypeError, OverflowError, KeyError, InvalidOperation, pa.ArrowException) as error:
        raise Refused(
            ErrorKind.DELTA_LOG_INVALID,
            f"The partition value {text!r} is no value of type {type_words(kind)}.",
            hint="Check the table's log, or the names of its partition folders.",
            details={"value": text, "type": type_words(kind)},
        ) from error


def _rescaled(value: Decimal, scale: int) -> Decimal:
    shifted = value.scaleb(scale)
    if not value.is_finite() or shifted != shifted.to_integral_value():
        raise ValueError("more digits than the type has")
    return value


def _microseconds(text: str) -> int:
    found = _TIMESTAMP.fullmatch(text)
    if found is None:
        raise ValueError("no timestamp")
    year, month, day, hour, minute, second = (int(found[i] or 0) for i in range(1, 7))
    fraction = int((found[7] or "").ljust(9, "0")[:6])
    moment = datetime.datetime(year, month, day, hour, minute, second)  # noqa: DTZ001
    micros = (moment - _EPOCH) // datetime.timedelta(microseconds=1) + fraction
    zone = found[8]
    if zone is not None and zone[0] in "+-":
        offset = int(zone[1:3]) * 60 + int(zone[-2:])
        micros -= (offset if zone[0] == "+" else -offset) * 60_000_000
    return micros


_PARSERS: dict[str, Callable[[str], Any]] = {
    "long": int,
    "integer": int,
    "short": int,
    "byte": int,
    "float": float,
    "double": float,
    "boolean": lambda text: _BOOLEANS[text.lower()],
    "date": datetime.date.fromisoformat,
    "timestamp": _microseconds,
    "timestamp_ntz": _microseconds,
    "binary": lambda text: text.encode("utf-8"),
}

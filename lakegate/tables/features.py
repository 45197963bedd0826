"""Which tables can be read here, and how their columns are found in data files."""

from __future__ import annotations

from lakegate.errors import ErrorKind, Refused
from lakegate.model import TableVersion
from lakegate.tables.conform import Matching
from lakegate.tables.delta.protocol import READER_FEATURES, READER_TABLE_FEATURES

_MAPPING_MODE = "delta.columnMapping.mode"


def require_readable(table: TableVersion) -> None:
    """Raises Refused(DELTA_FEATURE_UNKNOWN), by name, where a feature would make plain reading wrong or is unknown."""
    protocol = table.protocol
    if protocol is None:
        return
    if protocol.min_reader > READER_TABLE_FEATURES:
        raise _unknown(table, f"the reader version {protocol.min_reader} (known: up to {READER_TABLE_FEATURES})")
    unknown = sorted(set(protocol.reader_features) - READER_FEATURES)
    if unknown:
        raise _unknown(table, "the feature" + ("s " if len(unknown) > 1 else " ") + ", ".join(unknown))


def matching_of(table: TableVersion) -> Matching:
    """How columns are found. Raises Refused(DELTA_FEATURE_UNKNOWN) for an unknown mode of column mapping."""
    protocol = table.protocol
    if protocol is None or protocol.min_reader < 2:
        return Matching.NAME
    mode = table.properties.get(_MAPPING_MODE, Matching.NAME.value)
    try:
        return Matching(mode)
    except ValueError as error:
        raise _unknown(table, f"column mapping by {mode!r}") from error


def _unknown(table: TableVersion, what: str) -> Refused:
    return Refused(
        ErrorKind.DELTA_FEATURE_UNKNOWN,
        f"The table {table.path!r} needs {what}, so its rows can't be read here without the risk of being wrong.",
        hint="Read it with a client that knows it, through the S3 gateway.",
        details={"table": table.path},
    )

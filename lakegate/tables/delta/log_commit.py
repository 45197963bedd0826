"""A version that lakegate writes, and what all such versions are made of."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from lakegate.errors import ErrorKind, Refused
from lakegate.model import FileEntry, TableVersion
from lakegate.tables.deletion_vectors import parse_descriptor, vector_file
from lakegate.tables.delta.faults import log_invalid
from lakegate.tables.file_counts import FileCounts
from lakegate.version import VERSION

ROW_TRACKING = "delta.rowTracking"
APPEND_ONLY = "delta.appendOnly"
# What a remove repeats of the add that it takes away (Delta protocol, Add File and Remove File).
_REMOVE_KEEPS = ("path", "partitionValues", "size", "tags", "deletionVector", "baseRowId", "defaultRowCommitVersion")


@dataclass(frozen=True, slots=True)
class LogCommit:
    """A version that lakegate writes.

    path       of the log commit
    body       its bytes; memory is in proportion to the files that differ
    timestamp  of the version, ms: later than that of the version before it. Clients without in-commit timestamps take
               the log file's modification time for it
    needs      paths of the objects that the version makes live and the one before did not need: data files and
               deletion vectors. They must be in the tree before it is committed
    counts     files, rows and bytes that it adds and removes
    """

    table: str
    version: int
    path: str
    body: bytes
    timestamp: int
    needs: tuple[str, ...]
    counts: FileCounts


@lru_cache(maxsize=1)
def engine_info() -> str:
    """What lakegate's versions say wrote them."""
    return f"lakegate/{VERSION}"


def action_of(file: FileEntry) -> dict[str, Any]:
    """The `add` action of a live file, without `dataChange`."""
    if file.action is None:
        raise log_invalid("", f"the live file {file.path!r} has no add action")
    return dict(orjson.loads(file.action))


def domain_action(domain: str, configuration: str, *, removed: bool = False) -> dict[str, Any]:
    """A `domainMetadata` action."""
    return {"domainMetadata": {"domain": domain, "configuration": configuration, "removed": removed}}


def remove_line(file: FileEntry, deletion_timestamp: int, *, data_change: bool = True) -> dict[str, Any]:
    """The `remove` of a live file, with what it repeats of the add."""
    action = action_of(file)
    kept = {name: action[name] for name in _REMOVE_KEEPS if name in action}
    return {
        "remove": {
            **kept,
            "deletionTimestamp": deletion_timestamp,
            "dataChange": data_change,
            "extendedFileMetadata": True,
        }
    }


def vector_object(file: FileEntry) -> str | None:
    """The file of a live file's deletion vector, relative to the table; None where it has none."""
    return None if file.deletion_vector is None else vector_file(parse_descriptor(file.deletion_vector))


def append_only_refusal(table: str, hint: str) -> Refused:
    """Makes the error for a version that would remove rows from an append-only table."""
    return Refused(
        ErrorKind.DELTA_APPEND_ONLY,
        f"The Delta table {table!r} is append-only, and the new version would remove rows from it.",
        hint=hint,
        details={"table": table},
    )


def row_id_mark(table: TableVersion) -> int:
    """The highest row id that was given out, -1 for none (Delta protocol, Row Tracking, Row IDs)."""
    configuration = table.domains.get(ROW_TRACKING)
    try:
        mark = json.loads(configuration).get("rowIdHighWaterMark", -1) if configuration else -1
    except (ValueError, AttributeError) as error:
        raise log_invalid(table.path, f"the domain {ROW_TRACKING!r} is no JSON object") from error
    if not isinstance(mark, int):
        raise log_invalid(table.path, f"the highest row id of the domain {ROW_TRACKING!r} is no number")
    return mark

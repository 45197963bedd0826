"""What a transaction read: the log does not say, so it is inferred from its operation and what it changed.

A blind append read nothing. An overwrite read the whole table, a replace-where the partitions of its condition. Of
others the condition counts as far as it names partition columns; where it names none, the partitions that they changed
stand for what they read, or, where the merge is to be serializable, the whole table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import orjson

from lakegate.model import FileEntry, Isolation, TableVersion
from lakegate.tables.delta.merge.transactions import Transaction
from lakegate.tables.predicates import (
    And,
    Predicate,
    Truth,
    Unknown,
    Value,
    columns_of,
    evaluate,
    parse_predicate,
)
from lakegate.tables.schema import Primitive, Struct, parse_schema

Partition = tuple[tuple[str, str | None], ...]

_APPENDS = frozenset({"WRITE", "STREAMING UPDATE", "UNKNOWN"})
_WHOLE = frozenset({"RESTORE", "CLONE", "CREATE OR REPLACE TABLE", "REPLACE TABLE", "REPLACE TABLE AS SELECT"})
_DELTA_RS = "delta-rs"


@dataclass(frozen=True, slots=True)
class ReadSet:
    """What a transaction read.

    holds  tells whether it read, or would have read, a file of this partition
    whole  it read all files of those partitions, so that the removal of any of them concerns it
    words  for people
    """

    holds: Callable[[FileEntry], bool]
    whole: bool
    words: str


def is_blind(transaction: Transaction) -> bool:
    """Tells whether a transaction only appended and read nothing. Spark says so; of other writers, who don't, those
    are taken for blind that write in the mode Append, or name no operation at all and only add."""
    if transaction.removes:
        return False
    told = transaction.info.get("isBlindAppend")
    if isinstance(told, bool):
        return told or not transaction.files
    if not transaction.files:
        return True
    mode = transaction.parameters.get("mode", "Append")
    return transaction.version is not None and transaction.operation in _APPENDS and mode == "Append"


def read_set(transaction: Transaction, table: TableVersion, isolation: Isolation) -> ReadSet | None:
    """Returns what a transaction read; None: nothing that counts under this isolation. `table` is the base's."""
    if isolation is Isolation.SNAPSHOT or transaction.is_rearrangement or is_blind(transaction):
        return None
    if not transaction.files:
        return None
    operation, mode = transaction.operation, transaction.parameters.get("mode", "")
    overwrites = mode == "Overwrite" or operation in _WHOLE
    text = _condition(transaction)
    if (overwrites or operation in ("DELETE", "UPDATE")) and not text:
        return ReadSet(_everything, True, "the whole table")
    reads_all = overwrites or not transaction.removes  # rows that were only read can be in any file
    condition = _partition_condition(text, table) if text else None
    if condition is not None:
        return ReadSet(_matching(condition, table), reads_all, f"what matches {text}")
    if overwrites or isolation is Isolation.SERIALIZABLE:
        return ReadSet(_everything, overwrites, "the whole table")
    touched = {partition_of(file, table) for file in _changed_files(transaction)}
    return ReadSet(lambda file: partition_of(file, table) in touched, reads_all, "the partitions that it changed")


def partition_of(file: FileEntry, table: TableVersion) -> Partition:
    """A file's partition, in the order of the table's partition columns; () where it is not partitioned."""
    if not table.partition_columns:
        return ()
    return tuple(sorted(file.partition.items()))


def partition_words(partition: Partition) -> str:
    """A partition as its folder is named: `year=2026/month=1`."""
    return "/".join(f"{name}={'__HIVE_DEFAULT_PARTITION__' if value is None else value}" for name, value in partition)


def _changed_files(transaction: Transaction) -> list[FileEntry]:
    return [*(action.entry for action in transaction.adds if action.entry is not None), *transaction.removed]


def _everything(_: FileEntry) -> bool:
    return True


# -- conditions -------------------------------------------------------------------------------------------------------


def _condition(transaction: Transaction) -> str:
    """The condition on the table that an operation was given, "" for none. Spark writes a JSON list of conditions.
    The condition of a MERGE joins it with its source, whose columns may bear the same names: only what delta-rs logs
    beside it speaks of the table alone."""
    text = transaction.parameters.get("predicate", "").strip()
    if transaction.operation == "MERGE" and _DELTA_RS not in str(transaction.info.get("engineInfo", "")):
        return ""
    if text.startswith("["):
        try:
            parts = orjson.loads(text)
        except orjson.JSONDecodeError:
            return text
        if isinstance(parts, list):
            return " AND ".join(f"({part})" for part in parts if isinstance(part, str) and part)
    return text


def _partition_condition(text: str, table: TableVersion) -> Predicate | None:
    """The parts of a condition that partition values decide; None where it has none."""
    partitions = {name.lower() for name in table.partition_columns}
    columns = {part.name.lower() for part in parse_schema(table.schema).fields}
    found = parse_predicate(text)
    parts = found.parts if isinstance(found, And) else (found,)
    kept = tuple(
        part
        for part in parts
        if not isinstance(part, Unknown)
        and (named := columns_of(part))
        and all(column.name.lower() in partitions and not column.is_field(columns) for column in named)
    )
    return And(kept) if kept else None


def _matching(condition: Predicate, table: TableVersion) -> Callable[[FileEntry], bool]:
    schema = parse_schema(table.schema)

    def holds(file: FileEntry) -> bool:
        values = partition_values(file, schema)

        def lookup(name: str) -> tuple[bool, Value]:
            return values.get(name.lower(), (False, None))

        return evaluate(condition, lookup) in (Truth.TRUE, Truth.UNKNOWN)

    return holds


def partition_values(file: FileEntry, schema: Struct) -> Mapping[str, tuple[bool, Value]]:
    """Partition values by lower-case column name, as (known, value): texts, numbers, booleans and dates; the text of
    other types is not compared."""
    found: dict[str, tuple[bool, Value]] = {}
    for part in schema.fields:
        name = part.physical_name if part.physical_name in file.partition else part.name
        if name in file.partition:
            found[part.name.lower()] = _typed(part.type, file.partition[name])
    return found


def _typed(kind: Any, text: str | None) -> tuple[bool, Value]:
    if text is None:
        return True, None
    name = kind.name if isinstance(kind, Primitive) else ""
    try:
        match name:
            case "string":
                return True, text
            case "date":
                return True, date.fromisoformat(text)
            case "long" | "integer" | "short" | "byte":
                return True, int(text)
            case "boolean":
                return True, text.lower() == "true"
            case "double" | "float":
                return True, float(text)
            case _:
                return False, None
    except ValueError:
        return False, None

"""The actions of one Delta commit (Delta protocol, section Actions), parsed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from lakegate.model import FileEntry, Protocol
from lakegate.tables.delta.faults import ForbiddenPath, Violation, table_path_of

Action = Mapping[str, Any]

_NUM_RECORDS_FIRST = re.compile(r'\{\s*"numRecords"\s*:\s*(\d+)\s*[,}]')
_LONG = 1 << 63


@dataclass(frozen=True, slots=True)
class FileAction:
    """An `add` or `remove`.

    path   relative to the table's folder, decoded
    dv     Delta's unique id of the deletion vector, None without one: with the path, the key of a logical file
    entry  the live file that an add makes; None says that this is a remove
    """

    path: str
    dv: str | None
    data_change: bool
    entry: FileEntry | None = None


@dataclass(frozen=True, slots=True)
class LogActions:
    """What one version of a log says. A domain's configuration is None where the domain was removed."""

    version: int
    files: tuple[FileAction, ...] = ()
    protocol: Protocol | None = None
    metadata: Action | None = None
    txns: Mapping[str, int] = field(default_factory=dict)
    domains: Mapping[str, str | None] = field(default_factory=dict)
    info: Action | None = None
    info_first: bool = False
    change_files: tuple[str, ...] = ()

    @property
    def in_commit_timestamp(self) -> int | None:
        stamp = (self.info or {}).get("inCommitTimestamp")
        return stamp if isinstance(stamp, int) else None

    @property
    def table_id(self) -> str | None:
        """The table's id, where the commit says it."""
        found = None if self.metadata is None else self.metadata.get("id")
        return found if isinstance(found, str) else None


def parse_commit(version: int, body: bytes) -> LogActions:
    """Parses a log commit: newline-delimited JSON, one action a line. Unknown actions and fields are passed over
    (Delta protocol, Protocol Evolution: they are never needed to read a log). Raises Violation."""
    files: list[FileAction] = []
    change_files: list[str] = []
    txns: dict[str, int] = {}
    domains: dict[str, str | None] = {}
    single: dict[str, Any] = {}
    first = ""
    for name, action in _actions(version, body):
        first = first or name
        try:
            match name:
                case "add":
                    files.append(add_action(action))
                case "remove":
                    files.append(remove_action(action))
                case "cdc":
                    change_files.append(table_path_of(_text(action, "path")))
                case "protocol" | "metaData":
                    if name in single:
                        raise Violation(f"it holds two {name} actions")
                    single[name] = parse_protocol(action) if name == "protocol" else parse_metadata(action)
                case "txn":
                    txns[_text(action, "appId")] = _number(action, "version")
                case "domainMetadata":
                    domains[_text(action, "domain")] = domain_configuration(action)
                case "commitInfo":
                    single.setdefault(name, action)
                case _:
                    pass
        except Violation as violation:
            violation.version = version
            raise
    if not first:
        raise Violation("it holds no action", version=version)
    return LogActions(
        version,
        tuple(files),
        single.get("protocol"),
        single.get("metaData"),
        txns,
        domains,
        single.get("commitInfo"),
        first == "commitInfo",
        tuple(change_files),
    )


def _actions(version: int, body: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, line in enumerate(body.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            parsed = orjson.loads(line)
        except orjson.JSONDecodeError:
            raise Violation(f"line {number} is no JSON", version=version) from None
        if not isinstance(parsed, dict):
            raise Violation(f"line {number} is no JSON object", version=version)
        for name, action in parsed.items():
            if isinstance(action, dict):
                yield name, action
            elif action is not None:
                raise Violation(f"the action {name!r} in line {number} is no JSON object", version=version)


# -- files ------------------------------------------------------------------------------------------------------------


def add_action(action: Action) -> FileAction:
    """Makes a live file of an `add`. Raises Violation."""
    path = table_path_of(_text(action, "path"))
    size = _number(action, "size")
    vector = action.get("deletionVector")
    dv, deleted = _deletion_vector(vector)
    records = num_records(action.get("stats"))
    kept = {name: value for name, value in action.items() if value is not None and name != "dataChange"}
    if not kept.get("tags", True):
        del kept["tags"]
    if vector:
        kept["deletionVector"] = _without_nulls(vector)
    partition = _partition(action.get("partitionValues"))
    entry = FileEntry(
        path=path,
        size=size,
        rows=None if records is None else max(0, records - deleted),
        partition=partition,
        deletion_vector=sorted_json(kept["deletionVector"]) if dv is not None else None,
        action=sorted_json(kept),
    )
    return FileAction(path, dv, action.get("dataChange") is not False, entry)


def remove_action(action: Action) -> FileAction:
    """Reads a `remove`. Raises Violation."""
    dv, _ = _deletion_vector(action.get("deletionVector"))
    return FileAction(table_path_of(_text(action, "path")), dv, action.get("dataChange") is not False)


def vector_id(deletion_vector: str | None) -> str | None:
    """The unique id of a live file's deletion vector (Delta protocol, Deletion Vectors, Derived Fields)."""
    return None if deletion_vector is None else _deletion_vector(orjson.loads(deletion_vector))[0]


def num_records(stats: Any) -> int | None:
    """The physical records that a file's statistics state; None where they state none."""
    if not isinstance(stats, str) or not stats:
        return None
    quick = _NUM_RECORDS_FIRST.match(stats)
    if quick:
        return int(quick[1])
    try:
        parsed = orjson.loads(stats)
    except orjson.JSONDecodeError:
        return None
    found = parsed.get("numRecords") if isinstance(parsed, dict) else None
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def sorted_json(value: Any) -> str:
    """Renders canonical JSON (`lakegate.format.canonical`), quickly, for actions: they may hold floats in fields that
    nobody knows, which are kept as they are."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _deletion_vector(vector: Any) -> tuple[str | None, int]:
    """The unique id and the cardinality of a descriptor, (None, 0) for none."""
    if not vector:
        return None, 0
    if not isinstance(vector, dict):
        raise Violation("a deletion vector is no JSON object")
    storage, where = _text(vector, "storageType"), _text(vector, "pathOrInlineDv")
    if storage == "p":
        raise ForbiddenPath(f"the deletion vector {where!r} has an absolute path")
    if storage not in ("u", "i"):
        raise Violation(f"a deletion vector is stored in the unknown way {storage!r}")
    offset = vector.get("offset")
    return f"{storage}{where}" + (f"@{offset}" if offset is not None else ""), _number(vector, "cardinality")


def _partition(values: Any) -> dict[str, str | None]:
    """Partition values; an empty string is null of any type (Delta protocol, Partition Value Serialization)."""
    if values is None:
        return {}
    if not isinstance(values, dict) or not all(value is None or isinstance(value, str) for value in values.values()):
        raise Violation("the partition values of a file are no strings")
    return {name: value or None for name, value in values.items()}


# -- the other actions ------------------------------------------------------------------------------------------------


def parse_protocol(action: Action) -> Protocol:
    """Reads a `protocol`; features are sorted, for their order says nothing. Raises Violation."""
    return Protocol(
        _number(action, "minReaderVersion"),
        _number(action, "minWriterVersion"),
        _features(action.get("readerFeatures")),
        _features(action.get("writerFeatures")),
    )


def parse_metadata(action: Action) -> dict[str, Any]:
    """Reads a `metaData` in one form, whether it stood in JSON or in a checkpoint. Raises Violation."""
    kept: dict[str, Any] = {name: value for name, value in action.items() if value is not None}
    _text(kept, "schemaString")
    columns = kept.setdefault("partitionColumns", [])
    if not isinstance(columns, list) or not all(isinstance(column, str) for column in columns):
        raise Violation("the partition columns are no list of names")
    configuration = kept.setdefault("configuration", {})
    if not isinstance(configuration, dict):
        raise Violation("the table's configuration is no mapping")
    kept["configuration"] = {
        name: value if isinstance(value, str) else sorted_json(value)
        for name, value in configuration.items()
        if value is not None
    }
    storage = kept.get("format")
    if isinstance(storage, dict):
        kept["format"] = {"provider": storage.get("provider") or "parquet", "options": storage.get("options") or {}}
    return kept


def domain_configuration(action: Action) -> str | None:
    """The configuration that a `domainMetadata` gives its domain; None where it removes the domain."""
    configuration = action.get("configuration")
    return None if action.get("removed") else configuration if isinstance(configuration, str) else ""


def _features(given: Any) -> tuple[str, ...]:
    if given is None:
        return ()
    if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
        raise Violation("the table features of the protocol are no list of names")
    return tuple(sorted(set(given)))


def _text(action: Action, name: str) -> str:
    value = action.get(name)
    if not isinstance(value, str):
        raise Violation(f"an action has no {name!r}")
    return value


def _number(action: Action, name: str) -> int:
    value = action.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not -_LONG <= value < _LONG:
        raise Violation(f"an action has no whole number {name!r}")
    return value


def _without_nulls(value: Mapping[str, Any]) -> dict[str, Any]:
    return {name: item for name, item in value.items() if item is not None}

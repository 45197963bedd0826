"""Protocols and metadata of versions that lakegate writes: never less than what a table needs already."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lakegate.model import Protocol
from lakegate.tables.delta.actions import Action
from lakegate.tables.delta.protocol import (
    READER_TABLE_FEATURES,
    WRITER_TABLE_FEATURES,
    is_enabled,
    writer_features,
)

ICT_FEATURE = "inCommitTimestamp"
ICT_ENABLED = "delta.enableInCommitTimestamps"
ICT_VERSION = "delta.inCommitTimestampEnablementVersion"
ICT_TIMESTAMP = "delta.inCommitTimestampEnablementTimestamp"
MAX_COLUMN_ID = "delta.columnMapping.maxColumnId"
PROTECTED_BEFORE = "delta.requireCheckpointProtectionBeforeVersion"
IDENTITY_MARK = "delta.identity.highWaterMark"
IDENTITY_START = "delta.identity.start"
IDENTITY_STEP = "delta.identity.step"

# Features whose rules for writers a version keeps that only takes away files and puts back files of an earlier version
# with that version's metadata, as Delta's own RESTORE does. Others are refused by name.
RESTORABLE_FEATURES = frozenset(
    {
        "allowColumnDefaults",
        "appendOnly",
        "changeDataFeed",
        "checkConstraints",
        "checkpointProtection",
        "clustering",
        "columnMapping",
        "deletionVectors",
        "domainMetadata",
        "generatedColumns",
        "icebergCompatV1",
        "icebergCompatV2",
        "identityColumns",
        "inCommitTimestamp",
        "invariants",
        "rowTracking",
        "timestampNtz",
        "typeWidening",
        "typeWidening-preview",
        "v2Checkpoint",
        "vacuumProtocolCheck",
        "variantType",
        "variantType-preview",
    }
)


def united(current: Protocol, target: Protocol, *, same_table: bool) -> Protocol:
    """The least protocol under which both states are right: features are never taken away (Delta protocol, Supported
    Features). `same_table` says that one history led from the one to the other, so that a current protocol with
    features names those that older versions used."""
    reader = max(current.min_reader, target.min_reader)
    writer = max(current.min_writer, target.min_writer)
    if writer < WRITER_TABLE_FEATURES:
        return Protocol(reader, writer)
    by_name = current.min_writer >= WRITER_TABLE_FEATURES
    writers = writer_features(current) | writer_features(target, legacy=not (same_table and by_name))
    readers: set[str] = set()
    if reader >= READER_TABLE_FEATURES:
        readers = {*current.reader_features, *target.reader_features}
        if "columnMapping" in writers and 2 in (current.min_reader, target.min_reader):
            readers.add("columnMapping")
    return Protocol(reader, writer, tuple(sorted(readers)), tuple(sorted(writers)))


def unknown_features(protocol: Protocol) -> list[str]:
    """The features of a protocol that a version written by lakegate might break."""
    return sorted({*protocol.reader_features, *protocol.writer_features} - RESTORABLE_FEATURES)


def protocol_action(protocol: Protocol) -> dict[str, Any]:
    """Renders a protocol as its action."""
    action: dict[str, Any] = {"minReaderVersion": protocol.min_reader, "minWriterVersion": protocol.min_writer}
    if protocol.min_reader >= READER_TABLE_FEATURES:
        action["readerFeatures"] = list(protocol.reader_features)
    if protocol.min_writer >= WRITER_TABLE_FEATURES:
        action["writerFeatures"] = list(protocol.writer_features)
    return action


def restored_metadata(current: Action, target: Action, protocols: tuple[Protocol, Protocol]) -> dict[str, Any]:
    """The target's metadata, but for what must never go back: the highest column id, the marks of identity columns,
    the protection of old checkpoints, and in-commit timestamps, whose order would break. `protocols` are those before
    and after."""
    made = dict(target)
    was, now = dict(current["configuration"]), dict(target["configuration"])
    for key in (MAX_COLUMN_ID, PROTECTED_BEFORE):
        marks = [int(marks[key]) for marks in (was, now) if marks.get(key, "").isdecimal()]
        if marks:
            now[key] = str(max(marks))
    if is_enabled(protocols[0], ICT_FEATURE, was, ICT_ENABLED):
        for key in (ICT_ENABLED, ICT_VERSION, ICT_TIMESTAMP):
            now.pop(key, None)
            if key in was:
                now[key] = was[key]
    made["configuration"] = now
    made["schemaString"] = _with_identity_marks(str(current["schemaString"]), str(target["schemaString"]))
    return made


def turn_on_timestamps(metadata: Mapping[str, Any], version: int, timestamp: int) -> dict[str, Any]:
    """The metadata of the first version from which in-commit timestamps count (again)."""
    configuration = {
        **metadata["configuration"],
        ICT_VERSION: str(version),
        ICT_TIMESTAMP: str(timestamp),
    }
    return {**metadata, "configuration": configuration}


def _with_identity_marks(current: str, target: str) -> str:
    """The target's schema with the marks of identity columns as far as they ever were: ids are given out once."""
    if IDENTITY_MARK not in target or IDENTITY_MARK not in current:
        return target
    marks = {
        field["name"]: field["metadata"][IDENTITY_MARK]
        for field in json.loads(current)["fields"]
        if IDENTITY_MARK in field.get("metadata", {})
    }
    schema = json.loads(target)
    changed = False
    for field in schema["fields"]:
        details = field.get("metadata", {})
        mark = marks.get(field["name"])
        if mark is None or IDENTITY_MARK not in details:
            continue
        furthest = max if details.get(IDENTITY_STEP, 1) > 0 else min
        changed = changed or furthest(mark, details[IDENTITY_MARK]) != details[IDENTITY_MARK]
        details[IDENTITY_MARK] = furthest(mark, details[IDENTITY_MARK])
    return json.dumps(schema, separators=(",", ":"), ensure_ascii=False) if changed else target

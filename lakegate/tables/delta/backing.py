"""Which table features a table's metadata needs, and whether its protocol has them.

A property, a constraint or a column's rule counts only where the protocol supports its feature: without it, clients
ignore them without a word (Delta protocol, Supported Features).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from lakegate.model import Protocol
from lakegate.tables.delta.actions import Action
from lakegate.tables.delta.protocol import READER_FEATURES, READER_TABLE_FEATURES, writer_features
from lakegate.tables.delta.upgrade import IDENTITY_START

# Properties that ask for a feature when they are true. Of several features, one is enough.
_SWITCHES = {
    "delta.appendOnly": ("appendOnly",),
    "delta.enableChangeDataFeed": ("changeDataFeed",),
    "delta.enableDeletionVectors": ("deletionVectors",),
    "delta.enableIcebergCompatV1": ("icebergCompatV1",),
    "delta.enableIcebergCompatV2": ("icebergCompatV2",),
    "delta.enableIcebergCompatV3": ("icebergCompatV3",),
    "delta.enableInCommitTimestamps": ("inCommitTimestamp",),
    "delta.enableRowTracking": ("rowTracking",),
    "delta.enableTypeWidening": ("typeWidening", "typeWidening-preview"),
}
_FIELD_DETAILS = {
    "CURRENT_DEFAULT": ("allowColumnDefaults",),
    "delta.generationExpression": ("generatedColumns",),
    IDENTITY_START: ("identityColumns",),
    "delta.invariants": ("invariants",),
    "delta.typeChanges": ("typeWidening", "typeWidening-preview"),
}
_TYPES = {"timestamp_ntz": ("timestampNtz",), "variant": ("variantType", "variantType-preview")}


def missing_features(protocol: Protocol, metadata: Action) -> set[str]:
    """The features that the metadata needs, and that the protocol does not have."""
    return {choice[0] for choice in _needed(metadata) if not any(_supports(protocol, name) for name in choice)}


def needed_features(metadata: Action) -> set[str]:
    """The features that the metadata makes use of, where the protocol has them; of some that do alike, all."""
    return {name for choice in _needed(metadata) for name in choice}


def _supports(protocol: Protocol, feature: str) -> bool:
    if feature not in writer_features(protocol):
        return False
    if feature not in READER_FEATURES:
        return True
    if protocol.min_reader >= READER_TABLE_FEATURES:
        return feature in protocol.reader_features
    return feature == "columnMapping" and protocol.min_reader >= 2


def _needed(metadata: Action) -> Iterator[tuple[str, ...]]:
    for name, value in metadata["configuration"].items():
        if name in _SWITCHES and str(value).lower() == "true":
            yield _SWITCHES[name]
        elif name.startswith("delta.constraints."):
            yield ("checkConstraints",)
        elif name == "delta.columnMapping.mode" and value in ("id", "name"):
            yield ("columnMapping",)
        elif name == "delta.checkpointPolicy" and value == "v2":
            yield ("v2Checkpoint",)
    yield from _of_schema(json.loads(str(metadata["schemaString"])))


def _of_schema(node: Any) -> Iterator[tuple[str, ...]]:
    """The needs of a type, or of a field: whatever is in the schema but its fields' free metadata."""
    if isinstance(node, str):
        if node in _TYPES:
            yield _TYPES[node]
    elif isinstance(node, dict):
        details = node.get("metadata")
        for key in details if isinstance(details, dict) else ():
            if key in _FIELD_DETAILS:
                yield _FIELD_DETAILS[key]
        for key in ("type", "elementType", "keyType", "valueType"):
            if key in node:
                yield from _of_schema(node[key])
        for field in node.get("fields", ()):
            yield from _of_schema(field)

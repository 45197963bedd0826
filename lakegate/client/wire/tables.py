"""Table versions, their files, differences and histories in JSON."""

from __future__ import annotations

import json
from typing import Any, cast

from lakegate.client.wire.nouns import Json
from lakegate.ids import CommitId, NodeId
from lakegate.model import (
    FileEntry,
    Protocol,
    TableChangeKind,
    TableDiff,
    TableFormat,
    TableHistoryItem,
    TablePreview,
    TableVersion,
)


def columns_of(schema: str) -> list[Json]:
    """The top-level columns of a schema as name, type and nullable, for people; nested types stay Delta's JSON."""
    fields = cast("list[dict[str, Any]]", json.loads(schema).get("fields", []))
    return [
        {
            "name": field["name"],
            "type": field["type"] if isinstance(field["type"], str) else json.dumps(field["type"]),
            "nullable": field.get("nullable", True),
        }
        for field in fields
    ]


def table_to_json(table: TableVersion) -> Json:
    """A table version. `schema_string` is the schema as Delta writes it, `columns` the same for people."""
    return {
        "path": table.path,
        "format": table.format.value,
        "version": table.version,
        "schema_string": table.schema,
        "columns": columns_of(table.schema),
        "partition_columns": list(table.partition_columns),
        "state": table.state,
        "files": table.files,
        "rows": table.rows,
        "bytes": table.bytes,
        "digest": table.digest,
        "timestamp_ms": table.timestamp,
        "table_id": table.table_id,
        "name": table.name,
        "properties": dict(table.properties),
        "protocol": None if table.protocol is None else _protocol_to_json(table.protocol),
        "metadata": table.metadata,
        "txns": dict(table.txns),
        "domains": dict(table.domains),
    }


def _protocol_to_json(protocol: Protocol) -> Json:
    return {
        "min_reader": protocol.min_reader,
        "min_writer": protocol.min_writer,
        "reader_features": list(protocol.reader_features),
        "writer_features": list(protocol.writer_features),
    }


def table_from_json(body: Json) -> TableVersion:
    protocol = body["protocol"]
    return TableVersion(
        path=body["path"],
        format=TableFormat(body["format"]),
        version=body["version"],
        schema=body["schema_string"],
        partition_columns=tuple(body["partition_columns"]),
        state=NodeId(body["state"]),
        files=body["files"],
        rows=body["rows"],
        bytes=body["bytes"],
        digest=body["digest"],
        timestamp=body["timestamp_ms"],
        table_id=body["table_id"],
        name=body["name"],
        properties=body["properties"],
        protocol=None
        if protocol is None
        else Protocol(
            protocol["min_reader"],
            protocol["min_writer"],
            tuple(protocol["reader_features"]),
            tuple(protocol["writer_features"]),
        ),
        metadata=body["metadata"],
        txns=body["txns"],
        domains=body["domains"],
    )


def file_to_json(entry: FileEntry) -> Json:
    return {
        "path": entry.path,
        "size_bytes": entry.size,
        "rows": entry.rows,
        "partition": dict(entry.partition),
        "deletion_vector": entry.deletion_vector,
        "action": entry.action,
    }


def file_from_json(body: Json) -> FileEntry:
    return FileEntry(
        body["path"], body["size_bytes"], body["rows"], body["partition"], body["deletion_vector"], body["action"]
    )


def history_item_to_json(item: TableHistoryItem) -> Json:
    return {
        "version": item.version,
        "timestamp_ms": item.timestamp,
        "operation": item.operation,
        "parameters": dict(item.parameters),
        "commit_id": item.commit,
        "committer": item.committer,
        "message": item.message,
        "merged_from": item.merged_from,
        "origin_commit_id": item.origin,
        "origin_version": item.origin_version,
        "origin_committer": item.origin_committer,
    }


def history_item_from_json(body: Json) -> TableHistoryItem:
    return TableHistoryItem(
        body["version"],
        body["timestamp_ms"],
        body["operation"],
        body["parameters"],
        None if body["commit_id"] is None else CommitId(body["commit_id"]),
        body["committer"],
        body["message"],
        body["merged_from"],
        None if body["origin_commit_id"] is None else CommitId(body["origin_commit_id"]),
        body["origin_version"],
        body["origin_committer"],
    )


def preview_to_json(preview: TablePreview) -> Json:
    return {"columns": list(preview.columns), "rows": [list(row) for row in preview.rows]}


def preview_from_json(body: Json) -> TablePreview:
    return TablePreview(tuple(body["columns"]), tuple(tuple(row) for row in body["rows"]))


def table_diff_to_json(diff: TableDiff) -> Json:
    return {
        "path": diff.path,
        "type": diff.kind.value,
        "left": None if diff.left is None else table_to_json(diff.left),
        "right": None if diff.right is None else table_to_json(diff.right),
        "schema_changes": list(diff.schema_changes),
        "files_added": diff.files_added,
        "files_removed": diff.files_removed,
        "rows_added": diff.rows_added,
        "rows_removed": diff.rows_removed,
        "bytes_added": diff.bytes_added,
        "bytes_removed": diff.bytes_removed,
        "operations": list(diff.operations),
        "reason": diff.reason,
    }


def table_diff_from_json(body: Json) -> TableDiff:
    return TableDiff(
        path=body["path"],
        kind=TableChangeKind(body["type"]),
        left=None if body["left"] is None else table_from_json(body["left"]),
        right=None if body["right"] is None else table_from_json(body["right"]),
        schema_changes=tuple(body["schema_changes"]),
        files_added=body["files_added"],
        files_removed=body["files_removed"],
        rows_added=body["rows_added"],
        rows_removed=body["rows_removed"],
        bytes_added=body["bytes_added"],
        bytes_removed=body["bytes_removed"],
        operations=tuple(body["operations"]),
        reason=body.get("reason", ""),
    )

"""Objects, listings and differences of objects in JSON."""

from __future__ import annotations

from lakegate.client.wire.nouns import Json
from lakegate.model import ChangeKind, CommonPrefix, DeleteFailure, Entry, ObjectChange


def physical_url(address: str, namespace: str) -> str:
    """The URL of an entry's bytes: addresses without a scheme lie in the storage namespace."""
    return address if "://" in address else f"{namespace}/{address}"


def entry_to_json(entry: Entry, namespace: str, metadata: bool = True) -> Json:
    """One object's stats; `checksum` is its ETag. Without `metadata`, the user's own is left out."""
    body: Json = {
        "path": entry.path,
        "path_type": "object",
        "physical_address": physical_url(entry.address, namespace),
        "checksum": entry.etag,
        "size_bytes": entry.size,
        "mtime": entry.mtime // 1000,
        "content_type": entry.content_type,
        "digest": entry.digest,
        "headers": dict(entry.headers),
        "mtime_ms": entry.mtime,
    }
    if metadata:
        body["metadata"] = dict(entry.metadata)
    return body


def entry_from_json(body: Json, namespace: str) -> Entry:
    return Entry(
        body["path"],
        body["physical_address"].removeprefix(f"{namespace}/"),
        body["size_bytes"],
        body["checksum"],
        body["mtime_ms"],
        body["digest"],
        body["content_type"],
        body.get("metadata") or {},
        body["headers"],
    )


def listed_to_json(item: Entry | CommonPrefix, namespace: str, metadata: bool = True) -> Json:
    """One item of a listing. A common prefix has the fields that every item must have, empty."""
    if isinstance(item, Entry):
        return entry_to_json(item, namespace, metadata)
    return {"path": item.path, "path_type": "common_prefix", "physical_address": "", "checksum": "", "mtime": 0}


def listed_from_json(body: Json, namespace: str) -> Entry | CommonPrefix:
    if body["path_type"] == "common_prefix":
        return CommonPrefix(body["path"])
    return entry_from_json(body, namespace)


def change_to_json(change: ObjectChange, namespace: str, stats: bool = False) -> Json:
    """One difference. `size_bytes` is of the right side, or of what was removed; `stats` adds both sides whole."""
    present = change.right or change.left
    body: Json = {
        "type": change.kind.value,
        "path": change.path,
        "path_type": "common_prefix" if change.kind is ChangeKind.PREFIX_CHANGED else "object",
    }
    if present is not None:
        body["size_bytes"] = present.size
    if change.right is not None:
        body["right"] = {
            "checksum": change.right.etag,
            "mtime": change.right.mtime // 1000,
            "content_type": change.right.content_type,
            "metadata": dict(change.right.metadata),
        }
    if stats:
        body["left_stats"] = None if change.left is None else entry_to_json(change.left, namespace)
        body["right_stats"] = None if change.right is None else entry_to_json(change.right, namespace)
    return body


def change_from_json(body: Json, namespace: str) -> ObjectChange:
    """Reads a difference that was asked for with both sides' stats."""
    left, right = body.get("left_stats"), body.get("right_stats")
    return ObjectChange(
        body["path"],
        ChangeKind(body["type"]),
        None if left is None else entry_from_json(left, namespace),
        None if right is None else entry_from_json(right, namespace),
    )


def delete_failures_from_json(body: Json) -> tuple[DeleteFailure, ...]:
    return tuple(DeleteFailure(item["path"], item["code"], item["message"]) for item in body["errors"])

"""Delta tables for tests: folders seen as snapshots, and log commits by hand."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lakegate import tree
from lakegate.context import RepositoryContext
from lakegate.format.kinds import FILES, OBJECTS
from lakegate.ids import CommitId
from lakegate.model import Entry, FileEntry, TableVersion
from lakegate.snapshot import Snapshot

SCHEMA = json.dumps(
    {"type": "struct", "fields": [{"name": "id", "type": "long", "nullable": True, "metadata": {}}]},
    separators=(",", ":"),
)


def folder_snapshot(ctx: RepositoryContext, folder: Path, prefix: str = "t") -> Snapshot:
    """A view that holds the files of a folder below `prefix`, as they are now, as uploads would have brought them."""
    return Snapshot(ctx, CommitId(""), tree.build(ctx.manifests.nodes, OBJECTS, _uploaded(ctx, folder, prefix)))


def _uploaded(ctx: RepositoryContext, folder: Path, prefix: str) -> list[Entry]:
    found: list[Entry] = []
    for file in folder.rglob("*"):
        if file.is_file():
            data = file.read_bytes()
            digest = hashlib.sha256(data).hexdigest()
            address = f"data/{digest[:2]}/{digest[2:34]}"
            ctx.store.put_if_absent(address, data)
            found.append(
                Entry(
                    path=f"{prefix}/{file.relative_to(folder).as_posix()}",
                    address=address,
                    size=len(data),
                    etag=hashlib.md5(data, usedforsecurity=False).hexdigest(),
                    mtime=file.stat().st_mtime_ns // 1_000_000,
                    digest=f"sha256:{digest}",
                )
            )
    return sorted(found, key=lambda entry: entry.path)


def live_files(ctx: RepositoryContext, table: TableVersion) -> dict[str, FileEntry]:
    """The live files of a table version by path."""
    return {file.path: file for file in tree.iterate(ctx.manifests.nodes, FILES, table.state)}


# -- log commits by hand ----------------------------------------------------------------------------------------------

Line = Mapping[str, Any]


def log_body(*lines: Line) -> bytes:
    """The bytes of a log commit."""
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def add(path: str, *, rows: int | None = 1, dv: Mapping[str, Any] | None = None, **fields: Any) -> Line:
    """An `add` action."""
    action: dict[str, Any] = {
        "path": path,
        "partitionValues": {},
        "size": 10,
        "modificationTime": 1,
        "dataChange": True,
        **({"stats": json.dumps({"numRecords": rows})} if rows is not None else {}),
        **({"deletionVector": dv} if dv is not None else {}),
        **fields,
    }
    return {"add": action}


def remove(path: str, *, dv: Mapping[str, Any] | None = None, **fields: Any) -> Line:
    """A `remove` action."""
    action: dict[str, Any] = {"path": path, "deletionTimestamp": 1, "dataChange": True, **fields}
    return {"remove": action | ({"deletionVector": dv} if dv is not None else {})}


def vector(text: str, cardinality: int = 1) -> Line:
    """An inline deletion vector's descriptor, of which only the identity counts."""
    return {"storageType": "i", "pathOrInlineDv": text, "sizeInBytes": 4, "cardinality": cardinality}


def protocol(reader: int = 1, writer: int = 2, features: tuple[str, ...] = (), readers: tuple[str, ...] = ()) -> Line:
    """A `protocol` action. `features` are the writer's, `readers` the reader's."""
    action: dict[str, Any] = {"minReaderVersion": reader, "minWriterVersion": writer}
    if writer >= 7:
        action["writerFeatures"] = list(features)
    if reader >= 3:
        action["readerFeatures"] = list(readers)
    return {"protocol": action}


def metadata(configuration: Mapping[str, str] | None = None, **fields: Any) -> Line:
    """A `metaData` action of a table with one column, `id`."""
    action: dict[str, Any] = {
        "id": "11111111-2222-3333-4444-555555555555",
        "format": {"provider": "parquet", "options": {}},
        "schemaString": SCHEMA,
        "partitionColumns": [],
        "configuration": dict(configuration or {}),
        **fields,
    }
    return {"metaData": action}


def write_log(folder: Path, *bodies: bytes, start: int = 0) -> None:
    """Writes log commits of ascending versions into a table's folder."""
    log = folder / "_delta_log"
    log.mkdir(parents=True, exist_ok=True)
    for version, body in enumerate(bodies, start=start):
        (log / f"{version:020d}.json").write_bytes(body)

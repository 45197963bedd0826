"""Nodes: their ids and their Parquet files (storage format, sections on nodes and node ids)."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from lakegate.errors import Corrupt
from lakegate.format.arrays import serialised
from lakegate.format.documents import check_version
from lakegate.format.kinds import FORMAT_VERSION, ColumnType, Layout, layout_of
from lakegate.format.rows import Rows
from lakegate.ids import NodeId

if TYPE_CHECKING:
    import pyarrow as pa

KEY_VERSION = b"lakegate.format_version"
KEY_KIND = b"lakegate.kind"
KEY_LEVEL = b"lakegate.level"
KEY_NODE = b"lakegate.node"

_HINT = "Run `lakegate verify`; restore the file from a backup or replica of the storage namespace."


class Node:
    """One node of a tree: a range (level 0, rows of its kind) or an inner node (level 1 and up, rows of children).

    The id is hashed from kind, level and rows when first asked for; a node read by id carries the id it was asked by,
    and `verify` tells whether it is what the rows hash to.
    """

    __slots__ = ("_id", "kind", "level", "rows")

    def __init__(self, kind: str, level: int, rows: Rows, node_id: NodeId | None = None) -> None:
        self.kind = kind
        self.level = level
        self.rows = rows
        self._id = node_id

    @property
    def id(self) -> NodeId:
        if self._id is None:
            self._id = node_id(self.kind, self.level, self.rows)
        return self._id

    @property
    def nbytes(self) -> int:
        return self.rows.nbytes

    def verify(self) -> None:
        """Hashes the rows. Raises Corrupt where they are not what the node's id promises."""
        found = node_id(self.kind, self.level, self.rows)
        if found != self.id:
            raise Corrupt(f"The node {self.id} holds rows that hash to {found}.", hint=_HINT)


def node_id(kind: str, level: int, rows: Rows) -> NodeId:
    """SHA-256 over the canonical columnar serialisation: independent of how Parquet encodes the rows."""
    digest = hashlib.sha256(f"lakegate-node/{FORMAT_VERSION} {kind} {level} {len(rows)}\n".encode("ascii"))
    for column, array in zip(rows.layout.columns, rows.batch.columns, strict=True):
        if len(array):
            for piece in serialised(column, array):
                digest.update(piece)
    return NodeId(digest.hexdigest())


def encode_node(node: Node) -> bytes:
    """Writes a node as a Parquet file of one row group.

    Measured on a million entries: zstd at level 1 halves the paths, addresses and digests of a node for a fifth of a
    second on one core (snappy and lz4 gain half as much); it costs more than it gains on delta-packed integers and on
    columns of nulls.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    batch, columns = node.rows.batch, node.rows.layout.columns
    integers = [c.name for c in columns if c.type is ColumnType.INT64]
    plain = {
        *integers,
        *(c.name for c, array in zip(columns, batch.columns, strict=True) if array.null_count == len(array)),
    }
    options: dict[str, Any] = {
        "compression": {c.name: "none" if c.name in plain else "zstd" for c in columns},
        "compression_level": {c.name: 1 for c in columns if c.name not in plain},
        "use_dictionary": [c.name for c in columns if c.repeats],
        "column_encoding": dict.fromkeys(integers, "DELTA_BINARY_PACKED"),
        "write_statistics": [node.rows.layout.key],
        "write_page_checksum": True,
        "store_schema": False,
    }
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, batch.schema, **options) as writer:
        writer.add_key_value_metadata(
            {
                KEY_VERSION: str(FORMAT_VERSION).encode(),
                KEY_KIND: node.kind.encode(),
                KEY_LEVEL: str(node.level).encode(),
                KEY_NODE: node.id.encode(),
            }
        )
        writer.write_batch(batch, row_group_size=max(1, len(node.rows)))
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]


def decode_node(node_id: NodeId, data: bytes, *, rehash: bool = True) -> Node:
    """Reads a node file. Raises Refused(FORMAT_TOO_NEW) where it is of a newer format version, Corrupt where it is no
    node of format version 1, or its rows do not hash to its id.

    Hashing takes more than half as long as all the rest. Without `rehash`, a file that says which node it is has its
    pages held against their checksums instead: that finds what storage does to bytes, and not a forger.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=not rehash) as file:
            metadata = file.metadata.metadata or {}
            kind, level, layout = _identity(node_id, metadata)
            table = file.read(use_threads=False)
            if table.num_rows != file.metadata.num_rows:  # the only numbers that no checksum covers
                raise ValueError(f"{table.num_rows} of {file.metadata.num_rows} rows")
        schema = layout.schema()
        if not table.schema.equals(schema, check_metadata=False):
            table = table.cast(schema)  # other writers may have had pyarrow store other string types
        rows = Rows(layout, _batch(table, layout))
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise Corrupt(f"The node {node_id} can't be read as Parquet: {error}.", hint=_HINT) from error
    node = Node(kind, level, rows, node_id)
    if rehash or metadata.get(KEY_NODE) != node_id.encode():
        node.verify()
    return node


def _identity(node_id: NodeId, metadata: dict[bytes, bytes]) -> tuple[str, int, Layout]:
    check_version({"format_version": int(metadata[KEY_VERSION])}, f"The node {node_id}")
    kind = metadata[KEY_KIND].decode()
    level = int(metadata[KEY_LEVEL])
    layout = layout_of(kind, level)
    if layout is None or level < 0:
        raise Corrupt(f"The node {node_id} is of the unknown kind {kind!r}.", hint=_HINT)
    return kind, level, layout


def _batch(table: pa.Table, layout: Layout) -> pa.RecordBatch:
    import pyarrow as pa

    if table.num_rows == 0:
        return Rows.of(layout, ()).batch
    arrays = [
        column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks) for column in table.columns
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=layout.schema())

"""What a tree can hold: three kinds of entry, each a list of columns, and the columns of inner nodes.

Column lists are part of the storage format: order, names and types are hashed into node ids. A column that is a
mapping or tuple in the model is stored as canonical JSON, null when it is empty.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from lakegate.format.canonical import canonical_json, parse_json
from lakegate.ids import NodeId
from lakegate.model import Entry, FileEntry, Protocol, TableFormat, TableVersion

if TYPE_CHECKING:
    import pyarrow as pa

E = TypeVar("E")
Row = tuple[Any, ...]

FORMAT_VERSION = 1


class ColumnType(StrEnum):
    STRING = "string"
    INT64 = "int64"


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `repeats` says that few different values are expected, so that a dictionary pays."""

    name: str
    type: ColumnType
    nullable: bool = False
    repeats: bool = False


@dataclass(frozen=True)
class Layout:
    """The columns of one sort of node, in order, and the one that its rows are sorted by."""

    columns: tuple[Column, ...]
    key: str = "path"

    @cached_property
    def key_index(self) -> int:
        return self.index(self.key)

    def index(self, name: str) -> int:
        return next(i for i, column in enumerate(self.columns) if column.name == name)

    def schema(self) -> pa.Schema:
        """The Arrow schema of a node's rows."""
        import pyarrow as pa

        types = {ColumnType.STRING: pa.string(), ColumnType.INT64: pa.int64()}
        return pa.schema([pa.field(c.name, types[c.type], nullable=c.nullable) for c in self.columns])


@dataclass(frozen=True, slots=True)
class TreeShape:
    """Where trees of a kind are cut: the mean and the largest number of elements, in ranges and in inner nodes.

    Part of the storage format: equal content gives equal nodes only under one shape.
    """

    leaf_mean: int
    leaf_cap: int
    inner_mean: int = 256
    inner_cap: int = 1024

    def mean(self, level: int) -> int:
        return self.inner_mean if level else self.leaf_mean

    def cap(self, level: int) -> int:
        return self.inner_cap if level else self.leaf_cap


@dataclass(frozen=True, slots=True)
class Kind(Generic[E]):
    """One kind of tree.

    name      stands in node files and is hashed into node ids
    layout    the columns of its ranges
    shape     where it is cut
    weight    the column whose sum is `bytes` of a node
    to_row    an entry's column values, in the order of the layout
    from_row  the inverse
    """

    name: str
    layout: Layout
    shape: TreeShape
    weight: str
    to_row: Callable[[E], Row]
    from_row: Callable[[Row], E]


class Child(NamedTuple):
    """One row of an inner node: a child and what lies below it. The fields are the columns of `CHILDREN`, in order."""

    child: NodeId
    level: int
    first_path: str
    last_path: str
    entries: int
    bytes: int


def _string(name: str, *, nullable: bool = False, repeats: bool = False) -> Column:
    return Column(name, ColumnType.STRING, nullable, repeats)


def _int64(name: str, *, nullable: bool = False) -> Column:
    return Column(name, ColumnType.INT64, nullable)


CHILDREN = Layout(
    (
        _string("child"),
        _int64("level"),
        _string("first_path"),
        _string("last_path"),
        _int64("entries"),
        _int64("bytes"),
    ),
    key="last_path",
)


def _json_or_null(value: Any) -> str | None:
    return canonical_json(value) if value else None


def _mapping(value: Mapping[str, Any]) -> str | None:
    return canonical_json(dict(value)) if value else None


def _parsed_mapping(text: str | None) -> dict[str, Any]:
    return parse_json(text) if text is not None else {}


# -- objects ----------------------------------------------------------------------------------------------------------


def _entry_to_row(e: Entry) -> Row:
    return (
        e.path,
        e.address,
        e.size,
        e.etag,
        e.mtime,
        e.digest,
        e.content_type,
        _mapping(e.metadata),
        _mapping(e.headers),
    )


def _entry_from_row(row: Row) -> Entry:
    path, address, size, etag, mtime, digest, content_type, metadata, headers = row
    return Entry(
        path, address, size, etag, mtime, digest, content_type, _parsed_mapping(metadata), _parsed_mapping(headers)
    )


OBJECTS: Kind[Entry] = Kind(
    name="objects",
    layout=Layout(
        (
            _string("path"),
            _string("address"),
            _int64("size"),
            _string("etag"),
            _int64("mtime"),
            _string("digest", nullable=True),
            _string("content_type", repeats=True),
            _string("metadata", nullable=True, repeats=True),
            _string("headers", nullable=True, repeats=True),
        )
    ),
    shape=TreeShape(leaf_mean=8192, leaf_cap=32768),
    weight="size",
    to_row=_entry_to_row,
    from_row=_entry_from_row,
)


# -- table versions ---------------------------------------------------------------------------------------------------


def _table_to_row(t: TableVersion) -> Row:
    protocol = None
    if t.protocol is not None:
        protocol = canonical_json(
            {
                "min_reader": t.protocol.min_reader,
                "min_writer": t.protocol.min_writer,
                "reader_features": list(t.protocol.reader_features),
                "writer_features": list(t.protocol.writer_features),
            }
        )
    return (
        t.path,
        t.format.value,
        t.version,
        t.schema,
        _json_or_null(list(t.partition_columns)),
        t.state,
        t.files,
        t.rows,
        t.bytes,
        t.digest,
        t.timestamp,
        t.table_id,
        t.name,
        _mapping(t.properties),
        protocol,
        t.metadata,
        _mapping(t.txns),
        _mapping(t.domains),
    )


def _table_from_row(row: Row) -> TableVersion:
    protocol = None
    if row[14] is not None:
        stored = parse_json(row[14])
        protocol = Protocol(
            stored["min_reader"],
            stored["min_writer"],
            tuple(stored["reader_features"]),
            tuple(stored["writer_features"]),
        )
    return TableVersion(
        path=row[0],
        format=TableFormat(row[1]),
        version=row[2],
        schema=row[3],
        partition_columns=tuple(parse_json(row[4])) if row[4] is not None else (),
        state=NodeId(row[5]),
        files=row[6],
        rows=row[7],
        bytes=row[8],
        digest=row[9],
        timestamp=row[10],
        table_id=row[11],
        name=row[12],
        properties=_parsed_mapping(row[13]),
        protocol=protocol,
        metadata=row[15],
        txns=_parsed_mapping(row[16]),
        domains=_parsed_mapping(row[17]),
    )


# Rows of this kind carry whole schemas: smaller ranges keep a commit that touches one table from rewriting megabytes.
TABLES: Kind[TableVersion] = Kind(
    name="tables",
    layout=Layout(
        (
            _string("path"),
            _string("format", repeats=True),
            _int64("version", nullable=True),
            _string("schema", repeats=True),
            _string("partition_columns", nullable=True, repeats=True),
            _string("state"),
            _int64("files"),
            _int64("rows", nullable=True),
            _int64("bytes"),
            _string("digest"),
            _int64("timestamp"),
            _string("table_id", nullable=True),
            _string("name", nullable=True),
            _string("properties", nullable=True, repeats=True),
            _string("protocol", nullable=True, repeats=True),
            _string("metadata", nullable=True),
            _string("txns", nullable=True),
            _string("domains", nullable=True, repeats=True),
        )
    ),
    shape=TreeShape(leaf_mean=256, leaf_cap=1024),
    weight="bytes",
    to_row=_table_to_row,
    from_row=_table_from_row,
)


# -- live files of a table version ------------------------------------------------------------------------------------


def _file_to_row(f: FileEntry) -> Row:
    return (f.path, f.size, f.rows, _mapping(f.partition), f.deletion_vector, f.action)


def _file_from_row(row: Row) -> FileEntry:
    path, size, rows, partition, deletion_vector, action = row
    return FileEntry(path, size, rows, _parsed_mapping(partition), deletion_vector, action)


# Rows of this kind carry whole Delta actions with statistics, about a kilobyte each.
FILES: Kind[FileEntry] = Kind(
    name="files",
    layout=Layout(
        (
            _string("path"),
            _int64("size"),
            _int64("rows", nullable=True),
            _string("partition", nullable=True, repeats=True),
            _string("deletion_vector", nullable=True),
            _string("action", nullable=True),
        )
    ),
    shape=TreeShape(leaf_mean=2048, leaf_cap=8192),
    weight="size",
    to_row=_file_to_row,
    from_row=_file_from_row,
)

KINDS: Mapping[str, Kind[Any]] = {kind.name: kind for kind in (OBJECTS, TABLES, FILES)}


def layout_of(kind: str, level: int) -> Layout | None:
    """The columns of a node of this kind and level; None where there is no such kind."""
    if kind not in KINDS:
        return None
    return CHILDREN if level else KINDS[kind].layout

"""The version of a Parquet dataset: its files, by the footers of those that changed.

A version is a function of the dataset's objects alone, however it came about. Its tree of live files keeps for each
file, in `action`, what its content is (`content`, the object's digest or ETag) and the hash of its schema (`schema`),
so that a change that brings no new schema reads no old footer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain, islice
from urllib.parse import unquote

from lakegate import tree
from lakegate.context import RepositoryContext
from lakegate.errors import ErrorKind, LakegateError
from lakegate.format.canonical import canonical_json, parse_json, sha256_hex
from lakegate.format.kinds import FILES
from lakegate.ids import NodeId
from lakegate.model import Entry, FileEntry, TableFormat, TableVersion
from lakegate.snapshot import Snapshot
from lakegate.tables.data_files import open_arrow
from lakegate.tables.digest import with_digest
from lakegate.tables.schema import Field, Primitive, Struct, from_arrow, parse_schema, render_schema
from lakegate.tables.unify import unify

HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"
FILE_SCHEMAS = "lakegate.file_schemas"
SCHEMA_CLASHES = "lakegate.schema_clashes"
PARTITION_SHAPES = "lakegate.partition_shapes"

_SEGMENT = re.compile(r"([^=/]+)=([^/]*)")
_INTEGER = re.compile(r"-?\d{1,18}", re.ASCII)
_SMALLEST = 12
_AHEAD = 32
_THREADS = 8

FileChange = tuple[str, Entry | None]
"""A path relative to the dataset's folder, and what is there now."""


class NotParquet(Exception):
    """Says that an object is not a Parquet file, or one that has no place in a dataset."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{path!r}: {why}")
        self.path = path


def is_hive_segment(segment: str) -> bool:
    """Tells whether a folder's name is that of a partition, `key=value`."""
    return _SEGMENT.fullmatch(segment) is not None


def hive_values(path: str) -> dict[str, str | None]:
    """The partition values that a path's folders state, in their order."""
    found: dict[str, str | None] = {}
    for segment in path.split("/")[:-1]:
        match = _SEGMENT.fullmatch(segment)
        if match:
            value = unquote(match[2])
            found[unquote(match[1])] = None if value == HIVE_NULL else value
    return found


@dataclass(slots=True)
class _Seen:
    """What the changed files brought."""

    schemas: dict[str, Struct] = field(default_factory=dict)
    values: dict[str, bool] = field(default_factory=dict)  # partition column: whether all its values are integers
    columns: set[tuple[str, ...]] = field(default_factory=set)
    rows: int = 0
    newest: int = 0
    removed: bool = False

    def note_partition(self, partition: dict[str, str | None]) -> None:
        self.columns.add(tuple(partition))
        for name, value in partition.items():
            integer = value is None or _INTEGER.fullmatch(value) is not None
            self.values[name] = self.values.get(name, True) and integer


def dataset_version(
    snapshot: Snapshot, folder: str, base: TableVersion | None, changes: Iterable[FileChange]
) -> TableVersion | None:
    """The version of a dataset after changes of its files, sorted by path; None where no file is left.

    `snapshot` holds the files as they are now. Raises NotParquet where a changed file is none.
    """
    ctx = snapshot.ctx
    nodes = ctx.manifests.nodes
    if base is None:
        changes = iter(changes)
        first = next(changes, None)
        if first is None:
            return None  # nothing is written for the many folders that are no dataset
        changes = chain((first,), changes)
    seen = _Seen(rows=(base.rows or 0) if base else 0, newest=base.timestamp if base else 0)
    before = base.state if base else tree.empty(nodes, FILES)
    state = tree.apply(nodes, FILES, before, _file_changes(ctx, base, changes, seen))
    totals = tree.totals(nodes, state)
    if totals.entries == 0:
        return None
    if base is not None and state == base.state:
        return base
    made = _Columns.carried(ctx, base, seen) or _Columns.of(snapshot, folder, state, seen)
    return with_digest(
        TableVersion(
            path=folder,
            format=TableFormat.PARQUET,
            version=None,
            schema=render_schema(made.schema),
            partition_columns=made.partitions,
            state=state,
            files=totals.entries,
            rows=seen.rows,
            bytes=totals.bytes,
            digest="",
            timestamp=seen.newest,
            properties=made.properties,
        )
    )


def _file_changes(
    ctx: RepositoryContext, base: TableVersion | None, changes: Iterable[FileChange], seen: _Seen
) -> Iterator[tuple[str, FileEntry | None]]:
    for path, footer, entry in _footers(ctx, changes):
        old = tree.get(ctx.manifests.nodes, FILES, base.state, path) if base else None
        seen.rows -= (old.rows or 0) if old else 0
        if entry is None or footer is None:
            seen.removed = True
            yield path, None
            continue
        rows, schema = footer
        seen.rows += rows
        seen.newest = max(seen.newest, entry.mtime)
        partition = hive_values(path)
        seen.note_partition(partition)
        name = schema_hash(schema)
        seen.schemas.setdefault(name, schema)
        action = canonical_json({"content": entry.digest or f"etag:{entry.etag}", "schema": name})
        yield path, FileEntry(path, entry.size, rows, partition, None, action)


def _footers(
    ctx: RepositoryContext, changes: Iterable[FileChange]
) -> Iterator[tuple[str, tuple[int, Struct] | None, Entry | None]]:
    """Reads footers, several at a time where a store is far away."""
    pending = iter(changes)

    def read(change: FileChange) -> tuple[int, Struct] | None:
        return read_footer(ctx, change[1]) if change[1] is not None else None

    if ctx.store.is_local:
        for change in pending:
            yield change[0], read(change), change[1]
        return
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="lakegate-footers") as pool:
        while window := list(islice(pending, _AHEAD)):
            for change, footer in zip(window, pool.map(read, window), strict=True):
                yield change[0], footer, change[1]


def read_footer(ctx: RepositoryContext, entry: Entry) -> tuple[int, Struct]:
    """Reads the number of rows and the schema from a file's footer, by range reads. Raises NotParquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if entry.size < _SMALLEST:
        raise NotParquet(entry.path, "too short")
    try:
        with open_arrow(ctx, entry) as source, pq.ParquetFile(source, coerce_int96_timestamp_unit="us") as parquet:
            return int(parquet.metadata.num_rows), from_arrow(parquet.schema_arrow)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise NotParquet(entry.path, str(error).splitlines()[0]) from error
    except LakegateError as error:
        if error.kind is ErrorKind.INVALID_TABLE:
            raise NotParquet(entry.path, error.message) from error
        raise


def schema_hash(schema: Struct) -> str:
    """Names a file's schema."""
    return sha256_hex(render_schema(schema).encode("utf-8"))[:16]


@dataclass(frozen=True, slots=True)
class _Columns:
    """Schema, partition columns and properties of a version."""

    schema: Struct
    partitions: tuple[str, ...]
    properties: dict[str, str]

    @classmethod
    def carried(cls, ctx: RepositoryContext, base: TableVersion | None, seen: _Seen) -> _Columns | None:
        """Those of `base`, where the changes can't have changed them; None where all files must be asked."""
        if base is None or base.properties:
            return None
        first = next(tree.iterate(ctx.manifests.nodes, FILES, base.state), None)
        known = {_file_schema(first)} if first is not None else set[str]()
        schema = parse_schema(base.schema)
        types = {part.name: part.type for part in schema.fields}
        for name, integers in seen.values.items():
            if types.get(name) != _partition_type(integers) and types.get(name) != Primitive("string"):
                return None
        shrinks = seen.removed and any(types[name] == Primitive("string") for name in base.partition_columns)
        if shrinks or set(seen.schemas) - known or seen.columns - {base.partition_columns}:
            return None
        return cls(schema, base.partition_columns, {})

    @classmethod
    def of(cls, snapshot: Snapshot, folder: str, state: NodeId, seen: _Seen) -> _Columns:
        """Those of all files of a state; reads a footer for each schema that is not known yet."""
        ctx = snapshot.ctx
        schemas: dict[str, Struct] = {}
        all_seen = _Seen()
        partitions: dict[str, str | None] = {}
        for file in tree.iterate(ctx.manifests.nodes, FILES, state):
            # By the path, which has the order of the keys: a stored mapping has them sorted.
            values = hive_values(file.path)
            all_seen.note_partition(values)
            partitions.update(values)
            name = _file_schema(file)
            if name not in schemas:
                known = seen.schemas.get(name)
                schemas[name] = known if known is not None else _schema_of(snapshot, folder, file)
        united, clashes = unify(schemas.values())
        columns = [part for part in united.fields if part.name not in partitions]
        columns.extend(Field(name, _partition_type(all_seen.values[name])) for name in partitions)
        properties: dict[str, str] = {}
        if len(schemas) > 1:
            properties[FILE_SCHEMAS] = str(len(schemas))
        if len(all_seen.columns) > 1:
            properties[PARTITION_SHAPES] = str(len(all_seen.columns))
        if clashes:
            properties[SCHEMA_CLASHES] = "; ".join(clashes)
        return cls(Struct(tuple(columns)), tuple(partitions), properties)


def _partition_type(integers: bool) -> Primitive:
    return Primitive("long" if integers else "string")


def _file_schema(file: FileEntry) -> str:
    return str(parse_json(file.action or "{}").get("schema", ""))


def _schema_of(snapshot: Snapshot, folder: str, file: FileEntry) -> Struct:
    entry = snapshot.get(f"{folder}/{file.path}")
    if entry is None:
        raise NotParquet(f"{folder}/{file.path}", "gone")
    return read_footer(snapshot.ctx, entry)[1]

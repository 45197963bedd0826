"""Settles a table that both sides of a merge changed by merging its rows by key.

The result is a forward step of the destination: for a Delta table a new version, for a Parquet dataset other files.
Only files that hold rows to be replaced or removed are written again; new rows go into new files of their partitions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from lakegate.context import RepositoryContext
from lakegate.engine.frame import View
from lakegate.engine.row_merge import Partition, Rewrite, RowMerge, merge_rows
from lakegate.engine.three_way import Versions, incompatible, line_up, three_way_frame
from lakegate.errors import ErrorKind, Refused
from lakegate.format.canonical import parse_json
from lakegate.ids import CommitId, NodeId, new_id
from lakegate.model import (
    Conflict,
    ConflictKind,
    Entry,
    FileEntry,
    Resolution,
    Side,
    TableFormat,
    TableVersion,
)
from lakegate.ops.objects import store_pieces
from lakegate.snapshot import Snapshot
from lakegate.tables.data_writer import DataFileWriter, partition_text
from lakegate.tables.delta.backing import needed_features
from lakegate.tables.delta.merge.transactions import LAKEGATE
from lakegate.tables.delta.next_version import Addition, Draft, Removal, next_version
from lakegate.tables.file_counts import FileCounts
from lakegate.tables.parquet import HIVE_NULL
from lakegate.tables.scan import TableLayout

Change = tuple[str, Entry | None]

# Features whose rules for writers are kept by rewriting files whole, with rows that were right on one of the sides.
_WRITTEN_FEATURES = frozenset(
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
        "identityColumns",
        "inCommitTimestamp",
        "invariants",
        "rowTracking",
        "timestampNtz",
        "typeWidening",
        "typeWidening-preview",
        "v2Checkpoint",
        "vacuumProtocolCheck",
    }
)
_VARIANTS = frozenset({"variantType", "variantType-preview"})


@dataclass(frozen=True, slots=True)
class TableInTree:
    """A table version and the root of the tree that holds its objects."""

    root: NodeId
    version: TableVersion


@dataclass(frozen=True, slots=True)
class RowMergeSides:
    """The table on the three sides of a merge. `base` is None where both sides made the table."""

    base: TableInTree | None
    source: TableInTree
    destination: TableInTree


@dataclass(frozen=True, slots=True)
class MergedRows:
    """What becomes of the table. `changes`, sorted by path, are to be applied to the destination's tree; none where
    there are conflicts. In a dry run nothing lies at the addresses of what would be written. `version` is the new Delta
    version, None where none is made. `counts` has the rows of the table, not those of the files."""

    counts: FileCounts
    version: int | None = None
    changes: tuple[Change, ...] = ()
    conflict: Conflict | None = None


def merge_table_rows(
    ctx: RepositoryContext,
    sides: RowMergeSides,
    resolution: Resolution,
    origin: Mapping[str, Any] | None = None,
    *,
    dry_run: bool = False,
) -> MergedRows:
    """Merges the rows of one table by `resolution.key`. `origin` goes into the commitInfo of a Delta version.

    Raises InvalidInput(KEY_NOT_FOUND, INVALID_ARGUMENT), Refused(KEY_NULL, KEY_NOT_UNIQUE, ROWS_INCOMPATIBLE,
    DELTA_FEATURE_UNKNOWN, DELTA_APPEND_ONLY).
    """
    merge = open_row_merge(ctx, sides, resolution)
    try:
        counts = FileCounts(rows_added=merge.rows_added, rows_removed=merge.rows_removed)
        if merge.conflicts:
            return MergedRows(counts, conflict=_conflict(sides, resolution, merge))
        head = sides.destination.version
        is_delta = head.format is TableFormat.DELTA
        if is_delta:
            _require_writable(head, removes=merge.rows_removed > 0)
        if not merge.taken:
            return MergedRows(counts, head.version)
        after = head.version + 1 if is_delta and head.version is not None else head.version
        writing = _Writing(ctx, head, counts, dry_run=dry_run)
        for rewrite in merge.rewrites():
            writing.rewrite(rewrite)
        if is_delta:
            writing.log(resolution.key, sides.source.version, origin or {})
        return MergedRows(counts, after, tuple(sorted(writing.changes.items())))
    finally:
        merge.close()


def why_no_rows(base: TableVersion | None, source: TableVersion, destination: TableVersion) -> str | None:
    """Tells why the rows of a table can't be merged, whatever the key; None where they can."""
    try:
        line_up(base, source, destination)
        if destination.format is TableFormat.DELTA:
            _require_writable(destination, removes=False)
    except Refused as refused:
        return refused.message
    return None


def open_row_merge(ctx: RepositoryContext, sides: RowMergeSides, resolution: Resolution) -> RowMerge:
    """Compares the sides; the caller closes what is returned."""
    base, source, destination = (
        View(ctx, Snapshot(ctx, CommitId(""), at.root), at.version) if at is not None else None
        for at in (sides.base, sides.source, sides.destination)
    )
    assert source is not None
    assert destination is not None
    versions = Versions(base, source, destination)
    return merge_rows(versions, three_way_frame(versions, resolution.key), resolution)


def _conflict(sides: RowMergeSides, resolution: Resolution, merge: RowMerge) -> Conflict:
    path = sides.destination.version.path
    key = ",".join(resolution.key)
    ways = f"--prefer source, --prefer destination or --newest {path}=COLUMN"
    if resolution.newest is not None:
        ways = f"beside --newest {resolution.newest}, by which none is newer, --prefer source or --prefer destination"
    count = "1 row" if merge.conflicts == 1 else f"{merge.conflicts:,} rows"
    return Conflict(
        ConflictKind.ROW_CHANGED,
        path,
        f"Both sides changed {count} of the table {path!r}, each to other values.",
        table=path,
        base=Side(sides.base.version.version if sides.base is not None else None),
        source=Side(sides.source.version.version),
        destination=Side(sides.destination.version.version),
        hint=f"Settle them with --take rows:{path} --key {path}={key} and {ways}.",
        rows=merge.first_conflicts(),
    )


def _require_writable(table: TableVersion, *, removes: bool) -> None:
    protocol = table.protocol
    features = {*protocol.reader_features, *protocol.writer_features} if protocol is not None else set[str]()
    if table.metadata is not None:  # deltalake puts them into the protocol of tables without any such column
        features -= _VARIANTS - needed_features(parse_json(table.metadata))
    unknown = sorted(features - _WRITTEN_FEATURES)
    if unknown:
        raise incompatible(table.path, f"writing rows is not offered for tables with {', '.join(unknown)}")
    for name, what in (
        ("delta.enableRowTracking", "row tracking: rows that are written again would lose their ids"),
        ("delta.enableChangeDataFeed", "a change data feed: rows that are written again would stand in it as changed"),
    ):
        if table.properties.get(name, "").lower() == "true" and removes:
            raise incompatible(table.path, f"writing rows is not offered for tables with {what}")
    if table.properties.get("delta.appendOnly", "").lower() == "true" and removes:
        raise Refused(
            ErrorKind.DELTA_APPEND_ONLY,
            f"The Delta table {table.path!r} is append-only, and the merge would change or remove rows of it.",
            hint="Set the table property delta.appendOnly to false first.",
            details={"table": table.path},
        )


class _Writing:
    """Writes the files of one merge (a dry run: weighs them), and collects what changes in the destination's tree."""

    def __init__(self, ctx: RepositoryContext, head: TableVersion, counts: FileCounts, *, dry_run: bool) -> None:
        self._ctx = ctx
        self._head = head
        self._layout = layout = TableLayout.of(head)
        self._counts = counts
        self._dry_run = dry_run
        self._parts = [part for part in layout.schema.fields if part.name in layout.partitions]
        self._adds: list[Addition] = []
        self._removes: list[Removal] = []
        self.changes: dict[str, Entry | None] = {}

    def rewrite(self, rewrite: Rewrite) -> None:
        """Writes the rows of one partition; its old files go."""
        values = self._values(rewrite.values)
        for file in rewrite.files:
            self._removes.append(Removal(file.path))
            self._counts.files_removed += 1
            self._counts.bytes_removed += file.size
            if self._head.format is TableFormat.PARQUET:
                self.changes[f"{self._head.path}/{file.path}"] = None
        path = f"{self._folder(rewrite, values)}part-{new_id()}.snappy.parquet"
        self._write(path, values, rewrite.rows)

    def log(self, key: tuple[str, ...], source: TableVersion, origin: Mapping[str, Any]) -> None:
        """Writes the Delta version that holds all of it."""
        info: Mapping[str, Any] = {
            "operation": "MERGE",
            "operationParameters": {"key": ",".join(key), "source": f"version {source.version} of another branch"},
            "isBlindAppend": False,
            LAKEGATE: {**origin, "sourceVersion": source.version},
        }
        # The source's batches are in the result: a stream that goes on here must not write them again.
        draft = Draft(info, adds=tuple(self._adds), removes=tuple(self._removes), txns=source.txns)
        commit = next_version(self._ctx, self._head, draft, self._ctx.clock())
        entry = self._stored(commit.path, iter((commit.body,)))
        self.changes[commit.path] = replace(entry, mtime=commit.timestamp)

    def _stored(self, path: str, pieces: Iterator[bytes]) -> Entry:
        if self._dry_run:
            return Entry(path, "", sum(len(piece) for piece in pieces), "", self._ctx.clock())
        return store_pieces(self._ctx, path, pieces)

    def _write(self, relative: str, values: Mapping[str, str | None], rows: Iterator[Any]) -> None:
        first = next(rows, None)
        if first is None:
            return
        names = self._layout.stored.fields
        writer = DataFileWriter(self._layout.stored, self._layout.matching)

        def pieces() -> Iterator[bytes]:
            batch = first
            while batch is not None:
                yield writer.write(batch.select([part.name for part in names]))
                batch = next(rows, None)
            yield writer.close()

        path = f"{self._head.path}/{relative}"
        entry = self._stored(path, pieces())
        self.changes[path] = entry
        self._counts.files_added += 1
        self._counts.bytes_added += entry.size
        if self._head.format is TableFormat.DELTA:
            action = {
                "path": quote(relative, safe="/=-_.~"),
                "partitionValues": dict(values),
                "size": entry.size,
                "modificationTime": entry.mtime,
                "dataChange": True,
                "stats": writer.stats,
            }
            self._adds.append(Addition.of(action))

    def _values(self, typed: Partition) -> dict[str, str | None]:
        return {
            part.physical_name if self._layout.is_mapped else part.name: partition_text(value, part.type, part.name)
            for part, value in zip(self._parts, typed, strict=True)
        }

    def _folder(self, rewrite: Rewrite, values: Mapping[str, str | None]) -> str:
        """Where files of a partition lie. A Parquet dataset has its values there and nowhere else. A Delta table has
        them in its log; but Polars reads them from the folders, and answers null where there are none."""
        if self._head.format is TableFormat.PARQUET and rewrite.files:
            return _parent(rewrite.files[0])
        if self._layout.is_mapped:
            return ""
        names = self._head.partition_columns
        return "".join(f"{quote(name, safe='')}={_hive(values[name])}/" for name in names)


def _parent(file: FileEntry) -> str:
    folder = file.path.rpartition("/")[0]
    return f"{folder}/" if folder else ""


def _hive(value: str | None) -> str:
    return HIVE_NULL if value is None else quote(value, safe="")

"""The live view: of a table's folder only the files that the table version at a ref holds.

A reader that knows Parquet and not Delta globs a table's folder and reads dead files too: rows that were deleted, or
twice what was compacted. Below `_live/<table>/` it sees the live data files alone. Where plain Parquet would still be
wrong the view is refused: deletion vectors, column mapping, partition values that do not stand in the paths.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

from lakegate import refs, tree
from lakegate.context import RepositoryContext
from lakegate.errors import ErrorKind, NotFound, Refused
from lakegate.format.kinds import FILES, TABLES
from lakegate.ids import LIVE
from lakegate.model import MAX_PAGE, Entry, FileEntry, ListRequest, TableVersion, page_of
from lakegate.snapshot import Listing, Seen, Snapshot, fold
from lakegate.tables.conform import Matching
from lakegate.tables.data_files import live_files
from lakegate.tables.features import matching_of, require_readable


@dataclass(frozen=True, slots=True)
class LiveTable:
    """One table version as plain files below `base`."""

    ctx: RepositoryContext
    snapshot: Snapshot
    table: TableVersion

    @classmethod
    def find(cls, ctx: RepositoryContext, ref: str, path: str) -> LiveTable:
        """Finds the table that a path `_live/<table>/...` leads into, as the ref's commit has it.

        Raises NotFound(TABLE_NOT_FOUND), Refused(DELTA_FEATURE_UNKNOWN) where plain Parquet would be wrong.
        """
        snapshot = Snapshot.at(ctx, refs.resolve(ctx, ref).commit)
        manifest = ctx.manifests.read_manifest(ctx.manifests.read_commit(snapshot.commit).manifest)
        segments = path.removeprefix(LIVE).split("/")
        for count in range(1, len(segments) + 1):
            name = "/".join(segments[:count])
            found = tree.get(ctx.manifests.nodes, TABLES, manifest.tables_root, name)
            if found is not None:
                _require_plain(ctx, found)
                return cls(ctx, snapshot, found)
        raise NotFound(
            ErrorKind.TABLE_NOT_FOUND,
            f"{path!r} leads into no table at {ref!r}: a live view needs a table's whole path after {LIVE!r}.",
            hint="`lakegate table list` lists them; a table that was just written shows after the next commit.",
        )

    @property
    def base(self) -> str:
        return f"{LIVE}{self.table.path}/"

    def get(self, path: str) -> Entry | None:
        """Returns the entry of a live file by its path in the view."""
        name = path.removeprefix(self.base)
        file = tree.get(self.ctx.manifests.nodes, FILES, self.table.state, name) if name != path else None
        return None if file is None else next(self._entries(iter([file])))

    def iterate(self, prefix: str, after: str) -> Iterator[Entry]:
        """Yields the live files below a prefix, after a path, both as paths in the view."""
        base = self.base
        if not (prefix.startswith(base) or base.startswith(prefix)) or (after > base and not after.startswith(base)):
            return
        nodes, state = self.ctx.manifests.nodes, self.table.state
        yield from self._entries(tree.iterate(nodes, FILES, state, prefix[len(base) :], after[len(base) :]))

    def _entries(self, files: Iterator[FileEntry]) -> Iterator[Entry]:
        for found in live_files(self.ctx, self.snapshot, self.table, files):
            _require_hive(self.table, found.file)
            yield replace(found.entry, path=self.base + found.file.path)


def look_live(ctx: RepositoryContext, ref: str, path: str) -> Seen:
    """Looks up a path below `_live/` at a ref. Raises as `LiveTable.find` does."""
    view = LiveTable.find(ctx, ref, path)
    return Seen(view.snapshot.commit, view.get(path), staged=False)


def list_live(ctx: RepositoryContext, ref: str, request: ListRequest) -> Listing:
    """Lists a page of a live view; the prefix holds the table's path. Raises as `LiveTable.find` does."""
    view = LiveTable.find(ctx, ref, request.prefix)
    amount = max(0, min(request.amount, MAX_PAGE))
    found = tuple(islice(fold(view.iterate, request), amount + 1))
    return Listing(view.snapshot.commit, page_of(found, amount, lambda item: item.path))


def _require_plain(ctx: RepositoryContext, table: TableVersion) -> None:
    require_readable(table)
    if matching_of(table) is not Matching.NAME:
        raise _refused(table, "maps its columns, so that its files name them otherwise")
    protocol = table.protocol
    if protocol is not None and "deletionVectors" in protocol.reader_features:
        files = tree.iterate(ctx.manifests.nodes, FILES, table.state)
        if any(file.deletion_vector is not None for file in files):
            raise _refused(table, "has deletion vectors, so that its files hold rows that were deleted")


def _require_hive(table: TableVersion, file: FileEntry) -> None:
    folders = file.path.split("/")[:-1]
    for column in table.partition_columns:
        if not any(folder.startswith(f"{column}=") for folder in folders):
            raise _refused(table, f"keeps the value of its partition column {column!r} in its log alone")


def _refused(table: TableVersion, why: str) -> Refused:
    return Refused(
        ErrorKind.DELTA_FEATURE_UNKNOWN,
        f"The table {table.path!r} can't be read as plain Parquet: it {why}.",
        hint="Read it with a Delta client, at its own path.",
        details={"table": table.path},
    )

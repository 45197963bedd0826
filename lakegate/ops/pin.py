"""Resolves a ref to what a pin holds: the commit, its manifest, its table versions; and takes a hold."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from lakegate import refs, tree
from lakegate.context import RepositoryContext
from lakegate.errors import ErrorKind, InvalidInput, NotFound
from lakegate.format.kinds import TABLES
from lakegate.ids import HoldId, NodeId, new_id
from lakegate.model import Hold, PinDocument, PinnedTable, TableVersion

_MAX_NAME = 200


def pin(ctx: RepositoryContext, ref: str, tables: Sequence[str], hold: str | None) -> PinDocument:
    """Makes the pin document of a ref; see `lakegate.interface.Repository.pin`. Nothing is recorded without `hold`;
    taking the same hold again is no error."""
    if hold is not None and not 0 < len(hold) <= _MAX_NAME:
        raise InvalidInput(
            ErrorKind.INVALID_ARGUMENT,
            f"A hold's name has 1 to {_MAX_NAME} characters.",
            hint="Name it after the job that reads the data.",
        )
    commit = ctx.manifests.read_commit(refs.resolve(ctx, ref).commit)
    manifest = ctx.manifests.read_manifest(commit.manifest)
    pinned = tuple(_pinned(table) for table in _tables(ctx, manifest.tables_root, ref, tables))
    taken: Hold | None = None
    if hold is not None:
        wanted = Hold(HoldId(f"hold_{new_id()}"), ctx.info.name, commit.id, hold, ctx.clock())
        taken = ctx.meta.add_hold(ctx.info.id, wanted)
    return PinDocument(
        repository=ctx.info.name,
        ref=ref,
        commit=commit.id,
        committed_at=commit.created,
        manifest=manifest.id,
        tables=pinned,
        hold=taken.id if taken is not None else None,
    )


def _tables(ctx: RepositoryContext, root: NodeId, ref: str, wanted: Sequence[str]) -> Iterator[TableVersion]:
    if not wanted:
        yield from tree.iterate(ctx.manifests.nodes, TABLES, root)
    for path in sorted({path.rstrip("/") for path in wanted}):
        table = tree.get(ctx.manifests.nodes, TABLES, root, path)
        if table is None:
            raise NotFound(
                ErrorKind.TABLE_NOT_FOUND,
                f"There is no table {path!r} at {ref!r}.",
                hint="`lakegate table list` lists the tables.",
            )
        yield table


def _pinned(table: TableVersion) -> PinnedTable:
    return PinnedTable(
        path=table.path,
        format=table.format,
        version=table.version,
        schema=f"sha256:{hashlib.sha256(table.schema.encode()).hexdigest()}",
        files=table.files,
        rows=table.rows,
        bytes=table.bytes,
        content=table.digest,
        table_id=table.table_id,
    )

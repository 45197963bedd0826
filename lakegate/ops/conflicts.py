"""Makes the typed conflicts of a three-way change, in words that say what to do next."""

from __future__ import annotations

from collections.abc import Sequence

from lakegate.context import RepositoryContext
from lakegate.ids import CommitId, NodeId
from lakegate.log_paths import commit_path
from lakegate.model import Conflict, ConflictKind, Entry, Side, TableVersion
from lakegate.ops.row_merge import why_no_rows
from lakegate.snapshot import Snapshot
from lakegate.tables.delta.log import read_commit
from lakegate.tables.delta.merge.clashes import Clash
from lakegate.tables.delta.merge.plan import Three
from lakegate.tables.delta.merge.transactions import Transaction

_MOST_OPERATIONS = 100
_NAMED = 5


def object_conflict(
    path: str, base: Entry | None, source: Entry | None, destination: Entry | None, table: str | None = None
) -> Conflict:
    """Both sides changed one object, of a table or not, or one changed what the other removed."""
    removed = source is None or destination is None
    return Conflict(
        ConflictKind.OBJECT_CHANGED_REMOVED if removed else ConflictKind.OBJECT_CHANGED,
        path,
        f"{path!r}: one side changed what the other removed." if removed else f"{path!r}: both sides changed it.",
        table=table,
        base=Side(etag=base.etag if base else None),
        source=Side(etag=source.etag if source else None),
        destination=Side(etag=destination.etag if destination else None),
        hint=_take_hint(path),
    )


def partition_conflict(
    table: str, folder: str, base: TableVersion | None, source: TableVersion | None, destination: TableVersion | None
) -> Conflict:
    """Both sides replaced files of one partition of a Parquet dataset: together their rows would stand twice."""
    return Conflict(
        ConflictKind.PARQUET_PARTITION_CHANGED,
        folder,
        f"Both sides replaced files in {folder!r} of the Parquet dataset {table!r}.",
        table=table,
        hint=f"{_take_hint(folder)} {_rows_hint(base, source, destination)}",
    )


def schema_conflict(table: str, clashes: tuple[str, ...]) -> Conflict:
    """Both sides changed a Parquet dataset, and files of both have no common schema."""
    return Conflict(
        ConflictKind.SCHEMA_INCOMPATIBLE,
        table,
        f"Both sides changed the Parquet dataset {table!r}, and types of columns don't go together: "
        f"{'; '.join(clashes)}.",
        table=table,
        hint=_take_hint(table),
    )


def delta_conflict(
    ctx: RepositoryContext,
    path: str,
    base: TableVersion | None,
    source: tuple[TableVersion | None, NodeId],
    destination: tuple[TableVersion | None, NodeId],
) -> Conflict:
    """Both sides changed one Delta table; tells each side's version and operations as far as its log does."""
    theirs, ours = source[0], destination[0]
    ids = {version.table_id for version in (base, source[0], destination[0]) if version is not None}
    other = base is not None and len(ids - {None}) > 1
    if theirs is None or ours is None:
        gone, left = ("source", "destination") if theirs is None else ("destination", "source")
        what = f"The {gone} dropped the Delta table {path!r}, which the {left} changed."
    elif base is None:
        what = f"Both sides created a Delta table {path!r}."
    else:
        anew = " It was begun anew under another id: what was done to one table fits no other." if other else ""
        what = f"Both sides changed the Delta table {path!r} since their merge base.{anew}"
    sides = _side(ctx, base, *source), _side(ctx, base, *destination)
    did = [f" The {name}: {_did(side)}." for name, side in zip(("source", "destination"), sides, strict=True)]
    return Conflict(
        ConflictKind.DELTA_TABLE_CHANGED,
        path,
        what + "".join(text for text, side in zip(did, sides, strict=True) if side.operations),
        table=path,
        base=Side(base.version if base else None),
        source=sides[0],
        destination=sides[1],
        hint=f"{_take_hint(path)} {_rows_hint(base, theirs, ours)}",
    )


_ISOLATED = frozenset({ConflictKind.CONCURRENT_APPEND, ConflictKind.CONCURRENT_DELETE_READ})


def replay_conflict(three: Three, clash: Clash) -> Conflict:
    """The source's transactions on a Delta table don't go onto the destination's."""
    path = three.destination.version.path
    hint = f"{_take_hint(path)} {_rows_hint(*(side.version for side in (three.base, three.source, three.destination)))}"
    if clash.kind in _ISOLATED:
        hint += " With --isolation snapshot only files that both sides removed or rewrote are a conflict."
    return Conflict(
        clash.kind,
        path,
        f"{path!r}: {clash.why}.",
        table=path,
        base=Side(three.base.version.version),
        source=_told(three.source.version, clash.source),
        destination=_told(three.destination.version, clash.destination),
        hint=hint,
        files=clash.files,
        partitions=clash.partitions,
        file_count=clash.file_count,
    )


def counted(conflicts: Sequence[Conflict]) -> str:
    """Says how many conflicts there are."""
    return "1 conflict" if len(conflicts) == 1 else f"{len(conflicts)} conflicts"


def _told(table: TableVersion, transactions: Sequence[Transaction]) -> Side:
    known = [transaction for transaction in transactions if transaction.version is not None][:_MOST_OPERATIONS]
    return Side(
        table.version,
        tuple(transaction.words for transaction in known),
        versions=tuple(transaction.version for transaction in known if transaction.version is not None),
    )


def _side(ctx: RepositoryContext, base: TableVersion | None, table: TableVersion | None, root: NodeId) -> Side:
    if table is None or table.version is None:
        return Side()
    view = Snapshot(ctx, CommitId(""), root)
    same = base is not None and base.version is not None and base.table_id == table.table_id
    first = base.version + 1 if base is not None and base.version is not None and same else 0
    operations: dict[int, str] = {}
    for version in range(max(first, table.version - _MOST_OPERATIONS + 1), table.version + 1):
        entry = view.get(commit_path(table.path, version))
        if entry is not None:
            info = read_commit(ctx, table.path, version, entry).info or {}
            operations[version] = str(info.get("operation", "unknown"))
    return Side(table.version, tuple(operations.values()), versions=tuple(operations))


def _did(side: Side) -> str:
    """The first of a side's operations in words: `WRITE (version 1), DELETE (version 2)`."""
    pairs = list(zip(side.operations, side.versions, strict=True))
    more = f" and {len(pairs) - _NAMED} more" if len(pairs) > _NAMED else ""
    return ", ".join(f"{operation} (version {version})" for operation, version in pairs[:_NAMED]) + more


def _take_hint(path: str) -> str:
    return f"Settle it with --take source:{path} or --take destination:{path}."


def _rows_hint(base: TableVersion | None, source: TableVersion | None, destination: TableVersion | None) -> str:
    if source is None or destination is None:
        return "There are no rows to be merged: one side has no such table."
    return (
        why_no_rows(base, source, destination)
        or f"Or merge the table's rows: --take rows:{destination.path} --key COLUMN."
    )

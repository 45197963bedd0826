"""Plans a three-way change of a branch: merge, revert and cherry-pick are this with other bases.

Objects merge by path. A Delta table is decided as one thing, by the table versions at base, source and destination.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from heapq import merge as merge_sorted

from lakegate import tree
from lakegate.context import RepositoryContext
from lakegate.errors import ErrorKind, InvalidInput, NotOffered
from lakegate.format.kinds import OBJECTS, TABLES
from lakegate.ids import NodeId
from lakegate.model import (
    ChangeCounts,
    Conflict,
    ConflictKind,
    Entry,
    Manifest,
    Resolution,
    Side,
    Strategy,
    TableChange,
    TableOutcome,
    TableVersion,
    Take,
)
from lakegate.ops.forward import Change, forward_table
from lakegate.ops.placement import Placement, in_log, is_delta, same_version
from lakegate.tables.diff import operations_between


@dataclass(frozen=True, slots=True)
class Sides:
    """The three manifests of a three-way change: what `source` did since `base` is to be done to `destination`."""

    base: Manifest
    source: Manifest
    destination: Manifest


@dataclass(frozen=True, slots=True)
class Settlement:
    """How conflicts are settled, and whether anything may be written while planning (a dry run writes nothing)."""

    resolutions: tuple[Resolution, ...] = ()
    strategy: Strategy | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What came out: the new root (None for a dry run or where conflicts stand), and the report."""

    objects_root: NodeId | None
    changes: ChangeCounts
    tables: tuple[TableChange, ...]
    conflicts: tuple[Conflict, ...]


@dataclass(slots=True)
class _Tally:
    added: int = 0
    removed: int = 0
    changed: int = 0
    conflicts: list[Conflict] = field(default_factory=list)
    tables: list[TableChange] = field(default_factory=list)
    used: set[str] = field(default_factory=set)

    def counts(self) -> ChangeCounts:
        return ChangeCounts(self.added, self.removed, self.changed)


@dataclass(frozen=True, slots=True)
class _Decision:
    """For one Delta table: the outcome, and the changes that bring the destination there."""

    outcome: TableOutcome
    changes: Iterator[Change]


def plan_three_way(ctx: RepositoryContext, sides: Sides, settlement: Settlement) -> Plan:
    """Plans, and (no dry run, no conflict) writes the nodes of, the destination with the source's changes.

    Reads only nodes that differ. Raises NotOffered for a resolution by rows, InvalidInput for a resolution that
    settles nothing.
    """
    nodes = ctx.manifests.nodes
    tally = _Tally()
    choices = {r.path.rstrip("/"): r for r in settlement.resolutions}
    for resolution in settlement.resolutions:
        if resolution.take is Take.ROWS:
            raise NotOffered(
                f"Resolving {resolution.path!r} by merging rows is not offered yet.",
                hint="Take the source or the destination of the table.",
            )
    decided = _decide_tables(ctx, sides, settlement, choices, tally)
    ordered = sorted(decided, key=lambda table: table + "/")
    table_changes = (change for table in ordered for change in decided[table].changes)
    plain = _plain_changes(ctx, sides, settlement, choices, decided, tally)
    changes = _counted(ctx, sides.destination.objects_root, merge_sorted(plain, table_changes, key=_path), tally)
    if settlement.dry_run or tally.conflicts:
        for _ in changes:
            pass
        root = None
    else:
        root = tree.apply(nodes, OBJECTS, sides.destination.objects_root, changes)
    unused = sorted(set(choices) - tally.used)
    if unused:
        raise InvalidInput(
            ErrorKind.INVALID_ARGUMENT,
            f"The resolution for {unused[0]!r} settles no conflict of this change.",
            hint="Name tables and paths as a dry run lists them.",
            details={"paths": unused},
        )
    return Plan(None if tally.conflicts else root, tally.counts(), tuple(tally.tables), tuple(tally.conflicts))


def _path(change: Change) -> str:
    return change[0]


def _take(path: str, choices: Mapping[str, Resolution], settlement: Settlement, tally: _Tally) -> Take | None:
    chosen = choices.get(path)
    if chosen is not None:
        tally.used.add(path)
        return chosen.take
    if settlement.strategy is Strategy.SOURCE_WINS:
        return Take.SOURCE
    if settlement.strategy is Strategy.DESTINATION_WINS:
        return Take.DESTINATION
    return None


def _decide_tables(
    ctx: RepositoryContext,
    sides: Sides,
    settlement: Settlement,
    choices: Mapping[str, Resolution],
    tally: _Tally,
) -> dict[str, _Decision]:
    """Decides every Delta table that the source changed."""
    decided: dict[str, _Decision] = {}
    triples = tree.merge(
        ctx.manifests.nodes,
        TABLES,
        sides.base.tables_root,
        sides.source.tables_root,
        sides.destination.tables_root,
    )
    for triple in triples:
        base, source, destination = triple.base, triple.source, triple.destination
        if not is_delta(base, source, destination) or same_version(base, source) or same_version(source, destination):
            continue
        take: Take | None = Take.SOURCE
        if not same_version(base, destination):
            take = _take(triple.path, choices, settlement, tally)
            if take is None:
                tally.conflicts.append(_table_conflict(ctx, sides, triple.path, base, source, destination))
                decided[triple.path] = _Decision(TableOutcome.CONFLICT, iter(()))
                continue
        if take is Take.DESTINATION:
            decided[triple.path] = _Decision(TableOutcome.KEPT_DESTINATION, iter(()))
            version = destination.version if destination else None
            tally.tables.append(TableChange(triple.path, TableOutcome.KEPT_DESTINATION, version, version))
            continue
        decided[triple.path] = _take_source(ctx, sides, settlement, (triple.path, base, source, destination), tally)
    return decided


def _take_source(
    ctx: RepositoryContext,
    sides: Sides,
    settlement: Settlement,
    table: tuple[str, TableVersion | None, TableVersion | None, TableVersion | None],
    tally: _Tally,
) -> _Decision:
    """Brings the destination's table to the source's state. Its log is taken as it stands where it only goes on from
    the destination's; else the state comes as a new forward version, for a version number never goes back."""
    path, base, source, destination = table
    before = destination.version if destination else None
    extends = (
        destination is None
        or source is None
        or (same_version(base, destination) and (source.version or 0) > (destination.version or 0))
    )
    if extends or source is None or destination is None:
        outcome = TableOutcome.REMOVED if source is None else TableOutcome.TAKEN_SOURCE
        tally.tables.append(TableChange(path, outcome, before, source.version if source else None))
        return _Decision(outcome, _source_folder(ctx, sides, path))
    version = (destination.version or 0) + 1
    tally.tables.append(
        TableChange(
            path,
            TableOutcome.TAKEN_SOURCE,
            before,
            version,
            note=f"the source's version {source.version} as the new version {version}",
        )
    )
    if settlement.dry_run:
        return _Decision(TableOutcome.TAKEN_SOURCE, iter(()))
    forward = forward_table(ctx, sides.destination.objects_root, destination, sides.source.objects_root, source)
    return _Decision(TableOutcome.TAKEN_SOURCE, forward.changes)


def _source_folder(ctx: RepositoryContext, sides: Sides, table: str) -> Iterator[Change]:
    """Makes the table's log the source's exactly; elsewhere in the folder the source's files come, those that it
    removed go, and what only the destination added stays."""
    nodes = ctx.manifests.nodes
    changes = tree.diff(nodes, OBJECTS, sides.destination.objects_root, sides.source.objects_root, prefix=table + "/")
    for change in changes:
        if change.right is not None or in_log(table, change.path):
            yield change.path, change.right
        elif tree.get(nodes, OBJECTS, sides.base.objects_root, change.path) is not None:
            yield change.path, None


def _plain_changes(
    ctx: RepositoryContext,
    sides: Sides,
    settlement: Settlement,
    choices: Mapping[str, Resolution],
    decided: Mapping[str, _Decision],
    tally: _Tally,
) -> Iterator[Change]:
    """Merges by path everything outside the tables that were decided as a whole."""
    nodes = ctx.manifests.nodes
    placement = Placement(nodes, (sides.base.tables_root, sides.source.tables_root, sides.destination.tables_root))
    triples = tree.merge(
        nodes, OBJECTS, sides.base.objects_root, sides.source.objects_root, sides.destination.objects_root
    )
    for triple in triples:
        table = placement.table_of(triple.path)
        if table in decided:
            continue
        base, source, destination = triple.base, triple.source, triple.destination
        if _same(source, destination) or _same(base, source):
            continue
        if not _same(base, destination):
            if table is not None and in_log(table, triple.path):
                # Both sides keep house in one log (checkpoints, clean-up) and the table's version is one: no conflict.
                continue
            take = _take(triple.path, choices, settlement, tally)
            if take is None:
                tally.conflicts.append(_object_conflict(triple.path, base, source, destination))
                continue
            if take is Take.DESTINATION:
                continue
        yield triple.path, source


def _counted(ctx: RepositoryContext, root: NodeId, changes: Iterator[Change], tally: _Tally) -> Iterator[Change]:
    for path, entry in changes:
        present = tree.get(ctx.manifests.nodes, OBJECTS, root, path) is not None
        if entry is None:
            tally.removed += present
        elif present:
            tally.changed += 1
        else:
            tally.added += 1
        yield path, entry


def _same(left: Entry | None, right: Entry | None) -> bool:
    if left is None or right is None:
        return left is right
    return left.same_content(right)


def _object_conflict(path: str, base: Entry | None, source: Entry | None, destination: Entry | None) -> Conflict:
    removed = source is None or destination is None
    what = "one side changed what the other removed" if removed else "both sides changed it, differently"
    return Conflict(
        ConflictKind.OBJECT_CHANGED_REMOVED if removed else ConflictKind.OBJECT_CHANGED,
        path,
        f"{path}: {what}.",
        base=Side(etag=base.etag if base else None),
        source=Side(etag=source.etag if source else None),
        destination=Side(etag=destination.etag if destination else None),
        hint=f"Settle it with --take source:{path} or --take destination:{path}.",
    )


def _table_conflict(
    ctx: RepositoryContext,
    sides: Sides,
    path: str,
    base: TableVersion | None,
    source: TableVersion | None,
    destination: TableVersion | None,
) -> Conflict:
    def side(manifest: Manifest, version: TableVersion | None) -> Side:
        if version is None:
            return Side()
        return Side(version.version, operations_between(ctx, manifest, base, version))

    return Conflict(
        ConflictKind.DELTA_TABLE_CHANGED,
        path,
        f"Both sides changed the Delta table {path!r} since their merge base.",
        table=path,
        base=Side(base.version if base else None),
        source=side(sides.source, source),
        destination=side(sides.destination, destination),
        hint=f"Settle it with --take source:{path} or --take destination:{path}.",
    )

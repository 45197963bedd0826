"""Plans a three-way change of a branch: merge, revert and cherry-pick are this with other bases.

Tables are decided first, as one thing each (`lakegate.ops.table_merge`); all other objects merge by path.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import merge as merge_sorted
from operator import itemgetter

from lakegate import tree
from lakegate.context import RepositoryContext
from lakegate.format.kinds import OBJECTS, TABLES
from lakegate.ids import NodeId
from lakegate.log_paths import log_folder
from lakegate.model import ChangeCounts, Conflict, Entry, Resolution, Strategy, TableChange, Take
from lakegate.ops.conflicts import object_conflict
from lakegate.ops.decisions import Change, Decision, Sides
from lakegate.ops.placement import Placement, in_log, is_delta, rewrites
from lakegate.ops.resolutions import Resolutions
from lakegate.ops.table_merge import TableMerge
from lakegate.ops.table_replay import Replaying
from lakegate.tables.touched import Touched


@dataclass(frozen=True, slots=True)
class Settlement:
    """How conflicts are settled, and Delta tables replayed; a dry run writes nothing."""

    resolutions: tuple[Resolution, ...] = ()
    strategy: Strategy | None = None
    dry_run: bool = False
    replaying: Replaying = Replaying()


@dataclass(frozen=True, slots=True)
class Plan:
    """`root` is the new tree of objects: None for a dry run, or where conflicts stand. `touched` tells what it changed
    of the destination's."""

    root: NodeId | None
    changes: ChangeCounts
    tables: tuple[TableChange, ...]
    conflicts: tuple[Conflict, ...]
    touched: Touched


_Step = tuple[str, Entry | None, bool]
"""A change, and whether the destination holds something at its path."""


@dataclass(slots=True)
class _Tally:
    touched: Touched
    added: int = 0
    removed: int = 0
    changed: int = 0
    conflicts: list[Conflict] = field(default_factory=list)


def plan_three_way(ctx: RepositoryContext, sides: Sides, settlement: Settlement) -> Plan:
    """Plans, and (no dry run, no conflict) writes, the destination's tree with the source's changes.

    Reads only nodes that differ. Raises InvalidInput for a resolution that settles nothing, and what a merge of rows by
    key raises.
    """
    choices = Resolutions(settlement.resolutions, settlement.strategy)
    tally = _Tally(Touched(ctx.manifests.nodes, sides.destination.objects_root))
    tables = TableMerge(ctx, sides, choices, settlement.replaying, dry_run=settlement.dry_run)
    decisions = list(tables.decide())
    tally.conflicts += [conflict for decision in decisions for conflict in decision.conflicts]
    whole = _whole(ctx, sides.destination.objects_root, decisions)
    plain = _plain(ctx, sides, choices, _Covered(tables.placement, decisions), tally)
    steps = _counted(merge_sorted(plain, whole, key=itemgetter(0)), tally, tables)
    root: NodeId | None = None
    if settlement.dry_run or tally.conflicts:
        for _ in steps:
            pass
    else:
        root = tree.apply(ctx.manifests.nodes, OBJECTS, sides.destination.objects_root, steps)
    choices.require_used()
    return Plan(
        None if tally.conflicts else root,
        ChangeCounts(tally.added, tally.removed, tally.changed),
        tables.reports(tally.conflicts),
        tuple(tally.conflicts),
        tally.touched,
    )


class _Covered:
    """Tells which paths the decisions on tables cover."""

    def __init__(self, placement: Placement, decisions: list[Decision]) -> None:
        self.placement = placement
        self._tables = {decision.folder for decision in decisions if not decision.partition}
        self._partitions = {decision.folder for decision in decisions if decision.partition}

    def holds(self, path: str) -> bool:
        return path.rpartition("/")[0] in self._partitions or self.placement.table_of(path) in self._tables


def _whole(ctx: RepositoryContext, root: NodeId, decisions: list[Decision]) -> Iterator[_Step]:
    """The changes that tables make. The files of a table inside another stand among the outer one's."""
    for path, entry in merge_sorted(*(decision.changes for decision in decisions), key=itemgetter(0)):
        yield path, entry, tree.get(ctx.manifests.nodes, OBJECTS, root, path, scan=True) is not None


def _plain(
    ctx: RepositoryContext, sides: Sides, choices: Resolutions, covered: _Covered, tally: _Tally
) -> Iterator[_Step]:
    """Merges by path everything that no decision covers."""
    triples = tree.merge(
        ctx.manifests.nodes,
        OBJECTS,
        sides.base.objects_root,
        sides.source.objects_root,
        sides.destination.objects_root,
    )
    histories: dict[str, bool] = {}
    own_logs: dict[str, bool] = {}
    delta: dict[str, bool] = {}
    for triple in triples:
        base, source, destination = triple.base, triple.source, triple.destination
        if _same(source, destination) or _same(base, source) or covered.holds(triple.path):
            continue
        table = covered.placement.table_of(triple.path)
        if table is not None and _other_history(ctx, sides, table, histories):
            continue
        if table is not None and in_log(table, triple.path) and _keeps_house(ctx, sides, table, own_logs):
            continue
        if source is None and table is not None and _needs_files(ctx, sides, table, triple.path, delta):
            continue
        if not _same(base, destination):
            take = choices.take(triple.path)
            if take is None:
                tally.conflicts.append(object_conflict(triple.path, base, source, destination, table))
                continue
            if take is Take.DESTINATION:
                continue
        yield triple.path, source, destination is not None


def _other_history(ctx: RepositoryContext, sides: Sides, table: str, known: dict[str, bool]) -> bool:
    """Tells whether both sides came to a Delta table's state by versions in another order, as merges both ways do: then
    the destination's folder stays as it is, for a published version is never rewritten."""
    if table not in known:
        ours = tree.get(ctx.manifests.nodes, TABLES, sides.destination.tables_root, table)
        roots = sides.destination.objects_root, sides.source.objects_root
        known[table] = ours is not None and is_delta(ours) and rewrites(ctx, roots, ours)
    return known[table]


def _needs_files(ctx: RepositoryContext, sides: Sides, table: str, path: str, known: dict[str, bool]) -> bool:
    """Tells whether a file may be needed by the destination's Delta table, though the source did without it: a vacuum
    of one side must not take away what the other's versions need."""
    if table not in known:
        known[table] = is_delta(tree.get(ctx.manifests.nodes, TABLES, sides.destination.tables_root, table))
    return known[table] and not in_log(table, path)


def _keeps_house(ctx: RepositoryContext, sides: Sides, table: str, known: dict[str, bool]) -> bool:
    """Tells whether the destination changed files of a table's log without a new version (checkpoints, clean-up):
    then its log stays as it is, for one side's checkpoints and hints don't fit the other's."""
    if table not in known:
        log = tree.diff(
            ctx.manifests.nodes,
            OBJECTS,
            sides.base.objects_root,
            sides.destination.objects_root,
            prefix=log_folder(table),
        )
        known[table] = next(log, None) is not None
    return known[table]


def _counted(steps: Iterator[_Step], tally: _Tally, tables: TableMerge) -> Iterator[Change]:
    for path, entry, present in steps:
        tally.touched.see(path, was_there=present, stays=entry is not None)
        tables.see(path, entry is None)
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

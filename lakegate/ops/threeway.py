"""Plans a three-way change of a branch: merge, revert and cherry-pick are this with other bases.

Objects merge by path. Two sides that both committed to one Delta table's log are one conflict for the whole table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from lakegate import tree
from lakegate.context import RepositoryContext
from lakegate.errors import ErrorKind, InvalidInput, NotOffered
from lakegate.format.kinds import OBJECTS
from lakegate.ids import NodeId
from lakegate.model import (
    ChangeCounts,
    Conflict,
    ConflictKind,
    Entry,
    Resolution,
    Side,
    Strategy,
    Take,
)
from lakegate.ops.diff import changes

_LOG_COMMIT = re.compile(r"(?P<table>.+)/_delta_log/(?P<version>\d{20})\.json")
_LOG_FILE = re.compile(r"(?P<table>.+?)/_delta_log/")


@dataclass(frozen=True, slots=True)
class Roots:
    """The three trees of objects: what `source` did since `base` is to be done to `destination`."""

    base: NodeId
    source: NodeId
    destination: NodeId


@dataclass(frozen=True, slots=True)
class Settlement:
    """How conflicts are settled; a dry run writes nothing. `keeps_versions`: no published Delta version may go."""

    resolutions: tuple[Resolution, ...] = ()
    strategy: Strategy | None = None
    dry_run: bool = False
    keeps_versions: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """`root` is the new tree: None for a dry run, or where conflicts stand."""

    root: NodeId | None
    changes: ChangeCounts
    conflicts: tuple[Conflict, ...]


@dataclass(slots=True)
class _Tally:
    added: int = 0
    removed: int = 0
    changed: int = 0
    conflicts: list[Conflict] = field(default_factory=list)
    used: set[str] = field(default_factory=set)


def plan_three_way(ctx: RepositoryContext, roots: Roots, settlement: Settlement) -> Plan:
    """Plans, and (no dry run, no conflict) writes, the destination's tree with the source's changes.

    Reads only nodes that differ. Raises NotOffered for resolutions that need to understand tables, InvalidInput for a
    resolution that settles nothing.
    """
    choices = _choices(settlement)
    tally = _Tally()
    tally.conflicts += _table_conflicts(ctx, roots, choices, settlement, tally)
    steps = _steps(ctx, roots, choices, settlement, tally)
    root: NodeId | None = None
    if settlement.dry_run or tally.conflicts:
        for _ in steps:
            pass
    else:
        root = tree.apply(ctx.manifests.nodes, OBJECTS, roots.destination, steps)
    unused = sorted(set(choices) - tally.used)
    if unused:
        raise InvalidInput(
            ErrorKind.INVALID_ARGUMENT,
            f"The resolution for {unused[0]!r} settles no conflict.",
            hint="Name tables and paths as a dry run lists them.",
            details={"paths": unused},
        )
    return Plan(
        None if tally.conflicts else root,
        ChangeCounts(tally.added, tally.removed, tally.changed),
        tuple(tally.conflicts),
    )


def _choices(settlement: Settlement) -> dict[str, Take]:
    for resolution in settlement.resolutions:
        if resolution.take is Take.ROWS:
            raise NotOffered(
                f"Merging {resolution.path!r} by rows is not offered yet.", hint="Take the source or the destination."
            )
    return {resolution.path.rstrip("/"): resolution.take for resolution in settlement.resolutions}


def _take(path: str, choices: dict[str, Take], settlement: Settlement, tally: _Tally) -> Take | None:
    if path in choices:
        tally.used.add(path)
        return choices[path]
    if settlement.strategy is None:
        return None
    return Take.SOURCE if settlement.strategy is Strategy.SOURCE_WINS else Take.DESTINATION


def _table_conflicts(
    ctx: RepositoryContext, roots: Roots, choices: dict[str, Take], settlement: Settlement, tally: _Tally
) -> list[Conflict]:
    """Finds the Delta tables that both sides committed to."""
    source = _versions(ctx, roots.base, roots.source)
    destination = _versions(ctx, roots.base, roots.destination) if source else {}
    found: list[Conflict] = []
    for table in sorted(source.keys() & destination.keys()):
        take = _take(table, choices, settlement, tally)
        if take is Take.SOURCE:
            raise NotOffered(
                f"Taking the source's state of the Delta table {table!r} over the destination's is not offered yet: "
                "it needs a new Delta version.",
                hint="Take the destination, or bring the changes over with a Delta client.",
            )
        if take is None:
            found.append(
                Conflict(
                    ConflictKind.DELTA_TABLE_CHANGED,
                    table,
                    f"Both sides committed to the Delta table {table!r} since their merge base.",
                    table=table,
                    source=Side(version=source[table]),
                    destination=Side(version=destination[table]),
                    hint=f"Settle it with --take destination:{table}.",
                )
            )
    return found


def _versions(ctx: RepositoryContext, base: NodeId, side: NodeId) -> dict[str, int]:
    """The newest version of each Delta table whose log one side committed to since the base."""
    newest: dict[str, int] = {}
    for change in changes(ctx, base, side):
        match = _LOG_COMMIT.fullmatch(change.path)
        if match is not None:
            newest[match["table"]] = max(int(match["version"]), newest.get(match["table"], -1))
    return newest


def _steps(
    ctx: RepositoryContext, roots: Roots, choices: dict[str, Take], settlement: Settlement, tally: _Tally
) -> Iterator[tuple[str, Entry | None]]:
    kept = {conflict.path for conflict in tally.conflicts} | {path for path in tally.used if path in choices}
    nodes = ctx.manifests.nodes
    for triple in tree.merge(nodes, OBJECTS, roots.base, roots.source, roots.destination):
        base, source, destination = triple.base, triple.source, triple.destination
        if _same(source, destination) or _same(base, source):
            continue
        table = _LOG_FILE.match(triple.path)
        if table is not None and table["table"] in kept:
            # The destination's log stays as it is; data files that only the source has do no harm beside it.
            continue
        if not _same(base, destination):
            take = _take(triple.path, choices, settlement, tally)
            if take is None:
                tally.conflicts.append(_object_conflict(triple.path, base, source, destination))
                continue
            if take is Take.DESTINATION:
                continue
        if settlement.keeps_versions and destination is not None and _LOG_COMMIT.fullmatch(triple.path):
            raise NotOffered(
                f"This would take back {triple.path!r}, a published version of a Delta table, and undoing one by a new "
                "version is not offered yet.",
                hint="Restore the table with a Delta client, or roll it back with the mode `exact`.",
            )
        if source is None:
            tally.removed += 1
        elif destination is None:
            tally.added += 1
        else:
            tally.changed += 1
        yield triple.path, source


def _same(left: Entry | None, right: Entry | None) -> bool:
    if left is None or right is None:
        return left is right
    return left.same_content(right)


def _object_conflict(path: str, base: Entry | None, source: Entry | None, destination: Entry | None) -> Conflict:
    removed = source is None or destination is None
    return Conflict(
        ConflictKind.OBJECT_CHANGED_REMOVED if removed else ConflictKind.OBJECT_CHANGED,
        path,
        f"{path!r}: one side changed what the other removed." if removed else f"{path!r}: both sides changed it.",
        base=Side(etag=base.etag if base else None),
        source=Side(etag=source.etag if source else None),
        destination=Side(etag=destination.etag if destination else None),
        hint=f"Settle it with --take source:{path} or --take destination:{path}.",
    )

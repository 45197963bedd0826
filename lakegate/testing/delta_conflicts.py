"""Which pairs of operations on a Delta table conflict, and how: told from what the operations do, by the rules of
Delta's optimistic concurrency control (Spark's ConflictChecker), and by nothing of what merges tables.

docs/design/014-merging-delta-tables.md gives the reasons of the two differences: a compaction never stands in the way,
and a new definition of the table only where it meets another one, or the merge is to be serializable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lakegate.model import ConflictKind, Isolation
from lakegate.testing.delta_operations import Target

Layout = Mapping[str, tuple[int, frozenset[int]]]
"""A table's files: the partition and the ids in each."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What an operation does, as its writer knows it.

    adds      the partitions in which it writes rows
    removes   the files that it removes or rewrites
    reads     the partitions of its condition: rows that come into them are ones that it should have read; None: it
              appends, and looks at nothing
    scans     the files that it looks at, those of `reads` that can hold rows that matter to it
    moves     it only moves rows between files
    defines   the parts of the table's definition that it changes
    protocol  it changes the protocol
    app       the application whose `txn` version it advances
    """

    adds: frozenset[int] = frozenset()
    removes: frozenset[str] = frozenset()
    reads: frozenset[int] | None = None
    scans: frozenset[str] = frozenset()
    moves: bool = False
    defines: frozenset[str] = frozenset()
    protocol: bool = False
    app: str | None = None

    @property
    def has_any(self) -> bool:
        return self != Effect()


def effect_of(operation: str, target: Target, files: Layout, later: frozenset[str]) -> Effect:
    """Returns what an operation of `delta_operations` does to a table of these files; a restore removes `later`."""
    at, near = frozenset({target.p}), frozenset(name for name, (p, _) in files.items() if p == target.p)
    every, everywhere = frozenset(files), frozenset(p for p, _ in files.values())
    match operation:
        case "blind append":
            return Effect(adds=at)
        case "txn":
            return Effect(adds=at, app="app")
        case "reading append":
            return Effect(adds=at, reads=at, scans=near)
        case "delete" | "update" | "merge":
            own = frozenset(name for name in near if target.id in files[name][1])
            return Effect(adds=at, removes=own, reads=at, scans=own)
        case "replace where":
            return Effect(adds=at, removes=near, reads=at, scans=near)
        case "overwrite":
            return Effect(adds=at, removes=every, reads=everywhere, scans=every)
        case "restore":
            return Effect(removes=later, reads=everywhere, scans=every)
        case "compaction" | "z-order":
            return Effect(moves=True)
        case "schema change":
            return Effect(defines=frozenset({"schema"}))
        case "property change":
            return Effect(defines=frozenset({"property"}))
        case "constraint":
            return Effect(defines=frozenset({"constraint"}), protocol=True)
        case "protocol upgrade":
            return Effect(protocol=True)
        case "vacuum":
            return Effect()
        case _:
            raise ValueError(operation)


def conflicts(ours: Effect, theirs: Effect, isolation: Isolation, files: Layout) -> frozenset[ConflictKind]:
    """Returns all kinds of conflicts between what the source did (the loser, in Delta's words) and the destination.

    snapshot            both removed or rewrote one file
    write-serializable  also: rows that were written, but for blind appends, where the source read; and files gone that
                        it scanned
    serializable        also: any rows where it read, and any file gone there, for a log does not tell which it scanned;
                        any new definition
    """
    strict = isolation is Isolation.SERIALIZABLE
    found = set[ConflictKind]()
    if theirs.defines and ((strict and ours.has_any) or (ours.defines and ours.defines != theirs.defines)):
        found.add(ConflictKind.METADATA_CHANGED)
    if strict and ours.protocol and theirs.protocol:
        found.add(ConflictKind.PROTOCOL_CHANGED)
    if ours.app is not None and ours.app == theirs.app:
        found.add(ConflictKind.CONCURRENT_TRANSACTION)
    if ours.removes & theirs.removes:
        found.add(ConflictKind.CONCURRENT_DELETE_DELETE)
    if isolation is Isolation.SNAPSHOT or ours.reads is None:
        return frozenset(found)
    is_blind = theirs.reads is None
    if theirs.adds & ours.reads and (strict or not is_blind):
        found.add(ConflictKind.CONCURRENT_APPEND)
    there = frozenset(name for name, (p, _) in files.items() if p in ours.reads)
    if theirs.removes & (there if strict else ours.scans):
        found.add(ConflictKind.CONCURRENT_DELETE_READ)
    return frozenset(found)

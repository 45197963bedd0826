"""What Delta's conflict rules forbid, between a transaction of the source and the destination's (Delta protocol,
optimistic concurrency: the append check and the check of reads against removes)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from lakegate.model import ConflictKind, FileEntry, Isolation, TableVersion
from lakegate.tables.delta.merge.reads import ReadSet, is_blind, partition_of, partition_words, read_set
from lakegate.tables.delta.merge.transactions import Transaction

MOST_LISTED = 100


@dataclass(frozen=True, slots=True)
class Clash:
    """One reason why two histories of a table don't go together. `why` is a sentence without the table's name."""

    kind: ConflictKind
    why: str
    source: tuple[Transaction, ...] = ()
    destination: tuple[Transaction, ...] = ()
    files: tuple[str, ...] = ()
    partitions: tuple[str, ...] = ()
    file_count: int = 0


def clash(
    kind: ConflictKind,
    why: str,
    source: Sequence[Transaction],
    destination: Sequence[Transaction],
    files: Sequence[FileEntry] = (),
    table: TableVersion | None = None,
) -> Clash:
    """Makes a clash over some files."""
    partitions: dict[str, None] = {}
    if table is not None:
        partitions = dict.fromkeys(partition_words(partition_of(file, table)) for file in files)
    return Clash(
        kind,
        why,
        tuple(source),
        tuple(destination),
        tuple(file.path for file in files[:MOST_LISTED]),
        tuple(name for name in partitions if name)[:MOST_LISTED],
        len(files),
    )


def read_clashes(
    ours: Transaction,
    theirs: Sequence[Transaction],
    table: TableVersion,
    isolation: Isolation,
    united: Collection[str] = (),
) -> list[Clash]:
    """Holds what a transaction of the source read against what the destination wrote. `table` is the base's; `united`
    are the files whose deletion vectors were joined, row by row."""
    reads = read_set(ours, table, isolation)
    if reads is None:
        return []
    found: list[Clash] = []
    for other in theirs:
        if other.is_rearrangement:
            continue
        added = _unread(ours, reads, other, isolation)
        if added:
            found.append(
                clash(
                    ConflictKind.CONCURRENT_APPEND,
                    f"the destination's {named(other)} added {_files(added)}, which the source's {named(ours)} should "
                    f"have read: it read {reads.words}",
                    [ours],
                    [other],
                    added,
                    table,
                )
            )
        removed = _vanished(ours, reads, other, isolation, united)
        if removed:
            found.append(
                clash(
                    ConflictKind.CONCURRENT_DELETE_READ,
                    f"the destination's {named(other)} removed, or deleted rows of, {_files(removed)} that the "
                    f"source's {named(ours)} read",
                    [ours],
                    [other],
                    removed,
                    table,
                )
            )
    return found


def _unread(ours: Transaction, reads: ReadSet, other: Transaction, isolation: Isolation) -> list[FileEntry]:
    """The files with new rows that ours should have read."""
    if isolation is not Isolation.SERIALIZABLE and ours.metadata is None and is_blind(other):
        return []
    return [
        action.entry
        for action in other.adds
        if action.entry is not None
        and action.data_change
        and action.path not in other.vector_updates
        and reads.holds(action.entry)
    ]


def _vanished(
    ours: Transaction, reads: ReadSet, other: Transaction, isolation: Isolation, united: Collection[str]
) -> list[FileEntry]:
    """The files that ours read, and that are gone, or have lost rows."""
    own = {action.path for action in ours.removes}
    changing = {action.path for action in other.removes if action.data_change}
    wide = reads.whole or isolation is Isolation.SERIALIZABLE
    return [
        file
        for file in other.removed
        if file.path in changing and file.path not in united and (file.path in own or (wide and reads.holds(file)))
    ]


def named(transaction: Transaction) -> str:
    """A transaction in words: `DELETE (version 7)`."""
    if transaction.version is None:
        return "changes, which no log tells of,"
    return f"{transaction.words} (version {transaction.version})"


def _files(files: Sequence[FileEntry]) -> str:
    return "a file" if len(files) == 1 else f"{len(files)} files"

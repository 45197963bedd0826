"""What Delta's conflict rules forbid, between a transaction of the source and the destination's (Delta protocol,
optimistic concurrency: the append check and the check of reads against removes)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from lakegate.model import ConflictKind, FileEntry, Isolation, TableVersion
from lakegate.tables.delta.merge.reads import ReadSet, is_blind, partition_of, partition_words, read_set
from lakegate.tables.delta.merge.transactions import Transaction

MOST_LISTED = 100
_NAMED = 5

Sentence = Callable[["Words"], str]
"""Makes the `why` of a clash."""


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


@dataclass(frozen=True, slots=True)
class FileClash:
    """What one transaction of the source meets in the destination over files; `theirs` may be unknown, and the last of
    them is named. `reads` says what the source's read."""

    kind: ConflictKind
    sentence: Sentence
    ours: Transaction
    theirs: Sequence[Transaction]
    files: Sequence[FileEntry]
    reads: str = ""


def grouped(found: Iterable[FileClash], table: TableVersion) -> list[Clash]:
    """Makes one clash of all that have one reason: the same kind between the same operations. `table` is the base's."""
    groups: dict[tuple[ConflictKind, Sentence, str, str], _Group] = {}
    for item in found:
        operations = item.ours.words, item.theirs[-1].words if item.theirs else ""
        groups.setdefault((item.kind, item.sentence, *operations), _Group()).add(item, table)
    return [
        Clash(
            kind,
            sentence(
                Words(
                    named(*group.ours.values()),
                    named(*group.named.values()),
                    _files(len(group.paths)),
                    _listed(list(group.reads)),
                )
            ),
            tuple(sorted(group.ours.values(), key=_in_order)),
            tuple(sorted(group.theirs.values(), key=_in_order)),
            tuple(group.paths)[:MOST_LISTED],
            tuple(name for name in group.partitions if name)[:MOST_LISTED],
            len(group.paths),
        )
        for (kind, sentence, *_), group in groups.items()
    ]


class _Group:
    """Clashes with one reason; transactions, files, partitions and words in the order in which they came."""

    def __init__(self) -> None:
        self.ours: dict[int, Transaction] = {}
        self.theirs: dict[int, Transaction] = {}
        self.named: dict[int, Transaction] = {}
        self.paths: dict[str, None] = {}
        self.partitions: dict[str, None] = {}
        self.reads: dict[str, None] = {}

    def add(self, item: FileClash, table: TableVersion) -> None:
        for known, new in ((self.ours, [item.ours]), (self.theirs, item.theirs), (self.named, item.theirs[-1:])):
            known.update((id(transaction), transaction) for transaction in new)
        self.paths |= dict.fromkeys(file.path for file in item.files)
        self.partitions |= dict.fromkeys(partition_words(partition_of(file, table)) for file in item.files)
        self.reads |= {item.reads: None}


def _in_order(transaction: Transaction) -> tuple[bool, int]:
    return transaction.version is None, transaction.version or 0


@dataclass(frozen=True, slots=True)
class Words:
    """What a sentence tells of: transactions of both sides ("" where unknown), files, and what was read."""

    source: str
    destination: str
    files: str
    reads: str


def _unread_words(words: Words) -> str:
    return (
        f"the destination's {words.destination} added {words.files}, which the source's {words.source} should have "
        f"read: it read {words.reads}"
    )


def _vanished_words(words: Words) -> str:
    return (
        f"the destination's {words.destination} removed, or deleted rows of, {words.files} that the source's "
        f"{words.source} read"
    )


def both_removed(words: Words) -> str:
    """Both changed files."""
    what = f"the destination's {words.destination}" if words.destination else "the destination"
    return f"the source's {words.source} and {what} both removed, rewrote or deleted rows of {words.files}"


def adds_what_moved(words: Words) -> str:
    """Its rows may be in other files by now: added, they would stand twice, or come back from a delete."""
    return (
        f"the source's {words.source} adds {words.files} that the destination had, and has moved the rows of or "
        "removed since"
    )


def adds_what_is_there(words: Words) -> str:
    """A file of the source's is live on the destination, with other rows."""
    return f"the source's {words.source} adds {words.files} that the destination has already"


def read_clashes(
    ours: Transaction,
    theirs: Sequence[Transaction],
    table: TableVersion,
    isolation: Isolation,
    united: Collection[str] = (),
) -> Iterator[FileClash]:
    """Holds what a transaction of the source read against what the destination wrote. `table` is the base's; `united`
    are the files whose deletion vectors were joined, row by row."""
    reads = read_set(ours, table, isolation)
    if reads is None:
        return
    for other in theirs:
        if other.is_rearrangement:
            continue
        added = _unread(ours, reads, other, isolation)
        if added:
            yield FileClash(ConflictKind.CONCURRENT_APPEND, _unread_words, ours, [other], added, reads.words)
        removed = _vanished(ours, reads, other, isolation, united)
        if removed:
            yield FileClash(ConflictKind.CONCURRENT_DELETE_READ, _vanished_words, ours, [other], removed)


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


def named(*transactions: Transaction) -> str:
    """Transactions of one operation in words: `DELETE (version 7)`, `DELETE (versions 2, 4 and 7)`."""
    versions = sorted({transaction.version for transaction in transactions if transaction.version is not None})
    if not transactions:
        return ""
    if not versions:
        return "changes, which no log tells of,"
    return f"{transactions[0].words} ({'version' if len(versions) == 1 else 'versions'} {_listed(versions)})"


def _listed(items: Sequence[object]) -> str:
    """The first of some in words: `2, 4 and 7`."""
    shown = [str(item) for item in items[:_NAMED]]
    if len(items) > _NAMED:
        shown.append(f"{len(items) - _NAMED} more")
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def _files(count: int) -> str:
    return "a file" if count == 1 else f"{count} files"

"""Carries the file actions of the source's transactions over to the destination's live files.

A `remove` must name what is live there. Where it does not, there are three ways out before a conflict:

- The destination compacted the file. Its rows are unchanged, and the file still exists: the compaction is undone for
  that partition (the originals come back, the compacted file goes), as a version before the source's.
- The source compacted a file that the destination changed. Then that part of the source's compaction is left out.
- Both only deleted rows of one file by deletion vectors: the vectors are united.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lakegate.context import RepositoryContext
from lakegate.model import ConflictKind, FileEntry, Isolation, TableVersion
from lakegate.tables.deletion_vectors import NewVector, write_vector
from lakegate.tables.delta.actions import FileAction, add_action, num_records, vector_id
from lakegate.tables.delta.log_commit import action_of, vector_object
from lakegate.tables.delta.merge.clashes import (
    FileClash,
    Sentence,
    adds_what_is_there,
    adds_what_moved,
    both_removed,
)
from lakegate.tables.delta.merge.reads import Partition, partition_of
from lakegate.tables.delta.merge.standing import Standing
from lakegate.tables.delta.merge.transactions import Transaction, file_at, key_of
from lakegate.tables.delta.next_version import Addition, Removal

if TYPE_CHECKING:
    from pyroaring import BitMap64

ReadVector = Callable[[FileEntry], "BitMap64"]
"""Reads the rows that a live file's deletion vector deletes; empty where it has none."""


@dataclass(slots=True)
class Group:
    """The part of a compaction in one partition: these files became those."""

    transaction: Transaction
    inputs: list[FileEntry] = field(default_factory=list)
    outputs: list[FileEntry] = field(default_factory=list)

    @property
    def keeps_rows(self) -> bool:
        """Tells whether the numbers of rows agree, as far as they are known."""
        before, after = (_rows(files) for files in (self.inputs, self.outputs))
        return before is None or after is None or before == after


@dataclass(frozen=True, slots=True)
class Change:
    """What a transaction did to a file that was live: took it away, or gave it another deletion vector (`add`).
    `before` is the file as it was."""

    remove: FileAction
    add: FileAction | None
    before: FileEntry | None


@dataclass(slots=True)
class Carried:
    """What of a transaction's file actions the destination takes. `left_out` are parts of a compaction, `outdated`
    statistics and row ids of files that the destination has not as they were."""

    adds: list[Addition] = field(default_factory=list)
    removes: list[Removal] = field(default_factory=list)
    left_out: int = 0
    outdated: int = 0


@dataclass(frozen=True, slots=True)
class Sources:
    """What is merged: the base's and the destination's state, the transactions of both sides, how strictly.
    `standing` tells what became of the destination's files since the base."""

    base: TableVersion
    destination: TableVersion
    ours: Sequence[Transaction]
    theirs: Sequence[Transaction]
    isolation: Isolation
    standing: Standing


class FileMerge:
    """The destination's live files while the source's transactions are carried over, one after another."""

    def __init__(
        self, ctx: RepositoryContext, sources: Sources, read_vector: ReadVector, holds: Callable[[str], bool]
    ) -> None:
        self._ctx = ctx
        self._sources = sources
        self._read_vector = read_vector
        self._holds = holds
        self._overlay: dict[str, FileEntry | None] = {}
        self._remover: dict[str, Transaction] = {}
        self._removers: dict[str, list[Transaction]] = {}
        self._undoable: dict[str, Group] = {}
        self._left_out: dict[str, Group] = {}
        self._undone: dict[str, FileEntry | None] = {}
        self._taken: set[str] = set()
        self._gone: set[str] = set()
        self._unions: dict[str, BitMap64] = {}
        self._emptied: set[str] = set()
        self.clashes: list[FileClash] = []
        self.united: set[str] = set()
        self.vectors: dict[str, NewVector] = {}
        for transaction in sources.theirs:
            for action in transaction.removes:
                self._remover[action.path] = transaction
                self._removers.setdefault(action.path, []).append(transaction)
            for group in groups_of(transaction, sources.base) if transaction.is_rearrangement else ():
                if group.keeps_rows and len(transaction.removed) == len(transaction.removes):
                    self._undoable.update((file.path, group) for file in group.inputs)
        self._needed = _needed_files(sources.ours, sources.base)

    def live(self, path: str) -> FileEntry | None:
        if path in self._overlay:
            return self._overlay[path]
        return file_at(self._ctx, self._sources.destination, path)

    def undo(self) -> Carried:
        """What undoes the destination's compactions, as far as that was needed so far."""
        carried = Carried()
        for path, file in sorted(self._undone.items()):
            before = file_at(self._ctx, self._sources.destination, path)
            if key_of(before) == key_of(file):
                continue
            if before is not None:
                carried.removes.append(Removal(path, data_change=False))
            if file is not None:
                carried.adds.append(Addition(file, data_change=False, keeps_row_ids=True))
        return carried

    def carry(self, ours: Transaction) -> Carried:
        """Carries one transaction over; what can't be is added to `clashes`."""
        carried = Carried()
        if ours.is_rearrangement:
            unknown = {action.path for action in ours.removes} - {file.path for file in ours.removed}
            here = sorted(path for path in unknown if self.live(path) is not None or self._was_live(path))
            if here:  # the source moved their rows, and no log tells of which partition
                self._report_lost(ours, [FileEntry(path, 0, None) for path in here])
            else:
                self._carry_rearrangement(ours, carried)
            return carried
        removes = {action.path: action for action in ours.removes}
        adds = {action.path: action for action in ours.adds}
        before = {file.path: file for file in ours.removed}
        lost: list[FileEntry] = []
        for path in sorted(removes):
            change = Change(removes[path], adds.get(path), before.get(path))
            if not self._carry_change(ours, change, carried):
                lost.append(before.get(path) or FileEntry(path, 0, None))
        # After the removes: a file may be one that comes of undoing a compaction for one of them.
        for path in sorted(set(adds) - set(removes)):
            self._carry_add(ours, adds[path], carried)
        if lost:
            self._report_lost(ours, lost)
        return carried

    def skip(self, ours: Transaction) -> None:
        """Passes over a transaction that the destination has. What it took away there is in no other file."""
        self._gone.update(action.path for action in ours.removes if self._sources.standing.took(ours, action.path))
        self._gone.difference_update(action.path for action in ours.adds)

    def has_undone(self, transaction: Transaction) -> bool:
        """Tells whether what was carried over takes back some of what a transaction did, which the destination has."""
        return any(action.path in self._taken and self.live(action.path) is None for action in transaction.adds) or any(
            (file := self._overlay.get(action.path)) is not None and key_of(file) == (action.path, action.dv)
            for action in transaction.removes
        )

    # -- one path -----------------------------------------------------------------------------------------------------

    def _carry_change(self, ours: Transaction, change: Change, carried: Carried) -> bool:
        """Carries over what happened to a file that was live; False where the destination has not that file."""
        path, add = change.remove.path, change.add
        if self._is_empty(ours, change):
            return True
        self._revive(path)
        live = self.live(path)
        if live is not None and vector_id(live.deletion_vector) == change.remove.dv:
            carried.removes.append(Removal(path, change.remove.data_change))
            self._take(path)
            if add is not None:
                self._add(add, carried)
            return True
        if live is not None and self._unite(ours, live, change, carried):
            return True
        if add is not None:
            self._put(path, add.entry)
        return False

    def _carry_add(self, ours: Transaction, add: FileAction, carried: Carried) -> None:
        if add.path in ours.updated:
            if key_of(self.live(add.path)) == (add.path, add.dv):
                self._add(add, carried)
            else:
                carried.outdated += 1
            return
        moved = self._was_live(add.path) and not self._revive(add.path)
        live = self.live(add.path)
        if moved:
            self._report_add(ours, add, ConflictKind.CONCURRENT_DELETE_DELETE, adds_what_moved)
        elif live is None:
            self._add(add, carried)
        elif key_of(live) != (add.path, add.dv):
            self._report_add(ours, add, ConflictKind.CONCURRENT_APPEND, adds_what_is_there)

    def _was_live(self, path: str) -> bool:
        """Tells whether the destination had a file that is not live now, and that the source did not take away."""
        if self.live(path) is not None or path in self._taken or path in self._gone:
            return False
        at_base = file_at(self._ctx, self._sources.base, path)
        standing = self._sources.standing
        return at_base is not None or (standing.held(path) and not standing.is_undone(path))

    def _report_add(self, ours: Transaction, add: FileAction, kind: ConflictKind, sentence: Sentence) -> None:
        others = [other for other in self._sources.theirs if add.path in {action.path for action in other.files}]
        files = [add.entry] if add.entry is not None else []
        self.clashes.append(FileClash(kind, sentence, ours, others, files))

    def _add(self, add: FileAction, carried: Carried) -> None:
        assert add.entry is not None
        held = file_at(self._ctx, self._sources.base, add.path)
        carried.adds.append(Addition(add.entry, add.data_change, keeps_row_ids=held is not None))
        self._put(add.path, add.entry)

    def _take(self, path: str) -> None:
        self._put(path, None)
        self._taken.add(path)

    def _put(self, path: str, file: FileEntry | None) -> None:
        self._overlay[path] = file

    def _report_lost(self, ours: Transaction, lost: list[FileEntry]) -> None:
        by_other: dict[int, tuple[list[Transaction], list[FileEntry]]] = {}
        for file in lost:
            others = self._changers(file)
            key = id(others[-1]) if others else 0
            by_other.setdefault(key, (others, []))[1].append(file)
        for others, files in by_other.values():
            kind = ConflictKind.CONCURRENT_DELETE_DELETE
            self.clashes.append(FileClash(kind, both_removed, ours, others, files))

    def _changers(self, file: FileEntry) -> list[Transaction]:
        """The destination's transactions that stand in the way of a file: that removed it, or what it was made of."""
        found: list[Transaction] = []
        pending, seen = [file.path], set[str]()
        while pending:
            path = pending.pop()
            removers = self._removers.get(path, [])
            group = self._left_out.get(path) if not removers and path not in seen else None
            seen.add(path)  # what was compacted, put back and compacted again is made of itself
            pending += [part.path for part in reversed(group.inputs)] if group is not None else []
            others = [other for other in removers if not other.is_rearrangement] or removers
            found += [other for other in others if other not in found]
        return found

    # -- compactions --------------------------------------------------------------------------------------------------

    def _revive(self, path: str, wanted: frozenset[str] = frozenset()) -> bool:
        """Brings a file back that a compaction of the destination took away, by undoing it; `wanted` are those that ask
        for it. False where that can't be: a later change built on its outcome, or the files are nowhere any more."""
        if self.live(path) is not None:
            return True
        group = self._undoable.get(path)
        if path in wanted:  # what was compacted, put back and then taken away leads to itself
            return False
        if group is None or self._remover.get(path) is not group.transaction:
            return False
        for output in group.outputs:
            if key_of(self.live(output.path)) != key_of(output) and not (
                self._revive(output.path, wanted | {path}) and key_of(self.live(output.path)) == key_of(output)
            ):
                return False
        if not all(self._is_there(file) for file in group.inputs):
            return False
        for output in group.outputs:
            self._overlay[output.path] = self._undone[output.path] = None
            self._taken.add(output.path)
        for file in group.inputs:
            self._overlay[file.path] = self._undone[file.path] = file
        return True

    def _is_there(self, file: FileEntry) -> bool:
        vector = vector_object(file)
        return self._holds(file.path) and (vector is None or self._holds(vector))

    def _carry_rearrangement(self, ours: Transaction, carried: Carried) -> None:
        for group in groups_of(ours, self._sources.base):
            wanted = any(file.path in self._needed for file in group.outputs)
            if not self._stands(group) and wanted:
                for file in group.inputs:
                    self._revive(file.path)
            if not self._stands(group):
                carried.left_out += 1
                self._left_out.update((file.path, group) for file in group.outputs)
                continue
            for file in group.inputs:
                carried.removes.append(Removal(file.path, data_change=False))
                self._take(file.path)
            for file in group.outputs:
                self._add(FileAction(file.path, vector_id(file.deletion_vector), False, file), carried)

    def _stands(self, group: Group) -> bool:
        return all(key_of(self.live(file.path)) == key_of(file) for file in group.inputs) and not any(
            self.live(file.path) for file in group.outputs if file.path not in {part.path for part in group.inputs}
        )

    # -- deletion vectors ---------------------------------------------------------------------------------------------

    def _unite(self, ours: Transaction, live: FileEntry, change: Change, carried: Carried) -> bool:
        """Deletes in a file what both sides deleted; False where that is not the same as one after the other."""
        add = change.add
        if add is None or add.entry is None or change.before is None:
            return False
        others = [other for other in self._removers.get(add.path, []) if not other.is_rearrangement]
        deletes = ours.only_deletes and all(other.only_deletes for other in others)
        if add.entry.deletion_vector is None or live.deletion_vector is None:
            return False
        if self._sources.isolation is Isolation.SERIALIZABLE and not deletes:
            return False
        before, theirs, wanted = (self._deleted(file) for file in (change.before, live, add.entry))
        if not (before <= theirs and before <= wanted):
            return False
        twice = (wanted - before) & (theirs - before)
        if twice and (not deletes or ours.change_files):
            return False
        union = wanted | theirs
        self.united.add(add.path)
        if union == theirs:
            return True
        carried.removes.append(Removal(add.path, add.data_change))
        if len(union) == num_records(action_of(live).get("stats")):
            self._put(add.path, None)
            self._emptied.add(add.path)
            return True
        vector = write_vector(union, uuid.uuid4())
        if vector.path is not None:
            self.vectors[vector.path] = vector
        action = {**action_of(live), "deletionVector": vector.descriptor, "dataChange": add.data_change}
        made = add_action(action)
        assert made.entry is not None
        carried.adds.append(Addition(made.entry, add.data_change))
        self._put(add.path, made.entry)
        self._unions[str(made.dv)] = union
        return True

    def _deleted(self, file: FileEntry) -> BitMap64:
        """The rows that a file's vector deletes. A vector that was made here is stored nowhere yet."""
        made = self._unions.get(str(vector_id(file.deletion_vector)))
        return self._read_vector(file) if made is None else made

    def _is_empty(self, ours: Transaction, change: Change) -> bool:
        """Tells whether both sides deleted all rows of a file, so that another delete finds nothing to do."""
        path, add = change.remove.path, change.add
        if path not in self._emptied or ours.change_files:
            return False
        others = [other for other in self._removers.get(path, []) if not other.is_rearrangement]
        if not (ours.only_deletes and all(other.only_deletes for other in others)):
            return False
        if add is None or add.entry is None or change.before is None:
            return add is None
        return self._deleted(change.before) <= self._deleted(add.entry)


def groups_of(transaction: Transaction, table: TableVersion) -> list[Group]:
    """The parts of a compaction, by partition: the log does not tell which files of a partition became which."""
    found: dict[Partition, Group] = {}
    for file in transaction.removed:
        found.setdefault(partition_of(file, table), Group(transaction)).inputs.append(file)
    for action in transaction.adds:
        if action.entry is not None:
            found.setdefault(partition_of(action.entry, table), Group(transaction)).outputs.append(action.entry)
    return list(found.values())


def _needed_files(ours: Sequence[Transaction], table: TableVersion) -> set[str]:
    """The files on which a change of rows builds, directly or through later compactions."""
    found: set[str] = set()
    for transaction in reversed(ours):
        if not transaction.is_rearrangement:
            found.update(action.path for action in transaction.removes)
            continue
        for group in groups_of(transaction, table):
            if any(file.path in found for file in group.outputs):
                found.update(file.path for file in group.inputs)
    return found


def _rows(files: Iterable[FileEntry]) -> int | None:
    total = 0
    for file in files:
        if file.rows is None:
            return None
        total += file.rows
    return total

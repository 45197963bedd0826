"""Merges two histories of one Delta table: the source's transactions as new versions after the destination's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

from lakegate.context import RepositoryContext
from lakegate.format.canonical import parse_json
from lakegate.model import ConflictKind, Isolation, ReplayedVersion, TableVersion
from lakegate.tables.deletion_vectors import NewVector
from lakegate.tables.delta.actions import Action
from lakegate.tables.delta.backing import missing_features
from lakegate.tables.delta.log_commit import LogCommit, action_of
from lakegate.tables.delta.merge.clashes import Clash, clash, grouped, named, read_clashes
from lakegate.tables.delta.merge.files import Carried, FileMerge, ReadVector, Sources
from lakegate.tables.delta.merge.lineage import clashes_over_old_files
from lakegate.tables.delta.merge.metadata import (
    laid_over,
    metadata_clashes,
    protocol_clashes,
    retold_types,
    transaction_clashes,
)
from lakegate.tables.delta.merge.parting import Record, histories, record_of
from lakegate.tables.delta.merge.side_log import Past, TableAt, no_past
from lakegate.tables.delta.merge.standing import Standing
from lakegate.tables.delta.merge.transactions import (
    COVERS,
    LAKEGATE,
    ORIGINS,
    SideHistory,
    Transaction,
    file_at,
    key_of,
)
from lakegate.tables.delta.merge.validity import Definition, ReadRows, objections
from lakegate.tables.delta.next_version import Draft, VersionWriter
from lakegate.tables.delta.upgrade import restored_metadata, united
from lakegate.tables.file_counts import FileCounts

UNDO = "UNDO OPTIMIZE"


@dataclass(frozen=True, slots=True)
class Three:
    """One table at the base, the source and the destination."""

    base: TableAt
    source: TableAt
    destination: TableAt

    @property
    def is_one(self) -> bool:
        """Tells whether it is one table on all sides: one that was deleted and begun anew has another id."""
        return len({side.version.table_id for side in (self.base, self.source, self.destination)}) == 1


@dataclass(frozen=True, slots=True)
class Replay:
    """How to merge. `origin` goes into each new version's commitInfo: which merge brought it; `verb` names the
    operation of a version that no single transaction stands behind. `whole`: all that the source did since their merge
    base is merged, so that later merges may build on what this one records."""

    isolation: Isolation
    now: int
    origin: Mapping[str, Any] = field(default_factory=dict)
    verb: str = "MERGE BRANCH"
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Readers:
    """How what is stored is read: deletion vectors of either side, rows of files that a side added; whether an object
    (relative to the table) is there still, on some side or in the destination's history since the base; and the past of
    each side."""

    vector: ReadVector
    source_rows: ReadRows
    destination_rows: ReadRows
    holds: Callable[[str], bool]
    source_past: Past = no_past
    destination_past: Past = no_past


@dataclass(frozen=True, slots=True)
class MergePlan:
    """`commits` are to be written after the destination's head, with `vectors` (by path relative to the table) beside
    them: none where `clashes` stand. `versions` says what became of each transaction; `counts` is what the destination
    gains and loses; `live` are the files among those that the commits name that are live at the end."""

    commits: tuple[LogCommit, ...] = ()
    vectors: Mapping[str, NewVector] = field(default_factory=dict)
    versions: tuple[ReplayedVersion, ...] = ()
    clashes: tuple[Clash, ...] = ()
    counts: FileCounts = field(default_factory=FileCounts)
    live: frozenset[str] = frozenset()


def plan_merge(ctx: RepositoryContext, three: Three, replay: Replay, readers: Readers) -> MergePlan:
    """Plans the merge of what the source did since the base into the destination.

    Work is in proportion to what the sides did since the base, not to the table; nothing is stored. All clashes are
    found, not only the first. Raises Refused for a log that is not valid.
    """
    pasts = readers.source_past, readers.destination_past
    ours, theirs, before = histories(ctx, (three.base, three.source, three.destination), pasts, whole=replay.whole)
    merging = _Merge(ctx, three, replay, readers, ours, theirs)
    return merging.plan(record_of(ctx, three.source, ours, theirs, before) if replay.whole else None)


class _Merge:
    def __init__(
        self,
        ctx: RepositoryContext,
        three: Three,
        replay: Replay,
        readers: Readers,
        ours: SideHistory,
        theirs: SideHistory,
    ) -> None:
        self._ctx = ctx
        self._three = three
        self._replay = replay
        self._readers = readers
        there = {origin for transaction in ours.transactions for origin in transaction.origins}
        standing = Standing(ctx, three.base, three.destination, ours, theirs, readers.destination_past)
        # A revert or cherry-pick of one version asks for just that.
        asked = not replay.whole and len(ours.transactions) == 1
        self._contested = [] if asked else [t for t in ours.transactions if standing.is_contested(t)]
        self._shared = [standing.has(transaction) for transaction in ours.transactions]
        new = tuple(t for t, shared in zip(ours.transactions, self._shared, strict=True) if not shared)
        self._all = ours
        self._done = theirs.transactions
        self._ours = replace(ours, transactions=new)
        self._theirs = replace(theirs, transactions=tuple(t for t in theirs.transactions if not there & set(t.origins)))
        sources = Sources(
            three.base.version,
            three.destination.version,
            new,
            self._theirs.transactions,
            replay.isolation,
            standing,
        )
        self._files = FileMerge(ctx, sources, readers.vector, readers.holds)

    def plan(self, record: Record | None) -> MergePlan:
        carried = self._carried()
        clashes = self._clashes() or self._gone(carried)
        if clashes:
            return MergePlan(clashes=tuple(clashes))
        writer = VersionWriter(self._ctx, self._three.destination.version, self._replay.now)
        commits: list[LogCommit] = []
        versions: list[ReplayedVersion] = []
        undo = self._files.undo()
        touched = [undo, *carried]
        if undo.removes or any(part.left_out or part.outdated for part in carried):
            record = None
        if undo.adds or undo.removes:
            commits.append(writer.append(self._undo_draft(undo)))
            note = "a compaction of the destination, undone where the source changed its files"
            versions.append(ReplayedVersion(None, writer.version, UNDO, note))
        numbers: dict[int, int] = {}
        last = self._ours.transactions[-1] if self._ours.transactions else None
        for transaction, shared, part in zip(self._all.transactions, self._shared, carried, strict=True):
            draft = None if shared else self._draft(writer, transaction, part, numbers)
            if draft is None:
                note = _why_none(transaction, shared, part)
                versions.append(ReplayedVersion(transaction.version, None, transaction.words, note))
                continue
            if record is not None and transaction is last:
                draft = replace(draft, info=record.told_in(draft.info))
            commits.append(writer.append(draft))
            clashes += self._unbacked(writer, transaction)
            if transaction.version is not None:
                numbers[transaction.version] = writer.version
            note = "but for parts of it that the destination changed" if part.left_out or part.outdated else ""
            versions.append(ReplayedVersion(transaction.version, writer.version, str(draft.info["operation"]), note))
        if clashes:
            return MergePlan(clashes=tuple(clashes))
        paths = {addition.file.path for part in touched for addition in part.adds}
        live = frozenset(path for path in paths if writer.live(path) is not None)
        counts = self._counts(writer, touched)
        return MergePlan(tuple(commits), self._files.vectors, tuple(versions), (), counts, live)

    def _carried(self) -> list[Carried]:
        """Carries the source's transactions over, but for those that the destination has. What the source undid of
        them, and did again, is done again."""
        found: list[Carried] = []
        redefined = False
        for number, transaction in enumerate(self._all.transactions):
            shared, defines = self._shared[number], bool(transaction.metadata is not None or transaction.domains)
            undone = shared and self._files.has_undone(transaction)
            self._shared[number] = shared and not undone and not (redefined and defines)
            if shared and not undone:
                self._files.skip(transaction)
                found.append(Carried())
            else:
                found.append(self._files.carry(transaction))
            redefined = redefined or (defines and not shared)
        return found

    # -- what stands against it ---------------------------------------------------------------------------------------

    def _clashes(self) -> list[Clash]:
        ours, theirs, isolation = self._ours, self._theirs, self._replay.isolation
        found = protocol_clashes(ours, theirs, isolation)
        found += metadata_clashes(ours, theirs, isolation)
        if not found:
            found += self._invalid()
        found += transaction_clashes(ours, theirs)
        found += self._taken_back()
        found += self._row_ids() + self._untracked()
        sides = self._three.base, self._three.source, self._three.destination
        found += clashes_over_old_files(self._ctx, sides, ours.transactions, theirs.transactions)
        base = self._three.base.version
        of_reads = (
            read_clashes(transaction, theirs.transactions, base, isolation, self._files.united)
            for transaction in ours.transactions
        )
        return found + grouped(chain(chain.from_iterable(of_reads), self._files.clashes), base)

    def _taken_back(self) -> list[Clash]:
        """What the source took back, and the destination took back with it and then did again."""
        base, found = self._three.base.version, list[Clash]()
        for ours in self._contested:
            paths = {action.path for action in ours.files}
            theirs = [t for t in self._done if paths & {action.path for action in t.files}]
            why = (
                f"the source's {named(ours)} takes back what was done before; the destination did the same, and has "
                "changed its mind since"
            )
            files = [file for path in sorted(paths) if (file := self._files.live(path)) is not None]
            found.append(clash(ConflictKind.CONCURRENT_DELETE_DELETE, why, [ours], theirs, files, base))
        return found

    def _gone(self, carried: Sequence[Carried]) -> list[Clash]:
        """Files that would be live, and that are nowhere any more: a compaction that can't be left out."""
        found: list[Clash] = []
        for transaction, part in zip(self._all.transactions, carried, strict=True):
            files = [
                addition.file
                for addition in part.adds
                if key_of(self._files.live(addition.file.path)) == key_of(addition.file)
                and not self._readers.holds(addition.file.path)
            ]
            if files:
                why = (
                    "the source compacted files that the destination changed, so that the compaction is left out; but "
                    "some of its files are nowhere any more"
                )
                base = self._three.base.version
                kind = ConflictKind.CONCURRENT_DELETE_DELETE
                found.append(clash(kind, why, [transaction], self._theirs.transactions, files, base))
        return found

    def _invalid(self) -> list[Clash]:
        """Holds each side's new files against the other's new definition of the table."""
        found: list[Clash] = []
        base = _definition(self._three.base.version)
        for words, altered, other, read in (
            ("destination", self._theirs, self._ours, self._readers.source_rows),
            ("source", self._ours, self._theirs, self._readers.destination_rows),
        ):
            after = _definition(altered.now)
            for why in objections(base, after, other, read):
                altering = [t for t in altered.transactions if t.metadata is not None or t.protocol is not None]
                sides = (other.transactions, altering) if words == "destination" else (altering, other.transactions)
                text = f"the {words} changed the table's definition: {why}"
                found.append(clash(ConflictKind.METADATA_CHANGED, text, *sides))
        return found

    def _unbacked(self, writer: VersionWriter, transaction: Transaction) -> list[Clash]:
        """Holds a new version's metadata against its protocol: what was on on its side must not be off here."""
        if transaction.metadata is None and transaction.protocol is None:
            return []
        missing = missing_features(writer.protocol, writer.metadata)
        for side in (self._ours.now, self._theirs.now):
            if missing and side.protocol is not None:
                missing -= missing_features(side.protocol, parse_json(side.metadata or "{}"))
        if not missing:
            return []
        why = (
            f"the new definition needs the table feature {', '.join(map(repr, sorted(missing)))}, which the merged "
            "protocol does not have: clients would ignore it"
        )
        altering = [t for t in self._theirs.transactions if t.protocol is not None or t.metadata is not None]
        return [clash(ConflictKind.PROTOCOL_CHANGED, why, [transaction], altering)]

    def _row_ids(self) -> list[Clash]:
        """Rows that the source rewrote carry the ids that they had there; files that it added get new ids here."""
        if self._three.destination.version.properties.get("delta.enableRowTracking", "").lower() != "true":
            return []
        added: set[str] = set()
        for transaction in self._ours.transactions:
            rewritten = {action.path for action in transaction.removes} - transaction.vector_updates
            if rewritten & added and len(transaction.adds) > len(transaction.vector_updates):
                why = (
                    "the source rewrote rows that it had added itself; their row ids are in the files, and files that "
                    "it added are given other ids here"
                )
                return [clash(ConflictKind.CONCURRENT_APPEND, why, [transaction], self._theirs.transactions)]
            added |= {action.path for action in transaction.adds}
        return []

    def _untracked(self) -> list[Clash]:
        """Row tracking that the source turned on asks for ids in all files, and only the source's have got them."""
        on = [
            side.now.properties.get("delta.enableRowTracking", "").lower() == "true"
            for side in (self._ours, self._theirs)
        ]
        if on != [True, False]:
            return []
        paths = {action.path for other in self._theirs.transactions for action in other.adds}
        paths |= {path for transaction in self._ours.transactions for path in transaction.updated}
        live = (self._files.live(path) for path in sorted(paths))
        files = [file for file in live if file is not None and "baseRowId" not in action_of(file)]
        new = {action.path for transaction in self._ours.transactions for action in transaction.adds}
        new -= {path for transaction in self._ours.transactions for path in transaction.updated}
        files = [file for file in files if file.path not in new]
        if not files:
            return []
        why = "the source turned row tracking on, and files that the destination wrote have no row ids"
        altering = [t for t in self._ours.transactions if t.metadata is not None]
        base = self._three.base.version
        return [clash(ConflictKind.METADATA_CHANGED, why, altering, self._theirs.transactions, files, base)]

    # -- versions -----------------------------------------------------------------------------------------------------

    def _draft(
        self, writer: VersionWriter, transaction: Transaction, carried: Carried, numbers: Mapping[int, int]
    ) -> Draft | None:
        """What the next version does of a transaction; None where nothing is left of it."""
        protocol = None
        if transaction.protocol is not None:
            protocol = united(writer.protocol, transaction.protocol, same_table=False)
        metadata = self._metadata(writer, transaction, numbers)
        txns = {app: version for app, version in transaction.txns.items() if version > writer.state.txns.get(app, -1)}
        domains = {
            name: configuration
            for name, configuration in transaction.domains.items()
            if writer.state.domains.get(name) != configuration
        }
        upgraded = protocol is not None and protocol != writer.protocol
        if not (carried.adds or carried.removes or upgraded or metadata is not None or txns or _told(domains)):
            return None
        return Draft(
            self._info(transaction),
            tuple(carried.adds),
            tuple(carried.removes),
            protocol if upgraded else None,
            metadata,
            txns,
            domains,
            transaction.change_files,
        )

    def _metadata(
        self, writer: VersionWriter, transaction: Transaction, numbers: Mapping[int, int]
    ) -> dict[str, Any] | None:
        if transaction.metadata is None or transaction.metadata_before is None:
            return None
        made = laid_over(writer.metadata, transaction.metadata_before, transaction.metadata)
        if transaction.version is None:
            made = restored_metadata(writer.metadata, made, (writer.protocol, writer.protocol))
        else:
            made = retold_types(made, {**numbers, transaction.version: writer.version + 1})
        return None if made == writer.metadata else made

    def _info(self, transaction: Transaction) -> dict[str, Any]:
        told: dict[str, Any] = dict(self._replay.origin)
        if transaction.version is None:
            if transaction.covers:
                told[COVERS] = list(transaction.covers)
            return {"operation": self._replay.verb, "operationParameters": {}, LAKEGATE: told}
        told |= {"sourceVersion": transaction.version, ORIGINS: list(transaction.origins)}
        if transaction.covers:
            told[COVERS] = list(transaction.covers)
        stamp = transaction.info.get("timestamp")
        if stamp is not None:
            told["sourceTimestamp"] = stamp
        return {"operation": transaction.operation, **transaction.info, LAKEGATE: told}

    def _undo_draft(self, undo: Carried) -> Draft:
        info = {
            "operation": UNDO,
            "operationParameters": {},
            "isBlindAppend": False,
            LAKEGATE: dict(self._replay.origin),
        }
        return Draft(info, tuple(undo.adds), tuple(undo.removes))

    def _counts(self, writer: VersionWriter, carried: Sequence[Carried]) -> FileCounts:
        """What the destination's live files gain and lose in all."""
        paths = {addition.file.path for part in carried for addition in part.adds}
        paths |= {removal.path for part in carried for removal in part.removes}
        counts = FileCounts()
        for path in sorted(paths):
            before = file_at(self._ctx, self._three.destination.version, path)
            after = writer.live(path)
            if key_of(before) == key_of(after):
                continue
            if before is not None and after is not None:
                counts.change_vector(before, after)
            elif after is not None:
                counts.add(after)
            elif before is not None:
                counts.remove(before)
        return counts


def _told(domains: Mapping[str, str | None]) -> bool:
    return any(not name.startswith("delta.rowTracking") for name in domains)


def _why_none(transaction: Transaction, shared: bool, carried: Carried) -> str:
    if shared:
        return "the destination has it already"
    if carried.left_out:
        return "a compaction of files that the destination changed: left out, the rows are the same"
    if carried.outdated:
        return "statistics of files that the destination changed: left out"
    if not transaction.has_effect:
        return "it changes no state"
    return "the destination's state has it already"


def _definition(table: TableVersion) -> Definition:
    assert table.protocol is not None
    metadata: Action = parse_json(table.metadata or "{}")
    return Definition(table.protocol, metadata)

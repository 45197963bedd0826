"""What became of the destination's transactions since: whether they stand, or were undone by a rollback or a revert.

That the destination's log holds a transaction does not say that its rows are there. One that was taken over and then
undone is not the destination's any more, and a merge must not pass the source's by.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property

from lakegate import tree
from lakegate.context import RepositoryContext
from lakegate.format.kinds import OBJECTS, TABLES
from lakegate.log_paths import table_prefix
from lakegate.model import TableVersion
from lakegate.tables.delta.merge.reads import partition_of
from lakegate.tables.delta.merge.side_log import Past, TableAt, no_past
from lakegate.tables.delta.merge.transactions import Key, SideHistory, Transaction, file_at, key_of

UNDOING = frozenset({"RESTORE", "REVERT"})


class Standing:
    """Tells what the destination did to its files since the base, and to what it has of the source's (`ours`). `past`
    is the destination's."""

    def __init__(
        self,
        ctx: RepositoryContext,
        base: TableAt,
        destination: TableAt,
        ours: SideHistory,
        theirs: SideHistory,
        past: Past = no_past,
    ) -> None:
        self._ctx = ctx
        self._base = base
        self._destination = destination
        self._ours = ours
        self._theirs = theirs
        self._transactions = theirs.transactions
        self._past = past
        self._last = {o: i for i, t in enumerate(theirs.transactions) for o in (*t.origins, *t.covers)}
        self._adds: dict[Key, list[int]] = {}
        self._removes: dict[Key, list[int]] = {}
        self._named: dict[str, int] = {}
        for number, transaction in enumerate(theirs.transactions):
            for action in transaction.files:
                kept = self._removes if action.entry is None else self._adds
                kept.setdefault((action.path, action.dv), []).append(number)
                self._named[action.path] = number

    def has(self, ours: Transaction) -> bool:
        """Tells whether the destination has what a transaction did: it took it over, and that stands. Where it does
        not, but the source's own changes of the same files come to nothing, the destination's word is the last."""
        known = [self._last[origin] for origin in ours.origins if origin in self._last]
        if known:
            number = max(known)
            return self._stands(number, self._after(ours)) or self._is_common(ours, number) or self._is_void(ours)
        covered = bool(ours.covers) and all(origin in self._last for origin in ours.covers)
        if not covered or ours.version is None or ours.metadata is not None or ours.protocol is not None:
            return False
        # A version that was made of a state may hold more than the transactions that it names: files decide.
        kept = {(action.path, action.dv) for action in ours.adds}
        gone = {action.path for action in ours.removes} - {path for path, _ in kept}
        return all(map(self._is_live, kept)) and all(self.took(ours, path) for path in gone)

    def is_contested(self, ours: Transaction) -> bool:
        """Tells whether the destination took over a transaction that takes others back, and did since again what it
        takes back: both were decided knowingly, and neither side's word is the last."""
        known = any(origin in self._last for origin in ours.origins)
        return known and self._takes_back(ours) and not self.has(ours)

    def took(self, ours: Transaction, path: str) -> bool:
        """Tells whether the last that the destination did to a file was to take it away by a transaction of the
        source's. A file that went otherwise may have its rows in others."""
        number = self._named.get(path)
        if number is None or file_at(self._ctx, self._destination.version, path) is not None:
            return False
        last = self._transactions[number]
        return bool({*ours.origins, *ours.covers} & {*last.origins, *last.covers})

    def held(self, path: str) -> bool:
        """Tells of a file that is not live now whether it was since the base: the destination's log names it; or,
        where that does not tell all, it came into the destination's folder, or was live at a commit."""
        if path in self._named or not (self._theirs.squashed or self._theirs.untold):
            return path in self._named
        prefix = table_prefix(self._base.version.path)
        then, now = (
            tree.get(self._ctx.manifests.nodes, OBJECTS, side.root, prefix + path)
            for side in (self._base, self._destination)
        )
        if now is not None:
            return then is None
        return self._theirs.untold and any(file_at(self._ctx, table, path) for table in self._states)

    @cached_property
    def _states(self) -> list[TableVersion]:
        """The table at the destination's commits since the base."""
        nodes, path = self._ctx.manifests.nodes, self._base.version.path
        found = (tree.get(nodes, TABLES, manifest.tables_root, path) for manifest in self._past())
        return list({table.state: table for table in found if table is not None and table.version is not None}.values())

    def is_undone(self, path: str) -> bool:
        """Tells whether a file came after the base, and the last that was done to it was to put back what stood at the
        base instead: its rows are in no other file."""
        number = self._named.get(path)
        if number is None or file_at(self._ctx, self._base.version, path) is not None:
            return False
        if any(self._moves(transaction, path) for transaction in self._transactions[:number]):
            return False  # its rows may be the base's
        last = self._transactions[number]
        if last.version is None or last.operation not in UNDOING or path in {action.path for action in last.adds}:
            return False
        return all(
            key_of(file_at(self._ctx, self._base.version, action.path)) == (action.path, action.dv)
            for action in last.adds
        )

    def _moves(self, transaction: Transaction, path: str) -> bool:
        """Tells whether a transaction may have moved rows of other files into this one."""
        unsure = transaction.version is None or transaction.is_rearrangement
        return unsure and path in {action.path for action in transaction.adds}

    def _after(self, ours: Transaction) -> set[str]:
        """The origins of what the source did after a transaction."""
        number = next(i for i, transaction in enumerate(self._ours.transactions) if transaction is ours)
        return {origin for later in self._ours.transactions[number + 1 :] for origin in later.origins}

    def _stands(self, number: int, brought: Collection[str]) -> bool:
        transaction = self._transactions[number]
        if transaction.is_rearrangement:
            return True  # it changed no rows
        if transaction.metadata is not None and any(
            later.metadata is not None and self._undoes(later, brought) for later in self._transactions[number + 1 :]
        ):
            return False
        made = {(action.path, action.dv) for action in transaction.adds}
        taken = {(action.path, action.dv) for action in transaction.removes} - made
        if any(self._is_live(key) or self._adds.get(key, [-1])[-1] > number for key in taken):
            return False
        return self._stand(made, number, brought)

    def _stand(self, made: Collection[Key], number: int, brought: Collection[str]) -> bool:
        """Tells whether files are live, or what became of them was no undoing."""
        pending, seen = [(key, number) for key in made], set[tuple[Key, int]]()
        while pending:
            key, since = pending.pop()
            since = max([since, *self._adds.get(key, [])])
            if (key, since) in seen:
                continue
            seen.add((key, since))
            remover = next((i for i in self._removes.get(key, []) if i > since), None)
            if remover is None:
                if not self._is_live(key):
                    return False
                continue
            other = self._transactions[remover]
            if self._undoes(other, brought):
                return False
            pending += [(outcome, remover) for outcome in self._outcomes(other, key[0])]
        return True

    def _outcomes(self, transaction: Transaction, path: str) -> list[Key]:
        """The files that the rows of one went into, as far as can be told."""
        table = self._base.version
        before = next((file for file in transaction.removed if file.path == path), None)
        return [
            (action.path, action.dv)
            for action in transaction.adds
            if action.entry is not None
            and (
                before is None
                or not transaction.is_rearrangement
                or partition_of(action.entry, table) == partition_of(before, table)
            )
        ]

    def _undoes(self, transaction: Transaction, brought: Collection[str]) -> bool:
        """Tells whether a transaction may have taken others back: what no log tells of may. What the source brought
        (`brought`: after what it might take back) takes nothing from it; what it brought before, and then did again,
        does."""
        if any(origin in brought for origin in transaction.origins):
            return False
        return self._takes_back(transaction)

    def _takes_back(self, transaction: Transaction) -> bool:
        return transaction.version is None or transaction.operation in UNDOING

    def _is_common(self, ours: Transaction, number: int) -> bool:
        """Tells whether all that the destination did since to a transaction's files the source did after it too."""
        paths = {action.path for action in ours.files}
        later = [t for t in self._transactions[number + 1 :] if paths & {action.path for action in t.files}]
        if not later or ours.metadata is not None:
            return False
        after = self._ours.transactions[self._ours.transactions.index(ours) + 1 :]
        origins = {origin for transaction in after for origin in transaction.origins}
        return all(origins & set(transaction.origins) for transaction in later)

    def _is_void(self, ours: Transaction) -> bool:
        """Tells whether all that the source did to the files of a transaction, and to those that they were made of or
        went into, left them as they are at the base."""
        paths = {action.path for action in ours.files}
        if not paths or ours.metadata is not None or ours.protocol is not None or ours.txns or ours.domains:
            return False
        rest = [{action.path for action in transaction.files} for transaction in self._ours.transactions]
        while found := [others for others in rest if others & paths]:
            paths = paths.union(*found)
            rest = [others for others in rest if not others & paths]
        base, source = self._ours.base, self._ours.now
        return all(key_of(file_at(self._ctx, base, path)) == key_of(file_at(self._ctx, source, path)) for path in paths)

    def _is_live(self, key: Key) -> bool:
        return key_of(file_at(self._ctx, self._destination.version, key[0])) == key

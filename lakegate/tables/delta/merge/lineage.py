"""Whether files that both sides brought back hold versions of the same rows.

A revert and a rollback bring files back that were live before. Where one side brings back a file, and the other a file
that was made of it, or that was made of the same file by another change, then rows would stand twice. The files have
nothing to do with each other by their names: only the versions that made them tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lakegate.context import RepositoryContext
from lakegate.model import ConflictKind, FileEntry, TableVersion
from lakegate.tables.delta.log import read_commit
from lakegate.tables.delta.merge.clashes import Clash, clash
from lakegate.tables.delta.merge.side_log import TableAt
from lakegate.tables.delta.merge.standing import UNDOING
from lakegate.tables.delta.merge.transactions import Transaction, file_at, key_of, origin_of
from lakegate.tables.operations import new_versions

_BRINGS_BACK = UNDOING | {"UNDO OPTIMIZE", "MERGE BRANCH"}


def clashes_over_old_files(
    ctx: RepositoryContext,
    sides: tuple[TableAt, TableAt, TableAt],
    ours: Sequence[Transaction],
    theirs: Sequence[Transaction],
) -> list[Clash]:
    """Tells where the source (`ours`) and the destination brought back files that hold versions of the same rows.
    `sides` are base, source and destination. Logs are read only where both brought back files at all."""
    base, _, destination = (side.version for side in sides)
    there = {
        file.path: file
        for file in _brought_back(ctx, theirs, base)
        if key_of(file_at(ctx, destination, file.path)) == key_of(file)
    }
    here = [file for file in _brought_back(ctx, ours, base) if file_at(ctx, destination, file.path) is None]
    files = _Lineage(ctx, sides).related(here, list(there.values())) if here and there else []
    if not files:
        return []
    why = (
        "both sides brought back files of before, by reverts or rollbacks, and some hold versions of the same rows, or "
        "that can't be told"
    )
    mine, other = ([t for t in side if _brings_back(t)] for side in (ours, theirs))
    return [clash(ConflictKind.CONCURRENT_DELETE_DELETE, why, mine, other, files, base)]


def _brought_back(ctx: RepositoryContext, transactions: Iterable[Transaction], base: TableVersion) -> list[FileEntry]:
    """The files that transactions put back, and that the base has not."""
    return [
        action.entry
        for transaction in transactions
        if _brings_back(transaction)
        for action in transaction.adds
        if action.entry is not None and file_at(ctx, base, action.path) is None
    ]


def _brings_back(transaction: Transaction) -> bool:
    """Tells whether a transaction undoes others, or may do so, for no log tells of it."""
    return transaction.version is None or transaction.operation in UNDOING


class _Lineage:
    """The files that others were made of, as the logs of some sides tell."""

    def __init__(self, ctx: RepositoryContext, sides: Sequence[TableAt]) -> None:
        self._made: dict[str, tuple[str, frozenset[str]]] = {}
        seen: set[str] = set()
        for side in sides:
            path = side.version.path
            for version, entry in new_versions(ctx, None, side.root, path):
                made = origin_of(version, entry)
                actions = read_commit(ctx, path, version, entry) if made not in seen else None
                seen.add(made)
                if actions is None or (actions.info or {}).get("operation") in _BRINGS_BACK:
                    continue
                removed = frozenset(action.path for action in actions.files if action.entry is None)
                for action in actions.files:
                    if action.entry is not None and action.path not in removed:
                        self._made.setdefault(action.path, (made, removed))

    def related(self, ours: Sequence[FileEntry], theirs: Sequence[FileEntry]) -> list[FileEntry]:
        """The files of ours that were made of one of theirs, or the other way round, or of the same file by another
        version; or of which that can't be told."""
        there = {file.path for file in theirs}
        spent: dict[str, set[str]] = {}
        for file in theirs:
            before = self._made_of(file.path)
            if before is None:
                return list(ours)
            for path, version in before.items():
                spent.setdefault(path, set()).add(version)
        found: list[FileEntry] = []
        for file in ours:
            before = self._made_of(file.path)
            if (
                before is None
                or file.path in spent
                or any(path in there or spent.get(path, set()) - {version} for path, version in before.items())
            ):
                found.append(file)
        return found

    def _made_of(self, path: str) -> dict[str, str] | None:
        """The files that went into one, directly or not, each with the version that took it; None where not all is
        known."""
        found: dict[str, str] = {}
        pending = [path]
        while pending:
            made = self._made.get(pending.pop())
            if made is None:
                return None
            pending += [part for part in made[1] if part not in found]
            found |= dict.fromkeys(made[1], made[0])
        return found

"""What a merge records for the next one, so that this need not read all versions since the two logs parted.

Every merge of the same two branches has to know which of a side's versions the other has already, and what a side wrote
that the other never saw. The last version that a merge writes says so in its commitInfo: up to which version the log
holds the source's, which others its own clients wrote since the logs parted, and which files these took away. A later
merge reads a log from its newest version back to such a record. Where there is none that fits, it reads all, as
`transactions` has it; so a record is only written where it is sure to be true.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lakegate import tree
from lakegate.context import RepositoryContext
from lakegate.format.kinds import OBJECTS
from lakegate.log_paths import commit_path
from lakegate.model import Entry
from lakegate.tables.delta.actions import LogActions
from lakegate.tables.delta.log import read_commit
from lakegate.tables.delta.merge.reads import is_blind
from lakegate.tables.delta.merge.side_log import Past, SideLog, TableAt
from lakegate.tables.delta.merge.transactions import (
    LAKEGATE,
    SideHistory,
    Transaction,
    file_at,
    history_of,
    is_in,
    logged,
    origin_of,
    side_history,
    source_history,
    squashed,
)

_PARTED = "parted"
_MOST_AHEAD = 500  # versions
_MOST_GONE = 200  # paths, of some 60 bytes each


@dataclass(frozen=True, slots=True)
class Record:
    """What a merge knew of the destination's log.

    until  the source's newest log commit: the log holds what the source had done by then
    ahead  the versions that the source has not, plain writes all; None where there are too many, or others among them
    gone   the files that these versions took away; None where they are too many
    """

    until: str
    ahead: tuple[int, ...] | None
    gone: tuple[str, ...] | None

    @classmethod
    def told_by(cls, actions: LogActions) -> Record | None:
        told = (actions.info or {}).get(LAKEGATE)
        record = told.get(_PARTED) if isinstance(told, dict) else None
        if not isinstance(record, dict) or not isinstance(record.get("until"), str):
            return None
        ahead, gone = record.get("ahead"), record.get("gone")
        return cls(
            record["until"],
            tuple(version for version in ahead if isinstance(version, int)) if isinstance(ahead, list) else None,
            tuple(map(str, gone)) if isinstance(gone, list) else None,
        )

    def told_in(self, info: Mapping[str, Any]) -> Mapping[str, Any]:
        """A version's commitInfo with the record in it."""
        told: dict[str, Any] = {"until": self.until, "ahead": self.ahead, "gone": self.gone}
        record = {name: value for name, value in told.items() if value is not None}
        return {**info, LAKEGATE: {**info[LAKEGATE], _PARTED: record}}


@dataclass(frozen=True, slots=True)
class Recent:
    """A side's newest log commits, those after the merge that took in the base; and what that merge recorded."""

    record: Record
    commits: Mapping[int, Entry]


def recent(ctx: RepositoryContext, base: TableAt, side: TableAt) -> Recent | None:
    """Reads a side's log back to the merge that took in the base. None where no version tells of it: before the
    version that both logs have, or before one that was cleaned up."""
    path = side.version.path
    found: dict[int, Entry] = {}
    for version in range(side.version.version or 0, -1, -1):
        place = commit_path(path, version)
        entry, other = (tree.get(ctx.manifests.nodes, OBJECTS, at.root, place) for at in (side, base))
        if entry is None or (other is not None and other.same_content(entry)):
            return None
        record = Record.told_by(read_commit(ctx, path, version, entry))
        if record is not None and _is_newest(ctx, base, record.until):
            return Recent(record, found)
        found[version] = entry
    return None


def histories(
    ctx: RepositoryContext, sides: tuple[TableAt, TableAt, TableAt], pasts: tuple[Past, Past], *, whole: bool
) -> tuple[SideHistory, SideHistory, Record | None]:
    """Returns what source and destination did that the base has not; `sides` are base, source and destination. Where
    the last is only what came since a merge that took in the base, then also what that recorded; it is so only in a
    merge of the `whole`."""
    base, source, destination = sides
    since = recent(ctx, base, source) if whole else None
    ours = (_told(ctx, base, source, since) if since else None) or source_history(ctx, base, source, pasts[0])
    if ours.squashed and len(ours.transactions) > 1:
        ours = squashed(ctx, ours)
    since = recent(ctx, base, destination) if whole else None
    if since is not None:
        newest = _newest(ctx, base, destination, since, ours)
        if newest is not None:
            return ours, newest, since.record
    theirs = _told(ctx, base, destination, since) if since else None
    return ours, theirs or side_history(ctx, base, destination, pasts[1]), None


def _told(ctx: RepositoryContext, base: TableAt, side: TableAt, since: Recent) -> SideHistory | None:
    """What a side did that the base has not, where the states agree to what was recorded; else None."""
    if since.record.ahead is None:
        return None
    commits = dict(since.commits)
    for version in since.record.ahead:
        entry = tree.get(ctx.manifests.nodes, OBJECTS, side.root, commit_path(side.version.path, version))
        if entry is None:
            return None
        commits[version] = entry
    history = history_of(ctx, base, side, SideLog(commits, {}, untold=False))
    return None if history.squashed or not all(map(is_plain, history.transactions)) else history


def _newest(
    ctx: RepositoryContext, base: TableAt, side: TableAt, since: Recent, ours: SideHistory
) -> SideHistory | None:
    """What the destination did since it last took in the base, where that is all that counts; else None.

    It is where the source only appended, and read nothing: then of what the destination did before, nothing can stand
    against it but that the destination has it already. That is ruled out here.
    """
    if since.record.gone is None or not all(map(_appends, ours.transactions)):
        return None
    transactions = logged(ctx, base, side, SideLog(since.commits, {}, untold=False))
    gone = {*since.record.gone, *(action.path for transaction in transactions for action in transaction.removes)}

    def had(path: str) -> bool:
        return path in gone or file_at(ctx, side.version, path) is not None

    if not all(_is_new(base, side, transaction, had) for transaction in ours.transactions):
        return None
    return SideHistory(base.version, side.version, tuple(transactions))


def record_of(
    ctx: RepositoryContext, source: TableAt, ours: SideHistory, theirs: SideHistory, before: Record | None
) -> Record | None:
    """What a merge of all that the source did may record of the destination's log; None where that is not sure.
    `before`: what an earlier merge recorded, where `theirs` is only what came since."""
    newest = source.version.version or 0
    entry = tree.get(ctx.manifests.nodes, OBJECTS, source.root, commit_path(source.version.path, newest))
    if entry is None or ours.squashed or theirs.squashed or theirs.untold:
        return None
    known = {origin for transaction in ours.transactions for origin in transaction.origins}
    known |= {origin for transaction in ours.transactions for origin in transaction.covers}
    ahead = before.ahead if before is not None else ()
    gone = dict.fromkeys(before.gone or ()) if before is not None else dict[str, None]()
    for transaction in theirs.transactions:
        if known & set(transaction.origins) or not _is_known(transaction):
            return None
        version = transaction.version if is_plain(transaction) else None
        ahead = None if ahead is None or version is None else (*ahead, version)
        gone |= dict.fromkeys(action.path for action in transaction.removes)
    return Record(
        origin_of(newest, entry),
        ahead if ahead is not None and len(ahead) <= _MOST_AHEAD else None,
        tuple(gone) if len(gone) <= _MOST_GONE else None,
    )


def is_plain(transaction: Transaction) -> bool:
    """Tells whether a client wrote it here, and changed no definition of the table."""
    return _is_known(transaction) and LAKEGATE not in transaction.info


def _is_known(transaction: Transaction) -> bool:
    """Tells whether it is one transaction, and nothing else, that its origins name, and it changes no definition."""
    return (
        transaction.version is not None
        and transaction.metadata is None
        and transaction.protocol is None
        and not transaction.covers
        and (LAKEGATE not in transaction.info or len(transaction.origins) > 1)
    )


def _appends(transaction: Transaction) -> bool:
    return (
        is_blind(transaction)
        and transaction.metadata is None
        and transaction.protocol is None
        and not (transaction.covers or transaction.domains or transaction.updated)
    )


def _is_new(base: TableAt, side: TableAt, transaction: Transaction, had: Callable[[str], bool]) -> bool:
    """Tells whether a side never had a transaction's files, and has not advanced its applications."""
    return not any(had(action.path) for action in transaction.files) and all(
        base.version.txns.get(app) == side.version.txns.get(app) for app in transaction.txns
    )


def _is_newest(ctx: RepositoryContext, base: TableAt, origin: str) -> bool:
    return _version_of(origin) == base.version.version and is_in(ctx, base, origin)


def _version_of(origin: str) -> int:
    """The version that an origin names; 0, which no log lacks, where it names none."""
    version = origin.partition(":")[0]
    return int(version) if version.isdecimal() else 0

"""What each side did to a table since the base, as transactions: log commits where they tell, else state diffs.

Log files may have been cleaned up by writers, or a branch may have been rolled back to an old log: so what the commits
say is held against the states. Where both agree the commits are used as they are; what is left over, or all where no
commit is of use, becomes one transaction that is made of the difference of the states.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from lakegate import tree
from lakegate.context import RepositoryContext
from lakegate.format.canonical import parse_json
from lakegate.format.kinds import FILES, TABLES
from lakegate.model import Entry, FileEntry, Protocol, TableVersion
from lakegate.tables.delta.actions import Action, FileAction, LogActions, vector_id
from lakegate.tables.delta.log import read_commit
from lakegate.tables.delta.merge.side_log import Past, SideLog, TableAt, no_past

LAKEGATE = "lakegate"
"""The field of commitInfo in which lakegate says where a version came from."""
ORIGINS = "origins"
COVERS = "covers"

Key = tuple[str, str | None]
"""A live file: path and unique id of its deletion vector."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """One version of a log, or (`version` None) what no commit tells of.

    files     adds and removes; `entry.action` of an add is the whole action
    removed   the live files that the removes took away, as far as they are known
    metadata  the metaData action where it changes what stood before, else None; `before` is what stood
    protocol  as `metadata`
    change_files  raw `cdc` actions
    origins   what identifies the transaction, wherever it is replayed: digests of log commits
    covers    the origins of all transactions that it stands for, where it was made of a state
    updated   paths of live files that it adds again without a remove: other statistics or row ids, the same rows
    """

    version: int | None
    operation: str
    parameters: Mapping[str, str]
    info: Action
    files: tuple[FileAction, ...]
    removed: tuple[FileEntry, ...] = ()
    metadata: Action | None = None
    metadata_before: Action | None = None
    protocol: Protocol | None = None
    txns: Mapping[str, int] = field(default_factory=dict)
    domains: Mapping[str, str | None] = field(default_factory=dict)
    change_files: tuple[Mapping[str, Any], ...] = ()
    origins: tuple[str, ...] = ()
    covers: tuple[str, ...] = ()
    updated: frozenset[str] = frozenset()

    @property
    def adds(self) -> list[FileAction]:
        return [action for action in self.files if action.entry is not None]

    @property
    def removes(self) -> list[FileAction]:
        return [action for action in self.files if action.entry is None]

    @property
    def is_rearrangement(self) -> bool:
        """Tells whether it only moves rows between files: a compaction or a z-order."""
        return (
            bool(self.files)
            and not any(action.data_change for action in self.files)
            and bool(self.removes)
            and self.metadata is None
        )

    @property
    def vector_updates(self) -> frozenset[str]:
        """The paths of files of which it only deleted rows, by another deletion vector."""
        return frozenset(action.path for action in self.removes) & {action.path for action in self.adds}

    @property
    def only_deletes(self) -> bool:
        """Tells whether all that it did to rows is to delete some: no row that it wrote is new."""
        return bool(self.files) and all(action.path in self.vector_updates for action in self.adds)

    @property
    def has_effect(self) -> bool:
        """Tells whether a state can differ for it; a vacuum's commits have none."""
        return bool(self.files or self.metadata or self.protocol or self.txns or self.domains)

    @property
    def words(self) -> str:
        mode = self.parameters.get("mode")
        return f"{self.operation} ({mode})" if mode else self.operation


@dataclass(frozen=True, slots=True)
class SideHistory:
    """What a side did since the base: `transactions`, oldest first, lead from the base's state to `now`. `squashed`:
    the last of them is made of the states. `untold`: there were versions that no log tells of, neither the side's nor
    one of its past."""

    base: TableVersion
    now: TableVersion
    transactions: tuple[Transaction, ...]
    squashed: bool = False
    untold: bool = False


def side_history(ctx: RepositoryContext, base: TableAt, side: TableAt, past: Past = no_past) -> SideHistory:
    """Reads what a side did since the base; versions that repeat some of the base's are left out. Log commits that
    were cleaned up are taken from the side's past.

    Work is in proportion to the versions since the base, and to what the states differ in. Raises Refused where a log
    commit is not valid.
    """
    return history_of(ctx, base, side, SideLog.of(ctx, base, side, past))


def source_history(ctx: RepositoryContext, base: TableAt, side: TableAt, past: Past = no_past) -> SideHistory:
    """The same of a source. Up to a commit after which all versions are told, those that none is told of are one
    transaction, made of the states: what later versions move or remove is known then."""
    log = SideLog.of(ctx, base, side, past)
    told = _told_since(ctx, base, side, log, past) if log.untold else None
    if told is not None:
        newer = history_of(ctx, told, side, SideLog.of(ctx, told, side, past))
        if not newer.squashed:
            first = _rest(base.version, told.version, [], _leftover(ctx, base.version, told.version, []))
            return SideHistory(base.version, side.version, (first, *newer.transactions), untold=True)
    return history_of(ctx, base, side, log)


def _told_since(ctx: RepositoryContext, base: TableAt, side: TableAt, log: SideLog, past: Past) -> TableAt | None:
    """The table at the oldest commit of a side after which no version is missing from its log."""
    path, newest = side.version.path, side.version.version or 0
    missing = max((v for v in range((base.version.version or 0) + 1, newest + 1) if v not in log.new), default=None)
    found: TableAt | None = None
    for manifest in past():
        table = tree.get(ctx.manifests.nodes, TABLES, manifest.tables_root, path)
        if missing is None or table is None or table.table_id != side.version.table_id:
            break
        if not missing <= (table.version if table.version is not None else -1) < newest:
            if found is not None:
                break
            continue
        found = TableAt(manifest.objects_root, table)
    return found


def history_of(ctx: RepositoryContext, base: TableAt, side: TableAt, log: SideLog) -> SideHistory:
    """The same from the log commits in question, held against the states."""
    transactions = logged(ctx, base, side, log)
    leftover = _leftover(ctx, base.version, side.version, transactions)
    made = {file.path for _, file, there in leftover if file is not None and there is None}
    undone = [t for t in transactions if t.is_rearrangement and any(action.path in made for action in t.adds)]
    if undone:
        # A compaction that a merge left out, or undid, and that came back with the other side's state.
        transactions = [t for t in transactions if t not in undone]
        leftover = _leftover(ctx, base.version, side.version, transactions)
    if not leftover and _states_agree(base.version, side.version, transactions):
        return SideHistory(base.version, side.version, tuple(transactions), untold=log.untold)
    rest = _rest(base.version, side.version, transactions, leftover)
    return SideHistory(base.version, side.version, (*transactions, rest), True, log.untold)


def squashed(ctx: RepositoryContext, history: SideHistory) -> SideHistory:
    """The same difference as one transaction: for a side whose commits can't be repeated one by one."""
    leftover = _leftover(ctx, history.base, history.now, [])
    rest = _rest(history.base, history.now, [], leftover)
    origins = dict.fromkeys(origin for transaction in history.transactions for origin in transaction.origins)
    return replace(history, transactions=(replace(rest, covers=tuple(origins)),), squashed=True)


# -- from the log -----------------------------------------------------------------------------------------------------


def logged(ctx: RepositoryContext, base: TableAt, side: TableAt, log: SideLog) -> list[Transaction]:
    """The log commits that the side has and the base has not, but for those that repeat some of the base's."""
    path = side.version.path
    metadata = _metadata(base.version)
    protocol = base.version.protocol
    live = _Live(ctx, base.version)
    repeated = _repeated(ctx, path, log.old)
    found: list[Transaction] = []
    last: dict[str, bool] = {}
    for version, entry in sorted(log.new.items()):
        actions = read_commit(ctx, path, version, entry)
        origins = (origin_of(actions.version, entry), *_told(actions, ORIGINS))
        covers = _told(actions, COVERS)
        in_base = any(origin in repeated or is_in(ctx, base, origin) for origin in origins)
        in_base = in_base or (bool(covers) and all(origin in repeated or is_in(ctx, base, origin) for origin in covers))
        made = _transaction(ctx, actions, entry, metadata, protocol)
        if not in_base or _undone_before(made, found, last):
            last |= _outcome(made)
            removed, updated = live.removed_by(actions), live.updated_by(actions)
            found.append(replace(made, removed=removed, updated=updated, origins=origins, covers=covers))
        live.apply(actions)
        metadata, protocol = actions.metadata or metadata, actions.protocol or protocol
    return found


def _undone_before(repeating: Transaction, found: Sequence[Transaction], last: Mapping[str, bool]) -> bool:
    """Tells whether earlier transactions took back some of what one did in the base, and does again here. `last` says
    of the files that they name whether they are live after them."""
    if any(last.get(path, there) is not there for path, there in _outcome(repeating).items()):
        return True
    return (repeating.metadata is not None and any(transaction.metadata is not None for transaction in found)) or any(
        repeating.domains.keys() & transaction.domains.keys() for transaction in found
    )


def _repeated(ctx: RepositoryContext, path: str, old: Mapping[int, Entry]) -> set[str]:
    """The origins of the versions that the base's log has and the side's never had: what they repeat is in the base."""
    return {
        origin
        for version, entry in old.items()
        for actions in (read_commit(ctx, path, version, entry),)
        for origin in (origin_of(version, entry), *_told(actions, ORIGINS), *_told(actions, COVERS))
    }


def file_at(ctx: RepositoryContext, table: TableVersion, path: str) -> FileEntry | None:
    """The live file at a path; None where none is live."""
    return tree.get(ctx.manifests.nodes, FILES, table.state, path)


class _Live:
    """Finds the live files that commits remove or add again, of the base's and those that earlier commits added."""

    def __init__(self, ctx: RepositoryContext, base: TableVersion) -> None:
        self._ctx = ctx
        self._base = base
        self._added: dict[str, FileEntry] = {}
        self._gone: set[str] = set()

    def removed_by(self, actions: LogActions) -> tuple[FileEntry, ...]:
        found: list[FileEntry] = []
        for action in actions.files:
            if action.entry is None:
                live = self._last(action.path)
                if live is not None:
                    found.append(live)
        return tuple(found)

    def updated_by(self, actions: LogActions) -> frozenset[str]:
        passed_over = {action.path for action in actions.files if action.entry is None} | self._gone
        return frozenset(
            action.path
            for action in actions.files
            if action.entry is not None
            and not action.data_change  # else it is news, of a log that parted from the base's before the base
            and action.path not in passed_over
            and key_of(self._last(action.path)) == (action.path, action.dv)
        )

    def apply(self, actions: LogActions) -> None:
        self._gone.update(action.path for action in actions.files if action.entry is None)
        added = {action.path: action.entry for action in actions.files if action.entry is not None}
        self._gone.difference_update(added)
        self._added.update(added)

    def _last(self, path: str) -> FileEntry | None:
        return self._added.get(path) or file_at(self._ctx, self._base, path)


def is_in(ctx: RepositoryContext, base: TableAt, origin: str) -> bool:
    """Tells whether the base's log holds the commit that an origin names."""
    version, _, digest = origin.partition(":")
    if not version.isdecimal() or int(version) > (base.version.version or 0):
        return False
    entry = base.log_entry(ctx, int(version))
    return entry is not None and _digest(entry) == digest


def origin_of(version: int, entry: Entry) -> str:
    """What identifies a log commit, as `<version>:<digest>`."""
    return f"{version}:{_digest(entry)}"


def _told(actions: LogActions, name: str) -> tuple[str, ...]:
    """What a version that lakegate replayed says of where it came from."""
    told = (actions.info or {}).get(LAKEGATE)
    listed = told.get(name) if isinstance(told, dict) else None
    return tuple(text for text in listed if isinstance(text, str)) if isinstance(listed, list) else ()


def _digest(entry: Entry) -> str:
    return entry.digest if entry.digest is not None else f"etag:{entry.etag}"


def _transaction(
    ctx: RepositoryContext,
    actions: LogActions,
    entry: Entry,
    metadata: Action | None,
    protocol: Protocol | None,
) -> Transaction:
    info: Action = actions.info or {}
    given = info.get("operationParameters")
    parameters = given if isinstance(given, dict) else {}
    changed = actions.metadata is not None and actions.metadata != metadata
    return Transaction(
        version=actions.version,
        operation=str(info.get("operation") or "UNKNOWN"),
        parameters={str(name): _text(value) for name, value in parameters.items() if value is not None},
        info=info,
        files=actions.files,
        metadata=actions.metadata if changed else None,
        metadata_before=metadata,
        protocol=actions.protocol if actions.protocol != protocol else None,
        txns=actions.txns,
        domains=actions.domains,
        change_files=_change_files(ctx, actions, entry),
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _change_files(ctx: RepositoryContext, actions: LogActions, entry: Entry) -> tuple[Mapping[str, Any], ...]:
    """The `cdc` actions whole; parsing keeps only their paths."""
    if not actions.change_files:
        return ()
    store, key = ctx.addresses.source(entry)
    lines = (orjson.loads(line) for line in store.get(key).split(b"\n") if line.strip())
    return tuple(line["cdc"] for line in lines if line.get("cdc") is not None)


# -- held against the states ------------------------------------------------------------------------------------------


def _outcome(transaction: Transaction) -> dict[str, bool]:
    """The paths that a transaction names, and whether it leaves a live file there."""
    return {action.path: action.entry is not None for action in _in_order(transaction)}


def _in_order(transaction: Transaction) -> list[FileAction]:
    """Its removes, then its adds."""
    return sorted(transaction.files, key=lambda action: action.entry is not None)


def _leftover(
    ctx: RepositoryContext, base: TableVersion, side: TableVersion, transactions: list[Transaction]
) -> list[tuple[str, FileEntry | None, FileEntry | None]]:
    """The paths at which the transactions, applied to the base's live files, don't give the side's: (path, what they
    give, what is there)."""
    nodes = ctx.manifests.nodes
    given: dict[str, FileEntry | None] = {}
    for transaction in transactions:
        for action in _in_order(transaction):
            given[action.path] = action.entry
    found: list[tuple[str, FileEntry | None, FileEntry | None]] = []
    for change in tree.diff(nodes, FILES, base.state, side.state):
        made = given.pop(change.path) if change.path in given else change.left
        if key_of(made) != key_of(change.right):
            found.append((change.path, made, change.right))
    for path, made in given.items():
        there = tree.get(nodes, FILES, side.state, path)
        if key_of(made) != key_of(there):
            found.append((path, made, there))
    return found


def _states_agree(base: TableVersion, side: TableVersion, transactions: list[Transaction]) -> bool:
    metadata, protocol, txns, domains = _metadata(base), base.protocol, dict(base.txns), dict(base.domains)
    for transaction in transactions:
        metadata, protocol = transaction.metadata or metadata, transaction.protocol or protocol
        txns.update(transaction.txns)
        for name, configuration in transaction.domains.items():
            domains.pop(name, None)
            if configuration is not None:
                domains[name] = configuration
    return metadata == _metadata(side) and protocol == side.protocol and txns == side.txns and domains == side.domains


def _rest(
    base: TableVersion,
    side: TableVersion,
    transactions: list[Transaction],
    leftover: list[tuple[str, FileEntry | None, FileEntry | None]],
) -> Transaction:
    """What the transactions don't tell of, as one that nothing more is known of."""
    files: list[FileAction] = []
    for path, made, there in sorted(leftover, key=lambda item: item[0]):
        if made is not None:
            files.append(FileAction(path, vector_id(made.deletion_vector), True))
        if there is not None:
            files.append(FileAction(path, vector_id(there.deletion_vector), True, there))
    metadata, protocol = _metadata(base), base.protocol
    txns, domains = dict(base.txns), dict(base.domains)
    for transaction in transactions:
        metadata, protocol = transaction.metadata or metadata, transaction.protocol or protocol
        txns.update(transaction.txns)
        domains.update({k: v for k, v in transaction.domains.items() if v is not None})
    gone: dict[str, str | None] = {name: None for name in domains if name not in side.domains}
    now = _metadata(side)
    return Transaction(
        version=None,
        operation="UNKNOWN",
        parameters={},
        info={},
        files=tuple(files),
        removed=tuple(made for _, made, _ in leftover if made is not None),
        metadata=now if now != metadata else None,
        metadata_before=metadata,
        protocol=side.protocol if side.protocol != protocol else None,
        txns={app: version for app, version in side.txns.items() if version > txns.get(app, version - 1)},
        domains=gone | {name: text for name, text in side.domains.items() if domains.get(name) != text},
    )


def key_of(file: FileEntry | None) -> Key | None:
    """What identifies a live file; None where there is none."""
    return None if file is None else (file.path, vector_id(file.deletion_vector))


def _metadata(table: TableVersion) -> Action | None:
    return parse_json(table.metadata) if table.metadata is not None else None

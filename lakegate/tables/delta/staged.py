"""The newest state of the Delta tables on branches, staging included, kept between log writes.

What is kept is only a shortcut: it says of which log commit (by physical address, which is never reused) it is the
state, and is made anew where that is not what the branch holds.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import attrgetter

from lakegate import tree
from lakegate.context import RepositoryContext
from lakegate.errors import ErrorKind, Refused
from lakegate.format.kinds import FILES, TABLES
from lakegate.log_paths import commit_path
from lakegate.metastore.protocol import BranchState
from lakegate.model import Entry, FileEntry, TableFormat, TableVersion
from lakegate.snapshot import Snapshot
from lakegate.tables.delta import state as states
from lakegate.tables.delta.actions import LogActions
from lakegate.tables.delta.faults import Violation, as_error
from lakegate.tables.delta.log import LogFiles, Segment, list_log, read_commit
from lakegate.tables.delta.replay import transition

_KEPT_TABLES = 256
_KEPT_PATHS = 500_000
_OVERLAY_LIMIT = 20_000

_path = attrgetter("path")

Key = tuple[str, str, str]


@dataclass(slots=True)
class StagedLog:
    """A table at the end of the unbroken run of its log: `base` with the commits up to `version` on top.

    version    -1 where there is no log yet, or it does not begin
    committed  whether the branch's commit holds the table
    anchor     path and physical address of the last log file that all this comes from
    overlay    by path, what became of files since `base`; None: not live. Entries tell path and deletion vector only
    table_id   of the newest metadata since `base`
    waiting    commits after `version` that wait for their predecessor, or follow it and are not applied yet
    """

    ctx: RepositoryContext
    table: str
    base: TableVersion | None = None
    version: int = -1
    committed: bool = False
    anchor: tuple[str, str] = ("", "")
    overlay: dict[str, FileEntry | None] = field(default_factory=dict)
    table_id: str | None = None
    waiting: dict[int, Entry] = field(default_factory=dict)

    def live(self, path: str) -> FileEntry | None:
        """The live file at a path, of which path and deletion vector are set; None where none is live."""
        if path in self.overlay:
            return self.overlay[path]
        if self.base is None:
            return None
        return tree.get(self.ctx.manifests.nodes, FILES, self.base.state, path)

    def apply(self, actions: LogActions) -> None:
        """Applies the next version. Raises Violation."""
        files = sorted(actions.files, key=lambda action: (action.path, action.entry is not None))
        for path, group in groupby(files, key=_path):
            after = transition(self.live(path), group)
            self.overlay[path] = None if after is None else replace(after, partition={}, action=None)
        self.table_id = actions.table_id or self.table_id
        self.version = actions.version

    def identity(self, first: LogActions) -> str | None:
        """The id of the table; where it has no version yet, that of the one that `first` begins."""
        if self.version < 0:
            return first.table_id
        return self.table_id or (None if self.base is None else self.base.table_id)

    def following(self, version: int) -> list[tuple[int, Entry]]:
        """The waiting commits from `version` on, up to the next gap."""
        found: list[tuple[int, Entry]] = []
        while version in self.waiting:
            found.append((version, self.waiting[version]))
            version += 1
        return found

    def fork(self) -> StagedLog:
        """A copy to try things on."""
        return replace(self, overlay=dict(self.overlay))


@dataclass(slots=True)
class _Slot:
    lock: threading.Lock = field(default_factory=threading.Lock)
    log: StagedLog | None = None


_slots: OrderedDict[Key, _Slot] = OrderedDict()
_slots_lock = threading.Lock()


@contextmanager
def staged_log(ctx: RepositoryContext, state: BranchState, view: Snapshot, table: str) -> Generator[StagedLog]:
    """Gives the newest state of a table in `view`, the view of `state`. It must not be changed, only forked.

    Raises Refused where the log on the branch is broken already.
    """
    slot = _slot((ctx.info.id, state.name, table))
    with slot.lock:
        log = slot.log
        slot.log = None
        if log is None or not _still_there(log, view):
            log = _opened(ctx, state, view, table)
        else:
            log.ctx = ctx
            log.waiting = dict(list_log(view, table, log.version + 1).commits)
        _advance(log, view)
        if log.version >= 0:
            slot.log = log
        yield log


def forget(ctx: RepositoryContext, state: BranchState, table: str) -> None:
    """Drops what is kept of a table; called within `staged_log`, whose state was not what the branch's will be."""
    with _slots_lock:
        _slots.pop((ctx.info.id, state.name, table), None)


def _slot(key: Key) -> _Slot:
    with _slots_lock:
        slot = _slots.setdefault(key, _Slot())
        _slots.move_to_end(key)
        kept = 0
        for other in reversed(list(_slots)):
            log = _slots[other].log
            kept += len(log.overlay) if log is not None else 0
            if other != key and kept > _KEPT_PATHS:
                del _slots[other]
        while len(_slots) > _KEPT_TABLES:
            _slots.popitem(last=False)
        return slot


def _still_there(log: StagedLog, view: Snapshot) -> bool:
    entry = view.get(log.anchor[0])
    return entry is not None and entry.address == log.anchor[1]


def _opened(ctx: RepositoryContext, state: BranchState, view: Snapshot, table: str) -> StagedLog:
    """The state to start from: that of the branch's commit, else the newest checkpoint, else nothing."""
    committed = committed_table(ctx, state, table)
    if committed is not None:
        following = states.commits_after(view, table, committed, Snapshot.at(ctx, state.commit))
        if following is not None:
            version = committed.version if committed.version is not None else -1
            last = view.get(commit_path(table, version))
            anchor = (last.path, last.address) if last is not None else ("", "")
            return StagedLog(ctx, table, committed, version, True, anchor, waiting=dict(following.commits))
    files = list_log(view, table)
    base = _from_checkpoint(ctx, view, table, files)
    log = StagedLog(ctx, table, base, committed=committed is not None, waiting=files.commits)
    if base is not None and base.version is not None:
        last = files.checkpoints[base.version].files[-1]
        log.version, log.anchor = base.version, (last.path, last.address)
    return log


def committed_table(ctx: RepositoryContext, state: BranchState, table: str) -> TableVersion | None:
    """The Delta table as the branch's commit holds it; None where it holds none."""
    manifest = ctx.manifests.read_manifest(ctx.manifests.read_commit(state.commit).manifest)
    found = tree.get(ctx.manifests.nodes, TABLES, manifest.tables_root, table)
    return found if found is not None and found.format is TableFormat.DELTA else None


def _from_checkpoint(ctx: RepositoryContext, view: Snapshot, table: str, files: LogFiles) -> TableVersion | None:
    """The version of the newest checkpoint. None where there is none, or parts of it are still to come: then the log is
    being copied, and its commits wait."""
    if not files.checkpoints:
        return None
    newest = max(files.checkpoints)
    try:
        return states.replay(ctx, view, table, Segment(newest, files.checkpoints[newest], ()))
    except Violation as violation:
        raise as_error(table, violation) from violation
    except Refused as refusal:
        if refusal.kind is ErrorKind.DELTA_LOG_INVALID:
            return None
        raise


def _advance(log: StagedLog, view: Snapshot) -> None:
    """Applies the commits that stand on the branch already, as far as they follow one another."""
    for version, entry in log.following(log.version + 1):
        try:
            log.apply(read_commit(log.ctx, log.table, version, entry))
        except Violation as violation:
            raise as_error(log.table, violation, version) from violation
        log.anchor = (entry.path, entry.address)
        if len(log.overlay) > _OVERLAY_LIMIT:
            _settle(log, view)


def _settle(log: StagedLog, view: Snapshot) -> None:
    """Puts a large overlay into a tree of live files."""
    since = -1 if log.base is None or log.base.version is None else log.base.version
    files = list_log(view, log.table, since + 1)
    commits = tuple((v, files.commits[v]) for v in range(since + 1, log.version + 1))
    try:
        if log.base is None:
            log.base = states.replay(log.ctx, view, log.table, Segment(log.version, None, commits))
        else:
            log.base = states.advance(log.ctx, log.table, log.base, list(commits))
    except Violation as violation:
        raise as_error(log.table, violation) from violation
    log.overlay.clear()

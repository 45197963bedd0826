"""The commit guard: what a client may write as the next version of a Delta table on a branch.

A log commit is checked against the table's newest state, so that no client can corrupt the table, whatever its own
conflict check lets pass (deltalake 1.6.4 to 1.6.6 let two compactions of the same files both commit, which doubles
every row). What the rules mean for the ways in which commits come:

- The next version, onto a log without gaps, is checked against the live files: a `remove` that names no live file, or
  an `add` onto a path that is live with another deletion vector, was made from an old state and answers 412, so that
  the client reads again and retries. To add a live file again is a change of its statistics (Delta protocol, Add File
  and Remove File: "it is legal to commit an existing path and dvId combination again (this allows metadata updates)")
  and needs `dataChange` false; with `dataChange` true the same rows would be announced twice, which is what a client
  does whose first reply was lost: refused. A file that was removed earlier may be added again: a restore does that.
- A version before its predecessor comes from a tool that copies a table, in any order: it is parsed, and taken. When
  the version that closes the gap comes, all that follow it are checked too; the log is checked whole at the commit.
- A version that the branch's commit has is never rewritten, though it was deleted on the branch since. A table with an
  id of its own may begin in its place where no log file of the old one is left on the branch: no commit, no checkpoint.
- Data files are uploaded before the commit that adds them by every Delta client, and in any order by copying tools.
  What tells them apart is `If-None-Match: *`, which Delta clients send and copying tools don't: with it, the files
  must be there, and a version that leaves a gap on a live table was made from a branch that has since gone back.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from operator import attrgetter

from lakegate.context import RepositoryContext
from lakegate.errors import LakegateError
from lakegate.log_paths import commit_path, log_commit_of, log_folder, table_prefix
from lakegate.metastore.protocol import BranchState
from lakegate.model import Entry
from lakegate.snapshot import Snapshot
from lakegate.tables.deletion_vectors import parse_descriptor, vector_file
from lakegate.tables.delta.actions import FileAction, LogActions
from lakegate.tables.delta.faults import Violation, as_error, log_invalid, stale_remove, version_taken
from lakegate.tables.delta.log import read_commit
from lakegate.tables.delta.protocol import check_protocol
from lakegate.tables.delta.replay import transition
from lakegate.tables.delta.staged import StagedLog, committed_table, forget, staged_log
from lakegate.tables.overrides import load_overrides

_path = attrgetter("path")


def check_log_write(ctx: RepositoryContext, state: BranchState, entry: Entry, *, conditional: bool = False) -> None:
    """Checks a write of a Delta log commit to a branch; entries at other paths pass. Changes nothing.

    The bytes of `entry` are durable and staged nowhere yet. `state` is the branch as the caller read it, and what the
    check was made on: the write has to be staged on the condition that it still stands and that the path still holds
    what it held (nothing), which `staging.write_if` does. `conditional` says that the client asked for
    `If-None-Match: *`. The caller answers the same bytes as those stored as a retry, before it asks here. Folders that
    `.lakegate/tables.yaml` ignores are not checked.

    Work is in proportion to the actions of the commit and of those staged since the last check.

    Raises PreconditionFailed(DELTA_VERSION_TAKEN, DELTA_STALE_REMOVE) where the client has to read again, and
    Refused(DELTA_LOG_INVALID, DELTA_PATH_FORBIDDEN, DELTA_FEATURE_UNKNOWN) where the commit must never be.
    """
    named = log_commit_of(entry.path)
    if named is None:
        return
    view = Snapshot.of_branch(ctx, state)
    try:
        _check(ctx, state, view, named, entry, conditional)
    except LakegateError:
        if _is_ignored(ctx, view, named[0]):
            return
        raise


def _check(
    ctx: RepositoryContext,
    state: BranchState,
    view: Snapshot,
    named: tuple[str, int],
    written: Entry,
    conditional: bool,
) -> None:
    table, version = named
    if view.get(commit_path(table, version)) is not None:
        raise version_taken(table, version, "there is one, and a published version is never rewritten")
    actions = read_commit(ctx, table, version, written)
    with staged_log(ctx, state, view, table) as log:
        rewrites = _rewrites(ctx, state, written, named) and not _replaced(
            ctx, state, view, table, log.identity(actions)
        )
        if version <= log.version:
            if conditional or log.committed or rewrites:
                raise version_taken(table, version, f"the newest version is {log.version}")
            if log.base is None or log.base.version is None or version > log.base.version:
                forget(ctx, state, table)
            return
        if rewrites:
            raise log_invalid(
                table,
                "the branch's commit has that version already, and a published version is never rewritten, though it "
                "was deleted since",
                version=version,
                hint="Put the same bytes back, or reset the path. To begin the table anew, delete its whole folder and "
                "write one with an id of its own, or commit the deletion first.",
            )
        if version > log.version + 1:
            if conditional and log.version >= 0:
                raise version_taken(table, version, f"the newest version on {state.name!r} is {log.version}")
            return
        following = log.following(version + 1)
        if following:
            log = log.fork()
        _check_next(log, actions)
        if conditional:
            _check_data(view, table, log, actions)
        if following:
            _check_following(ctx, log, actions, following)


def _rewrites(ctx: RepositoryContext, state: BranchState, written: Entry, named: tuple[str, int]) -> bool:
    """Tells whether the branch's commit holds, or held, the version with other bytes: a deletion that is staged makes
    no room for another one, for clients keep what they read."""
    committed = committed_table(ctx, state, named[0])
    if committed is None or committed.version is None or named[1] > committed.version:
        return False
    published = Snapshot.at(ctx, state.commit).get(written.path)
    if published is None or published.size != written.size:
        return True
    if published.digest is not None and written.digest is not None:
        return published.digest != written.digest
    return published.etag != written.etag


def _replaced(ctx: RepositoryContext, state: BranchState, view: Snapshot, table: str, table_id: str | None) -> bool:
    """Tells whether another table takes the place of the committed one: it has another id, and no log file of the old
    one is left. A half deletion leaves the old one's versions published, and the two would be mixed."""
    committed = committed_table(ctx, state, table)
    if committed is None or None in (committed.table_id, table_id) or committed.table_id == table_id:
        return False
    published, folder = Snapshot.at(ctx, state.commit), log_folder(table)
    for entry in view.iterate(folder):
        if entry.path[len(folder) :][:1].isdigit():
            old = published.get(entry.path)
            if old is not None and old.same_bytes(entry):
                return False
    return True


def _check_next(log: StagedLog, actions: LogActions) -> None:
    """Checks a commit against the state of the version before it."""
    table, version = log.table, actions.version
    if version == 0:
        missing = [
            name for name, there in (("protocol", actions.protocol), ("metaData", actions.metadata)) if there is None
        ]
        if missing:
            raise log_invalid(table, f"the first version of a table needs a {missing[0]} action", version=version)
    if actions.protocol is not None:
        check_protocol(table, actions.protocol, version)
    try:
        _check_files(log, actions.files)
    except Violation as violation:
        if violation.stale:
            raise stale_remove(table, version, violation.why) from violation
        raise as_error(table, violation, version) from violation


def _check_files(log: StagedLog, files: Iterable[FileAction]) -> None:
    for path, group in groupby(sorted(files, key=_replay_order), key=_path):
        actions = list(group)
        live = log.live(path)
        transition(live, actions)
        last = actions[-1]
        if live is not None and len(actions) == 1 and last.entry is not None and last.data_change:
            raise Violation(
                f"it adds the file {path!r}, which is live already; only with `dataChange` false would that be new "
                "statistics for it. Perhaps this commit landed before, and its reply was lost"
            )


def _replay_order(action: FileAction) -> tuple[str, bool]:
    return action.path, action.entry is not None


def _check_data(view: Snapshot, table: str, log: StagedLog, actions: LogActions) -> None:
    """Checks that the objects of newly added files are there."""
    prefix = table_prefix(table)
    for action in actions.files:
        if action.entry is None:
            continue
        needed = [] if log.live(action.path) is not None else [action.path]
        if action.entry.deletion_vector is not None:
            vector = vector_file(parse_descriptor(action.entry.deletion_vector))
            needed += [vector] if vector is not None else []
        for name in needed:
            if view.get(prefix + name) is None:
                raise log_invalid(
                    table,
                    f"it adds the file {name!r}, and there is no object {prefix + name!r} on the branch",
                    version=actions.version,
                    hint="Upload data files before the commit that adds them; a reset of the branch takes them away.",
                )


def _check_following(
    ctx: RepositoryContext, log: StagedLog, actions: LogActions, following: list[tuple[int, Entry]]
) -> None:
    """Checks the commits that were waiting for this one."""
    log.apply(actions)
    for version, entry in following:
        waiting = read_commit(ctx, log.table, version, entry)
        try:
            log.apply(waiting)
        except Violation as violation:
            raise as_error(log.table, violation, version) from violation


def _is_ignored(ctx: RepositoryContext, view: Snapshot, table: str) -> bool:
    ignored = load_overrides(ctx, view.root).matcher()
    return ignored is not None and ignored.fullmatch(table) is not None

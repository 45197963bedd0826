"""The state of a Delta table at its newest version, as a snapshot holds its log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from lakegate import staging, tree
from lakegate.context import RepositoryContext
from lakegate.format.canonical import parse_json
from lakegate.format.kinds import FILES, OBJECTS
from lakegate.log_paths import commit_path, log_commit_of, log_folder
from lakegate.model import Entry, FileEntry, Protocol, TableFormat, TableVersion
from lakegate.snapshot import Snapshot
from lakegate.tables.delta.actions import (
    Action,
    LogActions,
    add_action,
    domain_configuration,
    parse_metadata,
    parse_protocol,
    sorted_json,
)
from lakegate.tables.delta.checkpoint import NamedAction, read_checkpoint
from lakegate.tables.delta.faults import Violation, as_error, log_invalid
from lakegate.tables.delta.log import Checkpoint, LogFiles, Segment, list_log, read_commit, segment_of
from lakegate.tables.delta.protocol import check_protocol, is_enabled
from lakegate.tables.delta.replay import FileChange, FileEvents, fold, replay_path
from lakegate.tables.digest import with_digest

_GET_SHARE = 50  # of a table's files per event: with fewer events than that, look-ups beat a walk


def load(
    ctx: RepositoryContext,
    snapshot: Snapshot,
    table_path: str,
    base: TableVersion | None = None,
    base_view: Snapshot | None = None,
) -> TableVersion:
    """Replays a table's log to its newest version, and writes the tree of its live files.

    With `base`, the version of the same table in `base_view`, only the commits after it are applied, where all log
    commits up to it are still what they were there (some may have been cleaned up); else everything is replayed from
    the newest checkpoint. Both ways give the same result. `_last_checkpoint`, `.crc` files and compacted logs are not
    looked at: other histories may have left them. Whether data files are there is not checked.

    Raises Refused(DELTA_LOG_INVALID, DELTA_PATH_FORBIDDEN, DELTA_FEATURE_UNKNOWN) naming table and versions.
    """
    try:
        if base is not None and base_view is not None:
            following = commits_after(snapshot, table_path, base, base_view)
            if following is not None:
                if following.cleaned:  # clients must still find their way to the newest version by what is left
                    segment_of(table_path, list_log(snapshot, table_path))
                return advance(ctx, table_path, base, following.commits)
        return replay(ctx, snapshot, table_path, segment_of(table_path, list_log(snapshot, table_path)))
    except Violation as violation:
        raise as_error(table_path, violation) from violation


@dataclass(slots=True)
class TableState:
    """What the actions other than file actions add up to; the latest of each wins (Action Reconciliation)."""

    protocol: Protocol | None = None
    metadata: Action | None = None
    txns: dict[str, int] = field(default_factory=dict)
    domains: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, table: TableVersion) -> TableState:
        """The state that a table version keeps."""
        metadata = parse_json(table.metadata) if table.metadata is not None else None
        return cls(table.protocol, metadata, dict(table.txns), dict(table.domains))

    def apply(self, actions: LogActions) -> None:
        """Applies one version."""
        self.protocol = actions.protocol or self.protocol
        self.metadata = actions.metadata or self.metadata
        self.txns.update(actions.txns)
        for domain, configuration in actions.domains.items():
            if configuration is None:
                self.domains.pop(domain, None)
            else:
                self.domains[domain] = configuration

    def take(self, name: str, action: Mapping[str, object]) -> None:
        """Takes one action of a checkpoint that is no file action. Raises Violation."""
        match name:
            case "protocol":
                self.protocol = parse_protocol(action)
            case "metaData":
                self.metadata = parse_metadata(action)
            case "txn":
                app, version = action.get("appId"), action.get("version")
                if not isinstance(app, str) or not isinstance(version, int):
                    raise Violation("its checkpoint holds a txn action without application or version")
                self.txns[app] = version
            case "domainMetadata":
                configuration = domain_configuration(action)
                if configuration is not None:
                    self.domains[str(action.get("domain"))] = configuration
            case _:
                pass

    def check(self, table: str) -> tuple[Protocol, Action]:
        """Returns protocol and metadata. Raises Refused where one is missing or can't be used."""
        protocol = check_protocol(table, self.protocol)
        if self.metadata is None:
            raise log_invalid(table, "it holds no metaData action")
        return protocol, self.metadata


# -- both ways --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Following:
    """The commits after a version; `cleaned` tells whether log commits of before are gone."""

    commits: list[tuple[int, Entry]]
    cleaned: bool


def commits_after(snapshot: Snapshot, table: str, base: TableVersion, base_view: Snapshot) -> Following | None:
    """The commits after `base`, where its own log is unchanged and they follow without a gap; None where not."""
    assert base.version is not None
    cleaned = _cleaned(snapshot, table, base.version, base_view)
    if cleaned is None:
        return None
    files = list_log(snapshot, table, base.version)
    newest = files.newest
    if newest is None or newest < base.version:
        return None
    wanted = range(base.version + 1, newest + 1)
    if not wanted and base.version not in files.commits and not _stood_for_it(files, table, base.version, base_view):
        return None
    if not all(v in files.commits for v in wanted):
        return None
    return Following([(v, files.commits[v]) for v in wanted], cleaned)


def _stood_for_it(files: LogFiles, table: str, version: int, base_view: Snapshot) -> bool:
    """Tells whether the checkpoint that stands for a version without a commit did so in `base_view` already."""
    if version not in files.checkpoints or base_view.get(commit_path(table, version)) is not None:
        return False
    held = ((base_view.get(entry.path), entry) for entry in files.checkpoints[version].files)
    return all(before is not None and before.same_content(entry) for before, entry in held)


def _cleaned(snapshot: Snapshot, table: str, version: int, base_view: Snapshot) -> bool | None:
    """Tells whether log commits of `base_view` are gone in `snapshot`; None where one up to a version is another."""
    folder = log_folder(table)
    ctx = snapshot.ctx
    cleaned = False
    for change in tree.diff(ctx.manifests.nodes, OBJECTS, base_view.root, snapshot.root, folder):
        if change.right is None:
            cleaned = cleaned or log_commit_of(change.path) is not None
        elif _is_commit_up_to(change.path, version):
            return None
    rows = staging.iterate(ctx, snapshot.tokens, folder) if snapshot.tokens else iter(())
    for row in rows:
        if row.entry is None:
            cleaned = cleaned or log_commit_of(row.path) is not None
        elif _is_commit_up_to(row.path, version):
            before = base_view.get(row.path)
            if before is None or not before.same_content(row.entry):
                return None
    return cleaned


def _is_commit_up_to(path: str, version: int) -> bool:
    found = log_commit_of(path)
    return found is not None and found[1] <= version


def advance(ctx: RepositoryContext, table: str, base: TableVersion, commits: list[tuple[int, Entry]]) -> TableVersion:
    """Applies commits to a table version: work is in proportion to their actions. Raises Violation, Refused."""
    if not commits:
        return base
    nodes = ctx.manifests.nodes
    state = TableState.of(base)
    counts = _Counts(base.files, base.rows, base.bytes)
    with FileEvents() as events:
        actions = LogActions(commits[-1][0])
        for version, entry in commits:
            actions = read_commit(ctx, table, version, entry)
            events.add(version, actions.files)
            state.apply(actions)
        if events.count * _GET_SHARE < base.files:
            changes = _looked_up(ctx, base, events)
        else:
            changes = fold(events, tree.iterate(nodes, FILES, base.state))
        root = tree.apply(nodes, FILES, base.state, counts.count(changes))
    made = _table_version(table, commits[-1], actions, state, replace(base, state=root))
    if counts.rows is None and counts.may_know_rows:
        counts.rows = _sum_rows(tree.iterate(nodes, FILES, root))
    return with_digest(replace(made, files=counts.files, rows=counts.rows, bytes=counts.bytes))


def _looked_up(ctx: RepositoryContext, base: TableVersion, events: FileEvents) -> Iterator[FileChange]:
    for path, found in events.by_path():
        before = tree.get(ctx.manifests.nodes, FILES, base.state, path)
        yield FileChange(path, before, replay_path(before, found))


def replay(ctx: RepositoryContext, snapshot: Snapshot, table: str, segment: Segment) -> TableVersion:
    """Replays a whole segment. Raises Violation, Refused."""
    state = TableState()
    counts = _Counts(0, 0, 0)
    actions = LogActions(segment.version)
    last = (segment.version, segment.commits[-1][1]) if segment.commits else None
    with FileEvents() as events:
        if segment.checkpoint is not None:
            last = last or (segment.version, segment.checkpoint.files[-1])
            _take_checkpoint(read_checkpoint(ctx, snapshot, table, segment.checkpoint), segment, state, events)
        for version, entry in segment.commits:
            actions = read_commit(ctx, table, version, entry)
            events.add(version, actions.files)
            state.apply(actions)
        state.check(table)
        assert last is not None
        root = tree.build(
            ctx.manifests.nodes, FILES, (file for _, file in counts.count(fold(events)) if file is not None)
        )
    if not segment.commits and segment.checkpoint is not None:
        actions, last = _own_commit(ctx, snapshot, table, segment.checkpoint, actions, last)
    blank = TableVersion(
        path=table,
        format=TableFormat.DELTA,
        version=segment.version,
        schema="",
        partition_columns=(),
        state=root,
        files=counts.files,
        rows=counts.rows,
        bytes=counts.bytes,
        digest="",
        timestamp=0,
    )
    return with_digest(_table_version(table, last, actions, state, blank))


def _take_checkpoint(actions: Iterator[NamedAction], segment: Segment, state: TableState, events: FileEvents) -> None:
    assert segment.checkpoint is not None
    version = segment.checkpoint.version
    try:
        for name, action in actions:
            if name == "add":
                events.add(version, (add_action(action),))
            else:
                state.take(name, action)
    except Violation as violation:
        violation.version = version
        raise


def _own_commit(
    ctx: RepositoryContext,
    snapshot: Snapshot,
    table: str,
    checkpoint: Checkpoint,
    actions: LogActions,
    last: tuple[int, Entry],
) -> tuple[LogActions, tuple[int, Entry]]:
    """The commit of a checkpoint's own version, for its time, where it has not been cleaned up."""
    entry = snapshot.get(commit_path(table, checkpoint.version))
    if entry is None:
        return actions, last
    return read_commit(ctx, table, checkpoint.version, entry), (checkpoint.version, entry)


def _table_version(
    table: str, last: tuple[int, Entry], actions: LogActions, state: TableState, made: TableVersion
) -> TableVersion:
    """Fills in all that does not come from file actions. Raises Refused."""
    protocol, metadata = state.check(table)
    properties: dict[str, str] = dict(metadata["configuration"])
    version, entry = last
    timestamp = entry.mtime
    if is_enabled(protocol, "inCommitTimestamp", properties, "delta.enableInCommitTimestamps"):
        timestamp = actions.in_commit_timestamp if actions.in_commit_timestamp is not None else timestamp
    return replace(
        made,
        version=version,
        schema=metadata["schemaString"],
        partition_columns=tuple(metadata["partitionColumns"]),
        timestamp=timestamp,
        table_id=_optional_text(metadata.get("id")),
        name=_optional_text(metadata.get("name")),
        properties=properties,
        protocol=protocol,
        metadata=sorted_json(metadata),
        txns=dict(state.txns),
        domains=dict(state.domains),
    )


@dataclass(slots=True)
class _Counts:
    """Keeps a table's totals while changes pass by. `rows` is None where some live file states no number."""

    files: int
    rows: int | None
    bytes: int
    may_know_rows: bool = False

    def count(self, changes: Iterable[FileChange]) -> Iterator[tuple[str, FileEntry | None]]:
        for change in changes:
            if change.before == change.after:
                continue
            self._step(change.before, -1)
            self._step(change.after, 1)
            yield change.path, change.after

    def _step(self, file: FileEntry | None, sign: int) -> None:
        if file is None:
            return
        self.files += sign
        self.bytes += sign * file.size
        if file.rows is None:
            self.rows = None
            self.may_know_rows = self.may_know_rows or sign < 0
        elif self.rows is not None:
            self.rows += sign * file.rows


def _sum_rows(files: Iterable[FileEntry]) -> int | None:
    total = 0
    for file in files:
        if file.rows is None:
            return None
        total += file.rows
    return total


def _optional_text(value: object) -> str | None:
    return value if isinstance(value, str) else None

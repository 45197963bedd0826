"""Writes the versions that come after a table's head, with the care that each action needs.

Row ids and their high-water mark, in-commit timestamps, what a `remove` repeats of its `add`, deletion times: whoever
asks for a version says which files come and go, and need not think of these.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from lakegate import tree
from lakegate.context import RepositoryContext
from lakegate.format.kinds import FILES
from lakegate.log_paths import commit_path, table_prefix
from lakegate.model import FileEntry, Protocol, TableVersion
from lakegate.tables.delta.actions import Action, add_action, num_records, sorted_json, vector_id
from lakegate.tables.delta.faults import log_invalid
from lakegate.tables.delta.log_commit import (
    APPEND_ONLY,
    ROW_TRACKING,
    LogCommit,
    action_of,
    append_only_refusal,
    domain_action,
    engine_info,
    remove_line,
    row_id_mark,
    vector_object,
)
from lakegate.tables.delta.protocol import is_enabled
from lakegate.tables.delta.state import TableState
from lakegate.tables.delta.upgrade import ICT_ENABLED, ICT_FEATURE, protocol_action, turn_on_timestamps
from lakegate.tables.file_counts import FileCounts


@dataclass(frozen=True, slots=True)
class Addition:
    """A file that becomes live, or (its path is live already) gets another deletion vector or other statistics.

    file           `action` is the whole `add`, of which row ids count only with `keeps_row_ids`
    keeps_row_ids  the rows had these ids in this table before: a file that comes back
    """

    file: FileEntry
    data_change: bool = True
    keeps_row_ids: bool = False

    @classmethod
    def of(cls, action: Mapping[str, Any], **options: bool) -> Addition:
        """Makes an addition of an `add` action. Raises Violation where it is none."""
        found = add_action(action).entry
        assert found is not None
        return cls(found, **options)


@dataclass(frozen=True, slots=True)
class Removal:
    """The live file at a path goes, with its deletion vector."""

    path: str
    data_change: bool = True


@dataclass(frozen=True, slots=True)
class Draft:
    """What a version is to do. `info` becomes its commitInfo, which is filled up; the rest is None or empty where the
    version leaves it. A domain's configuration is None where the domain goes. `change_files` are `cdc` actions."""

    info: Mapping[str, Any]
    adds: tuple[Addition, ...] = ()
    removes: tuple[Removal, ...] = ()
    protocol: Protocol | None = None
    metadata: Action | None = None
    txns: Mapping[str, int] = field(default_factory=dict)
    domains: Mapping[str, str | None] = field(default_factory=dict)
    change_files: tuple[Mapping[str, Any], ...] = ()


class VersionWriter:
    """A table's state while versions are added to it. Nothing is stored: each `append` answers a log commit.

    Memory and work are in proportion to what the drafts name, not to the table. `now` is in milliseconds.
    """

    def __init__(self, ctx: RepositoryContext, head: TableVersion, now: int) -> None:
        if head.version is None or head.protocol is None or head.metadata is None:
            raise log_invalid(head.path, "it is no Delta table")
        self._ctx = ctx
        self._head = head
        self._now = now
        self._overlay: dict[str, FileEntry | None] = {}
        self._mark = self._told_mark = row_id_mark(head)
        self._timestamp = head.timestamp
        self.version = head.version
        self.state = TableState.of(head)

    @property
    def protocol(self) -> Protocol:
        assert self.state.protocol is not None
        return self.state.protocol

    @property
    def metadata(self) -> Action:
        assert self.state.metadata is not None
        return self.state.metadata

    def live(self, path: str) -> FileEntry | None:
        """The live file at a path; None where none is live."""
        if path in self._overlay:
            return self._overlay[path]
        return tree.get(self._ctx.manifests.nodes, FILES, self._head.state, path)

    def append(self, draft: Draft) -> LogCommit:
        """Makes the next version.

        Raises Refused(DELTA_LOG_INVALID) for a removal of what is not live, or a file that is added beside its live
        self; DELTA_APPEND_ONLY.
        """
        version = self.version + 1
        before = (self.protocol, self.metadata)
        self.state.protocol = draft.protocol or self.protocol
        timestamp = max(self._now, self._timestamp + 1)
        metadata = self._metadata(draft.metadata, before, version, timestamp)
        self.state.metadata = metadata or self.metadata
        counts = FileCounts()
        needs: list[str] = []
        files = self._files(draft, version, counts, needs)
        lines: list[Mapping[str, Any]] = [{"commitInfo": self._info(draft.info, timestamp)}]
        if self.protocol != before[0]:
            lines.append({"protocol": protocol_action(self.protocol)})
        if metadata is not None:
            lines.append({"metaData": metadata})
        lines += self._state_lines(draft)
        lines += files
        lines += ({"cdc": action} for action in draft.change_files)
        self.version, self._timestamp = version, timestamp
        body = b"".join(orjson.dumps(line) + b"\n" for line in lines)
        path = commit_path(self._head.path, version)
        return LogCommit(self._head.path, version, path, body, timestamp, tuple(needs), counts)

    # -- files --------------------------------------------------------------------------------------------------------

    def _files(self, draft: Draft, version: int, counts: FileCounts, needs: list[str]) -> list[Mapping[str, Any]]:
        lines: list[Mapping[str, Any]] = []
        gone: dict[str, FileEntry] = {}
        for removal in draft.removes:
            live = self.live(removal.path)
            if live is None:
                raise log_invalid(self._head.path, f"the file {removal.path!r} is not live", version=version)
            if removal.data_change and self.metadata["configuration"].get(APPEND_ONLY, "").lower() == "true":
                raise append_only_refusal(self._head.path, f"Set the table property {APPEND_ONLY} to false first.")
            gone[removal.path] = live
            self._overlay[removal.path] = None
            lines.append(remove_line(live, self._now, data_change=removal.data_change))
        for addition in draft.adds:
            path = addition.file.path
            live = self.live(path)
            if live is not None and vector_id(live.deletion_vector) != vector_id(addition.file.deletion_vector):
                raise log_invalid(self._head.path, f"the file {path!r} is live already", version=version)
            file = self._numbered(addition, live or gone.get(path), version)
            lines.append({"add": {**action_of(file), "dataChange": addition.data_change}})
            self._count(counts, needs, gone.pop(path, None), live, file)
            self._overlay[path] = file
        for file in gone.values():
            counts.remove(file)
        return lines

    def _count(
        self, counts: FileCounts, needs: list[str], old: FileEntry | None, live: FileEntry | None, file: FileEntry
    ) -> None:
        prefix = table_prefix(self._head.path)
        vector = vector_object(file)
        if old is not None:
            counts.change_vector(old, file)
        elif live is None:
            counts.add(file)
            needs.append(prefix + file.path)
        if vector is not None and (old is None or vector_object(old) != vector):
            needs.append(prefix + vector)

    def _numbered(self, addition: Addition, before: FileEntry | None, version: int) -> FileEntry:
        """The file with its row ids: those it had, else new ones (Delta protocol, Row Tracking)."""
        action = action_of(addition.file)
        if is_enabled(self.protocol, "rowTracking"):
            had = action_of(before) if before is not None else action if addition.keeps_row_ids else {}
            if "baseRowId" in had:
                action["baseRowId"] = had["baseRowId"]
                action["defaultRowCommitVersion"] = min(had.get("defaultRowCommitVersion", version), version)
                # Ids that come back may lie above the mark: another branch gave them out.
                self._mark = max(self._mark, had["baseRowId"] + (num_records(action.get("stats")) or 0) - 1)
            else:
                records = num_records(action.get("stats"))
                if records is None:
                    raise log_invalid(
                        self._head.path,
                        f"the file {addition.file.path!r} states no number of records, so that its rows can't be given "
                        "ids, which row tracking asks for",
                    )
                action["baseRowId"] = self._mark + 1
                action["defaultRowCommitVersion"] = version
                self._mark += records
        return replace(addition.file, action=sorted_json(action))

    # -- everything else ----------------------------------------------------------------------------------------------

    def _metadata(
        self, wanted: Action | None, before: tuple[Protocol, Action], version: int, timestamp: int
    ) -> dict[str, Any] | None:
        made: dict[str, Any] = dict(wanted if wanted is not None else before[1])
        if is_enabled(self.protocol, ICT_FEATURE, made["configuration"], ICT_ENABLED) and not is_enabled(
            before[0], ICT_FEATURE, before[1]["configuration"], ICT_ENABLED
        ):
            made = turn_on_timestamps(made, version, timestamp)
        return None if made == before[1] else made

    def _state_lines(self, draft: Draft) -> Iterable[Mapping[str, Any]]:
        for app, number in sorted(draft.txns.items()):
            if number > self.state.txns.get(app, number - 1):
                self.state.txns[app] = number
                yield {"txn": {"appId": app, "version": number, "lastUpdated": self._now}}
        for domain, configuration in sorted(draft.domains.items()):
            held = self.state.domains.get(domain)
            if domain == ROW_TRACKING or held == configuration:
                continue
            if configuration is None:
                del self.state.domains[domain]
                yield domain_action(domain, held or "", removed=True)
            else:
                self.state.domains[domain] = configuration
                yield domain_action(domain, configuration)
        if is_enabled(self.protocol, "rowTracking") and self._mark > self._told_mark:
            mark = json.dumps({"rowIdHighWaterMark": self._mark}, separators=(",", ":"))
            self.state.domains[ROW_TRACKING] = mark
            self._told_mark = self._mark
            yield domain_action(ROW_TRACKING, mark)

    def _info(self, info: Mapping[str, Any], timestamp: int) -> dict[str, Any]:
        made: dict[str, Any] = {"engineInfo": engine_info(), **info}
        made |= {"timestamp": timestamp, "readVersion": self.version}
        made.pop("inCommitTimestamp", None)
        if is_enabled(self.protocol, ICT_FEATURE, self.metadata["configuration"], ICT_ENABLED):
            made = {"inCommitTimestamp": timestamp, **made}
        return made


def next_version(ctx: RepositoryContext, head: TableVersion, draft: Draft, now: int) -> LogCommit:
    """Makes the version after a table's head; see `VersionWriter.append`."""
    return VersionWriter(ctx, head, now).append(draft)

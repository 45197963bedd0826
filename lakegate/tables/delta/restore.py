"""Rolls a Delta table forward to old content: a new version whose state is that of an older one, as Delta's RESTORE
makes it. No data file is written; published versions stand as they are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from lakegate import tree
from lakegate.context import RepositoryContext
from lakegate.format.canonical import parse_json
from lakegate.format.kinds import FILES
from lakegate.log_paths import commit_path, table_prefix
from lakegate.model import FileEntry, Protocol, TableVersion
from lakegate.tables.delta.actions import Action, num_records, sorted_json, vector_id
from lakegate.tables.delta.backing import missing_features
from lakegate.tables.delta.faults import feature_unknown, log_invalid
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
from lakegate.tables.delta.protocol import READER_TABLE_FEATURES, WRITER_TABLE_FEATURES, is_enabled
from lakegate.tables.delta.upgrade import (
    ICT_ENABLED,
    ICT_FEATURE,
    protocol_action,
    restored_metadata,
    turn_on_timestamps,
    united,
    unknown_features,
)
from lakegate.tables.file_counts import FileCounts

_HINT = "Restore the table with a client that knows it, or roll back in the mode `exact`, which puts the old log back."


def restore_commit(
    ctx: RepositoryContext,
    current: TableVersion,
    target: TableVersion,
    now: int,
    info: Mapping[str, Any] | None = None,
) -> LogCommit | None:
    """Makes the version after `current` whose state equals `target`'s; None where `current`'s does already.

    The log of `current` stays as it is, and the new version goes beside it: nothing of `target`'s log is put back.
    Where the table is not there any more, or `exact` was asked for, no commit is needed: the caller takes the target's
    objects whole. `now` is in milliseconds; `info` is added to the version's commitInfo.

    What never goes back: the protocol (the union of both), `txn` versions (they stay, so that a stream does not write
    a batch again that the rollback took away on purpose), the highest column id, marks of identity columns, row ids,
    and in-commit timestamps.

    Raises Refused(DELTA_FEATURE_UNKNOWN) for features that such a version might break, and Refused(DELTA_APPEND_ONLY)
    for an append-only table that would lose files.
    """
    return _Restore.of(ctx, current, target, now).commit(dict(info or {}))


@dataclass(slots=True)
class _Restore:
    ctx: RepositoryContext
    current: TableVersion
    target: TableVersion
    now: int
    version: int
    protocol: Protocol
    next_row_id: int | None = None
    counts: FileCounts = field(default_factory=FileCounts)

    @classmethod
    def of(cls, ctx: RepositoryContext, current: TableVersion, target: TableVersion, now: int) -> _Restore:
        if current.version is None or current.protocol is None or target.protocol is None:
            raise log_invalid(current.path, "it is no Delta table on both sides")
        same = current.table_id is not None and current.table_id == target.table_id
        protocol = united(current.protocol, target.protocol, same_table=same)
        then = parse_json(target.metadata or "{}")
        if missing_features(protocol, then) - missing_features(target.protocol, then):
            # The current protocol names no feature of the old one that was not in use when it was made: one on
            # another branch, or one that was dropped since.
            protocol = united(current.protocol, target.protocol, same_table=False)
        unknown = [f"the feature {name!r}" for name in unknown_features(protocol)]
        if protocol.min_reader > READER_TABLE_FEATURES or protocol.min_writer > WRITER_TABLE_FEATURES:
            unknown.append(f"reader version {protocol.min_reader} with writer version {protocol.min_writer}")
        if unknown:
            raise feature_unknown(
                current.path,
                f"can't be rolled forward to old content, for lakegate does not know what {', '.join(unknown)} asks of "
                "whoever writes a version",
                hint=_HINT,
            )
        made = cls(ctx, current, target, now, current.version + 1, protocol)
        if is_enabled(protocol, "rowTracking"):
            made.next_row_id = 1 + max(row_id_mark(current), row_id_mark(target))
        return made

    def commit(self, info: dict[str, Any]) -> LogCommit | None:
        needs: list[str] = []
        files = [line for actions in self._files(needs) for line in actions]
        state = self._state_actions()
        metadata, in_commit = self._metadata()
        upgraded = self.protocol != self.current.protocol
        if not files and not state and metadata is None and not upgraded:
            return None
        timestamp = max(self.now, self.current.timestamp + 1)
        lines = [self._info(info, timestamp, in_commit)]
        if upgraded:
            lines.append({"protocol": protocol_action(self.protocol)})
        if metadata is not None:
            lines.append({"metaData": metadata})
        lines += state
        body = b"".join(orjson.dumps(line) + b"\n" for line in [*lines, *files])
        path = commit_path(self.current.path, self.version)
        return LogCommit(self.current.path, self.version, path, body, timestamp, tuple(needs), self.counts)

    # -- files --------------------------------------------------------------------------------------------------------

    def _files(self, needs: list[str]) -> Iterator[tuple[dict[str, Any], ...]]:
        """Yields the actions of each path whose live file differs, and notes the objects that become needed."""
        for change in tree.diff(self.ctx.manifests.nodes, FILES, self.current.state, self.target.state):
            now, then = change.left, change.right
            if then is None:
                assert now is not None
                self.counts.remove(now)
                yield (self._remove(now),)
                continue
            add = self._add(then, now)
            if now is None:
                self.counts.add(then)
                needs += [self._object(then.path), *self._vectors(then)]
                yield (add,)
            elif vector_id(now.deletion_vector) != vector_id(then.deletion_vector):
                self.counts.change_vector(now, then)
                needs += self._vectors(then)
                yield self._remove(now), add
            elif sorted_json({**add["add"], "dataChange": None}) != sorted_json({**action_of(now), "dataChange": None}):
                # The same rows with other statistics, tags or row ids (Delta protocol, Add File and Remove File).
                add["add"]["dataChange"] = False
                if now.size != then.size:
                    needs.append(self._object(then.path))  # another file under the same name
                yield (add,)

    def _add(self, file: FileEntry, now: FileEntry | None) -> dict[str, Any]:
        action: dict[str, Any] = {**action_of(file), "dataChange": True}
        if self.next_row_id is not None:
            self._give_row_ids(action, action_of(now) if now is not None else {})
        return {"add": action}

    def _give_row_ids(self, action: dict[str, Any], now: Action) -> None:
        """Row ids stay as the target has them, which gave each out once; files from before row tracking get new ones
        (Delta protocol, Row Tracking, Writer Requirements)."""
        assert self.next_row_id is not None
        if "baseRowId" not in action and "baseRowId" in now:
            action["baseRowId"] = now["baseRowId"]
            action["defaultRowCommitVersion"] = now.get("defaultRowCommitVersion", self.version)
        elif "baseRowId" not in action:
            records = num_records(action.get("stats"))
            if records is None:
                raise log_invalid(
                    self.current.path,
                    f"the file {action['path']!r} states no number of records, so that its rows can't be given ids, "
                    "which row tracking asks for",
                    hint=_HINT,
                )
            action["baseRowId"] = self.next_row_id
            action["defaultRowCommitVersion"] = self.version
            self.next_row_id += records
        action["defaultRowCommitVersion"] = min(action.get("defaultRowCommitVersion", self.version), self.version)

    def _remove(self, file: FileEntry) -> dict[str, Any]:
        """Makes the remove of a live file. Raises Refused(DELTA_APPEND_ONLY)."""
        if self.current.properties.get(APPEND_ONLY, "").lower() == "true":
            raise append_only_refusal(
                self.current.path,
                f"Set the table property {APPEND_ONLY} to false first, or roll back in the mode `exact`.",
            )
        return remove_line(file, self.now)

    def _object(self, path: str) -> str:
        return table_prefix(self.current.path) + path

    def _vectors(self, file: FileEntry) -> tuple[str, ...]:
        path = vector_object(file)
        return () if path is None else (self._object(path),)

    # -- everything else ----------------------------------------------------------------------------------------------

    def _state_actions(self) -> list[dict[str, Any]]:
        """`txn` and `domainMetadata` actions; called after the files, which may have used up row ids."""
        lines: list[dict[str, Any]] = []
        for app, version in sorted(self.target.txns.items()):
            if version > self.current.txns.get(app, version - 1):
                lines.append({"txn": {"appId": app, "version": version, "lastUpdated": self.now}})
        now, then = dict(self.current.domains), dict(self.target.domains)
        if self.next_row_id is not None:
            for domains in (now, then):
                domains.pop(ROW_TRACKING, None)
            if self.next_row_id - 1 > row_id_mark(self.current):
                mark = json.dumps({"rowIdHighWaterMark": self.next_row_id - 1}, separators=(",", ":"))
                lines.append(domain_action(ROW_TRACKING, mark))
        for domain in sorted({*now, *then}):
            if domain not in then:
                lines.append(domain_action(domain, now[domain], removed=True))
            elif now.get(domain) != then[domain]:
                lines.append(domain_action(domain, then[domain]))
        return lines

    def _metadata(self) -> tuple[dict[str, Any] | None, int | None]:
        """The metaData action, None where it stays; and the in-commit timestamp, None where there are none."""
        now, then = (parse_json(side.metadata or "{}") for side in (self.current, self.target))
        assert self.current.protocol is not None
        made = restored_metadata(now, then, (self.current.protocol, self.protocol))
        timestamp: int | None = None
        if is_enabled(self.protocol, ICT_FEATURE, made["configuration"], ICT_ENABLED):
            timestamp = max(self.now, self.current.timestamp + 1)
            if not is_enabled(self.current.protocol, ICT_FEATURE, now["configuration"], ICT_ENABLED):
                made = turn_on_timestamps(made, self.version, timestamp)
        return (None if sorted_json(made) == sorted_json(now) else made), timestamp

    def _info(self, info: dict[str, Any], timestamp: int, in_commit: int | None) -> dict[str, Any]:
        counts = self.counts
        made: dict[str, Any] = {
            "timestamp": timestamp,
            "operation": "RESTORE",
            "operationParameters": {"version": str(self.target.version), "timestamp": None},
            "operationMetrics": {
                "numRestoredFiles": str(counts.files_added),
                "numRemovedFiles": str(counts.files_removed),
                "restoredFilesSize": str(counts.bytes_added),
                "removedFilesSize": str(counts.bytes_removed),
                "numOfFilesAfterRestore": str(self.target.files),
                "tableSizeAfterRestore": str(self.target.bytes),
            },
            "readVersion": self.current.version,
            "isBlindAppend": False,
            "engineInfo": engine_info(),
            **info,
        }
        if in_commit is not None:
            made["inCommitTimestamp"] = in_commit
        return {"commitInfo": made}

"""Rolls a Delta table forward to old content: a new version whose state is that of an older one, as Delta's RESTORE
makes it. No data file is written; published versions stand as they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from lakegate.context import RepositoryContext
from lakegate.model import Protocol, TableVersion
from lakegate.tables.delta.faults import feature_unknown, log_invalid
from lakegate.tables.delta.log import commit_path
from lakegate.tables.delta.protocol import is_enabled
from lakegate.tables.delta.upgrade import (
    protocol_action,
    united,
    unknown_features,
)

ROW_TRACKING = "delta.rowTracking"
_HINT = "Restore the table with a client that knows it, or roll back in the mode `exact`, which puts the old log back."


@dataclass(frozen=True, slots=True)
class LogCommit:
    """A version that lakegate writes.

    path           of the log commit
    body           its bytes; memory is in proportion to the files that differ
    needs          paths of the objects that the version makes live and the one before did not need: data files and
                   deletion vectors. They must be in the tree before it is committed
    added, removed the numbers of files (logical: a changed deletion vector counts in both), and their rows (None
                   where some file states no number)
    """

    table: str
    version: int
    path: str
    body: bytes
    needs: tuple[str, ...]
    added: int
    removed: int
    rows_added: int | None
    rows_removed: int | None


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
    added: int = 0
    removed: int = 0
    rows_added: int | None = 0
    rows_removed: int | None = 0

    @classmethod
    def of(cls, ctx: RepositoryContext, current: TableVersion, target: TableVersion, now: int) -> _Restore:
        if current.version is None or current.protocol is None or target.protocol is None:
            raise log_invalid(current.path, "it is no Delta table on both sides")
        same = current.table_id is not None and current.table_id == target.table_id
        protocol = united(current.protocol, target.protocol, same_table=same)
        unknown = unknown_features(protocol)
        if unknown:
            names = ", ".join(repr(name) for name in unknown)
            raise feature_unknown(
                current.path,
                f"can't be rolled forward to old content, for lakegate does not know what its features {names} ask of "
                "whoever writes a version",
                hint=_HINT,
            )
        made = cls(ctx, current, target, now, current.version + 1, protocol)
        if is_enabled(protocol, "rowTracking"):
            made.next_row_id = 1 + max(_row_id_mark(current), _row_id_mark(target))
        return made

    def commit(self, info: dict[str, Any]) -> LogCommit | None:
        needs: list[str] = []
        files = [line for actions in self._files(needs) for line in actions]
        state = self._state_actions()
        if not files and not state:
            return None
        metadata, timestamp = self._metadata()
        lines = [self._info(info, timestamp)]
        if self.protocol != self.current.protocol:
            lines.append({"protocol": protocol_action(self.protocol)})
        if metadata is not None:
            lines.append({"metaData": metadata})
        lines += state
        body = b"".join(orjson.dumps(line) + b"\n" for line in [*lines, *files])
        return LogCommit(
            self.current.path,
            self.version,
            commit_path(self.current.path, self.version),
            body,
            tuple(needs),
            self.added,
            self.removed,
            self.rows_added,
            self.rows_removed,
        )

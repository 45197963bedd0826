"""What the versions of a Delta log say that was done, by their commitInfo actions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lakegate import tree
from lakegate.context import RepositoryContext
from lakegate.errors import Refused
from lakegate.format.kinds import OBJECTS
from lakegate.ids import CommitId, NodeId
from lakegate.log_paths import log_commit_of, log_folder
from lakegate.model import Entry
from lakegate.snapshot import Snapshot
from lakegate.tables.delta.log import read_commit

UNKNOWN = "UNKNOWN"
_NO_COMMIT = CommitId("")


@dataclass(frozen=True, slots=True)
class LoggedVersion:
    """One version of a log: its operation as its writer named it (UNKNOWN where it did not), and its time in ms.
    `replays` is the version of a merge's source that it repeats, or takes in, where it does."""

    version: int
    operation: str
    parameters: Mapping[str, str]
    timestamp: int
    replays: int | None = None

    @property
    def words(self) -> str:
        """The operation, with its mode where it has one: `WRITE (Append)`."""
        mode = self.parameters.get("mode")
        return f"{self.operation} ({mode})" if mode else self.operation


def read_logged(ctx: RepositoryContext, table: str, version: int, entry: Entry) -> LoggedVersion:
    """Reads what one log commit says of itself. A commit that can't be parsed (an old one, that no reader needs any
    more) is UNKNOWN."""
    try:
        actions = read_commit(ctx, table, version, entry)
    except Refused:
        return LoggedVersion(version, UNKNOWN, {}, entry.mtime)
    info: Mapping[str, Any] = actions.info or {}
    stamp = actions.in_commit_timestamp
    if stamp is None:
        given = info.get("timestamp")
        stamp = given if isinstance(given, int) else entry.mtime
    parameters = info.get("operationParameters")
    return LoggedVersion(
        version,
        str(info.get("operation") or UNKNOWN),
        {str(key): _text(value) for key, value in parameters.items()} if isinstance(parameters, dict) else {},
        stamp,
        _replays(info.get("lakegate")),
    )


def new_versions(ctx: RepositoryContext, before: NodeId | None, after: NodeId, table: str) -> list[tuple[int, Entry]]:
    """The versions, ascending, whose log commits the tree `after` has, and `before` has not or has otherwise."""
    folder = log_folder(table)
    if before is None:
        entries = Snapshot(ctx, _NO_COMMIT, after).iterate(folder)
    else:
        changes = tree.diff(ctx.manifests.nodes, OBJECTS, before, after, prefix=folder)
        entries = (
            change.right
            for change in changes
            if change.right is not None and (change.left is None or not change.left.same_content(change.right))
        )
    found: list[tuple[int, Entry]] = []
    for entry in entries:
        place = log_commit_of(entry.path)
        if place is not None and place[0] == table:
            found.append((place[1], entry))
    return found


def _replays(told: Any) -> int | None:
    version = told.get("sourceVersion") if isinstance(told, dict) and told.get("operation") == "merge" else None
    return version if isinstance(version, int) else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)

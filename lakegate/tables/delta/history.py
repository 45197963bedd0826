"""What the commits of a log tell of themselves (Delta protocol, Commit Provenance Information)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from lakegate.context import RepositoryContext
from lakegate.model import Entry
from lakegate.snapshot import Snapshot
from lakegate.tables.delta.actions import Action, LogActions, sorted_json
from lakegate.tables.delta.log import list_log, read_commit

UNKNOWN_OPERATION = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class VersionInfo:
    """One version of a table. `timestamp` is the in-commit timestamp where there is one, else the log file's time, as
    clients take it for time travel; `written` is the writer's own clock, where it told."""

    version: int
    timestamp: int
    operation: str = UNKNOWN_OPERATION
    parameters: dict[str, str] = field(default_factory=dict)
    written: int | None = None
    entry: Entry | None = None


def versions(ctx: RepositoryContext, snapshot: Snapshot, table: str, since: int = 0) -> Iterator[VersionInfo]:
    """Yields the versions whose log commits are still there, newest first, down to `since`. Reads each as it is asked
    for. Raises Refused where one is not valid."""
    commits = list_log(snapshot, table, since).commits
    for version in sorted(commits, reverse=True):
        entry = commits[version]
        yield version_info(read_commit(ctx, table, version, entry), entry)


def version_info(actions: LogActions, entry: Entry) -> VersionInfo:
    """Reads what a parsed log commit tells of itself."""
    info: Action = actions.info or {}
    stamp = actions.in_commit_timestamp
    written = info.get("timestamp")
    operation = info.get("operation")
    return VersionInfo(
        version=actions.version,
        timestamp=stamp if stamp is not None else entry.mtime,
        operation=operation if isinstance(operation, str) else UNKNOWN_OPERATION,
        parameters=_parameters(info.get("operationParameters")),
        written=written if isinstance(written, int) else None,
        entry=entry,
    )


def _parameters(given: object) -> dict[str, str]:
    """Operation parameters as text; writers put strings, numbers and JSON there."""
    if not isinstance(given, dict):
        return {}
    return {
        str(name): value if isinstance(value, str) else sorted_json(value)
        for name, value in given.items()
        if value is not None
    }

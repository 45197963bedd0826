"""The files of a table's log as a snapshot holds them, and which of them make up its newest version."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from lakegate.context import RepositoryContext
from lakegate.errors import NotFound
from lakegate.log_paths import log_folder
from lakegate.model import Entry
from lakegate.snapshot import Snapshot
from lakegate.tables.delta.actions import LogActions, parse_commit
from lakegate.tables.delta.faults import Violation, as_error, log_invalid

_COMMIT = re.compile(r"(\d{20})\.json", re.ASCII)
_CHECKPOINT = re.compile(
    r"(?P<version>\d{20})\.checkpoint"
    r"(?:\.(?P<part>\d{10})\.(?P<parts>\d{10})|\.(?P<unique>[^./]+))?\.(?P<form>parquet|json)",
    re.ASCII,
)
_CACHE_BYTES = 16 << 20
_CACHE_LARGEST = 1 << 20


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint of which every part that its names promise is there. V2 ones may name sidecars besides."""

    version: int
    files: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Segment:
    """What makes up the newest version: a checkpoint, where there is one, and all commits after it, without gaps."""

    version: int
    checkpoint: Checkpoint | None
    commits: tuple[tuple[int, Entry], ...]


@dataclass(slots=True)
class LogFiles:
    """The commits and complete checkpoints of a log. Everything else in the folder is passed over: `.crc` files,
    compacted logs and `_last_checkpoint` repeat what these say, and may have come from another history."""

    commits: dict[int, Entry] = field(default_factory=dict)
    checkpoints: dict[int, Checkpoint] = field(default_factory=dict)

    @property
    def newest(self) -> int | None:
        """The newest version that a commit or checkpoint tells of; None for an empty log."""
        return max((*self.commits, *self.checkpoints), default=None)


def list_log(snapshot: Snapshot, table: str, since: int = 0) -> LogFiles:
    """Lists the log files of version `since` and later."""
    folder = log_folder(table)
    after = f"{folder}{since:020d}" if since else folder
    entries = snapshot.iterate(folder, after)
    return log_files((entry.path[len(folder) :], entry) for entry in entries if entry.path[len(folder) :][:1].isdigit())


def log_files(named: Iterable[tuple[str, Entry]]) -> LogFiles:
    """Sorts log files, given as (name in the log folder, entry), by what they are."""
    found = LogFiles()
    parts: dict[tuple[int, int], dict[int, Entry]] = {}
    for name, entry in named:
        commit = _COMMIT.fullmatch(name)
        if commit:
            found.commits[int(commit[1])] = entry
            continue
        checkpoint = _CHECKPOINT.fullmatch(name)
        if not checkpoint or (checkpoint["form"] == "json" and not checkpoint["unique"]):
            continue
        version = int(checkpoint["version"])
        if checkpoint["part"]:
            parts.setdefault((version, int(checkpoint["parts"])), {})[int(checkpoint["part"])] = entry
        else:
            found.checkpoints[version] = Checkpoint(version, (entry,))
    # A multi-part checkpoint with missing parts is passed over (Delta protocol, Checkpoints); others go before it.
    for (version, count), pieces in parts.items():
        if sorted(pieces) == list(range(1, count + 1)):
            whole = Checkpoint(version, tuple(pieces[number] for number in sorted(pieces)))
            found.checkpoints.setdefault(version, whole)
    return found


def segment_of(table: str, files: LogFiles) -> Segment:
    """Chooses the files that make up the newest version. Raises Refused(DELTA_LOG_INVALID) for a gap."""
    newest = files.newest
    if newest is None:
        raise log_invalid(table, "it holds neither a commit nor a complete checkpoint")
    checkpoint = files.checkpoints[max(files.checkpoints)] if files.checkpoints else None
    start = checkpoint.version + 1 if checkpoint else 0
    missing = gaps(files.commits, start, newest)
    if missing:
        base = f"its newest checkpoint is of version {checkpoint.version}" if checkpoint else "there is no checkpoint"
        raise log_invalid(table, f"of the versions up to {newest} it lacks {missing}, and {base}")
    return Segment(newest, checkpoint, tuple((v, files.commits[v]) for v in range(start, newest + 1)))


def gaps(commits: Mapping[int, Entry], start: int, stop: int) -> str:
    """Names the versions from `start` to `stop` that have no commit, "" where none is missing."""
    runs: list[str] = []
    expected = start
    for version in (*sorted(v for v in commits if start <= v <= stop), stop + 1):
        if version > expected:
            last = version - 1
            runs.append(str(expected) if last == expected else f"{expected} to {last}")
        expected = version + 1
    shown = runs if len(runs) <= 5 else [*runs[:5], "..."]
    return ", ".join(shown)


# -- reading ----------------------------------------------------------------------------------------------------------


class _ParsedCommits:
    """The last parsed commits: a physical address holds the same bytes for ever. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bytes = 0
        self._kept: OrderedDict[tuple[str, str, str], tuple[int, LogActions]] = OrderedDict()

    def get(self, key: tuple[str, str, str]) -> LogActions | None:
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                return None
            self._kept.move_to_end(key)
            return found[1]

    def put(self, key: tuple[str, str, str], actions: LogActions, size: int) -> None:
        if size > _CACHE_LARGEST:
            return
        with self._lock:
            if key in self._kept:
                return
            self._kept[key] = (size, actions)
            self._bytes += size
            while self._bytes > _CACHE_BYTES:
                _, (dropped, _) = self._kept.popitem(last=False)
                self._bytes -= dropped


_parsed_commits = _ParsedCommits()


def read_commit(ctx: RepositoryContext, table: str, version: int, entry: Entry) -> LogActions:
    """Reads and parses a log commit; the last ones are kept. Raises Refused(DELTA_LOG_INVALID,
    DELTA_PATH_FORBIDDEN) where it is not valid."""
    # An imported object lies outside and can be replaced there; then its ETag was taken anew with the entry.
    key = (ctx.info.id, entry.address, entry.etag)
    actions = _parsed_commits.get(key)
    if actions is not None and actions.version == version:
        return actions
    try:
        actions = parse_commit(version, read_bytes(ctx, table, entry))
    except Violation as violation:
        raise as_error(table, violation, version) from violation
    _parsed_commits.put(key, actions, entry.size)
    return actions


def read_bytes(ctx: RepositoryContext, table: str, entry: Entry) -> bytes:
    """Reads a log file whole. Raises Refused(DELTA_LOG_INVALID) where its bytes are gone."""
    store, key = ctx.addresses.source(entry)
    try:
        return store.get(key)
    except NotFound as error:
        raise log_invalid(
            table,
            f"the bytes of {entry.path!r} are not at {entry.address!r} any more",
            hint="Put the object back there; it was deleted or moved outside lakegate.",
        ) from error

"""Action reconciliation of files (Delta protocol, section Action Reconciliation), one path at a time.

Every rule of file actions speaks of one path. So the actions are sorted by path and version, in runs that spill to a
temporary file where they are many, and folded path by path in order: memory does not grow with the table, every rule is
checked, and what comes out is sorted as trees want it.
"""

from __future__ import annotations

import heapq
import pickle
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import IO, Any

from lakegate.model import FileEntry
from lakegate.tables.delta.actions import FileAction, vector_id
from lakegate.tables.delta.faults import Violation

_RUN = 50_000
_CHUNK = 1000

FileEvent = tuple[str, int, int, FileAction]
"""(path, version, 0 for a remove or 1 for an add, action): within one version, removes go first, for actions of one
commit have no order (Delta protocol, Add File and Remove File)."""

_key = itemgetter(0, 1, 2)
_path = itemgetter(0)
_version = itemgetter(1)


@dataclass(frozen=True, slots=True)
class FileChange:
    """What became of one path: the live file before and after."""

    path: str
    before: FileEntry | None
    after: FileEntry | None


def transition(live: FileEntry | None, actions: Iterable[FileAction]) -> FileEntry | None:
    """Applies the actions of one version on one path to its live file; removes come before adds.

    Raises Violation, by the rules in Delta protocol, section Add File and Remove File: at most one action of a type;
    a remove names the live (path, deletion vector); an add on a path that is live with another deletion vector needs
    its remove beside it; to add the live (path, deletion vector) again replaces its statistics. An add and a remove of
    the same (path, deletion vector) in one commit is refused, because readers differ in which of them counts.
    """
    removed: FileAction | None = None
    added: FileAction | None = None
    for action in actions:
        dv = _words(action.dv)
        if action.entry is None:
            if removed is not None:
                raise Violation(f"it removes the file {action.path!r} twice")
            if live is None:
                raise Violation(f"it removes the file {action.path!r}{dv}, which is not live", stale=True)
            if vector_id(live.deletion_vector) != action.dv:
                there = _words(vector_id(live.deletion_vector))
                raise Violation(
                    f"it removes the file {action.path!r}{dv}, which is live{there or ' without a deletion vector'}",
                    stale=True,
                )
            removed, live = action, None
            continue
        if added is not None:
            raise Violation(f"it adds the file {action.path!r} twice")
        if removed is not None and removed.dv == action.dv:
            raise Violation(f"it removes and adds the same file {action.path!r}{dv}, and nothing says which counts")
        if live is not None and vector_id(live.deletion_vector) != action.dv:
            raise Violation(
                f"it adds the file {action.path!r}{dv}, which is live with another deletion vector, and does not "
                "remove that",
                stale=True,
            )
        added, live = action, action.entry
    return live


@dataclass(slots=True)
class FileEvents:
    """Collects file actions of ascending versions and yields them sorted. Use as a context manager; the memory that
    it takes is that of one run."""

    run: int = _RUN
    count: int = 0
    _events: list[FileEvent] = field(default_factory=list)
    _spilled: list[IO[bytes]] = field(default_factory=list)
    _files: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> FileEvents:
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()

    def add(self, version: int, actions: Iterable[FileAction]) -> None:
        for action in actions:
            self._events.append((action.path, version, action.entry is not None, action))
            self.count += 1
            if len(self._events) >= self.run:
                self._spill()

    def by_path(self) -> Iterator[tuple[str, Iterator[FileEvent]]]:
        """Yields each path, ascending, with its events in the order of replay. Once."""
        self._events.sort(key=_key)
        runs: list[Iterable[FileEvent]] = [_read_run(file) for file in self._spilled]
        return groupby(heapq.merge(*runs, self._events, key=_key), key=_path)

    def _spill(self) -> None:
        self._events.sort(key=_key)
        file = self._files.enter_context(tempfile.TemporaryFile(prefix="lakegate-replay-"))  # noqa: SIM115
        for start in range(0, len(self._events), _CHUNK):
            pickle.dump(self._events[start : start + _CHUNK], file, pickle.HIGHEST_PROTOCOL)
        self._spilled.append(file)
        self._events.clear()


def fold(events: FileEvents, base: Iterator[FileEntry] | None = None) -> Iterator[FileChange]:
    """Replays events over the live files of `base` (sorted; those without events are passed over), and yields what
    became of each path that has events. Raises Violation with its version."""
    current = next(base, None) if base is not None else None
    for path, found in events.by_path():
        while current is not None and base is not None and current.path < path:
            current = next(base, None)
        before = current if current is not None and current.path == path else None
        yield FileChange(path, before, replay_path(before, found))


def replay_path(live: FileEntry | None, events: Iterator[FileEvent]) -> FileEntry | None:
    """Replays the events of one path, version by version. Raises Violation with its version."""
    for version, actions in groupby(events, key=_version):
        try:
            live = transition(live, (event[3] for event in actions))
        except Violation as violation:
            violation.version = version
            raise
    return live


def _read_run(file: IO[bytes]) -> Iterator[FileEvent]:
    file.seek(0)
    while True:
        try:
            chunk: list[Any] = pickle.load(file)
        except EOFError:
            return
        yield from chunk


def _words(dv: str | None) -> str:
    return f" with the deletion vector {dv!r}" if dv is not None else ""

"""Writes a commit's objects as plain files that any client can read without lakegate."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lakegate import refs
from lakegate.context import RepositoryContext
from lakegate.errors import Corrupt, ErrorKind, InvalidInput, NotFound
from lakegate.export_order import Stage, stage_of
from lakegate.ids import CommitId
from lakegate.log_paths import is_log, log_folder_of
from lakegate.model import Entry, ExportRequest, Progress
from lakegate.objectstore import urls
from lakegate.objectstore.protocol import ObjectSource, ReplacingStore
from lakegate.objectstore.streaming import pieces, verified
from lakegate.objectstore.unfinished import clear
from lakegate.ops.export_plan import Plan, inspect, same_content
from lakegate.ops.import_sources import refuse_namespaces
from lakegate.snapshot import Snapshot

_WORKERS = 4
_AHEAD = 16


@dataclass(frozen=True, slots=True)
class ExportOutcome:
    """What an export did, or would do: `objects` and `bytes` written, and objects that were there already, equal."""

    commit: CommitId
    objects: int
    bytes: int
    skipped: int

    def as_result(self) -> dict[str, Any]:
        """The outcome as a job's result."""
        return {"commit": self.commit, "objects": self.objects, "bytes": self.bytes, "skipped": self.skipped}


def export(ctx: RepositoryContext, request: ExportRequest, progress: Progress | None = None) -> ExportOutcome:
    """Writes the objects of a ref's commit (not what is uncommitted) below a folder or bucket URL.

    With a prefix, a folder's path or an object's, only what lies there, and paths are relative to its end. Each file
    appears whole or not at all. Of a Delta table the data files come first, then checkpoints, then the log's commits
    in their order: at each moment a reader sees a version whole or not at all. What is equal already is left as it
    is, so an export that was cut short goes on where it stopped. Nothing is deleted at the destination but unfinished
    files that such a one left. There is no receipt file: the destination holds the tables and nothing else.

    Raises NotFound for a ref that is not there and a prefix that holds nothing; InvalidInput(INVALID_ARGUMENT) for a
    destination that is none, or belongs to a repository; Refused(DESTINATION_NOT_EMPTY) where it holds other files, or
    other content, unless `overwrite`, and also then where files that stay would be read as part of an exported table;
    InvalidInput(INVALID_PATH) for objects that a local folder can't hold. All these before anything is written.
    """
    commit = refs.resolve(ctx, request.ref).commit
    target = urls.parse(request.destination, kind=ErrorKind.INVALID_ARGUMENT)
    if target.scheme == "file" and not target.path:
        raise InvalidInput(
            ErrorKind.INVALID_ARGUMENT, "An export can't go to the root of the file system.", hint="Name a folder."
        )
    refuse_namespaces(ctx, str(target), f"The destination {request.destination!r}")
    snapshot = Snapshot.at(ctx, commit)
    plan = _plan(snapshot, request, ctx.addresses.open(str(target)))
    total = inspect(ctx, snapshot, plan)
    work = _Export(ctx, plan, progress, total)
    if request.dry_run:
        for entry in plan.entries(snapshot):
            work.count(entry, work.is_needed(entry))
    else:
        work.run(snapshot)
    return ExportOutcome(commit, work.written, work.bytes, work.skipped)


def _plan(snapshot: Snapshot, request: ExportRequest, store: ReplacingStore) -> Plan:
    prefix = request.prefix.strip("/")
    single = snapshot.get(prefix) if prefix and not request.prefix.endswith("/") else None
    if single is not None:
        return Plan(store, prefix, prefix.rpartition("/")[0], True, request.overwrite)
    plan = Plan(store, prefix + "/" if prefix else "", prefix, False, request.overwrite)
    if prefix and next(plan.entries(snapshot), None) is None:
        raise NotFound(
            ErrorKind.OBJECT_NOT_FOUND,
            f"There is nothing below {request.prefix!r} at {request.ref!r}.",
            hint="`lakegate ls` lists what there is.",
        )
    return plan


class _Export:
    """One export while it runs."""

    def __init__(self, ctx: RepositoryContext, plan: Plan, progress: Progress | None, total: int) -> None:
        self.written = 0
        self.bytes = 0
        self.skipped = 0
        self._ctx = ctx
        self._plan = plan
        self._progress = progress
        self._total = total
        self._cleared: Path | None = None

    def run(self, snapshot: Snapshot) -> None:
        logs: dict[str, None] = {}
        self._all(self._data(snapshot, logs))
        for folder in logs:
            self._all(entry for entry in snapshot.iterate(folder) if stage_of(entry.path) is Stage.BEFORE)
            for stage in (Stage.COMMITS, Stage.HINT):
                for entry in snapshot.iterate(folder):
                    if stage_of(entry.path) is stage:
                        self._clear(entry)
                        self.count(entry, self._one(entry))

    def count(self, entry: Entry, written: bool) -> None:
        if written:
            self.written += 1
            self.bytes += entry.size
        else:
            self.skipped += 1
        if self._progress is not None:
            self._progress(self.written + self.skipped, self._total)

    def is_needed(self, entry: Entry) -> bool:
        """Tells whether the destination lacks an object or holds other content in its place."""
        key = self._plan.key_of(entry.path)
        try:
            there = self._plan.store.head(key)
        except NotFound:
            return True
        if there.size != entry.size:
            return True
        # Without `overwrite` the inspection has compared all content that stands there already. With it, what is not
        # cheap to compare is written.
        return self._plan.overwrite and not same_content(self._ctx, entry, self._plan.store, there, cheaply=True)

    def _data(self, snapshot: Snapshot, logs: dict[str, None]) -> Iterator[Entry]:
        """Yields what is not of a Delta log, and remembers the folders of logs."""
        for entry in self._plan.entries(snapshot):
            if is_log(entry.path) and not self._plan.single:
                logs[max(log_folder_of(entry.path), self._plan.prefix, key=len)] = None  # of both the inner one
            else:
                yield entry

    def _all(self, entries: Iterable[Entry]) -> None:
        """Writes objects, several at a time, in any order."""
        with ThreadPoolExecutor(_WORKERS, thread_name_prefix="lakegate-export") as pool:
            waiting: deque[tuple[Entry, Future[bool]]] = deque()
            try:
                for entry in entries:
                    self._clear(entry)
                    waiting.append((entry, pool.submit(self._one, entry)))
                    if len(waiting) >= _AHEAD:
                        self._settle(waiting)
                while waiting:
                    self._settle(waiting)
            finally:
                for _, future in waiting:
                    future.cancel()

    def _clear(self, entry: Entry) -> None:
        """Clears away what an export that was cut off left where this object goes."""
        file = self._plan.store.local_path(self._plan.key_of(entry.path))
        if file is not None and file.parent != self._cleared:
            self._cleared = file.parent
            clear(file.parent)

    def _settle(self, waiting: deque[tuple[Entry, Future[bool]]]) -> None:
        entry, future = waiting.popleft()
        self.count(entry, future.result())

    def _one(self, entry: Entry) -> bool:
        """Writes one object where it is needed. False: it was there."""
        if not self.is_needed(entry):
            return False
        source, key = self._ctx.addresses.source(entry)
        writer = self._plan.store.replacer(self._plan.key_of(entry.path), entry.mtime)
        try:
            size = _copy(source, key, entry, writer.write)
            if size != entry.size:
                raise _damaged(entry, size)
            writer.finish()
        except NotFound as error:
            raise NotFound(
                ErrorKind.OBJECT_NOT_FOUND,
                f"The bytes of {entry.path!r} are gone from {entry.address!r}.",
                hint="Restore them there; run `lakegate verify --deep` to see what else is missing.",
                details={"path": entry.path, "address": entry.address},
            ) from error
        finally:
            writer.abort()
        return True


def _copy(source: ObjectSource, key: str, entry: Entry, write: Callable[[bytes], None]) -> int:
    actual = source.head(key).size
    if actual != entry.size:
        return actual
    for piece in verified(entry, pieces(source, key, actual)):
        write(piece)
    return actual


def _damaged(entry: Entry, size: int) -> Corrupt:
    return Corrupt(
        f"The object {entry.path!r} has {size} bytes at {entry.address!r}, and {entry.size} in the commit.",
        hint="It was changed outside lakegate; run `lakegate verify --deep` to see what else is damaged.",
        details={"path": entry.path, "address": entry.address},
    )

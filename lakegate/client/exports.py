"""Export of a ref by download: objects become plain files in a folder of this machine.

Answers as an embedded lake's export does, without the libraries that one needs.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import unquote, urlsplit

from lakegate.errors import ErrorKind, InvalidInput, LakegateError, NotFound, NotOffered, Refused, Unavailable
from lakegate.export_order import Stage, stage_of
from lakegate.ids import CommitId, JobId, new_id
from lakegate.log_paths import LOG, is_log, log_folder_of
from lakegate.model import Entry, ExportRequest, Job, JobState, ListRequest, Progress
from lakegate.objectstore.keys import TEMPORARY_PREFIX
from lakegate.objectstore.streaming import verified
from lakegate.objectstore.unfinished import clear, make_held

if TYPE_CHECKING:
    from lakegate.interface import ObjectReader, Repository

Opener: TypeAlias = "Callable[[CommitId, Entry], ObjectReader]"  # opens what a listing of a commit has told of
_PAGE = 1000
_MD5 = re.compile(r"[0-9a-f]{32}")
_WORKERS = 4
_AHEAD = 16


def export(
    repository: Repository, request: ExportRequest, progress: Progress | None = None, opener: Opener | None = None
) -> Job:
    """Writes the objects of a ref's commit below a folder, and returns the ended job.

    Of a Delta table the data files come before its log, and that in the order of `lakegate.export_order`, so that a
    reader sees a version whole or not at all. Each file appears whole. What is equal already is left as it is. Raises
    what an embedded lake's export raises, and NotOffered for a destination that is no folder of this machine. `opener`
    spares one request for each object.
    """
    started = time.time_ns() // 1_000_000
    folder = _folder(request.destination)
    work = _Download(repository, folder, request, opener or (lambda commit, entry: repository.open(commit, entry.path)))
    work.inspect()
    try:
        work.run(progress)
    except OSError as error:
        raise _failed(folder, error) from error
    result = {"commit": work.commit, "objects": work.written, "bytes": work.bytes, "skipped": work.skipped}
    ended = time.time_ns() // 1_000_000
    return Job(JobId(new_id()), "export", JobState.DONE, work.done, work.done, started, ended, result)


def _folder(destination: str) -> Path:
    parts = urlsplit(destination)
    if parts.scheme not in ("", "file"):
        raise NotOffered(
            f"Exporting to {destination!r} is not offered over the REST API.",
            hint="Export to a folder of this machine, or run the export where the lake lies.",
        )
    text = unquote(parts.path) if parts.scheme else destination
    if not text.strip("/"):
        raise InvalidInput(
            ErrorKind.INVALID_ARGUMENT, f"{destination!r} is no folder to export to.", hint="Name a folder."
        )
    return Path(text).absolute()


class _Download:
    """One export while it runs. Memory does not grow with the number of objects."""

    def __init__(self, repository: Repository, folder: Path, request: ExportRequest, opener: Opener) -> None:
        self.commit = repository.commit_of(request.ref).id
        self.done = self.written = self.bytes = self.skipped = 0
        self._repository = repository
        self._open = opener
        self._folder = folder
        self._request = request
        self._cleared: Path | None = None
        prefix = request.prefix.strip("/")
        self._single = bool(prefix) and not request.prefix.endswith("/") and self._find(prefix) is not None
        self._prefix = prefix if self._single or not prefix else prefix + "/"
        self._base = len(prefix.rpartition("/")[0]) if self._single else len(prefix)

    def inspect(self) -> None:
        """Refuses, before anything is written, what can't or must not be exported."""
        count = equal = 0
        for entry in self._entries():
            count += 1
            file = self._file(entry)
            if file.is_dir() and not entry.path.endswith("/"):
                raise InvalidInput(
                    ErrorKind.INVALID_PATH,
                    f"{entry.path!r} can't be a file: the folder {file} is there.",
                    hint="Export to an empty folder.",
                )
            if file.is_file() and not self._request.overwrite:
                if not self._is_there(entry, file):
                    raise self._foreign()
                equal += 1
        if not count and self._prefix:
            raise NotFound(
                ErrorKind.OBJECT_NOT_FOUND,
                f"There is nothing below {self._request.prefix!r} at {self._request.ref!r}.",
                hint="`lakegate ls` lists what there is.",
            )
        self._refuse_others(equal)

    def _refuse_others(self, equal: int) -> None:
        present = 0
        for root, _, files in os.walk(self._folder):
            others = [name for name in files if not name.startswith(TEMPORARY_PREFIX)]  # which an export cut off left
            present += len(others)
            if Path(root).name == LOG:
                for name in others:
                    self._refuse_stale_log(Path(root) / name)
        if present > equal and not self._request.overwrite:
            raise self._foreign()

    def _foreign(self) -> Refused:
        return Refused(
            ErrorKind.DESTINATION_NOT_EMPTY,
            f"{self._folder} holds other files.",
            hint="Name an empty folder, or overwrite what is there: `lakegate export --overwrite`. Another log of an "
            "exported table must go first.",
        )

    def _refuse_stale_log(self, file: Path) -> None:
        relative = file.relative_to(self._folder).as_posix()
        inside = f"{self._request.prefix.strip('/')[: self._base]}/{relative}".lstrip("/")
        table = inside.rpartition(f"{LOG}/")[0]
        is_exported = table.startswith(self._prefix) or self._prefix.startswith(table)
        if is_exported and self._find(inside) is None and self._holds(f"{table}{LOG}/"):
            raise Refused(
                ErrorKind.DESTINATION_NOT_EMPTY,
                f"{file} would be read as part of the exported table {table.rstrip('/')!r}.",
                hint="Export to an empty folder, or remove the old table first.",
            )

    def run(self, progress: Progress | None) -> None:
        """Downloads what is not there yet: data first, then the logs of Delta tables."""
        logs: dict[str, None] = {}
        self._all(self._data(logs), progress)
        for folder in logs:
            for stage in Stage:
                entries = (entry for entry in self._below(folder) if stage_of(entry.path) is stage)
                self._all(entries, progress, ahead=_AHEAD if stage is Stage.BEFORE else 0)

    def _data(self, logs: dict[str, None]) -> Iterator[Entry]:
        """Yields what is not of a Delta log, and remembers the folders of logs."""
        for entry in self._entries():
            if is_log(entry.path) and not self._single:
                logs[max(log_folder_of(entry.path), self._prefix, key=len)] = None  # of both the inner one
            else:
                yield entry

    def _all(self, entries: Iterable[Entry], progress: Progress | None, ahead: int = _AHEAD) -> None:
        """Downloads objects; so many are begun before the one before them is done."""
        with ThreadPoolExecutor(_WORKERS, thread_name_prefix="lakegate-export") as pool:
            waiting: deque[tuple[Entry, Future[bool]]] = deque()
            try:
                for entry in entries:
                    self._clear(entry)
                    waiting.append((entry, pool.submit(self._take, entry)))
                    if len(waiting) > ahead:
                        self._settle(waiting, progress)
                while waiting:
                    self._settle(waiting, progress)
            finally:
                for _, future in waiting:
                    future.cancel()

    def _clear(self, entry: Entry) -> None:
        """Clears away what an export that was cut off left where this object goes."""
        folder = self._file(entry).parent
        if folder != self._cleared and not self._request.dry_run:
            self._cleared = folder
            clear(folder)

    def _settle(self, waiting: deque[tuple[Entry, Future[bool]]], progress: Progress | None) -> None:
        entry, future = waiting.popleft()
        if future.result():
            self.written += 1
            self.bytes += entry.size
        else:
            self.skipped += 1
        self.done += 1
        if progress is not None:
            progress(self.done, None)

    def _take(self, entry: Entry) -> bool:
        """Downloads an object where it is needed. False: it was there."""
        file = self._file(entry)
        if entry.path.endswith("/"):
            if not self._request.dry_run:
                file.mkdir(parents=True, exist_ok=True)
        elif self._is_done(entry, file):
            return False
        elif not self._request.dry_run:
            self._write(entry, file)
        return True

    def _write(self, entry: Entry, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        opened, part = make_held(str(file.parent))
        try:
            with os.fdopen(opened, "wb") as out:
                for piece in verified(entry, self._open(self.commit, entry).chunks()):
                    out.write(piece)
                out.flush()
                os.fsync(out.fileno())
                Path(part).replace(file)
        finally:
            Path(part).unlink(missing_ok=True)

    def _is_done(self, entry: Entry, file: Path) -> bool:
        if not file.is_file() or file.stat().st_size != entry.size:
            return False
        # Without `overwrite` the inspection has compared the content of all that stands there already.
        return not self._request.overwrite or self._is_there(entry, file)

    def _is_there(self, entry: Entry, file: Path) -> bool:
        """Tells whether a file holds an object's bytes: by the digest, or the ETag where that is an MD5, else by
        reading both."""
        if file.stat().st_size != entry.size:
            return False
        with file.open("rb") as opened:
            if entry.digest is not None or _MD5.fullmatch(entry.etag):
                algorithm, _, wanted = (entry.digest or f"md5:{entry.etag}").partition(":")
                return hashlib.file_digest(opened, algorithm).hexdigest() == wanted
            pieces = self._open(self.commit, entry).chunks()
            return all(opened.read(len(piece)) == piece for piece in pieces)

    def _file(self, entry: Entry) -> Path:
        return self._folder / entry.path[self._base :].lstrip("/")

    def _find(self, path: str) -> Entry | None:
        try:
            return self._repository.stat(self.commit, path)
        except NotFound:
            return None

    def _holds(self, prefix: str) -> bool:
        return bool(self._repository.list(self.commit, ListRequest(prefix, amount=1)).items)

    def _entries(self) -> Iterator[Entry]:
        return iter((self._repository.stat(self.commit, self._prefix),)) if self._single else self._below(self._prefix)

    def _below(self, prefix: str) -> Iterator[Entry]:
        after = ""
        while True:
            page = self._repository.list(self.commit, ListRequest(prefix, after, _PAGE))
            yield from (item for item in page.items if isinstance(item, Entry))
            if not page.has_more:
                return
            after = page.next_after


def _failed(folder: Path, error: OSError) -> LakegateError:
    kind = ErrorKind.STORE_FULL if error.errno == 28 else ErrorKind.STORE_DENIED
    return Unavailable(kind, f"Writing below {folder} failed: {error}.", hint="Correct that, and export again.")

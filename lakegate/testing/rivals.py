"""Threads, in one process or several, that read, write and commit one branch at the same time and keep a history."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from lakegate.config import LakeSettings, StorageSettings
from lakegate.errors import NotFound, PreconditionFailed, Refused
from lakegate.lake import EmbeddedLake
from lakegate.metastore.protocol import MetaStore
from lakegate.model import CommitRequest, PutRequest
from lakegate.repository import EmbeddedRepository
from lakegate.testing.linearizable import Kind, Operation

_KINDS = (Kind.READ, Kind.READ, Kind.PUT, Kind.PUT_IF_ABSENT, Kind.PUT_IF_ABSENT, Kind.PUT_IF_MATCH, Kind.DELETE)


@dataclass(frozen=True, slots=True)
class Rivalry:
    """What to do: `threads` of `steps` operations each on `paths` of `branch`; every few steps a commit. Where it is
    one of several `processes` in one `home`, each with a `seed` of its own, it begins when all have come."""

    home: Path
    database_url: str
    repository: str
    branch: str = "main"
    paths: tuple[str, ...] = ("a", "b")
    threads: int = 2
    steps: int = 25
    seed: int = 0
    processes: int = 1


def open_lake(home: Path, database_url: str, *, create: bool = False) -> EmbeddedLake:
    """Opens a lake whose database may lie elsewhere, without fsync: the machine does not crash in a test."""
    settings = LakeSettings(home, database_url=database_url, storage=StorageSettings(fsync=False))
    return EmbeddedLake.of(settings, create=create)


def rivals(what: Rivalry) -> list[Operation]:
    """Opens the lake and runs the threads to their end; importable, so that a process can be started on it."""
    history: list[Operation] = []
    failures: list[BaseException] = []

    def run(number: int) -> None:
        rng = random.Random(what.seed * 1000 + number)
        try:
            for step in range(what.steps):
                value = f"{what.seed}.{number}.{step}"
                history.append(_operation(repo, what.branch, rng.choice(what.paths), rng.choice(_KINDS), value))
                if rng.random() < 0.2:
                    _commit(repo, what.branch)
        except BaseException as error:  # noqa: BLE001  handed to the thread that waits
            failures.append(error)

    with open_lake(what.home, what.database_url) as lake:
        repo = lake.repository(what.repository)
        _meet(what)
        in_threads([threading.Thread(target=run, args=(number,)) for number in range(what.threads)])
    if failures:
        raise failures[0]
    return history


def _meet(what: Rivalry) -> None:
    """Waits until all processes have come here."""
    (what.home / f"rival-{what.seed}").touch()
    deadline = time.monotonic() + 60
    while len(list(what.home.glob("rival-*"))) < what.processes:
        if time.monotonic() > deadline:
            raise TimeoutError("not all processes came")
        time.sleep(0.002)


def in_threads(threads: Sequence[threading.Thread]) -> None:
    """Starts threads and waits for them."""
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def interrupted(inner: MetaStore, method: str, rival: Callable[[], object]) -> MetaStore:
    """Wraps a metastore: after the first call of a method, before its caller goes on, a rival acts once."""
    return cast(MetaStore, _Interrupted(inner, method, rival))


class _Interrupted:
    def __init__(self, inner: MetaStore, method: str, rival: Callable[[], object]) -> None:
        self._inner = inner
        self._method = method
        self._rivals = [rival]

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method: Callable[..., Any] = getattr(self._inner, name)
        if name != self._method:
            return method

        def call(*args: Any, **kwargs: Any) -> Any:
            answer = method(*args, **kwargs)
            if self._rivals:
                self._rivals.pop()()
            return answer

        return call


def _commit(repo: EmbeddedRepository, branch: str) -> None:
    try:
        repo.commit(branch, CommitRequest("beside others"))
    except Refused as error:
        if error.kind not in ("nothing_to_commit", "too_many_updates"):
            raise


def _operation(repo: EmbeddedRepository, branch: str, path: str, kind: Kind, value: str) -> Operation:
    expected = etag = None
    if kind is Kind.PUT_IF_MATCH:
        try:
            there = repo.open(branch, path)
        except NotFound:
            kind = Kind.PUT_IF_ABSENT
        else:
            expected, etag = there.read().decode(), there.entry.etag
    called = time.monotonic()
    result: str | None = "done"
    try:
        if kind is Kind.READ:
            result = repo.open(branch, path).read().decode()
        elif kind is Kind.DELETE:
            repo.delete(branch, path)
        else:
            request = PutRequest(if_none_match=kind is Kind.PUT_IF_ABSENT, if_match=etag)
            repo.put(branch, path, value.encode(), request)
    except NotFound:
        result = None if kind is Kind.READ else ""
    except PreconditionFailed:
        result = ""
    return Operation(path, kind, called, time.monotonic(), value, expected, result)

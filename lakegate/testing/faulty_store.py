"""An object store that fails where a test wants it to, and keeps a record of what was asked of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from threading import Lock
from typing import TypeVar

from lakegate.errors import ErrorKind, LakegateError, OutcomeUnknown, Unavailable
from lakegate.objectstore.protocol import ObjectStore, ObjectWriter, StoredObject

T = TypeVar("T")
READS = frozenset({"get", "get_range", "head", "list"})
WRITES = frozenset({"put_if_absent", "writer", "write", "finish", "compose", "delete"})


class FaultKind(StrEnum):
    BEFORE = "before"  # fails, and took no effect
    AFTER = "after"  # took effect, and the reply was lost
    TORN = "torn"  # fails, and half of the bytes are visible: a store that breaks the contract
    SLOW = "slow"  # takes effect after a while
    CRASH = "crash"  # this call and all later ones fail without effect, as if the process had died


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong at the `at`-th (from 1) call of one of `operations` (none: of any) on a key with this prefix."""

    at: int
    kind: FaultKind = FaultKind.BEFORE
    operations: frozenset[str] = frozenset()
    prefix: str = ""
    seconds: float = 0.05


@dataclass(frozen=True, slots=True)
class Call:
    """One call that was made. `size` counts bytes written or read."""

    operation: str
    key: str
    size: int = 0


class FaultyStore:
    """Wraps an ObjectStore. `calls` is the record, `fired` tells whether the fault has come up."""

    def __init__(self, inner: ObjectStore, fault: Fault | None = None) -> None:
        self.inner = inner
        self.fault = fault
        self.calls: list[Call] = []
        self.fired = False
        self._matching = 0
        self._lock = Lock()

    def clear(self, fault: Fault | None = None) -> None:
        """Forgets the record and sets another fault, or none."""
        with self._lock:
            self.fault, self.fired, self._matching = fault, False, 0
            self.calls.clear()

    def bytes_written(self) -> int:
        """Counts the bytes that were handed to the store since the last `clear`."""
        return sum(call.size for call in self.calls if call.operation in ("put_if_absent", "write"))

    @property
    def url(self) -> str:
        return self.inner.url

    @property
    def is_local(self) -> bool:
        return self.inner.is_local

    def put_if_absent(self, key: str, data: bytes) -> bool:
        call = Call("put_if_absent", key, len(data))
        return self.run(
            call,
            lambda: self.inner.put_if_absent(key, data),
            torn=lambda: self.inner.put_if_absent(key, data[: len(data) // 2]),
        )

    def writer(self, key: str) -> ObjectWriter:
        return self.run(Call("writer", key), lambda: _FaultyWriter(self, key, self.inner.writer(key)))

    def get(self, key: str) -> bytes:
        return self.run(Call("get", key), lambda: self.inner.get(key))

    def get_range(self, key: str, start: int, length: int) -> bytes:
        return self.run(Call("get_range", key, length), lambda: self.inner.get_range(key, start, length))

    def get_range_seen(self, key: str, start: int, length: int) -> tuple[bytes, StoredObject]:
        return self.run(Call("get_range", key, length), lambda: self.inner.get_range_seen(key, start, length))

    def head(self, key: str) -> StoredObject:
        return self.run(Call("head", key), lambda: self.inner.head(key))

    def list(self, prefix: str = "", start_after: str = "") -> Iterator[StoredObject]:
        self.run(Call("list", prefix), lambda: None)
        yield from self.inner.list(prefix, start_after)

    def delete(self, keys: Iterable[str]) -> None:
        wanted = tuple(keys)
        self.run(
            Call("delete", wanted[0] if wanted else ""),
            lambda: self.inner.delete(wanted),
            torn=lambda: self.inner.delete(wanted[: len(wanted) // 2]),
        )

    def compose(self, key: str, parts: Sequence[str]) -> None:
        self.run(
            Call("compose", key),
            lambda: self.inner.compose(key, parts),
            torn=lambda: self.inner.compose(key, parts[: len(parts) // 2]),
        )

    def local_path(self, key: str) -> Path | None:
        return self.inner.local_path(key)

    def run(self, call: Call, act: Callable[[], T], torn: Callable[[], object] | None = None) -> T:
        """Records a call, and makes it, or makes it fail."""
        kind = self._due(call)
        if kind is None:
            return act()
        if kind is FaultKind.SLOW:
            time.sleep(self.fault.seconds if self.fault else 0)
            return act()
        if kind is FaultKind.AFTER:
            act()
            raise OutcomeUnknown(
                f"The reply to {call.operation} of {call.key!r} was lost (injected).", hint="Look what is there."
            )
        if kind is FaultKind.TORN and torn is not None:
            torn()
        raise _unavailable(call)

    def _due(self, call: Call) -> FaultKind | None:
        with self._lock:
            self.calls.append(call)
            fault = self.fault
            if fault is None:
                return None
            if self.fired and fault.kind is FaultKind.CRASH:
                return FaultKind.CRASH
            if (fault.operations and call.operation not in fault.operations) or not call.key.startswith(fault.prefix):
                return None
            self._matching += 1
            if self._matching != fault.at:
                return None
            self.fired = True
            return fault.kind


class _FaultyWriter:
    """A writer whose pieces and end count as calls of the store."""

    def __init__(self, store: FaultyStore, key: str, inner: ObjectWriter) -> None:
        self._store = store
        self._key = key
        self._inner = inner

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._store.run(Call("write", self._key, len(data)), lambda: self._inner.write(data))

    def finish(self) -> None:
        self._store.run(Call("finish", self._key), self._inner.finish)

    def abort(self) -> None:
        self._inner.abort()


def every_fault(
    run: Callable[[Fault], bool],
    kind: FaultKind,
    operations: frozenset[str] = WRITES,
    limit: int = 10_000,
    *,
    first: int = 1,
    step: int = 1,
) -> int:
    """Runs a scenario with the first call failing, then the second, ... until no call fails; returns how many did.

    `run` makes its own FaultyStore with the fault it is given, checks its invariants, and returns the store's `fired`.
    `first` and `step` pick some of the calls.
    """
    for failed, at in enumerate(range(first, limit, step)):
        if not run(Fault(at, kind, operations)):
            return failed
    raise AssertionError(f"the scenario still fails at call {limit}")


def _unavailable(call: Call) -> LakegateError:
    return Unavailable(
        ErrorKind.STORE_UNAVAILABLE, f"The store failed {call.operation} of {call.key!r} (injected).", hint="Try again."
    )

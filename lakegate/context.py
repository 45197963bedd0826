"""What every use case of one repository works with, put together once by `lakegate.lake`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from lakegate.manifests import Manifests
from lakegate.metastore.protocol import MetaStore
from lakegate.model import RepositoryInfo
from lakegate.objectstore.addresses import AddressSpace
from lakegate.objectstore.protocol import ObjectStore


@dataclass(slots=True)
class JournalCheck:
    """Whether this process has looked for moves of refs that a crash before it left without their journal record."""

    done: bool = False


@dataclass(frozen=True, slots=True)
class RepositoryContext:
    """One repository as its use cases see it.

    store      rooted at the storage namespace
    addresses  from an entry's physical address (relative or an absolute URL) to the store and key that hold the bytes
    manifests  cached, write-once I/O of commits, manifests and tree nodes
    clock      milliseconds since the epoch, UTC
    actor      who acts: goes into commits and the ref log
    home       the lake's own folder on this machine: its database, keys, settings
    """

    info: RepositoryInfo
    meta: MetaStore
    store: ObjectStore
    addresses: AddressSpace
    manifests: Manifests
    clock: Callable[[], int]
    actor: str
    home: Path | None = None
    journal_check: JournalCheck = field(default_factory=JournalCheck)

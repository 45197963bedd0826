"""A lake in this process: its settings, its database, and its repositories."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lakegate.closing import Closing
from lakegate.config import CONFIG_FILE, LakeSettings, lake_settings, parse_file
from lakegate.context import RepositoryContext
from lakegate.errors import ErrorKind, NotFound, Unavailable
from lakegate.ids import (
    RepositoryId,
    branch_name,
    new_id,
    repository_name,
)
from lakegate.jobs import JobRunner
from lakegate.metastore.protocol import MetaStore
from lakegate.model import (
    Page,
    RepositoryInfo,
    page_amount,
    page_of,
)
from lakegate.objectstore.opener import StoreOpener
from lakegate.repository import EmbeddedRepository
from lakegate.version import VERSION

if TYPE_CHECKING:
    from lakegate.manifests import DiskCache, NodeCache

DATABASE_FILE = "lake.db"
_CACHE_FOLDER = "cache"

_REMEMBERED = 4096
_REMEMBERED_SECONDS = 2.0


def wall_clock() -> int:
    """Returns the time in milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


class EmbeddedLake(Closing):
    """Implements `lakegate.interface.Lake` in this process."""

    def __init__(
        self, settings: LakeSettings, meta: MetaStore, actor: str, clock: Callable[[], int] = wall_clock
    ) -> None:
        self._settings = settings
        self._meta = meta
        self._actor = actor
        self._clock = clock
        self._opener = StoreOpener(settings.storage)
        self._runner = JobRunner()
        self._node_cache: NodeCache | None = None
        self._open: dict[RepositoryId, EmbeddedRepository] = {}
        self._remembered: dict[tuple[str, str], tuple[float, EmbeddedRepository]] = {}

    @classmethod
    def create(
        cls, home: Path, *, actor: str = "embedded", environment: Mapping[str, str] | None = None
    ) -> EmbeddedLake:
        """Creates a lake in a folder, or opens the one that is there. Raises Unavailable(STORE_DENIED)."""
        home = home.absolute()
        return cls._start(home, actor, environment or {}, create=True)

    @classmethod
    def open(cls, home: Path, *, actor: str = "embedded", environment: Mapping[str, str] | None = None) -> EmbeddedLake:
        """Opens the lake in a folder. Raises NotFound(LAKE_NOT_FOUND), Refused(SCHEMA_TOO_NEW)."""
        home = home.absolute()
        return cls._start(home, actor, environment or {}, create=False)

    @classmethod
    def _start(cls, home: Path, actor: str, environment: Mapping[str, str], *, create: bool) -> EmbeddedLake:
        file = home / CONFIG_FILE
        settings = lake_settings(home, parse_file(file.read_text()) if file.exists() else {}, environment)
        return cls.of(settings, actor=actor, create=create)

    @classmethod
    def of(cls, settings: LakeSettings, *, actor: str = "embedded", create: bool = False) -> EmbeddedLake:
        """Opens the lake of these settings; with `create`, makes it where it is not there."""
        from lakegate.metastore.sql import SqlMetaStore

        home = settings.home
        if create:
            try:
                home.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                raise Unavailable(
                    ErrorKind.STORE_DENIED,
                    f"The lake's folder {home} can't be made: {error.strerror}.",
                    hint="Name a folder that can be made and written to (--home, LAKEGATE_HOME).",
                ) from error
        if settings.database_url is None and not create and not (home / DATABASE_FILE).exists():
            raise NotFound(
                ErrorKind.LAKE_NOT_FOUND,
                f"There is no lake in {home}.",
                hint=f"Create one with `lakegate init --home {home}`, or name another; a server's URL begins with "
                "http:// or https://.",
            )
        url = settings.database_url or f"sqlite:///{home / DATABASE_FILE}"
        return cls(settings, SqlMetaStore(url, create=create, durable=settings.storage.fsync), actor)

    @property
    def url(self) -> str:
        return f"file://{self._settings.home}"

    @property
    def settings(self) -> LakeSettings:
        return self._settings

    @property
    def has_local_database(self) -> bool:
        """True where queries are so quick that an event loop may make them in place."""
        return self._settings.database_url is None or self._settings.database_url.startswith("sqlite")

    @property
    def meta(self) -> MetaStore:
        """The lake's database, for the access check of a server."""
        return self._meta

    def close(self) -> None:
        self._runner.close()
        for opened in self._open.values():
            opened.ctx.manifests.nodes.close()
        self._meta.close()

    def version(self) -> str:
        return VERSION

    def create_repository(
        self, name: str, storage_namespace: str | None = None, default_branch: str = "main"
    ) -> RepositoryInfo:
        checked = repository_name(name)
        branch = branch_name(default_branch)
        url = self._opener.namespace(storage_namespace or f"{self._namespace_base()}/{name}")
        info = RepositoryInfo(RepositoryId(new_id()), checked, url, branch, self._clock())
        from lakegate.ops.create_repository import create_repository

        return create_repository(self._context(info))

    def repositories(self, prefix: str = "", after: str = "", amount: int = 100) -> Page[RepositoryInfo]:
        amount = page_amount(amount)
        return page_of(self._meta.list_repositories(prefix, after, amount + 1), amount, lambda info: info.name)

    def repository(self, name: str) -> EmbeddedRepository:
        """Opens a repository. Raises Refused(FORMAT_TOO_NEW) where a newer lakegate has taken over its storage
        namespace: what this one does not know, it must not write to."""
        info = self._meta.get_repository(repository_name(name))
        found = self._open.get(info.id)
        if found is None:
            found = EmbeddedRepository(self._context(info), self._runner)
            try:
                found.ctx.manifests.read_format()
            except Unavailable:
                return found  # not kept: refs can be told without the store, and the next call looks again
            found = self._open.setdefault(info.id, found)
        return found

    def was_opened(self, name: str, actor: str) -> bool:
        """True where `remembered` has no more to ask than the database."""
        return (name, actor) in self._remembered

    def remembered(self, name: str, actor: str) -> EmbeddedRepository:
        """Opens a repository in somebody's name, and believes for some seconds what the database told of it: another
        server may have deleted it meanwhile."""
        known = self._remembered.get((name, actor))
        now = time.monotonic()
        if known is not None and known[0] > now:
            return known[1]
        found = self.repository(name).acting_as(actor)
        if len(self._remembered) >= _REMEMBERED:
            self._remembered.clear()
        self._remembered[name, actor] = now + _REMEMBERED_SECONDS, found
        return found

    def delete_repository(self, name: str, force: bool = False) -> None:
        info = self._meta.get_repository(repository_name(name))
        self._meta.delete_repository(info.name, force=force)
        gone = self._open.pop(info.id, None)
        if gone is not None:
            gone.ctx.manifests.nodes.close()
        self._remembered.clear()

    def _namespace_base(self) -> str:
        base = self._settings.default_namespace_base
        return base.rstrip("/") if base else f"file://{self._settings.home / 'data'}"

    def _nodes(self) -> NodeCache:
        from lakegate.manifests import node_cache

        if self._node_cache is None:
            self._node_cache = node_cache(self._settings.cache_bytes)
        return self._node_cache

    def _nodes_on_disk(self) -> DiskCache | None:
        from lakegate.manifests import DiskCache

        size = self._settings.disk_cache_bytes
        return DiskCache(self._settings.home / _CACHE_FOLDER, size) if size else None

    def _context(self, info: RepositoryInfo) -> RepositoryContext:
        from lakegate.manifests import Manifests
        from lakegate.objectstore.addresses import AddressSpace

        store = self._opener.open(info.storage_namespace)
        manifests = Manifests(store, memory=self._nodes(), disk=None if store.is_local else self._nodes_on_disk())
        addresses = AddressSpace(store, self._opener)
        home = self._settings.home
        return RepositoryContext(info, self._meta, store, addresses, manifests, self._clock, self._actor, home)

"""What an export would do: which objects go where, and whether the destination can take them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from lakegate import tree
from lakegate.context import RepositoryContext
from lakegate.errors import ErrorKind, InvalidInput, Refused
from lakegate.format.kinds import TABLES
from lakegate.model import Entry, TableFormat, TableVersion
from lakegate.objectstore.keys import check_key
from lakegate.objectstore.protocol import ReplacingStore, StoredObject
from lakegate.objectstore.streaming import pieces
from lakegate.ops.placement import in_log
from lakegate.snapshot import Snapshot
from lakegate.tables.folders import has_parquet_name, is_hidden

_MAX_NAME_BYTES = 255  # of one file name on nearly all local file systems


@dataclass(frozen=True, slots=True)
class Plan:
    """Which objects go where.

    prefix     of the paths to export ("" or ending with '/'), or the path of a `single` object
    base       the folder that paths are made relative to, without a trailing '/'
    overwrite  other content at the destination may be replaced
    """

    store: ReplacingStore
    prefix: str
    base: str
    single: bool
    overwrite: bool

    def entries(self, snapshot: Snapshot) -> Iterator[Entry]:
        """Yields the objects to export, by path."""
        if self.single:
            entry = snapshot.get(self.prefix)
            return iter(() if entry is None else (entry,))
        return snapshot.iterate(self.prefix)

    def key_of(self, path: str) -> str:
        """The key at the destination."""
        return path[len(self.base) + 1 :] if self.base else path


def inspect(ctx: RepositoryContext, snapshot: Snapshot, plan: Plan) -> int:
    """Compares the destination with what is to go there and returns the number of objects; writes nothing.

    Memory is constant: both sides are listed in the same order.
    """
    local = plan.store.local_path("x") is not None
    tables = _Tables(ctx, snapshot, plan)
    names = _Names()
    there = plan.store.list()
    found = next(there, None)
    count = 0
    for entry in plan.entries(snapshot):
        count += 1
        key = plan.key_of(entry.path)
        if local:
            names.check(key)
        while found is not None and found.key < key:
            _stays(plan, tables, found)
            found = next(there, None)
        if found is not None and found.key == key:
            if not plan.overwrite and not same_content(ctx, entry, plan.store, found, cheaply=False):
                raise _foreign(plan, f"{key!r} is there with other content")
            found = next(there, None)
    while found is not None:
        _stays(plan, tables, found)
        found = next(there, None)
    return count


def same_content(
    ctx: RepositoryContext, entry: Entry, store: ReplacingStore, there: StoredObject, *, cheaply: bool
) -> bool:
    """Tells whether the destination holds an object's bytes already: by ETag where both sides have the MD5, else by
    reading them, `cheaply` only what is local."""
    if there.size != entry.size:
        return False
    if "-" not in entry.etag and len(entry.etag) == 32 and there.etag == entry.etag:
        return True
    if cheaply and not store.is_local:
        return False
    if entry.digest is not None and entry.digest.startswith("sha256:"):
        digest = hashlib.sha256()
        for piece in pieces(store, there.key, there.size):
            digest.update(piece)
        return entry.digest == "sha256:" + digest.hexdigest()
    source, key = ctx.addresses.source(entry)
    both = zip(pieces(store, there.key, there.size), pieces(source, key, there.size), strict=True)
    return all(mine == other for mine, other in both)


def _stays(plan: Plan, tables: _Tables, found: StoredObject) -> None:
    """Decides on an object at the destination that the export does not write."""
    if not plan.overwrite:
        raise _foreign(plan, f"{found.key!r} is there, and not in the ref")
    table = tables.reading(found.key)
    if table is not None:
        raise Refused(
            ErrorKind.DESTINATION_NOT_EMPTY,
            f"The destination {plan.store.url} holds {found.key!r}, which readers of the exported table "
            f"{table.path!r} would take as part of it.",
            hint="Delete the table's folder there first, or export to an empty place.",
            details={"path": found.key, "table": table.path},
        )


def _foreign(plan: Plan, what: str) -> Refused:
    return Refused(
        ErrorKind.DESTINATION_NOT_EMPTY,
        f"The destination {plan.store.url} holds other files: {what}.",
        hint="Name an empty place, or overwrite what is there: `lakegate export --overwrite`. Another log of an "
        "exported table must go first.",
    )


class _Tables:
    """The exported tables, in step with an ordered walk over keys of the destination."""

    def __init__(self, ctx: RepositoryContext, snapshot: Snapshot, plan: Plan) -> None:
        manifest = ctx.manifests.read_manifest(ctx.manifests.read_commit(snapshot.commit).manifest)
        self._nodes = ctx.manifests.nodes
        self._root = manifest.tables_root
        self._base = plan.base

    def reading(self, key: str) -> TableVersion | None:
        """Returns the exported table whose readers would take this file of the destination as part of it."""
        full = f"{self._base}/{key}" if self._base else key
        folders = full.split("/")[:-1]
        for depth in range(len(folders), -1, -1):
            table = tree.get(self._nodes, TABLES, self._root, "/".join(folders[:depth]))
            if table is not None:
                inside = full[len(table.path) :].lstrip("/")
                counts = in_log("", inside) if table.format is TableFormat.DELTA else _is_data(inside)
                return table if counts else None
        return None


def _is_data(path: str) -> bool:
    return has_parquet_name(path) and not any(is_hidden(part) for part in path.split("/"))


class _Names:
    """Finds names that a local folder can't hold, in an ordered walk over keys."""

    def __init__(self) -> None:
        self._open: list[str] = []

    def check(self, key: str) -> None:
        """Raises InvalidInput(INVALID_PATH)."""
        check_key(key)
        if any(len(name.encode()) > _MAX_NAME_BYTES for name in key.split("/")):
            raise _impossible(key, f"a part of it is longer than {_MAX_NAME_BYTES} bytes")
        # A stack of the keys that this one starts with, whether they end at a '/' here or not: `a`, `a-b`, `a/b`.
        while self._open and not key.startswith(self._open[-1]):
            self._open.pop()
        for other in self._open:
            if key.startswith(other + "/"):
                raise _impossible(key, f"{other!r} is an object too, and can't be a file and a folder")
        self._open.append(key)


def _impossible(key: str, why: str) -> InvalidInput:
    return InvalidInput(
        ErrorKind.INVALID_PATH,
        f"The object {key!r} can't be a file in a local folder: {why}.",
        hint="Export to a bucket, or only a prefix without it.",
    )

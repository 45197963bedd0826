"""The bytes of an imported object, which lie where others write: read only while they are those that were imported."""

from __future__ import annotations

from pathlib import Path

from lakegate.errors import Corrupt, ErrorKind, Refused
from lakegate.model import Entry
from lakegate.objectstore.protocol import ObjectStore, StoredObject


class ImportedObject:
    """The ObjectSource of one imported entry. Size and ETag are compared at each read, in its own request; a file that
    is handed out as a path is compared then."""

    def __init__(self, store: ObjectStore, entry: Entry) -> None:
        self._store = store
        self._entry = entry

    @property
    def is_local(self) -> bool:
        return self._store.is_local

    def get(self, key: str) -> bytes:
        return self.get_range(key, 0, self._entry.size)

    def get_range(self, key: str, start: int, length: int) -> bytes:
        try:
            data, found = self._store.get_range_seen(key, start, length)
        except Corrupt:
            self.head(key)
            raise
        self._check(found)
        return data

    def head(self, key: str) -> StoredObject:
        found = self._store.head(key)
        self._check(found)
        return found

    def local_path(self, key: str) -> Path | None:
        path = self._store.local_path(key)
        if path is not None:
            self.head(key)
        return path

    def _check(self, found: StoredObject) -> None:
        wanted = self._entry
        if found.size == wanted.size and (found.etag == wanted.etag or not found.etag or not wanted.etag):
            return
        raise Refused(
            ErrorKind.OBJECT_CHANGED,
            f"The imported object {wanted.path!r} was changed past lakegate: {wanted.address!r} had {wanted.size} "
            f"bytes and the ETag {wanted.etag!r} when it was imported, and has {found.size} bytes and the ETag "
            f"{found.etag!r} now.",
            hint="Put the old object back there, with its old modification time if it is a local file; or import it "
            "again to take what is there now.",
            details={
                "path": wanted.path,
                "physical_address": wanted.address,
                "recorded": {"size": wanted.size, "etag": wanted.etag},
                "found": {"size": found.size, "etag": found.etag},
            },
        )

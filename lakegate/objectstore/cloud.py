"""Objects in S3, Google Cloud Storage, Azure or memory, over obstore: one implementation for all of them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakegate.errors import Corrupt, ErrorKind, LakegateError, OutcomeUnknown, Unavailable
from lakegate.ids import new_id, prefix_end
from lakegate.objectstore import cloud_failures, failures
from lakegate.objectstore.cloud_writer import CloudWriter
from lakegate.objectstore.keys import addressable, check_key
from lakegate.objectstore.protocol import ObjectWriter, StoredObject
from lakegate.objectstore.streaming import pieces

if TYPE_CHECKING:
    from obstore.store import ObjectStore as ObstoreStore

_DELETE_BATCH = 1000
_LIST_CHUNK = 1000
# User metadata that tells, when the reply of a conditional put was lost, whose object stands there.
_WRITE_MARK = "lakegate-write"
_BACKOFF_SECONDS = (0.1, 0.4, 1.6, 3.2, 6.4)


@dataclass(frozen=True, slots=True)
class Bucket:
    """One bucket (or container) as obstore opens it.

    url      for messages, as the store's own but without the prefix
    once     the same bucket without retries: a conditional put that obstore repeats on its own would answer "taken"
             for its own first try
    retries  of a conditional put whose outcome is unknown
    """

    url: str
    store: ObstoreStore
    once: ObstoreStore
    retries: int
    in_memory: bool = False


class CloudStore:
    """An ObjectStore below a prefix of one bucket."""

    def __init__(self, bucket: Bucket, prefix: str = "") -> None:
        self._bucket = bucket
        self._base = prefix + "/" if prefix else ""
        self._url = f"{bucket.url.removesuffix('/')}/{prefix}" if prefix else bucket.url

    @property
    def url(self) -> str:
        return self._url

    @property
    def is_local(self) -> bool:
        return self._bucket.in_memory

    # -- writes -------------------------------------------------------------------------------------------------------

    def put_if_absent(self, key: str, data: bytes) -> bool:
        import obstore
        from obstore.exceptions import AlreadyExistsError

        name = self._name(key)
        mark = new_id()
        uncertain: LakegateError | None = None
        for attempt in range(self._bucket.retries + 1):
            if attempt:
                time.sleep(_BACKOFF_SECONDS[min(attempt, len(_BACKOFF_SECONDS)) - 1])
            try:
                obstore.put(self._bucket.once, name, data, mode="create", attributes={_WRITE_MARK: mark})
            except AlreadyExistsError as error:
                if cloud_failures.is_conflict(error):
                    continue  # another conditional put of this key is under way: not decided yet
                return uncertain is not None and self._is_ours(name, mark, data)
            except Exception as error:
                uncertain = self._map(error, key, "write")
                if not cloud_failures.is_transient(uncertain):
                    raise uncertain from error
                if self._landed(name, mark, data):
                    return True
            else:
                return True
        if uncertain is None:
            raise Unavailable(
                ErrorKind.STORE_UNAVAILABLE,
                f"{self._url} answered again and again that another write of {key!r} is under way.",
                hint="Try again.",
            )
        raise self._unknown(key, uncertain) from uncertain

    def writer(self, key: str) -> ObjectWriter:
        return CloudWriter(self._bucket.store, self._name(key), lambda error: self._map(error, key, "write"))

    def replacer(self, key: str, mtime: int) -> ObjectWriter:
        return self.writer(key)  # a finished upload stands in place of the old object at once; times are the store's

    def compose(self, key: str, parts: Sequence[str]) -> None:
        sizes = [self.head(part).size for part in parts]
        writer = CloudWriter(
            self._bucket.store, self._name(key), lambda error: self._map(error, key, "write"), expected=sum(sizes)
        )
        try:
            for part, size in zip(parts, sizes, strict=True):
                for piece in pieces(self, part, size):
                    writer.write(piece)
            writer.finish()
        finally:
            writer.abort()

    def delete(self, keys: Iterable[str]) -> None:
        import obstore

        batch: list[str] = []
        for key in keys:
            batch.append(self._name(key))
            if len(batch) == _DELETE_BATCH:
                self._delete(obstore, batch)
                batch = []
        if batch:
            self._delete(obstore, batch)

    # -- reads --------------------------------------------------------------------------------------------------------

    def get(self, key: str) -> bytes:
        import obstore

        name = self._name(key)
        try:
            return bytes(obstore.get(self._bucket.store, name).bytes())
        except Exception as error:
            raise self._map(error, key, "read") from error

    def get_range(self, key: str, start: int, length: int) -> bytes:
        return self.get_range_seen(key, start, length)[0]

    def get_range_seen(self, key: str, start: int, length: int) -> tuple[bytes, StoredObject]:
        import obstore

        if length == 0:
            return b"", self.head(key)
        name = self._name(key)
        try:
            found = obstore.get(self._bucket.store, name, options={"range": (start, start + length)})
            data = bytes(found.bytes())
        except Exception as error:
            mapped = self._map(error, key, "read")
            if cloud_failures.is_bad_range(error):
                raise self._too_short(key, start, length) from error
            raise mapped from error
        if len(data) != length:
            raise self._too_short(key, start, length)
        return data, self._stored(found.meta)

    def head(self, key: str) -> StoredObject:
        import obstore

        name = self._name(key)
        try:
            found = obstore.head(self._bucket.store, name)
        except Exception as error:
            raise self._map(error, key, "read") from error
        return self._stored(found)

    def list(self, prefix: str = "", start_after: str = "") -> Iterator[StoredObject]:
        full = self._base + prefix
        folder = full.rpartition("/")[0]
        if addressable(folder) != folder:
            return
        end = prefix_end(full)
        previous = ""
        try:
            for found in self._pages(folder, full, self._base + start_after if start_after else ""):
                name = found["path"]
                if end is not None and name >= end:
                    return
                if not name.startswith(full) or name <= previous:
                    # A key out of order is a folder's marker (`a/`), which obstore shows without its '/'.
                    continue
                if found["size"] == 0 and self._is_marker(name):
                    continue
                previous = name
                if name > self._base + start_after:
                    yield self._stored(found)
        except LakegateError:
            raise
        except Exception as error:
            raise self._map(error, prefix, "list") from error

    def local_path(self, key: str) -> Path | None:
        check_key(key)
        return None

    # -- inside -------------------------------------------------------------------------------------------------------

    def _name(self, key: str) -> str:
        return self._base + check_key(key)

    def _pages(self, folder: str, full: str, start_after: str) -> Iterator[Any]:
        """Yields obstore's descriptions from the first key that can match on."""
        import obstore

        # obstore's prefixes end at a '/', so that the rest of ours is reached by an offset: the string just before it.
        before = _just_before(full) if len(full) > len(folder) + 1 else ""
        offset = addressable(max(start_after, before))
        stream = obstore.list(self._bucket.store, folder or None, offset=offset or None, chunk_size=_LIST_CHUNK)
        if self._bucket.in_memory:  # its listing holds a lock while it runs, and comes in no certain order
            yield from sorted((m for chunk in stream for m in chunk), key=lambda m: m["path"])
            return
        for chunk in stream:
            yield from chunk

    def _is_marker(self, name: str) -> bool:
        """Tells whether an empty object is a folder's marker: its true key ends with '/', so this one is not there."""
        import obstore

        if self._bucket.in_memory:
            return False
        try:
            obstore.head(self._bucket.store, name)
        except FileNotFoundError:
            return True
        return False

    def _stored(self, found: Any) -> StoredObject:
        return StoredObject(
            key=found["path"][len(self._base) :],
            size=found["size"],
            etag=(found["e_tag"] or "").removeprefix("W/").strip('"'),
            mtime=round(found["last_modified"].timestamp() * 1000),
        )

    def _landed(self, name: str, mark: str, data: bytes) -> bool:
        """Tells whether a put whose reply was lost is there. False where it is not, or where that can't be told now."""
        try:
            return self._is_ours(name, mark, data)
        except LakegateError:
            return False

    def _is_ours(self, name: str, mark: str, data: bytes) -> bool:
        import obstore

        try:
            found = obstore.get(self._bucket.store, name)
            stored_mark = found.attributes.get(_WRITE_MARK)
            return stored_mark == mark and bytes(found.bytes()) == data
        except FileNotFoundError:
            return False
        except Exception as error:
            raise self._unknown(name, self._map(error, name, "read")) from error

    def _unknown(self, key: str, cause: LakegateError) -> OutcomeUnknown:
        return OutcomeUnknown(
            f"It is not known whether {key!r} was written to {self._url}: {cause.message}",
            hint="Check that the store can be reached, then look what is there before trying again.",
            details={"store": self._url, "key": key},
        )

    def _delete(self, obstore: Any, names: Sequence[str]) -> None:
        try:
            obstore.delete(self._bucket.store, names)
        except FileNotFoundError:
            for name in names:  # memory stops at the first that is not there
                try:
                    obstore.delete(self._bucket.store, name)
                except FileNotFoundError:
                    continue
        except Exception as error:
            raise self._map(error, names[0], "delete") from error

    def _too_short(self, key: str, start: int, length: int) -> Corrupt:
        return Corrupt(
            f"The object {key!r} in {self._url} is too short: bytes {start} to {start + length} were asked for.",
            hint="It was cut or replaced outside lakegate; run `lakegate verify` to see what else is damaged.",
            details={"store": self._url, "key": key},
        )

    def _map(self, error: Exception, key: str, action: str) -> LakegateError:
        if isinstance(error, FileNotFoundError) and action == "read" and not cloud_failures.is_no_bucket(error):
            return failures.not_found(self._url, key)
        return cloud_failures.from_store_error(error, self._url, key, action)


def _just_before(text: str) -> str:
    """Returns a string that sorts before `text` and after nearly all that do not start with it."""
    last = ord(text[-1])
    if last <= 32:
        return text[:-1]
    before = 0xD7FF if last == 0xE000 else last - 1
    return text[:-1] + chr(before) + "\U0010ffff"

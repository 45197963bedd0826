"""Lists the sources of an import as entries in the order of their paths on the branch."""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from lakegate.context import RepositoryContext
from lakegate.errors import ErrorKind, InvalidInput, NotFound, Unavailable
from lakegate.ids import LIVE, MAX_PATH_BYTES, writable_path
from lakegate.model import Entry, ImportKind, ImportSource
from lakegate.objectstore import urls
from lakegate.objectstore.opener import METADATA_FOLDER
from lakegate.objectstore.protocol import ObjectStore, StoredObject
from lakegate.ops.content_types import content_type_of

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class OpenSource:
    """One source, checked and opened. `key` is an object's key, or a prefix (ending with '/', or "" for a bucket).

    target  the object's path, or the prefix that paths below `key` are put under ("" or ending with '/')
    base    the URL that stands before a key in the store
    """

    source: ImportSource
    store: ObjectStore
    key: str
    target: str
    base: str


def open_source(ctx: RepositoryContext, source: ImportSource) -> OpenSource:
    """Checks one source and opens its store, without listing it. Raises InvalidInput."""
    parsed = urls.parse(source.url, kind=ErrorKind.INVALID_ARGUMENT)
    refuse_namespaces(ctx, str(parsed), f"The source {source.url!r}")
    if source.kind is ImportKind.OBJECT:
        if not parsed.path:
            raise _invalid(f"The source {source.url!r} names no object.", "Import it as a prefix.")
        if source.destination.endswith("/"):
            raise _invalid(
                f"The destination {source.destination!r} of the object {source.url!r} ends with '/'.",
                "Name the object's whole path on the branch.",
            )
        target = writable_path(source.destination)
    else:
        target = source.destination.rstrip("/") + "/" if source.destination.strip("/") else ""
        if target:
            writable_path(target)
    store, key = ctx.addresses.locate(str(parsed))
    if source.kind is ImportKind.PREFIX and key:
        key += "/"
    return OpenSource(source, store, key, target, store.url if store.url.endswith("/") else store.url + "/")


def entries(sources: tuple[OpenSource, ...]) -> Iterator[Entry]:
    """Yields what all sources hold, by path. Streams, but looks at the first object of each source at once.

    Raises NotFound(OBJECT_NOT_FOUND) for a source that holds nothing, InvalidInput for an object whose path breaks the
    rules of paths (INVALID_PATH), and for two sources that give one path (INVALID_ARGUMENT).
    """
    streams = [_entries_of(source) for source in sources]
    started: list[Iterator[Entry]] = []
    for source, stream in zip(sources, streams, strict=True):
        first = next(stream, None)
        if first is None:
            raise _empty(source)
        started.append(chain((first,), stream))
    if len(started) == 1:
        return started[0]
    return _distinct(heapq.merge(*started, key=lambda entry: entry.path))


def _distinct(merged: Iterator[Entry]) -> Iterator[Entry]:
    previous: Entry | None = None
    for entry in merged:
        if previous is not None and entry.path == previous.path:
            raise _invalid(
                f"Two objects would both be imported as {entry.path!r}: {previous.address!r} and {entry.address!r}.",
                "Give the sources destinations that do not overlap.",
            )
        previous = entry
        yield entry


def _entries_of(source: OpenSource) -> Iterator[Entry]:
    if source.source.kind is ImportKind.OBJECT:
        try:
            found = source.store.head(source.key)
        except NotFound:
            return
        yield _entry(source, found, source.target)
        return
    cut, target, base = len(source.key), source.target, source.base
    seen_metadata = f"{METADATA_FOLDER}/"
    try:
        for found in source.store.list(source.key):
            key = found.key
            path = target + key[cut:]
            if not _is_plain(path):
                _check_path(path, base + key)
            if seen_metadata in key and METADATA_FOLDER in key.split("/"):
                raise _invalid(
                    f"The source {source.source.url!r} holds lakegate's own metadata ({base + key!r}).",
                    "Read a repository's data through lakegate; import folders that belong to none.",
                )
            # The arguments in their order: a million entries are made here.
            yield Entry(path, base + key, found.size, found.etag, found.mtime, None, content_type_of(key))
    except Unavailable as error:
        if error.details.get("bucket_missing"):
            raise _empty(source) from error
        raise


def _entry(source: OpenSource, found: StoredObject, path: str) -> Entry:
    return Entry(path, source.base + found.key, found.size, found.etag, found.mtime, None, content_type_of(found.key))


def _is_plain(path: str) -> bool:
    """Tells quickly that nearly every path keeps the rules of `object_path`, which looks at each character."""
    return (
        path.isascii()
        and path.isprintable()
        and len(path) <= MAX_PATH_BYTES
        and "//" not in path
        and "/." not in path
        and path[0] not in "/."
        and path[-1] != "/"
        and not path.startswith(LIVE)
    )


def _check_path(path: str, address: str) -> None:
    try:
        writable_path(path)
    except InvalidInput as error:
        shown = address.encode("utf-8", "backslashreplace").decode()
        raise InvalidInput(
            ErrorKind.INVALID_PATH,
            f"{shown!r} can't be imported: {error.message}",
            hint=error.hint,
            details={"source": shown},
        ) from error


def refuse_namespaces(ctx: RepositoryContext, url: str, what: str) -> None:
    """Refuses a place that lies in the lake's own folder or in a storage namespace, or holds one: what is there is
    lakegate's own.

    `what` begins the message. Raises InvalidInput(INVALID_ARGUMENT).
    """
    if METADATA_FOLDER in url.split("/"):
        raise _invalid(f"{what} is lakegate's own metadata.", "Use folders that belong to no repository.")
    mine = _comparable(url)
    if ctx.home is not None and _overlap(mine, _comparable(f"file://{ctx.home}")):
        raise _invalid(
            f"{what} overlaps the lake's own folder {ctx.home}, which holds its database and keys.",
            "Use a place that belongs to no lake.",
        )
    after = ""
    while True:
        page = ctx.meta.list_repositories("", after, _PAGE)
        for repository in page:
            other = _comparable(repository.storage_namespace)
            if _overlap(mine, other):
                raise _invalid(
                    f"{what} overlaps the storage namespace of the repository {repository.name!r} "
                    f"({repository.storage_namespace}).",
                    "Use a place that belongs to no repository.",
                )
        if len(page) < _PAGE:
            return
        after = page[-1].name


def _overlap(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def _comparable(url: str) -> str:
    if url.startswith("file://"):
        url = "file://" + os.path.realpath(url.removeprefix("file://"))
    return url.rstrip("/") + "/"


def _empty(source: OpenSource) -> NotFound:
    hint = "Check the URL and the storage settings."
    if source.source.kind is ImportKind.PREFIX and source.key:
        try:
            source.store.head(source.key.rstrip("/"))
        except NotFound:
            pass
        else:
            hint = (
                "It is one object: import it as an object (--object, over REST the type `object`), with its path on "
                "the branch as destination."
            )
    return NotFound(
        ErrorKind.OBJECT_NOT_FOUND,
        f"There is nothing to import at {source.source.url!r}.",
        hint=hint,
        details={"source": source.source.url},
    )


def _invalid(message: str, hint: str) -> InvalidInput:
    return InvalidInput(ErrorKind.INVALID_ARGUMENT, message, hint=hint)

"""Reads of objects: GET and HEAD."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

from lakegate.errors import ErrorKind, NotFound
from lakegate.ids import LIVE, CommitId, is_full_id
from lakegate.model import Entry
from lakegate.snapshot import object_not_found
from lakegate_api.rest.ranges import parse_range
from lakegate_api.s3.answers import Answer
from lakegate_api.s3.call import ObjectCall
from lakegate_api.s3.conditions import is_not_modified
from lakegate_api.s3.documents import document
from lakegate_api.s3.failures import S3Refusal, invalid_argument, not_offered
from lakegate_api.s3.headers import VERSION, checksum_headers, object_headers, override

_PIECE = 1 << 20
_IN_PLACE_BYTES = 256 << 10  # read on the event loop from a local store; a thread costs more than it saves on less
_FOLDER_TYPE = "application/x-directory"


@dataclass(frozen=True, slots=True)
class Target:
    """An object that a read found. `commit` holds it; None where it is not committed yet."""

    entry: Entry
    commit: CommitId | None


async def find(call: ObjectCall) -> Target:
    """Finds the object that is addressed, in the version that is asked for. Raises NotFound, S3Refusal."""
    ref = call.ref
    version = call.request.query.get("versionId", "null")
    if version != "null":
        ref = _version(version)
    elif not call.path:
        return await _folder_of_ref(call)
    path = call.path
    try:
        if path.startswith(LIVE):
            seen = await call.run(lambda: call.repository.look_live(ref, path))
        else:
            seen = await call.quick(lambda: call.repository.look(ref, path))
    except NotFound as error:
        if version != "null" and error.kind is ErrorKind.COMMIT_NOT_FOUND:
            raise S3Refusal("NoSuchVersion", f"There is no commit {version}.", "Version ids are commit ids.") from None
        raise
    call.call.commit = seen.commit
    if seen.entry is None:
        raise object_not_found(ref, path)
    return Target(seen.entry, None if seen.staged else seen.commit)


async def read_object(call: ObjectCall) -> Answer:
    """GetObject and HeadObject."""
    target = await find(call)
    entry, request = target.entry, call.request
    if is_not_modified(entry, request.headers):
        return Answer(304, _brief(target))
    part = _part_number(entry, request.query.get("partNumber")) or parse_range(request.headers.get("range"), entry.size)
    headers = object_headers(entry, target.commit, part)
    if part is None and request.headers.get("x-amz-checksum-mode", "").lower() == "enabled":
        headers |= checksum_headers(entry)
    status = 200 if part is None else 206
    override(headers, request.query, status)
    if request.method == "HEAD":
        return Answer(status, headers)
    start, length = part or (0, entry.size)
    if not length:
        return Answer(status, headers)
    reader = call.repository.reader(entry)
    if length <= _IN_PLACE_BYTES:
        if reader.is_local:
            return Answer(status, headers, reader.read(start, length))
        return Answer(status, headers, await call.run(lambda: reader.read(start, length)))
    chunks = reader.chunks(start, length, _PIECE)
    first = await call.run(lambda: next(chunks))  # bytes that can't be read are an error with its status
    return Answer(status, headers, stream=_stream(call, first, chunks))


async def attributes(call: ObjectCall) -> Answer:
    """GetObjectAttributes."""
    target = await find(call)
    entry = target.entry
    wanted = {name.strip() for name in call.request.headers.get("x-amz-object-attributes", "").split(",")}
    content: list[tuple[str, str | int | list[tuple[str, str]]]] = []
    if "ETag" in wanted:
        content.append(("ETag", entry.etag))
    found = checksum_headers(entry)
    if "Checksum" in wanted and found:
        content.append(("Checksum", [(_checksum_tag(name), value) for name, value in found.items()]))
    if "StorageClass" in wanted:
        content.append(("StorageClass", "STANDARD"))
    if "ObjectSize" in wanted:
        content.append(("ObjectSize", entry.size))
    answer = Answer.xml(document("GetObjectAttributesResponse", content))
    answer.headers["last-modified"] = object_headers(entry, None, None)["last-modified"]
    if target.commit is not None:
        answer.headers[VERSION] = target.commit
    return answer


async def _stream(call: ObjectCall, piece: bytes, chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Sends a first piece and what follows, reading in a thread, one piece ahead of the client. Stops where the client
    is gone."""
    threads = call.call.service.threads
    gone = asyncio.ensure_future(_disconnected(call))
    ahead = threads.start(lambda: next(chunks, b""))
    try:
        while piece:
            if gone.done():
                raise ConnectionAbortedError("the client went away")
            yield piece
            piece = await ahead
            ahead = threads.start(lambda: next(chunks, b""))
    finally:
        gone.cancel()
        await asyncio.wait([ahead])


async def _disconnected(call: ObjectCall) -> None:
    while (await call.call.receive())["type"] != "http.disconnect":
        continue


async def _folder_of_ref(call: ObjectCall) -> Target:
    """What stands at `<ref>/`: an empty folder marker, as clients make them that know no refs."""
    if not call.key.endswith("/"):
        raise object_not_found(call.key, "")
    commit = await call.quick(lambda: call.repository.commit_of(call.ref))
    call.call.commit = commit.id
    empty = "d41d8cd98f00b204e9800998ecf8427e"
    return Target(Entry(call.key, "", 0, empty, commit.created, content_type=_FOLDER_TYPE), commit.id)


def _version(text: str) -> str:
    if not is_full_id(text):
        raise invalid_argument(f"{text[:80]!r} is no version id.", "Version ids are commit ids: 64 hex digits.")
    return text


def _part_number(entry: Entry, text: str | None) -> tuple[int, int] | None:
    """Reads `partNumber`, for objects that were written in one piece: they are their own first part."""
    if text is None:
        return None
    if "-" in entry.etag:
        raise not_offered("Reading one part of a multipart object", "Ask for a range of bytes.")
    if text != "1":
        raise invalid_argument(f"The object has no part {text[:20]!r}.", "It was written in one piece.")
    return (0, entry.size) if entry.size else None


def _brief(target: Target) -> dict[str, str]:
    full = object_headers(target.entry, target.commit, None)
    return {name: full[name] for name in ("etag", "last-modified", "cache-control", "expires", VERSION) if name in full}


def _checksum_tag(header: str) -> str:
    name = header.removeprefix("x-amz-checksum-")
    return "ChecksumType" if name == "type" else f"Checksum{name.upper()}"

"""Multipart uploads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from xml.etree import ElementTree

from lakegate.errors import ErrorKind, InvalidInput, LakegateError
from lakegate.ids import UploadId
from lakegate.model import MAX_PAGE, Entry, Part, PutRequest, Upload
from lakegate.ops.multipart import MAX_PARTS
from lakegate.staging import upload_not_found
from lakegate_api.errors import answer_of
from lakegate_api.rest.ranges import parse_range
from lakegate_api.s3 import checksums
from lakegate_api.s3.answers import XML, Answer
from lakegate_api.s3.bodies import read_document
from lakegate_api.s3.call import ObjectCall
from lakegate_api.s3.conditions import write_conditions
from lakegate_api.s3.documents import Element, document, iso_time, malformed, parse, text_of
from lakegate_api.s3.errors import error_document
from lakegate_api.s3.failures import S3Refusal, invalid_argument
from lakegate_api.s3.intake import take_in
from lakegate_api.s3.part_sums import checksum_of_whole
from lakegate_api.s3.writes import described, find_source

_PATIENCE_SECONDS = 5.0
_PIECE = 1 << 20


async def create(call: ObjectCall) -> Answer:
    """CreateMultipartUpload."""
    headers = call.request.headers
    algorithm = headers.get("x-amz-checksum-algorithm", "").lower()
    if algorithm:
        checksums.new_checksum(algorithm)
    request = described(headers)
    await read_document(call.call)
    await call.require_branch()
    upload = await call.run(lambda: call.repository.create_upload(call.ref, call.path, request))
    content: list[Element] = [("Bucket", call.bucket.name), ("Key", call.key), ("UploadId", upload.id)]
    answer = Answer.xml(document("InitiateMultipartUploadResult", content))
    if algorithm:
        answer.headers["x-amz-checksum-algorithm"] = algorithm.upper()
        answer.headers["x-amz-checksum-type"] = headers.get("x-amz-checksum-type", _kind(algorithm))
    return answer


async def put_part(call: ObjectCall) -> Answer:
    """UploadPart."""
    upload = await _upload(call)
    number = _number(call)
    part = await take_in(call, lambda: call.repository.start_part(upload.id, number), PutRequest())
    return Answer(200, {"etag": f'"{part.etag}"', **_sums(part)})


async def copy_part(call: ObjectCall) -> Answer:
    """UploadPartCopy. The bytes are copied: a part is dropped with its upload, the source must stay."""
    upload = await _upload(call)
    number = _number(call)
    source = await find_source(call)
    start, length = _source_range(call.request.header("x-amz-copy-source-range"), source.entry.size)
    part = await call.run(lambda: _copy(call, upload.id, number, (source.entry, start, length)))
    content: list[Element] = [("LastModified", iso_time(part.created)), ("ETag", f'"{part.etag}"')]
    answer = Answer.xml(document("CopyPartResult", content))
    if source.commit is not None:
        answer.headers["x-amz-copy-source-version-id"] = source.commit
    return answer


async def complete(call: ObjectCall) -> Answer:
    """CompleteMultipartUpload. Putting much together takes time: the answer then begins, and blanks keep the
    connection alive."""
    headers = call.request.headers
    # The checksum among the headers is the object's, not that of this request's body.
    parts, sums = _wanted(parse(await read_document(call.call, checksum=False), "CompleteMultipartUpload"))
    given = checksums.declared_of_object(headers)
    request = write_conditions(headers, PutRequest(size=_size(headers.get("x-amz-mp-object-size"))))
    upload_id = UploadId(call.request.query["uploadId"])
    await call.require_branch()
    full = headers.get("x-amz-checksum-type", "").upper() == "FULL_OBJECT"
    work: Callable[[], Entry] = lambda: _complete(call, upload_id, parts, sums, request, given, full)  # noqa: E731
    running = call.call.service.threads.start(work)
    await asyncio.wait([running], timeout=_PATIENCE_SECONDS)
    if running.done():
        entry = await running
        return Answer.xml(_completed(call, entry))
    answer = Answer(200, {"content-type": XML})
    answer.stream = _late(call, running)
    return answer


async def abort(call: ObjectCall) -> Answer:
    """AbortMultipartUpload."""
    upload = await _upload(call)
    await call.run(lambda: call.repository.abort_upload(upload.id))
    return Answer(204)


async def list_parts(call: ObjectCall) -> Answer:
    """ListParts."""
    upload = await _upload(call)
    after = call.request.number("part-number-marker", 0, most=MAX_PARTS)
    amount = call.request.number("max-parts", MAX_PAGE)
    _, page = await call.run(lambda: call.repository.parts(upload.id, after, amount))
    content: list[Element] = [
        ("Bucket", call.bucket.name),
        ("Key", call.key),
        ("UploadId", upload.id),
        ("PartNumberMarker", after),
        ("MaxParts", amount),
        ("IsTruncated", page.has_more),
    ]
    if page.has_more:
        content.append(("NextPartNumberMarker", page.next_after))
    for part in page.items:
        line: list[Element] = [
            ("PartNumber", part.number),
            ("LastModified", iso_time(part.created)),
            ("ETag", f'"{part.etag}"'),
            ("Size", part.size),
        ]
        line += [
            (f"Checksum{name.upper()}", value) for name, value in part.checksums.items() if name in checksums.ALGORITHMS
        ]
        content.append(("Part", line))
    return Answer.xml(document("ListPartsResult", content))


async def _upload(call: ObjectCall) -> Upload:
    """Finds the upload that is addressed. Raises NotFound(UPLOAD_NOT_FOUND), also for another object's upload."""
    await call.require_branch()
    wanted = UploadId(call.request.query["uploadId"])
    upload = await call.quick(lambda: call.repository.upload(wanted))
    if (upload.branch, upload.path) != (call.ref, call.path):
        raise upload_not_found(wanted)
    return upload


def _number(call: ObjectCall) -> int:
    text = call.request.query.get("partNumber", "")
    if not (text.isascii() and text.isdecimal()) or len(text) > 6 or not 1 <= int(text) <= MAX_PARTS:
        raise invalid_argument(f"partNumber is {text[:40]!r}.", f"Number parts from 1 to {MAX_PARTS}.")
    return int(text)


def _copy(call: ObjectCall, upload: UploadId, number: int, source: tuple[Entry, int, int]) -> Part:
    entry, start, length = source
    chunks = call.repository.reader(entry).chunks(start, length, _PIECE)
    return call.repository.put_part(upload, number, chunks)


def _source_range(header: str | None, size: int) -> tuple[int, int]:
    if header is None:
        return 0, size
    found = parse_range(header, size)
    if found is None or not header.endswith(str(found[0] + found[1] - 1)):
        raise invalid_argument(
            f"x-amz-copy-source-range is {header[:60]!r}; the source has {size} bytes.", "Send bytes=FIRST-LAST."
        )
    return found


def _wanted(root: ElementTree.Element) -> tuple[list[tuple[int, str]], dict[int, dict[str, str]]]:
    """Reads the parts of a completion: (number, ETag), and the checksums that the client knows of each."""
    parts: list[tuple[int, str]] = []
    sums: dict[int, dict[str, str]] = {}
    for element in root.iterfind("Part"):
        number, etag = text_of(element, "PartNumber") or "", text_of(element, "ETag")
        if not (number.isascii() and number.isdecimal()) or len(number) > 6 or etag is None:
            raise malformed("names a part without number or ETag")
        parts.append((int(number), etag.strip().strip('"')))
        sums[int(number)] = {
            name: value for name in checksums.ALGORITHMS if (value := text_of(element, f"Checksum{name.upper()}"))
        }
    return parts, sums


def _complete(
    call: ObjectCall,
    upload_id: UploadId,
    parts: list[tuple[int, str]],
    sums: dict[int, dict[str, str]],
    request: PutRequest,
    given: tuple[str, str] | None,
    full: bool,
) -> Entry:
    """Checks the checksums, then completes. A completion that is sent again finds no upload, and the library answers
    what it became."""
    repository = call.repository
    headers: dict[str, str] = {}
    try:
        upload = repository.upload(upload_id)
    except LakegateError as error:
        if error.kind is not ErrorKind.UPLOAD_NOT_FOUND:
            raise
        return repository.completed(upload_id, call.ref, call.path)
    if (upload.branch, upload.path) != (call.ref, call.path):
        raise upload_not_found(upload_id)
    headers = checksum_of_whole(_chosen(call, upload_id, parts), sums, given, full=full)
    return repository.complete_upload(upload_id, parts, replace(request, headers=headers))


def _chosen(call: ObjectCall, upload: UploadId, parts: list[tuple[int, str]]) -> list[Part]:
    """The parts that a completion names, as far as they are there."""
    numbers = {number for number, _ in parts}
    found: list[Part] = []
    after = 0
    while True:
        _, page = call.repository.parts(upload, after)
        found += [part for part in page.items if part.number in numbers]
        if not page.has_more:
            return found
        after = int(page.next_after)


def _completed(call: ObjectCall, entry: Entry) -> bytes:
    content: list[Element] = [
        ("Location", f"/{call.bucket.name}/{call.key}"),
        ("Bucket", call.bucket.name),
        ("Key", call.key),
        ("ETag", f'"{entry.etag}"'),
    ]
    for name, value in entry.headers.items():
        if name.startswith(checksums.PREFIX):
            content.append((f"Checksum{name.removeprefix(checksums.PREFIX).upper()}", value))
            content.append(("ChecksumType", "COMPOSITE" if "-" in value else "FULL_OBJECT"))
    return document("CompleteMultipartUploadResult", content)


async def _late(call: ObjectCall, running: asyncio.Future[Entry]) -> AsyncIterator[bytes]:
    head, mark = b'<?xml version="1.0" encoding="UTF-8"?>', b"\n"
    yield head
    while not running.done():
        yield b" "
        await asyncio.wait([running], timeout=_PATIENCE_SECONDS)
    try:
        body = _completed(call, await running)
    except LakegateError as error:
        body = error_document(error, answer_of(error.kind).s3_code, error.kind.value, call.request.raw_path)
    except S3Refusal as error:
        body = error_document(error, error.code, "", call.request.raw_path)
    yield body.partition(mark)[2]


def _kind(algorithm: str) -> str:
    return "FULL_OBJECT" if algorithm == "crc64nvme" else "COMPOSITE"


def _sums(part: Part) -> dict[str, str]:
    return {checksums.PREFIX + name: value for name, value in part.checksums.items() if name in checksums.ALGORITHMS}


def _size(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal()) or len(text) > 19:
        raise InvalidInput(
            ErrorKind.INVALID_ARGUMENT, f"x-amz-mp-object-size is {text[:40]!r}.", hint="Send a number of bytes."
        )
    return int(text)

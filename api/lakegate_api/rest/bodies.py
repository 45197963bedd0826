"""Bodies of uploads, handed from the event loop to the library in pieces: memory does not grow with the object."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from anyio import from_thread
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request

from lakegate.errors import ErrorKind, InvalidInput
from lakegate.model import DEFAULT_CONTENT_TYPE, PutRequest

METADATA_PREFIX = "x-lakefs-meta-"
METADATA_HEADER = "x-lakegate-metadata"
HEADERS_HEADER = "x-lakegate-headers"

_BATCH_BYTES = 256 << 10
_DRAIN_BYTES = 16 << 20
_PRINTABLE = re.compile(r"[ -~]*")
_DIGEST = re.compile(r"sha-256=:([A-Za-z0-9+/=]+):")


@dataclass(frozen=True, slots=True)
class Upload:
    """The bytes of an upload, and the content type that stands beside them."""

    content: AsyncIterator[bytes]
    content_type: str


async def open_upload(request: Request) -> Upload:
    """Finds the bytes in a request: the part `content` of a multipart/form-data body, or the whole body of any other
    type. Raises InvalidInput."""
    header = request.headers.get("content-type", "")
    kind, options = parse_options_header(header)
    if kind != b"multipart/form-data":
        return Upload(request.stream(), header or DEFAULT_CONTENT_TYPE)
    form = _Form(options.get(b"boundary", b""))
    stream = request.stream()
    while not form.found:
        form.feed(await anext(stream, b""))
    return Upload(form.content(stream), form.content_type)


def chunks(content: AsyncIterator[bytes]) -> Iterator[bytes]:
    """Yields, in a worker thread, what the event loop receives. A client that goes away is an incomplete body."""

    async def batch() -> bytes:
        parts: list[bytes] = []
        size = 0
        async for part in content:
            parts.append(part)
            size += len(part)
            if size >= _BATCH_BYTES:
                break
        return b"".join(parts)

    while True:
        try:
            piece = from_thread.run(batch)
        except ClientDisconnect:
            raise InvalidInput(
                ErrorKind.INCOMPLETE_BODY, "The body ended before its length.", hint="Send it again."
            ) from None
        if not piece:
            return
        yield piece


async def drain(content: AsyncIterator[bytes]) -> None:
    """Reads on, a while, after a refusal: clients that still send would not see the answer otherwise."""
    left = _DRAIN_BYTES
    try:
        async for part in content:
            left -= len(part)
            if left < 0:
                return
    except (ClientDisconnect, InvalidInput, RuntimeError):
        return


def put_request(headers: Headers, upload: Upload) -> PutRequest:
    """Reads what goes with the bytes: conditions, checksums, metadata. Raises InvalidInput."""
    if not _PRINTABLE.fullmatch(upload.content_type):
        raise _invalid("The content type is not printable ASCII.")
    request = PutRequest(
        content_type=upload.content_type,
        metadata=_metadata(headers),
        headers=_kept_headers(headers),
        content_md5=_md5(headers.get("content-md5")),
        sha256=_sha256(headers.get("content-digest")),
    )
    none_match, match = headers.get("if-none-match"), headers.get("if-match")
    if none_match is not None and none_match.strip() != "*":
        raise _invalid("If-None-Match of a write must be '*'.")
    if none_match is not None:
        request = replace(request, if_none_match=True)
    if match is not None:
        request = replace(request, if_match=match.strip().strip('"'))
    return request


def _metadata(headers: Mapping[str, str]) -> dict[str, str]:
    found = {key[len(METADATA_PREFIX) :]: value for key, value in headers.items() if key.startswith(METADATA_PREFIX)}
    found.pop("", None)
    return found | _json_header(headers, METADATA_HEADER)


def _kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    found = _json_header(headers, HEADERS_HEADER)
    if not all(_PRINTABLE.fullmatch(key + value) for key, value in found.items()):
        raise _invalid(f"{HEADERS_HEADER} holds what can't stand in a header.")
    return found


def _json_header(headers: Mapping[str, str], name: str) -> dict[str, str]:
    text = headers.get(name)
    if text is None:
        return {}
    try:
        value: Any = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict) or not all(_is_text(v) for v in cast("dict[str, Any]", value).values()):
        raise _invalid(f"{name} is no JSON object of strings.")
    return {key.lower(): text for key, text in cast("dict[str, str]", value).items() if _is_text(key)}


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value.encode("utf-8", "replace").decode() == value


def _md5(header: str | None) -> str | None:
    if header is None:
        return None
    raw = _base64(header)
    if len(raw) != 16:
        raise _invalid("Content-MD5 is no base64 of an MD5.")
    return raw.hex()


def _sha256(header: str | None) -> str | None:
    match = _DIGEST.search(header) if header else None
    if match is None:
        return None
    raw = _base64(match.group(1))
    if len(raw) != 32:
        raise _invalid("Content-Digest holds no SHA-256.")
    return raw.hex()


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _invalid(message: str) -> InvalidInput:
    return InvalidInput(ErrorKind.INVALID_ARGUMENT, message, hint="Correct the header.")


class _Form:
    """Reads one part, named `content`, out of a multipart/form-data body as it arrives."""

    def __init__(self, boundary: bytes) -> None:
        if not boundary:
            raise _bad_form("names no boundary")
        self.found = False
        self.content_type = DEFAULT_CONTENT_TYPE
        self._pieces: deque[bytes] = deque()
        self._inside = False
        self._ended = False
        self._name = b""
        self._value = b""
        self._part: dict[bytes, bytes] = {}
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._on_part_begin,
                "on_part_data": self._on_part_data,
                "on_part_end": self._on_part_end,
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers_finished,
            },
        )

    def feed(self, data: bytes) -> None:
        """Parses the next bytes; none means that the body has ended before the part was found."""
        if not data:
            raise _bad_form("has no part named 'content'")
        try:
            self._parser.write(data)
        except FormParserError:
            raise _bad_form("is not what its type promises") from None

    async def content(self, stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yields the part's bytes, and reads the body to its end."""
        while True:
            while self._pieces:
                yield self._pieces.popleft()
            data = await anext(stream, b"")
            if not data:
                break
            self.feed(data)
        if not self._ended:
            raise InvalidInput(
                ErrorKind.INCOMPLETE_BODY, "The form ended before its part 'content' did.", hint="Send it again."
            )

    def _on_part_begin(self) -> None:
        self._part = {}

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        self._part[self._name.lower()] = self._value
        self._name = self._value = b""

    def _on_headers_finished(self) -> None:
        _, options = parse_options_header(self._part.get(b"content-disposition", b""))
        if options.get(b"name") == b"content" and not self.found:
            self.found = self._inside = True
            kind = self._part.get(b"content-type", b"").decode("latin-1")
            self.content_type = kind or self.content_type

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._inside and end > start:
            self._pieces.append(data[start:end])

    def _on_part_end(self) -> None:
        if self._inside:
            self._inside, self._ended = False, True


def _bad_form(why: str) -> InvalidInput:
    return InvalidInput(
        ErrorKind.INVALID_ARGUMENT,
        f"The form of the upload {why}.",
        hint="Send the bytes as application/octet-stream, or as the part 'content' of multipart/form-data.",
    )

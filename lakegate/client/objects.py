"""The bytes of objects over HTTP, both ways, in pieces."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from lakegate.client.http import Http, Sent
from lakegate.errors import ErrorKind, InvalidInput, LakegateError, Unavailable
from lakegate.interface import Body
from lakegate.model import Entry, PutRequest

_PIECE_BYTES = 1 << 20
_RESUMES = 3


class HttpReader:
    """Implements `lakegate.interface.ObjectReader`: reads ranges, and only of the object that was opened.

    What is read at a commit or tag never changes. An object that is written anew on a branch after it was opened can't
    be read further: that raises PreconditionFailed(PRECONDITION_FAILED).
    """

    def __init__(self, http: Http, path: str, entry: Entry) -> None:
        self._http = http
        self._path = path
        self._entry = entry

    @property
    def entry(self) -> Entry:
        return self._entry

    def read(self, start: int = 0, length: int | None = None) -> bytes:
        return b"".join(self.chunks(start, length))

    def chunks(self, start: int = 0, length: int | None = None, size: int = 1 << 20) -> Iterator[bytes]:
        size_of_all = self._entry.size
        if start < 0 or start > size_of_all or (length is not None and length < 0):
            raise InvalidInput(
                ErrorKind.INVALID_RANGE,
                f"The range from {start} lies outside the object, which has {size_of_all} bytes.",
                hint="Ask for bytes that are there.",
            )
        return self._pieces(start, size_of_all if length is None else min(start + length, size_of_all), size)

    def _pieces(self, start: int, end: int, size: int) -> Iterator[bytes]:
        resumes = 0
        while start < end:
            try:
                for piece in self._range(start, end, size):
                    start += len(piece)
                    yield piece
            except _BrokenOff as broken:
                resumes += 1
                if resumes > _RESUMES:
                    raise Unavailable(
                        ErrorKind.SERVER_UNAVAILABLE,
                        f"The server at {self._http.url} broke off while {self._entry.path!r} was read.",
                        hint="Try again.",
                    ) from broken.__cause__

    def _range(self, start: int, end: int, size: int) -> Iterator[bytes]:
        headers = {"range": f"bytes={start}-{end - 1}", "if-match": f'"{self._entry.etag}"'}
        sent = Sent({"path": self._entry.path}, headers=headers)
        with self._http.stream("GET", self._path, sent) as response:
            try:
                yield from response.iter_raw(size)
            except httpx.HTTPError as error:
                raise _BrokenOff from error


class _BrokenOff(Exception):
    """Says that a connection was lost while an object's bytes came: reading goes on where it was."""


@dataclass(frozen=True, slots=True)
class Put:
    """One object to be sent: its path, its bytes, and what goes with them."""

    path: str
    body: Body
    request: PutRequest


def put_object(http: Http, route: str, reader: Callable[[Any], Entry], put: Put) -> Entry:
    """Sends an object, and returns what `reader` makes of the answer."""
    headers = _headers(put.request)
    query = {"path": put.path}
    if isinstance(put.body, bytes):
        _check_size(put.request, len(put.body))
        return http.read("POST", route, reader, Sent(query, content=put.body, headers=headers))
    source = _Source(put.body, put.request.size)
    if put.request.size is not None:
        headers["content-length"] = str(put.request.size)
    try:
        return http.read("POST", route, reader, Sent(query, content=source, headers=headers))
    except LakegateError:
        if source.failure is not None:
            raise source.failure from None
        raise


class _Source:
    """The pieces of a body; counts them against the declared size, and keeps the error that ended them."""

    def __init__(self, body: Any, size: int | None) -> None:
        self._body = body
        self._size = size
        self.failure: LakegateError | None = None

    def __iter__(self) -> Iterator[bytes]:
        # The last piece goes when it is known to be the last: with it, the server has all bytes that were declared,
        # and writes them.
        sent, held = 0, b""
        for piece in filter(None, _pieces(self._body)):
            sent += len(piece)
            if self._size is not None and sent > self._size:
                raise self._fail(sent)
            if held:
                yield held
            held = piece
        if self._size is not None and sent != self._size:
            raise self._fail(sent)
        if held:
            yield held

    def _fail(self, sent: int) -> LakegateError:
        self.failure = _incomplete(sent, self._size)
        return self.failure


def _pieces(body: Any) -> Iterator[bytes]:
    if hasattr(body, "read"):
        while piece := body.read(_PIECE_BYTES):
            yield piece
    else:
        yield from body


def _check_size(request: PutRequest, size: int) -> None:
    if request.size is not None and request.size != size:
        raise _incomplete(size, request.size)


def _incomplete(sent: int, size: int | None) -> InvalidInput:
    return InvalidInput(
        ErrorKind.INCOMPLETE_BODY,
        f"The body has {sent} bytes or more, and {size} were declared.",
        hint="Declare the length that the body has.",
    )


def _headers(request: PutRequest) -> dict[str, str]:
    headers = {"content-type": request.content_type}
    if request.metadata:
        headers["x-lakegate-metadata"] = _json(request.metadata)
    if request.headers:
        headers["x-lakegate-headers"] = _json(request.headers)
    if request.content_md5 is not None:
        headers["content-md5"] = _base64_of_hex(request.content_md5, "content_md5")
    if request.sha256 is not None:
        headers["content-digest"] = f"sha-256=:{_base64_of_hex(request.sha256, 'sha256')}:"
    return headers | conditions(request)


def conditions(request: PutRequest) -> dict[str, str]:
    """The condition headers of a write."""
    headers: dict[str, str] = {}
    if request.if_none_match:
        headers["if-none-match"] = "*"
    if request.if_match is not None:
        headers["if-match"] = f'"{request.if_match}"'
    return headers


def _json(values: Mapping[str, str]) -> str:
    return json.dumps(dict(values))


def _base64_of_hex(text: str, what: str) -> str:
    try:
        return base64.b64encode(bytes.fromhex(text)).decode()
    except ValueError:
        raise InvalidInput(ErrorKind.INVALID_ARGUMENT, f"{what} is not hex.", hint="Give it as hex digits.") from None

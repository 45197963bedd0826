"""One server over HTTP: sends requests, tries again where that is safe, and raises the server's errors."""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx

from lakegate.client.failures import error_of
from lakegate.errors import ErrorKind, InvalidInput, LakegateError, OutcomeUnknown, Unavailable

Query = Mapping[str, Any]

_TRIES = 4
_FIRST_WAIT_SECONDS = 0.1
_TIMEOUT = httpx.Timeout(connect=10.0, read=600.0, write=600.0, pool=600.0)
_READING = frozenset({"GET", "HEAD"})
# The request was certainly not carried out: whatever it was, it may be sent again.
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


def url_path(*segments: str) -> str:
    """Joins path segments, each percent-encoded whole; a segment of dots alone would be taken for a folder step."""
    quoted = (quote(segment, safe="") for segment in segments)
    return "/".join(part.replace(".", "%2E") if part.strip(".") == "" else part for part in quoted)


@dataclass(frozen=True, slots=True)
class Sent:
    """What goes with a request besides its path: at most one of `json` and `content`."""

    query: Query | None = None
    json: Any = None
    content: bytes | Iterable[bytes] | None = None
    headers: Mapping[str, str] | None = None


class Http:
    """A connection pool to one server. Thread-safe.

    Reading requests are tried again after lost connections and passing refusals (429, 502 to 504), for about a second.
    Writing requests are tried again only where no connection came about; where a reply was lost, OutcomeUnknown is
    raised, because the write may have happened.
    """

    def __init__(
        self, url: str, credentials: tuple[str, str] | None, transport: httpx.BaseTransport | None = None
    ) -> None:
        self.url = url.rstrip("/")
        self._client = httpx.Client(
            base_url=f"{self.url}/api/v1/",
            auth=credentials,
            timeout=_TIMEOUT,
            transport=transport,
            headers={"user-agent": "lakegate", "accept-encoding": "identity"},
            limits=httpx.Limits(max_connections=64, max_keepalive_connections=16),
        )

    def close(self) -> None:
        self._client.close()

    def json(self, method: str, path: str, sent: Sent = Sent()) -> Any:
        """Sends a request and returns the JSON of the answer."""
        return self.send(method, path, sent).json()

    def send(self, method: str, path: str, sent: Sent = Sent()) -> httpx.Response:
        """Sends a request and returns the answer, read whole. Raises LakegateError."""
        with self.stream(method, path, sent) as response:
            try:
                response.read()
            except httpx.HTTPError as error:
                raise self._lost(method, error) from error
            return response

    @contextmanager
    def stream(self, method: str, path: str, sent: Sent = Sent()) -> Generator[httpx.Response]:
        """Sends a request and hands out the answer before its body is read. Raises LakegateError."""
        response = self._try(method, path, sent)
        try:
            yield response
        finally:
            response.close()

    def _try(self, method: str, path: str, sent: Sent) -> httpx.Response:
        repeatable = sent.content is None or isinstance(sent.content, bytes)
        for attempt in range(1, _TRIES + 1):
            again = repeatable and attempt < _TRIES
            try:
                return self._once(method, path, sent)
            except httpx.HTTPError as error:
                if not again or not (method in _READING or isinstance(error, _NEVER_SENT)):
                    raise self._lost(method, error) from error
            except LakegateError as error:
                if not again or method not in _READING or not _passing(error):
                    raise
            time.sleep(_FIRST_WAIT_SECONDS * 2 ** (attempt - 1))
        raise AssertionError("unreachable: the last try returns or raises")

    def _once(self, method: str, path: str, sent: Sent) -> httpx.Response:
        headers = dict(sent.headers or {})
        content = sent.content
        if sent.json is not None:
            content = json.dumps(sent.json).encode()
            headers["content-type"] = "application/json"
        try:
            request = self._client.build_request(
                method, path, params=_params(sent.query), content=content, headers=headers
            )
        except UnicodeEncodeError:
            raise InvalidInput(
                ErrorKind.INVALID_ARGUMENT, "A value of the request is not valid Unicode.", hint="Correct it."
            ) from None
        response = self._client.send(request, stream=True)
        if response.status_code < 400:
            return response
        try:
            raise error_of(response.status_code, response.read())
        finally:
            response.close()

    def _lost(self, method: str, error: httpx.HTTPError) -> LakegateError:
        if method in _READING or isinstance(error, _NEVER_SENT):
            return Unavailable(
                ErrorKind.SERVER_UNAVAILABLE,
                f"The server at {self.url} does not answer ({_reason(error)}).",
                hint="Check the URL, and that `lakegate serve` is running there.",
            )
        return OutcomeUnknown(
            f"The connection to {self.url} was lost ({_reason(error)}) before the answer came.",
            hint="The change may have been made: look before you try again.",
        )


def _reason(error: httpx.HTTPError) -> str:
    return str(error) or type(error).__name__


def _passing(error: LakegateError) -> bool:
    return error.kind in (
        ErrorKind.STORE_UNAVAILABLE,
        ErrorKind.DATABASE_LOCKED,
        ErrorKind.DATABASE_UNAVAILABLE,
        ErrorKind.SERVER_UNAVAILABLE,
        ErrorKind.TOO_MANY_UPDATES,
    )


def _params(query: Query | None) -> dict[str, Any]:
    """Leaves out what is None; writes booleans as the API reads them."""
    found = {key: value for key, value in (query or {}).items() if value is not None}
    return {key: str(value).lower() if isinstance(value, bool) else value for key, value in found.items()}

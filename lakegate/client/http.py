"""One server over HTTP: sends requests, tries again where that is safe, and raises the server's errors."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote

import httpx

from lakegate.client.failures import error_of
from lakegate.client.lost import outcome_unknown
from lakegate.config import ClientSettings
from lakegate.errors import ErrorKind, InvalidInput, LakegateError, Unavailable

Query = Mapping[str, Any]
T = TypeVar("T")

_CONNECT_SECONDS = 10.0
_FIRST_WAIT_SECONDS = 0.1
# Below the time after which servers close idle connections: a request must not meet a connection that is being closed,
# for then nobody could tell whether it was carried out.
_IDLE_SECONDS = 2.0
_READING = frozenset({"GET", "HEAD"})
# The request was certainly not carried out: whatever it was, it may be sent again.
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
# Refusals of the server that pass by themselves. A refused request has changed nothing; but a write is sent again only
# after those that come before any work.
_PASSING = frozenset(
    {
        ErrorKind.STORE_UNAVAILABLE,
        ErrorKind.DATABASE_LOCKED,
        ErrorKind.DATABASE_UNAVAILABLE,
        ErrorKind.SERVER_UNAVAILABLE,
        ErrorKind.TOO_MANY_UPDATES,
    }
)
_PASSING_WRITES = frozenset({ErrorKind.DATABASE_LOCKED, ErrorKind.TOO_MANY_UPDATES})


def url_path(*segments: str) -> str:
    """Joins path segments, each percent-encoded whole; a segment of dots alone would be taken for a folder step."""
    try:
        quoted = [quote(segment, safe="") for segment in segments]
    except UnicodeEncodeError:
        raise _not_unicode() from None
    return "/".join(part.replace(".", "%2E") if part.strip(".") == "" else part for part in quoted)


@dataclass(frozen=True, slots=True)
class Sent:
    """What goes with a request besides its path: at most one of `json` and `content`.

    `repeatable` says that sending it twice does what sending it once does, though its method is one of writing.
    """

    query: Query | None = None
    json: Any = None
    content: bytes | Iterable[bytes] | None = None
    headers: Mapping[str, str] | None = None
    repeatable: bool = False


class Http:
    """A connection pool to one server. Thread-safe.

    Requests that only read are tried again after lost connections and passing refusals (429, 502 to 504). Those that
    write are tried again only where no connection came about, or where the server says that it did not begin; where a
    reply was lost, OutcomeUnknown is raised, because the write may have happened.
    """

    def __init__(self, url: str, settings: ClientSettings, transport: httpx.BaseTransport | None = None) -> None:
        """Raises InvalidInput for a URL that is no server's."""
        self.url = url.rstrip("/")
        self._tries = settings.max_retries + 1
        _check_url(self.url)
        credentials = None
        if settings.access_key_id is not None:
            credentials = (settings.access_key_id, settings.secret_access_key or "")
        limit = settings.timeout_seconds
        # To read the certificates that the machine trusts takes 50 ms; who speaks plain HTTP trusts none.
        trusted = True if httpx.URL(self.url).scheme == "https" else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._client = httpx.Client(
            base_url=f"{self.url}/api/v1/",
            auth=credentials,
            timeout=httpx.Timeout(limit, connect=min(limit, _CONNECT_SECONDS)),
            transport=transport,
            headers={"user-agent": "lakegate", "accept-encoding": "identity"},
            limits=httpx.Limits(max_connections=64, max_keepalive_connections=16, keepalive_expiry=_IDLE_SECONDS),
            trust_env=False,
            verify=trusted,
        )

    def close(self) -> None:
        self._client.close()

    def read(self, method: str, path: str, reader: Callable[[Any], T], sent: Sent = Sent()) -> T:
        """Sends a request, and returns what `reader` makes of the JSON of the answer. Raises LakegateError."""
        response = self.send(method, path, sent)
        try:
            return reader(response.json())
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            message = f"The server at {self.url} answered what this client does not understand ({error!r})."
            if not self._reads(method, sent):
                raise outcome_unknown(method, path, message) from error
            raise Unavailable(
                ErrorKind.SERVER_UNAVAILABLE,
                message,
                hint="Check that the URL is that of a lakegate server, and use a client of the server's version.",
            ) from error

    def send(self, method: str, path: str, sent: Sent = Sent()) -> httpx.Response:
        """Sends a request and returns the answer, read whole. Raises LakegateError."""
        with self.stream(method, path, sent) as response:
            response.read()
            return response

    @contextmanager
    def stream(self, method: str, path: str, sent: Sent = Sent()) -> Generator[httpx.Response]:
        """Sends a request and hands out the answer before its body is read. Raises LakegateError, also for a connection
        that is lost while the block reads."""
        response = self._try(method, path, sent)
        try:
            yield response
        except httpx.HTTPError as error:
            raise self._lost(method, path, sent, error) from error
        finally:
            response.close()

    def _try(self, method: str, path: str, sent: Sent) -> httpx.Response:
        reads = self._reads(method, sent)
        at_hand = sent.content is None or isinstance(sent.content, bytes)
        tries = self._tries if at_hand else 1
        for attempt in range(1, tries + 1):
            try:
                return self._once(method, path, sent)
            except httpx.HTTPError as error:
                if attempt == tries or not (reads or isinstance(error, _NEVER_SENT)):
                    raise self._lost(method, path, sent, error) from error
            except LakegateError as error:
                if attempt == tries or error.kind not in (_PASSING if reads else _PASSING_WRITES):
                    raise
            time.sleep(_FIRST_WAIT_SECONDS * 2 ** (attempt - 1))
        raise AssertionError("unreachable: the last try returns or raises")

    def _once(self, method: str, path: str, sent: Sent) -> httpx.Response:
        response = self._client.send(self._request(method, path, sent), stream=True)
        if response.status_code < 300:
            return response
        try:
            body = response.read()
        finally:
            response.close()
        if response.is_redirect:
            raise Unavailable(
                ErrorKind.SERVER_UNAVAILABLE,
                f"The server at {self.url} redirects to {response.headers['location']!r}.",
                hint="Use the URL that it redirects to.",
            )
        error = error_of(response.status_code, body)
        own = error.kind is not ErrorKind.SERVER_UNAVAILABLE
        if response.status_code >= 500 and not own and not self._reads(method, sent):
            raise outcome_unknown(method, path, error.message)
        raise error

    def _request(self, method: str, path: str, sent: Sent) -> httpx.Request:
        headers = dict(sent.headers or {})
        content = sent.content
        try:
            if sent.json is not None:
                content = json.dumps(sent.json).encode()
                headers["content-type"] = "application/json"
            return self._client.build_request(
                method, path, params=_params(sent.query), content=content, headers=headers
            )
        except UnicodeEncodeError:
            raise _not_unicode() from None

    def _reads(self, method: str, sent: Sent) -> bool:
        return method in _READING or sent.repeatable

    def _lost(self, method: str, path: str, sent: Sent, error: httpx.HTTPError) -> LakegateError:
        reason = str(error).rstrip(".") or type(error).__name__
        if isinstance(error, httpx.LocalProtocolError):
            return InvalidInput(
                ErrorKind.INVALID_ARGUMENT,
                f"A value of the request can't stand in HTTP ({reason}).",
                hint="Leave control characters out of types, ETags and metadata.",
            )
        if self._reads(method, sent) or isinstance(error, _NEVER_SENT):
            return Unavailable(
                ErrorKind.SERVER_UNAVAILABLE,
                f"The server at {self.url} does not answer ({reason}).",
                hint="Check the URL, and that `lakegate serve` is running there.",
            )
        return outcome_unknown(method, path, f"The connection to {self.url} was lost before the answer came: {reason}.")


def _check_url(url: str) -> None:
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise _bad_url(f"{url!r} is no URL ({error}).") from error
    if parts.userinfo:
        raise _bad_url("The server's URL carries credentials, and URLs are shown and logged.")
    if parts.scheme not in ("http", "https") or not parts.host or parts.query or parts.fragment:
        raise _bad_url(f"{url!r} is not the URL of a server.")


def _bad_url(message: str) -> InvalidInput:
    return InvalidInput(
        ErrorKind.INVALID_ARGUMENT, message, hint="Write it as http://HOST:PORT, and give the access key apart."
    )


def _not_unicode() -> InvalidInput:
    return InvalidInput(ErrorKind.INVALID_ARGUMENT, "A value of the request is not valid Unicode.", hint="Correct it.")


def _params(query: Query | None) -> dict[str, Any]:
    """Leaves out what is None; writes booleans as the API reads them."""
    found = {key: value for key, value in (query or {}).items() if value is not None}
    return {key: str(value).lower() if isinstance(value, bool) else value for key, value in found.items()}

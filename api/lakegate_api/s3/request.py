"""One request as the gateway reads it, straight from the ASGI scope: this is the hot path, so no framework."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

from starlette.types import Scope

from lakegate_api.s3.failures import S3Refusal, invalid_argument


class S3Request:
    """A request's method, raw path, query and headers.

    raw_path  as sent, percent-encoded, without the query
    headers   names lower-case; values of a repeated header joined by ","
    query     decoded once; `+` is a blank there. Of a repeated name the first value counts
    """

    __slots__ = ("_query", "headers", "method", "raw_path", "raw_query", "scheme")

    def __init__(self, scope: Scope) -> None:
        self.method: str = scope["method"]
        raw_path: bytes = scope.get("raw_path") or scope["path"].encode("utf-8")
        self.raw_path = raw_path.decode("latin-1")
        self.raw_query: str = scope["query_string"].decode("latin-1")
        self.scheme: str = scope.get("scheme", "http")
        self.headers = _headers(scope["headers"])
        self._query: dict[str, str] | None = None

    @property
    def query(self) -> dict[str, str]:
        if self._query is None:
            self._query = _first_values(self.raw_query) if self.raw_query else {}
        return self._query

    def header(self, name: str) -> str | None:
        """Returns a header's value; None where it was not sent."""
        return self.headers.get(name)

    def number(self, name: str, default: int, least: int = 0, most: int = 1000) -> int:
        """Returns a query parameter that is a number; larger than `most` is taken as `most`."""
        text = self.query.get(name, "")
        if not text:
            return default
        if not (text.isascii() and text.isdecimal()) or len(text) > 10 or int(text) < least:
            raise invalid_argument(f"{name} is {text[:40]!r}, and not a number of {least} or more.")
        return min(int(text), most)

    def content_length(self) -> int | None:
        """Returns the length that the body's head announces; None for a body in HTTP chunks."""
        text = self.headers.get("content-length")
        if text is None:
            return None
        if not (text.isascii() and text.isdecimal()) or len(text) > 19:
            raise invalid_argument(f"Content-Length is {text[:40]!r}, and not a number.")
        return int(text)


def decoded(text: str) -> str:
    """Decodes a percent-encoded text exactly once. Raises S3Refusal(InvalidURI)."""
    if "%" not in text and text.isascii():
        return text
    try:
        return unquote_to_bytes(text.encode("latin-1", "replace")).decode("utf-8")
    except UnicodeDecodeError:
        raise S3Refusal("InvalidURI", "The URL holds bytes that are not UTF-8.", "Percent-encode UTF-8.") from None


def query_pairs(raw_query: str) -> list[tuple[str, str]]:
    """Splits and decodes a query string, in the order sent."""
    pairs: list[tuple[str, str]] = []
    for part in raw_query.split("&"):
        if part:
            name, _, value = part.partition("=")
            pairs.append((_plain(name), _plain(value)))
    return pairs


def _plain(text: str) -> str:
    if "+" in text:
        text = text.replace("+", " ")
    if "%" in text:
        return decoded(text)
    return text if text.isascii() else decoded(text)


def _first_values(raw_query: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in query_pairs(raw_query):
        found.setdefault(name, value)
    return found


def _headers(raw: list[tuple[bytes, bytes]]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in raw:
        key = name.decode("latin-1")
        text = value.decode("latin-1")
        headers[key] = f"{headers[key]},{text}" if key in headers else text
    return headers

"""Refuses URLs whose text is no UTF-8: frameworks put other letters in its place, and another path would be meant."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from lakegate.errors import ErrorKind, InvalidInput
from lakegate_api.errors import answer_of, error_body


class Utf8Urls:
    """Answers 400 `invalid_path` where the path or query of a URL holds bytes that no text has."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (_is_text(scope.get("raw_path", b"")) and _is_text(scope["query_string"])):
            await self._app(scope, receive, send)
            return
        error = InvalidInput(
            ErrorKind.INVALID_PATH,
            "The URL holds bytes that are no UTF-8.",
            hint="Encode its text as UTF-8, and that with percent signs.",
        )
        await JSONResponse(error_body(error), answer_of(error.kind).status)(scope, receive, send)


def _is_text(encoded: bytes) -> bool:
    if b"%" not in encoded:
        return encoded.isascii()
    try:
        unquote_to_bytes(encoded).decode()
    except UnicodeDecodeError:
        return False
    return True

"""Bounds the bodies that are read whole: all but those of uploads, which are streamed."""

from __future__ import annotations

from contextlib import suppress

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lakegate.errors import ErrorKind, InvalidInput
from lakegate_api.errors import answer_of, error_body

BODY_BYTES = 16 << 20


class BodyLimit:
    """Refuses bodies of more than `BODY_BYTES`, by their declared length or as they arrive."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _is_upload(scope):
            await self._app(scope, receive, send)
            return
        if _declared(scope) > BODY_BYTES:
            await _refuse(scope, receive, send)
            return
        left = BODY_BYTES
        answered = False

        async def bounded() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise _TooLarge
            return message

        async def noted(message: Message) -> None:
            nonlocal answered
            if left >= 0:
                answered = True
                await send(message)

        with suppress(_TooLarge):
            await self._app(scope, bounded, noted)
        if left < 0 and not answered:
            await _refuse(scope, receive, send)


class _TooLarge(Exception):
    """Ends the reading of a body."""


def _is_upload(scope: Scope) -> bool:
    return scope["method"] == "POST" and str(scope["path"]).endswith("/objects")


def _declared(scope: Scope) -> int:
    value = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    return int(value) if value.isdigit() else 0


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    error = InvalidInput(
        ErrorKind.ENTITY_TOO_LARGE,
        f"The body of the request has more than {BODY_BYTES >> 20} MiB.",
        hint="Send it in parts; only the bytes of objects may be larger.",
    )
    headers = {"connection": "close"}
    await JSONResponse(error_body(error), answer_of(error.kind).status, headers)(scope, receive, send)

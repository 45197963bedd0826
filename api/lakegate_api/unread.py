"""Answers that come before the request's body was read leave no byte of it for the next request."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_DRAINED_BYTES = 8 << 20


class CloseUnread:
    """Where an answer begins before the whole body was taken, reads the rest of it, or adds `Connection: close`.

    The rest would else be taken for the next request of a client that keeps its connection. A client that waits for
    `100 Continue` (botocore does) sends no body after a refusal, so its connection ends. Others go on sending,
    and would see a broken connection instead of the answer: up to 8 MiB of theirs are read and dropped first.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _has_body(scope):
            await self._app(scope, receive, send)
            return
        unread, waits = True, _waits(scope)

        async def received() -> Message:
            nonlocal unread, waits
            waits = False
            message = await receive()
            if message["type"] == "http.disconnect" or not message.get("more_body", False):
                unread = False
            return message

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                drained = 0
                while unread and not waits and drained < _DRAINED_BYTES:
                    drained += len((await received()).get("body", b""))
                if unread:
                    message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
            await send(message)

        await self._app(scope, received, sent)


def _has_body(scope: Scope) -> bool:
    for name, value in scope["headers"]:
        if name == b"transfer-encoding" or (name == b"content-length" and value != b"0"):
            return True
    return False


def _waits(scope: Scope) -> bool:
    return any(name == b"expect" and value.lower() == b"100-continue" for name, value in scope["headers"])

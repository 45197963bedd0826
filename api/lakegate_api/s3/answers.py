"""What the gateway answers, and how it is sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from http import HTTPStatus

from starlette.types import Send

XML = "application/xml"


@dataclass(slots=True)
class Answer:
    """A status, headers (names lower-case) and a body: bytes, or a stream of them whose length stands in the
    headers."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    stream: AsyncIterator[bytes] | None = None

    @classmethod
    def xml(cls, body: bytes, status: int = 200) -> Answer:
        """An answer with an XML document."""
        return cls(status, {"content-type": XML}, body)


def encoded(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    """Encodes headers for the wire. A line break can't get through."""
    values = "".join(headers.values())
    if "\n" in values or "\r" in values:
        headers = {name: " ".join(value.splitlines()) for name, value in headers.items()}
    return [(name.encode("latin-1", "replace"), value.encode("utf-8", "replace")) for name, value in headers.items()]


async def send_answer(answer: Answer, send: Send, *, head: bool) -> None:
    """Sends an answer; to a HEAD request without its body."""
    headers = answer.headers
    if answer.stream is None and "content-length" not in headers and answer.status != HTTPStatus.NO_CONTENT:
        headers["content-length"] = "0" if head and not answer.body else str(len(answer.body))
    await send({"type": "http.response.start", "status": answer.status, "headers": encoded(headers)})
    if head or answer.stream is None:
        await send({"type": "http.response.body", "body": b"" if head else answer.body})
        return
    async for piece in answer.stream:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})

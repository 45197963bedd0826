"""Bodies of requests: whole where they are small, in batches where they are streamed."""

from __future__ import annotations

import hashlib

from starlette.types import Receive

from lakegate.errors import ErrorKind, InvalidInput
from lakegate_api.s3 import checksums
from lakegate_api.s3.call import Call
from lakegate_api.s3.declared import Declared, declared_body
from lakegate_api.s3.documents import MAX_BODY_BYTES
from lakegate_api.s3.failures import S3Refusal

BATCH_BYTES = 1 << 20

__all__ = ["BATCH_BYTES", "Body", "Taker", "read_document"]


class Body:
    """The body of one request, as the server hands it over."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.ended = False

    async def batch(self, size: int = BATCH_BYTES) -> bytes:
        """Returns at least `size` bytes, fewer only at the end. Raises InvalidInput(INCOMPLETE_BODY) where the client
        went away."""
        pieces: list[bytes] = []
        held = 0
        while held < size and not self.ended:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise InvalidInput(
                    ErrorKind.INCOMPLETE_BODY, "The body ended before its length.", hint="Send it again, whole."
                )
            piece: bytes = message.get("body", b"")
            if piece:
                pieces.append(piece)
                held += len(piece)
            self.ended = not message.get("more_body", False)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


class Taker:
    """Takes a body's framing off and sums it up, piece by piece."""

    def __init__(self, declared: Declared) -> None:
        self._declared = declared
        self._decoder = declared.decoder
        self._checksum = checksums.new_checksum(declared.algorithm) if declared.is_summed_here else None

    def take(self, data: bytes) -> list[bytes | memoryview]:
        """Returns the plain bytes of the next piece. Raises S3Refusal, AccessDenied."""
        pieces: list[bytes | memoryview] = [data] if self._decoder is None else list(self._decoder.feed(data))
        if self._checksum is not None:
            for piece in pieces:
                self._checksum.update(piece)
        return pieces

    def finish(self) -> dict[str, str]:
        """Checks the framing's end and the checksum, and returns the checksum as the header it is kept as.

        Raises S3Refusal(IncompleteBody, InvalidRequest), InvalidInput(CHECKSUM_MISMATCH).
        """
        wanted = self._declared.checksum
        algorithm = self._declared.algorithm
        if self._decoder is not None:
            self._decoder.finish()
            if algorithm and not wanted:
                wanted = self._decoder.trailers.get(checksums.PREFIX + algorithm, "")
                if not wanted:
                    raise S3Refusal("InvalidRequest", f"The announced trailer with the {algorithm} did not come.")
                checksums.require_form(algorithm, wanted)
        if not algorithm:
            return {}
        if self._checksum is not None:
            checksums.require_equal(algorithm, wanted, checksums.encoded(self._checksum))
        return {checksums.PREFIX + algorithm: wanted}


async def read_document(call: Call, *, checksum: bool = True) -> bytes:
    """Reads a small body whole, and checks all that was declared of it. `checksum` False: one among the headers is not
    that of the body. Raises S3Refusal, InvalidInput."""
    declared = declared_body(call, checksum=checksum)
    length = call.request.content_length()
    if length is not None and length > MAX_BODY_BYTES:
        raise _too_long()
    body = await Body(call.receive).batch(MAX_BODY_BYTES + 1)
    if len(body) > MAX_BODY_BYTES:
        raise _too_long()
    taker = Taker(declared)
    data = b"".join(taker.take(body))
    taker.finish()
    _check(data, declared)
    return data


def _check(data: bytes, declared: Declared) -> None:
    if declared.size is not None and declared.size != len(data):
        raise S3Refusal("IncompleteBody", f"{declared.size} bytes were announced, and {len(data)} came.")
    if declared.sha256 is not None and hashlib.sha256(data).hexdigest() != declared.sha256:
        raise S3Refusal(
            "XAmzContentSHA256Mismatch" if declared.is_payload_hash else "BadDigest",
            "The SHA-256 of the body is not the one that was sent with it.",
            "Send it again.",
        )
    if declared.md5 is not None and hashlib.md5(data, usedforsecurity=False).hexdigest() != declared.md5:
        raise S3Refusal("BadDigest", "The MD5 of the body is not the one in Content-MD5.", "Send it again.")


def _too_long() -> S3Refusal:
    return S3Refusal(
        "MaxMessageLengthExceeded", f"The XML body has more than {MAX_BODY_BYTES} bytes.", "Send several requests."
    )

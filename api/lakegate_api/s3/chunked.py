"""Takes apart the `aws-chunked` encoding of a body: chunks, their signatures, and trailers.

Rules: S3 API reference, "Signature calculations: transferring a payload in multiple chunks" and "... trailing headers".
It is a framing of its own, inside HTTP's chunks where both are used.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass

from lakegate_api.s3.failures import S3Refusal
from lakegate_api.s3.sigv4 import EMPTY_SHA256, Signed, mismatch

SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
MODES = frozenset({SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER})

_MAX_LINE = 4096
_MAX_TRAILERS = 32
_TRAILER_SIGNATURE = "x-amz-trailer-signature"


@dataclass(slots=True)
class _Chain:
    """The chain of chunk signatures: each signs the one before it."""

    signed: Signed
    last: str

    def check_chunk(self, digest: str, signature: str) -> None:
        self._check("AWS4-HMAC-SHA256-PAYLOAD", f"{EMPTY_SHA256}\n{digest}", signature)

    def check_trailer(self, digest: str, signature: str) -> None:
        self._check("AWS4-HMAC-SHA256-TRAILER", digest, signature)

    def _check(self, what: str, tail: str, signature: str) -> None:
        signed = self.signed
        text = f"{what}\n{signed.timestamp}\n{signed.credential.scope}\n{self.last}\n{tail}"
        found = hmac.digest(signed.signing_key, text.encode(), "sha256").hex()
        if not hmac.compare_digest(found.encode(), signature.encode("latin-1", "replace")):
            raise mismatch()
        self.last = found


class ChunkedDecoder:
    """Decodes a body piece by piece, in constant memory: what it yields is vouched for only when `finish` returned.

    trailers  after `finish`: names lower-case
    """

    def __init__(self, mode: str, signed: Signed | None) -> None:
        """`signed` gives the chain's seed for the signed modes. Raises S3Refusal for a signed mode without one."""
        if mode != UNSIGNED_TRAILER and signed is None:
            raise S3Refusal("InvalidRequest", f"{mode} needs a request signed with Signature Version 4.")
        self._chain = _Chain(signed, signed.signature) if signed is not None and mode != UNSIGNED_TRAILER else None
        self._wants_trailer = mode != SIGNED
        self._buffer = bytearray()
        self._left = 0  # bytes of the present chunk still to come
        self._state = _SIZE
        self._chunk_signature = ""
        self._sha256 = hashlib.sha256()
        self._trailer_text = bytearray()
        self._trailer_signature: str | None = None
        self.trailers: dict[str, str] = {}

    def feed(self, data: bytes) -> Iterator[bytes | memoryview]:
        """Takes the next piece of the encoded body and yields decoded pieces. Raises S3Refusal(InvalidRequest,
        IncompleteBody), AccessDenied(SIGNATURE_MISMATCH)."""
        view = memoryview(data)
        while view:
            if self._state == _DATA:
                piece = view[: self._left]
                if self._chain is not None:
                    self._sha256.update(piece)
                self._left -= len(piece)
                view = view[len(piece) :]
                if not self._left:
                    self._state = _DATA_END
                yield piece
                continue
            line, view = self._line(view)
            if line is not None:
                self._take(line)

    def finish(self) -> None:
        """Checks that the body is whole. Raises S3Refusal(IncompleteBody)."""
        if self._state != _END:
            raise S3Refusal("IncompleteBody", "The chunked body ended before its last chunk.", "Send it again.")

    def _line(self, view: memoryview) -> tuple[bytes | None, memoryview]:
        """Takes a line that ends with CRLF; None where its end has not come yet."""
        if self._state == _END:
            raise _broken("holds bytes after its end")
        fresh = bytes(view[: _MAX_LINE + 2])
        before = len(self._buffer)
        self._buffer += fresh
        end = self._buffer.find(b"\r\n")
        if end < 0:
            if len(self._buffer) > _MAX_LINE:
                raise _broken("holds a line that is too long")
            return None, view[len(fresh) :]
        line = bytes(self._buffer[:end])
        self._buffer.clear()
        return line, view[end + 2 - before :]

    def _take(self, line: bytes) -> None:
        if self._state == _SIZE:
            self._take_size(line)
        elif self._state == _DATA_END:
            if line:
                raise _broken("holds more bytes in a chunk than its head says")
            self._close_chunk()
            self._state = _SIZE
        else:
            self._take_trailer(line)

    def _take_size(self, line: bytes) -> None:
        text, _, extension = line.decode("latin-1").partition(";")
        text = text.strip()
        if not text or len(text) > 16 or not all(c in "0123456789abcdefABCDEF" for c in text):
            raise _broken("holds a chunk without a size")
        self._left = int(text, 16)
        name, _, signature = extension.strip().partition("=")
        self._chunk_signature = signature if name == "chunk-signature" else ""
        if self._left:
            self._state = _DATA
            return
        self._close_chunk()
        self._state = _TRAILER

    def _close_chunk(self) -> None:
        if self._chain is not None:
            self._chain.check_chunk(self._sha256.hexdigest(), self._chunk_signature)
            self._sha256 = hashlib.sha256()

    def _take_trailer(self, line: bytes) -> None:
        if not line:
            self._close_trailers()
            self._state = _END
            return
        name, colon, value = line.decode("latin-1").partition(":")
        name, value = name.strip().lower(), value.strip()
        if not colon or not self._wants_trailer or len(self.trailers) >= _MAX_TRAILERS:
            raise _broken("holds a trailer that was not announced")
        if name == _TRAILER_SIGNATURE:
            self._trailer_signature = value
        else:
            self.trailers[name] = value
            self._trailer_text += f"{name}:{value}\n".encode("latin-1")

    def _close_trailers(self) -> None:
        if self._chain is None or not self._wants_trailer:
            return
        if self._trailer_signature is None:
            raise mismatch()
        self._chain.check_trailer(hashlib.sha256(self._trailer_text).hexdigest(), self._trailer_signature)


_SIZE, _DATA, _DATA_END, _TRAILER, _END = range(5)


def _broken(why: str) -> S3Refusal:
    return S3Refusal("InvalidRequest", f"The aws-chunked body {why}.", "Send it as the S3 API describes.")

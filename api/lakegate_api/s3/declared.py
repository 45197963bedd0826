"""What a request declares of its body: length, framing, hashes and checksum."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from lakegate_api.s3 import checksums
from lakegate_api.s3.call import Call
from lakegate_api.s3.chunked import MODES, ChunkedDecoder
from lakegate_api.s3.failures import S3Refusal, invalid_argument
from lakegate_api.s3.sigv4 import UNSIGNED

_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Declared:
    """What stands beside a body.

    size             of the plain bytes
    decoder          takes the aws-chunked framing off; None where there is none
    md5, sha256      hex
    is_payload_hash  the SHA-256 is the signed one of the payload, and not a checksum
    algorithm        of the checksum, "" where none is declared
    checksum         base64; "" where it comes in a trailer
    """

    size: int | None
    decoder: ChunkedDecoder | None
    md5: str | None
    sha256: str | None
    is_payload_hash: bool
    algorithm: str
    checksum: str

    @property
    def is_summed_here(self) -> bool:
        """Tells whether the checksum must be summed: a SHA-256 known before the body is checked with the rest."""
        return bool(self.algorithm) and not (self.algorithm == "sha256" and self.checksum)


def declared_body(call: Call, *, checksum: bool = True) -> Declared:
    """Reads what a request declares of its body; without `checksum`, all but that. Raises S3Refusal."""
    request = call.request
    headers = request.headers
    payload = call.signed.payload if call.signed is not None else headers.get("x-amz-content-sha256", UNSIGNED)
    size = request.content_length()
    decoder = None
    sha256 = None
    if payload in MODES:
        decoder = ChunkedDecoder(payload, call.signed)
        size = _number(headers.get("x-amz-decoded-content-length"))
    elif _HEX.fullmatch(payload):
        sha256 = payload
    elif payload != UNSIGNED:
        raise invalid_argument(
            f"x-amz-content-sha256 is {payload[:80]!r}.", f"Send a SHA-256 in hex, {UNSIGNED} or a STREAMING- mode."
        )
    found = checksums.declared(headers) if checksum else None
    algorithm, value = found or ("", "")
    if checksum and not algorithm and decoder is not None:
        algorithm = checksums.announced(headers) or ""
    is_payload_hash = sha256 is not None
    if algorithm == "sha256" and value:
        given = base64.b64decode(value).hex()
        if sha256 is not None and sha256 != given:
            raise S3Refusal("BadDigest", "x-amz-content-sha256 and x-amz-checksum-sha256 are not the same.")
        sha256 = given
    if algorithm and not value:
        checksums.new_checksum(algorithm)
    return Declared(size, decoder, _md5(headers.get("content-md5")), sha256, is_payload_hash, algorithm, value)


def _md5(header: str | None) -> str | None:
    if header is None:
        return None
    try:
        digest = base64.b64decode(header.encode("latin-1", "replace"), validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != 16:
        raise S3Refusal("InvalidDigest", "Content-MD5 is not base64 of 16 bytes.", "Send its right form.")
    return digest.hex()


def _number(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal()) or len(text) > 19:
        raise invalid_argument(f"x-amz-decoded-content-length is {text[:40]!r}, and not a number.")
    return int(text)

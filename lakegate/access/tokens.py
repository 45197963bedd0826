"""Bearer tokens: signed statements that somebody logged in with an access key, good for some time."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass

from lakegate.errors import AccessDenied, ErrorKind

_FORM = "lg1"


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says.

    fingerprint  of the key's secret: the token ends when the secret is replaced
    expires      seconds since the epoch
    """

    access_key_id: str
    fingerprint: str
    expires: int


def sign(key: bytes, claims: Claims) -> str:
    """Writes a token: `lg1.<claims>.<HMAC-SHA256 of what stands before it>`."""
    body = json.dumps([claims.access_key_id, claims.fingerprint, claims.expires], separators=(",", ":")).encode()
    said = f"{_FORM}.{base64.urlsafe_b64encode(body).rstrip(b'=').decode()}"
    return f"{said}.{_mac(key, said)}"


def read(key: bytes, token: str, now: float) -> Claims:
    """Reads a token. Raises AccessDenied(UNAUTHENTICATED) for a forged one, AccessDenied(REQUEST_EXPIRED)."""
    said, _, mac = token.rpartition(".")
    if not hmac.compare_digest(mac.encode("utf-8", "replace"), _mac(key, said).encode()):
        raise invalid()
    body = said.partition(".")[2]
    claims = Claims(*json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))))
    if claims.expires <= now:
        raise AccessDenied(
            ErrorKind.REQUEST_EXPIRED, "The token has expired.", hint="Log in again: POST /api/v1/auth/login."
        )
    return claims


def fingerprint(key: bytes, secret: str) -> str:
    """Returns a short text that changes with the secret, and tells nothing of it."""
    return hmac.new(key, b"fingerprint\0" + secret.encode(), hashlib.sha256).hexdigest()[:16]


def invalid() -> AccessDenied:
    """Makes the error for a token that this lake did not give, or has taken back."""
    return AccessDenied(
        ErrorKind.UNAUTHENTICATED, "The token is not one of this lake.", hint="Log in again: POST /api/v1/auth/login."
    )


def _mac(key: bytes, said: str) -> str:
    return hmac.new(key, b"token\0" + said.encode("utf-8", "replace"), hashlib.sha256).hexdigest()

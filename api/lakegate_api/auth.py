"""Who asks: HTTP Basic with an access key, or a bearer token from `POST /auth/login`.

Here credentials are only taken out of a request; `lakegate.access` decides.
"""

from __future__ import annotations

import base64
import binascii

from lakegate.access import Authenticator, Principal
from lakegate.errors import AccessDenied, ErrorKind


def principal_of(access: Authenticator, authorization: str | None) -> Principal:
    """Recognises who sent a request by its `Authorization` header. Raises AccessDenied."""
    scheme, _, value = (authorization or "").strip().partition(" ")
    if scheme.lower() == "basic":
        return access.check_basic(*_basic(value.strip()))
    if scheme.lower() == "bearer":
        return access.verify_token(value.strip())
    raise _unauthenticated("The request carries no credentials.")


def _basic(value: str) -> tuple[str, str]:
    try:
        text = base64.b64decode(value, validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        raise _unauthenticated("The Basic credentials are not base64 of UTF-8.") from None
    access_key_id, colon, secret = text.partition(":")
    if not colon:
        raise _unauthenticated("The Basic credentials hold no ':'.")
    return access_key_id, secret


def _unauthenticated(message: str) -> AccessDenied:
    return AccessDenied(
        ErrorKind.UNAUTHENTICATED,
        message,
        hint="Send the access key id and secret as HTTP Basic, or a bearer token from POST /api/v1/auth/login.",
    )

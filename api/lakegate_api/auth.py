"""Who asks: HTTP Basic with an access key, a bearer token from `POST /auth/login`, or the cookie that came with it.

Here credentials are only taken out of a request; `lakegate.access` decides.
"""

from __future__ import annotations

import base64
import binascii
from urllib.parse import urlsplit

from starlette.requests import Request

from lakegate.access import Authenticator, Principal
from lakegate.errors import AccessDenied, ErrorKind

SESSION_COOKIE = "lakegate_session"

_READING = frozenset({"GET", "HEAD", "OPTIONS"})


def principal_of(access: Authenticator, request: Request) -> Principal:
    """Recognises who sent a request: by its `Authorization` header, else by the session cookie. Raises AccessDenied."""
    authorization = request.headers.get("authorization")
    session = request.cookies.get(SESSION_COOKIE)
    if authorization is None and session is not None:
        if request.method not in _READING and not _same_origin(request):
            raise AccessDenied(
                ErrorKind.ACCESS_DENIED,
                "The session cookie came with a change that another site's page asked for.",
                hint="Programs send an access key or a bearer token instead of the cookie.",
            )
        return access.verify_token(session)
    scheme, _, value = (authorization or "").strip().partition(" ")
    if scheme.lower() == "basic":
        return access.check_basic(*_basic(value.strip()))
    if scheme.lower() == "bearer":
        return access.verify_token(value.strip())
    raise _unauthenticated("The request carries no credentials.")


def _same_origin(request: Request) -> bool:
    """Tells whether a page of this server sent the request: browsers attach cookies to other pages' requests too."""
    origin = request.headers.get("origin")
    if origin is not None:
        return urlsplit(origin).netloc == request.headers.get("host")
    return request.headers.get("sec-fetch-site", "none") in ("same-origin", "none")


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
        hint="Send the access key id and secret as HTTP Basic, or a bearer token from POST /api/v1/auth/login; "
        "lakegate's own clients take them from LAKEGATE_ACCESS_KEY_ID and LAKEGATE_SECRET_ACCESS_KEY.",
    )

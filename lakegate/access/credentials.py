"""Access keys as people hold them."""

from __future__ import annotations

import base64
import re
import secrets
from dataclasses import dataclass, field

from lakegate.errors import ErrorKind, InvalidInput

# Both must get through an `Authorization` header: `id:secret` of HTTP Basic, `id/date/...` of SigV4.
_KEY_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{2,127}")
_SECRET = re.compile(r"[\x21-\x7e]{8,128}")


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key. The secret is shown once: the database keeps it encrypted."""

    access_key_id: str
    secret: str = field(repr=False)


def new_credentials() -> Credentials:
    """Makes a random access key: "LG" and 18 characters of base32, with a secret of 40 characters."""
    key_id = base64.b32encode(secrets.token_bytes(12)).decode()[:18]
    return Credentials(f"LG{key_id}", secrets.token_urlsafe(30))


def is_access_key_id(text: str) -> bool:
    """Tells whether `text` has the form of an access key id."""
    return _KEY_ID.fullmatch(text) is not None


def checked(access_key_id: str, secret: str) -> Credentials:
    """Checks a chosen access key. Raises InvalidInput(INVALID_CONFIG)."""
    if not is_access_key_id(access_key_id):
        raise InvalidInput(
            ErrorKind.INVALID_CONFIG,
            f"{access_key_id!r} can't be an access key id.",
            hint="Use 3 to 128 letters, digits, '.', '_' and '-', a letter or digit first.",
        )
    if not _SECRET.fullmatch(secret):
        raise InvalidInput(
            ErrorKind.INVALID_CONFIG,
            "The secret of the access key can't be used.",
            hint="Use 8 to 128 visible ASCII characters without blanks.",
        )
    return Credentials(access_key_id, secret)

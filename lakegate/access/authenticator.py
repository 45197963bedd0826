"""Recognises who asks, by access key or token."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass

from lakegate.access import tokens
from lakegate.access.credentials import is_access_key_id
from lakegate.access.policy import Principal, authorize
from lakegate.access.secret_box import SecretBox
from lakegate.errors import AccessDenied, ErrorKind
from lakegate.metastore.protocol import MetaStore

CACHE_SECONDS = 5.0
TOKEN_SECONDS = 12 * 3600


@dataclass(frozen=True, slots=True)
class _Known:
    principal: Principal
    secret: str
    until: float


class Authenticator:
    """Knows the lake's access keys. What it read of the database it believes for `CACHE_SECONDS`. Thread-safe.

    `clock` tells seconds since the epoch.
    """

    def __init__(self, meta: MetaStore, box: SecretBox, *, clock: Callable[[], float] = time.time) -> None:
        self._meta = meta
        self._box = box
        self._clock = clock
        self._token_key = box.derive("lakegate bearer tokens")
        self._known: dict[str, _Known] = {}

    def secret_of(self, access_key_id: str) -> str:
        """Returns the secret of an access key, to check a signature with. Raises AccessDenied(INVALID_ACCESS_KEY)."""
        return self._find(access_key_id).secret

    def principal_of(self, access_key_id: str) -> Principal:
        """Returns whose an access key is: for a request whose signature was checked with `secret_of`.

        Raises AccessDenied(INVALID_ACCESS_KEY).
        """
        return self._find(access_key_id).principal

    def check_basic(self, access_key_id: str, secret: str) -> Principal:
        """Checks an access key with its secret. Raises AccessDenied(INVALID_ACCESS_KEY), the same for an unknown key
        and for a wrong secret."""
        known = self._find(access_key_id)
        if not hmac.compare_digest(known.secret.encode(), secret.encode("utf-8", "surrogatepass")):
            raise _unknown_key()
        return known.principal

    def issue_token(self, principal: Principal) -> tuple[str, int]:
        """Returns a bearer token, and when it expires (seconds since the epoch)."""
        expires = int(self._clock()) + TOKEN_SECONDS
        mark = tokens.fingerprint(self._token_key, self.secret_of(principal.access_key_id))
        return tokens.sign(self._token_key, tokens.Claims(principal.access_key_id, mark, expires)), expires

    def verify_token(self, token: str) -> Principal:
        """Recognises the bearer of a token. Raises AccessDenied(UNAUTHENTICATED) for one that is forged or whose
        access key is gone or has a new secret, AccessDenied(REQUEST_EXPIRED)."""
        claims = tokens.read(self._token_key, token, self._clock())
        try:
            known = self._find(claims.access_key_id)
        except AccessDenied:
            raise tokens.invalid() from None
        if not hmac.compare_digest(claims.fingerprint, tokens.fingerprint(self._token_key, known.secret)):
            raise tokens.invalid()
        return known.principal

    def authorize(self, principal: Principal | None, action: str, resource: str) -> None:
        """Returns where `principal` may do this; see `lakegate.access.policy.authorize`."""
        authorize(principal, action, resource)

    def forget(self) -> None:
        """Drops what is remembered, so that a changed key counts at once in this process."""
        self._known.clear()

    def _find(self, access_key_id: str) -> _Known:
        known = self._known.get(access_key_id)
        if known is not None and known.until > self._clock():
            return known
        record = self._meta.get_key(access_key_id) if is_access_key_id(access_key_id) else None
        user = self._meta.get_user(record.user) if record is not None else None
        if record is None or user is None:
            self._known.pop(access_key_id, None)
            raise _unknown_key()
        secret = self._box.decrypt(record.secret, access_key_id)
        known = _Known(Principal(user.name, user.admin, access_key_id), secret, self._clock() + CACHE_SECONDS)
        self._known[access_key_id] = known
        return known


def _unknown_key() -> AccessDenied:
    return AccessDenied(
        ErrorKind.INVALID_ACCESS_KEY,
        "The access key is unknown, or its secret is wrong.",
        hint="Use an access key of this lake; `lakegate serve` showed the admin's when it first started.",
    )

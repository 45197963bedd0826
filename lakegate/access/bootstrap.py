"""The first admin of a lake."""

from __future__ import annotations

import logging
import secrets
import time

from lakegate.access.credentials import Credentials, checked, new_credentials
from lakegate.access.secret_box import SecretBox
from lakegate.errors import AlreadyExists, Corrupt, ErrorKind, InvalidInput
from lakegate.metastore.protocol import KeyRecord, MetaStore, UserRecord

ADMIN = "admin"

_log = logging.getLogger(__name__)


def bootstrap_admin(
    meta: MetaStore, box: SecretBox, access_key_id: str | None = None, secret: str | None = None
) -> Credentials | None:
    """Makes the admin with an access key: the given one, or a random one.

    Returns the key; None where the admin had one before. A given key that is not the admin's yet, or has another
    secret, is then added to the admin's keys, and the log says so. Raises InvalidInput(INVALID_CONFIG) for half a key,
    one with characters that don't get through HTTP, or one that belongs to another user.
    """
    given = _given(access_key_id, secret)
    try:
        meta.create_user(UserRecord(ADMIN, True, _now()))
    except AlreadyExists:
        had_one = bool(meta.list_keys(ADMIN))
    else:
        had_one = False
    if had_one:
        if given is not None and not _is_stored(meta, box, given):
            is_new = meta.get_key(given.access_key_id) is None
            _put(meta, box, given)
            _log.warning(
                "The settings give the admin %s; all other keys go on.",
                f"the access key {given.access_key_id}, which was not there before"
                if is_new
                else f"a new secret for the access key {given.access_key_id}: the old secret is refused from now on",
            )
        return None
    made = given or new_credentials()
    _put(meta, box, made)
    return made


def admin_credentials(meta: MetaStore, box: SecretBox) -> Credentials | None:
    """Returns a key of the admin, None where there is none that can be decrypted: for programs that start a server of
    their own for the lake. Who can read the lake's home can do all that the admin can."""
    for record in meta.list_keys(ADMIN):
        try:
            return Credentials(record.access_key_id, box.decrypt(record.secret, record.access_key_id))
        except Corrupt:
            continue  # encrypted by a key file that was lost
    return None


def _given(access_key_id: str | None, secret: str | None) -> Credentials | None:
    if not access_key_id and not secret:
        return None
    if not access_key_id or not secret:
        there, missing = ("access key id", "secret") if access_key_id else ("secret", "access key id")
        raise InvalidInput(
            ErrorKind.INVALID_CONFIG,
            f"The admin's {there} is set, and the {missing} is not.",
            hint="Set both, or none.",
        )
    return checked(access_key_id, secret)


def _is_stored(meta: MetaStore, box: SecretBox, given: Credentials) -> bool:
    record = meta.get_key(given.access_key_id)
    if record is None:
        return False
    if record.user != ADMIN:
        raise InvalidInput(
            ErrorKind.INVALID_CONFIG,
            f"The access key {given.access_key_id!r} belongs to the user {record.user!r}.",
            hint="Choose another access key id for the admin.",
        )
    try:
        return secrets.compare_digest(box.decrypt(record.secret, given.access_key_id), given.secret)
    except Corrupt:
        # The key file was lost: giving the key anew is the way back in.
        return False


def _put(meta: MetaStore, box: SecretBox, key: Credentials) -> None:
    meta.put_key(KeyRecord(key.access_key_id, ADMIN, box.encrypt(key.secret, key.access_key_id), _now()))


def _now() -> int:
    return time.time_ns() // 1_000_000

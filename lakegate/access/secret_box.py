"""Secrets at rest: encrypted with one key, which lies beside the lake's database and not in it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import secrets
from pathlib import Path

from lakegate.errors import Corrupt, ErrorKind, InvalidInput, Unavailable

KEY_FILE = "secret.key"

_KEY_BYTES = 32
_NONCE_BYTES = 12
_VERSION = b"\x01"


class SecretBox:
    """Encrypts secrets with AES-256-GCM. The name that a secret belongs to is bound in, so that one row's secret is
    no use in another row."""

    def __init__(self, key: bytes) -> None:
        """`key` is 32 random bytes. Raises InvalidInput(INVALID_CONFIG)."""
        if len(key) != _KEY_BYTES:
            raise InvalidInput(
                ErrorKind.INVALID_CONFIG,
                f"The encryption key has {len(key)} bytes and not {_KEY_BYTES}.",
                hint="Make one with `openssl rand -base64 32`.",
            )
        self._key = key

    @classmethod
    def of_text(cls, text: str) -> SecretBox:
        """Takes a key as base64 text. Raises InvalidInput(INVALID_CONFIG)."""
        try:
            key = base64.b64decode(text.strip(), validate=True)
        except (binascii.Error, ValueError):
            raise InvalidInput(
                ErrorKind.INVALID_CONFIG,
                "The encryption key is not base64.",
                hint="Make one with `openssl rand -base64 32`.",
            ) from None
        return cls(key)

    @classmethod
    def in_home(cls, home: Path) -> SecretBox:
        """Reads the key file in the lake's home, or makes one that only its owner can read. Where several processes
        make it at once, all end with the same key. Raises Unavailable(STORE_DENIED), InvalidInput(INVALID_CONFIG)."""
        file = home / KEY_FILE
        try:
            if not file.exists():
                _create(file)
            return cls.of_text(file.read_text("ascii"))
        except UnicodeDecodeError:
            raise InvalidInput(
                ErrorKind.INVALID_CONFIG, f"{file} does not hold a key.", hint="Put the file back from a backup."
            ) from None
        except OSError as error:
            raise Unavailable(
                ErrorKind.STORE_DENIED,
                f"The key file {file} can't be used: {error.strerror}.",
                hint="Let the user that runs lakegate read and write it.",
            ) from error

    def encrypt(self, secret: str, name: str) -> bytes:
        """Encrypts the secret of `name`."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + nonce + AESGCM(self._key).encrypt(nonce, secret.encode(), name.encode())

    def decrypt(self, sealed: bytes, name: str) -> str:
        """Decrypts the secret of `name`. Raises Corrupt where it was encrypted with another key or for another."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce, body = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            if sealed[:1] != _VERSION:
                raise ValueError("unknown version")
            return AESGCM(self._key).decrypt(nonce, body, name.encode()).decode()
        except (InvalidTag, ValueError):
            raise Corrupt(
                f"The secret of {name!r} can't be decrypted with this lake's key.",
                hint=f"Put back the file {KEY_FILE} that belongs to this database, or set the access key anew.",
            ) from None

    def derive(self, purpose: str) -> bytes:
        """Returns a key for another purpose (32 bytes), from which this one can't be told."""
        return hmac.new(self._key, purpose.encode(), hashlib.sha256).digest()


def _create(file: Path) -> None:
    draft = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(base64.b64encode(secrets.token_bytes(_KEY_BYTES)) + b"\n")
            out.flush()
            os.fsync(out.fileno())
        try:
            # A link, unlike a rename, never replaces the key that another process made meanwhile.
            os.link(draft, file)
        except FileExistsError:
            return
    finally:
        draft.unlink()
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)

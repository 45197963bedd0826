"""Canonical JSON and SHA-256: what every id of a document is made of."""

from __future__ import annotations

import hashlib
import json
from typing import Any

_encode = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"), check_circular=False
).encode


def canonical_json(value: Any) -> str:
    """Renders a value as canonical JSON: keys in the order of their UTF-8 bytes, no blanks, nothing escaped that JSON
    lets stand, whole numbers only.

    Raises ValueError where the value holds a float or a key that is not a string (two writers could render it
    differently), TypeError for what JSON does not know.
    """
    _check(value)
    return _encode(value)


def canonical_bytes(value: Any) -> bytes:
    """The UTF-8 bytes of canonical JSON: what ids are hashed from. Raises ValueError for lone surrogates too."""
    return canonical_json(value).encode("utf-8")


def parse_json(text: str | bytes) -> Any:
    """Parses JSON, canonical or not. Raises ValueError."""
    return json.loads(text)


def sha256_hex(data: bytes) -> str:
    """SHA-256 as 64 lower-case hex digits."""
    return hashlib.sha256(data).hexdigest()


def _check(value: Any) -> None:
    if isinstance(value, float):
        raise ValueError(f"Canonical JSON has no floats, and {value!r} is one.")
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise ValueError(f"Canonical JSON has string keys, and {key!r} is none.")
            if not isinstance(item, str):
                _check(item)
    elif isinstance(value, list | tuple):
        for item in value:
            if not isinstance(item, str):
                _check(item)

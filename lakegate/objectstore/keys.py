"""The rules of keys, the same for every store."""

from __future__ import annotations

from lakegate.errors import ErrorKind, InvalidInput

# Unfinished files of the local store. They are never listed or read, and no key may take the name.
TEMPORARY_PREFIX = ".lakegate-tmp-"


def check_key(key: str) -> str:
    """Returns a key unchanged where it can't leave the store's root; raises InvalidInput(INVALID_PATH).

    A key has no leading or trailing '/', no empty, '.' or '..' segments and no control characters.
    """
    if key and key.isprintable() and "//" not in key and "/." not in key and key[0] not in "/." and key[-1] != "/":
        return key  # the quick way for nearly all keys
    segments = key.split("/")
    fault = ""
    if any(segment in ("", ".", "..") for segment in segments):
        fault = "has an empty, '.' or '..' segment"
    elif any(ord(c) < 32 or ord(c) == 127 for c in key):
        fault = "holds a control character"
    elif any(segment.startswith(TEMPORARY_PREFIX) for segment in segments):
        fault = f"has a segment that starts with {TEMPORARY_PREFIX!r}"
    if fault:
        raise InvalidInput(
            ErrorKind.INVALID_PATH,
            f"The storage key {key!r} {fault}.",
            hint="Rename the object, or leave it out.",
        )
    return key


def addressable(text: str) -> str:
    """Returns the longest run of whole segments at the start of `text` that can start a key; "" where none can."""
    segments = text.split("/")
    for i, segment in enumerate(segments):
        if segment in ("", ".", "..") or any(ord(c) < 32 or ord(c) == 127 for c in segment):
            return "/".join(segments[:i])
    return text

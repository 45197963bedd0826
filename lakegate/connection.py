"""Opens a lake by its URL."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from lakegate.errors import ErrorKind, InvalidInput, NotOffered
from lakegate.interface import Lake


def connect(url: str | Path, *, actor: str = "embedded", environment: Mapping[str, str] | None = None) -> Lake:
    """Opens the lake in a folder (a path, or `file:///..`). Raises NotFound(LAKE_NOT_FOUND), and NotOffered for the
    URL of a server."""
    text = str(url)
    scheme = urlsplit(text).scheme
    if scheme in ("http", "https"):
        raise NotOffered(f"Lakes behind a server ({text}) are not offered yet.", hint="Open the lake's folder.")
    if scheme not in ("", "file"):
        raise InvalidInput(
            ErrorKind.INVALID_ARGUMENT, f"{text!r} names no lake.", hint="Give the lake's folder, or file:///FOLDER."
        )
    from lakegate.repository import EmbeddedLake

    # What follows the scheme is taken as it is, never percent-decoded: so are all storage URLs of lakegate.
    folder = Path(text.removeprefix("file://"))
    return EmbeddedLake.open(folder, actor=actor, environment=environment)

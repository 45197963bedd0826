"""Files that commands write."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from lakegate.errors import ErrorKind, Refused


def write_file(path: Path, pieces: Iterable[bytes]) -> int:
    """Writes a file that appears whole, or not at all; returns its size. Raises Refused where it can't be written, and
    what making the pieces raises."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            with part.open("wb") as file:
                for piece in pieces:
                    file.write(piece)
                size = file.tell()
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise Refused(
            ErrorKind.INVALID_ARGUMENT,
            f"{path} can't be written: {error.strerror or error}.",
            hint="Name a place in a folder that is there and can be written to.",
        ) from error
    return size

"""A file that hands its bytes on as they are written."""

from __future__ import annotations

import io
from typing import Any


class TakenBytes(io.RawIOBase):
    """A file to be written in order, whose bytes are taken away in between."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []
        self._at = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def write(self, data: Any) -> int:
        piece = bytes(data)
        self._pieces.append(piece)
        self._at += len(piece)
        return len(piece)

    def take(self) -> bytes:
        """The bytes that were written since the last taking."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)

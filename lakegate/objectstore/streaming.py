"""Reads a large object piece by piece, with the next pieces under way, and holds what was read against its digest."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from lakegate.errors import Corrupt
from lakegate.model import Entry
from lakegate.objectstore.protocol import ObjectSource

PIECE_BYTES = 8 << 20
_AHEAD = 3


def pieces(store: ObjectSource, key: str, size: int) -> Iterator[bytes]:
    """Yields the first `size` bytes of an object in pieces of 8 MiB. Memory: a few pieces.

    Raises what `get_range` raises: NotFound, and Corrupt where the object is shorter.
    """
    spans = [(start, min(PIECE_BYTES, size - start)) for start in range(0, size, PIECE_BYTES)]
    if store.is_local or len(spans) == 1:
        for start, length in spans:
            yield store.get_range(key, start, length)
        return
    with ThreadPoolExecutor(_AHEAD, thread_name_prefix="lakegate-read") as pool:
        waiting: deque[Future[bytes]] = deque()
        try:
            for start, length in spans:
                waiting.append(pool.submit(store.get_range, key, start, length))
                if len(waiting) >= _AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def verified(entry: Entry, found: Iterable[bytes]) -> Iterator[bytes]:
    """Yields an object's bytes on their way to where nobody compares them any more. Raises Corrupt at their end where
    they are not those that its digest names; what was imported without one passes."""
    algorithm, _, wanted = (entry.digest or "").partition(":")
    digest = hashlib.new(algorithm) if wanted else None
    for piece in found:
        if digest is not None:
            digest.update(piece)
        yield piece
    if digest is not None and digest.hexdigest() != wanted:
        raise Corrupt(
            f"The bytes of {entry.path!r} at {entry.address!r} are not those that were written.",
            hint="They were changed outside lakegate; run `lakegate verify --deep` to see what else is damaged.",
            details={"path": entry.path, "address": entry.address},
        )

"""Reads a large object piece by piece, with the next pieces under way."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

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

"""Runs the library's synchronous calls beside the event loop.

A hop to a thread and back costs more than a look-up in SQLite or in a cached tree node, so that what is known to be
quick is called in place, and all else in a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

_THREADS = 40


class Threads:
    """The gateway's threads. They never wait for a client, so that a few are enough."""

    def __init__(self, count: int = _THREADS) -> None:
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="lakegate-s3")

    def start(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Starts a call in a thread."""
        return asyncio.get_running_loop().run_in_executor(self._pool, work)

    async def run(self, work: Callable[[], T]) -> T:
        """Makes a call in a thread. Once begun it runs to its end, also where the request is cancelled meanwhile."""
        return await self.start(work)

"""A bounded cache in memory that forgets what was used longest ago."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Cache(Generic[K, V]):
    """Values by key, bounded by the sum of their weights. Thread-safe.

    What is put in passing (`scan`) takes a quarter of the room at most, and never more than `passing`: reading a whole
    tree once does not displace what is looked up again and again. A scanned value that is looked up moves over.
    """

    def __init__(self, capacity: int, weigh: Callable[[V], int], *, passing: int | None = None) -> None:
        self._weigh = weigh
        self._lock = threading.Lock()
        self._kept = _Part[K, V]()
        self._passing = _Part[K, V]()
        self._capacity = capacity
        self._for_passing = capacity // 4 if passing is None else min(passing, capacity // 4)

    def get(self, key: K, *, scan: bool = False) -> V | None:
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                return found
            found = self._passing.get(key)
            if found is not None and not scan:
                weight = self._passing.remove(key)
                self._keep(key, found, weight)
            return found

    def put(self, key: K, value: V, *, scan: bool = False) -> None:
        weight = self._weigh(value)
        with self._lock:
            if key in self._kept or weight > self._capacity // 4:
                return
            if scan:
                self._passing.put(key, value, weight)
                self._passing.shrink(self._for_passing)
                self._kept.shrink(self._capacity - self._passing.weight)
            else:
                if key in self._passing:
                    self._passing.remove(key)
                self._keep(key, value, weight)

    @property
    def weight(self) -> int:
        with self._lock:
            return self._kept.weight + self._passing.weight

    def _keep(self, key: K, value: V, weight: int) -> None:
        self._kept.put(key, value, weight)
        self._kept.shrink(self._capacity - self._passing.weight)


class _Part(Generic[K, V]):
    """Values in the order of their last use."""

    def __init__(self) -> None:
        self._items: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self.weight = 0

    def __contains__(self, key: K) -> bool:
        return key in self._items

    def get(self, key: K) -> V | None:
        item = self._items.get(key)
        if item is None:
            return None
        self._items.move_to_end(key)
        return item[0]

    def put(self, key: K, value: V, weight: int) -> None:
        if key in self._items:
            self.remove(key)
        self._items[key] = (value, weight)
        self.weight += weight

    def remove(self, key: K) -> int:
        _, weight = self._items.pop(key)
        self.weight -= weight
        return weight

    def shrink(self, capacity: int) -> None:
        """Forgets what was used longest ago until the rest fits."""
        while self.weight > capacity:
            _, (_, weight) = self._items.popitem(last=False)
            self.weight -= weight

"""Walks in the order of paths that step over whole folders."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")

_NEAR = 4  # items of a folder that are passed one by one before the rest is stepped over
_LAST = "\U0010ffff"


def leaping(
    source: Callable[[str], Iterator[T]], folder_of: Callable[[T], str | None], after: str = "", seen: str | None = None
) -> Iterator[tuple[T, str | None]]:
    """Yields what `source` yields after a path, each item with its folder; of the items of one folder the first only.
    The rest is stepped over: `source` is called anew behind it.

    folder_of  the folder that an item stands for, None where for itself; all paths that start with it lie in it
    seen       a folder whose first item was yielded before
    """
    if seen is not None:
        after = max(after, seen + _LAST)
    while True:
        passed = 0
        for item in source(after):
            folder = folder_of(item)
            if folder is None:
                yield item, None
            elif folder != seen:
                yield item, folder
                seen, passed = folder, 0
            else:
                passed += 1
                # Names that begin with the last character lie behind any place that can be named: they are passed.
                if passed >= _NEAR and after < folder + _LAST:
                    after = folder + _LAST
                    break
        else:
            return

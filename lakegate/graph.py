"""History as a graph of commits, over a function that gets a commit by id.

A commit's generation is one more than the highest of its parents' (1 without parents), so that a walk by descending
generation meets every commit after all of its descendants.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator

from lakegate.ids import CommitId
from lakegate.model import Commit

Getter = Callable[[CommitId], Commit]

_Key = tuple[int, int, CommitId]


def walk(getter: Getter, heads: Iterable[CommitId], first_parent: bool = False) -> Iterator[Commit]:
    """Yields the heads and all their ancestors, each once, newest first: by generation, then by time, then by id.

    Lazy; memory is in proportion to the lines of history that run beside each other, not to their length.
    `first_parent` follows only the first parent of each commit.
    """
    frontier = _Frontier(getter, heads)
    while (commit := frontier.pop()) is not None:
        yield commit
        frontier.add(commit.parents[:1] if first_parent else commit.parents)


def is_ancestor(getter: Getter, ancestor: CommitId, descendant: CommitId) -> bool:
    """Tells whether one commit is another, or an ancestor of it."""
    if ancestor == descendant:
        return True
    floor = getter(ancestor).generation
    frontier = _Frontier(getter, (descendant,))
    while (commit := frontier.pop()) is not None:
        if commit.id == ancestor:
            return True
        if commit.generation <= floor:
            continue
        frontier.add(commit.parents)
    return False


def merge_base(getter: Getter, left: CommitId, right: CommitId) -> CommitId | None:
    """The best common ancestor of two commits: none of its descendants is one. None where they have no history in
    common. Of several best ones (after criss-cross merges) the newest: by generation, then by time, then by id."""
    frontier = _Frontier(getter, (left, right))
    reached: dict[CommitId, int] = {left: 1}
    reached[right] = reached.get(right, 0) | 2
    while (commit := frontier.pop()) is not None:
        sides = reached.pop(commit.id)
        if sides == 3:
            return commit.id
        for parent in commit.parents:
            reached[parent] = reached.get(parent, 0) | sides
        frontier.add(commit.parents)
    return None


class _Frontier:
    """Commits to visit, each once, newest first."""

    def __init__(self, getter: Getter, heads: Iterable[CommitId]) -> None:
        self._getter = getter
        self._heap: list[tuple[_Key, Commit]] = []
        self._waiting: set[CommitId] = set()
        self.add(heads)

    def add(self, commits: Iterable[CommitId]) -> None:
        for commit_id in commits:
            if commit_id not in self._waiting:
                commit = self._getter(commit_id)
                self._waiting.add(commit_id)
                heapq.heappush(self._heap, ((-commit.generation, -commit.created, commit_id), commit))

    def pop(self) -> Commit | None:
        if not self._heap:
            return None
        _, commit = heapq.heappop(self._heap)
        self._waiting.discard(commit.id)
        return commit

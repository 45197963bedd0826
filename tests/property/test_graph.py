"""History: walks, ancestry and merge bases, against brute force on random graphs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakegate.graph import is_ancestor, merge_base, walk
from lakegate.ids import CommitId, ManifestId
from lakegate.model import Commit

History = dict[CommitId, Commit]


def history(parents: list[tuple[int, ...]], times: list[int] | None = None) -> History:
    """Commit n has the parents given for it, all below n."""
    commits: History = {}
    for number, ids in enumerate(parents):
        up = tuple(name(parent) for parent in ids)
        generation = 1 + max((commits[parent].generation for parent in up), default=0)
        created = times[number] if times else number
        commits[name(number)] = Commit(name(number), up, ManifestId(""), "", "", created, {}, generation)
    return commits


def name(number: int) -> CommitId:
    return CommitId(f"{number:03}")


def getter(commits: History, asked: list[CommitId] | None = None) -> Callable[[CommitId], Commit]:
    def get(commit: CommitId) -> Commit:
        if asked is not None:
            asked.append(commit)
        return commits[commit]

    return get


def ancestors(commits: History, *heads: CommitId) -> set[CommitId]:
    found: set[CommitId] = set()
    waiting = list(heads)
    while waiting:
        commit = waiting.pop()
        if commit not in found:
            found.add(commit)
            waiting.extend(commits[commit].parents)
    return found


@st.composite
def histories(draw: st.DrawFn) -> History:
    count = draw(st.integers(1, 12))
    parents = [
        tuple(draw(st.lists(st.integers(0, number - 1), max_size=3, unique=True))) if number else ()
        for number in range(count)
    ]
    return history(parents, draw(st.lists(st.integers(0, 5), min_size=count, max_size=count)))


@settings(deadline=None)
@given(histories(), st.data())
def test_a_walk_meets_every_ancestor_once_after_its_descendants(commits: History, data: st.DataObject) -> None:
    heads = data.draw(st.lists(st.sampled_from(sorted(commits)), min_size=1, max_size=3))
    walked = list(walk(getter(commits), heads))
    order = [commit.id for commit in walked]
    assert len(order) == len(set(order))
    assert set(order) == ancestors(commits, *heads)
    assert all(order.index(parent) > order.index(c.id) for c in walked for parent in c.parents)
    keys = [(-c.generation, -c.created, c.id) for c in walked]
    assert keys == sorted(keys)


@settings(deadline=None)
@given(histories(), st.data())
def test_ancestry_and_merge_base_by_brute_force(commits: History, data: st.DataObject) -> None:
    left = data.draw(st.sampled_from(sorted(commits)))
    right = data.draw(st.sampled_from(sorted(commits)))
    assert is_ancestor(getter(commits), left, right) == (left in ancestors(commits, right))
    common = ancestors(commits, left) & ancestors(commits, right)
    best = {c for c in common if not any(c != other and c in ancestors(commits, other) for other in common)}
    found = merge_base(getter(commits), left, right)
    assert found == merge_base(getter(commits), right, left)
    if not common:
        assert found is None
    else:
        assert found in best
        newest = max(best, key=lambda c: (commits[c].generation, commits[c].created, [-ord(x) for x in c]))
        assert found == newest


def test_first_parents_only() -> None:
    commits = history([(), (0,), (0,), (1, 2), (3,)])
    assert [c.id for c in walk(getter(commits), [name(4)], first_parent=True)] == ["004", "003", "001", "000"]


def test_criss_cross_takes_the_newest() -> None:
    #     0 - 1 - 3     3 merges 2, 4 merges 1
    #      \- 2 - 4
    commits = history([(), (0,), (0,), (1, 2), (2, 1)])
    assert merge_base(getter(commits), name(3), name(4)) == name(2)


def test_no_common_history() -> None:
    commits = history([(), ()])
    assert merge_base(getter(commits), name(0), name(1)) is None


@pytest.mark.parametrize("work", ["walk", "ancestor", "base"])
def test_only_the_history_that_is_needed_is_read(work: str) -> None:
    commits = history([(), *((number,) for number in range(999))])
    asked: list[CommitId] = []
    if work == "walk":
        assert next(walk(getter(commits, asked), [name(999)])).id == name(999)
    elif work == "ancestor":
        assert is_ancestor(getter(commits, asked), name(990), name(999))
        assert not is_ancestor(getter(commits, asked), name(999), name(990))
    else:
        assert merge_base(getter(commits, asked), name(999), name(990)) == name(990)
    assert len(asked) < 30

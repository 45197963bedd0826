"""A walk that leaps over folders shows what a walk through them would show."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lakegate.ids import prefix_end
from lakegate.tree import leaping

LAST = "\U0010ffff"
PATHS = st.lists(st.text(f"a/b{LAST}", max_size=6), max_size=40)


def folder_of(path: str) -> str | None:
    folder, slash, _ = path.partition("/")
    return folder + slash if slash else None


@given(PATHS, st.text(f"a/b{LAST}", max_size=3))
def test_each_folder_is_shown_once(paths: list[str], after: str) -> None:
    ordered = sorted(set(paths))
    expected: list[tuple[str, str | None]] = []
    for path in ordered:
        folder = folder_of(path)
        if path > after and (folder is None or folder not in {found for _, found in expected}):
            expected.append((path, folder))
    assert list(leaping(lambda start: (path for path in ordered if path > start), folder_of, after)) == expected


@given(PATHS, st.sampled_from(["a/", "b/", f"{LAST}/", f"a{LAST}/"]))
def test_a_folder_that_was_shown_is_passed(paths: list[str], folder: str) -> None:
    ordered = sorted(set(paths))
    end = prefix_end(folder)
    assert end is not None
    found = leaping(lambda start: (path for path in ordered if path > start), folder_of, folder, folder)
    behind = leaping(lambda start: (path for path in ordered if path >= max(end, start)), folder_of)
    assert list(found) == list(behind)

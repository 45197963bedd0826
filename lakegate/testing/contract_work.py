"""What the contract suites share: small writes, reading a ref whole, and refusals seen whole.

The suites hold what `lakegate.interface` promises. A test class inherits a suite and gives it the fixtures `lake` (a
`Lake`) and `repo` (a `Repository` that nothing was written to, with the default branch `main`).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import TypeVar

import pytest

from lakegate.errors import ErrorKind, LakegateError
from lakegate.interface import Repository
from lakegate.model import Commit, CommitRequest, ListRequest, Page

T = TypeVar("T")


def fresh_name(prefix: str = "repo") -> str:
    """A name that no repository has."""
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


def commit(repo: Repository, branch: str, files: Mapping[str, str | None], message: str = "change") -> Commit:
    """Puts these texts (None: deletes the path), and commits."""
    for path, text in files.items():
        if text is None:
            repo.delete(branch, path)
        else:
            repo.put(branch, path, text.encode())
    return repo.commit(branch, CommitRequest(message))


def content(repo: Repository, ref: str, prefix: str = "") -> dict[str, str]:
    """All objects at a ref as text, by path."""
    entries = repo.list(ref, ListRequest(prefix=prefix, amount=1000)).items
    return {item.path: repo.open(ref, item.path).read().decode() for item in entries}


def all_pages(page: Callable[[str], Page[T]]) -> list[T]:
    """The items of all pages; `page` asks for the one after a key."""
    items: list[T] = []
    after = ""
    while True:
        found = page(after)
        items += found.items
        if not found.has_more:
            return items
        assert found.items, "a page that has more after it must not be empty"
        after = found.next_after


@contextmanager
def refused(error: type[LakegateError], kind: ErrorKind) -> Generator[None]:
    """Asserts that the block raises exactly this class and kind, with a message and what to do next."""
    with pytest.raises(LakegateError) as caught:
        yield
    assert (type(caught.value), caught.value.kind) == (error, kind), repr(caught.value)
    assert caught.value.message
    assert caught.value.hint
    assert caught.value.hint not in caught.value.message

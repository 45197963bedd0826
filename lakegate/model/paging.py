"""Pages of listings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from lakegate.errors import ErrorKind, InvalidInput

MAX_PAGE = 1000

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a listing. `next_after` is what to send as `after` for the next page, "" where there is none."""

    items: tuple[T, ...]
    next_after: str = ""

    @property
    def has_more(self) -> bool:
        return self.next_after != ""


@dataclass(frozen=True, slots=True)
class ListRequest:
    """`after` is exclusive and any string; `amount` at most 1,000 (larger is taken as 1,000)."""

    prefix: str = ""
    after: str = ""
    amount: int = 100
    delimiter: str = ""


def page_amount(amount: int) -> int:
    """Checks how many items a page was asked to have: at most MAX_PAGE. Raises InvalidInput(INVALID_ARGUMENT)."""
    if amount < 0:
        raise InvalidInput(ErrorKind.INVALID_ARGUMENT, f"An amount can't be {amount}.", hint="Ask for 0 to 1,000.")
    return min(amount, MAX_PAGE)


def page_of(items: Sequence[T], amount: int, key: Callable[[T], str]) -> Page[T]:
    """Makes a page of at most `amount` items from a sequence that holds one more where there is more."""
    if len(items) > amount:
        kept = tuple(items[:amount])
        return Page(kept, key(kept[-1]) if kept else "")
    return Page(tuple(items))

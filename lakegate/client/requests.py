"""What all requests about one repository share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar

from lakegate.client.http import Http, Query, Sent, url_path
from lakegate.client.wire.nouns import page_from_json
from lakegate.errors import NotOffered
from lakegate.model import ListRequest, Page, RepositoryInfo, page_amount

T = TypeVar("T")


class Requests:
    """Sends requests about one repository."""

    def __init__(self, http: Http, info: RepositoryInfo) -> None:
        self.http = http
        self._info = info

    @property
    def info(self) -> RepositoryInfo:
        return self._info

    def path(self, *segments: str) -> str:
        """The path of a route below the repository."""
        return url_path("repositories", self._info.name, *segments)

    def get(self, segments: Sequence[str], reader: Callable[[Any], T], query: Query | None = None) -> T:
        """Reads a route: what `reader` makes of its JSON."""
        return self.http.read("GET", self.path(*segments), reader, Sent(query))

    def page(self, segments: Sequence[str], reader: Callable[[Any], T], query: Query) -> Page[T]:
        """Reads one page of a route that lists."""
        amount = page_amount(query["amount"])
        # The API takes an amount of 0 as none given.
        page = self.get(segments, lambda body: page_from_json(body, reader), {**query, "amount": max(1, amount)})
        return page if amount else Page(())

    def some(self, segments: Sequence[str], reader: Callable[[Any], T], amount: int) -> tuple[T, ...]:
        """Reads the first items of a route that lists without pages."""
        amount = page_amount(amount)
        return self.get(segments, lambda body: results(body, reader), {"amount": max(1, amount)})[:amount]

    def post(self, segments: Sequence[str], reader: Callable[[Any], T], body: Any, repeatable: bool = False) -> T:
        """Posts JSON to a route, and returns what `reader` makes of the JSON of the answer."""
        return self.http.read("POST", self.path(*segments), reader, Sent(json=body, repeatable=repeatable))


def listing(request: ListRequest) -> dict[str, str | int | bool]:
    """The query of a paged listing."""
    return {
        "prefix": request.prefix,
        "after": request.after,
        "amount": request.amount,
        "delimiter": request.delimiter,
    }


def results(body: Any, reader: Callable[[Any], T]) -> tuple[T, ...]:
    """Reads a list answer that comes whole."""
    return tuple(reader(item) for item in body["results"])


def use_the_gateway(what: str) -> NoReturn:
    """Refuses what only the S3 gateway offers."""
    raise NotOffered(
        f"{what} not offered over the REST API.", hint="Use the S3 gateway at the same address, with any S3 client."
    )

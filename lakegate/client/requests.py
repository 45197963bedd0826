"""What all requests about one repository share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from lakegate.client.http import Http, Query, Sent, url_path
from lakegate.errors import NotOffered
from lakegate.model import ListRequest, RepositoryInfo


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

    def get(self, segments: Sequence[str], query: Query | None = None) -> Any:
        """Reads a route's JSON."""
        return self.http.json("GET", self.path(*segments), Sent(query))

    def post(self, segments: Sequence[str], body: Any, query: Query | None = None) -> Any:
        """Posts JSON to a route, and returns the JSON of the answer."""
        return self.http.json("POST", self.path(*segments), Sent(query, body))


def listing(request: ListRequest) -> dict[str, str | int | bool]:
    """The query of a paged listing."""
    return {
        "prefix": request.prefix,
        "after": request.after,
        "amount": request.amount,
        "delimiter": request.delimiter,
    }


def use_the_gateway(what: str) -> NoReturn:
    """Refuses what only the S3 gateway offers."""
    raise NotOffered(
        f"{what} not offered over the REST API.", hint="Use the S3 gateway at the same address, with any S3 client."
    )

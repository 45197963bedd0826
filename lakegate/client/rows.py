"""Rows of tables of a repository behind a server."""

from __future__ import annotations

from collections.abc import Iterator

from lakegate.client import names
from lakegate.client.http import Query, Sent
from lakegate.client.requests import Requests, results
from lakegate.client.wire import rows
from lakegate.model import (
    MAX_PAGE,
    PartitionDiff,
    Resolution,
    RowDiff,
    RowDiffRequest,
    RowFormat,
    TableProfile,
    page_amount,
)

_PIECE_BYTES = 1 << 20


class RowRequests(Requests):
    """The methods of `lakegate.interface.Repository` for rows."""

    def table_partitions(self, left: str, right: str, path: str, amount: int = 1000) -> tuple[PartitionDiff, ...]:
        amount = page_amount(amount)
        query = {"table": names.table(path), "amount": max(1, amount)}
        route = (*_between(left, right), "partitions")
        return self.get(route, lambda body: results(body, rows.partition_diff_from_json), query)[:amount]

    def table_profile(self, left: str, right: str, path: str) -> TableProfile:
        return self.get((*_between(left, right), "profile"), rows.profile_from_json, {"table": names.table(path)})

    def row_diff(self, left: str, right: str, request: RowDiffRequest) -> RowDiff:
        query = {**_asked(request), "limit": min(request.limit, MAX_PAGE)}
        return self.get((*_between(left, right), "rows"), rows.row_diff_from_json, query)

    def row_diff_file(self, left: str, right: str, request: RowDiffRequest, form: RowFormat) -> Iterator[bytes]:
        return self._file((*_between(left, right), "rows", "file"), {**_asked(request), "format": form.value})

    def row_conflicts_file(
        self, source: str, destination: str, resolution: Resolution, form: RowFormat
    ) -> Iterator[bytes]:
        query = {"table": names.table(resolution.path), "key": list(resolution.key), "format": form.value}
        if resolution.prefer is not None:
            query["prefer"] = resolution.prefer.value
        if resolution.newest is not None:
            query["newest"] = resolution.newest
        return self._file(("refs", names.ref(source), "merge", names.branch(destination), "rows"), query)

    def _file(self, route: tuple[str, ...], query: Query) -> Iterator[bytes]:
        """Asks for a file, and yields it as it comes. A refusal is raised here, before the first bytes."""
        pieces = self._pieces(route, query)
        next(pieces)
        return pieces

    def _pieces(self, route: tuple[str, ...], query: Query) -> Iterator[bytes]:
        # Begun by its maker, so that the connection goes back also where nobody reads what was asked for.
        with self.http.stream("GET", self.path(*route), Sent(query)) as response:
            yield b""
            yield from response.iter_raw(_PIECE_BYTES)


def _between(left: str, right: str) -> tuple[str, str, str, str]:
    return "refs", names.ref(left), "diff", names.ref(right)


def _asked(request: RowDiffRequest) -> dict[str, object]:
    return {"table": names.table(request.table), "key": list(request.key)}

"""Rows of tables of a repository behind a server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NoReturn

from lakegate.client.requests import Requests
from lakegate.errors import NotOffered
from lakegate.model import PartitionDiff, Resolution, RowDiff, RowDiffRequest, RowFormat, TableProfile


class RowRequests(Requests):
    """The methods of `lakegate.interface.Repository` for rows."""

    def table_partitions(self, left: str, right: str, path: str, amount: int = 1000) -> tuple[PartitionDiff, ...]:
        _not_offered()

    def table_profile(self, left: str, right: str, path: str) -> TableProfile:
        _not_offered()

    def row_diff(self, left: str, right: str, request: RowDiffRequest) -> RowDiff:
        _not_offered()

    def row_diff_file(self, left: str, right: str, request: RowDiffRequest, form: RowFormat) -> Iterator[bytes]:
        _not_offered()

    def row_conflicts_file(
        self, source: str, destination: str, resolution: Resolution, form: RowFormat
    ) -> Iterator[bytes]:
        _not_offered()


def _not_offered() -> NoReturn:
    raise NotOffered(
        "Comparing rows is not offered over HTTP.", hint="Open the lake's folder, or read both refs by the S3 gateway."
    )

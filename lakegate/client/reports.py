"""Tables and pins of a repository behind a server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lakegate.client import names
from lakegate.client.requests import Requests, results, use_the_gateway
from lakegate.client.wire import tables, work
from lakegate.ids import HoldId
from lakegate.model import (
    FileEntry,
    Hold,
    Page,
    PinDocument,
    TableDiff,
    TableHistoryItem,
    TablePreview,
    TableVersion,
    page_amount,
)

if TYPE_CHECKING:
    import pyarrow.dataset as pads


class ReportRequests(Requests):
    """The methods of `lakegate.interface.Repository` for tables and pins."""

    def tables(self, ref: str, prefix: str = "", after: str = "", amount: int = 100) -> Page[TableVersion]:
        query = {"prefix": prefix, "after": after, "amount": amount}
        return self.page(("refs", names.ref(ref), "tables"), tables.table_from_json, query)

    def table(self, ref: str, path: str) -> TableVersion:
        return self.get(("refs", names.ref(ref), "tables", names.table(path)), tables.table_from_json)

    def table_files(self, ref: str, path: str, after: str = "", amount: int = 100) -> Page[FileEntry]:
        route = ("refs", names.ref(ref), "tables", names.table(path), "files")
        return self.page(route, tables.file_from_json, {"after": after, "amount": amount})

    def table_history(self, ref: str, path: str, amount: int = 100) -> tuple[TableHistoryItem, ...]:
        route = ("refs", names.ref(ref), "tables", names.table(path), "history")
        return self.some(route, tables.history_item_from_json, amount)

    def table_preview(self, ref: str, path: str, limit: int = 20) -> TablePreview:
        route = ("refs", names.ref(ref), "tables", names.table(path), "preview")
        return self.get(route, tables.preview_from_json, {"limit": page_amount(limit)})

    def table_diff(
        self, left: str, right: str, prefix: str = "", after: str = "", amount: int = 100
    ) -> Page[TableDiff]:
        route = ("refs", names.ref(left), "diff", names.ref(right), "tables")
        return self.page(route, tables.table_diff_from_json, {"prefix": prefix, "after": after, "amount": amount})

    def uncommitted_tables(self, branch: str, prefix: str = "", after: str = "", amount: int = 100) -> Page[TableDiff]:
        route = ("branches", names.branch(branch), "diff", "tables")
        return self.page(route, tables.table_diff_from_json, {"prefix": prefix, "after": after, "amount": amount})

    def read_table(self, ref: str, path: str) -> pads.Dataset:
        use_the_gateway("Reading tables past the S3 gateway is")

    def pin(self, ref: str, tables: Sequence[str] = (), hold: str | None = None) -> PinDocument:
        route = ("refs", names.ref(ref), "pin")
        if hold is None:
            return self.get(route, work.pin_from_json, {"table": list(tables)})
        # The same hold taken twice is one hold.
        return self.post(route, work.pin_from_json, {"hold": hold, "tables": list(tables)}, repeatable=True)

    def holds(self) -> tuple[Hold, ...]:
        return self.get(("holds",), lambda body: results(body, work.hold_from_json))

    def release_hold(self, hold: HoldId) -> None:
        self.http.send("DELETE", self.path("holds", names.hold(hold)))

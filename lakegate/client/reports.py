"""Tables, pins and verification of a repository behind a server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lakegate.client import names
from lakegate.client.requests import Requests, use_the_gateway
from lakegate.client.wire import nouns, outcomes, tables, work
from lakegate.ids import HoldId
from lakegate.model import (
    FileEntry,
    Hold,
    Page,
    PinDocument,
    Progress,
    TableDiff,
    TableHistoryItem,
    TablePreview,
    TableVersion,
    VerifyOutcome,
)

if TYPE_CHECKING:
    import pyarrow.dataset as pads


class ReportRequests(Requests):
    """The methods of `lakegate.interface.Repository` for tables, pins and verification."""

    def tables(self, ref: str, prefix: str = "", after: str = "", amount: int = 100) -> Page[TableVersion]:
        body = self.get(("refs", names.ref(ref), "tables"), {"prefix": prefix, "after": after, "amount": amount})
        return nouns.page_from_json(body, tables.table_from_json)

    def table(self, ref: str, path: str) -> TableVersion:
        return tables.table_from_json(self.get(("refs", names.ref(ref), "tables", names.table(path))))

    def table_files(self, ref: str, path: str, after: str = "", amount: int = 100) -> Page[FileEntry]:
        route = ("refs", names.ref(ref), "tables", names.table(path), "files")
        return nouns.page_from_json(self.get(route, {"after": after, "amount": amount}), tables.file_from_json)

    def table_history(self, ref: str, path: str, amount: int = 100) -> tuple[TableHistoryItem, ...]:
        route = ("refs", names.ref(ref), "tables", names.table(path), "history")
        return tuple(tables.history_item_from_json(item) for item in self.get(route, {"amount": amount})["results"])

    def table_preview(self, ref: str, path: str, limit: int = 20) -> TablePreview:
        route = ("refs", names.ref(ref), "tables", names.table(path), "preview")
        return tables.preview_from_json(self.get(route, {"limit": limit}))

    def table_diff(
        self, left: str, right: str, prefix: str = "", after: str = "", amount: int = 100
    ) -> Page[TableDiff]:
        route = ("refs", names.ref(left), "diff", names.ref(right), "tables")
        body = self.get(route, {"prefix": prefix, "after": after, "amount": amount})
        return nouns.page_from_json(body, tables.table_diff_from_json)

    def read_table(self, ref: str, path: str) -> pads.Dataset:
        use_the_gateway("Reading tables past the S3 gateway is")

    def pin(self, ref: str, tables: Sequence[str] = (), hold: str | None = None) -> PinDocument:
        route = ("refs", names.ref(ref), "pin")
        if hold is None:
            return work.pin_from_json(self.get(route, {"table": list(tables)}))
        return work.pin_from_json(self.post(route, {"hold": hold, "tables": list(tables)}))

    def holds(self) -> tuple[Hold, ...]:
        return tuple(work.hold_from_json(hold) for hold in self.get(("holds",))["results"])

    def release_hold(self, hold: HoldId) -> None:
        self.http.send("DELETE", self.path("holds", names.hold(hold)))

    def verify(
        self, ref: str, deep: bool = False, tables: Sequence[str] = (), progress: Progress | None = None
    ) -> VerifyOutcome:
        body = self.post(("refs", names.ref(ref), "verify"), {"deep": deep, "tables": list(tables)})
        return outcomes.verify_from_json(body)

"""Table versions: listing, showing, files, rows, history, differences."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from lakegate.client.wire.nouns import page_to_json
from lakegate.client.wire.tables import (
    file_to_json,
    history_item_to_json,
    preview_to_json,
    table_diff_to_json,
    table_to_json,
)
from lakegate_api.rest.calls import DEFAULT_AMOUNT, After, Amount, Call, Listing, bounded, errors
from lakegate_api.rest.models import tables as models

router = APIRouter(prefix="/repositories/{repository}/refs", tags=["tables"])

TablePath = Annotated[str, Path(description="The table's folder; its '/' may stand as they are or as %2F.")]


@router.get("/{ref}/tables", operation_id="listTables", responses=errors(404), response_model=models.TableList)
def list_tables(call: Call, repository: str, ref: str, page: Listing) -> Any:
    """Lists the tables of a commit by path."""
    found = call.repository(repository).tables(ref, page.prefix, page.after, page.amount)
    return page_to_json(found, table_to_json)


@router.get(
    "/{ref}/tables/{path:path}/files",
    operation_id="listTableFiles",
    responses=errors(404),
    response_model=models.TableFileList,
)
def list_table_files(
    call: Call, repository: str, ref: str, path: TablePath, after: After = "", amount: Amount = DEFAULT_AMOUNT
) -> Any:
    """Lists the live files of a table."""
    return page_to_json(call.repository(repository).table_files(ref, path, after, bounded(amount)), file_to_json)


@router.get(
    "/{ref}/tables/{path:path}/preview",
    operation_id="previewTable",
    responses=errors(404),
    response_model=models.TablePreview,
)
def preview_table(
    call: Call,
    repository: str,
    ref: str,
    path: TablePath,
    limit: Annotated[int, Query(ge=0, le=1000, description="How many rows.")] = 20,
) -> Any:
    """Reads the first rows of a table."""
    return preview_to_json(call.repository(repository).table_preview(ref, path, limit))


@router.get(
    "/{ref}/tables/{path:path}/history",
    operation_id="listTableHistory",
    responses=errors(404),
    response_model=models.TableHistory,
)
def table_history(call: Call, repository: str, ref: str, path: TablePath, amount: Amount = DEFAULT_AMOUNT) -> Any:
    """Lists the versions of a table and the commits that brought them, newest first."""
    found = call.repository(repository).table_history(ref, path, bounded(amount))
    return {"results": [history_item_to_json(item) for item in found]}


@router.get("/{ref}/tables/{path:path}", operation_id="getTable", responses=errors(404), response_model=models.Table)
def get_table(call: Call, repository: str, ref: str, path: TablePath) -> Any:
    """Shows one table version with schema, partitions and properties."""
    return table_to_json(call.repository(repository).table(ref, path))


@router.get(
    "/{leftRef}/diff/{rightRef}/tables",
    operation_id="diffTables",
    responses=errors(404),
    response_model=models.TableDiffList,
)
def diff_tables(
    call: Call,
    repository: str,
    leftRef: str,
    rightRef: str,
    page: Listing,
) -> Any:
    """Lists how each table differs from left to right: versions, schema, files, rows, bytes."""
    found = call.repository(repository).table_diff(leftRef, rightRef, page.prefix, page.after, page.amount)
    return page_to_json(found, table_diff_to_json)

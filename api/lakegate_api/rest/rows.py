"""Rows of tables: their differences, profiles of columns, differences of partitions, rows that a merge can't settle."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from starlette.responses import StreamingResponse

from lakegate.client.wire.rows import partition_diff_to_json, profile_to_json, row_diff_to_json
from lakegate.model import Resolution, RowDiffRequest, RowFormat, Take
from lakegate_api.rest.calls import Amount, Call, bounded, errors
from lakegate_api.rest.models import rows as models
from lakegate_api.rest.models.changes import Prefer

router = APIRouter(prefix="/repositories/{repository}/refs", tags=["tables"])

TableParameter = Annotated[str, Query(description="The table's folder.")]
Key = Annotated[list[str], Query(description="Columns that tell rows apart; once for each.", max_length=100)]
Form = Annotated[RowFormat, Query(alias="format")]

_MEDIA = {
    RowFormat.PARQUET: "application/vnd.apache.parquet",
    RowFormat.CSV: "text/csv; charset=utf-8",
    RowFormat.JSONL: "application/x-ndjson",
}
_FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file",
        "content": {kind.split(";")[0]: {"schema": {"type": "string", "format": "binary"}} for kind in _MEDIA.values()},
    }
}


@router.get(
    "/{leftRef}/diff/{rightRef}/rows",
    operation_id="diffRows",
    responses=errors(404, 409),
    response_model=models.RowDiff,
)
def diff_rows(
    call: Call,
    repository: str,
    leftRef: str,
    rightRef: str,
    table: TableParameter,
    key: Key = [],  # noqa: B006 - FastAPI copies it
    limit: Annotated[int, Query(ge=0, le=1000, description="The most rows to show; counts are of all.")] = 100,
) -> Any:
    """Compares the rows of a table, reading only data files that differ: added and removed ones, with a key also
    updated ones."""
    request = RowDiffRequest(table, tuple(key), limit)
    return row_diff_to_json(call.repository(repository).row_diff(leftRef, rightRef, request))


@router.get(
    "/{leftRef}/diff/{rightRef}/rows/file",
    operation_id="downloadRowDiff",
    responses=errors(404, 409) | _FILE,
    response_class=Response,
)
def row_diff_file(
    call: Call,
    repository: str,
    leftRef: str,
    rightRef: str,
    table: TableParameter,
    form: Form,
    key: Key = [],  # noqa: B006 - FastAPI copies it
) -> Response:
    """Downloads all rows that differ: `_change`, `_count` where no key is given, then the table's columns. A name that
    the table has gets one more `_` in front."""
    request = RowDiffRequest(table, tuple(key))
    pieces = call.repository(repository).row_diff_file(leftRef, rightRef, request, form)
    return StreamingResponse(pieces, media_type=_MEDIA[form])


@router.get(
    "/{leftRef}/diff/{rightRef}/profile",
    operation_id="diffProfiles",
    responses=errors(404, 409),
    response_model=models.TableProfile,
)
def diff_profiles(call: Call, repository: str, leftRef: str, rightRef: str, table: TableParameter) -> Any:
    """Sets the columns of a table side by side: nulls, distinct values, least, greatest and mean value."""
    return profile_to_json(call.repository(repository).table_profile(leftRef, rightRef, table))


@router.get(
    "/{leftRef}/diff/{rightRef}/partitions",
    operation_id="diffPartitions",
    responses=errors(404),
    response_model=models.PartitionDiffList,
)
def diff_partitions(
    call: Call, repository: str, leftRef: str, rightRef: str, table: TableParameter, amount: Amount = 1000
) -> Any:
    """Lists the partitions of a table that differ, by files, rows and bytes."""
    found = call.repository(repository).table_partitions(leftRef, rightRef, table, bounded(amount))
    return {"results": [partition_diff_to_json(item) for item in found]}


@router.get(
    "/{sourceRef}/merge/{destinationBranch}/rows",
    operation_id="downloadRowConflicts",
    responses=errors(404, 409) | _FILE,
    response_class=Response,
)
def row_conflicts_file(
    call: Call,
    repository: str,
    sourceRef: str,
    destinationBranch: str,
    table: TableParameter,
    form: Form,
    key: Key = [],  # noqa: B006 - FastAPI copies it
    prefer: Annotated[Prefer | None, Query()] = None,
    newest: Annotated[str | None, Query(description="The row with the greater value in this column is taken.")] = None,
) -> Response:
    """Downloads all rows that a merge of a table by key can't settle: `_side` (base, source, destination), then the
    table's columns. A name that the table has gets one more `_` in front."""
    side = None if prefer is None else Take(prefer.value)
    resolution = Resolution(table, Take.ROWS, tuple(key), side, newest)
    pieces = call.repository(repository).row_conflicts_file(sourceRef, destinationBranch, resolution, form)
    return StreamingResponse(pieces, media_type=_MEDIA[form])

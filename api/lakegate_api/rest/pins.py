"""Pins and the holds that keep what they name."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from lakegate.client.wire.work import hold_to_json, pin_to_json
from lakegate.ids import HoldId
from lakegate_api.rest.calls import Call, errors
from lakegate_api.rest.models import tables as models

router = APIRouter(prefix="/repositories/{repository}", tags=["pins"])


@router.get("/refs/{ref}/pin", operation_id="getPin", responses=errors(404), response_model=models.Pin)
def get_pin(
    call: Call,
    repository: str,
    ref: str,
    table: Annotated[list[str], Query(description="Only these tables; all where left out.")] = [],  # noqa: B006
) -> Any:
    """Resolves a ref to what it is now: commit, manifest, table versions and digests."""
    return pin_to_json(call.repository(repository).pin(ref, table))


@router.post(
    "/refs/{ref}/pin", operation_id="createPin", status_code=201, responses=errors(404), response_model=models.Pin
)
def create_pin(call: Call, repository: str, ref: str, body: models.PinCreation) -> Any:
    """The same, and takes a hold: garbage collection keeps the commit until the hold is released."""
    return pin_to_json(call.repository(repository).pin(ref, body.tables, body.hold))


@router.get("/holds", operation_id="listHolds", responses=errors(404), response_model=models.HoldList)
def list_holds(call: Call, repository: str) -> Any:
    """Lists the holds of a repository."""
    return {"results": [hold_to_json(hold) for hold in call.repository(repository).holds()]}


@router.delete("/holds/{hold}", operation_id="releaseHold", status_code=204, responses=errors(404))
def release_hold(call: Call, repository: str, hold: str) -> Response:
    """Releases a hold."""
    call.repository(repository).release_hold(HoldId(hold))
    return Response(status_code=204)

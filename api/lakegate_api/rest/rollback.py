"""Rolling a branch back."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from lakegate.client.wire.outcomes import rollback_to_json
from lakegate.model import RollbackRequest
from lakegate_api.rest.calls import Call, errors
from lakegate_api.rest.models import changes as models

router = APIRouter(prefix="/repositories/{repository}", tags=["branches"])


@router.post(
    "/branches/{branch}/rollback",
    operation_id="rollbackBranch",
    status_code=201,
    responses=errors(404, 409)
    | {
        200: {"model": models.RollbackResult, "description": "What a dry run would do"},
        201: {"description": "Rolled back by a new commit"},
    },
    response_model=models.RollbackResult,
)
def rollback(call: Call, repository: str, branch: str, body: models.RollbackCreation, response: Response) -> Any:
    """Puts old content back as a new commit: all of it, or some tables and paths."""
    request = RollbackRequest(
        to=body.to,
        tables=tuple(body.tables),
        paths=tuple(body.paths),
        mode=body.mode,
        dry_run=body.dry_run,
        message=body.message or "",
        metadata=body.metadata or {},
    )
    if body.dry_run:
        response.status_code = 200
    return rollback_to_json(call.repository(repository).rollback(branch, request))

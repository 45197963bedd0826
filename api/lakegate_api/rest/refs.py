"""What is between refs: differences and merges."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query
from fastapi.responses import JSONResponse

from lakegate.client.wire.nouns import page_to_json
from lakegate.client.wire.objects import change_to_json
from lakegate.client.wire.outcomes import merge_to_json, verify_to_json
from lakegate.errors import ErrorKind, InvalidInput
from lakegate.model import ExportRequest, MergeRequest, Strategy, Take
from lakegate.model import Resolution as Settled
from lakegate_api.rest.calls import Call, PathListing, errors
from lakegate_api.rest.models import changes as models
from lakegate_api.rest.models import objects as object_models

router = APIRouter(prefix="/repositories/{repository}/refs", tags=["refs"])

_STRATEGIES = {
    models.MergeStrategy.NONE: None,
    models.MergeStrategy.SOURCE_WINS: Strategy.SOURCE_WINS,
    models.MergeStrategy.DESTINATION_WINS: Strategy.DESTINATION_WINS,
    models.MergeStrategy.DEST_WINS: Strategy.DESTINATION_WINS,
}


@router.get(
    "/{leftRef}/diff/{rightRef}",
    operation_id="diffRefs",
    responses=errors(404),
    response_model=object_models.DiffList,
)
def diff_refs(
    call: Call,
    repository: str,
    leftRef: str,
    rightRef: str,
    page: PathListing,
    type: Annotated[object_models.DiffKind, Query()] = object_models.DiffKind.THREE_DOT,  # noqa: A002
    include_right_stats: Annotated[bool, Query(description="`right` is always there: without effect.")] = False,
    include_stats: Annotated[bool, Query(description="Adds both sides' stats.")] = False,
) -> Any:
    """Lists what differs from left to right; three_dot (the default): from their merge base to right."""
    opened = call.repository(repository)
    namespace = opened.info.storage_namespace
    found = opened.diff(leftRef, rightRef, page, type is object_models.DiffKind.THREE_DOT)
    return page_to_json(found, lambda change: change_to_json(change, namespace, include_stats))


@router.post(
    "/{sourceRef}/merge/{destinationBranch}",
    operation_id="mergeIntoBranch",
    responses=errors(404, 409, 412),
    response_model=models.MergeResult,
)
def merge_into_branch(
    call: Call,
    repository: str,
    sourceRef: str,
    destinationBranch: str,
    body: Annotated[models.Merge | None, Body()] = None,
) -> Any:
    """Merges a commit into a branch. A conflict answers 409 with every conflict, and changes nothing."""
    asked = body or models.Merge()
    request = MergeRequest(
        message=asked.message or "",
        metadata=asked.metadata or {},
        strategy=None if asked.strategy is None else _STRATEGIES[asked.strategy],
        squash=asked.squash_merge,
        allow_empty=asked.allow_empty,
        dry_run=asked.dry_run,
        resolutions=tuple(_settled(resolution) for resolution in asked.resolutions),
        isolation=asked.isolation,
    )
    return merge_to_json(call.repository(repository).merge(sourceRef, destinationBranch, request))


def _settled(resolution: models.Resolution) -> Settled:
    path = resolution.table or resolution.path
    if not path or (resolution.table and resolution.path):
        raise InvalidInput(
            ErrorKind.INVALID_ARGUMENT,
            "A resolution must name one table or one path.",
            hint="Give table, or path, and take.",
        )
    prefer = None if resolution.prefer is None else Take(resolution.prefer.value)
    return Settled(path, resolution.take, tuple(resolution.key), prefer, resolution.newest)


@router.get(
    "/{sourceRef}/merge/{destinationBranch}",
    operation_id="findMergeBase",
    responses=errors(404),
    response_model=models.FindMergeBaseResult,
)
def find_merge_base(
    call: Call,
    repository: str,
    sourceRef: str,
    destinationBranch: str,
) -> Any:
    """Finds the best common ancestor of two refs."""
    opened = call.repository(repository)
    source, destination = opened.commit_of(sourceRef), opened.commit_of(destinationBranch)
    base = opened.merge_base(source.id, destination.id)
    return {
        "source_commit_id": source.id,
        "destination_commit_id": destination.id,
        "base_commit_id": "" if base is None else base.id,
    }


@router.post(
    "/{ref}/verify",
    operation_id="verifyRef",
    responses=errors(404)
    | {202: {"model": object_models.JobStarted, "description": "Started in the background, where that was asked for"}},
    response_model=models.VerifyResult,
)
def verify_ref(
    call: Call, repository: str, ref: str, body: Annotated[models.VerifyRequest | None, Body()] = None
) -> Any:
    """Re-hashes a commit and what it reaches; `ok` is false where something is not what its name promises.

    In the background, the job's `result` is what the route answers otherwise.
    """
    asked = body or models.VerifyRequest()
    opened = call.repository(repository)
    if asked.background:
        return JSONResponse({"id": opened.start_verify(ref, asked.deep, asked.tables).id}, 202)
    return verify_to_json(opened.verify(ref, asked.deep, asked.tables))


@router.post(
    "/{ref}/export",
    operation_id="exportRef",
    status_code=202,
    responses=errors(404),
    response_model=object_models.JobStarted,
)
def export_ref(call: Call, repository: str, ref: str, body: object_models.ExportCreation) -> Any:
    """Starts an export: the ref's objects become plain files below a place that the server can reach."""
    destination = call.storage_url(body.destination)
    request = ExportRequest(ref, destination, body.prefix, body.overwrite, body.dry_run)
    return {"id": call.repository(repository).start_export(request).id}

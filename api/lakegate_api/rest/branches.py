"""Branches, and what is done to one: reset, revert, cherry-pick, its uncommitted changes."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.responses import PlainTextResponse

from lakegate.client.wire.nouns import branch_to_json, commit_to_json, page_to_json
from lakegate.client.wire.objects import change_to_json
from lakegate.client.wire.tables import table_diff_to_json
from lakegate.errors import ErrorKind, InvalidInput
from lakegate.model import ApplyRequest
from lakegate_api.rest.calls import Call, Listing, PathListing, errors
from lakegate_api.rest.models import objects as object_models
from lakegate_api.rest.models import refs as models
from lakegate_api.rest.models import tables as table_models

router = APIRouter(prefix="/repositories/{repository}/branches", tags=["branches"])

# What a body-less answer tells of its outcome stands in headers, so that clients of the plain shape are not disturbed.
COMMIT_HEADER = "x-lakegate-commit"
PATHS_HEADER = "x-lakegate-paths"

_COMMIT_HEADER_DOC = {
    COMMIT_HEADER: {"description": "The commit that the branch points at.", "schema": {"type": "string"}}
}


@router.get("", operation_id="listBranches", responses=errors(404), response_model=models.RefList)
def list_branches(
    call: Call,
    repository: str,
    page: Listing,
    show_hidden: Annotated[bool, Query(description="No branch is hidden: without effect.")] = False,
) -> Any:
    """Lists branches by name."""
    return page_to_json(call.repository(repository).branches(page.prefix, page.after, page.amount), branch_to_json)


@router.post(
    "",
    operation_id="createBranch",
    status_code=201,
    response_class=Response,
    responses=errors(404, 409)
    | {201: {"description": "The commit id.", "content": {"text/html": {"schema": {"type": "string"}}}}},
)
def create_branch(call: Call, repository: str, body: models.BranchCreation) -> Response:
    """Creates a branch at the commit that `source` names. Copies nothing."""
    branch = call.repository(repository).create_branch(body.name, body.source)
    return PlainTextResponse(branch.commit, 201, media_type="text/html")


@router.get("/{branch}", operation_id="getBranch", responses=errors(404), response_model=models.Ref)
def get_branch(call: Call, repository: str, branch: str) -> Any:
    """Shows a branch."""
    return branch_to_json(call.repository(repository).branch(branch))


@router.delete("/{branch}", operation_id="deleteBranch", status_code=204, responses=errors(404))
def delete_branch(
    call: Call, repository: str, branch: str, force: bool = False, require_clean: bool = False
) -> Response:
    """Deletes a branch, and what is uncommitted on it; with `require_clean`, refuses where something is. The default
    branch can't be deleted. `force` changes nothing."""
    call.repository(repository).delete_branch(branch, force=not require_clean)
    return Response(status_code=204)


@router.put(
    "/{branch}",
    operation_id="resetBranch",
    status_code=204,
    responses=errors(404)
    | {
        204: {
            "description": "Reset",
            "headers": {PATHS_HEADER: {"description": "How many paths.", "schema": {"type": "integer"}}},
        }
    },
)
def reset_branch(call: Call, repository: str, branch: str, body: models.ResetCreation) -> Response:
    """Throws away uncommitted changes: of one object, of a prefix, or all."""
    opened = call.repository(repository)
    if body.type is not models.ResetType.RESET and body.path is None:
        raise InvalidInput(
            ErrorKind.INVALID_ARGUMENT,
            f"A reset of type {body.type.value!r} names no path.",
            hint="Give path, or the type 'reset' for all.",
        )
    if body.type is models.ResetType.OBJECT:
        count = opened.reset(branch, path=body.path)
    elif body.type is models.ResetType.COMMON_PREFIX:
        count = opened.reset(branch, prefix=body.path)
    else:
        count = opened.reset(branch)
    return Response(status_code=204, headers={PATHS_HEADER: str(count)})


@router.put(
    "/{branch}/hard_reset",
    operation_id="hardResetBranch",
    status_code=204,
    responses=errors(404) | {204: {"description": "Moved", "headers": _COMMIT_HEADER_DOC}},
)
def hard_reset_branch(
    call: Call, repository: str, branch: str, ref: Annotated[str, Query()], force: bool = False
) -> Response:
    """Points the branch at another commit. Refused where there are uncommitted changes."""
    moved = call.repository(repository).hard_reset(branch, ref)
    return Response(status_code=204, headers={COMMIT_HEADER: moved.commit})


@router.post(
    "/{branch}/revert",
    operation_id="revertBranch",
    status_code=204,
    responses=errors(404, 409) | {204: {"description": "Reverted", "headers": _COMMIT_HEADER_DOC}},
)
def revert_branch(call: Call, repository: str, branch: str, body: models.RevertCreation) -> Response:
    """Commits the inverse of what `ref` changed."""
    made = call.repository(repository).revert(branch, _apply(body))
    return Response(status_code=204, headers={COMMIT_HEADER: made.id})


@router.post(
    "/{branch}/cherry-pick",
    operation_id="cherryPick",
    status_code=201,
    responses=errors(404, 409),
    response_model=models.Commit,
)
def cherry_pick(call: Call, repository: str, branch: str, body: models.CherryPickCreation) -> Any:
    """Commits what `ref` changed."""
    return commit_to_json(call.repository(repository).cherry_pick(branch, _apply(body)))


def _apply(body: models.RevertCreation | models.CherryPickCreation) -> ApplyRequest:
    overrides = body.commit_overrides or models.CommitOverrides()
    return ApplyRequest(
        body.ref,
        body.parent_number or None,
        overrides.message or None,
        overrides.metadata or {},
        body.allow_empty,
    )


@router.get(
    "/{branch}/diff/tables",
    operation_id="diffBranchTables",
    responses=errors(404, 409),
    response_model=table_models.TableDiffList,
)
def diff_branch_tables(call: Call, repository: str, branch: str, page: Listing) -> Any:
    """Lists how a commit of the branch would change each table: versions, schema, files, rows, bytes."""
    found = call.repository(repository).uncommitted_tables(branch, page.prefix, page.after, page.amount)
    return page_to_json(found, table_diff_to_json)


@router.get("/{branch}/diff", operation_id="diffBranch", responses=errors(404), response_model=object_models.DiffList)
def diff_branch(
    call: Call,
    repository: str,
    branch: str,
    page: PathListing,
    include_stats: Annotated[bool, Query(description="Adds both sides' stats.")] = False,
) -> Any:
    """Lists what a commit of the branch would change."""
    opened = call.repository(repository)
    namespace = opened.info.storage_namespace
    found = opened.uncommitted(branch, page)
    return page_to_json(found, lambda change: change_to_json(change, namespace, include_stats))

"""Repositories."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from lakegate.client.wire.nouns import page_to_json, repository_to_json
from lakegate.errors import NotOffered
from lakegate_api.rest.calls import Call, Listing, errors
from lakegate_api.rest.models import refs as models

router = APIRouter(tags=["repositories"])


@router.get("/repositories", operation_id="listRepositories", responses=errors(), response_model=models.RepositoryList)
def list_repositories(
    call: Call, page: Listing, search: Annotated[str, Query(description="Not offered; use `prefix`.")] = ""
) -> Any:
    """Lists repositories by name."""
    if search:
        raise NotOffered("Searching in the names of repositories is not offered.", hint="Use prefix.")
    return page_to_json(call.lake.repositories(page.prefix, page.after, page.amount), repository_to_json)


@router.post(
    "/repositories",
    operation_id="createRepository",
    status_code=201,
    responses=errors(409),
    response_model=models.Repository,
)
def create_repository(call: Call, body: models.RepositoryCreation, bare: bool = False) -> Any:
    """Creates a repository with one branch at an empty first commit."""
    for asked, what in ((bare, "A bare repository"), (body.sample_data, "Sample data"), (body.read_only, "Read-only")):
        if asked:
            raise NotOffered(f"{what} is not offered for new repositories.", hint="Leave it out.")
    namespace = call.storage_url(body.storage_namespace) if body.storage_namespace else None
    info = call.lake.create_repository(body.name, namespace, body.default_branch or "main")
    return repository_to_json(info)


@router.get(
    "/repositories/{repository}",
    operation_id="getRepository",
    responses=errors(404),
    response_model=models.Repository,
)
def get_repository(call: Call, repository: str) -> Any:
    """Shows a repository."""
    return repository_to_json(call.repository(repository).info)


@router.delete(
    "/repositories/{repository}",
    operation_id="deleteRepository",
    status_code=204,
    responses=errors(404, 409),
)
def delete_repository(
    call: Call,
    repository: str,
    force: Annotated[bool, Query(description="Also where it holds commits or uncommitted changes.")] = False,
) -> Response:
    """Forgets a repository. The bytes in its storage namespace stay."""
    call.lake.delete_repository(repository, force)
    return Response(status_code=204)


@router.get(
    "/repositories/{repository}/metadata",
    operation_id="getRepositoryMetadata",
    responses=errors(404),
    response_model=dict[str, str],
)
def get_repository_metadata(call: Call, repository: str) -> Any:
    """Repositories carry no metadata of their own: always empty."""
    call.repository(repository)
    return {}

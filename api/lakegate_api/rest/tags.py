"""Tags."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from lakegate.client.wire.nouns import page_to_json, tag_to_json
from lakegate_api.rest.calls import Call, Listing, errors
from lakegate_api.rest.models import refs as models

router = APIRouter(prefix="/repositories/{repository}/tags", tags=["tags"])


@router.get("", operation_id="listTags", responses=errors(404), response_model=models.RefList)
def list_tags(call: Call, repository: str, page: Listing) -> Any:
    """Lists tags by name."""
    return page_to_json(call.repository(repository).tags(page.prefix, page.after, page.amount), tag_to_json)


@router.post("", operation_id="createTag", status_code=201, responses=errors(404, 409), response_model=models.Ref)
def create_tag(call: Call, repository: str, body: models.TagCreation) -> Any:
    """Creates a tag at the commit that `ref` names."""
    return tag_to_json(call.repository(repository).create_tag(body.id, body.ref))


@router.get("/{tag}", operation_id="getTag", responses=errors(404), response_model=models.Ref)
def get_tag(call: Call, repository: str, tag: str) -> Any:
    """Shows a tag."""
    return tag_to_json(call.repository(repository).tag(tag))


@router.delete("/{tag}", operation_id="deleteTag", status_code=204, responses=errors(404))
def delete_tag(call: Call, repository: str, tag: str, force: bool = False) -> Response:
    """Deletes a tag; the commit stays."""
    call.repository(repository).delete_tag(tag)
    return Response(status_code=204)

"""Commits: making, showing, listing."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query

from lakegate.client.wire.nouns import commit_to_json, manifest_to_json, page_to_json
from lakegate.errors import ErrorKind, InvalidInput, NotOffered
from lakegate.model import CommitRequest, LogRequest
from lakegate_api.rest.calls import DEFAULT_AMOUNT, After, Amount, Call, bounded, errors
from lakegate_api.rest.models import refs as models

router = APIRouter(prefix="/repositories/{repository}", tags=["commits"])


def commit_request(body: models.CommitCreation) -> CommitRequest:
    """Reads the body of a commit."""
    date = body.date_ms
    if date is None and body.date is not None:
        date = body.date * 1000
    return CommitRequest(body.message, body.metadata or {}, date, body.allow_empty)


@router.post(
    "/branches/{branch}/commits",
    operation_id="commit",
    status_code=201,
    responses=errors(404, 409, 412),
    response_model=models.Commit,
)
def commit(
    call: Call,
    repository: str,
    branch: str,
    body: models.CommitCreation,
    source_metarange: Annotated[str | None, Query(description="Not offered.")] = None,
) -> Any:
    """Commits all uncommitted changes of a branch."""
    if source_metarange is not None:
        raise NotOffered("Commits of a metarange are not offered.", hint="Write or import the objects, and commit.")
    return commit_to_json(call.repository(repository).commit(branch, commit_request(body)))


@router.get("/commits/{commitId}", operation_id="getCommit", responses=errors(404), response_model=models.Commit)
def get_commit(call: Call, repository: str, commitId: str) -> Any:
    """Shows the commit that an id, or any other ref expression, names."""
    return commit_to_json(call.repository(repository).commit_of(commitId))


@router.get("/refs/{ref}/manifest", operation_id="getManifest", responses=errors(404), response_model=models.Manifest)
def get_manifest(call: Call, repository: str, ref: str) -> Any:
    """Shows the roots and totals of a commit's content."""
    return manifest_to_json(call.repository(repository).manifest(ref))


@router.get("/refs/{ref}/commits", operation_id="logCommits", responses=errors(404), response_model=models.CommitList)
def log_commits(
    call: Call,
    repository: str,
    ref: str,
    after: After = "",
    amount: Amount = DEFAULT_AMOUNT,
    objects: Annotated[list[str], Query(description="Only commits that changed one of these objects.")] = [],  # noqa: B006
    prefixes: Annotated[list[str], Query(description="Only commits that changed something below one of these.")] = [],  # noqa: B006
    limit: Annotated[bool, Query(description="No further page than this one.")] = False,
    first_parent: bool = False,
    since: Annotated[datetime | None, Query(description="Only commits made at or after this time.")] = None,
    stop_at: Annotated[str | None, Query(description="The last commit to list, inclusive.")] = None,
) -> Any:
    """Lists a ref's history, newest first."""
    request = LogRequest(
        after, bounded(amount), tuple(objects), tuple(prefixes), first_parent, _milliseconds(since), stop_at
    )
    page = page_to_json(call.repository(repository).log(ref, request), commit_to_json)
    if limit:
        page["pagination"] |= {"has_more": False, "next_offset": ""}
    return page


def _milliseconds(time: datetime | None) -> int | None:
    if time is None:
        return None
    if time.tzinfo is None:
        raise InvalidInput(
            ErrorKind.INVALID_ARGUMENT, "The time in since has no zone.", hint="Write it as 2026-01-31T00:00:00Z."
        )
    return round(time.timestamp() * 1000)

"""What every route works with: who calls, the repository asked for, paging, and the documented errors."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Depends, Query, Request

from lakegate.access import Authenticator, Principal
from lakegate.interface import Lake, Repository
from lakegate.model import MAX_PAGE, ListRequest
from lakegate.repository import EmbeddedRepository
from lakegate_api.auth import principal_of
from lakegate_api.rest.document import SCHEMAS
from lakegate_api.rest.models.base import Error
from lakegate_api.rest.models.changes import ConflictError
from lakegate_api.storage import storage_url

DEFAULT_AMOUNT = 100

_DESCRIPTIONS = {
    400: "Breaks a rule of names, paths or values, or the state forbids it",
    401: "Credentials are missing or wrong",
    403: "Not allowed: no permission, a ref that can't be written to, a Delta rule broken",
    404: "Not there",
    409: "A name is taken, or sides conflict",
    410: "Was there, and is gone",
    412: "A condition does not hold",
    413: "The body is too large",
    416: "The range lies outside the object",
    429: "Too many concurrent updates; try again",
    500: "Something broke",
    501: "Understood, and not offered",
    503: "Store or database does not answer; try again",
    507: "The storage is full",
}
_ALWAYS = (400, 401, 403, 413, 429, 500, 501, 503, 507)


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Documents these error answers and those that any route may give."""
    return {status: _error(status) for status in sorted({*_ALWAYS, *statuses})}


def _error(status: int) -> dict[str, Any]:
    # By reference: FastAPI would compile a `model` anew for each answer of each route, a third of a server's start.
    model = ConflictError if status == HTTPStatus.CONFLICT else Error
    schema = {"$ref": f"{SCHEMAS}{model.__name__}"}
    return {"description": _DESCRIPTIONS[status], "content": {"application/json": {"schema": schema}}}


class Caller:
    """One request's caller on the lake."""

    def __init__(self, lake: Lake, principal: Principal, namespace_base: str) -> None:
        self.lake = lake
        self.principal = principal
        self._namespace_base = namespace_base

    def storage_url(self, url: str) -> str:
        """Reads a storage URL as the API's clients write it."""
        return storage_url(url, self._namespace_base)

    def repository(self, name: str) -> Repository:
        """Opens a repository so that what is done there is done in the caller's name."""
        repository = self.lake.repository(name)
        if isinstance(repository, EmbeddedRepository) and repository.ctx.actor != self.principal.name:
            return repository.acting_as(self.principal.name)
        return repository


def caller(request: Request) -> Caller:
    """Recognises who asks, and asks whether they may. The one check of every route that needs credentials."""
    state = request.app.state
    access: Authenticator = state.access
    principal = principal_of(access, request)
    access.authorize(principal, _action(request), _resource(request))
    return Caller(state.lake, principal, state.storage_config["default_namespace_prefix"])


def _action(request: Request) -> str:
    """What is asked for as the access check names it: `branches:write`, `objects:read`."""
    nouns = getattr(request.scope.get("route"), "tags", None) or ["server"]
    return f"{nouns[0]}:{'read' if request.method in ('GET', 'HEAD') else 'write'}"


def _resource(request: Request) -> str:
    """What it is asked of: `REPOSITORY/REF`, as far as the request names one."""
    found = request.path_params
    ref = found.get("branch") or found.get("destinationBranch") or found.get("ref") or found.get("tag") or "*"
    return f"{found.get('repository', '*')}/{ref}"


SECURED = [Depends(caller)]

Call = Annotated[Caller, Depends(caller)]
Prefix = Annotated[str, Query(description="Only what starts with this.")]
After = Annotated[str, Query(description="Exclusive; `next_offset` of the last page.")]
Amount = Annotated[int, Query(description="At most 1,000; larger is taken as 1,000.")]
Delimiter = Annotated[str, Query(description="Group what lies below the next delimiter into one item.")]


def bounded(amount: int) -> int:
    """The size of a page: at most 1,000; nothing and less asks for the default."""
    return min(amount, MAX_PAGE) if amount > 0 else DEFAULT_AMOUNT


def listing(prefix: Prefix = "", after: After = "", amount: Amount = DEFAULT_AMOUNT) -> ListRequest:
    """The paging parameters of lists of names."""
    return ListRequest(prefix, after, bounded(amount))


def path_listing(
    prefix: Prefix = "", after: After = "", amount: Amount = DEFAULT_AMOUNT, delimiter: Delimiter = ""
) -> ListRequest:
    """The paging parameters of lists of paths."""
    return ListRequest(prefix, after, bounded(amount), delimiter)


Listing = Annotated[ListRequest, Depends(listing)]
PathListing = Annotated[ListRequest, Depends(path_listing)]

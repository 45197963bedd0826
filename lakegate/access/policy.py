"""The one place that decides whether somebody may do something."""

from __future__ import annotations

from dataclasses import dataclass

from lakegate.errors import AccessDenied, ErrorKind


@dataclass(frozen=True, slots=True)
class Principal:
    """Who was recognised. `access_key_id` is the key that was used."""

    name: str
    admin: bool
    access_key_id: str


def authorize(principal: Principal | None, action: str, resource: str) -> None:
    """Returns where `principal` may do `action` (`object:write`, ...) to `resource` (`sales/main/a.csv`, ...).

    An admin may do all, anyone else nothing. Raises AccessDenied(UNAUTHENTICATED, ACCESS_DENIED).
    """
    if principal is None:
        raise AccessDenied(
            ErrorKind.UNAUTHENTICATED,
            f"{action} on {resource!r} needs credentials, and the request carries none.",
            hint="Send an access key of this lake.",
        )
    if not principal.admin:
        raise AccessDenied(
            ErrorKind.ACCESS_DENIED,
            f"The user {principal.name!r} may not do {action} on {resource!r}.",
            hint="Ask the lake's admin.",
        )

"""New names that stood for something before."""

from __future__ import annotations

from lakegate.errors import LakegateError
from lakegate.interface import Repository
from lakegate_cli.output import short, warn


def short_id_of(repository: Repository, name: str) -> str:
    """The id of the commit that a name means as its first digits, so long as no branch or tag has it; "" for none."""
    if not set(name) <= set("0123456789abcdef"):
        return ""
    try:
        found = repository.commit_of(name).id
    except LakegateError:
        return ""
    return found if found.startswith(name) else ""


def warn_of_short_id(name: str, commit: str) -> None:
    """Says which meaning of a new name counts."""
    if commit:
        warn(
            f"warning: {name} named the commit {short(commit)}, by its first digits. From now on it names what is new."
        )

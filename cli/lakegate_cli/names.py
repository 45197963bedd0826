"""New names that stood for something before."""

from __future__ import annotations

from lakegate.errors import LakegateError
from lakegate.interface import Repository
from lakegate_cli.output import short, warn
from lakegate_cli.session import Session


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


def warn_of_repository(current: Session, repository: Repository, ref: str) -> None:
    """Says that paths on a new ref are in doubt where its repository is set, because another has the ref's name."""
    try:
        current.repo(ref)
    except LakegateError:
        return
    _warn_of_two(repository.info.name, ref)


def warn_of_ref(current: Session, name: str) -> None:
    """Says the same of a new repository that has the name of a ref in the set one."""
    default = current.default_repository()
    if default is None or default == name:
        return
    try:
        current.repo(default).commit_of(name)
    except LakegateError:
        return
    _warn_of_two(default, name)


def _warn_of_two(repository: str, name: str) -> None:
    warn(
        f"warning: {name} is a repository, and a ref in {repository}. Where {repository} is set, write paths as "
        f"lake://{name}/REF/PATH or lake://{repository}/{name}/PATH."
    )

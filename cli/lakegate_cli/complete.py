"""Shell completion: names of repositories, branches, tags and objects, as far as the lake answers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import typer

from lakegate.errors import LakegateError
from lakegate.interface import Repository
from lakegate.model import ListRequest
from lakegate_cli.session import Session

_AMOUNT = 200


def repositories(ctx: typer.Context, incomplete: str) -> list[str]:
    """Completes the name of a repository."""
    return _answered(ctx, lambda session: _repositories(session, incomplete))


def refs(ctx: typer.Context, incomplete: str) -> list[str]:
    """Completes REPOSITORY/REF: repositories first, then the branches and tags of one."""
    return _answered(ctx, lambda session: _refs(session, incomplete, _branches_and_tags))


def branches(ctx: typer.Context, incomplete: str) -> list[str]:
    """Completes REPOSITORY/BRANCH."""
    return _answered(ctx, lambda session: _refs(session, incomplete, _branches))


def paths(ctx: typer.Context, incomplete: str) -> list[str]:
    """Completes REPOSITORY/REF/PATH, one folder at a time."""
    return _answered(ctx, lambda session: _paths(session, incomplete))


def second_refs(ctx: typer.Context, incomplete: str) -> list[str]:
    """Completes the second ref of a command: a branch or tag of the repository that the first one is in."""

    def found(session: Session) -> list[str]:
        first = next((value for value in ctx.params.values() if isinstance(value, str) and "/" in value), None)
        repository = session.repo() if first is None else session.ref(first)[0]
        return _branches_and_tags(repository, incomplete)

    return _answered(ctx, found)


def _answered(ctx: typer.Context, ask: Callable[[Session], list[str]]) -> list[str]:
    """Asks the lake; where it does not answer there is nothing to complete, and the shell must not see an error."""
    given = {**ctx.find_root().params, **{k: v for k, v in ctx.params.items() if v and k in ("home", "lake", "repo")}}
    home = given.get("home")
    session = Session(None if home is None else Path(home), given.get("lake"), given.get("repo"))
    try:
        return ask(session)
    except LakegateError:
        return []
    finally:
        session.close()


def _repositories(session: Session, prefix: str) -> list[str]:
    return [info.name for info in session.open().repositories(prefix, amount=_AMOUNT).items]


def _branches(repository: Repository, prefix: str) -> list[str]:
    return [branch.name for branch in repository.branches(prefix, amount=_AMOUNT).items]


def _branches_and_tags(repository: Repository, prefix: str) -> list[str]:
    return _branches(repository, prefix) + [tag.name for tag in repository.tags(prefix, amount=_AMOUNT).items]


def _refs(session: Session, incomplete: str, names: Callable[[Repository, str], list[str]]) -> list[str]:
    head, slash, ref = incomplete.partition("/")
    if slash:
        return [f"{head}/{name}" for name in names(session.repo(head), ref)]
    found = [f"{name}/" for name in _repositories(session, head)]
    return found + (names(session.repo(), head) if session.default_repository() else [])


def _paths(session: Session, incomplete: str) -> list[str]:
    slashes = incomplete.count("/")
    found: list[str] = []
    if slashes < 2:  # of the ref
        with suppress(LakegateError):
            found += [f"{ref.rstrip('/')}/" for ref in _refs(session, incomplete, _branches_and_tags)]
    if slashes > (1 if session.default_repository() is None else 0):
        with suppress(LakegateError):
            repository, ref, path = session.path(incomplete)
            start = incomplete[: len(incomplete) - len(path)]
            found += [
                start + item.path
                for item in repository.list(ref, ListRequest(path, amount=_AMOUNT, delimiter="/")).items
            ]
    return found

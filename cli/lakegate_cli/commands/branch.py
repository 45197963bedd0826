"""`lakegate branch`."""

from __future__ import annotations

from typing import Annotated

import typer

from lakegate.client.wire.nouns import branch_to_json, page_to_json
from lakegate.interface import Repository
from lakegate.model import MAX_PAGE
from lakegate_cli import complete
from lakegate_cli.arguments import After, Amount, BranchRef, Prefix, RepositoryName
from lakegate_cli.names import short_id_of, warn_of_repository, warn_of_short_id
from lakegate_cli.output import many, more_of, pages, say, short, show_fields, show_json, show_table
from lakegate_cli.session import session

app = typer.Typer(help="Make, list, move and delete branches.", no_args_is_help=True, rich_markup_mode=None)


@app.command(
    "create",
    help="Make a branch at a ref's commit: instant, no bytes copied. Uncommitted changes stay where they are.",
)
def create(
    context: typer.Context,
    branch: BranchRef,
    source: Annotated[
        str | None,
        typer.Argument(help="The ref to start from [default: the default branch]", autocompletion=complete.second_refs),
    ] = None,
) -> None:
    repository, name = session(context).ref(branch)
    start = session(context).same(source, repository) if source else repository.info.default_branch
    hidden = short_id_of(repository, name)
    made = repository.create_branch(name, start)
    if session(context).json:
        show_json(branch_to_json(made))
    else:
        say(f"Created {made.name} at {short(made.commit)}.")
    warn_of_short_id(made.name, hidden)
    warn_of_repository(session(context), repository, made.name)


@app.command("list", help="List the branches of a repository.")
def list_(
    context: typer.Context,
    repository: RepositoryName = None,
    prefix: Prefix = "",
    after: After = "",
    amount: Amount = 100,
) -> None:
    repo = session(context).repo(repository)
    page = pages(lambda at: repo.branches(prefix, at, min(amount, MAX_PAGE)), amount, after)
    if session(context).json:
        show_json(page_to_json(page, branch_to_json))
        return
    show_table(("branch", "commit"), [(branch.name, short(branch.commit)) for branch in page.items])
    more_of(page)


@app.command("show", help="Show one branch.")
def show(context: typer.Context, branch: BranchRef) -> None:
    repository, name = session(context).ref(branch)
    found = repository.branch(name)
    if session(context).json:
        show_json(branch_to_json(found))
        return
    uncommitted = _uncommitted(repository, name) or "nothing"
    show_fields((("branch", found.name), ("commit", found.commit), ("uncommitted", uncommitted)))


@app.command("delete", help="Delete a branch; its commits stay.")
def delete(
    context: typer.Context,
    branch: BranchRef,
    force: Annotated[bool, typer.Option("--force", help="Also where changes are not committed: they are lost")] = False,
) -> None:
    repository, name = session(context).ref(branch)
    repository.delete_branch(name, force)
    if session(context).json:
        show_json({})
    else:
        say(f"Deleted {name}.")


@app.command(
    "reset",
    help="Throw away what `lakegate status` shows, or with --to point the branch at another commit.",
)
def reset(
    context: typer.Context,
    branch: BranchRef,
    path: Annotated[str | None, typer.Option("--path", help="Only this path, or a prefix that ends with '/'")] = None,
    to: Annotated[str | None, typer.Option("--to", help="Point the branch at this ref")] = None,
) -> None:
    repository, name = session(context).ref(branch)
    if to is not None and path is not None:
        raise typer.BadParameter("--to moves the whole branch: it can't go with --path.")
    if to is not None:
        moved = repository.hard_reset(name, session(context).same(to, repository))
        if session(context).json:
            show_json(branch_to_json(moved))
        else:
            say(f"{name} is at {short(moved.commit)}.")
        return
    is_prefix = path is not None and path.endswith("/")
    count = repository.reset(name, prefix=path) if is_prefix else repository.reset(name, path)
    if session(context).json:
        show_json({"paths": count})
    elif path is not None and not count:
        say(f"Nothing was uncommitted at {path} on {name}.")
    else:
        say(f"Threw away the changes of {many(count, 'path')}.")


def _uncommitted(repository: Repository, branch: str) -> str:
    """Counts the paths whose changes are not committed, in words; "" where there are none."""
    changes = repository.uncommitted(branch)
    if changes.has_more:
        return f"{len(changes.items)} or more paths"
    return many(len(changes.items), "path") if changes.items else ""

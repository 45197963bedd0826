"""`lakegate branch`."""

from __future__ import annotations

from typing import Annotated

import typer

from lakegate_cli.output import say, show_json, show_table
from lakegate_cli.session import session

app = typer.Typer(help="Branches.", no_args_is_help=True)


@app.command("create", help="Create a branch at a ref: instant, no bytes copied.")
def create(
    context: typer.Context,
    branch: Annotated[str, typer.Argument(help="REPOSITORY/BRANCH")],
    source: Annotated[str, typer.Argument(help="The ref to start from.")] = "main",
) -> None:
    repository, name = session(context).ref(branch)
    made = repository.create_branch(name, source)
    if session(context).json:
        show_json(made)
    else:
        say(f"Created {made.name} at {made.commit[:12]}.")


@app.command("list", help="List the branches of a repository.")
def list_(context: typer.Context, repository: str, after: str = "", amount: int = 100) -> None:
    page = session(context).open().repository(repository).branches(after=after, amount=amount)
    if session(context).json:
        show_json(page)
    else:
        show_table(("branch", "commit"), [(b.name, b.commit[:12]) for b in page.items])


@app.command("show", help="Show one branch.")
def show(context: typer.Context, branch: str) -> None:
    repository, name = session(context).ref(branch)
    show_json(repository.branch(name))


@app.command("delete", help="Delete a branch with its uncommitted changes; its commits stay.")
def delete(context: typer.Context, branch: str) -> None:
    repository, name = session(context).ref(branch)
    repository.delete_branch(name)
    say(f"Deleted {name}.")


@app.command("reset", help="Throw away uncommitted changes, or with --to point the branch at another commit.")
def reset(
    context: typer.Context,
    branch: str,
    path: Annotated[str | None, typer.Option(help="Only this path, or this prefix where it ends with '/'.")] = None,
    to: Annotated[str | None, typer.Option(help="Point the branch at this ref.")] = None,
) -> None:
    repository, name = session(context).ref(branch)
    if to is not None:
        say(f"{name} is at {repository.hard_reset(name, to).commit[:12]}.")
    elif path is not None and path.endswith("/"):
        say(f"Threw away the changes of {repository.reset(name, prefix=path)} paths.")
    else:
        say(f"Threw away the changes of {repository.reset(name, path)} paths.")

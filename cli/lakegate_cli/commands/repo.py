"""`lakegate init` and `lakegate repo`."""

from __future__ import annotations

import getpass
import os
from typing import Annotated

import typer

from lakegate_cli.output import say, show_json, show_table, time_of
from lakegate_cli.session import session

app = typer.Typer(help="Repositories.", no_args_is_help=True)


def register(root: typer.Typer) -> None:
    """Adds the commands that stand at the root."""
    root.command("init", help="Create a lake in the folder --home.")(init)


def init(context: typer.Context) -> None:
    from lakegate.repository import EmbeddedLake

    home = session(context).home
    EmbeddedLake.create(home, actor=getpass.getuser(), environment=os.environ).close()
    say(f"The lake is in {home.absolute()}. Next: lakegate --home {home} repo create NAME")


@app.command("create", help="Create a repository with one empty branch.")
def create(
    context: typer.Context,
    name: str,
    storage_namespace: Annotated[str | None, typer.Option("--storage", help="Where its data lies (a URL).")] = None,
    default_branch: Annotated[str, typer.Option("--branch", help="Its default branch.")] = "main",
) -> None:
    made = session(context).open().create_repository(name, storage_namespace, default_branch)
    if session(context).json:
        show_json(made)
    else:
        say(f"Created {made.name} with the branch {made.default_branch}, stored in {made.storage_namespace}.")


@app.command("list", help="List the repositories.")
def list_(context: typer.Context, after: str = "", amount: int = 100) -> None:
    page = session(context).open().repositories(after=after, amount=amount)
    if session(context).json:
        show_json(page)
    else:
        show_table(
            ("name", "created", "stored in"), [(r.name, time_of(r.created), r.storage_namespace) for r in page.items]
        )


@app.command("show", help="Show one repository.")
def show(context: typer.Context, name: str) -> None:
    show_json(session(context).open().repository(name).info)


@app.command("delete", help="Forget a repository; its bytes stay where they are.")
def delete(
    context: typer.Context,
    name: str,
    force: Annotated[bool, typer.Option(help="Also where it holds data.")] = False,
) -> None:
    session(context).open().delete_repository(name, force)
    say(f"Deleted {name}; its bytes stay in its storage namespace.")

"""`lakegate tag`."""

from __future__ import annotations

from typing import Annotated

import typer

from lakegate_cli.output import say, show_json, show_table
from lakegate_cli.session import session

app = typer.Typer(help="Tags.", no_args_is_help=True)


@app.command("create", help="Name a commit for good.")
def create(
    context: typer.Context,
    tag: Annotated[str, typer.Argument(help="REPOSITORY/TAG")],
    ref: Annotated[str, typer.Argument(help="What it names.")] = "main",
) -> None:
    repository, name = session(context).ref(tag)
    made = repository.create_tag(name, ref)
    if session(context).json:
        show_json(made)
    else:
        say(f"Tagged {made.commit[:12]} as {made.name}.")


@app.command("list", help="List the tags of a repository.")
def list_(context: typer.Context, repository: str, after: str = "", amount: int = 100) -> None:
    page = session(context).open().repository(repository).tags(after=after, amount=amount)
    if session(context).json:
        show_json(page)
    else:
        show_table(("tag", "commit"), [(t.name, t.commit[:12]) for t in page.items])


@app.command("show", help="Show one tag.")
def show(context: typer.Context, tag: str) -> None:
    repository, name = session(context).ref(tag)
    show_json(repository.tag(name))


@app.command("delete", help="Delete a tag; its commit stays.")
def delete(context: typer.Context, tag: str) -> None:
    repository, name = session(context).ref(tag)
    repository.delete_tag(name)
    say(f"Deleted {name}.")

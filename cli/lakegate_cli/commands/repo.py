"""`lakegate repo`."""

from __future__ import annotations

from typing import Annotated

import typer

from lakegate.client.wire.nouns import page_to_json, repository_to_json
from lakegate_cli.arguments import After, Amount, Prefix, RepositoryName
from lakegate_cli.names import warn_of_ref
from lakegate_cli.output import more_of, pages, say, show_fields, show_json, show_table, time_of
from lakegate_cli.session import session

app = typer.Typer(help="Make, list and delete repositories.", no_args_is_help=True, rich_markup_mode=None)


@app.command("create", help="Make a repository with one empty branch.")
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="3 to 63 lower-case letters, digits and '-'")],
    storage_namespace: Annotated[
        str | None,
        typer.Option("--storage", help="Where its data lies (s3://BUCKET/PREFIX, a folder) [default: the lake's]"),
    ] = None,
    default_branch: Annotated[str, typer.Option("--branch", help="Its first branch")] = "main",
) -> None:
    made = session(context).open().create_repository(name, storage_namespace, default_branch)
    if session(context).json:
        show_json(repository_to_json(made))
    else:
        say(f"Created {made.name} with the branch {made.default_branch}, stored in {made.storage_namespace}.")
    warn_of_ref(session(context), made.name)


@app.command("list", help="List the repositories.")
def list_(context: typer.Context, prefix: Prefix = "", after: After = "", amount: Amount = 100) -> None:
    lake = session(context).open()
    page = pages(lambda at: lake.repositories(prefix, at, amount), amount, after)
    if session(context).json:
        show_json(page_to_json(page, repository_to_json))
        return
    rows = [(info.name, time_of(info.created), info.storage_namespace) for info in page.items]
    show_table(("repository", "created", "stored in"), rows)
    more_of(page)


@app.command("show", help="Show one repository.")
def show(context: typer.Context, name: RepositoryName = None) -> None:
    info = session(context).repo(name).info
    if session(context).json:
        show_json(repository_to_json(info))
        return
    show_fields(
        (
            ("repository", info.name),
            ("created", time_of(info.created)),
            ("default branch", info.default_branch),
            ("stored in", info.storage_namespace),
        )
    )


@app.command("delete", help="Forget a repository; its bytes stay where they are.")
def delete(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The repository, always named in full")],
    force: Annotated[bool, typer.Option("--force", help="Also where it holds data")] = False,
) -> None:
    session(context).open().delete_repository(name, force)
    if session(context).json:
        show_json({})
    else:
        say(f"Deleted {name}; its bytes stay in its storage namespace.")

"""`lakegate status`."""

from __future__ import annotations

from typing import Annotated

import typer

from lakegate.client.wire.nouns import page_to_json
from lakegate.client.wire.objects import change_to_json
from lakegate.model import MAX_PAGE, ListRequest
from lakegate.version import VERSION
from lakegate_cli import complete
from lakegate_cli.arguments import After, Amount, Prefix
from lakegate_cli.output import more_of, pages, say, show_fields, show_json, show_table
from lakegate_cli.session import Session, session

app = typer.Typer(rich_markup_mode=None)


@app.command("status", help="Show the uncommitted changes of a branch; without one, the lake that commands work on.")
def status(
    context: typer.Context,
    branch: Annotated[
        str | None, typer.Argument(help="REPOSITORY/BRANCH", metavar="BRANCH", autocompletion=complete.branches)
    ] = None,
    prefix: Prefix = "",
    after: After = "",
    amount: Amount = 1000,
) -> None:
    if branch is None:
        _lake(session(context))
        return
    repository, name = session(context).ref(branch)
    page = pages(lambda at: repository.uncommitted(name, ListRequest(prefix, at, min(amount, MAX_PAGE))), amount, after)
    if session(context).json:
        namespace = repository.info.storage_namespace
        show_json(page_to_json(page, lambda change: change_to_json(change, namespace, stats=True)))
        return
    show_table(("change", "path"), [(change.kind.value, change.path) for change in page.items])
    if not page.items and not after:
        say(f"Nothing is uncommitted on {name}.")
    more_of(page)


def _lake(current: Session) -> None:
    lake = current.open()
    repositories = lake.repositories(amount=MAX_PAGE)
    count = f"{len(repositories.items)}{'+' if repositories.has_more else ''}"
    default = current.default_repository()
    if current.json:
        body = {"url": lake.url, "version": lake.version(), "client_version": VERSION, "repository": default}
        show_json({**body, "repositories": len(repositories.items), "more_repositories": repositories.has_more})
        return
    show_fields(
        (
            ("lake", lake.url),
            ("version", lake.version()),
            ("command line", VERSION),
            ("repositories", count),
            ("default repository", default or "none: `lakegate use REPOSITORY` sets one"),
        )
    )

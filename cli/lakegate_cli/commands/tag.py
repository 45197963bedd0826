"""`lakegate tag`."""

from __future__ import annotations

from typing import Annotated

import typer

from lakegate.client.wire.nouns import page_to_json, tag_to_json
from lakegate.model import MAX_PAGE
from lakegate_cli import complete
from lakegate_cli.arguments import After, Amount, Prefix, RepositoryName
from lakegate_cli.names import short_id_of, warn_of_repository, warn_of_short_id
from lakegate_cli.output import more_of, pages, say, short, show_fields, show_json, show_table
from lakegate_cli.session import session

app = typer.Typer(help="Name commits for good.", no_args_is_help=True, rich_markup_mode=None)

_Tag = Annotated[str, typer.Argument(help="REPOSITORY/TAG", metavar="TAG", autocompletion=complete.refs)]


@app.command("create", help="Name a commit for good.")
def create(
    context: typer.Context,
    tag: _Tag,
    ref: Annotated[
        str | None,
        typer.Argument(help="What it names [default: the default branch]", autocompletion=complete.second_refs),
    ] = None,
) -> None:
    repository, name = session(context).ref(tag)
    hidden = short_id_of(repository, name)
    made = repository.create_tag(
        name, session(context).same(ref, repository) if ref else repository.info.default_branch
    )
    if session(context).json:
        show_json(tag_to_json(made))
    else:
        say(f"Tagged {short(made.commit)} as {made.name}.")
    warn_of_short_id(made.name, hidden)
    warn_of_repository(session(context), repository, made.name)


@app.command("list", help="List the tags of a repository.")
def list_(
    context: typer.Context,
    repository: RepositoryName = None,
    prefix: Prefix = "",
    after: After = "",
    amount: Amount = 100,
) -> None:
    repo = session(context).repo(repository)
    page = pages(lambda at: repo.tags(prefix, at, min(amount, MAX_PAGE)), amount, after)
    if session(context).json:
        show_json(page_to_json(page, tag_to_json))
        return
    show_table(("tag", "commit"), [(tag.name, short(tag.commit)) for tag in page.items])
    more_of(page)


@app.command("show", help="Show one tag.")
def show(context: typer.Context, tag: _Tag) -> None:
    repository, name = session(context).ref(tag)
    found = repository.tag(name)
    if session(context).json:
        show_json(tag_to_json(found))
    else:
        show_fields((("tag", found.name), ("commit", found.commit)))


@app.command("delete", help="Delete a tag; its commit stays.")
def delete(context: typer.Context, tag: _Tag) -> None:
    repository, name = session(context).ref(tag)
    repository.delete_tag(name)
    if session(context).json:
        show_json({})
    else:
        say(f"Deleted {name}.")

"""`lakegate commit`, `log`, `show`, `revert` and `cherry-pick`."""

from __future__ import annotations

from typing import Annotated

import typer

from lakegate.client.wire.nouns import commit_to_json, page_to_json
from lakegate.model import MAX_PAGE, ApplyRequest, CommitRequest, LogRequest
from lakegate_cli.arguments import AllowEmpty, Amount, BranchRef, Message, Meta, OptionalMessage, OtherRef, Ref, pairs
from lakegate_cli.output import (
    more_of,
    number,
    pages,
    say,
    short,
    show_fields,
    show_json,
    show_table,
    size_of,
    time_of,
    warn,
    warn_of,
)
from lakegate_cli.progress import committing
from lakegate_cli.session import session

app = typer.Typer(rich_markup_mode=None)

_Parent = Annotated[int | None, typer.Option("--parent", min=1, help="Of a merge: against which parent")]


@app.command("commit", help="Commit the uncommitted changes of a branch.")
def commit(
    context: typer.Context, branch: BranchRef, message: Message, meta: Meta = None, allow_empty: AllowEmpty = False
) -> None:
    repository, name = session(context).ref(branch)
    with committing(repository, name):
        made = repository.commit(name, CommitRequest(message, pairs(meta), allow_empty=allow_empty))
    if session(context).json:
        show_json(commit_to_json(made))
    else:
        say(f"Committed {short(made.id)} to {name}: {made.message}")
        warn_of(made.warnings, f"{repository.info.name}/{name}", made.id)


@app.command("log", help="Show the history of a ref, newest first.")
def log(
    context: typer.Context,
    ref: Ref,
    path: Annotated[
        list[str] | None,
        typer.Option("--path", help="Only commits that changed it, or something below it; may be repeated"),
    ] = None,
    first_parent: Annotated[bool, typer.Option("--first-parent", help="Leave out what merges brought")] = False,
    after: Annotated[str, typer.Option("--after", help="Go on behind this commit")] = "",
    amount: Amount = 20,
) -> None:
    repository, name = session(context).ref(ref)
    asked = path or []
    objects = tuple(item for item in asked if not item.endswith("/"))
    prefixes = tuple(item if item.endswith("/") else f"{item}/" for item in asked)
    page = pages(
        lambda at: repository.log(
            name,
            LogRequest(at, min(amount, MAX_PAGE), paths=objects, prefixes=prefixes, first_parent=first_parent),
        ),
        amount,
        after,
    )
    if session(context).json:
        show_json(page_to_json(page, commit_to_json))
        return
    rows = [(short(made.id), time_of(made.created), made.committer, made.message) for made in page.items]
    show_table(("commit", "made (UTC)", "by", "message"), rows)
    if asked and not (rows or after):
        warn(f"No commit in the history of {name} changed {' or '.join(asked)}.")
    more_of(page)


@app.command("show", help="Show one commit.")
def show(context: typer.Context, ref: Ref) -> None:
    repository, name = session(context).ref(ref)
    found = repository.commit_of(name)
    if session(context).json:
        show_json(commit_to_json(found))
        return
    manifest = repository.manifest(found.id)
    fields: list[tuple[str, object]] = [("commit", found.id)]
    fields += [("parent", parent) for parent in found.parents]
    fields += [
        ("by", found.committer),
        ("made", f"{time_of(found.created)} UTC"),
        ("message", found.message),
        *((f"meta {key}", value) for key, value in sorted(found.metadata.items())),
        ("manifest", found.manifest),
        ("objects", f"{number(manifest.objects)} ({size_of(manifest.bytes)})"),
        ("tables", number(manifest.tables)),
    ]
    show_fields(fields)


@app.command("revert", help="Commit the inverse of what a commit changed.")
def revert(
    context: typer.Context,
    branch: BranchRef,
    commit: OtherRef,
    parent: _Parent = None,
    message: OptionalMessage = None,
    meta: Meta = None,
    allow_empty: AllowEmpty = False,
) -> None:
    repository, name = session(context).ref(branch)
    ref = session(context).same(commit, repository)
    with committing(repository, name):
        made = repository.revert(name, ApplyRequest(ref, parent, message, pairs(meta), allow_empty))
    if session(context).json:
        show_json(commit_to_json(made))
    else:
        say(f"Reverted {ref} on {name} as {short(made.id)}.")
        warn_of(made.warnings, f"{repository.info.name}/{name}", made.id)


@app.command("cherry-pick", help="Commit onto a branch what another commit changed.")
def cherry_pick(
    context: typer.Context,
    branch: BranchRef,
    commit: OtherRef,
    parent: _Parent = None,
    message: OptionalMessage = None,
    meta: Meta = None,
    allow_empty: AllowEmpty = False,
) -> None:
    repository, name = session(context).ref(branch)
    ref = session(context).same(commit, repository)
    with committing(repository, name):
        made = repository.cherry_pick(name, ApplyRequest(ref, parent, message, pairs(meta), allow_empty))
    if session(context).json:
        show_json(commit_to_json(made))
    else:
        say(f"Picked {ref} onto {name} as {short(made.id)}.")
        warn_of(made.warnings, f"{repository.info.name}/{name}", made.id)

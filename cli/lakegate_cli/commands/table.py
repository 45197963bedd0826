"""`lakegate table`."""

from __future__ import annotations

import json
from functools import partial
from typing import Annotated, Any

import typer

from lakegate.client.wire import tables as wire
from lakegate.client.wire.nouns import page_to_json
from lakegate.client.wire.outcomes import rollback_to_json
from lakegate.errors import ErrorKind, InvalidInput
from lakegate.interface import Repository
from lakegate.model import MAX_PAGE, RollbackMode, RollbackRequest
from lakegate_cli import complete
from lakegate_cli.arguments import After, Amount, DryRun, OptionalMessage, Prefix, Ref, SecondRef
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
from lakegate_cli.rows import (
    Asked,
    Key,
    Limit,
    Output,
    Partitions,
    Profile,
    Rows,
    TableOption,
    key_of,
    require_committed,
    require_used,
    show_asked,
)
from lakegate_cli.session import Session, session
from lakegate_cli.tables import show_table_changes, show_table_diffs, show_tables, version_of

app = typer.Typer(help="Look into tables, and put them back.", no_args_is_help=True, rich_markup_mode=None)

_Table = Annotated[str, typer.Argument(help="REPOSITORY/REF/TABLE", metavar="TABLE", autocompletion=complete.paths)]


@app.command("list", help="List the tables of a commit.")
def list_(context: typer.Context, ref: Ref, prefix: Prefix = "", after: After = "", amount: Amount = 100) -> None:
    repository, name = session(context).ref(ref)
    page = pages(lambda at: repository.tables(name, prefix, at, min(amount, MAX_PAGE)), amount, after)
    if session(context).json:
        show_json(page_to_json(page, wire.table_to_json))
        return
    show_tables(page.items)
    more_of(page)


@app.command("show", help="Show one table: version, columns, partitions, properties; with --files its data files.")
def show(
    context: typer.Context,
    table: _Table,
    files: Annotated[bool, typer.Option("--files", help="List its data files instead")] = False,
    after: After = "",
    amount: Amount = 100,
) -> None:
    repository, ref, path = _table(session(context), table)
    if files:
        listed = pages(lambda at: repository.table_files(ref, path, at, min(amount, MAX_PAGE)), amount, after)
        if session(context).json:
            show_json(page_to_json(listed, wire.file_to_json))
            return
        rows = [(item.path, number(item.rows), size_of(item.size)) for item in listed.items]
        show_table(("file", "rows", "size"), rows)
        more_of(listed)
        return
    found = repository.table(ref, path)
    if session(context).json:
        show_json(wire.table_to_json(found))
        return
    show_fields(
        (
            ("table", found.path),
            ("format", found.format.value),
            ("version", version_of(found)),
            ("rows", number(found.rows)),
            ("files", f"{number(found.files)} ({size_of(found.bytes)})"),
            ("written", f"{time_of(found.timestamp)} UTC"),
            ("partitioned by", ", ".join(found.partition_columns) or "nothing"),
            ("digest", found.digest),
            *((f"property {key}", value) for key, value in sorted(found.properties.items())),
        )
    )
    columns = wire.columns_of(found.schema)
    say("")
    show_table(
        ("column", "type", "nullable"),
        [(column["name"], column["type"], "yes" if column["nullable"] else "no") for column in columns],
    )


@app.command("history", help="Show the versions of a table and the commits that brought them, newest first.")
def history(context: typer.Context, table: _Table, amount: Amount = 20) -> None:
    repository, ref, path = _table(session(context), table)
    items = repository.table_history(ref, path, amount)
    if session(context).json:
        show_json({"results": [wire.history_item_to_json(item) for item in items]})
        return
    rows = [
        (
            "-" if item.version is None else item.version,
            time_of(item.timestamp),
            item.operation,
            short(item.commit or ""),
            item.origin_committer or item.committer or "",
            item.merged_from or "",
            item.message or "",
        )
        for item in items
    ]
    show_table(("version", "written (UTC)", "operation", "commit", "by", "merged from", "message"), rows)


@app.command("diff", help="Show how tables differ between two commits, or by what is uncommitted on a branch.")
def diff(
    context: typer.Context,
    left: Ref,
    right: SecondRef = None,
    prefix: Prefix = "",
    rows: Rows = False,
    key: Key = None,
    profile: Profile = False,
    partitions: Partitions = False,
    table: TableOption = "",
    limit: Limit = None,
    output: Output = None,
    after: After = "",
    amount: Amount = 100,
) -> None:
    asked = Asked(rows, profile, partitions, table, prefix, key_of(key), limit, output)
    require_used(asked)
    repository, name = session(context).ref(left)
    if right is None:
        require_committed(asked)
        tables = partial(repository.uncommitted_tables, name)
    else:
        other = session(context).same(right, repository)
        if asked.is_any:
            show_asked(repository, name, other, asked, session(context).json)
            return
        tables = partial(repository.table_diff, name, other)
    page = pages(lambda at: tables(prefix, at, min(amount, MAX_PAGE)), amount, after)
    if session(context).json:
        show_json(page_to_json(page, wire.table_diff_to_json))
        return
    show_table_diffs(page.items)
    more_of(page)


@app.command("preview", help="Show the first rows of a table.")
def preview(context: typer.Context, table: _Table, amount: Amount = 20) -> None:
    repository, ref, path = _table(session(context), table)
    rows = repository.table_preview(ref, path, amount)
    if session(context).json:
        show_json(wire.preview_to_json(rows))
        return
    show_table(rows.columns, [tuple(_cell(value) for value in row) for row in rows.rows])


@app.command("restore", help="Put old rows of one table back as a new commit.")
def restore(
    context: typer.Context,
    table: Annotated[
        str, typer.Argument(help="REPOSITORY/BRANCH/TABLE", metavar="TABLE", autocompletion=complete.paths)
    ],
    to: Annotated[str, typer.Option("--to", help="The ref whose rows come back")],
    mode: Annotated[
        RollbackMode,
        typer.Option("--mode", help="forward: a new Delta version with the old rows; exact: the old version itself"),
    ] = RollbackMode.FORWARD,
    message: OptionalMessage = None,
    dry_run: DryRun = False,
) -> None:
    repository, branch, path = _table(session(context), table)
    ref = session(context).same(to, repository)
    request = RollbackRequest(ref, tables=(path,), mode=mode, dry_run=dry_run, message=message or "")
    with committing(repository, branch, dry_run=dry_run):
        outcome = repository.rollback(branch, request)
    if session(context).json:
        show_json(rollback_to_json(outcome))
        return
    show_table_changes(outcome.tables)
    say(
        f"Put {path} on {branch} back to {ref} as {short(outcome.commit.id)}."
        if outcome.commit
        else f"Would put {path} on {branch} back to {ref}."
    )
    for warning in outcome.warnings:
        warn(f"warning: {warning}")
    if outcome.commit:
        warn_of(outcome.commit.warnings, f"{repository.info.name}/{branch}", outcome.commit.id)


def _table(current: Session, text: str) -> tuple[Repository, str, str]:
    repository, ref, path = current.path(text)
    if not path.strip("/"):
        raise InvalidInput(
            ErrorKind.INVALID_ARGUMENT,
            f"{text!r} names no table.",
            hint="Write REPOSITORY/REF/TABLE; `lakegate table list REPOSITORY/REF` lists the tables.",
        )
    return repository, ref, path.rstrip("/")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)

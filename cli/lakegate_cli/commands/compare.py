"""`lakegate diff`, `merge` and `rollback`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from lakegate.client.wire.nouns import page_to_json
from lakegate.client.wire.objects import change_to_json
from lakegate.client.wire.outcomes import merge_to_json, rollback_to_json
from lakegate.errors import ErrorKind, InvalidInput, MergeConflict
from lakegate.model import (
    MAX_PAGE,
    ChangeCounts,
    Isolation,
    ListRequest,
    MergeRequest,
    ObjectChange,
    Page,
    Resolution,
    RollbackMode,
    RollbackRequest,
    Strategy,
    Take,
)
from lakegate_cli import complete
from lakegate_cli.arguments import (
    After,
    AllowEmpty,
    Amount,
    BranchRef,
    DryRun,
    Meta,
    OptionalMessage,
    Prefix,
    Ref,
    SecondRef,
    pairs,
)
from lakegate_cli.conflicts import show_conflicts, write_conflicts
from lakegate_cli.output import many, more_of, pages, say, short, show_json, show_table, warn, warn_of
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
    form_of,
    key_of,
    require_committed,
    require_used,
    show_asked,
)
from lakegate_cli.session import session
from lakegate_cli.tables import show_table_changes, show_table_diffs

app = typer.Typer(rich_markup_mode=None)


class Prefer(StrEnum):
    SOURCE = "source"
    DESTINATION = "destination"


@app.command(
    "diff",
    help="Show what differs between two commits, or what is uncommitted on a branch: tables first, then objects that "
    "are in no table.",
)
def diff(
    context: typer.Context,
    left: Ref,
    right: SecondRef = None,
    prefix: Prefix = "",
    three_dot: Annotated[
        bool, typer.Option("--three-dot", help="From the merge base of both: what the right side did")
    ] = False,
    objects: Annotated[bool, typer.Option("--objects", help="List the objects inside tables too")] = False,
    rows: Rows = False,
    key: Key = None,
    profile: Profile = False,
    partitions: Partitions = False,
    table: TableOption = "",
    limit: Limit = None,
    output: Output = None,
    after: After = "",
    amount: Amount = 1000,
) -> None:
    asked = Asked(rows, profile, partitions, table, prefix, key_of(key), limit, output)
    require_used(asked)
    repository, name = session(context).ref(left)
    if right is None:
        require_committed(asked, three_dot)
        tables, changes = partial(repository.uncommitted_tables, name), partial(repository.uncommitted, name)
    else:
        other = session(context).same(right, repository)
        base = repository.merge_base(name, other) if three_dot else None
        start = name if base is None else base.id
        if asked.is_any:
            show_asked(repository, start, other, asked, session(context).json)
            return
        tables = partial(repository.table_diff, start, other)
        changes = partial(repository.diff, name, other, three_dot=three_dot)
    request = ListRequest(prefix, after, min(amount, MAX_PAGE))
    if session(context).json:
        namespace = repository.info.storage_namespace
        show_json(page_to_json(changes(request), lambda change: change_to_json(change, namespace, stats=True)))
        return
    folders: list[str] = []
    if not objects:
        diffs = pages(lambda at: tables(prefix, at, MAX_PAGE), amount)
        show_table_diffs(diffs.items)
        folders = [f"{diff.path}/" for diff in diffs.items]
    page = _outside(changes, request, folders)
    show_table(("change", "path"), [(change.kind.value, change.path) for change in page.items])
    more_of(page)
    if right is None and not (folders or page.items or after):
        say(f"Nothing is uncommitted on {name}.")


@app.command(
    "merge",
    help="Merge a ref into a branch. Where conflicts stop it, or would stop it in a dry run, the exit status is 3.",
)
def merge(
    context: typer.Context,
    source: Ref,
    into: Annotated[
        str | None,
        typer.Option("--into", help="The branch [default: the default branch]", autocompletion=complete.second_refs),
    ] = None,
    message: OptionalMessage = None,
    meta: Meta = None,
    strategy: Annotated[Strategy | None, typer.Option("--strategy", help="Settles all conflicts")] = None,
    take: Annotated[
        list[str] | None,
        typer.Option("--take", help="source:PATH, destination:PATH or rows:TABLE (with --key) settles one conflict"),
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option("--key", help="A column that tells rows apart, TABLE=COLUMN for one table; repeat it, or a,b,c"),
    ] = None,
    prefer: Annotated[
        Prefer | None, typer.Option("--prefer", help="Whose row is taken where both changed it, after --newest")
    ] = None,
    newest: Annotated[
        list[str] | None,
        typer.Option(
            "--newest", help="First the row with the greater value in this column; TABLE=COLUMN for one table"
        ),
    ] = None,
    conflicts: Annotated[
        Path | None,
        typer.Option("--conflicts", help="Write all rows in conflict to a file: .parquet, .csv or .jsonl"),
    ] = None,
    squash: Annotated[bool, typer.Option("--squash", help="Leave the source out of the parents")] = False,
    isolation: Annotated[
        Isolation, typer.Option("--isolation", help="Which changes of one Delta table on both sides merge")
    ] = Isolation.WRITE_SERIALIZABLE,
    allow_empty: AllowEmpty = False,
    dry_run: DryRun = False,
) -> None:
    by_rows = {"--key": key, "--prefer": prefer, "--newest": newest, "--conflicts": conflicts}
    unused = next((option for option, value in by_rows.items() if value), None)
    if unused and not any(item.startswith(f"{Take.ROWS}:") for item in take or ()):
        raise typer.BadParameter(f"{unused} goes with --take rows:TABLE.")
    repository, name = session(context).ref(source)
    branch = session(context).same(into, repository) if into else repository.info.default_branch
    preferred = None if prefer is None else Take(prefer.value)
    resolutions = tuple(_resolutions(take or (), key or (), preferred, newest or ()))
    if conflicts is not None:
        form_of(conflicts)
    request = MergeRequest(
        message or "", pairs(meta), strategy, squash, allow_empty, dry_run, resolutions, isolation=isolation
    )
    try:
        with committing(repository, branch, dry_run=dry_run):
            outcome = repository.merge(name, branch, request)
    except MergeConflict as error:
        if conflicts is not None:
            write_conflicts(repository, (name, branch), error.conflicts, resolutions, conflicts)
        raise
    if conflicts is not None:
        write_conflicts(repository, (name, branch), outcome.conflicts, resolutions, conflicts)
    if session(context).json:
        show_json(merge_to_json(outcome))
    else:
        show_table_changes(outcome.tables)
        show_conflicts(outcome.conflicts)
        if outcome.conflicts:
            count = "1 conflict" if len(outcome.conflicts) == 1 else f"{len(outcome.conflicts)} conflicts"
            say(f"The merge would stop, and change nothing: {count}.")
        else:
            done = f"Merged {name} into {branch} as {short(outcome.commit.id)}" if outcome.commit else "Would merge"
            say(f"{done}: {_counts(outcome.changes)}.")
            if outcome.commit:
                place = f"{repository.info.name}/{branch}"
                warn_of(outcome.commit.warnings, place, outcome.commit.id, merge=len(outcome.commit.parents) > 1)
    if outcome.conflicts:
        raise typer.Exit(3)


@app.command("rollback", help="Put old content back as a new commit: of a branch, of some tables, or of some paths.")
def rollback(
    context: typer.Context,
    branch: BranchRef,
    to: Annotated[str, typer.Option("--to", help="The ref whose content comes back")],
    table: Annotated[list[str] | None, typer.Option("--table", help="Only this table; may be repeated")] = None,
    path: Annotated[
        list[str] | None, typer.Option("--path", help="Only this path, or prefix that ends with '/'; may be repeated")
    ] = None,
    mode: Annotated[
        RollbackMode,
        typer.Option("--mode", help="forward: a new Delta version with the old rows; exact: the old version itself"),
    ] = RollbackMode.FORWARD,
    message: OptionalMessage = None,
    meta: Meta = None,
    dry_run: DryRun = False,
) -> None:
    repository, name = session(context).ref(branch)
    ref = session(context).same(to, repository)
    request = RollbackRequest(ref, tuple(table or ()), tuple(path or ()), mode, dry_run, message or "", pairs(meta))
    with committing(repository, name, dry_run=dry_run):
        outcome = repository.rollback(name, request)
    if session(context).json:
        show_json(rollback_to_json(outcome))
        return
    show_table_changes(outcome.tables)
    done = f"Rolled {name} back to {ref} as {short(outcome.commit.id)}" if outcome.commit else "Would roll back"
    say(f"{done}: {_counts(outcome.changes)}.")
    for warning in outcome.warnings:
        warn(f"warning: {warning}")
    if outcome.commit:
        warn_of(outcome.commit.warnings, f"{repository.info.name}/{name}", outcome.commit.id)


def _outside(
    changes: Callable[[ListRequest], Page[ObjectChange]], request: ListRequest, folders: Sequence[str]
) -> Page[ObjectChange]:
    """Lists changes outside `folders`; a folder's own are leapt over, not read."""
    found: list[ObjectChange] = []
    after = request.after
    while True:
        page = changes(ListRequest(request.prefix, after, request.amount))
        after = page.next_after
        for change in page.items:
            folder = next((folder for folder in folders if change.path.startswith(folder)), None)
            if folder is not None:
                behind = f"{folder}\U0010ffff"
                if change.path < behind:
                    after = behind
                    break
                continue
            found.append(change)
            if len(found) == request.amount:
                return Page(tuple(found), change.path)
        if not after:
            return Page(tuple(found))


def _counts(changes: ChangeCounts) -> str:
    return f"{many(changes.added, 'object')} added, {changes.removed} removed, {changes.changed} changed"


@dataclass(frozen=True, slots=True)
class _ByRows:
    """How rows are merged, where tables are settled so. Of `keys` and `newest`, an item TABLE=COLUMN is for one of
    these tables; the others are for those that have none of their own."""

    tables: tuple[str, ...]
    keys: tuple[str, ...]
    prefer: Take | None
    newest: tuple[str, ...]

    def resolution(self, table: str) -> Resolution:
        key, newest = key_of(self._own(table, self.keys)), self._own(table, self.newest)
        if not key:
            raise InvalidInput(
                ErrorKind.INVALID_ARGUMENT,
                f"--take rows:{table} needs the columns that tell rows apart.",
                hint=f"Add --key COLUMN, or --key {table}=COLUMN for this table alone.",
            )
        if len(newest) > 1:
            raise InvalidInput(
                ErrorKind.INVALID_ARGUMENT,
                f"--newest names more than one column of the table {table!r}.",
                hint=f"Name one; --newest {table}=COLUMN names it for this table alone.",
            )
        return Resolution(table, Take.ROWS, key, self.prefer, newest[0] if newest else None)

    def _own(self, table: str, given: Sequence[str]) -> list[str]:
        own = [item.removeprefix(f"{table}=") for item in given if item.startswith(f"{table}=")]
        others = tuple(f"{other}=" for other in self.tables)
        return own or [item for item in given if not item.startswith(others)]


def _resolutions(
    take: Sequence[str], keys: Sequence[str], prefer: Take | None, newest: Sequence[str]
) -> Iterator[Resolution]:
    sides = [_side(item) for item in take]
    tables = tuple(path for side, path in sides if side is Take.ROWS)
    by_rows = _ByRows(tables, tuple(keys), prefer, tuple(newest))
    for side, path in sides:
        yield by_rows.resolution(path) if side is Take.ROWS else Resolution(path, side)


def _side(text: str) -> tuple[Take, str]:
    side, colon, path = text.partition(":")
    if not colon or side not in tuple(Take):
        raise InvalidInput(
            ErrorKind.INVALID_ARGUMENT,
            f"--take {text!r} is no resolution.",
            hint="Write source:PATH, destination:PATH or rows:TABLE.",
        )
    return Take(side), path.rstrip("/")

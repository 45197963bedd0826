"""`lakegate status`, `commit`, `log`, `show`, `diff`, `merge`, `revert`, `cherry-pick` and `rollback`."""

from __future__ import annotations

from typing import Annotated

import typer

from lakegate.errors import ErrorKind, InvalidInput
from lakegate.model import (
    ApplyRequest,
    ChangeCounts,
    CommitRequest,
    Isolation,
    ListRequest,
    LogRequest,
    MergeRequest,
    ObjectChange,
    Page,
    Resolution,
    RollbackMode,
    RollbackRequest,
    Strategy,
    Take,
)
from lakegate_cli.output import counted, say, show_json, show_table, time_of
from lakegate_cli.session import session

_Ref = Annotated[str, typer.Argument(help="REPOSITORY/REF")]
_Message = Annotated[str, typer.Option("--message", "-m", help="What changed, and why.")]
_Meta = Annotated[list[str] | None, typer.Option("--meta", help="KEY=VALUE, kept with the commit; may be repeated.")]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would happen.")]


def register(root: typer.Typer) -> None:
    """Adds the commands that stand at the root."""
    root.command("status", help="Show the uncommitted changes of a branch.")(status)
    root.command("commit", help="Commit the uncommitted changes of a branch.")(commit)
    root.command("log", help="Show the history of a ref, newest first.")(log)
    root.command("show", help="Show one commit.")(show)
    root.command("diff", help="Show what differs between two refs.")(diff)
    root.command("merge", help="Merge a ref into a branch.")(merge)
    root.command("revert", help="Commit the inverse of a commit.")(revert)
    root.command("cherry-pick", help="Commit what another commit changed.")(cherry_pick)
    root.command("rollback", help="Put old content back as a new commit.")(rollback)
    root.command("verify", help="Re-hash a commit; with --deep its data too.")(verify)


def status(context: typer.Context, branch: _Ref, after: str = "", amount: int = 1000) -> None:
    repository, name = session(context).ref(branch)
    _show_changes(context, repository.uncommitted(name, ListRequest(after=after, amount=amount)))


def commit(
    context: typer.Context,
    branch: _Ref,
    message: _Message,
    meta: _Meta = None,
    allow_empty: Annotated[bool, typer.Option(help="Also where nothing changed.")] = False,
) -> None:
    repository, name = session(context).ref(branch)
    made = repository.commit(name, CommitRequest(message, _pairs(meta), allow_empty=allow_empty))
    if session(context).json:
        show_json(made)
    else:
        say(f"Committed {made.id[:12]} to {name}: {made.message}")


def log(
    context: typer.Context,
    ref: _Ref,
    prefix: Annotated[list[str] | None, typer.Option(help="Only commits that changed something below it.")] = None,
    after: str = "",
    amount: int = 20,
    first_parent: Annotated[bool, typer.Option(help="Follow first parents only.")] = False,
) -> None:
    repository, name = session(context).ref(ref)
    request = LogRequest(after, amount, prefixes=tuple(prefix or ()), first_parent=first_parent)
    page = repository.log(name, request)
    if session(context).json:
        show_json(page)
    else:
        rows = [(c.id[:12], time_of(c.created), c.committer, c.message) for c in page.items]
        show_table(("commit", "made", "by", "message"), rows)


def show(context: typer.Context, ref: _Ref) -> None:
    repository, name = session(context).ref(ref)
    show_json({"commit": repository.commit_of(name), "manifest": repository.manifest(name)})


def diff(
    context: typer.Context,
    left: _Ref,
    right: Annotated[str, typer.Argument(help="REF of the same repository")],
    prefix: str = "",
    three_dot: Annotated[bool, typer.Option(help="From the merge base of both.")] = False,
    after: str = "",
    amount: int = 1000,
) -> None:
    repository, name = session(context).ref(left)
    _show_changes(context, repository.diff(name, right, ListRequest(prefix, after, amount), three_dot))


def merge(
    context: typer.Context,
    source: _Ref,
    into: Annotated[str, typer.Option(help="The branch to merge into.")] = "main",
    message: _Message = "",
    meta: _Meta = None,
    strategy: Annotated[Strategy | None, typer.Option(help="Settles all conflicts.")] = None,
    take: Annotated[list[str] | None, typer.Option(help="source:PATH or destination:PATH settles one.")] = None,
    squash: Annotated[bool, typer.Option(help="Leave the source out of the parents.")] = False,
    isolation: Annotated[
        Isolation, typer.Option(help="Which changes of one Delta table on both sides merge.")
    ] = Isolation.WRITE_SERIALIZABLE,
    dry_run: _DryRun = False,
) -> None:
    repository, name = session(context).ref(source)
    resolutions = tuple(map(_resolution, take or ()))
    request = MergeRequest(
        message, _pairs(meta), strategy, squash, dry_run=dry_run, resolutions=resolutions, isolation=isolation
    )
    outcome = repository.merge(name, into, request)
    if session(context).json:
        show_json(outcome)
    else:
        for conflict in outcome.conflicts:
            say(f"{conflict.kind}: {conflict.message} {conflict.hint}")
        verb = f"Merged {name} into {into} as {outcome.commit.id[:12]}" if outcome.commit else "Would merge"
        say(f"{verb}: {_counts(outcome.changes)}.")
    if outcome.conflicts:
        raise typer.Exit(3)


def revert(
    context: typer.Context,
    branch: _Ref,
    commit: Annotated[str, typer.Argument(help="The commit to undo.")],
    parent: Annotated[int | None, typer.Option(help="Of a merge: against which parent.")] = None,
    message: Annotated[str | None, typer.Option("--message", "-m")] = None,
) -> None:
    repository, name = session(context).ref(branch)
    say(f"Reverted as {repository.revert(name, ApplyRequest(commit, parent, message)).id[:12]}.")


def cherry_pick(
    context: typer.Context,
    branch: _Ref,
    commit: Annotated[str, typer.Argument(help="The commit to apply.")],
    parent: Annotated[int | None, typer.Option(help="Of a merge: against which parent.")] = None,
    message: Annotated[str | None, typer.Option("--message", "-m")] = None,
) -> None:
    repository, name = session(context).ref(branch)
    say(f"Picked as {repository.cherry_pick(name, ApplyRequest(commit, parent, message)).id[:12]}.")


def rollback(
    context: typer.Context,
    branch: _Ref,
    to: Annotated[str, typer.Option(help="The ref whose content comes back.")],
    path: Annotated[list[str] | None, typer.Option(help="Only this path, or prefix with '/' at its end.")] = None,
    mode: Annotated[RollbackMode, typer.Option(help="exact takes Delta versions back.")] = RollbackMode.FORWARD,
    message: _Message = "",
    dry_run: _DryRun = False,
) -> None:
    repository, name = session(context).ref(branch)
    request = RollbackRequest(to, paths=tuple(path or ()), mode=mode, dry_run=dry_run, message=message)
    outcome = repository.rollback(name, request)
    if session(context).json:
        show_json(outcome)
        return
    verb = f"Rolled {name} back as {outcome.commit.id[:12]}" if outcome.commit else "Would roll back"
    say(f"{verb}: {_counts(outcome.changes)}.")
    for warning in outcome.warnings:
        say(f"warning: {warning}")


def verify(
    context: typer.Context,
    ref: _Ref,
    deep: Annotated[bool, typer.Option(help="Read all bytes again.")] = False,
    under: Annotated[list[str] | None, typer.Option(help="Only the objects under this folder.")] = None,
) -> None:
    repository, name = session(context).ref(ref)
    with counted("verifying") as progress:
        outcome = repository.verify(name, deep, tuple(under or ()), progress)
    if session(context).json:
        show_json(outcome)
    else:
        for problem in outcome.problems:
            say(f"{problem.path}: {problem.problem}")
        result = "as they should be" if outcome.ok else f"{len(outcome.problems)} problems"
        say(
            f"{outcome.nodes} nodes and {outcome.objects} objects ({outcome.objects_hashed} re-hashed, "
            f"{outcome.unverifiable} imported without a digest): {result}."
        )
    if not outcome.ok:
        raise typer.Exit(1)


def _show_changes(context: typer.Context, page: Page[ObjectChange]) -> None:
    if session(context).json:
        show_json(page)
        return
    show_table(("change", "path"), [(change.kind.value, change.path) for change in page.items])
    if page.has_more:
        typer.echo(f"There is more: go on with --after {page.next_after}", err=True)


def _counts(changes: ChangeCounts) -> str:
    return f"{changes.added} objects added, {changes.removed} removed, {changes.changed} changed"


def _pairs(meta: list[str] | None) -> dict[str, str]:
    pairs = [item.partition("=") for item in meta or ()]
    for key, equals, _ in pairs:
        if not key or not equals:
            raise InvalidInput(ErrorKind.INVALID_ARGUMENT, "--meta takes KEY=VALUE.", hint="For example: --meta run=7")
    return {key: value for key, _, value in pairs}


def _resolution(text: str) -> Resolution:
    side, colon, path = text.partition(":")
    if not colon or side not in (Take.SOURCE, Take.DESTINATION):
        raise InvalidInput(
            ErrorKind.INVALID_ARGUMENT,
            f"--take {text!r} is no resolution.",
            hint="Write source:PATH or destination:PATH.",
        )
    return Resolution(path, Take(side))

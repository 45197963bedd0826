"""`lakegate import` and `export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lakegate.client.wire.work import job_to_json
from lakegate.model import CommitRequest, ExportRequest, ImportKind, ImportRequest, ImportSource, Job
from lakegate_cli.arguments import DryRun, Message, Meta, ObjectPath, pairs
from lakegate_cli.output import many, number, say, show_json, warn, warn_of
from lakegate_cli.progress import RESUMED, committing, counted
from lakegate_cli.session import session

app = typer.Typer(rich_markup_mode=None)


@app.command("import", help="Import existing files into a branch without copying them, and commit.")
def import_(
    context: typer.Context,
    source: Annotated[str, typer.Argument(help="A folder or file, s3://BUCKET/PREFIX, ...")],
    to: ObjectPath,
    message: Message,
    meta: Meta = None,
    one: Annotated[bool, typer.Option("--object", help="The source is one object, not a prefix")] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Also remove what stands there and is not in the source")
    ] = False,
    dry_run: DryRun = False,
) -> None:
    repository, branch, path = session(context).path(to)
    kind = ImportKind.OBJECT if one else ImportKind.PREFIX
    wanted = (ImportSource(kind, _absolute(source), path),)
    request = ImportRequest(wanted, CommitRequest(message, pairs(meta)), dry_run, replace)
    stopped = "Nothing was committed; start it again."
    with committing(repository, branch, dry_run=dry_run), counted("the import", stopped) as progress:
        job = repository.import_(branch, request, progress)
    if session(context).json:
        show_json(job_to_json(job))
    else:
        count = many(int(job.result["objects"]), "object")
        removed = int(job.result["removed"])
        beside = f" and {'remove' if dry_run else 'removed'} {removed} that the source lacks" if removed else ""
        say(f"{'Would import' if dry_run else 'Imported'} {count} into {branch}/{path}{beside}.")
        if dry_run:
            for warning in job.result["warnings"]:
                warn(f"warning: {warning}")
        else:
            warn_of(job.result["warnings"], f"{repository.info.name}/{branch}", job.result["commit"])


@app.command("export", help="Write a ref's objects as plain files that any client reads without lakegate.")
def export(
    context: typer.Context,
    what: ObjectPath,
    to: Annotated[str, typer.Argument(help="A folder, s3://BUCKET/PREFIX, ...")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Also where other files stand")] = False,
    dry_run: DryRun = False,
) -> None:
    repository, ref, prefix = session(context).path(what)
    with counted("the export", RESUMED) as progress:
        job = repository.export(ExportRequest(ref, _absolute(to), prefix, overwrite, dry_run), progress)
    if session(context).json:
        show_json(job_to_json(job))
    else:
        say(f"{'Would export' if dry_run else 'Exported'} {exported(job)} of {ref} to {to}.")


def exported(job: Job) -> str:
    """What an export wrote, in words."""
    skipped = int(job.result.get("skipped", 0))
    same = f" ({number(skipped)} {'was' if skipped == 1 else 'were'} there already)" if skipped else ""
    return many(int(job.result["objects"]), "object") + same


def _absolute(place: str) -> str:
    """A folder as the user means it: from where the command is called. URLs stay."""
    return place if "://" in place else str(Path(place).expanduser().absolute())

"""`lakegate job`."""

from __future__ import annotations

from typing import Annotated

import typer

from lakegate.client.wire.work import job_to_json
from lakegate.ids import JobId
from lakegate.model import Job
from lakegate_cli.arguments import Amount, RepositoryName
from lakegate_cli.output import number, say, show_fields, show_json, show_table, time_of
from lakegate_cli.session import session

app = typer.Typer(help="Look at long work, and stop it.", no_args_is_help=True, rich_markup_mode=None)

_Job = Annotated[str, typer.Argument(help="The job's id, as `lakegate job list` shows it", metavar="JOB")]


@app.command("list", help="List the jobs of a repository, newest first.")
def list_(context: typer.Context, repository: RepositoryName = None, amount: Amount = 20) -> None:
    jobs = session(context).repo(repository).jobs(amount)
    if session(context).json:
        show_json({"results": [job_to_json(job) for job in jobs]})
        return
    rows = [(job.id, job.kind, job.state.value, _done(job), time_of(job.created)) for job in jobs]
    show_table(("job", "kind", "state", "objects", "started (UTC)"), rows)


@app.command("show", help="Show one job.")
def show(context: typer.Context, job: _Job, repository: RepositoryName = None) -> None:
    found = session(context).repo(repository).job(JobId(job))
    if session(context).json:
        show_json(job_to_json(found))
        return
    fields: list[tuple[str, object]] = [("job", found.id), ("kind", found.kind), ("state", found.state.value)]
    fields += [("objects", _done(found)), ("started", f"{time_of(found.created)} UTC")]
    fields += [(key, value) for key, value in found.result.items()]
    if found.error_code is not None:
        fields.append(("error", f"{found.error_code}: {found.error_message}"))
    show_fields(fields)


@app.command("cancel", help="Ask a running job to stop.")
def cancel(context: typer.Context, job: _Job, repository: RepositoryName = None) -> None:
    session(context).repo(repository).cancel_job(JobId(job))
    if session(context).json:
        show_json({})
    else:
        say(f"Asked {job} to stop.")


def _done(job: Job) -> str:
    return number(job.done) if job.total is None else f"{number(job.done)} of {number(job.total)}"

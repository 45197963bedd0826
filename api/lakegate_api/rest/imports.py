"""Imports of existing objects, and the jobs they run as; exports."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from lakegate.client.wire.nouns import commit_to_json
from lakegate.client.wire.work import job_to_json
from lakegate.errors import ErrorKind, NotFound
from lakegate.ids import JobId
from lakegate.interface import Repository
from lakegate.model import ImportKind, ImportRequest, ImportSource, Job, JobState
from lakegate_api.rest.calls import DEFAULT_AMOUNT, Amount, Call, bounded, errors
from lakegate_api.rest.commits import commit_request
from lakegate_api.rest.models import objects as models

router = APIRouter(prefix="/repositories/{repository}", tags=["import"])

ImportId = Annotated[str, Query(alias="id", description="As importStart answered it.")]


@router.post(
    "/branches/{branch}/import",
    operation_id="importStart",
    status_code=202,
    responses=errors(404),
    response_model=models.ImportCreationResponse,
)
def start_import(call: Call, repository: str, branch: str, body: models.ImportCreation) -> Any:
    """Starts an import: existing objects become part of the branch, uncopied, in one commit."""
    sources = tuple(
        ImportSource(ImportKind(location.type.value), call.storage_url(location.path), location.destination)
        for location in body.paths
    )
    request = ImportRequest(sources, commit_request(body.commit), body.dry_run, body.replace)
    return {"id": call.repository(repository).start_import(branch, request).id}


@router.get(
    "/branches/{branch}/import",
    operation_id="importStatus",
    responses=errors(404),
    response_model=models.ImportStatus,
    response_model_exclude_unset=True,
)
def import_status(call: Call, repository: str, branch: str, import_id: ImportId) -> Any:
    """Shows how far an import is; `completed` is true once it has succeeded, `error` stands where it failed."""
    opened = call.repository(repository)
    return _status(opened, _import(opened, import_id))


@router.delete("/branches/{branch}/import", operation_id="importCancel", status_code=204, responses=errors(404, 409))
def cancel_import(call: Call, repository: str, branch: str, import_id: ImportId) -> Response:
    """Asks an import to stop."""
    opened = call.repository(repository)
    opened.cancel_job(_import(opened, import_id).id)
    return Response(status_code=204)


def _import(repository: Repository, job_id: str) -> Job:
    job = repository.job(JobId(job_id))
    if job.kind != "import":
        raise NotFound(ErrorKind.JOB_NOT_FOUND, f"The job {job_id!r} is no import.", hint="List the jobs.")
    return job


def _status(repository: Repository, job: Job) -> dict[str, Any]:
    status: dict[str, Any] = {
        "completed": job.state is JobState.DONE,
        "update_time": datetime.fromtimestamp(job.updated / 1000, UTC).isoformat(),
        "ingested_objects": job.done,
    }
    commit_id = job.result.get("commit")
    if commit_id:
        commit = repository.commit_of(str(commit_id))
        made = replace(commit, warnings=tuple(job.result.get("warnings", ())))
        status |= {"commit": commit_to_json(made), "metarange_id": commit.manifest}
    if job.error_code is not None:
        status["error"] = {"message": job.error_message or job.error_code, "code": job.error_code}
    return status


@router.get("/jobs", operation_id="listJobs", responses=errors(404), response_model=models.JobList)
def list_jobs(call: Call, repository: str, amount: Amount = DEFAULT_AMOUNT) -> Any:
    """Lists jobs, newest first."""
    return {"results": [job_to_json(job) for job in call.repository(repository).jobs(bounded(amount))]}


@router.get("/jobs/{job}", operation_id="getJob", responses=errors(404), response_model=models.Job)
def get_job(call: Call, repository: str, job: str) -> Any:
    """Shows a job."""
    return job_to_json(call.repository(repository).job(JobId(job)))


@router.delete("/jobs/{job}", operation_id="cancelJob", status_code=204, responses=errors(404, 409))
def cancel_job(call: Call, repository: str, job: str) -> Response:
    """Asks a job to stop."""
    call.repository(repository).cancel_job(JobId(job))
    return Response(status_code=204)

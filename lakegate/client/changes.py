"""Commits, merges and their kin, imports and jobs of a repository behind a server."""

from __future__ import annotations

import time
from typing import Any

from lakegate.client import names
from lakegate.client.failures import error_of_code
from lakegate.client.http import Sent
from lakegate.client.refs import RefRequests
from lakegate.client.requests import listing
from lakegate.client.wire import nouns, objects, outcomes, work
from lakegate.errors import ErrorKind, LakegateError
from lakegate.ids import BranchName, CommitId, JobId
from lakegate.model import (
    ApplyRequest,
    Branch,
    Commit,
    CommitRequest,
    ImportRequest,
    Job,
    JobState,
    ListRequest,
    MergeOutcome,
    MergeRequest,
    ObjectChange,
    Page,
    Progress,
    RollbackOutcome,
    RollbackRequest,
)

_COMMIT_HEADER = "x-lakegate-commit"
_PATHS_HEADER = "x-lakegate-paths"
_FIRST_POLL_SECONDS = 0.02
_LAST_POLL_SECONDS = 1.0


class ChangeRequests(RefRequests):
    """The methods of `lakegate.interface.Repository` for changes, imports and jobs."""

    def uncommitted(self, branch: str, request: ListRequest = ListRequest()) -> Page[ObjectChange]:
        query = {**listing(request), "include_stats": True}
        return self._changes(self.get(("branches", names.branch(branch), "diff"), query))

    def diff(
        self, left: str, right: str, request: ListRequest = ListRequest(), three_dot: bool = False
    ) -> Page[ObjectChange]:
        query = {
            **listing(request),
            "include_stats": True,
            "type": "three_dot" if three_dot else "two_dot",
        }
        return self._changes(self.get(("refs", names.ref(left), "diff", names.ref(right)), query))

    def _changes(self, body: Any) -> Page[ObjectChange]:
        namespace = self.info.storage_namespace
        return nouns.page_from_json(body, lambda change: objects.change_from_json(change, namespace))

    def commit(self, branch: str, request: CommitRequest) -> Commit:
        body = self.post(("branches", names.branch(branch), "commits"), _commit(request))
        return nouns.commit_from_json(body)

    def merge(self, source: str, destination: str, request: MergeRequest = MergeRequest()) -> MergeOutcome:
        body = {
            "message": request.message,
            "metadata": dict(request.metadata),
            "strategy": None if request.strategy is None else request.strategy.value,
            "squash_merge": request.squash,
            "allow_empty": request.allow_empty,
            "dry_run": request.dry_run,
            "resolutions": [
                {"path": resolution.path, "take": resolution.take.value, "key": resolution.key}
                for resolution in request.resolutions
            ],
            "isolation": request.isolation.value,
        }
        route = ("refs", names.ref(source), "merge", names.branch(destination))
        return outcomes.merge_from_json(self.post(route, body))

    def merge_base(self, left: str, right: str) -> Commit | None:
        found = self.get(("refs", names.ref(left), "merge", names.ref(right)))
        return self.commit_of(found["base_commit_id"]) if found["base_commit_id"] else None

    def revert(self, branch: str, request: ApplyRequest) -> Commit:
        route = self.path("branches", names.branch(branch), "revert")
        sent = Sent(json={**_apply(request), "parent_number": request.parent or 0})
        return self.commit_of(self.http.send("POST", route, sent).headers[_COMMIT_HEADER])

    def cherry_pick(self, branch: str, request: ApplyRequest) -> Commit:
        body = {**_apply(request), "parent_number": request.parent}
        return nouns.commit_from_json(self.post(("branches", names.branch(branch), "cherry-pick"), body))

    def reset(self, branch: str, path: str | None = None, prefix: str | None = None) -> int:
        body = {"type": "reset"}
        if path is not None:
            body = {"type": "object", "path": path}
        elif prefix is not None:
            body = {"type": "common_prefix", "path": prefix}
        answer = self.http.send("PUT", self.path("branches", names.branch(branch)), Sent(json=body))
        return int(answer.headers[_PATHS_HEADER])

    def hard_reset(self, branch: str, ref: str) -> Branch:
        route = self.path("branches", names.branch(branch), "hard_reset")
        answer = self.http.send("PUT", route, Sent({"ref": ref}))
        return Branch(BranchName(branch), CommitId(answer.headers[_COMMIT_HEADER]))

    def rollback(self, branch: str, request: RollbackRequest) -> RollbackOutcome:
        body = {
            "to": request.to,
            "tables": request.tables,
            "paths": request.paths,
            "mode": request.mode.value,
            "dry_run": request.dry_run,
            "message": request.message,
            "metadata": dict(request.metadata),
        }
        return outcomes.rollback_from_json(self.post(("branches", names.branch(branch), "rollback"), body))

    def import_(self, branch: str, request: ImportRequest, progress: Progress | None = None) -> Job:
        job = self.start_import(branch, request)
        wait = _FIRST_POLL_SECONDS
        while job.state is JobState.RUNNING:
            time.sleep(wait)
            wait = min(wait * 1.5, _LAST_POLL_SECONDS)
            job = self.job(job.id)
            if progress is not None:
                self._report(job, progress)
        if job.error_code is not None:
            raise error_of_code(job.error_code, job.error_message or job.error_code)
        return job

    def _report(self, job: Job, progress: Progress) -> None:
        try:
            progress(job.done, job.total)
        except LakegateError as error:
            if error.kind is ErrorKind.CANCELLED and job.state is JobState.RUNNING:
                self.cancel_job(job.id)
            raise

    def start_import(self, branch: str, request: ImportRequest) -> Job:
        body = {
            "paths": [
                {"type": source.kind.value, "path": source.url, "destination": source.destination}
                for source in request.sources
            ],
            "commit": _commit(request.commit),
            "dry_run": request.dry_run,
            "replace": request.replace,
        }
        return self.job(JobId(self.post(("branches", names.branch(branch), "import"), body)["id"]))

    def job(self, job: JobId) -> Job:
        return work.job_from_json(self.get(("jobs", names.job(job))))

    def jobs(self, amount: int = 100) -> tuple[Job, ...]:
        return tuple(work.job_from_json(job) for job in self.get(("jobs",), {"amount": amount})["results"])

    def cancel_job(self, job: JobId) -> None:
        self.http.send("DELETE", self.path("jobs", names.job(job)))


def _commit(request: CommitRequest) -> dict[str, Any]:
    return {
        "message": request.message,
        "metadata": dict(request.metadata),
        "date_ms": request.date,
        "allow_empty": request.allow_empty,
    }


def _apply(request: ApplyRequest) -> dict[str, Any]:
    return {
        "ref": request.ref,
        "commit_overrides": {"message": request.message, "metadata": dict(request.metadata)},
        "allow_empty": request.allow_empty,
    }

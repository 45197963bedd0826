"""Commits, merges and their kin, imports and jobs of a repository behind a server."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from lakegate.client import names
from lakegate.client.failures import error_of_code
from lakegate.client.http import Query, Sent
from lakegate.client.refs import RefRequests
from lakegate.client.requests import listing
from lakegate.client.wire import nouns, objects, outcomes, work
from lakegate.errors import ErrorKind, InvalidInput, Refused
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
        return self._changes(("branches", names.branch(branch), "diff"), query)

    def diff(
        self, left: str, right: str, request: ListRequest = ListRequest(), three_dot: bool = False
    ) -> Page[ObjectChange]:
        query = {
            **listing(request),
            "include_stats": True,
            "type": "three_dot" if three_dot else "two_dot",
        }
        return self._changes(("refs", names.ref(left), "diff", names.ref(right)), query)

    def _changes(self, route: Sequence[str], query: Query) -> Page[ObjectChange]:
        namespace = self.info.storage_namespace
        return self.page(route, lambda change: objects.change_from_json(change, namespace), query)

    def commit(self, branch: str, request: CommitRequest) -> Commit:
        return self.post(("branches", names.branch(branch), "commits"), nouns.commit_from_json, _commit(request))

    def merge(self, source: str, destination: str, request: MergeRequest = MergeRequest()) -> MergeOutcome:
        body = {
            "message": request.message,
            "metadata": dict(request.metadata),
            "strategy": None if request.strategy is None else request.strategy.value,
            "squash_merge": request.squash,
            "allow_empty": request.allow_empty,
            "dry_run": request.dry_run,
            "resolutions": [
                {
                    "path": resolution.path,
                    "take": resolution.take.value,
                    "key": resolution.key,
                    "prefer": None if resolution.prefer is None else resolution.prefer.value,
                    "newest": resolution.newest,
                }
                for resolution in request.resolutions
            ],
            "isolation": request.isolation.value,
        }
        route = ("refs", names.ref(source), "merge", names.branch(destination))
        return self.post(route, outcomes.merge_from_json, body, repeatable=request.dry_run)

    def merge_base(self, left: str, right: str) -> Commit | None:
        base = self.get(("refs", names.ref(left), "merge", names.ref(right)), lambda body: str(body["base_commit_id"]))
        return self.commit_of(base) if base else None

    def revert(self, branch: str, request: ApplyRequest) -> Commit:
        route = self.path("branches", names.branch(branch), "revert")
        sent = Sent(json={**_apply(request), "parent_number": request.parent or 0})
        return self.commit_of(self.http.send("POST", route, sent).headers[_COMMIT_HEADER])

    def cherry_pick(self, branch: str, request: ApplyRequest) -> Commit:
        body = {**_apply(request), "parent_number": request.parent}
        return self.post(("branches", names.branch(branch), "cherry-pick"), nouns.commit_from_json, body)

    def reset(self, branch: str, path: str | None = None, prefix: str | None = None) -> int:
        if path is not None and prefix is not None:
            raise InvalidInput(
                ErrorKind.INVALID_ARGUMENT, "A reset takes a path or a prefix, not both.", hint="Reset twice instead."
            )
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
        route = ("branches", names.branch(branch), "rollback")
        return self.post(route, outcomes.rollback_from_json, body, repeatable=request.dry_run)

    def import_(self, branch: str, request: ImportRequest, progress: Progress | None = None) -> Job:
        return self.followed(self.start_import(branch, request), progress)

    def followed(self, job: Job, progress: Progress | None) -> Job:
        """Asks for a job's state until it has ended, and raises what ended it. What `progress` raises cancels it;
        where that comes too late, and the work is done, the ended job is returned all the same."""
        wait = _FIRST_POLL_SECONDS
        try:
            while job.state is JobState.RUNNING:
                time.sleep(wait)
                wait = min(wait * 1.5, _LAST_POLL_SECONDS)
                job = self.job(job.id)
                if progress is not None:
                    progress(job.done, job.total)
        except BaseException:
            if self._cancelled(job):
                raise
            job = self.job(job.id)
        if job.error_code is not None:
            raise error_of_code(job.error_code, job.error_message or job.error_code, job.error_hint)
        return job

    def _cancelled(self, job: Job) -> bool:
        """Asks a job to stop, and waits until it has ended. Tells whether it did not do its work."""
        with suppress(Refused):  # it has ended by itself
            self.cancel_job(job.id)
        while job.state is JobState.RUNNING:
            time.sleep(_FIRST_POLL_SECONDS)
            job = self.job(job.id)
        return job.state is not JobState.DONE

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
        route = ("branches", names.branch(branch), "import")
        return self.job(self.post(route, lambda answer: JobId(answer["id"]), body))

    def job(self, job: JobId) -> Job:
        return self.get(("jobs", names.job(job)), work.job_from_json)

    def jobs(self, amount: int = 100) -> tuple[Job, ...]:
        return self.some(("jobs",), work.job_from_json, amount)

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

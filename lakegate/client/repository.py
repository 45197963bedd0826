"""A repository behind a server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lakegate.client import names
from lakegate.client.changes import ChangeRequests
from lakegate.client.contents import ContentRequests
from lakegate.client.exports import export
from lakegate.client.reports import ReportRequests
from lakegate.client.rows import RowRequests
from lakegate.client.wire import outcomes
from lakegate.ids import JobId
from lakegate.model import ExportRequest, Job, Progress, VerifyOutcome


class HttpRepository(ContentRequests, ChangeRequests, ReportRequests, RowRequests):
    """Implements `lakegate.interface.Repository` over the REST API of a server: each method is one route, or few."""

    def export(self, request: ExportRequest, progress: Progress | None = None) -> Job:
        """Downloads to a folder of this machine. Raises NotOffered for the URL of a bucket."""
        return export(self, request, progress, self.open_entry)

    def start_export(self, request: ExportRequest) -> Job:
        body = {
            "destination": request.destination,
            "prefix": request.prefix,
            "overwrite": request.overwrite,
            "dry_run": request.dry_run,
        }
        return self.job(self.post(("refs", names.ref(request.ref), "export"), _job_id, body))

    def start_verify(self, ref: str, deep: bool = False, tables: Sequence[str] = ()) -> Job:
        body = {"deep": deep, "tables": list(tables), "background": True}
        return self.job(self.post(("refs", names.ref(ref), "verify"), _job_id, body, repeatable=True))

    def verify(
        self, ref: str, deep: bool = False, tables: Sequence[str] = (), progress: Progress | None = None
    ) -> VerifyOutcome:
        """Verifies in the background of the server, and asks for the job's state until it has ended."""
        job = self.followed(self.start_verify(ref, deep, tables), progress)
        return outcomes.verify_from_json(dict(job.result))


def _job_id(answer: Any) -> JobId:
    return JobId(answer["id"])

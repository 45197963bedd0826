"""A repository behind a server."""

from __future__ import annotations

from lakegate.client.changes import ChangeRequests
from lakegate.client.contents import ContentRequests
from lakegate.client.exports import export
from lakegate.client.reports import ReportRequests
from lakegate.client.rows import RowRequests
from lakegate.model import ExportRequest, Job, Progress


class HttpRepository(ContentRequests, ChangeRequests, ReportRequests, RowRequests):
    """Implements `lakegate.interface.Repository` over the REST API of a server: each method is one route, or few."""

    def export(self, request: ExportRequest, progress: Progress | None = None) -> Job:
        """Downloads to a folder of this machine. Raises NotOffered for the URL of a bucket."""
        return export(self, request, progress)

"""Jobs, pins and holds in JSON."""

from __future__ import annotations

from dataclasses import asdict

from lakegate.client.wire.nouns import Json
from lakegate.ids import CommitId, HoldId, JobId, ManifestId, RepositoryName
from lakegate.model import Hold, Job, JobState, PinDocument, PinnedTable, TableFormat


def job_to_json(job: Job) -> Json:
    return {
        "id": job.id,
        "kind": job.kind,
        "state": job.state.value,
        "done": job.done,
        "total": job.total,
        "creation_date_ms": job.created,
        "update_time_ms": job.updated,
        "result": dict(job.result),
        "error_code": job.error_code,
        "error_message": job.error_message,
        "error_hint": job.error_hint,
    }


def job_from_json(body: Json) -> Job:
    return Job(
        JobId(body["id"]),
        body["kind"],
        JobState(body["state"]),
        body["done"],
        body["total"],
        body["creation_date_ms"],
        body["update_time_ms"],
        body["result"],
        body["error_code"],
        body["error_message"],
        body["error_hint"],
    )


def hold_to_json(hold: Hold) -> Json:
    return {
        "id": hold.id,
        "repository": hold.repository,
        "commit_id": hold.commit,
        "name": hold.name,
        "creation_date_ms": hold.created,
    }


def hold_from_json(body: Json) -> Hold:
    return Hold(
        HoldId(body["id"]),
        RepositoryName(body["repository"]),
        CommitId(body["commit_id"]),
        body["name"],
        body["creation_date_ms"],
    )


def pin_to_json(pin: PinDocument) -> Json:
    return {
        "repository": pin.repository,
        "ref": pin.ref,
        "commit_id": pin.commit,
        "committed_at_ms": pin.committed_at,
        "manifest_id": pin.manifest,
        "tables": [{**asdict(table), "format": table.format.value} for table in pin.tables],
        "hold_id": pin.hold,
    }


def pin_from_json(body: Json) -> PinDocument:
    return PinDocument(
        RepositoryName(body["repository"]),
        body["ref"],
        CommitId(body["commit_id"]),
        body["committed_at_ms"],
        ManifestId(body["manifest_id"]),
        tuple(_pinned_table(table) for table in body["tables"]),
        None if body["hold_id"] is None else HoldId(body["hold_id"]),
    )


def _pinned_table(body: Json) -> PinnedTable:
    return PinnedTable(
        path=body["path"],
        format=TableFormat(body["format"]),
        version=body["version"],
        schema=body["schema"],
        files=body["files"],
        rows=body["rows"],
        bytes=body["bytes"],
        content=body["content"],
        table_id=body["table_id"],
    )

"""What merges, rollbacks and verifications answer, in JSON."""

from __future__ import annotations

from dataclasses import asdict

from lakegate.client.wire.nouns import Json, commit_from_json, commit_to_json
from lakegate.client.wire.rows import row_conflicts_from_json, row_conflicts_to_json
from lakegate.ids import CommitId
from lakegate.model import (
    ChangeCounts,
    Conflict,
    ConflictKind,
    MergeOutcome,
    ReplayedVersion,
    RollbackOutcome,
    Side,
    TableChange,
    TableOutcome,
    VerifyOutcome,
    VerifyProblem,
)


def _side_to_json(side: Side) -> Json:
    return {
        "version": side.version,
        "operations": list(side.operations),
        "etag": side.etag,
        "versions": list(side.versions),
    }


def _side_from_json(body: Json) -> Side:
    return Side(body["version"], tuple(body["operations"]), body["etag"], tuple(body["versions"]))


def conflict_to_json(conflict: Conflict) -> Json:
    return {
        "type": conflict.kind.value,
        "path": conflict.path,
        "message": conflict.message,
        "hint": conflict.hint,
        "table": conflict.table,
        "base": _side_to_json(conflict.base),
        "source": _side_to_json(conflict.source),
        "destination": _side_to_json(conflict.destination),
        "files": list(conflict.files),
        "partitions": list(conflict.partitions),
        "file_count": conflict.file_count,
        "rows": None if conflict.rows is None else row_conflicts_to_json(conflict.rows),
    }


def conflict_from_json(body: Json) -> Conflict:
    return Conflict(
        ConflictKind(body["type"]),
        body["path"],
        body["message"],
        body["table"],
        _side_from_json(body["base"]),
        _side_from_json(body["source"]),
        _side_from_json(body["destination"]),
        body["hint"],
        tuple(body["files"]),
        tuple(body["partitions"]),
        body["file_count"],
        None if body["rows"] is None else row_conflicts_from_json(body["rows"]),
    )


def table_change_to_json(change: TableChange) -> Json:
    return {**asdict(change), "outcome": change.outcome.value}


def table_change_from_json(body: Json) -> TableChange:
    return TableChange(
        body["path"],
        TableOutcome(body["outcome"]),
        body["from_version"],
        body["to_version"],
        body["rows_added"],
        body["rows_removed"],
        body["note"],
        body["bytes_added"],
        body["bytes_removed"],
        tuple(ReplayedVersion(**version) for version in body["versions"]),
        body["files_added"],
        body["files_removed"],
    )


def merge_to_json(outcome: MergeOutcome) -> Json:
    """`reference` is the commit that the destination points at afterwards (a dry run: still points at)."""
    return {
        "reference": outcome.destination if outcome.commit is None else outcome.commit.id,
        "commit": None if outcome.commit is None else commit_to_json(outcome.commit),
        "source": outcome.source,
        "destination": outcome.destination,
        "base": outcome.base,
        "fast_path": outcome.fast_path,
        "changes": asdict(outcome.changes),
        "tables": [table_change_to_json(change) for change in outcome.tables],
        "conflicts": [conflict_to_json(conflict) for conflict in outcome.conflicts],
    }


def merge_from_json(body: Json) -> MergeOutcome:
    return MergeOutcome(
        None if body["commit"] is None else commit_from_json(body["commit"]),
        CommitId(body["source"]),
        CommitId(body["destination"]),
        CommitId(body["base"]),
        body["fast_path"],
        ChangeCounts(**body["changes"]),
        tuple(table_change_from_json(change) for change in body["tables"]),
        tuple(conflict_from_json(conflict) for conflict in body["conflicts"]),
    )


def rollback_to_json(outcome: RollbackOutcome) -> Json:
    return {
        "commit": None if outcome.commit is None else commit_to_json(outcome.commit),
        "to": outcome.to,
        "changes": asdict(outcome.changes),
        "tables": [table_change_to_json(change) for change in outcome.tables],
        "warnings": list(outcome.warnings),
    }


def rollback_from_json(body: Json) -> RollbackOutcome:
    return RollbackOutcome(
        None if body["commit"] is None else commit_from_json(body["commit"]),
        CommitId(body["to"]),
        ChangeCounts(**body["changes"]),
        tuple(table_change_from_json(change) for change in body["tables"]),
        tuple(body["warnings"]),
    )


def verify_to_json(outcome: VerifyOutcome) -> Json:
    return {**asdict(outcome), "ok": outcome.ok, "problems": [asdict(problem) for problem in outcome.problems]}


def verify_from_json(body: Json) -> VerifyOutcome:
    return VerifyOutcome(
        CommitId(body["commit"]),
        body["nodes"],
        body["objects"],
        body["objects_hashed"],
        body["bytes_hashed"],
        body["unverifiable"],
        tuple(VerifyProblem(problem["path"], problem["problem"]) for problem in body["problems"]),
        body["problem_count"],
    )

"""Rows of the database to and from the records of the protocol."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from lakegate.ids import BranchName, CommitId, RepositoryId, RepositoryName, StagingToken, WriteId
from lakegate.metastore.protocol import BranchState, StagedRow
from lakegate.model import Entry, RepositoryInfo


def text_of(values: Mapping[str, Any]) -> str:
    """Writes a mapping as JSON."""
    return json.dumps(dict(values), sort_keys=True, ensure_ascii=False)


def repository_of(row: Any) -> RepositoryInfo:
    """Reads a repository."""
    return RepositoryInfo(
        RepositoryId(row.id),
        RepositoryName(row.name),
        row.storage_namespace,
        BranchName(row.default_branch),
        row.created,
    )


def branch_of(row: Any) -> BranchState:
    """Reads a branch."""
    return BranchState(
        BranchName(row.name),
        CommitId(row.commit_id),
        StagingToken(row.staging),
        tuple(StagingToken(token) for token in row.sealed.split()),
        row.sequence,
    )


def sealed_text(tokens: Sequence[StagingToken]) -> str:
    """Writes the sealed tokens of a branch."""
    return " ".join(tokens)


def staged_of(row: Any) -> StagedRow:
    """Reads a staged path."""
    return StagedRow(row.path, _entry_of(row), WriteId(row.write_id), StagingToken(row.token))


def _entry_of(row: Any) -> Entry | None:
    if row.address is None:
        return None
    return Entry(
        path=row.path,
        address=row.address,
        size=row.size,
        etag=row.etag,
        mtime=row.mtime,
        digest=row.digest,
        content_type=row.content_type,
        metadata=json.loads(row.metadata),
        headers=json.loads(row.headers),
    )


def staged_values(token: StagingToken, path: str, entry: Entry | None, write_id: str) -> dict[str, Any]:
    """Makes the values of one staged path; a tombstone has no entry."""
    return {
        "token": token,
        "path": path,
        "write_id": write_id,
        "address": entry.address if entry else None,
        "size": entry.size if entry else None,
        "etag": entry.etag if entry else None,
        "mtime": entry.mtime if entry else None,
        "digest": entry.digest if entry else None,
        "content_type": entry.content_type if entry else None,
        "metadata": text_of(entry.metadata) if entry else None,
        "headers": text_of(entry.headers) if entry else None,
    }

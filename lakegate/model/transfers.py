"""Imports, exports, and the jobs that long operations run as."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from lakegate.ids import JobId
from lakegate.model.history import CommitRequest


class ImportKind(StrEnum):
    PREFIX = "common_prefix"
    OBJECT = "object"


@dataclass(frozen=True, slots=True)
class ImportSource:
    """`url` is `s3://bucket/prefix`, `file:///dir` or an absolute local path; `destination` the path in the branch."""

    kind: ImportKind
    url: str
    destination: str


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """`replace` also removes what stands below a prefix's destination and is not in a source: the branch mirrors the
    sources there."""

    sources: tuple[ImportSource, ...]
    commit: CommitRequest
    dry_run: bool = False
    replace: bool = False


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """Writes the objects of `ref` under `prefix` as plain files below `destination` (a folder path or an S3 URL).

    Refuses a destination that holds other files unless `overwrite`; files already equal are not written again.
    """

    ref: str
    destination: str
    prefix: str = ""
    overwrite: bool = False
    dry_run: bool = False


class JobState(StrEnum):
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Job:
    """One long operation in the background. `done` and `total` count objects; total is None while unknown."""

    id: JobId
    kind: str
    state: JobState
    done: int
    total: int | None
    created: int
    updated: int
    result: Mapping[str, Any] = field(default_factory=dict)
    error_code: str | None = None
    error_message: str | None = None
    error_hint: str = ""


Progress = Callable[[int, int | None], None]
"""Called with (objects done, total or None); may raise Refused(CANCELLED) to stop the work."""

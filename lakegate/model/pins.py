"""Pins: holds of commits, and the documents that name them."""

from __future__ import annotations

from dataclasses import dataclass

from lakegate.ids import CommitId, HoldId, ManifestId, RepositoryName
from lakegate.model.tables import TableFormat


@dataclass(frozen=True, slots=True)
class Hold:
    """A promise that `commit` stays readable."""

    id: HoldId
    repository: RepositoryName
    commit: CommitId
    name: str
    created: int


@dataclass(frozen=True, slots=True)
class PinnedTable:
    path: str
    format: TableFormat
    version: int | None
    schema: str
    files: int
    rows: int | None
    bytes: int
    content: str
    table_id: str | None = None


@dataclass(frozen=True, slots=True)
class PinDocument:
    """What a ref is pinned to: the resolved commit with its manifest id and the table versions and their digests.
    `schema` of a table is the SHA-256 of its schema JSON."""

    repository: RepositoryName
    ref: str
    commit: CommitId
    committed_at: int
    manifest: ManifestId
    tables: tuple[PinnedTable, ...]
    hold: HoldId | None = None


@dataclass(frozen=True, slots=True)
class VerifyProblem:
    path: str
    problem: str


@dataclass(frozen=True, slots=True)
class VerifyOutcome:
    """`objects_hashed` and `bytes_hashed` count what a deep verification re-read; `unverifiable` lists how many
    objects have no digest (imported ones): their size and ETag were compared with the store instead. `problem_count`
    counts all problems; `problems` lists the first 1,000 of them."""

    commit: CommitId
    nodes: int
    objects: int
    objects_hashed: int
    bytes_hashed: int
    unverifiable: int
    problems: tuple[VerifyProblem, ...]
    problem_count: int

    @property
    def ok(self) -> bool:
        return not self.problem_count

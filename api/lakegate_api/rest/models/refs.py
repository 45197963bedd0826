"""Repositories, branches, tags, commits."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from lakegate_api.rest.models.base import Answer, Ask, Metadata, Milliseconds, Pagination, Seconds


class RepositoryCreation(Ask):
    name: str = Field(description="3 to 63 lower-case letters, digits and hyphens.")
    storage_namespace: str | None = Field(
        None, description="URL below which the repository lies; left out: below the lake's default base."
    )
    default_branch: str | None = Field(default=None, description="`main` where left out.")
    storage_id: str | None = None
    sample_data: bool = False
    read_only: bool = False


class Repository(Answer):
    id: str = Field(description="The name.")
    creation_date: int
    default_branch: str
    storage_id: str
    storage_namespace: str
    read_only: bool
    repository_id: str = Field(description="Stays the same for ever, and is never given again.")
    creation_date_ms: int


class RepositoryList(Answer):
    pagination: Pagination
    results: list[Repository]


class Ref(Answer):
    id: str
    commit_id: str


class RefList(Answer):
    pagination: Pagination
    results: list[Ref]


class BranchCreation(Ask):
    name: str
    source: str = Field(description="A branch, tag, commit id or ref expression.")
    force: bool = False
    hidden: bool = False


class TagCreation(Ask):
    id: str
    ref: str
    force: bool = False


class Commit(Answer):
    id: str
    parents: list[str]
    committer: str
    message: str
    creation_date: int
    meta_range_id: str = Field(description="The id of the commit's manifest.")
    metadata: dict[str, str]
    generation: int
    version: int
    creation_date_ms: int
    warnings: list[str] = Field(
        description="In the answer to what made the commit: what it did to Parquet datasets that may not be meant. "
        "They are not kept."
    )


class CommitList(Answer):
    pagination: Pagination
    results: list[Commit]


class Manifest(Answer):
    """Roots of the trees of objects and of table versions, and totals."""

    id: str
    objects_root: str
    tables_root: str
    objects: int
    bytes: int
    tables: int


class CommitCreation(Ask):
    message: str
    metadata: Metadata | None = None
    date: Seconds | None = None
    date_ms: Milliseconds | None = Field(default=None, description="The same in milliseconds; beats `date`.")
    allow_empty: bool = False
    force: bool = False


class CommitOverrides(Ask):
    message: str | None = None
    metadata: Metadata | None = None


class RevertCreation(Ask):
    ref: str
    parent_number: int = Field(ge=0, le=1000, description="1-based mainline of a merge commit; 0 for other commits.")
    commit_overrides: CommitOverrides | None = None
    force: bool = False
    allow_empty: bool = False


class CherryPickCreation(Ask):
    ref: str
    parent_number: int | None = Field(default=None, ge=0, le=1000)
    commit_overrides: CommitOverrides | None = None
    force: bool = False
    allow_empty: bool = False


class ResetType(StrEnum):
    OBJECT = "object"
    COMMON_PREFIX = "common_prefix"
    RESET = "reset"


class ResetCreation(Ask):
    type: ResetType
    path: str | None = None
    force: bool = False

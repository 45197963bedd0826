"""Repositories, refs, and commits with what they hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lakegate.ids import BranchName, CommitId, ManifestId, NodeId, RepositoryId, RepositoryName, TagName


@dataclass(frozen=True, slots=True)
class Commit:
    """An immutable commit. `id` is the SHA-256 of its canonical JSON without the id.

    `warnings` stand in the answer to what made the commit, and are not kept: what it did to Parquet datasets that may
    not be meant.
    """

    id: CommitId
    parents: tuple[CommitId, ...]
    manifest: ManifestId
    message: str
    committer: str
    created: int
    metadata: Mapping[str, str] = field(default_factory=dict)
    generation: int = 1
    warnings: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a commit holds: the root of the tree of all objects (kind `objects`), its totals, and the root of the tree
    of the table versions found in it (kind `tables`, keyed by the table's path)."""

    id: ManifestId
    objects_root: NodeId
    tables_root: NodeId
    objects: int
    bytes: int
    tables: int


@dataclass(frozen=True, slots=True)
class RepositoryInfo:
    id: RepositoryId
    name: RepositoryName
    storage_namespace: str
    default_branch: BranchName
    created: int


@dataclass(frozen=True, slots=True)
class Branch:
    name: BranchName
    commit: CommitId


@dataclass(frozen=True, slots=True)
class Tag:
    name: TagName
    commit: CommitId


@dataclass(frozen=True, slots=True)
class CommitRequest:
    """`date`, milliseconds, stands for the commit's own time where given."""

    message: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    date: int | None = None
    allow_empty: bool = False


@dataclass(frozen=True, slots=True)
class LogRequest:
    """Which commits of a ref's history to list, newest first.

    after         exclusive: the commit that the last page ended with, by ref
    paths         only commits that changed one of these objects
    prefixes      only commits that changed something under one of these prefixes
    first_parent  follow only first parents
    since         only commits made at or after this time
    stop_at       the last commit to list (inclusive), by ref
    """

    after: str = ""
    amount: int = 100
    paths: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    first_parent: bool = False
    since: int | None = None
    stop_at: str | None = None


@dataclass(frozen=True, slots=True)
class ChangeCounts:
    added: int = 0
    removed: int = 0
    changed: int = 0


@dataclass(frozen=True, slots=True)
class ApplyRequest:
    """A revert or a cherry-pick of `ref` onto a branch. `parent` (1-based) names the mainline of a merge commit."""

    ref: str
    parent: int | None = None
    message: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    allow_empty: bool = False

"""Repositories in SQL."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select

from lakegate.errors import AlreadyExists, ErrorKind, NotFound, Refused
from lakegate.ids import CommitId, RepositoryId, RepositoryName, StagingToken
from lakegate.metastore.database import Database, writes
from lakegate.metastore.dropped import drop, sweep
from lakegate.metastore.protocol import BranchState
from lakegate.metastore.ranges import Ranged
from lakegate.metastore.rows import branch_of, repository_of
from lakegate.metastore.schema import branches, commits, holds, repositories, staged, tags, uploads
from lakegate.metastore.sql_refs import insert_branch
from lakegate.model import RepositoryInfo

_REPOSITORY = select(repositories).where(repositories.c.name == bindparam("name"))
_ALL_REPOSITORIES = select(repositories)
_REPOSITORIES = Ranged.of(
    select(repositories)
    .where(repositories.c.name != bindparam("after"))
    .order_by(repositories.c.name)
    .limit(bindparam("limit")),
    repositories.c.name,
)


class RepositoryRows:
    """The part of the metastore that holds the repositories themselves."""

    db: Database

    def require_new_repository(self, info: RepositoryInfo) -> None:
        _require_new(info, self.db.rows(_ALL_REPOSITORIES))

    @writes
    def create_repository(
        self, tx: Connection, info: RepositoryInfo, first_commit: CommitId, actor: str
    ) -> BranchState:
        self.db.backend.lock_namespaces(tx)
        _require_new(info, tx.execute(select(repositories)))
        tx.execute(
            repositories.insert().values(
                id=info.id,
                name=info.name,
                storage_namespace=info.storage_namespace,
                default_branch=info.default_branch,
                created=info.created,
            )
        )
        tx.execute(commits.insert().values(repository=info.id, id=first_commit, created=info.created))
        return insert_branch(tx, info.id, info.default_branch, first_commit, actor)

    def get_repository(self, name: RepositoryName) -> RepositoryInfo:
        row = self.db.row(_REPOSITORY, name=name)
        if row is None:
            raise _repository_not_found(name)
        return repository_of(row)

    def list_repositories(self, prefix: str, after: str, limit: int) -> list[RepositoryInfo]:
        rows = _REPOSITORIES.listed(self.db, prefix, after, limit)
        return [repository_of(row) for row in rows]

    def delete_repository(self, name: RepositoryName, *, force: bool) -> None:
        sweep(self.db, self._delete_repository(name, force))

    @writes
    def _delete_repository(self, tx: Connection, name: RepositoryName, force: bool) -> list[StagingToken]:
        row = tx.execute(select(repositories.c.id).where(repositories.c.name == name)).first()
        if row is None:
            raise _repository_not_found(name)
        repo = RepositoryId(row.id)
        self.db.backend.lock_repository(tx, repo, exclusive=True)
        # Waits for rows that others insert for the repository, and keeps out what they would insert from now on.
        mine = select(repositories.c.id).where(repositories.c.id == repo)
        if tx.execute(mine.with_for_update()).first() is None:
            raise _repository_not_found(name)
        states = [branch_of(branch) for branch in tx.execute(select(branches).where(branches.c.repository == repo))]
        found = None if force else _content(tx, repo, states)
        if found is not None:
            raise Refused(
                ErrorKind.REPOSITORY_NOT_EMPTY,
                f"The repository {name!r} is not empty: it has {found}.",
                hint="Delete it with --force (over REST `force=true`), if that is meant; the bytes stay in its storage "
                "namespace.",
            )
        tokens = [token for state in states for token in state.tokens]
        drop(tx, tokens)
        tx.execute(delete(repositories).where(repositories.c.id == repo))
        return tokens


def _content(tx: Connection, repo: RepositoryId, states: Iterable[BranchState]) -> str | None:
    """What a repository has beside branches at its first commit, in words: the first that is found."""
    if len(tx.execute(select(commits.c.id).where(commits.c.repository == repo).limit(2)).all()) > 1:
        return "commits"
    tag = tx.execute(select(tags.c.name).where(tags.c.repository == repo).limit(1)).first()
    if tag is not None:
        return f"the tag {tag.name!r}"
    hold = tx.execute(select(holds.c.name).where(holds.c.repository == repo).limit(1)).first()
    if hold is not None:
        return f"the hold {hold.name!r} of a commit"
    for state in states:
        if tx.execute(select(staged.c.path).where(staged.c.token.in_(state.tokens)).limit(1)).first() is not None:
            return f"uncommitted changes on the branch {state.name!r}"
    upload = tx.execute(select(uploads).where(uploads.c.repository == repo).limit(1)).first()
    return None if upload is None else f"the upload of {upload.path!r} to the branch {upload.branch!r}"


def _require_new(info: RepositoryInfo, present: Iterable[Any]) -> None:
    rows = list(present)
    if any(row.name == info.name for row in rows):
        raise AlreadyExists(
            ErrorKind.REPOSITORY_EXISTS, f"There is a repository {info.name!r} already.", hint="Choose another name."
        )
    for other in rows:
        if _overlap(other.storage_namespace, info.storage_namespace):
            raise AlreadyExists(
                ErrorKind.NAMESPACE_IN_USE,
                f"The storage namespace {info.storage_namespace} overlaps {other.storage_namespace}, "
                f"which the repository {other.name!r} owns.",
                hint="Choose a storage namespace of its own.",
            )


def _overlap(one: str, other: str) -> bool:
    one, other = one.rstrip("/") + "/", other.rstrip("/") + "/"
    return one.startswith(other) or other.startswith(one)


def _repository_not_found(name: str) -> NotFound:
    return NotFound(
        ErrorKind.REPOSITORY_NOT_FOUND,
        f"There is no repository {name!r}.",
        hint="`lakegate repo list` lists them.",
    )

"""Repositories, branches, tags, the commit index and the ref log in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Select, Table, delete, func, select, update
from sqlalchemy.exc import IntegrityError

from lakegate.errors import AlreadyExists, ErrorKind, NotFound
from lakegate.ids import (
    BranchName,
    CommitId,
    RepositoryId,
    RepositoryName,
    StagingToken,
    TagName,
    new_id,
)
from lakegate.metastore.database import Database, now
from lakegate.metastore.protocol import BranchState, RefMove
from lakegate.metastore.rows import branch_of, repository_of, sealed_text
from lakegate.metastore.schema import branches, commits, ref_moves, repositories, staged, tags
from lakegate.model import RepositoryInfo, Tag


class RefRows:
    """The part of the metastore that holds what has a name."""

    db: Database

    # -- repositories -------------------------------------------------------------------------------------------------

    def create_repository(self, info: RepositoryInfo, first_commit: CommitId, actor: str) -> BranchState:
        with self.db.write() as tx:
            if tx.execute(select(repositories.c.id).where(repositories.c.name == info.name)).first():
                raise AlreadyExists(
                    ErrorKind.REPOSITORY_EXISTS,
                    f"There is a repository {info.name!r} already.",
                    hint="Choose another name.",
                )
            for other in tx.execute(select(repositories)):
                if _overlap(other.storage_namespace, info.storage_namespace):
                    raise AlreadyExists(
                        ErrorKind.NAMESPACE_IN_USE,
                        f"The storage namespace {info.storage_namespace} overlaps {other.storage_namespace}, "
                        f"which the repository {other.name!r} owns.",
                        hint="Choose a storage namespace of its own.",
                    )
            tx.execute(
                repositories.insert().values(
                    id=info.id,
                    name=info.name,
                    storage_namespace=info.storage_namespace,
                    default_branch=info.default_branch,
                    created=info.created,
                )
            )
            return _insert_branch(tx, info.id, info.default_branch, first_commit, actor)

    def get_repository(self, name: RepositoryName) -> RepositoryInfo:
        with self.db.read() as tx:
            row = tx.execute(select(repositories).where(repositories.c.name == name)).first()
        if row is None:
            raise _repository_not_found(name)
        return repository_of(row)

    def list_repositories(self, prefix: str, after: str, limit: int) -> list[RepositoryInfo]:
        with self.db.read() as tx:
            return [repository_of(row) for row in tx.execute(_listing(repositories, prefix, after, limit))]

    def delete_repository(self, name: RepositoryName) -> None:
        with self.db.write() as tx:
            row = tx.execute(select(repositories.c.id).where(repositories.c.name == name)).first()
            if row is None:
                raise _repository_not_found(name)
            for branch in tx.execute(select(branches).where(branches.c.repository == row.id)):
                _drop_tokens(tx, branch_of(branch).tokens)
            tx.execute(delete(repositories).where(repositories.c.id == row.id))

    # -- branches -----------------------------------------------------------------------------------------------------

    def create_branch(self, repo: RepositoryId, name: BranchName, commit: CommitId, actor: str) -> BranchState:
        with self.db.write() as tx:
            if _is_taken(tx, repo, name):
                raise AlreadyExists(
                    ErrorKind.BRANCH_EXISTS,
                    f"There is a branch or tag {name!r} already.",
                    hint="Choose another name, or delete it first.",
                )
            try:
                return _insert_branch(tx, repo, name, commit, actor)
            except IntegrityError as error:
                raise AlreadyExists(
                    ErrorKind.BRANCH_EXISTS, f"There is a branch {name!r} already.", hint="Choose another name."
                ) from error

    def get_branch(self, repo: RepositoryId, name: BranchName) -> BranchState | None:
        with self.db.read() as tx:
            return branch_row(tx, repo, name)

    def list_branches(self, repo: RepositoryId, prefix: str, after: str, limit: int) -> list[BranchState]:
        query = _listing(branches, prefix, after, limit).where(branches.c.repository == repo)
        with self.db.read() as tx:
            return [branch_of(row) for row in tx.execute(query)]

    def delete_branch(self, repo: RepositoryId, name: BranchName, actor: str) -> int | None:
        with self.db.write() as tx:
            state = branch_row(tx, repo, name, lock="exclusive")
            if state is None:
                return None
            _drop_tokens(tx, state.tokens)
            tx.execute(delete(branches).where(branches.c.repository == repo, branches.c.name == name))
            return _log_move(tx, repo, RefMove("branch", name, None, state.sequence + 1, now(), actor, "deleted"))

    def move_branch(
        self,
        repo: RepositoryId,
        expected: BranchState,
        commit: CommitId,
        *,
        drop: Sequence[StagingToken] = (),
        clean: bool = False,
        actor: str,
        reason: str,
    ) -> BranchState | None:
        with self.db.write() as tx:
            state = branch_row(tx, repo, expected.name, lock="exclusive")
            if state is None or state.commit != expected.commit or not set(drop) <= set(state.sealed):
                return None
            kept = tuple(token for token in state.sealed if token not in drop)
            if clean:
                left = select(staged.c.path).where(staged.c.token.in_((state.staging, *kept))).limit(1)
                if tx.execute(left).first():
                    return None
            _drop_tokens(tx, drop)
            sequence = state.sequence + 1
            tx.execute(
                update(branches)
                .where(branches.c.repository == repo, branches.c.name == expected.name)
                .values(commit_id=commit, sealed=sealed_text(kept), sequence=sequence)
            )
            _log_move(tx, repo, RefMove("branch", expected.name, commit, sequence, now(), actor, reason))
            return BranchState(expected.name, commit, state.staging, kept, sequence)

    def seal(self, repo: RepositoryId, name: BranchName) -> BranchState | None:
        with self.db.write() as tx:
            state = branch_row(tx, repo, name, lock="exclusive")
            if state is None:
                return None
            fresh, sealed = StagingToken(new_id()), state.tokens
            tx.execute(
                update(branches)
                .where(branches.c.repository == repo, branches.c.name == name)
                .values(staging=fresh, sealed=sealed_text(sealed))
            )
            return BranchState(name, state.commit, fresh, sealed, state.sequence)

    # -- tags ---------------------------------------------------------------------------------------------------------

    def create_tag(self, repo: RepositoryId, name: TagName, commit: CommitId, actor: str) -> Tag:
        with self.db.write() as tx:
            if _is_taken(tx, repo, name):
                raise AlreadyExists(
                    ErrorKind.TAG_EXISTS,
                    f"There is a tag or branch {name!r} already.",
                    hint="Choose another name; a tag never moves.",
                )
            tx.execute(tags.insert().values(repository=repo, name=name, commit_id=commit))
            sequence = _last_sequence(tx, repo, "tag", name) + 1
            _log_move(tx, repo, RefMove("tag", name, commit, sequence, now(), actor, "created"))
            return Tag(name, commit)

    def get_tag(self, repo: RepositoryId, name: TagName) -> Tag | None:
        with self.db.read() as tx:
            row = tx.execute(select(tags).where(tags.c.repository == repo, tags.c.name == name)).first()
        return None if row is None else Tag(TagName(row.name), CommitId(row.commit_id))

    def list_tags(self, repo: RepositoryId, prefix: str, after: str, limit: int) -> list[Tag]:
        query = _listing(tags, prefix, after, limit).where(tags.c.repository == repo)
        with self.db.read() as tx:
            return [Tag(TagName(row.name), CommitId(row.commit_id)) for row in tx.execute(query)]

    def delete_tag(self, repo: RepositoryId, name: TagName, actor: str) -> bool:
        with self.db.write() as tx:
            gone = tx.execute(delete(tags).where(tags.c.repository == repo, tags.c.name == name)).rowcount == 1
            if gone:
                sequence = _last_sequence(tx, repo, "tag", name) + 1
                _log_move(tx, repo, RefMove("tag", name, None, sequence, now(), actor, "deleted"))
            return gone

    # -- the commit index and the ref log -----------------------------------------------------------------------------

    def add_commit(self, repo: RepositoryId, commit: CommitId, created: int) -> None:
        with self.db.write() as tx:
            known = select(commits.c.id).where(commits.c.repository == repo, commits.c.id == commit)
            if tx.execute(known).first() is None:
                tx.execute(commits.insert().values(repository=repo, id=commit, created=created))

    def commits_by_prefix(self, repo: RepositoryId, prefix: str, limit: int) -> list[CommitId]:
        query = (
            select(commits.c.id)
            .where(commits.c.repository == repo, commits.c.id >= prefix, commits.c.id < prefix + "g")
            .order_by(commits.c.id)
            .limit(limit)
        )
        with self.db.read() as tx:
            return [CommitId(row.id) for row in tx.execute(query)]

    def ref_move_at(self, repo: RepositoryId, branch: BranchName, at: int) -> RefMove | None:
        query = (
            select(ref_moves)
            .where(
                ref_moves.c.repository == repo,
                ref_moves.c.kind == "branch",
                ref_moves.c.name == branch,
                ref_moves.c.at <= at,
            )
            .order_by(ref_moves.c.sequence.desc())
            .limit(1)
        )
        with self.db.read() as tx:
            row = tx.execute(query).first()
        return None if row is None else _move_of(row)

    def ref_moves(self, repo: RepositoryId, name: str, limit: int) -> list[RefMove]:
        query = (
            select(ref_moves)
            .where(ref_moves.c.repository == repo, ref_moves.c.name == name)
            .order_by(ref_moves.c.row.desc())
            .limit(limit)
        )
        with self.db.read() as tx:
            return [_move_of(row) for row in tx.execute(query)]

    def newest_moves(self, repo: RepositoryId, limit: int) -> list[RefMove]:
        query = select(ref_moves).where(ref_moves.c.repository == repo).order_by(ref_moves.c.row.desc()).limit(limit)
        with self.db.read() as tx:
            return [_move_of(row) for row in tx.execute(query)]


def branch_row(tx: Connection, repo: RepositoryId, name: BranchName, *, lock: str | None = None) -> BranchState | None:
    """Reads a branch; `lock` "shared" or "exclusive" holds its row until the transaction ends (SQLite's write
    transactions hold the whole database already)."""
    query = select(branches).where(branches.c.repository == repo, branches.c.name == name)
    if lock is not None:
        query = query.with_for_update(read=lock == "shared")
    row = tx.execute(query).first()
    return None if row is None else branch_of(row)


def _insert_branch(tx: Connection, repo: RepositoryId, name: BranchName, commit: CommitId, actor: str) -> BranchState:
    # The journal's order goes on where an earlier branch of the name ended.
    state = BranchState(name, commit, StagingToken(new_id()), (), _last_sequence(tx, repo, "branch", name) + 1)
    tx.execute(
        branches.insert().values(
            repository=repo, name=name, commit_id=commit, staging=state.staging, sealed="", sequence=state.sequence
        )
    )
    _log_move(tx, repo, RefMove("branch", name, commit, state.sequence, now(), actor, "created"))
    return state


def _is_taken(tx: Connection, repo: RepositoryId, name: str) -> bool:
    return any(
        tx.execute(select(table.c.name).where(table.c.repository == repo, table.c.name == name)).first()
        for table in (branches, tags)
    )


def _last_sequence(tx: Connection, repo: RepositoryId, kind: str, name: str) -> int:
    newest = select(func.max(ref_moves.c.sequence)).where(
        ref_moves.c.repository == repo, ref_moves.c.kind == kind, ref_moves.c.name == name
    )
    return int(tx.execute(newest).scalar() or 0)


def _log_move(tx: Connection, repo: RepositoryId, move: RefMove) -> int:
    tx.execute(
        ref_moves.insert().values(
            repository=repo,
            kind=move.kind,
            name=move.name,
            commit_id=move.commit,
            sequence=move.sequence,
            at=move.at,
            actor=move.actor,
            reason=move.reason,
        )
    )
    return move.sequence


def _move_of(row: Any) -> RefMove:
    commit = None if row.commit_id is None else CommitId(row.commit_id)
    return RefMove(row.kind, row.name, commit, row.sequence, row.at, row.actor, row.reason)


def _drop_tokens(tx: Connection, tokens: Sequence[StagingToken]) -> None:
    if tokens:
        tx.execute(delete(staged).where(staged.c.token.in_(tokens)))


def _listing(table: Table, prefix: str, after: str, limit: int) -> Select[Any]:
    query = select(table).where(table.c.name > after) if after else select(table)
    if prefix:
        query = query.where(table.c.name >= prefix, table.c.name < prefix + "\U0010ffff")
    return query.order_by(table.c.name).limit(limit)


def _overlap(one: str, other: str) -> bool:
    one, other = one.rstrip("/") + "/", other.rstrip("/") + "/"
    return one.startswith(other) or other.startswith(one)


def _repository_not_found(name: str) -> NotFound:
    return NotFound(
        ErrorKind.REPOSITORY_NOT_FOUND,
        f"There is no repository {name!r}.",
        hint="List the repositories to see which there are.",
    )

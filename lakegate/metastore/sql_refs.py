"""Branches, tags, the commit index and the ref log in SQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import (
    BindParameter,
    Connection,
    Table,
    Text,
    bindparam,
    delete,
    func,
    literal,
    select,
    update,
)

from lakegate.errors import AlreadyExists, ErrorKind
from lakegate.ids import (
    BranchName,
    CommitId,
    RepositoryId,
    StagingToken,
    TagName,
    new_id,
)
from lakegate.metastore.database import Database, now, writes
from lakegate.metastore.dropped import drop as drop_tokens
from lakegate.metastore.dropped import sweep
from lakegate.metastore.protocol import BranchState, RefMove
from lakegate.metastore.ranges import Ranged
from lakegate.metastore.rows import branch_of, sealed_text
from lakegate.metastore.schema import branches, commits, ref_moves, staged, tags
from lakegate.model import Tag

_MOST_SEALED = 8  # tokens; every read of the branch looks into each

_REPO: BindParameter[str] = bindparam("repo")
_NAME: BindParameter[str] = bindparam("name")


def _listing(table: Table) -> Ranged:
    query = select(table).where(table.c.name != bindparam("after"), table.c.repository == _REPO)
    return Ranged.of(query.order_by(table.c.name).limit(bindparam("limit")), table.c.name)


_BRANCH = select(branches).where(branches.c.repository == _REPO, branches.c.name == _NAME)
_BRANCHES = _listing(branches)
_TAG = select(tags).where(tags.c.repository == _REPO, tags.c.name == _NAME)
_TAGS = _listing(tags)
_COMMITS = (
    select(commits.c.id)
    .where(commits.c.repository == _REPO, commits.c.id >= bindparam("prefix"), commits.c.id < bindparam("end"))
    .order_by(commits.c.id)
    .limit(bindparam("limit"))
)
_MOVE_AT = (
    select(ref_moves)
    .where(
        ref_moves.c.repository == _REPO,
        ref_moves.c.kind == "branch",
        ref_moves.c.name == _NAME,
        ref_moves.c.at <= bindparam("at"),
    )
    .order_by(ref_moves.c.sequence.desc())
    .limit(1)
)
_MOVES = (
    select(ref_moves)
    .where(ref_moves.c.repository == _REPO, ref_moves.c.name == _NAME)
    .order_by(ref_moves.c.row.desc())
    .limit(bindparam("limit"))
)
_UNJOURNALED_MOVES = (
    select(ref_moves)
    .where(
        ref_moves.c.repository == _REPO,
        ref_moves.c.journaled == bindparam("journaled"),
        ref_moves.c.at <= bindparam("until"),
        ref_moves.c.row > bindparam("after"),
    )
    .order_by(ref_moves.c.row)
    .limit(bindparam("limit"))
)
_UNJOURNALED_MOVES_OF = _UNJOURNALED_MOVES.where(ref_moves.c.name == _NAME)


class RefRows:
    """The part of the metastore that holds what has a name."""

    db: Database

    # -- branches -----------------------------------------------------------------------------------------------------

    @writes
    def create_branch(
        self, tx: Connection, repo: RepositoryId, name: BranchName, commit: CommitId, actor: str
    ) -> BranchState:
        self.db.backend.lock_branch(tx, repo, name, exclusive=True)
        if _is_taken(tx, repo, name):
            raise AlreadyExists(
                ErrorKind.BRANCH_EXISTS,
                f"There is a branch or tag {name!r} already.",
                hint="Choose another name, or delete it first.",
            )
        return insert_branch(tx, repo, name, commit, actor)

    def get_branch(self, repo: RepositoryId, name: BranchName) -> BranchState | None:
        row = self.db.row(_BRANCH, repo=repo, name=name)
        return None if row is None else branch_of(row)

    def list_branches(self, repo: RepositoryId, prefix: str, after: str, limit: int) -> list[BranchState]:
        rows = _BRANCHES.listed(self.db, prefix, after, limit, repo=repo)
        return [branch_of(row) for row in rows]

    @writes
    def delete_branch(
        self,
        tx: Connection,
        repo: RepositoryId,
        name: BranchName,
        actor: str,
        expected: BranchState | None = None,
    ) -> BranchState | None:
        state = locked_branch(self.db, tx, repo, name, exclusive=True)
        if state is None:
            return None
        if expected is not None and (state != expected or _filled(tx, (state.staging,))):
            return None
        drop_tokens(tx, state.tokens)
        tx.execute(delete(branches).where(branches.c.repository == repo, branches.c.name == name))
        gone = replace(state, sequence=state.sequence + 1)
        _log_move(tx, repo, RefMove("branch", name, None, gone.sequence, now(), actor, "deleted"))
        return gone

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
        move = RefMove("branch", expected.name, commit, 0, now(), actor, reason)

        def make(tx: Connection) -> BranchState | None:
            state = locked_branch(self.db, tx, repo, expected.name, exclusive=True)
            if state is None or state.commit != expected.commit or not set(drop) <= set(state.sealed):
                return None
            kept = tuple(token for token in state.sealed if token not in drop)
            if clean and _filled(tx, (state.staging, *kept)):
                return None
            drop_tokens(tx, drop)
            sequence = state.sequence + 1
            tx.execute(
                update(branches)
                .where(branches.c.repository == repo, branches.c.name == expected.name)
                .values(commit_id=commit, sealed=sealed_text(kept), sequence=sequence)
            )
            _log_move(tx, repo, replace(move, sequence=sequence))
            return BranchState(expected.name, commit, state.staging, kept, sequence)

        def find(tx: Connection) -> BranchState | None:
            state = locked_branch(self.db, tx, repo, expected.name, exclusive=True)  # waits for `make` to be over
            sequence = _logged(tx, repo, move)
            return None if sequence is None else state or replace(expected, commit=commit, sequence=sequence)

        return self.db.write_surely(make, find)

    def sweep(self, tokens: Collection[StagingToken]) -> None:
        sweep(self.db, tokens)

    def seal(self, repo: RepositoryId, name: BranchName) -> BranchState | None:
        state, folded = self._seal(repo, name)
        if folded:
            sweep(self.db, folded)
        return state

    @writes
    def _seal(
        self, tx: Connection, repo: RepositoryId, name: BranchName
    ) -> tuple[BranchState | None, tuple[StagingToken, ...]]:
        state = locked_branch(self.db, tx, repo, name, exclusive=True)
        if state is None:
            return None, ()
        filled = _filled(tx, state.tokens)
        if state.staging not in filled and filled == state.sealed:
            return state, ()
        fresh = StagingToken(new_id()) if state.staging in filled else state.staging
        folded = filled if len(filled) > _MOST_SEALED else ()
        if folded:
            filled = (_fold(tx, filled),)
        tx.execute(
            update(branches)
            .where(branches.c.repository == repo, branches.c.name == name)
            .values(staging=fresh, sealed=sealed_text(filled))
        )
        return BranchState(name, state.commit, fresh, filled, state.sequence), folded

    # -- tags ---------------------------------------------------------------------------------------------------------

    @writes
    def create_tag(self, tx: Connection, repo: RepositoryId, name: TagName, commit: CommitId, actor: str) -> Tag:
        self.db.backend.lock_branch(tx, repo, BranchName(name), exclusive=True)  # a name is a branch's or a tag's
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
        row = self.db.row(_TAG, repo=repo, name=name)
        return None if row is None else Tag(TagName(row.name), CommitId(row.commit_id))

    def list_tags(self, repo: RepositoryId, prefix: str, after: str, limit: int) -> list[Tag]:
        rows = _TAGS.listed(self.db, prefix, after, limit, repo=repo)
        return [Tag(TagName(row.name), CommitId(row.commit_id)) for row in rows]

    @writes
    def delete_tag(self, tx: Connection, repo: RepositoryId, name: TagName, actor: str) -> bool:
        self.db.backend.lock_branch(tx, repo, BranchName(name), exclusive=True)
        gone = tx.execute(delete(tags).where(tags.c.repository == repo, tags.c.name == name)).rowcount == 1
        if gone:
            sequence = _last_sequence(tx, repo, "tag", name) + 1
            _log_move(tx, repo, RefMove("tag", name, None, sequence, now(), actor, "deleted"))
        return gone

    # -- the commit index and the ref log -----------------------------------------------------------------------------

    @writes
    def add_commit(self, tx: Connection, repo: RepositoryId, commit: CommitId, created: int) -> None:
        row = self.db.insert(commits).values(repository=repo, id=commit, created=created)
        tx.execute(row.on_conflict_do_nothing())

    def commits_by_prefix(self, repo: RepositoryId, prefix: str, limit: int) -> list[CommitId]:
        rows = self.db.rows(_COMMITS, repo=repo, prefix=prefix, end=prefix + "g", limit=limit)
        return [CommitId(row.id) for row in rows]

    def ref_move_at(self, repo: RepositoryId, branch: BranchName, at: int) -> RefMove | None:
        row = self.db.row(_MOVE_AT, repo=repo, name=branch, at=at)
        return None if row is None else _move_of(row)

    def ref_moves(self, repo: RepositoryId, name: str, limit: int) -> list[RefMove]:
        return [_move_of(row) for row in self.db.rows(_MOVES, repo=repo, name=name, limit=limit)]

    def unjournaled_moves(
        self, repo: RepositoryId, name: str | None, until: int, after: int, limit: int
    ) -> list[RefMove]:
        values = {"repo": repo, "journaled": False, "until": until, "after": after, "limit": limit}
        if name is None:
            rows = self.db.rows(_UNJOURNALED_MOVES, **values)
        else:
            rows = self.db.rows(_UNJOURNALED_MOVES_OF, name=name, **values)
        return [_move_of(row) for row in rows]

    @writes
    def mark_journaled(self, tx: Connection, repo: RepositoryId, move: RefMove) -> None:
        same = (ref_moves.c.repository == repo, ref_moves.c.row == move.row, ref_moves.c.sequence == move.sequence)
        tx.execute(update(ref_moves).where(*same).values(journaled=True))

    @writes
    def renumber_moves(self, tx: Connection, repo: RepositoryId, move: RefMove, past: int) -> None:
        self.db.backend.lock_branch(tx, repo, BranchName(move.name), exclusive=True)
        of_ref = (ref_moves.c.repository == repo, ref_moves.c.kind == move.kind, ref_moves.c.name == move.name)
        same = select(ref_moves.c.row).where(
            *of_ref, ref_moves.c.row == move.row, ref_moves.c.sequence == move.sequence
        )
        if tx.execute(same).first() is None:
            return
        more = max(past + 1 - move.sequence, 1)
        tx.execute(
            update(ref_moves)
            .where(*of_ref, ref_moves.c.sequence >= move.sequence)
            .values(sequence=ref_moves.c.sequence + more, journaled=False)
        )
        if move.kind == "branch":
            standing = (branches.c.repository == repo, branches.c.name == move.name)
            tx.execute(update(branches).where(*standing).values(sequence=branches.c.sequence + more))


def locked_branch(
    db: Database, tx: Connection, repo: RepositoryId, name: BranchName, *, exclusive: bool
) -> BranchState | None:
    """Reads a branch, held until the transaction ends: exclusively, or shared with other writers of its staging."""
    db.backend.lock_branch(tx, repo, name, exclusive=exclusive)
    row = tx.execute(_BRANCH, {"repo": repo, "name": name}).first()
    return None if row is None else branch_of(row)


def insert_branch(tx: Connection, repo: RepositoryId, name: BranchName, commit: CommitId, actor: str) -> BranchState:
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


def _log_move(tx: Connection, repo: RepositoryId, move: RefMove) -> None:
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
            journaled=False,
        )
    )


def _logged(tx: Connection, repo: RepositoryId, move: RefMove) -> int | None:
    """The sequence under which the ref log has a move."""
    moves = ref_moves.c
    same = (moves.kind == move.kind, moves.name == move.name, moves.commit_id == move.commit, moves.at == move.at)
    by = (moves.actor == move.actor, moves.reason == move.reason)
    return tx.execute(select(moves.sequence).where(moves.repository == repo, *same, *by)).scalar()


def _move_of(row: Any) -> RefMove:
    commit = None if row.commit_id is None else CommitId(row.commit_id)
    return RefMove(row.kind, row.name, commit, row.sequence, row.at, row.actor, row.reason, row.row)


def _filled(tx: Connection, tokens: Sequence[StagingToken]) -> tuple[StagingToken, ...]:
    """The tokens that hold rows, in their order."""
    return tuple(
        token for token in tokens if tx.execute(select(staged.c.path).where(staged.c.token == token).limit(1)).first()
    )


def _fold(tx: Connection, tokens: Sequence[StagingToken]) -> StagingToken:
    """Puts the newest row of every path under a fresh token, and drops the old ones: whoever reads those now loses
    the race for the branch, as it should."""
    fresh = StagingToken(new_id())
    columns = [column for column in staged.c if column.name != "token"]
    for position, token in enumerate(tokens):
        newer = select(staged.c.path).where(staged.c.token.in_(tokens[:position]))
        rows = select(literal(fresh, Text), *columns).where(staged.c.token == token, staged.c.path.not_in(newer))
        tx.execute(staged.insert().from_select(["token", *(column.name for column in columns)], rows))
    drop_tokens(tx, tokens)
    return fresh

"""Staged paths and multipart uploads in SQL."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from heapq import merge
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Connection, bindparam, delete, func, or_, select, update

from lakegate.ids import BranchName, RepositoryId, StagingToken, UploadId, new_id
from lakegate.metastore.database import Database, insert_into, writes
from lakegate.metastore.dropped import drop, sweep
from lakegate.metastore.protocol import BranchState, Expect, StagedChange, StagedRow, branch_not_found
from lakegate.metastore.ranges import Ranged, starts_with
from lakegate.metastore.rows import branch_of, sealed_text, staged_of, staged_values, text_of
from lakegate.metastore.schema import branches, parts, staged, uploads
from lakegate.metastore.sql_refs import locked_branch
from lakegate.model import Part, Upload

_REPO: BindParameter[str] = bindparam("repo")
_TOKEN: BindParameter[str] = bindparam("token")
_UPLOAD_ID: BindParameter[str] = bindparam("upload")

# A branch and what its newest token stages at a path, as of one instant.
_BRANCH_WITH_ROW = (
    select(branches, *(column.label(f"staged_{column.name}") for column in staged.c))
    .join_from(
        branches, staged, (staged.c.token == branches.c.staging) & (staged.c.path == bindparam("path")), isouter=True
    )
    .where(branches.c.repository == _REPO, branches.c.name == bindparam("name"))
)
_ROW = select(staged).where(staged.c.token == _TOKEN, staged.c.path == bindparam("path"))
_ROWS = Ranged.of(
    select(staged)
    .where(staged.c.token == _TOKEN, staged.c.path != bindparam("after"))
    .order_by(staged.c.path)
    .limit(bindparam("limit")),
    staged.c.path,
)
_UPLOAD = select(uploads).where(uploads.c.repository == _REPO, uploads.c.id == _UPLOAD_ID)
_UPLOADS = Ranged.of(
    select(uploads)
    .where(uploads.c.repository == _REPO, uploads.c.branch == bindparam("branch"))
    .where(
        or_(
            uploads.c.path > bindparam("path"),
            (uploads.c.path == bindparam("path")) & (uploads.c.id > _UPLOAD_ID),
        )
    )
    .order_by(uploads.c.path, uploads.c.id)
    .limit(bindparam("limit")),
    uploads.c.path,
)
_PARTS = (
    select(parts)
    .where(parts.c.repository == _REPO, parts.c.upload == _UPLOAD_ID, parts.c.number > bindparam("after"))
    .order_by(parts.c.number)
    .limit(bindparam("limit"))
)


class StagingRows:
    """The part of the metastore that holds what is not committed yet."""

    db: Database

    @writes
    def stage(
        self,
        tx: Connection,
        repo: RepositoryId,
        branch: BranchName,
        changes: Sequence[StagedChange],
        *,
        expected: BranchState | None = None,
        closes: UploadId | None = None,
    ) -> BranchState | None:
        # What is decided on rows that are not there yet has no row to lock: it keeps all other writers out.
        decided = expected is not None or any(change.expect is not Expect.ANYTHING for change in changes)
        state = locked_branch(self.db, tx, repo, branch, exclusive=decided)
        if state is None:
            raise branch_not_found(branch)
        if expected is not None and (state.commit, state.tokens) != (expected.commit, expected.tokens):
            return None
        for change in changes:
            if change.expect is Expect.ANYTHING:
                continue
            row = _newest(tx, state.tokens, change.path)
            if change.expect is Expect.NOT_STAGED:
                if row is not None:
                    return None
            elif row is None or row.write_id != change.expect:
                return None
        if closes is not None and not _close_upload(tx, repo, closes):
            return None
        if changes:
            self._upsert(tx, state.staging, changes)
        return state

    def staged_row(self, repo: RepositoryId, branch: BranchName, path: str) -> tuple[BranchState, StagedRow | None]:
        while True:
            found = self.db.row(_BRANCH_WITH_ROW, repo=repo, name=branch, path=path)
            if found is None:
                raise branch_not_found(branch)
            state = branch_of(found)
            if found.staged_token is not None:
                return state, staged_of(_Staged(found))
            if not state.sealed:
                return state, None
            rows = ((token, self.db.row(_ROW, token=token, path=path)) for token in state.sealed)
            holder, row = next((found for found in rows if found[1] is not None), (None, None))
            staged_there = None if row is None else staged_of(row)
            if holder == state.sealed[0]:
                return state, staged_there
            # Not in the newest one: or a commit took it from there between the queries, and the path is to be read
            # from that commit, though an older row may be about to be deleted still.
            again = self.db.row(_BRANCH_WITH_ROW, repo=repo, name=branch, path=path)
            if again is not None and again.staged_token is None and branch_of(again) == state:
                return state, staged_there

    def staged_rows(
        self, tokens: Sequence[StagingToken], prefix: str = "", after: str = "", limit: int = 1000
    ) -> list[StagedRow]:
        found: list[StagedRow] = []
        # Newest token first: of equal paths, merge() yields the one of the earlier list first.
        pages = [map(staged_of, _ROWS.listed(self.db, prefix, after, limit, token=token)) for token in tokens]
        for row in merge(*pages, key=lambda row: row.path):
            if found and found[-1].path == row.path:
                continue
            if len(found) == limit:
                break
            found.append(row)
        return found

    def unstage(
        self, repo: RepositoryId, branch: BranchName, *, path: str | None = None, prefix: str | None = None
    ) -> int:
        count, tokens = self._unstage(repo, branch, path, prefix)
        if count:
            sweep(self.db, tokens)
        return count

    @writes
    def _unstage(
        self, tx: Connection, repo: RepositoryId, branch: BranchName, path: str | None, prefix: str | None
    ) -> tuple[int, tuple[StagingToken, ...]]:
        state = locked_branch(self.db, tx, repo, branch, exclusive=True)
        if state is None:
            raise branch_not_found(branch)
        where: list[ColumnElement[bool]] = []
        if path is not None:
            where.append(staged.c.path == path)
        elif prefix:
            where += starts_with(staged.c.path, prefix)
        paths = select(func.count(staged.c.path.distinct())).where(staged.c.token.in_(state.tokens), *where)
        count = int(tx.execute(paths).scalar_one())
        if count:
            # Whoever reads these tokens page by page, a commit too, must lose the race: it may have seen a half.
            kept = {token: _without(tx, token, where) for token in state.tokens}
            staging = kept[state.staging] or StagingToken(new_id())
            sealed = [token for token in (kept[old] for old in state.sealed) if token is not None]
            here = (branches.c.repository == repo, branches.c.name == branch)
            tx.execute(update(branches).where(*here).values(staging=staging, sealed=sealed_text(sealed)))
        return count, state.tokens

    def _upsert(self, tx: Connection, token: StagingToken, changes: Sequence[StagedChange]) -> None:
        # The last write to a path wins, as it would one by one.
        rows = {change.path: staged_values(token, change.path, change.entry, new_id()) for change in changes}
        tx.execute(_replacing(self.db.backend.dialect.name), list(rows.values()))

    # -- multipart uploads --------------------------------------------------------------------------------------------

    @writes
    def create_upload(self, tx: Connection, repo: RepositoryId, upload: Upload) -> None:
        tx.execute(
            uploads.insert().values(
                repository=repo,
                id=upload.id,
                branch=upload.branch,
                path=upload.path,
                created=upload.created,
                content_type=upload.content_type,
                metadata=text_of(upload.metadata),
                headers=text_of(upload.headers),
            )
        )

    def get_upload(self, repo: RepositoryId, upload: UploadId) -> Upload | None:
        row = self.db.row(_UPLOAD, repo=repo, upload=upload)
        return None if row is None else _upload_of(row)

    def list_uploads(self, repo: RepositoryId, branch: BranchName, prefix: str, after: str, limit: int) -> list[Upload]:
        path, _, upload = after.partition("\n")
        rows = _UPLOADS.rows(self.db, prefix, path, repo=repo, branch=branch, path=path, upload=upload, limit=limit)
        return [_upload_of(row) for row in rows]

    @writes
    def put_part(self, tx: Connection, repo: RepositoryId, upload: UploadId, part: Part) -> bool:
        owner = select(uploads.c.id).where(uploads.c.repository == repo, uploads.c.id == upload)
        if tx.execute(owner.with_for_update(read=True)).first() is None:
            return False
        values = {
            "address": part.address,
            "size": part.size,
            "etag": part.etag,
            "created": part.created,
            "checksums": text_of(part.checksums),
        }
        insert = self.db.insert(parts).values(repository=repo, upload=upload, number=part.number, **values)
        tx.execute(insert.on_conflict_do_update(index_elements=["repository", "upload", "number"], set_=values))
        return True

    def list_parts(self, repo: RepositoryId, upload: UploadId, after: int, limit: int) -> list[Part]:
        return [
            Part(row.number, row.address, row.size, row.etag, row.created, json.loads(row.checksums))
            for row in self.db.rows(_PARTS, repo=repo, upload=upload, after=after, limit=limit)
        ]

    @writes
    def delete_upload(self, tx: Connection, repo: RepositoryId, upload: UploadId) -> bool:
        return _close_upload(tx, repo, upload)


class _Staged:
    """The staged half of a row that joins a branch and its staged path."""

    def __init__(self, row: Any) -> None:
        self._row = row

    def __getattr__(self, name: str) -> Any:
        return getattr(self._row, f"staged_{name}")


def _newest(tx: Connection, tokens: Sequence[StagingToken], path: str) -> StagedRow | None:
    rows = tx.execute(select(staged).where(staged.c.token.in_(tokens), staged.c.path == path)).all()
    return min((staged_of(row) for row in rows), key=lambda row: tokens.index(row.token), default=None)


def _without(tx: Connection, token: StagingToken, where: Sequence[ColumnElement[bool]]) -> StagingToken | None:
    """Removes rows of a token. Returns the token that the rest is under: a fresh one where rows were removed, None
    where no condition was given and so nothing is left."""
    if not where:
        drop(tx, (token,))
        return None
    if not tx.execute(delete(staged).where(staged.c.token == token, *where)).rowcount:
        return token
    fresh = StagingToken(new_id())
    tx.execute(update(staged).where(staged.c.token == token).values(token=fresh))
    return fresh


def _close_upload(tx: Connection, repo: RepositoryId, upload: UploadId) -> bool:
    # The row goes first: its lock makes a rival wait, and a part that is being recorded comes before or not at all.
    gone = tx.execute(delete(uploads).where(uploads.c.repository == repo, uploads.c.id == upload)).rowcount == 1
    tx.execute(delete(parts).where(parts.c.repository == repo, parts.c.upload == upload))
    return gone


def _upload_of(row: Any) -> Upload:
    return Upload(
        UploadId(row.id),
        BranchName(row.branch),
        row.path,
        row.created,
        row.content_type,
        json.loads(row.metadata),
        json.loads(row.headers),
    )


@cache
def _replacing(dialect: str) -> Any:
    """Makes the statement that puts staged rows in place of those of the same paths; that costs more than to run it."""
    insert = insert_into(dialect, staged)
    replaced = {column.name: insert.excluded[column.name] for column in staged.c if not column.primary_key}
    return insert.on_conflict_do_update(index_elements=["token", "path"], set_=replaced)

"""Staged paths and multipart uploads in SQL."""

from __future__ import annotations

import json
from collections.abc import Sequence
from heapq import merge
from importlib import import_module
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, select

from lakegate.errors import ErrorKind, NotFound
from lakegate.ids import BranchName, RepositoryId, StagingToken, UploadId, new_id
from lakegate.metastore.database import Database
from lakegate.metastore.protocol import BranchState, Expect, StagedChange, StagedRow
from lakegate.metastore.rows import staged_of, staged_values, text_of
from lakegate.metastore.schema import parts, staged, uploads
from lakegate.metastore.sql_refs import branch_row
from lakegate.model import Part, Upload

_END = "\U0010ffff"


class StagingRows:
    """The part of the metastore that holds what is not committed yet."""

    db: Database

    def stage(
        self,
        repo: RepositoryId,
        branch: BranchName,
        changes: Sequence[StagedChange],
        *,
        expected: BranchState | None = None,
        closes: UploadId | None = None,
    ) -> BranchState | None:
        # What is decided on rows that are not there yet has no row to lock: it keeps all other writers out.
        decided = expected is not None or any(change.expect is not Expect.ANYTHING for change in changes)
        with self.db.write() as tx:
            state = branch_row(tx, repo, branch, lock="exclusive" if decided else "shared")
            if state is None:
                raise _branch_not_found(branch)
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
                _upsert(tx, state.staging, changes)
            return state

    def staged_row(self, repo: RepositoryId, branch: BranchName, path: str) -> tuple[BranchState, StagedRow | None]:
        with self.db.read() as tx:
            state = branch_row(tx, repo, branch)
            if state is None:
                raise _branch_not_found(branch)
            return state, _newest(tx, state.tokens, path)

    def staged_rows(
        self, tokens: Sequence[StagingToken], prefix: str = "", after: str = "", limit: int = 1000
    ) -> list[StagedRow]:
        found: list[StagedRow] = []
        with self.db.read() as tx:
            # Newest token first: of equal paths, merge() yields the one of the earlier list first.
            pages = [_page(tx, token, prefix, after, limit) for token in tokens]
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
        with self.db.write() as tx:
            state = branch_row(tx, repo, branch, lock="exclusive")
            if state is None:
                raise _branch_not_found(branch)
            where: list[ColumnElement[bool]] = [staged.c.token.in_(state.tokens)]
            if path is not None:
                where.append(staged.c.path == path)
            elif prefix:
                where += [staged.c.path >= prefix, staged.c.path < prefix + _END]
            paths = tx.execute(select(staged.c.path).where(*where).distinct()).all()
            tx.execute(delete(staged).where(*where))
            return len(paths)

    # -- multipart uploads --------------------------------------------------------------------------------------------

    def create_upload(self, repo: RepositoryId, upload: Upload) -> None:
        with self.db.write() as tx:
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
        query = select(uploads).where(uploads.c.repository == repo, uploads.c.id == upload)
        with self.db.read() as tx:
            row = tx.execute(query).first()
        return None if row is None else _upload_of(row)

    def list_uploads(self, repo: RepositoryId, branch: BranchName, prefix: str, after: str, limit: int) -> list[Upload]:
        path, _, upload = after.partition("\n")
        query = select(uploads).where(uploads.c.repository == repo, uploads.c.branch == branch)
        if prefix:
            query = query.where(uploads.c.path >= prefix, uploads.c.path < prefix + _END)
        if after:
            query = query.where((uploads.c.path > path) | ((uploads.c.path == path) & (uploads.c.id > upload)))
        with self.db.read() as tx:
            rows = tx.execute(query.order_by(uploads.c.path, uploads.c.id).limit(limit))
            return [_upload_of(row) for row in rows]

    def put_part(self, repo: RepositoryId, upload: UploadId, part: Part) -> bool:
        with self.db.write() as tx:
            owner = select(uploads.c.id).where(uploads.c.repository == repo, uploads.c.id == upload)
            if tx.execute(owner.with_for_update(read=True)).first() is None:
                return False
            here = (parts.c.repository == repo, parts.c.upload == upload, parts.c.number == part.number)
            tx.execute(delete(parts).where(*here))
            tx.execute(
                parts.insert().values(
                    repository=repo,
                    upload=upload,
                    number=part.number,
                    address=part.address,
                    size=part.size,
                    etag=part.etag,
                    created=part.created,
                    checksums=text_of(part.checksums),
                )
            )
            return True

    def list_parts(self, repo: RepositoryId, upload: UploadId, after: int, limit: int) -> list[Part]:
        query = (
            select(parts)
            .where(parts.c.repository == repo, parts.c.upload == upload, parts.c.number > after)
            .order_by(parts.c.number)
            .limit(limit)
        )
        with self.db.read() as tx:
            return [
                Part(row.number, row.address, row.size, row.etag, row.created, json.loads(row.checksums))
                for row in tx.execute(query)
            ]

    def delete_upload(self, repo: RepositoryId, upload: UploadId) -> bool:
        with self.db.write() as tx:
            return _close_upload(tx, repo, upload)


def _newest(tx: Connection, tokens: Sequence[StagingToken], path: str) -> StagedRow | None:
    rows = tx.execute(select(staged).where(staged.c.token.in_(tokens), staged.c.path == path)).all()
    return min((staged_of(row) for row in rows), key=lambda row: tokens.index(row.token), default=None)


def _close_upload(tx: Connection, repo: RepositoryId, upload: UploadId) -> bool:
    # The row goes first: its lock makes a rival wait, and a part that is being recorded comes before or not at all.
    gone = tx.execute(delete(uploads).where(uploads.c.repository == repo, uploads.c.id == upload)).rowcount == 1
    tx.execute(delete(parts).where(parts.c.repository == repo, parts.c.upload == upload))
    return gone


def _page(tx: Connection, token: StagingToken, prefix: str, after: str, limit: int) -> list[StagedRow]:
    query = select(staged).where(staged.c.token == token)
    if prefix:
        query = query.where(staged.c.path >= prefix, staged.c.path < prefix + _END)
    if after:
        query = query.where(staged.c.path > after)
    return [staged_of(row) for row in tx.execute(query.order_by(staged.c.path).limit(limit))]


def _upsert(tx: Connection, token: StagingToken, changes: Sequence[StagedChange]) -> None:
    # The last write to a path wins, as it would one by one.
    rows = {change.path: staged_values(token, change.path, change.entry, new_id()) for change in changes}
    insert = _insert(tx.dialect.name)
    replaced = {column.name: insert.excluded[column.name] for column in staged.c if not column.primary_key}
    tx.execute(insert.on_conflict_do_update(index_elements=["token", "path"], set_=replaced), list(rows.values()))


def _insert(dialect: str) -> Any:
    """The dialect's own insert into `staged`, which knows ON CONFLICT; the other dialect is not imported."""
    module = import_module(f"sqlalchemy.dialects.{'postgresql' if dialect == 'postgresql' else 'sqlite'}")
    return module.insert(staged)


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


def _branch_not_found(branch: str) -> NotFound:
    return NotFound(
        ErrorKind.BRANCH_NOT_FOUND, f"There is no branch {branch!r}.", hint="List the branches to see which there are."
    )

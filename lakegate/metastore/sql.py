"""The MetaStore over SQLAlchemy: SQLite for a lake in a folder; PostgreSQL is another URL."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, select, update

from lakegate.errors import AlreadyExists, ErrorKind
from lakegate.ids import CommitId, HoldId, JobId, RepositoryId, RepositoryName
from lakegate.metastore.database import Database, now
from lakegate.metastore.protocol import KeyRecord, UserRecord
from lakegate.metastore.rows import text_of
from lakegate.metastore.schema import holds, jobs, keys, lake, repositories, users
from lakegate.metastore.sql_refs import RefRows
from lakegate.metastore.sql_staging import StagingRows
from lakegate.model import Hold, Job, JobState


class SqlMetaStore(RefRows, StagingRows):
    """Implements `lakegate.metastore.protocol.MetaStore`; `create` makes the database's tables where they are not."""

    def __init__(self, url: str, *, create: bool = False) -> None:
        self.db = Database(url, create=create)

    def close(self) -> None:
        self.db.close()

    def lake_id(self) -> str:
        return self.db.lake_id

    def check(self) -> None:
        with self.db.read() as tx:
            tx.execute(select(lake.c.lake_id)).one()

    # -- holds --------------------------------------------------------------------------------------------------------

    def add_hold(self, repo: RepositoryId, hold: Hold) -> Hold:
        with self.db.write() as tx:
            here = (holds.c.repository == repo, holds.c.name == hold.name, holds.c.commit_id == hold.commit)
            row = tx.execute(select(holds).where(*here)).first()
            if row is not None:
                return Hold(HoldId(row.id), hold.repository, hold.commit, row.name, row.created)
            tx.execute(
                holds.insert().values(
                    repository=repo, id=hold.id, commit_id=hold.commit, name=hold.name, created=hold.created
                )
            )
            return hold

    def list_holds(self, repo: RepositoryId) -> list[Hold]:
        query = (
            select(holds, repositories.c.name.label("repository_name"))
            .join(repositories, repositories.c.id == holds.c.repository)
            .where(holds.c.repository == repo)
            .order_by(holds.c.created, holds.c.id)
        )
        with self.db.read() as tx:
            return [
                Hold(
                    HoldId(row.id), RepositoryName(row.repository_name), CommitId(row.commit_id), row.name, row.created
                )
                for row in tx.execute(query)
            ]

    def delete_hold(self, repo: RepositoryId, hold: HoldId) -> bool:
        with self.db.write() as tx:
            return tx.execute(delete(holds).where(holds.c.repository == repo, holds.c.id == hold)).rowcount == 1

    # -- jobs ---------------------------------------------------------------------------------------------------------

    def create_job(self, repo: RepositoryId, job: Job) -> None:
        with self.db.write() as tx:
            tx.execute(
                jobs.insert().values(
                    repository=repo,
                    id=job.id,
                    kind=job.kind,
                    state=job.state.value,
                    done=job.done,
                    total=job.total,
                    created=job.created,
                    updated=job.updated,
                    result=text_of(job.result),
                    error_code=job.error_code,
                    error_message=job.error_message,
                    cancel=False,
                )
            )

    def get_job(self, repo: RepositoryId, job: JobId) -> Job | None:
        with self.db.read() as tx:
            row = tx.execute(select(jobs).where(jobs.c.repository == repo, jobs.c.id == job)).first()
        return None if row is None else _job_of(row)

    def list_jobs(self, repo: RepositoryId, limit: int) -> list[Job]:
        query = select(jobs).where(jobs.c.repository == repo).order_by(jobs.c.created.desc(), jobs.c.id).limit(limit)
        with self.db.read() as tx:
            return [_job_of(row) for row in tx.execute(query)]

    def update_job(
        self,
        repo: RepositoryId,
        job: JobId,
        *,
        done: int | None = None,
        total: int | None = None,
        state: JobState | None = None,
        result: Mapping[str, Any] | None = None,
        error: tuple[str, str] | None = None,
    ) -> bool:
        values: dict[str, Any] = {"updated": now()}
        if done is not None:
            values["done"] = done
        if total is not None:
            values["total"] = total
        if state is not None:
            values["state"] = state.value
        if result is not None:
            values["result"] = text_of(result)
        if error is not None:
            values["error_code"], values["error_message"] = error
        running = (jobs.c.repository == repo, jobs.c.id == job, jobs.c.state == JobState.RUNNING.value)
        with self.db.write() as tx:
            row = tx.execute(select(jobs.c.cancel).where(*running)).first()
            if row is None:
                return False
            tx.execute(update(jobs).where(*running).values(**values))
            return bool(row.cancel)

    def cancel_job(self, repo: RepositoryId, job: JobId) -> bool:
        running = (jobs.c.repository == repo, jobs.c.id == job, jobs.c.state == JobState.RUNNING.value)
        with self.db.write() as tx:
            return tx.execute(update(jobs).where(*running).values(cancel=True)).rowcount == 1

    # -- users and keys -----------------------------------------------------------------------------------------------

    def create_user(self, user: UserRecord) -> None:
        with self.db.write() as tx:
            if tx.execute(select(users.c.name).where(users.c.name == user.name)).first():
                raise AlreadyExists(
                    ErrorKind.USER_EXISTS, f"There is a user {user.name!r} already.", hint="Choose another name."
                )
            tx.execute(users.insert().values(name=user.name, admin=user.admin, created=user.created))

    def get_user(self, name: str) -> UserRecord | None:
        with self.db.read() as tx:
            row = tx.execute(select(users).where(users.c.name == name)).first()
        return None if row is None else UserRecord(row.name, row.admin, row.created)

    def put_key(self, key: KeyRecord) -> None:
        values = {"user": key.user, "secret": key.secret, "created": key.created}
        with self.db.write() as tx:
            here = keys.c.access_key_id == key.access_key_id
            if tx.execute(update(keys).where(here).values(**values)).rowcount == 0:
                tx.execute(keys.insert().values(access_key_id=key.access_key_id, **values))

    def get_key(self, access_key_id: str) -> KeyRecord | None:
        with self.db.read() as tx:
            row = tx.execute(select(keys).where(keys.c.access_key_id == access_key_id)).first()
        return None if row is None else KeyRecord(row.access_key_id, row.user, row.secret, row.created)

    def list_keys(self, user: str) -> list[KeyRecord]:
        with self.db.read() as tx:
            rows = tx.execute(select(keys).where(keys.c.user == user).order_by(keys.c.access_key_id)).all()
        return [KeyRecord(row.access_key_id, row.user, row.secret, row.created) for row in rows]


def _job_of(row: Any) -> Job:
    return Job(
        id=JobId(row.id),
        kind=row.kind,
        state=JobState(row.state),
        done=row.done,
        total=row.total,
        created=row.created,
        updated=row.updated,
        result=json.loads(row.result),
        error_code=row.error_code,
        error_message=row.error_message,
    )

"""The MetaStore over SQLAlchemy: SQLite for a lake in a folder; PostgreSQL is another URL."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select, update

from lakegate.errors import AlreadyExists, ErrorKind
from lakegate.ids import CommitId, HoldId, JobId, RepositoryId, RepositoryName
from lakegate.metastore.database import BUSY_SECONDS, Database, now, writes
from lakegate.metastore.protocol import KeyRecord, UserRecord
from lakegate.metastore.rows import text_of
from lakegate.metastore.schema import holds, jobs, keys, lake, repositories, users
from lakegate.metastore.sql_refs import RefRows
from lakegate.metastore.sql_repositories import RepositoryRows
from lakegate.metastore.sql_staging import StagingRows
from lakegate.model import Hold, Job, JobState

_LAKE = select(lake.c.lake_id)
_HOLDS = (
    select(holds, repositories.c.name.label("repository_name"))
    .join(repositories, repositories.c.id == holds.c.repository)
    .where(holds.c.repository == bindparam("repo"))
    .order_by(holds.c.created, holds.c.id)
)
_JOB = select(jobs).where(jobs.c.repository == bindparam("repo"), jobs.c.id == bindparam("job"))
_JOBS = (
    select(jobs)
    .where(jobs.c.repository == bindparam("repo"))
    .order_by(jobs.c.created.desc(), jobs.c.id)
    .limit(bindparam("limit"))
)
_USER = select(users).where(users.c.name == bindparam("name"))
_KEY = select(keys).where(keys.c.access_key_id == bindparam("access_key_id"))
_KEYS = select(keys).where(keys.c.user == bindparam("user")).order_by(keys.c.access_key_id)


class SqlMetaStore(RepositoryRows, RefRows, StagingRows):
    """Implements `lakegate.metastore.protocol.MetaStore`; `create` makes the database's tables where they are not.

    `durable=False` gives up that what SQLite acknowledged survives a power cut; of PostgreSQL its server decides.
    """

    def __init__(
        self, url: str, *, create: bool = False, busy_seconds: float = BUSY_SECONDS, durable: bool = True
    ) -> None:
        self.db = Database(url, create=create, busy_seconds=busy_seconds, durable=durable)

    def close(self) -> None:
        self.db.close()

    def lake_id(self) -> str:
        return self.db.lake_id

    def check(self) -> None:
        self.db.rows(_LAKE)

    # -- holds --------------------------------------------------------------------------------------------------------

    @writes
    def add_hold(self, tx: Connection, repo: RepositoryId, hold: Hold) -> Hold:
        values = {"id": hold.id, "commit_id": hold.commit, "name": hold.name, "created": hold.created}
        # Where the hold is there, it is written as it is, so that it is returned.
        insert = self.db.insert(holds).values(repository=repo, **values)
        kept = insert.on_conflict_do_update(
            index_elements=["repository", "name", "commit_id"], set_={"name": insert.excluded.name}
        )
        row = tx.execute(kept.returning(holds)).one()
        return Hold(HoldId(row.id), hold.repository, hold.commit, row.name, row.created)

    def list_holds(self, repo: RepositoryId) -> list[Hold]:
        return [
            Hold(HoldId(row.id), RepositoryName(row.repository_name), CommitId(row.commit_id), row.name, row.created)
            for row in self.db.rows(_HOLDS, repo=repo)
        ]

    @writes
    def delete_hold(self, tx: Connection, repo: RepositoryId, hold: HoldId) -> bool:
        return tx.execute(delete(holds).where(holds.c.repository == repo, holds.c.id == hold)).rowcount == 1

    # -- jobs ---------------------------------------------------------------------------------------------------------

    @writes
    def create_job(self, tx: Connection, repo: RepositoryId, job: Job) -> None:
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
                error_hint=job.error_hint,
                cancel=False,
            )
        )

    def get_job(self, repo: RepositoryId, job: JobId) -> Job | None:
        row = self.db.row(_JOB, repo=repo, job=job)
        return None if row is None else _job_of(row)

    def list_jobs(self, repo: RepositoryId, limit: int) -> list[Job]:
        return [_job_of(row) for row in self.db.rows(_JOBS, repo=repo, limit=limit)]

    @writes
    def update_job(
        self,
        tx: Connection,
        repo: RepositoryId,
        job: JobId,
        *,
        done: int | None = None,
        total: int | None = None,
        state: JobState | None = None,
        result: Mapping[str, Any] | None = None,
        error: tuple[str, str, str] | None = None,
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
            values["error_code"], values["error_message"], values["error_hint"] = error
        running = (jobs.c.repository == repo, jobs.c.id == job, jobs.c.state == JobState.RUNNING.value)
        row = tx.execute(select(jobs.c.cancel).where(*running)).first()
        if row is None:
            return False
        tx.execute(update(jobs).where(*running).values(**values))
        return bool(row.cancel)

    @writes
    def cancel_job(self, tx: Connection, repo: RepositoryId, job: JobId) -> bool:
        running = (jobs.c.repository == repo, jobs.c.id == job, jobs.c.state == JobState.RUNNING.value)
        return tx.execute(update(jobs).where(*running).values(cancel=True)).rowcount == 1

    # -- users and keys -----------------------------------------------------------------------------------------------

    @writes
    def create_user(self, tx: Connection, user: UserRecord) -> None:
        insert = self.db.insert(users).values(name=user.name, admin=user.admin, created=user.created)
        if tx.execute(insert.on_conflict_do_nothing().returning(users.c.name)).first() is None:
            raise AlreadyExists(
                ErrorKind.USER_EXISTS, f"There is a user {user.name!r} already.", hint="Choose another name."
            )

    def get_user(self, name: str) -> UserRecord | None:
        row = self.db.row(_USER, name=name)
        return None if row is None else UserRecord(row.name, row.admin, row.created)

    @writes
    def put_key(self, tx: Connection, key: KeyRecord) -> None:
        values = {"user": key.user, "secret": key.secret, "created": key.created}
        insert = self.db.insert(keys).values(access_key_id=key.access_key_id, **values)
        tx.execute(insert.on_conflict_do_update(index_elements=["access_key_id"], set_=values))

    def get_key(self, access_key_id: str) -> KeyRecord | None:
        row = self.db.row(_KEY, access_key_id=access_key_id)
        return None if row is None else KeyRecord(row.access_key_id, row.user, row.secret, row.created)

    def list_keys(self, user: str) -> list[KeyRecord]:
        rows = self.db.rows(_KEYS, user=user)
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
        error_hint=row.error_hint,
    )

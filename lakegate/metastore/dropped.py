"""Staged rows that no branch names any more: noted in the transaction that lets go of them, and deleted after it, some
at a time, so that no other write waits for long.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from sqlalchemy import Connection, Select, delete, select

from lakegate.errors import LakegateError
from lakegate.ids import StagingToken
from lakegate.metastore.database import Database
from lakegate.metastore.schema import dropped, staged

_BATCH = 5000  # rows deleted in one transaction
_BATCHES = 500  # of one sweep

_DROPPED = select(dropped.c.token).limit(1)


def drop(tx: Connection, tokens: Sequence[StagingToken]) -> None:
    """Lets go of tokens whose branch names them no more. Few rows are deleted at once; the rest is for `sweep`, which
    is called when the transaction is over."""
    for token in tokens:
        if tx.execute(_beyond(token)).first() is None:
            tx.execute(delete(staged).where(staged.c.token == token))
        else:
            tx.execute(dropped.insert().values(token=token))


def sweep(db: Database) -> None:
    """Deletes the rows that were let go of, also those that a crash left. Where the database fails, or there are very
    many, the next sweep goes on: this one must not hide that its caller's work is done."""
    with suppress(LakegateError):
        for _ in range(_BATCHES):
            found = db.row(_DROPPED)
            if found is None:
                return
            token = StagingToken(found.token)
            db.write(lambda tx, token=token: _delete_some(tx, token))  # type: ignore[misc]


def _delete_some(tx: Connection, token: StagingToken) -> None:
    rows = delete(staged).where(staged.c.token == token)
    beyond = tx.execute(_beyond(token)).first()
    if beyond is None:
        tx.execute(rows)
        tx.execute(delete(dropped).where(dropped.c.token == token))
    else:
        tx.execute(rows.where(staged.c.path < beyond.path))


def _beyond(token: StagingToken) -> Select[tuple[str]]:
    return select(staged.c.path).where(staged.c.token == token).order_by(staged.c.path).limit(1).offset(_BATCH)

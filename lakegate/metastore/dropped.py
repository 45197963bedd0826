"""Staged rows that no branch names any more: noted in the transaction that lets go of them, and deleted after it, some
at a time, so that no other write waits for long.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from functools import partial

from sqlalchemy import Connection, Select, delete, select

from lakegate.errors import LakegateError
from lakegate.ids import StagingToken
from lakegate.metastore.database import Database
from lakegate.metastore.schema import dropped, staged

_BATCH = 5000  # rows deleted in one transaction
_BATCHES = 500  # of one sweep of one's own tokens
_BATCHES_OF_OTHERS = 2  # who has a small thing to do must not wait for what others left

_DROPPED = select(dropped.c.token)


def drop(tx: Connection, tokens: Sequence[StagingToken]) -> None:
    """Lets go of tokens whose branch names them no more. Few rows are deleted at once; the rest is for `sweep`, which
    is called when the transaction is over."""
    for token in tokens:
        if tx.execute(_beyond(token)).first() is None:
            tx.execute(delete(staged).where(staged.c.token == token))
        else:
            tx.execute(dropped.insert().values(token=token))


def sweep(db: Database, own: Collection[StagingToken]) -> None:
    """Deletes the rows of the caller's tokens that were let go of, and some of what others, or a crash, left. Where the
    database fails, or there are very many, the next sweep goes on: this one must not hide that its caller's work is
    done."""
    with suppress(LakegateError):
        noted = [StagingToken(row.token) for row in db.rows(_DROPPED)]
        _delete(db, [token for token in noted if token in own], _BATCHES)
        _delete(db, [token for token in noted if token not in own], _BATCHES_OF_OTHERS)


def _delete(db: Database, tokens: Iterable[StagingToken], batches: int) -> None:
    for token in tokens:
        is_left = True
        while is_left:
            if batches == 0:
                return
            batches -= 1
            is_left = db.write(partial(_delete_some, token))


def _delete_some(token: StagingToken, tx: Connection) -> bool:
    """Deletes a batch of a token's rows. Tells whether there are more."""
    rows = delete(staged).where(staged.c.token == token)
    beyond = tx.execute(_beyond(token)).first()
    if beyond is None:
        tx.execute(rows)
        tx.execute(delete(dropped).where(dropped.c.token == token))
        return False
    tx.execute(rows.where(staged.c.path < beyond.path))
    return True


def _beyond(token: StagingToken) -> Select[tuple[str]]:
    return select(staged.c.path).where(staged.c.token == token).order_by(staged.c.path).limit(1).offset(_BATCH)

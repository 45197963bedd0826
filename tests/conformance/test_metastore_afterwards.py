"""What the metastore does when a transaction is over: rows that it let go of, replies that were lost; and repositories
that are deleted beside writers."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select
from sqlalchemy.exc import OperationalError

from lakegate.errors import ErrorKind, NotFound, OutcomeUnknown, Refused
from lakegate.ids import BranchName, CommitId, HoldId, RepositoryId, RepositoryName, TagName, UploadId
from lakegate.metastore import dropped, schema
from lakegate.metastore.create import SCRIPT
from lakegate.metastore.migrate import sqlite_script
from lakegate.metastore.protocol import StagedChange
from lakegate.metastore.sql import SqlMetaStore
from lakegate.model import Entry, Hold, RepositoryInfo, Upload
from lakegate.testing.postgres_server import PostgresServer

REPO, NAME = RepositoryId("r1"), RepositoryName("sales")
MAIN = BranchName("main")
FIRST, SECOND = CommitId("a" * 64), CommitId("b" * 64)


@pytest.fixture(params=["sqlite", "postgresql"])
def meta(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlMetaStore]:
    url = f"sqlite:///{tmp_path}/lake.db"
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.new_lake()
    store = SqlMetaStore(url, create=True)
    create(store)
    yield store
    store.close()


def create(meta: SqlMetaStore) -> None:
    meta.create_repository(RepositoryInfo(REPO, NAME, "file:///lake/sales", MAIN, 1), FIRST, "tester")


def stage(meta: SqlMetaStore, count: int, path: str = "p") -> None:
    changes = [StagedChange(f"{path}{n:03}", Entry(f"{path}{n:03}", "data/x", 1, "e", 1)) for n in range(count)]
    assert meta.stage(REPO, MAIN, changes) is not None


def rows(meta: SqlMetaStore) -> int:
    return len(meta.db.rows(select(schema.staged)))


@pytest.fixture
def crash(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Small batches; and whether a crash keeps rows from being deleted after a transaction."""
    monkeypatch.setattr(dropped, "_BATCH", 10)

    def crash(yes: bool) -> None:
        monkeypatch.setattr(dropped, "_BATCHES", 0 if yes else 500)
        monkeypatch.setattr(dropped, "_BATCHES_OF_OTHERS", 0 if yes else 2)

    return crash


def test_many_rows_are_deleted_after_the_move_that_took_them(meta: SqlMetaStore, crash: Callable[[bool], None]) -> None:
    for count, is_crash, left in ((10, True, 0), (11, True, 11), (95, False, 0), (35, True, 35), (10, False, 15)):
        stage(meta, count)
        sealed = meta.seal(REPO, MAIN)
        assert sealed is not None
        stage(meta, 1, "later")
        crash(is_crash)
        moved = meta.move_branch(REPO, sealed, FIRST, drop=sealed.sealed, actor="a", reason="commit")
        assert moved is not None
        meta.sweep(sealed.sealed)
        assert [row.path for row in meta.staged_rows(moved.tokens)] == ["later000"]
        assert rows(meta) == 1 + left
        meta.unstage(REPO, MAIN, path="later000")


def test_a_reader_sees_no_older_row_while_a_move_lets_go_of_both(
    meta: SqlMetaStore, crash: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage(meta, 12)
    meta.seal(REPO, MAIN)
    stage(meta, 1)
    sealed = meta.seal(REPO, MAIN)
    assert sealed is not None
    assert len(sealed.sealed) == 2
    assert [meta.staged_row(REPO, MAIN, path)[0] for path in ("p000", "p001", "none")] == [sealed] * 3
    assert meta.staged_row(REPO, MAIN, "p001")[1] is not None
    crash(True)
    query, moved = meta.db.row, []

    def row(*args: Any, **values: Any) -> Any:
        """Lets the move come when the reader has read the branch."""
        found = query(*args, **values)
        if not moved:
            moved.append(meta.move_branch(REPO, sealed, SECOND, drop=sealed.sealed, actor="a", reason="commit"))
        return found

    monkeypatch.setattr(meta.db, "row", row)
    assert meta.staged_row(REPO, MAIN, "p000") == (moved[0], None)
    assert rows(meta) == 12


def test_whatever_lets_go_of_many_rows_deletes_them(meta: SqlMetaStore, crash: Callable[[bool], None]) -> None:
    branch = BranchName("exp")

    def delete_branch() -> None:
        gone = meta.delete_branch(REPO, branch, "a")
        assert gone is not None
        meta.sweep(gone.tokens)

    let_go: tuple[tuple[Callable[[], object], int], ...] = (
        (lambda: meta.unstage(REPO, MAIN), 0),
        (delete_branch, 30),
        (lambda: [(stage(meta, 30), meta.seal(REPO, MAIN)) for _ in range(9)], 30),
        (lambda: (meta.delete_repository(NAME, force=True), create(meta)), 0),
    )
    for (act, left), is_crash in product(let_go, (True, False)):
        stage(meta, 30)
        if meta.get_branch(REPO, branch) is None:
            meta.create_branch(REPO, branch, FIRST, "a")
            meta.stage(REPO, branch, [StagedChange(f"{n}", None) for n in range(30)])
        crash(is_crash)
        act()
        assert bool(meta.db.rows(select(schema.dropped))) is is_crash
        crash(False)
        stage(meta, 1, "later")
        assert meta.unstage(REPO, MAIN) == left + 1
        for _ in range(20):  # a few batches each
            meta.sweep(())
        assert meta.db.rows(select(schema.dropped)) == []
    assert rows(meta) == 0


@pytest.mark.parametrize("happened", [True, False])
def test_a_move_whose_reply_was_lost_is_read_back(
    meta: SqlMetaStore, monkeypatch: pytest.MonkeyPatch, happened: bool
) -> None:
    stage(meta, 1)
    sealed = meta.seal(REPO, MAIN)
    assert sealed is not None
    lost = lose_replies(monkeypatch, meta, happened, 1)
    moved = meta.move_branch(REPO, sealed, SECOND, drop=sealed.sealed, actor="a", reason="commit")
    assert lost == [happened]
    assert moved == meta.get_branch(REPO, MAIN)
    assert moved is not None
    assert (moved.commit, moved.sequence, moved.sealed) == (SECOND, sealed.sequence + 1, ())
    assert [move.commit for move in meta.ref_moves(REPO, "main", 9)] == [SECOND, FIRST]
    # A move that a rival made to another commit is not taken for ours.
    lose_replies(monkeypatch, meta, False, 1)
    assert meta.move_branch(REPO, sealed, FIRST, actor="a", reason="commit") is None


def test_a_move_that_can_not_be_read_back_is_said_to_be_unknown(
    meta: SqlMetaStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = meta.get_branch(REPO, MAIN)
    assert before is not None
    lose_replies(monkeypatch, meta, False, 99)
    with pytest.raises(OutcomeUnknown):
        meta.move_branch(REPO, before, SECOND, actor="a", reason="commit")
    monkeypatch.undo()
    assert meta.get_branch(REPO, MAIN) == before


def lose_replies(monkeypatch: pytest.MonkeyPatch, meta: SqlMetaStore, happened: bool, times: int) -> list[bool]:
    """Breaks the connection at the next COMMITs, before or after they happened, on either database."""
    lost: list[bool] = []
    commit = Connection.commit

    def break_off(self: Connection) -> None:
        if len(lost) == times:
            return commit(self)
        lost.append(happened)
        (commit if happened else Connection.rollback)(self)
        raise OperationalError("COMMIT", {}, Exception("server closed the connection"), connection_invalidated=True)

    monkeypatch.setattr(Connection, "commit", break_off)
    monkeypatch.setattr(meta.db.backend, "outcome_unknown", lambda error: isinstance(error, OperationalError))
    return lost


THINGS = ("commit", "tag", "hold", "rows", "upload")


def test_a_repository_with_something_in_it_is_deleted_by_force_only(meta: SqlMetaStore) -> None:
    for what in THINGS:
        put(meta, what)
        with pytest.raises(Refused) as caught:
            meta.delete_repository(NAME, force=False)
        assert caught.value.kind is ErrorKind.REPOSITORY_NOT_EMPTY
        meta.delete_repository(NAME, force=True)
        create(meta)
    meta.delete_repository(NAME, force=False)


def test_nothing_is_lost_beside_the_deletion_of_a_repository(meta: SqlMetaStore) -> None:
    """Either it comes first, and the repository is not deleted; or the deletion does, and it is refused."""
    for what in THINGS * 4:
        outcomes: list[str] = []
        start = threading.Barrier(2)

        def run(name: str, act: Callable[[], object], start: threading.Barrier, outcomes: list[str]) -> None:
            start.wait()
            try:
                act()
                outcomes.append(name)
            except (NotFound, Refused):
                return

        acts: dict[str, Callable[[], object]] = {
            "put": lambda what=what: put(meta, what),
            "delete": lambda: meta.delete_repository(NAME, force=False),
        }
        threads = [threading.Thread(target=run, args=(name, act, start, outcomes)) for name, act in acts.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(outcomes) == 1, outcomes
        if outcomes == ["put"]:
            meta.delete_repository(NAME, force=True)
        create(meta)


def put(meta: SqlMetaStore, what: str) -> None:
    if what == "commit":
        meta.add_commit(REPO, SECOND, 1)
    elif what == "tag":
        meta.create_tag(REPO, TagName("v1"), FIRST, "tester")
    elif what == "hold":
        meta.add_hold(REPO, Hold(HoldId("h"), NAME, FIRST, "train", 1))
    elif what == "rows":
        stage(meta, 1)
    else:
        meta.create_upload(REPO, Upload(UploadId("u"), MAIN, "a", 1))


def test_a_new_database_is_made_as_the_migrations_would_make_it() -> None:
    assert SCRIPT.read_text(encoding="utf-8") == sqlite_script(), "run `make docs`"


def test_a_database_of_the_first_schema_is_brought_up_to_date(tmp_path: Path) -> None:
    file = tmp_path / "lake.db"
    meta = SqlMetaStore(f"sqlite:///{file}", create=True)
    create(meta)
    stage(meta, 3)
    meta.close()
    with sqlite3.connect(file) as raw:
        raw.execute("DROP TABLE dropped")
        raw.execute("UPDATE alembic_version SET version_num = '0001'")
    raw.close()
    again = SqlMetaStore(f"sqlite:///{file}")
    assert again.unstage(REPO, MAIN) == 3
    assert again.db.rows(select(schema.dropped)) == []
    again.close()

"""The metastore's contract, on SQLite and on PostgreSQL."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lakegate.errors import AlreadyExists, ErrorKind, NotFound, Refused, Unavailable
from lakegate.ids import BranchName, CommitId, HoldId, JobId, RepositoryId, RepositoryName, TagName, UploadId
from lakegate.metastore.protocol import BranchState, Expect, KeyRecord, MetaStore, StagedChange, UserRecord
from lakegate.metastore.sql import SqlMetaStore
from lakegate.model import Entry, Hold, Job, JobState, Part, RepositoryInfo, Upload
from lakegate.testing.postgres_server import PostgresServer

REPO = RepositoryId("r1")
MAIN = BranchName("main")
FIRST, SECOND = CommitId("a" * 64), CommitId("b" * 64)
LAST = "\U0010ffff"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/lake.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_lake()


@pytest.fixture
def meta(url: str) -> Iterator[MetaStore]:
    store = SqlMetaStore(url, create=True)
    store.create_repository(info(), FIRST, "tester")
    yield store
    store.close()


def info(name: str = "sales", id_: str = "r1", namespace: str = "file:///lake/sales") -> RepositoryInfo:
    return RepositoryInfo(RepositoryId(id_), RepositoryName(name), namespace, MAIN, 1)


def entry(path: str, etag: str = "e") -> Entry:
    return Entry(path, "data/aa/x", 3, etag, 5, "sha256:00", "text/plain", {"k": "ü"}, {"expires": "never"})


def put(path: str, etag: str = "e") -> StagedChange:
    return StagedChange(path, entry(path, etag))


def test_an_entry_comes_back_as_it_was_staged(meta: MetaStore) -> None:
    meta.stage(REPO, MAIN, [put("a/ü")])
    state, row = meta.staged_row(REPO, MAIN, "a/ü")
    assert row is not None
    assert row.entry == entry("a/ü")
    assert row.token == state.staging


@pytest.mark.parametrize("namespace", ["file:///lake/sales", "file:///lake/sales/sub", "file:///lake", "file:///lake/"])
def test_a_storage_namespace_belongs_to_one_repository(meta: MetaStore, namespace: str) -> None:
    with pytest.raises(AlreadyExists) as caught:
        meta.create_repository(info("other", "r2", namespace), FIRST, "tester")
    assert caught.value.kind is ErrorKind.NAMESPACE_IN_USE
    meta.create_repository(info("other", "r2", "file:///lake/sales2"), FIRST, "tester")


def test_a_deleted_repository_leaves_nothing_and_frees_its_namespace(meta: MetaStore) -> None:
    state = meta.stage(REPO, MAIN, [put("a")])
    assert state is not None
    meta.delete_repository(RepositoryName("sales"), force=True)
    with pytest.raises(NotFound):
        meta.get_repository(RepositoryName("sales"))
    assert meta.staged_rows(state.tokens) == []
    meta.create_repository(info(), FIRST, "tester")


def test_a_name_is_a_branch_or_a_tag(meta: MetaStore) -> None:
    meta.create_tag(REPO, TagName("v1"), FIRST, "tester")
    with pytest.raises(AlreadyExists):
        meta.create_branch(REPO, BranchName("v1"), FIRST, "tester")
    with pytest.raises(AlreadyExists):
        meta.create_tag(REPO, TagName("main"), FIRST, "tester")
    assert meta.delete_tag(REPO, TagName("v1"), "tester")
    assert not meta.delete_tag(REPO, TagName("v1"), "tester")


def test_a_branch_moves_by_compare_and_set(meta: MetaStore) -> None:
    before = meta.get_branch(REPO, MAIN)
    assert before is not None
    moved = meta.move_branch(REPO, before, SECOND, actor="a", reason="commit")
    assert moved is not None
    assert (moved.commit, moved.sequence) == (SECOND, before.sequence + 1)
    assert meta.move_branch(REPO, before, FIRST, actor="a", reason="late") is None
    assert meta.get_branch(REPO, MAIN) == moved
    assert [m.commit for m in meta.ref_moves(REPO, "main", 10)] == [SECOND, FIRST]


def test_what_the_journal_lacks_is_known(meta: MetaStore) -> None:
    def lacking(name: str | None = None, until: int = 1 << 62, after: int = 0) -> list[tuple[str, int]]:
        return [(m.name, m.sequence) for m in meta.unjournaled_moves(REPO, name, until, after, 10)]

    meta.create_tag(REPO, TagName("v1"), FIRST, "tester")
    before = meta.get_branch(REPO, MAIN)
    assert before is not None
    assert meta.move_branch(REPO, before, SECOND, actor="a", reason="commit") is not None
    assert lacking() == [("main", 1), ("v1", 1), ("main", 2)]
    assert lacking("main") == [("main", 1), ("main", 2)]
    assert lacking(until=0) == []
    first, tag, second = meta.unjournaled_moves(REPO, None, 1 << 62, 0, 10)
    assert lacking(after=tag.row) == [("main", 2)]
    for move in (first, tag, second):
        meta.mark_journaled(REPO, move)
    assert lacking() == []

    meta.renumber_moves(REPO, second, 7)
    assert lacking() == [("main", 8)]
    meta.mark_journaled(REPO, second)  # the record of its old number is none of the new one
    meta.renumber_moves(REPO, second, 9)  # another did
    assert lacking() == [("main", 8)]
    now = meta.get_branch(REPO, MAIN)
    assert now is not None
    assert now.sequence == 8


def test_the_journal_goes_on_where_a_deleted_branch_ended(meta: MetaStore) -> None:
    name = BranchName("exp")
    first = meta.create_branch(REPO, name, FIRST, "a")
    gone = meta.delete_branch(REPO, name, "a")
    again = meta.create_branch(REPO, name, FIRST, "a")
    assert gone is not None
    assert first.sequence < gone.sequence < again.sequence
    assert meta.delete_branch(REPO, BranchName("none"), "a") is None


def test_a_branch_that_was_sealed_is_deleted_only_as_it_was(meta: MetaStore) -> None:
    name = BranchName("exp")
    meta.create_branch(REPO, name, FIRST, "a")
    meta.stage(REPO, name, [put("a")])
    sealed = meta.seal(REPO, name)
    assert sealed is not None
    meta.stage(REPO, name, [put("b")])
    assert meta.delete_branch(REPO, name, "a", sealed) is None
    later = meta.seal(REPO, name)
    assert later is not None
    assert meta.delete_branch(REPO, name, "a", sealed) is None
    moved = meta.move_branch(REPO, later, SECOND, drop=later.sealed, actor="a", reason="commit")
    assert moved is not None
    assert meta.delete_branch(REPO, name, "a", later) is None
    assert meta.get_branch(REPO, name) == moved
    assert meta.delete_branch(REPO, name, "a", moved) is not None


def test_writes_after_a_seal_survive_the_commit_of_what_was_sealed(meta: MetaStore) -> None:
    meta.stage(REPO, MAIN, [put("a", "old"), put("b")])
    sealed = meta.seal(REPO, MAIN)
    assert sealed is not None
    meta.stage(REPO, MAIN, [put("a", "new"), StagedChange("b", None)])
    rows = meta.staged_rows(sealed.tokens)
    assert [(r.path, r.entry.etag if r.entry else None) for r in rows] == [("a", "new"), ("b", None)]
    moved = meta.move_branch(REPO, sealed, SECOND, drop=sealed.sealed, actor="a", reason="commit")
    assert moved is not None
    assert moved.sealed == ()
    assert [r.path for r in meta.staged_rows(moved.tokens)] == ["a", "b"]


def test_sealing_what_holds_nothing_seals_nothing(meta: MetaStore) -> None:
    before = meta.get_branch(REPO, MAIN)
    assert meta.seal(REPO, MAIN) == before
    meta.stage(REPO, MAIN, [put("a")])
    sealed = meta.seal(REPO, MAIN)
    assert meta.seal(REPO, MAIN) == sealed
    assert meta.unstage(REPO, MAIN) == 1
    emptied = meta.seal(REPO, MAIN)
    assert emptied is not None
    assert emptied.sealed == ()


def test_commits_that_are_refused_again_and_again_leave_few_tokens(meta: MetaStore) -> None:
    states: list[BranchState] = []
    for number in range(30):
        meta.stage(
            REPO, MAIN, [put("always", str(number)), put(f"p{number:02}"), StagedChange(f"p{number - 1:02}", None)]
        )
        sealed = meta.seal(REPO, MAIN)
        assert sealed is not None
        states.append(sealed)
    assert max(len(state.sealed) for state in states) < 10
    rows = {row.path: row.entry for row in meta.staged_rows(states[-1].tokens)}
    assert rows["always"] == entry("always", "29")
    assert {path for path, found in rows.items() if found is not None} == {"always", "p29"}
    assert len(rows) == 32
    # Who read tokens that were put together since has lost the race for them.
    old = states[7]
    assert meta.move_branch(REPO, old, SECOND, drop=old.sealed, actor="a", reason="late") is None
    assert meta.move_branch(REPO, states[-1], SECOND, drop=states[-1].sealed, actor="a", reason="commit") is not None
    assert meta.staged_rows(states[-1].tokens) == []


def test_sealed_tokens_are_taken_once(meta: MetaStore) -> None:
    meta.stage(REPO, MAIN, [put("a")])
    sealed = meta.seal(REPO, MAIN)
    assert sealed is not None
    moved = meta.move_branch(REPO, sealed, FIRST, drop=sealed.sealed, actor="a", reason="commit")
    assert moved is not None
    assert meta.move_branch(REPO, moved, SECOND, drop=sealed.sealed, actor="a", reason="twice") is None


def test_a_clean_move_loses_to_an_uncommitted_write(meta: MetaStore) -> None:
    state = meta.stage(REPO, MAIN, [put("a")])
    assert state is not None
    assert meta.move_branch(REPO, state, SECOND, clean=True, actor="a", reason="merge") is None
    assert meta.unstage(REPO, MAIN) == 1
    assert meta.move_branch(REPO, state, SECOND, clean=True, actor="a", reason="merge") is not None


def test_a_conditional_write_holds_over_sealed_tokens_too(meta: MetaStore) -> None:
    assert meta.stage(REPO, MAIN, [StagedChange("a", entry("a"), Expect.NOT_STAGED)]) is not None
    meta.seal(REPO, MAIN)
    assert meta.stage(REPO, MAIN, [StagedChange("a", entry("a"), Expect.NOT_STAGED)]) is None
    _, row = meta.staged_row(REPO, MAIN, "a")
    assert row is not None
    assert meta.stage(REPO, MAIN, [StagedChange("a", None, row.write_id)]) is not None
    assert meta.stage(REPO, MAIN, [StagedChange("a", None, row.write_id)]) is None


def test_a_write_decided_on_an_older_state_is_lost(meta: MetaStore) -> None:
    before = meta.stage(REPO, MAIN, [put("b")])
    meta.seal(REPO, MAIN)
    assert meta.stage(REPO, MAIN, [put("a")], expected=before) is None
    assert meta.staged_row(REPO, MAIN, "a")[1] is None


def test_all_changes_of_a_call_are_staged_or_none(meta: MetaStore) -> None:
    meta.stage(REPO, MAIN, [put("b")])
    assert meta.stage(REPO, MAIN, [put("a"), StagedChange("b", None, Expect.NOT_STAGED)]) is None
    assert meta.staged_row(REPO, MAIN, "a")[1] is None
    with pytest.raises(NotFound):
        meta.stage(REPO, BranchName("none"), [put("a")])


def test_pages_of_staged_rows_lose_and_repeat_nothing(meta: MetaStore) -> None:
    paths = [*(f"p/{i:03d}" for i in range(40)), "q", "é", "\U0001f600"]
    for path in paths[::2]:
        meta.stage(REPO, MAIN, [put(path, "old")])
    meta.seal(REPO, MAIN)
    state = meta.stage(REPO, MAIN, [put(path, "new") for path in paths])
    assert state is not None
    seen: list[str] = []
    while page := meta.staged_rows(state.tokens, after=seen[-1] if seen else "", limit=7):
        assert all(r.entry is not None and r.entry.etag == "new" for r in page)
        seen += [r.path for r in page]
    assert seen == sorted(paths, key=lambda path: path.encode())
    assert [r.path for r in meta.staged_rows(state.tokens, prefix="p/01")] == [f"p/{i:03d}" for i in range(10, 20)]


def test_names_of_the_last_characters_are_found_like_others(meta: MetaStore) -> None:
    paths = ["a", "a/\ud7ff", "a/\ue000", f"a/{LAST}", f"a/{LAST}{LAST}b", "b", LAST, f"{LAST}.csv", f"{LAST}{LAST}"]
    state = meta.stage(REPO, MAIN, [put(path) for path in paths])
    assert state is not None
    for prefix in ("", "a", "a/", "a/\ud7ff", f"a/{LAST}", f"a/{LAST}{LAST}", LAST, f"{LAST}{LAST}", f"{LAST}."):
        for after in ("", "a", "a/", *paths):
            found = [row.path for row in meta.staged_rows(state.tokens, prefix, after)]
            assert found == [path for path in paths if path.startswith(prefix) and path > after]
    for number, path in enumerate(paths):
        meta.create_upload(REPO, Upload(UploadId(f"u{number}"), MAIN, path, 1))
    for prefix in ("", "a/", LAST):
        uploads = [upload.path for upload in meta.list_uploads(REPO, MAIN, prefix, "", 20)]
        assert uploads == [path for path in paths if path.startswith(prefix)]
    assert [upload.path for upload in meta.list_uploads(REPO, MAIN, LAST, f"{LAST}\nu6", 20)] == paths[-2:]
    assert meta.unstage(REPO, MAIN, prefix=LAST) == 3
    assert meta.unstage(REPO, MAIN, prefix="a/") == 4
    assert meta.unstage(REPO, MAIN) == 2


def test_pages_of_names_are_whole(meta: MetaStore) -> None:
    for name in ("x1", "x2", "x3", "y"):
        meta.create_branch(REPO, BranchName(name), FIRST, "tester")
        meta.create_tag(REPO, TagName(f"t{name}"), FIRST, "tester")
    for prefix, after, limit, expected in (
        ("", "", 9, ["main", "x1", "x2", "x3", "y"]),
        ("x", "", 2, ["x1", "x2"]),
        ("x", "x2", 9, ["x3"]),
        ("x", "y", 9, []),
        (LAST, "", 9, []),
    ):
        assert [state.name for state in meta.list_branches(REPO, prefix, after, limit)] == expected
    assert [tag.name for tag in meta.list_tags(REPO, "tx", "tx1", 9)] == ["tx2", "tx3"]
    assert [found.name for found in meta.list_repositories("s", "", 9)] == ["sales"]
    assert meta.list_repositories("s", "sales", 9) == []


def test_unstage_takes_a_path_a_prefix_or_all(meta: MetaStore) -> None:
    meta.stage(REPO, MAIN, [put("a"), put("a/1"), put("a/2"), put("b")])
    assert meta.unstage(REPO, MAIN, path="a") == 1
    assert meta.unstage(REPO, MAIN, prefix="a/") == 2
    assert meta.unstage(REPO, MAIN) == 1


@pytest.mark.parametrize("taken", [{"path": "a"}, {"prefix": "p/"}, {}])
def test_who_read_tokens_that_lost_rows_since_has_lost_the_race(meta: MetaStore, taken: dict[str, str]) -> None:
    meta.stage(REPO, MAIN, [put("kept", "first")])
    meta.seal(REPO, MAIN)
    meta.stage(REPO, MAIN, [put("a"), put("p/1"), put("kept", "second")])
    sealed = meta.seal(REPO, MAIN)
    assert sealed is not None
    meta.stage(REPO, MAIN, [put("a"), put("p/1"), put("new")])
    before = {row.path: row.entry for row in meta.staged_rows(sealed.tokens)}
    assert meta.unstage(REPO, MAIN, path=taken.get("path"), prefix=taken.get("prefix")) == (1 if taken else 4)
    assert meta.move_branch(REPO, sealed, SECOND, drop=sealed.sealed, actor="a", reason="late") is None
    state = meta.get_branch(REPO, MAIN)
    assert state is not None
    assert not set(sealed.tokens) <= set(state.tokens)
    if not taken:
        assert state.sealed == ()
    lost = {"path": {"a"}, "prefix": {"p/1"}}[next(iter(taken))] if taken else set(before)
    left = {row.path: row.entry for row in meta.staged_rows(state.tokens)}
    assert left == {path: entry for path, entry in before.items() if path not in lost}
    assert meta.stage(REPO, MAIN, [put("later")]) == state
    # Where nothing is taken, nobody loses.
    assert meta.unstage(REPO, MAIN, path="none") == 0
    assert meta.get_branch(REPO, MAIN) == state


def test_no_acknowledged_write_is_lost_beside_commits(meta: MetaStore) -> None:
    """Writers stage while another thread seals and moves: each write is in exactly one sealed set, or still staged."""
    taken: list[str] = []
    acknowledged: list[str] = []
    done = threading.Event()

    def write(worker: int) -> None:
        for i in range(30):
            meta.stage(REPO, MAIN, [put(f"{worker}/{i}")])
            acknowledged.append(f"{worker}/{i}")

    def commit() -> None:
        while not done.is_set():
            sealed = meta.seal(REPO, MAIN)
            assert sealed is not None
            taken.extend(r.path for r in meta.staged_rows(sealed.sealed))
            assert meta.move_branch(REPO, sealed, FIRST, drop=sealed.sealed, actor="a", reason="commit") is not None

    writers = [threading.Thread(target=write, args=(n,)) for n in range(3)]
    committer = threading.Thread(target=commit)
    for thread in [*writers, committer]:
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    committer.join()
    state = meta.get_branch(REPO, MAIN)
    assert state is not None
    left = [r.path for r in meta.staged_rows(state.tokens)]
    assert sorted(taken + left) == sorted(acknowledged)
    assert len(acknowledged) == 90


def test_of_racing_conditional_writes_one_wins(meta: MetaStore) -> None:
    won: list[int] = []

    def write(worker: int) -> None:
        if meta.stage(REPO, MAIN, [StagedChange("a", entry("a", str(worker)), Expect.NOT_STAGED)]) is not None:
            won.append(worker)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    _, row = meta.staged_row(REPO, MAIN, "a")
    assert row is not None
    assert row.entry is not None
    assert [int(row.entry.etag)] == won


def test_commits_are_found_by_prefix(meta: MetaStore) -> None:
    for commit in (FIRST, FIRST, SECOND):
        meta.add_commit(REPO, commit, 1)
    assert meta.commits_by_prefix(REPO, "aaaa", 5) == [FIRST]
    assert meta.commits_by_prefix(REPO, "cc", 5) == []


def test_the_ref_log_tells_where_a_branch_was(meta: MetaStore) -> None:
    created = meta.ref_moves(REPO, "main", 1)[0].at
    assert meta.ref_move_at(REPO, MAIN, created - 1) is None
    at = meta.ref_move_at(REPO, MAIN, created)
    assert at is not None
    assert at.commit == FIRST


def test_an_upload_ends_once(meta: MetaStore) -> None:
    upload = Upload(UploadId("u"), MAIN, "a", 1, metadata={"k": "v"})
    meta.create_upload(REPO, upload)
    assert meta.get_upload(REPO, upload.id) == upload
    assert meta.put_part(REPO, upload.id, Part(1, "data/1", 3, "e1", 1))
    assert meta.put_part(REPO, upload.id, Part(1, "data/2", 4, "e2", 1, {"crc32": "x"}))
    assert [(p.address, dict(p.checksums)) for p in meta.list_parts(REPO, upload.id, 0, 10)] == [
        ("data/2", {"crc32": "x"})
    ]
    assert meta.list_uploads(REPO, MAIN, "", "", 10) == [upload]
    assert meta.list_uploads(REPO, MAIN, "", "a\nu", 10) == []
    assert [meta.delete_upload(REPO, upload.id) for _ in range(2)] == [True, False]
    assert not meta.put_part(REPO, upload.id, Part(2, "data/3", 4, "e3", 1))


def test_a_hold_is_taken_once_by_name_and_commit(meta: MetaStore) -> None:
    hold = Hold(HoldId("h1"), RepositoryName("sales"), FIRST, "train", 1)
    assert meta.add_hold(REPO, hold) == hold
    assert meta.add_hold(REPO, Hold(HoldId("h2"), RepositoryName("sales"), FIRST, "train", 2)) == hold
    assert meta.list_holds(REPO) == [hold]
    assert meta.delete_hold(REPO, hold.id)


def at_once(act: Callable[[int], object], count: int = 6) -> list[object]:
    """Calls `act` from several threads at one time; returns what they answered, errors too."""
    start = threading.Barrier(count)
    answers: list[object] = []

    def run(number: int) -> None:
        start.wait()
        try:
            answers.append(act(number))
        except Exception as error:  # noqa: BLE001  handed to the test
            answers.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_what_many_record_at_once_is_there_once(meta: MetaStore) -> None:
    upload = Upload(UploadId("u"), MAIN, "a", 1)
    meta.create_upload(REPO, upload)
    for turn in range(10):
        name = f"n{turn}"
        held = at_once(lambda n, name=name: meta.add_hold(REPO, a_hold(f"{name}.{n}", name)))
        assert len(set(map(repr, held))) == 1
        assert held[0] in meta.list_holds(REPO)
        assert at_once(lambda n, t=turn: meta.put_part(REPO, upload.id, Part(t, f"data/{n}", 3, "e", 1))) == [True] * 6
        made = at_once(lambda _, name=name: meta.create_user(UserRecord(name, True, 1)))
        assert sorted(type(answer).__name__ for answer in made) == ["AlreadyExists"] * 5 + ["NoneType"]
        assert at_once(lambda n, name=name: meta.put_key(KeyRecord(name, name, b"%d" % n, 1))) == [None] * 6
        assert len(meta.list_keys(name)) == 1
    assert len(meta.list_holds(REPO)) == 10
    assert [part.number for part in meta.list_parts(REPO, upload.id, -1, 99)] == list(range(10))


def a_hold(id_: str, name: str) -> Hold:
    return Hold(HoldId(id_), RepositoryName("sales"), FIRST, name, 1)


def test_a_job_hears_of_its_cancellation_and_ends_once(meta: MetaStore) -> None:
    job = Job(JobId("j"), "import", JobState.RUNNING, 0, None, 1, 1)
    meta.create_job(REPO, job)
    assert not meta.update_job(REPO, job.id, done=5, total=10)
    assert meta.cancel_job(REPO, job.id)
    assert meta.update_job(REPO, job.id, state=JobState.CANCELLED, error=("cancelled", "stopped", ""))
    assert not meta.cancel_job(REPO, job.id)
    assert not meta.update_job(REPO, job.id, state=JobState.DONE)
    ended = meta.get_job(REPO, job.id)
    assert ended is not None
    assert (ended.state, ended.done, ended.total, ended.error_code) == (JobState.CANCELLED, 5, 10, "cancelled")


def test_a_key_can_be_given_a_new_secret(meta: MetaStore) -> None:
    meta.create_user(UserRecord("admin", True, 1))
    with pytest.raises(AlreadyExists):
        meta.create_user(UserRecord("admin", True, 1))
    meta.put_key(KeyRecord("LG1", "admin", b"old", 1))
    meta.put_key(KeyRecord("LG1", "admin", b"new", 2))
    assert meta.list_keys("admin") == [KeyRecord("LG1", "admin", b"new", 2)]


def test_a_locked_database_is_said_to_be_locked(tmp_path: Path) -> None:
    meta = SqlMetaStore(f"sqlite:///{tmp_path}/lake.db", create=True)
    meta.create_repository(info(), FIRST, "tester")
    meta.close()
    store = SqlMetaStore(f"sqlite:///{tmp_path}/lake.db", busy_seconds=0.05)
    other = sqlite3.connect(tmp_path / "lake.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable) as caught:
        store.stage(REPO, MAIN, [put("a")])
    assert caught.value.kind is ErrorKind.DATABASE_LOCKED
    other.execute("ROLLBACK")
    other.close()
    assert store.stage(REPO, MAIN, [put("a")]) is not None
    store.close()


def test_sqlite_gives_up_durability_only_where_it_was_asked_to(tmp_path: Path) -> None:
    full, off = 2, 0
    for options, wanted in (({}, full), ({"durable": False}, off)):
        store = SqlMetaStore(f"sqlite:///{tmp_path}/lake.db", create=True, **options)
        assert store.db.write(lambda tx: tx.exec_driver_sql("PRAGMA synchronous").scalar()) == wanted
        store.close()


def test_a_newer_schema_and_a_missing_lake_are_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/lake.db"
    with pytest.raises(NotFound) as missing:
        SqlMetaStore(url)
    assert missing.value.kind is ErrorKind.LAKE_NOT_FOUND
    SqlMetaStore(url, create=True).close()
    with sqlite3.connect(tmp_path / "lake.db") as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    raw.close()
    with pytest.raises(Refused) as newer:
        SqlMetaStore(url)
    assert newer.value.kind is ErrorKind.SCHEMA_TOO_NEW

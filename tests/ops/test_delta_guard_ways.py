"""The ways by which a log commit reaches a branch: each passes the commit guard."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from lakegate.context import RepositoryContext
from lakegate.errors import ErrorKind, LakegateError, PreconditionFailed, Refused
from lakegate.lake import EmbeddedLake
from lakegate.model import CommitRequest, PutRequest, TableVersion
from lakegate.repository import EmbeddedRepository
from lakegate.snapshot import Snapshot
from lakegate.tables.delta import staged, state
from lakegate.tables.delta.log import Segment
from lakegate.testing.delta import add, log_body, metadata, protocol, remove

CREATE = log_body(protocol(), metadata(), add("a"), add("b"))
MERGED = log_body(remove("a"), remove("b"), add("ab"))
STALE = log_body(remove("a"), add("c"))

Way = Callable[[EmbeddedRepository, str, bytes], object]


def commit_path(version: int, table: str = "t") -> str:
    return f"{table}/_delta_log/{version:020d}.json"


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[EmbeddedRepository]:
    with EmbeddedLake.create(tmp_path / "lake", environment={"LAKEGATE_STORAGE_FSYNC": "false"}) as lake:
        lake.create_repository("sales")
        made = lake.repository("sales")
        for name in ("a", "b", "ab", "c"):
            made.put("main", f"t/{name}", b"0123456789")
        made.put("main", commit_path(0), CREATE)
        yield made


def put(repo: EmbeddedRepository, path: str, body: bytes) -> object:
    return repo.put("main", path, body)


def put_if_absent(repo: EmbeddedRepository, path: str, body: bytes) -> object:
    return repo.put("main", path, body, PutRequest(if_none_match=True))


def copy(repo: EmbeddedRepository, path: str, body: bytes) -> object:
    repo.put("main", "elsewhere", body)
    return repo.copy("main", path, "main", "elsewhere")


def upload(repo: EmbeddedRepository, path: str, body: bytes) -> object:
    made = repo.create_upload("main", path)
    part = repo.put_part(made.id, 1, body)
    return repo.complete_upload(made.id, [(1, part.etag)])


WAYS = (put, put_if_absent, copy, upload)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_every_way_passes_the_guard(repo: EmbeddedRepository, way: Way) -> None:
    way(repo, commit_path(1), MERGED)
    with pytest.raises(PreconditionFailed) as stale:
        way(repo, commit_path(2), STALE)
    assert stale.value.kind is ErrorKind.DELTA_STALE_REMOVE
    with pytest.raises(PreconditionFailed) as taken:
        way(repo, commit_path(1), STALE)
    assert taken.value.kind is ErrorKind.DELTA_VERSION_TAKEN
    with pytest.raises(Refused) as forbidden:
        way(repo, commit_path(2), log_body(add("file:///etc/passwd")))
    assert forbidden.value.kind is ErrorKind.DELTA_PATH_FORBIDDEN
    repo.commit("main", CommitRequest("compacted"))
    assert (repo.table("main", "t").version, repo.table("main", "t").files) == (1, 1)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_the_same_bytes_again_are_a_retry(repo: EmbeddedRepository, way: Way) -> None:
    way(repo, commit_path(1), MERGED)
    first = repo.stat("main", commit_path(1))
    way(repo, commit_path(1), MERGED)
    repo.commit("main", CommitRequest("compacted"))
    way(repo, commit_path(1), MERGED)
    assert repo.stat("main", commit_path(1)) == first


def test_an_upload_that_the_guard_refused_can_be_aborted(repo: EmbeddedRepository) -> None:
    made = repo.create_upload("main", commit_path(1))
    part = repo.put_part(made.id, 1, b"no json")
    with pytest.raises(Refused):
        repo.complete_upload(made.id, [(1, part.etag)])
    repo.abort_upload(made.id)
    put(repo, commit_path(1), MERGED)


def test_a_refused_commit_leaves_no_bytes(repo: EmbeddedRepository) -> None:
    def stored() -> int:
        return sum(1 for _ in repo.ctx.store.list("data/"))

    before = stored()
    with pytest.raises(LakegateError):
        put(repo, commit_path(1), log_body(remove("never")))
    assert stored() == before


def test_of_writers_that_race_for_one_version_one_wins(repo: EmbeddedRepository) -> None:
    """Each writer retries as Delta clients do: after a 412 it takes the next version. No version is lost or doubled."""
    writers, each = 4, 5
    barrier = threading.Barrier(writers)
    lost: list[LakegateError] = []

    def run(writer: int) -> None:
        barrier.wait()
        version = 1
        for n in range(each):
            name = f"{writer}-{n}"
            repo.put("main", f"t/{name}", b"0123456789")
            while not landed(version, name):
                version += 1

    def landed(version: int, name: str) -> bool:
        try:
            put_if_absent(repo, commit_path(version), log_body(add(name)))
        except PreconditionFailed as error:
            lost.append(error)
            return False
        return True

    with ThreadPoolExecutor(writers) as pool:
        list(pool.map(run, range(writers)))
    assert all(error.kind is ErrorKind.DELTA_VERSION_TAKEN for error in lost)
    repo.commit("main", CommitRequest("all of them"))
    table = repo.table("main", "t")
    assert (table.version, table.files) == (writers * each, 2 + writers * each)


def test_of_racing_removes_of_one_file_one_wins(repo: EmbeddedRepository) -> None:
    """Two compactions of the same files, each at its own version: whichever lands second names files that are gone."""
    put_if_absent(repo, commit_path(1), MERGED)

    def run(name: str) -> str:
        repo.put("main", f"t/{name}", b"0123456789")
        for version in range(1, 5):
            try:
                put_if_absent(repo, commit_path(version), log_body(remove("ab"), add(name)))
            except PreconditionFailed as error:
                if error.kind is ErrorKind.DELTA_STALE_REMOVE:
                    return "stale"
            else:
                return "landed"
        return "lost"

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(run, ("x", "y")))
    assert sorted(answers) == ["landed", "stale"]
    repo.commit("main", CommitRequest("compacted"))
    assert repo.table("main", "t").files == 1


def test_clean_up_and_vacuum_are_tombstones_of_the_branch(repo: EmbeddedRepository) -> None:
    put(repo, commit_path(1), MERGED)
    repo.commit("main", CommitRequest("compacted"))
    repo.create_tag("kept", "main")
    repo.create_branch("exp", "main")
    repo.delete_many("main", ["t/a", "t/b"])
    repo.commit("main", CommitRequest("vacuumed"))
    assert repo.table("main", "t").files == 1
    for ref in ("kept", "exp", "main~1"):
        assert repo.open(ref, "t/a").read() == b"0123456789"


def test_a_checkpoint_that_stands_for_the_head_is_not_replayed_again(
    repo: EmbeddedRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its commit was cleaned up: the branch's commit knows the state all the same."""
    source = tmp_path / "source"
    write_deltalake(source, pa.table({"id": [1]}))
    DeltaTable(source).create_checkpoint()
    for file in source.rglob("*.*"):
        put(repo, f"u/{file.relative_to(source).as_posix()}", file.read_bytes())
    repo.commit("main", CommitRequest("copied"))
    repo.delete("main", commit_path(0, "u"))
    repo.commit("main", CommitRequest("cleaned up"))
    head = repo.table("main", "u")
    checkpoint = tmp_path / f"{0:020d}.checkpoint.parquet"
    put(repo, "u/next", b"0123456789")

    replayed: list[str] = []
    original = state.replay

    def counted(ctx: RepositoryContext, view: Snapshot, table: str, segment: Segment) -> TableVersion:
        replayed.append(table)
        return original(ctx, view, table, segment)

    monkeypatch.setattr(state, "replay", counted)
    monkeypatch.setattr(staged, "_slots", OrderedDict())
    with pytest.raises(PreconditionFailed):
        put(repo, commit_path(1, "u"), log_body(remove("nothing")))
    put(repo, commit_path(1, "u"), log_body(add("next")))
    repo.commit("main", CommitRequest("appended"))
    assert not replayed
    assert repo.table("main", "u").files == head.files + 1

    repo.create_branch("other", "main~1")
    pq.write_table(pq.ParquetFile(source / "_delta_log" / checkpoint.name).read(), checkpoint, compression="gzip")
    repo.put("other", f"u/_delta_log/{checkpoint.name}", checkpoint.read_bytes())
    repo.put("other", "u/next", b"0123456789")
    repo.put("other", commit_path(1, "u"), log_body(add("next")))
    assert replayed == ["u"]  # it could be one of another history


def test_a_live_file_that_was_deleted_stops_the_commit(repo: EmbeddedRepository) -> None:
    repo.commit("main", CommitRequest("two files"))
    repo.delete("main", "t/a")
    with pytest.raises(Refused) as refusal:
        repo.commit("main", CommitRequest("broken"))
    assert refusal.value.kind is ErrorKind.DELTA_LOG_INVALID
    repo.reset("main", path="t/a")
    assert repo.stat("main", "t/a")


def test_a_whole_table_can_be_deleted(repo: EmbeddedRepository) -> None:
    repo.commit("main", CommitRequest("a table"))
    repo.delete_many("main", ["t/a", "t/b", "t/ab", "t/c", commit_path(0)])
    repo.commit("main", CommitRequest("dropped"))
    assert repo.tables("main").items == ()

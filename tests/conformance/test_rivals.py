"""Many at one branch: what was acknowledged stands, and every history could have happened one step at a time."""

from __future__ import annotations

import itertools
import multiprocessing
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from lakegate import tree
from lakegate.context import RepositoryContext
from lakegate.errors import LakegateError, Refused
from lakegate.format.documents import REFS, decode_ref_record
from lakegate.format.kinds import OBJECTS
from lakegate.ids import BranchName, RepositoryId
from lakegate.metastore.protocol import StagedChange
from lakegate.model import CommitRequest, ListRequest, MergeRequest
from lakegate.ops.commit import commit
from lakegate.repository import EmbeddedRepository
from lakegate.snapshot import list_page
from lakegate.staging import objects_root
from lakegate.testing.linearizable import Kind, Operation, explain
from lakegate.testing.postgres_server import PostgresServer
from lakegate.testing.rivals import Rivalry, in_threads, interrupted, open_lake, rivals

EVERYTHING = ListRequest(amount=1000)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/lake.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_lake()


@pytest.fixture
def two(tmp_path: Path, database_url: str) -> Iterator[list[EmbeddedRepository]]:
    """One repository as two processes have it: two lakes on one database."""
    with open_lake(tmp_path, database_url, create=True) as one, open_lake(tmp_path, database_url) as other:
        one.create_repository("rivals")
        yield [one.repository("rivals"), other.repository("rivals")]


# -- the checker ------------------------------------------------------------------------------------------------------


def op(kind: Kind, called: float, answered: float, value: str | None = None, result: str | None = "done") -> Operation:
    return Operation("a", kind, called, answered, value, result=result)


def test_the_checker_knows_what_can_and_what_cannot_be() -> None:
    put = op(Kind.PUT, 0, 1, "x")
    assert explain([put, op(Kind.READ, 2, 3, result="x")]) is not None
    assert explain([put, op(Kind.READ, 0.5, 3, result=None)]) is not None  # they overlap
    assert explain([put, op(Kind.READ, 2, 3, result=None)]) is None  # a stale read
    once, twice = op(Kind.PUT_IF_ABSENT, 0, 5, "x"), op(Kind.PUT_IF_ABSENT, 1, 4, "y")
    assert explain([once, twice]) is None  # both won
    assert explain([once, replace(twice, result="")]) is not None
    assert explain([replace(once, result=""), replace(twice, result="")]) is None  # none won
    # Two readers that see two overlapping writes in different orders.
    writes = [op(Kind.PUT, 0, 9, "x"), op(Kind.PUT, 0, 9, "y")]
    reads = [op(Kind.READ, t, t + 1, result=r) for t, r in ((1, "x"), (3, "y"), (5, "x"))]
    assert explain(writes + reads) is None
    assert explain(writes + reads[:2]) is not None


# -- linearizable -----------------------------------------------------------------------------------------------------


def test_a_branch_is_linearizable_over_two_processes(tmp_path: Path, database_url: str) -> None:
    with open_lake(tmp_path, database_url, create=True) as lake:
        lake.create_repository("rivals")
    what = [Rivalry(tmp_path, database_url, "rivals", seed=seed, processes=2) for seed in (1, 2)]
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        history = list(itertools.chain.from_iterable(pool.map(rivals, what)))
    assert len(history) == 100
    overlaps = sum(one.called < other.answered < one.answered for one in history for other in history)
    assert overlaps > 10, "the processes did not run beside each other"
    for path in ("a", "b"):
        of_path = [operation for operation in history if operation.path == path]
        assert explain(of_path) is not None, sorted(of_path, key=lambda operation: operation.called)


# -- nothing acknowledged is lost -------------------------------------------------------------------------------------


def test_acknowledged_writes_stand_beside_commits_merges_and_resets(two: list[EmbeddedRepository]) -> None:
    one, other = two
    one.create_branch("exp", "main")
    acknowledged: dict[str, bytes] = {}
    failures: list[BaseException] = []
    writing = threading.Event()
    writing.set()

    def write(repo: EmbeddedRepository, worker: int) -> None:
        for number in range(20):
            body = f"{worker} {number}".encode()
            repo.put("main", f"keep/{worker}/{number}", body)
            acknowledged[f"keep/{worker}/{number}"] = body
            repo.put("main", f"drop/{worker}", body)

    def beside(act: Callable[[], object]) -> None:
        while writing.is_set():
            try:
                act()
            except Refused:  # nothing to do, a dirty branch, many rivals
                continue

    def on_exp() -> None:
        other.put("exp", "exp", str(len(acknowledged)).encode())
        other.commit("exp", CommitRequest("exp"))
        other.merge("exp", "main", MergeRequest())

    def guarded(act: Callable[[], object]) -> Callable[[], None]:
        def run() -> None:
            try:
                act()
            except BaseException as error:  # noqa: BLE001  handed to the test
                failures.append(error)

        return run

    writers = [threading.Thread(target=guarded(lambda n=n: write(two[n % 2], n))) for n in range(4)]
    rivals = [
        threading.Thread(target=guarded(lambda act=act: beside(act)))
        for act in (
            lambda: one.commit("main", CommitRequest("one")),
            lambda: other.commit("main", CommitRequest("other")),
            lambda: other.reset("main", prefix="drop/"),
            on_exp,
        )
    ]
    for thread in rivals:
        thread.start()
    in_threads(writers)
    writing.clear()
    for thread in rivals:
        thread.join()
    assert failures == []
    assert len(acknowledged) == 80
    for repo in two:
        entries = repo.list("main", replace(EVERYTHING, prefix="keep/")).items
        assert {e.path: repo.open("main", e.path).read() for e in entries} == acknowledged
    history_is_whole(one, RepositoryId(one.info.id))


# -- a reset beside a reader of many pages ----------------------------------------------------------------------------

MANY = [f"t/{number:04}" for number in range(1250)]


def stage_many(repo: EmbeddedRepository) -> None:
    entry = repo.put("main", "t/entry", b"x")
    repo.ctx.meta.stage(
        repo.ctx.info.id, BranchName("main"), [StagedChange(path, replace(entry, path=path)) for path in MANY]
    )
    repo.reset("main", path="t/entry")


def beside_a_rival(repo: EmbeddedRepository, method: str, rival: Callable[[], object]) -> RepositoryContext:
    return replace(repo.ctx, meta=interrupted(repo.ctx.meta, method, rival))


@pytest.mark.parametrize("method", ["seal", "staged_rows", "add_commit"])
def test_a_commit_holds_nothing_of_what_a_reset_beside_it_threw_away(
    two: list[EmbeddedRepository], method: str
) -> None:
    one, other = two
    stage_many(one)
    thrown: list[int] = []
    ctx = beside_a_rival(one, method, lambda: thrown.append(other.reset("main")))
    with pytest.raises(Refused) as caught:
        commit(ctx, "main", CommitRequest("torn"))
    assert (thrown, caught.value.kind) == ([1250], "nothing_to_commit")
    assert one.list("main", EVERYTHING).items == ()


@pytest.mark.parametrize("method", ["seal", "staged_rows", "add_commit"])
def test_a_file_withdrawn_beside_a_commit_is_not_in_it(two: list[EmbeddedRepository], method: str) -> None:
    one, other = two
    stage_many(one)
    withdrawn = {MANY[0], *MANY[1200:]}

    def withdraw() -> None:
        assert other.reset("main", path=MANY[0]) + other.reset("main", prefix="t/12") == len(withdrawn)

    made = commit(beside_a_rival(one, method, withdraw), "main", CommitRequest("without them"))
    root = objects_root(one.ctx, made.id)
    paths = [entry.path for entry in tree.iterate(one.ctx.manifests.nodes, OBJECTS, root)]
    assert paths == [path for path in MANY if path not in withdrawn]


def test_a_listing_beside_a_reset_is_of_before_it_or_after_it(two: list[EmbeddedRepository]) -> None:
    one, other = two
    stage_many(one)
    ctx = beside_a_rival(one, "staged_rows", lambda: other.reset("main"))
    assert list_page(ctx, "main", replace(EVERYTHING, amount=1000, prefix="t/")).items == ()


def history_is_whole(repo: EmbeddedRepository, repo_id: RepositoryId) -> None:
    """Each move of the branch starts where the one before it ended, and the journal has every one of them."""
    moves = repo.ctx.meta.ref_moves(repo_id, "main", 10_000)[::-1]
    assert [move.sequence for move in moves] == list(range(1, len(moves) + 1))
    for before, move in itertools.pairwise(moves):
        assert move.commit is not None
        assert repo.ctx.manifests.read_commit(move.commit).parents[0] == before.commit
    keys = [found.key for found in repo.ctx.store.list(f"{REFS}branches/main/")]
    assert [decode_ref_record(key, repo.ctx.store.get(key)).commit for key in keys] == [move.commit for move in moves]


def test_of_rival_creations_of_a_name_one_wins(two: list[EmbeddedRepository]) -> None:
    won: list[str] = []
    lost: list[str] = []

    def create(repo: EmbeddedRepository, number: int) -> None:
        try:
            (repo.create_branch if number % 2 else repo.create_tag)("name", "main")
        except LakegateError as error:
            lost.append(error.kind)
        else:
            won.append("branch" if number % 2 else "tag")

    in_threads([threading.Thread(target=create, args=(two[n // 2 % 2], n)) for n in range(6)])
    assert (len(won), len(lost)) == (1, 5)
    assert set(lost) <= {"branch_exists", "tag_exists"}
    assert [b.name for b in two[0].branches(prefix="name").items] == ["name"] * (won == ["branch"])
    assert [t.name for t in two[0].tags().items] == ["name"] * (won == ["tag"])

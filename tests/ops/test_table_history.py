"""The history of a table: Delta versions joined with the commits that brought them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lakegate.lake import EmbeddedLake
from lakegate.model import (
    ApplyRequest,
    CommitRequest,
    MergeRequest,
    Resolution,
    RollbackRequest,
    TableHistoryItem,
    Take,
)
from lakegate.repository import EmbeddedRepository
from lakegate.testing.delta import add, log_body, metadata, protocol, remove
from lakegate.testing.table_files import parquet_bytes

INFO = {"commitInfo": {"operation": "WRITE", "operationParameters": {"mode": "Append"}}}


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[EmbeddedRepository]:
    with EmbeddedLake.create(tmp_path / "lake", environment={"LAKEGATE_STORAGE_FSYNC": "false"}) as lake:
        lake.create_repository("sales")
        made = lake.repository("sales")
        write(made, "main", 0, protocol(), metadata(), add("base"))
        yield made


def write(repo: EmbeddedRepository, branch: str, version: int, *lines: object) -> str:
    """Commits one version, which adds what its lines add, in the branch's own name."""
    for line in lines:
        if isinstance(line, dict) and "add" in line:
            repo.put(branch, f"t/{line['add']['path']}", b"0123456789")
    repo.put(branch, f"t/_delta_log/{version:020d}.json", log_body(INFO, *lines))  # type: ignore[arg-type]
    return repo.acting_as(f"who writes {branch}").commit(branch, CommitRequest(f"{branch} {version}")).id


def told(item: TableHistoryItem) -> tuple[int | None, str | None, str | None, int | None, str | None]:
    return item.version, item.commit, item.merged_from, item.origin_version, item.origin


def test_a_log_that_goes_on_tells_who_wrote_it_and_which_merge_brought_it(repo: EmbeddedRepository) -> None:
    base = repo.branch("main").commit
    repo.create_branch("exp", "main")
    commits = [write(repo, "exp", version, add(f"x{version}")) for version in (1, 2)]
    merge = repo.merge("exp", "main").commit
    assert merge is not None
    history = repo.table_history("main", "t")
    assert [told(item) for item in history] == [
        (2, merge.id, "exp", 2, commits[1]),
        (1, merge.id, "exp", 1, commits[0]),
        (0, base, None, None, None),
    ]
    assert [item.origin_committer for item in history] == ["who writes exp", "who writes exp", None]
    assert history[0].committer == merge.committer
    assert [told(item) for item in repo.table_history("exp", "t", amount=1)] == [(2, commits[1], None, None, None)]


@pytest.mark.parametrize("squash", [False, True])
def test_replayed_versions_are_traced_to_those_that_they_repeat(repo: EmbeddedRepository, squash: bool) -> None:
    repo.create_branch("exp", "main")
    theirs = [write(repo, "exp", version, add(f"x{version}")) for version in (1, 2)]
    ours = write(repo, "main", 1, add("y1"))
    merge = repo.merge("exp", "main", MergeRequest(squash=squash)).commit
    assert merge is not None
    assert [told(item) for item in repo.table_history("main", "t")][:3] == [
        (3, merge.id, "exp", 2, theirs[1]),
        (2, merge.id, "exp", 1, theirs[0]),
        (1, ours, None, None, None),
    ]


def test_a_version_is_traced_through_merges_of_merges(repo: EmbeddedRepository) -> None:
    repo.create_branch("exp", "main")
    repo.create_branch("deep", "main")
    first = write(repo, "deep", 1, add("x1"))
    write(repo, "exp", 1, add("y1"))
    repo.merge("deep", "exp")
    merge = repo.merge("exp", "main").commit
    assert merge is not None
    assert told(repo.table_history("main", "t", amount=1)[0]) == (2, merge.id, "exp", 1, first)
    assert repo.table_history("main", "t", amount=1)[0].origin_committer == "who writes deep"


@pytest.mark.parametrize("take", [Take.ROWS, Take.SOURCE])
def test_a_version_that_takes_in_the_source_s_table_tells_it(repo: EmbeddedRepository, take: Take) -> None:
    """Rows that were merged by key, and the source's state as a new version, repeat no single version."""
    name = "a.parquet"
    for version, branch, ids in ((1, "main", [1, 2]), (2, "exp", [1, 3]), (2, "main", [1, 4])):
        if branch == "exp":
            repo.create_branch("exp", "main")
        body = parquet_bytes({"id": ids})
        repo.put(branch, f"t/{version}{branch}{name}", body)
        lines = (remove(f"1main{name}" if version > 1 else "base"), add(f"{version}{branch}{name}", size=len(body)))
        repo.put(branch, f"t/_delta_log/{version:020d}.json", log_body(INFO, *lines))
        repo.acting_as(f"who writes {branch}").commit(branch, CommitRequest("x"))
    theirs = repo.branch("exp").commit
    merge = repo.merge("exp", "main", MergeRequest(resolutions=(Resolution("t", take, ("id",)),))).commit
    assert merge is not None
    (item,) = repo.table_history("main", "t", amount=1)
    assert told(item) == (3, merge.id, "exp", 2, theirs)
    assert item.origin_committer == "who writes exp"


def test_a_parquet_dataset_tells_the_merge_that_changed_it(repo: EmbeddedRepository) -> None:
    repo.put("main", "d/a.parquet", parquet_bytes({"id": [1]}))
    repo.commit("main", CommitRequest("a"))
    repo.create_branch("exp", "main")
    repo.put("exp", "d/b.parquet", parquet_bytes({"id": [2]}))
    theirs = repo.commit("exp", CommitRequest("b"))
    taken = repo.merge("exp", "main").commit
    assert taken is not None
    assert told(repo.table_history("main", "d")[0]) == (None, taken.id, "exp", None, theirs.id)
    for branch in ("exp", "main"):
        repo.put(branch, f"d/{branch}.parquet", parquet_bytes({"id": [3]}))
        repo.commit(branch, CommitRequest(branch))
    both = repo.merge("exp", "main").commit
    assert both is not None
    assert told(repo.table_history("main", "d")[0]) == (None, both.id, "exp", None, None)


def test_rollbacks_and_reverts_are_versions_of_their_own(repo: EmbeddedRepository) -> None:
    bad = write(repo, "main", 1, remove("base"), add("bad"))
    back = repo.rollback("main", RollbackRequest("main~1")).commit
    assert back is not None
    worse = write(repo, "main", 3, add("worse"))
    reverted = repo.revert("main", ApplyRequest(worse)).id
    history = repo.table_history("main", "t")
    assert [(item.version, item.operation, item.commit) for item in history[:4]] == [
        (4, "REVERT", reverted),
        (3, "WRITE", worse),
        (2, "RESTORE", back.id),
        (1, "WRITE", bad),
    ]
    assert history[2].parameters["version"] == "0"


def test_versions_are_in_the_order_of_their_times(repo: EmbeddedRepository) -> None:
    """Clients without in-commit timestamps travel in time by the log files' modification times."""
    repo.create_branch("exp", "main")
    write(repo, "exp", 1, add("x1"))
    write(repo, "main", 1, add("y1"))
    repo.merge("exp", "main")
    repo.rollback("main", RollbackRequest("main~1"))
    write(repo, "main", 4, add("z"))
    times = [repo.stat("main", f"t/_delta_log/{version:020d}.json").mtime for version in range(5)]
    assert times == sorted(times)
    assert [item.version for item in repo.table_history("main", "t")] == [4, 3, 2, 1, 0]

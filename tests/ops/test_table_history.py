"""The history of a table: Delta versions joined with the commits that brought them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lakegate.model import ApplyRequest, CommitRequest, MergeRequest, RollbackRequest, TableHistoryItem
from lakegate.repository import EmbeddedLake, EmbeddedRepository
from lakegate.testing.delta import add, log_body, metadata, protocol, remove

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

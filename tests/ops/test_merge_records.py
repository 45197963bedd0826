"""What a merge records for the next one: when it does, and that what is passed over by it changes no outcome. Logs are
written by hand; each history is merged with the record and without."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lakegate.lake import EmbeddedLake
from lakegate.log_paths import commit_path
from lakegate.model import (
    ApplyRequest,
    CommitRequest,
    ConflictKind,
    ListRequest,
    MergeOutcome,
    MergeRequest,
    RollbackRequest,
)
from lakegate.repository import EmbeddedRepository
from lakegate.tables.delta.merge import parting
from lakegate.testing.delta import Line, add, log_body, metadata, protocol, remove

APPEND: Line = {"commitInfo": {"operation": "WRITE", "operationParameters": {"mode": "Append"}}}
DELETE: Line = {"commitInfo": {"operation": "DELETE"}}
UPDATE: Line = {"commitInfo": {"operation": "UPDATE"}}
MOVES = ConflictKind.CONCURRENT_DELETE_DELETE
APPENDS = ConflictKind.CONCURRENT_APPEND


class History:
    """Two branches with a table at `t`; `exp` is merged into `main` again and again."""

    def __init__(self, repo: EmbeddedRepository) -> None:
        self.repo = repo
        self.write("main", protocol(), metadata(), add("a"))
        repo.create_branch("exp", "main")

    def write(self, branch: str, *lines: Line, info: Line = APPEND) -> None:
        """Commits the next version of the table; each data file holds ten bytes."""
        tables = self.repo.tables(branch).items
        version = (tables[0].version or 0) + 1 if tables else 0
        for line in lines:
            if "add" in line:
                self.repo.put(branch, f"t/{line['add']['path']}", b"0123456789")
        self.repo.put(branch, commit_path("t", version), log_body(info, *lines))
        self.repo.commit(branch, CommitRequest(f"version {version}"))

    def compact(self, branch: str, into: str, *paths: str) -> None:
        whole = add(into, rows=len(paths), dataChange=False)
        self.write(branch, *(remove(path, dataChange=False) for path in paths), whole, info=UPDATE)

    def vacuum(self, branch: str) -> None:
        live = self.live(branch)
        paths = [entry.path for entry in self.repo.list(branch, ListRequest("t/", "", 1000)).items]
        self.repo.delete_many(branch, [path for path in paths if path.count("/") == 1 and path[2:] not in live])
        self.repo.commit(branch, CommitRequest("vacuum"))

    def live(self, branch: str) -> set[str]:
        return {file.path for file in self.repo.table_files(branch, "t").items}

    def merge(self) -> None:
        self.repo.merge("exp", "main")

    def planned(self) -> MergeOutcome:
        return self.repo.merge("exp", "main", MergeRequest(dry_run=True))

    def record(self) -> dict[str, Any] | None:
        """What main's newest version records of merges."""
        body = self.repo.open("main", commit_path("t", self.repo.table("main", "t").version or 0)).read()
        info = next(line["commitInfo"] for line in map(json.loads, body.splitlines()) if "commitInfo" in line)
        found: dict[str, Any] | None = info.get("lakegate", {}).get("parted")
        return found


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    with EmbeddedLake.create(tmp_path / "lake", environment={"LAKEGATE_STORAGE_FSYNC": "false"}) as lake:
        lake.create_repository("records")
        yield History(lake.repository("records"))


def txn(version: int) -> Line:
    return {"txn": {"appId": "x", "version": version}}


# -- when a merge records ---------------------------------------------------------------------------------------------


def test_the_last_version_of_a_merge_records(history: History) -> None:
    history.write("main", add("d1"))
    for path in ("s1", "s2"):
        history.write("exp", add(path))
    history.merge()
    versions = [history.repo.open("main", commit_path("t", version)).read() for version in (2, 3)]
    assert [b'"parted"' in body for body in versions] == [False, True]
    record = history.record()
    assert record is not None
    assert (record["until"][:2], record["ahead"], record["gone"]) == ("2:", [1], [])
    history.write("main", remove("d1"), info=DELETE)
    history.write("exp", add("s3"))
    history.merge()
    assert history.record() == {"until": history.record()["until"], "ahead": [1, 4], "gone": ["d1"]}  # type: ignore[index]


def squash(history: History) -> None:
    history.repo.merge("exp", "main", MergeRequest(squash=True))
    history.write("exp", add("s2"))


def rolled_back(history: History) -> None:
    history.repo.rollback("main", RollbackRequest("main~1"))


def picked(history: History) -> None:
    history.repo.cherry_pick("main", ApplyRequest(history.repo.branch("exp").commit))
    history.write("exp", add("s2"))


def defined(history: History) -> None:
    history.write("main", metadata({"k": "v"}))


def left_out(history: History) -> None:
    history.write("main", remove("a"), info=DELETE)
    history.compact("exp", "whole", "a", "s1")
    history.write("exp", add("s2"))


def untold(history: History) -> None:
    """Two versions of main that were cleaned up before they were committed."""
    repo = history.repo
    repo.put("main", "t/x", b"0123456789")
    for version, line in ((2, add("x")), (3, remove("x"))):
        repo.put("main", commit_path("t", version), log_body(APPEND, line))
    state = (protocol(), metadata(), add("a"), add("d1"))
    repo.put("main", commit_path("t", 3).replace(".json", ".checkpoint.x.json"), log_body(*state))
    repo.delete_many("main", [commit_path("t", version) for version in (2, 3)])
    repo.commit("main", CommitRequest("cleaned up"))


@pytest.mark.parametrize("sure", [squash, rolled_back, picked, defined, left_out, untold])
def test_what_is_not_sure_is_not_recorded(history: History, sure: Callable[[History], None]) -> None:
    history.write("main", add("d1"))
    history.write("exp", add("s1"))
    sure(history)
    history.merge()
    assert history.record() is None


# -- what is passed over changes nothing ------------------------------------------------------------------------------


def same_file_compacted(history: History) -> Callable[[], None]:
    history.write("main", add("landed"))
    history.compact("main", "whole", "a", "landed")
    history.vacuum("main")
    return lambda: history.write("exp", add("landed"))


def same_file_deleted(history: History) -> Callable[[], None]:
    history.write("main", add("landed"))
    history.write("main", remove("landed"), info=DELETE)
    history.vacuum("main")
    return lambda: history.write("exp", add("landed"))


def same_file_long_ago(history: History) -> Callable[[], None]:
    later = same_file_compacted(history)

    def much_later() -> None:
        history.write("exp", add("s2"))
        history.merge()
        assert history.record() is not None
        later()

    return much_later


def same_versions(history: History) -> Callable[[], None]:
    """Both take the version of a third branch."""
    history.repo.create_branch("dev", "main")
    history.write("dev", add("x"))
    history.repo.merge("dev", "main")
    history.write("main", add("d1"))

    def later() -> None:
        history.repo.merge("dev", "exp")
        history.write("exp", add("s2"))

    return later


def same_versions_compacted(history: History) -> Callable[[], None]:
    later = same_versions(history)

    def compacted_later() -> None:
        later()
        history.compact("main", "whole", "x", "d1")

    return compacted_later


def rows_read(history: History) -> Callable[[], None]:
    history.write("main", remove("a"), add("a2"), info=UPDATE)
    return lambda: history.write("exp", add("s2"), info={"commitInfo": {"operation": "MERGE"}})


def same_file(history: History) -> Callable[[], None]:
    history.write("main", add("landed"))
    return lambda: history.write("exp", add("landed"))


def same_application(history: History) -> Callable[[], None]:
    history.write("main", add("d1"), txn(5))
    return lambda: history.write("exp", add("s2"), txn(3))


def rows_moved(history: History) -> Callable[[], None]:
    history.write("main", remove("a"), add("a2"), info=UPDATE)
    return lambda: history.write("exp", remove("s1"), info=DELETE)


def defined_since(history: History) -> Callable[[], None]:
    history.write("main", add("d1"))

    def later() -> None:
        history.write("main", metadata({"delta.constraints.c": "id > 100"}))
        history.write("exp", add("s2"))

    return later


def undone_since(history: History) -> Callable[[], None]:
    history.write("main", add("d1"))

    def later() -> None:
        rolled_back(history)
        history.write("exp", add("s2"))

    return later


def plain(history: History) -> Callable[[], None]:
    history.write("main", add("d1"))
    return lambda: history.write("exp", add("s2"))


@pytest.mark.parametrize(
    ("before", "live", "kinds"),
    [
        (plain, {"a", "d1", "s1", "s2"}, set()),
        (same_file_compacted, {"a", "landed", "s1"}, set()),
        (same_file_deleted, set(), {MOVES}),
        (same_file_long_ago, {"a", "landed", "s1", "s2"}, set()),
        (same_file, None, None),
        (same_versions, {"a", "d1", "x", "s1", "s2"}, set()),
        (same_versions_compacted, {"a", "whole", "s1", "s2"}, set()),
        (rows_read, set(), {APPENDS, ConflictKind.CONCURRENT_DELETE_READ}),
        (same_application, set(), {ConflictKind.CONCURRENT_TRANSACTION}),
        (rows_moved, set(), {APPENDS, ConflictKind.CONCURRENT_DELETE_READ}),
        (defined_since, None, None),
        (undone_since, {"a", "d1", "s2"}, set()),
    ],
)
def test_a_record_changes_no_merge(
    history: History,
    monkeypatch: pytest.MonkeyPatch,
    before: Callable[[History], Callable[[], None]],
    live: set[str] | None,
    kinds: set[ConflictKind] | None,
) -> None:
    later = before(history)
    history.write("exp", add("s1"))
    history.merge()
    assert history.record() is not None
    later()
    with_record = history.planned()
    with monkeypatch.context() as patch:
        patch.setattr(parting, "recent", lambda *_: None)
        assert history.planned() == with_record
    if kinds is not None:
        assert {conflict.kind for conflict in with_record.conflicts} == kinds
    if live and not with_record.conflicts:
        history.merge()
        assert history.live("main") == live

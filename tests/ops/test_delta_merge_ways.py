"""Merges, reverts and cherry-picks of Delta tables whose branches came to their states in roundabout ways: reverts of
reverts, squash merges, undone compactions, logs that were cleaned up. From logs written by hand; a file is a row."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lakegate.errors import MergeConflict
from lakegate.lake import EmbeddedLake
from lakegate.log_paths import commit_path, log_commit_of
from lakegate.model import (
    ApplyRequest,
    CommitRequest,
    ConflictKind,
    Entry,
    Isolation,
    ListRequest,
    MergeRequest,
    Resolution,
    RollbackRequest,
    Take,
)
from lakegate.repository import EmbeddedRepository
from lakegate.testing.delta import Line, add, log_body, metadata, protocol, remove
from lakegate.testing.delta_check import check_log
from lakegate.testing.mirror import Mirror

SQUASH = MergeRequest(squash=True, isolation=Isolation.SNAPSHOT)


class Lake:
    """A repository with one table, `t`, that starts on `main` with the file `a`; `exp` starts there."""

    def __init__(self, repo: EmbeddedRepository, folder: Path) -> None:
        self.repo = repo
        self._folder = folder
        self._staged = 0
        self.write("main", "CREATE TABLE", protocol(), metadata(), add("a"))
        repo.create_branch("exp", "main")

    def stage(self, branch: str, operation: str, *lines: Line) -> int:
        """Writes the next version."""
        held = [found[1] for entry in self._log(branch) if (found := log_commit_of(entry.path)) is not None]
        held += [table.version or 0 for table in self.repo.tables(branch).items]
        version = max(held, default=-1) + 1
        for line in lines:
            if "add" in line:
                self.repo.put(branch, f"t/{line['add']['path']}", b"0123456789")
        parameters = {"mode": "Append"} if operation == "WRITE" else {}
        # No two versions are the same bytes, but those that one branch has from another.
        self._staged += 1
        info: Line = {
            "commitInfo": {"operation": operation, "operationParameters": parameters, "txnId": str(self._staged)}
        }
        self.repo.put(branch, commit_path("t", version), log_body(info, *lines))
        return version

    def write(self, branch: str, operation: str, *lines: Line) -> str:
        """Writes the next version and commits it."""
        version = self.stage(branch, operation, *lines)
        return self.commit(branch, f"{operation} {version}")

    def commit(self, branch: str, message: str) -> str:
        return self.repo.commit(branch, CommitRequest(message)).id

    def update(self, branch: str, old: str, *new: str) -> str:
        return self.write(branch, "UPDATE", remove(old), *map(add, new))

    def compact(self, branch: str, files: str, into: str) -> str:
        return self.write(branch, "OPTIMIZE", *_moved(files, into))

    def clean(self, branch: str, version: int, files: str) -> None:
        """Leaves a checkpoint of a version, with these live files, for all log commits up to it; commits nothing."""
        self.repo.put(branch, f"t/_delta_log/{version:020d}.checkpoint.x.json", self.checkpoint(files))
        self.repo.delete_many(branch, [commit_path("t", number) for number in range(version + 1)])

    def checkpoint(self, files: str) -> bytes:
        return log_body(protocol(), metadata(), *(add(path, dataChange=False) for path in files))

    def merge(self, source: str, destination: str, request: MergeRequest = SQUASH) -> str:
        """Merges, and returns what became of the table."""
        (report,) = self.repo.merge(source, destination, request).tables
        return str(report.outcome)

    def live(self, ref: str) -> str:
        return "".join(sorted(file.path for file in self.repo.table_files(ref, "t").items))

    def check(self, branch: str) -> None:
        """Checks the log as every client must find it."""
        folder = self._folder / branch
        folder.mkdir(exist_ok=True)
        check_log(Mirror(self.repo, branch, "t", folder).pull().folder)

    def published(self, branch: str) -> set[tuple[str, str]]:
        """The log commits of a branch, with their bytes' ETags."""
        return {(entry.path, entry.etag) for entry in self._log(branch) if log_commit_of(entry.path)}

    def _log(self, branch: str) -> list[Entry]:
        items = self.repo.list(branch, ListRequest("t/_delta_log/", "", 1000)).items
        return [entry for entry in items if isinstance(entry, Entry)]


def _moved(files: str, into: str) -> list[Line]:
    removes = [remove(path, dataChange=False) for path in files]
    return [*removes, add(into, rows=len(files), dataChange=False)]


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    with EmbeddedLake.create(tmp_path / "lake", environment={"LAKEGATE_STORAGE_FSYNC": "false"}) as opened:
        opened.create_repository("ways")
        yield Lake(opened.repository("ways"), tmp_path)


# -- the same content, reached by other ways --------------------------------------------------------------------------


@pytest.mark.parametrize("squash", [True, False])
def test_branches_that_hold_the_same_are_no_conflict(lake: Lake, squash: bool) -> None:
    changed = lake.update("exp", "a", "b")
    lake.repo.merge("exp", "main", SQUASH)
    for branch in ("main", "exp"):
        lake.repo.revert(branch, ApplyRequest(changed if branch == "exp" else "main"))
    lake.update("exp", "a", "c")
    lake.repo.cherry_pick("main", ApplyRequest("exp"))
    lake.write("main", "VACUUM END")
    published = lake.published("main")
    assert lake.merge("exp", "main", MergeRequest(squash=squash)) == "unchanged"
    assert (lake.live("main"), lake.published("main")) == ("c", published)
    if not squash:
        lake.write("exp", "WRITE", add("d"))
        lake.merge("exp", "main")
        assert lake.live("main") == "cd"
    lake.check("main")


def test_a_file_that_both_sides_put_back_is_added_once(lake: Lake) -> None:
    lake.write("main", "WRITE", add("b"))
    lake.repo.merge("main", "exp")
    for branch in ("main", "exp"):
        lake.write(branch, "DELETE", remove("b"))
        lake.repo.revert(branch, ApplyRequest(branch))
    lake.compact("main", "ab", "w")
    lake.repo.merge("exp", "main", MergeRequest(resolutions=(Resolution("t", Take.DESTINATION),)))
    lake.merge("main", "exp")
    assert lake.live("exp") == "w"
    lake.check("exp")


# -- done, undone and done again --------------------------------------------------------------------------------------


@pytest.mark.parametrize("deletes", [False, True])
def test_what_the_source_undid_and_did_again_stands_at_the_end(lake: Lake, deletes: bool) -> None:
    lake.write("exp", "WRITE", add("x"))
    lake.repo.merge("exp", "main", MergeRequest())
    if deletes:
        lake.write("exp", "DELETE", remove("x"))
    else:
        lake.write("exp", "WRITE", add("y"))
    lake.repo.create_branch("dev", "main")
    lake.merge("exp", "dev")
    lake.repo.revert("dev", ApplyRequest("dev"))
    lake.merge("exp", "dev")
    assert lake.live("dev") == lake.live("exp")
    lake.write("dev", "WRITE", add("z"))
    lake.merge("dev", "exp")
    assert lake.live("exp") == ("az" if deletes else "axyz")
    lake.check("exp")


def test_a_property_that_the_source_undid_and_set_again_is_set(lake: Lake) -> None:
    lake.write("main", "SET TBLPROPERTIES", metadata({"k": "1"}))
    for _ in range(2):
        lake.repo.revert("main", ApplyRequest("main"))
    lake.repo.cherry_pick("exp", ApplyRequest("main"))
    lake.write("main", "WRITE", add("z"))
    lake.merge("main", "exp")
    assert dict(lake.repo.table("exp", "t").properties) == {"k": "1"}
    assert lake.live("exp") == "az"


def test_what_both_branches_picked_again_after_a_rollback_is_not_lost(lake: Lake) -> None:
    start = lake.repo.branch("main").commit
    appended = lake.write("main", "WRITE", add("b"))
    lake.repo.create_branch("dev", "main")
    lake.repo.rollback("main", RollbackRequest(start))
    lake.repo.cherry_pick("main", ApplyRequest(appended))
    lake.merge("main", "dev")
    lake.compact("main", "ab", "w")
    lake.merge("main", "dev")
    assert lake.live("dev") == "w"
    lake.check("dev")


@pytest.mark.parametrize("how", ["revert", "rollback", "RESTORE", "DELETE"])
def test_a_row_that_the_destination_picked_again_stays(lake: Lake, how: str) -> None:
    start = lake.repo.branch("main").commit
    appended = lake.write("main", "WRITE", add("b"))
    match how:
        case "revert":
            lake.repo.revert("main", ApplyRequest(appended))
        case "rollback":
            lake.repo.rollback("main", RollbackRequest(start))
        case _:
            lake.write("main", how, remove("b"))
    lake.merge("main", "exp")
    if how == "DELETE":
        lake.repo.rollback("main", RollbackRequest(appended))
    else:
        lake.repo.cherry_pick("main", ApplyRequest(appended))
    lake.write("exp", "WRITE", add("z"))
    lake.merge("exp", "main", MergeRequest())
    assert lake.live("main") == "abz"
    lake.check("main")


def test_a_row_that_the_destination_deleted_again_stays_away(lake: Lake) -> None:
    deleted = lake.write("main", "DELETE", remove("a"))
    lake.repo.revert("main", ApplyRequest(deleted))
    lake.merge("main", "exp")
    lake.repo.rollback("main", RollbackRequest(deleted))
    lake.write("exp", "WRITE", add("z"))
    lake.merge("exp", "main", MergeRequest())
    assert lake.live("main") == "z"
    lake.check("main")


@pytest.mark.parametrize("how", ["pick", "revert"])
def test_what_both_took_back_and_one_did_again_is_a_conflict_where_more_was_done(lake: Lake, how: str) -> None:
    lake.update("main", "a", "b")
    changed = lake.update("main", "b", "c")
    lake.repo.revert("main", ApplyRequest(changed))
    lake.merge("main", "exp")
    if how == "pick":
        lake.repo.cherry_pick("main", ApplyRequest(changed))
    else:
        lake.repo.revert("main", ApplyRequest("main"))
    lake.write("exp", "WRITE", add("z"))
    assert lake.live("main") == "c"
    with pytest.raises(MergeConflict) as raised:
        lake.merge("exp", "main")
    assert any("has changed its mind since" in conflict.message for conflict in raised.value.conflicts)
    assert lake.live("main") == "c"


# -- compactions that were undone -------------------------------------------------------------------------------------


def test_a_revert_loses_no_row_of_a_compaction_that_was_undone(lake: Lake) -> None:
    appended = lake.write("main", "WRITE", add("b"))
    lake.repo.put("main", "beside", b"1")
    lake.stage("main", "OPTIMIZE", *_moved("ab", "w"))
    compacted = lake.commit("main", "compacted, and another file")
    lake.repo.revert("main", ApplyRequest(appended))
    assert lake.live("main") == "a"
    lake.write("main", "WRITE", add("c"))
    with pytest.raises(MergeConflict) as raised:
        lake.repo.revert("main", ApplyRequest(compacted))
    assert {conflict.table for conflict in raised.value.conflicts} == {"t"}
    assert lake.live("main") == "ac"


# -- files of before --------------------------------------------------------------------------------------------------


def test_a_revert_after_a_rollback_brings_no_row_back_twice(lake: Lake) -> None:
    start = lake.repo.branch("main").commit
    lake.update("main", "a", "b")
    deleted = lake.write("main", "DELETE", remove("b"))
    lake.repo.rollback("main", RollbackRequest(start))
    assert lake.live("main") == "a"
    with pytest.raises(MergeConflict, match="1 conflict") as raised:
        lake.repo.revert("main", ApplyRequest(deleted))
    assert "versions of the same rows" in raised.value.conflicts[0].message
    assert lake.live("main") == "a"


def test_reverts_of_several_commits_in_any_order_bring_their_files_back(lake: Lake) -> None:
    lake.write("main", "WRITE", add("b"), add("c"))
    deletes = [lake.write("main", "DELETE", remove(path)) for path in "abc"]
    for commit in (deletes[1], deletes[0], deletes[2]):
        lake.repo.revert("main", ApplyRequest(commit))
    assert lake.live("main") == "abc"
    lake.check("main")


# -- logs that were cleaned up ----------------------------------------------------------------------------------------


def test_a_cleaned_log_of_another_history_never_takes_the_place_of_one(lake: Lake) -> None:
    lake.update("main", "a", "d")
    lake.write("main", "WRITE", add("e"))
    published = lake.published("main")
    lake.update("exp", "a", "s")
    lake.write("exp", "WRITE", add("u"))
    lake.clean("exp", 2, "su")
    lake.write("exp", "WRITE", add("v"))
    lake.merge("exp", "main", MergeRequest(resolutions=(Resolution("t", Take.SOURCE),)))
    assert lake.live("main") == "suv"
    assert published <= lake.published("main")
    assert lake.repo.table("main", "t").version == 3
    lake.check("main")


def test_a_cleaned_log_that_goes_on_is_taken_whole(lake: Lake) -> None:
    lake.write("exp", "WRITE", add("u"))
    lake.clean("exp", 1, "au")
    lake.write("exp", "WRITE", add("v"))
    lake.write("exp", "WRITE", add("w"))
    assert lake.merge("exp", "main", MergeRequest(isolation=Isolation.SNAPSHOT)) == "taken_source"
    assert (lake.live("main"), lake.repo.table("main", "t").version) == ("auvw", 3)
    assert lake.published("main") == lake.published("exp")


@pytest.mark.parametrize("within", [False, True])
@pytest.mark.parametrize("moved", [False, True])
def test_versions_that_the_base_cleaned_up_are_the_bases_still(lake: Lake, within: bool, moved: bool) -> None:
    lake.write("main", "WRITE", add("b"))
    lake.compact("main", "ab", "w")
    lake.repo.create_branch("dev", "main")
    lake.write("dev", "WRITE", add("x"))
    lake.stage("main", "WRITE", add("c"))
    if not within:
        lake.commit("main", "c")
    lake.clean("main", 3, "wc")
    lake.commit("main", "log clean-up, of a version that came with it or before")
    lake.merge("main", "dev", MergeRequest())
    if moved:
        lake.compact("main", "wc", "v")
    lake.write("dev", "WRITE", add("y"))
    lake.merge("dev", "main", MergeRequest())
    assert lake.live("main") == ("vxy" if moved else "cwxy")


@pytest.mark.parametrize("cleaned", [False, True])
def test_what_was_written_and_cleaned_up_in_one_commit_comes_once(lake: Lake, cleaned: bool) -> None:
    lake.write("main", "WRITE", add("d"))
    lake.stage("exp", "WRITE", add("x"))
    lake.clean("exp", 1, "ax")
    lake.commit("exp", "x, and the log clean-up")
    lake.merge("exp", "main")
    assert lake.live("main") == "adx"
    lake.compact("exp", "ax", "w")
    if cleaned:
        lake.clean("exp", 2, "w")
        lake.commit("exp", "log clean-up")
    lake.merge("exp", "main")
    assert lake.live("main") == "dw"
    lake.check("main")


@pytest.mark.parametrize("taken", [False, True])
def test_a_compaction_of_files_that_nothing_tells_of(lake: Lake, taken: bool) -> None:
    lake.write("main", "WRITE", add("d"))
    lake.stage("exp", "WRITE", add("x"))
    lake.clean("exp", 1, "ax")
    if taken:
        lake.commit("exp", "x, and the log clean-up")
        lake.merge("exp", "main")
    lake.repo.put("exp", "t/y", b"0123456789")
    for version, files in ((2, "axy"), (3, "w")):
        body = log_body(*_moved("axy", "w")) if version == 3 else lake.checkpoint(files)
        name = f"{version:020d}.json" if version == 3 else f"{version:020d}.checkpoint.x.json"
        lake.repo.put("exp", f"t/_delta_log/{name}", body)
    lake.repo.put("exp", "t/w", b"0123456789")
    lake.commit("exp", "y, the log clean-up, and a compaction")
    if taken:
        with pytest.raises(MergeConflict) as raised:
            lake.merge("exp", "main")
        assert {conflict.kind for conflict in raised.value.conflicts} == {ConflictKind.CONCURRENT_DELETE_DELETE}
        assert lake.live("main") == "adx"
    else:
        lake.merge("exp", "main")
        assert lake.live("main") == "dw"


@pytest.mark.parametrize("rolled_back", [True, False])
@pytest.mark.parametrize("isolation", [Isolation.SNAPSHOT, Isolation.WRITE_SERIALIZABLE])
def test_versions_of_which_the_destination_has_a_part(lake: Lake, rolled_back: bool, isolation: Isolation) -> None:
    """`dev` has two deletes of `x` as one version, which can name but the first; `main` picks that, and compacts."""
    request = MergeRequest(isolation=isolation)
    start = lake.write("main", "WRITE", add("c"), add("d"))
    for branch in ("x", "dev"):
        lake.repo.create_branch(branch, "main")
    deleted = lake.write("x", "DELETE", remove("a"))
    lake.stage("x", "DELETE", remove("d"))
    lake.clean("x", 3, "c")
    lake.commit("x", "a delete, and the log clean-up")
    lake.write("dev", "WRITE", add("z"))
    lake.merge("x", "dev", request)
    assert lake.live("dev") == "cz"
    lake.repo.cherry_pick("main", ApplyRequest(deleted))
    if rolled_back:
        lake.write("dev", "RESTORE", add("a"))
        lake.repo.rollback("main", RollbackRequest(start))
        lake.compact("main", "acd", "w")
    else:
        lake.compact("main", "cd", "w")
    if rolled_back and isolation is Isolation.SNAPSHOT:
        lake.merge("dev", "main", request)
        assert lake.live("main") == "acz"
        lake.check("main")
        return
    with pytest.raises(MergeConflict):
        lake.merge("dev", "main", request)
    assert lake.live("main") == "w"


def test_what_the_source_reverted_and_picked_again_comes_after_a_squash_merge(lake: Lake) -> None:
    """The destination has the append and the revert of it, and not what came after them."""
    appended = lake.write("exp", "WRITE", add("b"))
    lake.write("exp", "WRITE", add("c"))
    lake.repo.revert("exp", ApplyRequest(appended))
    lake.repo.merge("exp", "main", SQUASH)
    assert lake.live("main") == "ac"
    lake.repo.cherry_pick("exp", ApplyRequest(appended))
    lake.merge("exp", "main", MergeRequest())
    assert lake.live("main") == "abc"
    lake.check("main")

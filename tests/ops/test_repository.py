"""The use cases of an embedded lake."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lakegate import connect, refs
from lakegate.errors import (
    AlreadyExists,
    ErrorKind,
    InvalidInput,
    LakegateError,
    MergeConflict,
    NotFound,
    PreconditionFailed,
    Refused,
)
from lakegate.format.documents import FORMAT_KEY, REFS, RefRecord, decode_ref_record
from lakegate.lake import EmbeddedLake
from lakegate.metastore import sql_refs
from lakegate.model import (
    ApplyRequest,
    ChangeKind,
    CommitRequest,
    CommonPrefix,
    ConflictKind,
    Entry,
    ExportRequest,
    ImportKind,
    ImportRequest,
    ImportSource,
    JobState,
    ListRequest,
    LogRequest,
    MergeRequest,
    PutRequest,
    Resolution,
    RollbackMode,
    RollbackRequest,
    Strategy,
    TableOutcome,
    Take,
)
from lakegate.objectstore.local import LocalStore
from lakegate.repository import EmbeddedRepository


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[EmbeddedLake]:
    with EmbeddedLake.create(tmp_path / "a lake", environment={"LAKEGATE_STORAGE_FSYNC": "false"}) as opened:
        opened.create_repository("sales")
        yield opened


@pytest.fixture
def repo(lake: EmbeddedLake) -> EmbeddedRepository:
    return lake.repository("sales")


def commit(repo: EmbeddedRepository, branch: str, message: str = "change", **files: str | None) -> str:
    for name, text in files.items():
        path = name.replace("__", "/")
        if text is None:
            repo.delete(branch, path)
        else:
            repo.put(branch, path, text.encode())
    return repo.commit(branch, CommitRequest(message)).id


def content(repo: EmbeddedRepository, ref: str) -> dict[str, str]:
    entries = repo.list(ref, ListRequest(amount=1000)).items
    return {entry.path: repo.open(ref, entry.path).read().decode() for entry in entries}


def delta_log(version: int, *files: str) -> bytes:
    """A commit of a Delta log that adds files of one byte."""
    schema = {"type": "struct", "fields": [{"name": "id", "type": "long", "nullable": True, "metadata": {}}]}
    metadata = {"id": "7", "format": {"provider": "parquet", "options": {}}, "schemaString": json.dumps(schema)}
    lines: list[object] = [{"commitInfo": {"operation": "WRITE"}}]
    if version == 0:
        lines.append({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}})
        lines.append({"metaData": {**metadata, "partitionColumns": [], "configuration": {}}})
    for file in files:
        add = {"path": file, "size": 1, "partitionValues": {}, "modificationTime": 1, "dataChange": True}
        lines.append({"add": add})
    return "\n".join(json.dumps(line) for line in lines).encode()


def test_a_write_is_seen_at_once_and_a_commit_only_after_it(repo: EmbeddedRepository) -> None:
    repo.put("main", "a/b.txt", b"one", PutRequest(metadata={"who": "me"}))
    assert content(repo, "main") == {"a/b.txt": "one"}
    assert content(repo, repo.branch("main").commit) == {}
    assert [(c.path, c.kind) for c in repo.uncommitted("main").items] == [("a/b.txt", ChangeKind.ADDED)]
    first = commit(repo, "main")
    assert content(repo, first) == {"a/b.txt": "one"}
    assert repo.uncommitted("main").items == ()
    assert dict(repo.stat(first, "a/b.txt").metadata) == {"who": "me"}


def test_an_object_is_described_by_its_bytes(repo: EmbeddedRepository) -> None:
    entry = repo.put("main", "a", iter([b"he", b"llo"]))
    assert entry.size == 5
    assert entry.etag == "5d41402abc4b2a76b9719d911017c592"
    assert entry.digest == "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    reader = repo.open("main", "a")
    assert reader.read(1, 3) == b"ell"
    assert b"".join(reader.chunks(size=2)) == b"hello"
    with pytest.raises(InvalidInput):
        reader.read(6)


@pytest.mark.parametrize(
    "request_", [PutRequest(size=4), PutRequest(content_md5="0" * 32), PutRequest(sha256="0" * 64)]
)
def test_a_body_that_is_not_what_was_announced_leaves_nothing(
    repo: EmbeddedRepository, tmp_path: Path, request_: PutRequest
) -> None:
    with pytest.raises(InvalidInput):
        repo.put("main", "a", b"hello", request_)
    with pytest.raises(NotFound):
        repo.stat("main", "a")
    assert not [file for file in tmp_path.rglob("data/??/*") if file.is_file()]


def test_conditional_writes(repo: EmbeddedRepository) -> None:
    first = repo.put("main", "a", b"1", PutRequest(if_none_match=True))
    for condition in (PutRequest(if_none_match=True), PutRequest(if_match="other")):
        with pytest.raises(PreconditionFailed):
            repo.put("main", "a", b"2", condition)
    commit(repo, "main")
    with pytest.raises(PreconditionFailed):
        repo.put("main", "a", b"2", PutRequest(if_none_match=True))
    repo.put("main", "a", b"2", PutRequest(if_match=first.etag))
    assert content(repo, "main") == {"a": "2"}


def test_a_published_delta_version_is_never_overwritten(repo: EmbeddedRepository) -> None:
    path = f"t/_delta_log/{0:020d}.json"
    repo.put("main", path, delta_log(0))
    repo.put("main", path, delta_log(0))
    with pytest.raises(PreconditionFailed) as caught:
        repo.put("main", path, delta_log(0, "other"))
    assert caught.value.kind is ErrorKind.DELTA_VERSION_TAKEN
    assert content(repo, "main") == {path: delta_log(0).decode()}


@pytest.mark.parametrize("path", ["", "/a", "a//b", "../a", "a/../b", "a/.", "a\0b", "x" * 1025, "\ud800"])
def test_paths_that_break_the_rules_are_refused(repo: EmbeddedRepository, path: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        repo.put("main", path, b"x")
    assert caught.value.kind is ErrorKind.INVALID_PATH
    assert content(repo, "main") == {}


@pytest.mark.parametrize("name", ["", "a/b", "-x", ".x", "a" * 64, "a" * 300, "a b", "a\n"])
def test_branch_names_that_break_the_rules_are_refused(repo: EmbeddedRepository, name: str) -> None:
    with pytest.raises(InvalidInput):
        repo.create_branch(name, "main")


def test_a_branch_is_isolated_and_copies_no_bytes(repo: EmbeddedRepository, tmp_path: Path) -> None:
    commit(repo, "main", a="1")
    before = {file for file in tmp_path.rglob("*") if file.is_file()}
    repo.create_branch("exp", "main")
    new = {file for file in tmp_path.rglob("*") if file.is_file()} - before
    assert all("_lakegate/refs/branches/exp/" in file.as_posix() for file in new)
    commit(repo, "exp", a="2", b="3")
    assert content(repo, "main") == {"a": "1"}
    assert content(repo, "exp") == {"a": "2", "b": "3"}


def test_refs_are_named_in_many_ways(repo: EmbeddedRepository) -> None:
    first = commit(repo, "main", a="1")
    second = commit(repo, "main", a="2")
    repo.create_tag("v1", "main~1")
    for ref, wanted in {"main": second, "main~": first, "v1": first, first: first, "main^1": first}.items():
        assert repo.commit_of(ref).id == wanted
    assert repo.commit_of(second[:12]).id == second
    assert repo.commit_of("main@{2999-01-01}").id == second
    for ref, kind in {
        "none": ErrorKind.REF_NOT_FOUND,
        "main~9": ErrorKind.REF_NOT_FOUND,
        "main@{2001-01-01}": ErrorKind.REF_NOT_FOUND,
        "main@{soon}": ErrorKind.INVALID_REF,
        "main^0": ErrorKind.INVALID_REF,
        "~1": ErrorKind.INVALID_REF,
        "f" * 64: ErrorKind.COMMIT_NOT_FOUND,
    }.items():
        with pytest.raises(LakegateError) as caught:
            repo.commit_of(ref)
        assert caught.value.kind is kind, ref


def test_tags_and_commits_are_read_only(repo: EmbeddedRepository) -> None:
    first = commit(repo, "main", a="1")
    repo.create_tag("v1", "main")
    for ref in ("v1", first):
        with pytest.raises(Refused) as caught:
            repo.put(ref, "b", b"x")
        assert caught.value.kind is ErrorKind.READ_ONLY_REF
    with pytest.raises(AlreadyExists):
        repo.create_tag("v1", "main")
    repo.delete_tag("v1")
    with pytest.raises(NotFound):
        repo.tag("v1")


def test_nothing_to_commit(repo: EmbeddedRepository) -> None:
    commit(repo, "main", a="1")
    repo.put("main", "a", b"1")
    repo.put("main", "folder/", b"")
    with pytest.raises(Refused) as caught:
        repo.commit("main", CommitRequest("same"))
    assert caught.value.kind is ErrorKind.NOTHING_TO_COMMIT
    empty = repo.commit("main", CommitRequest("on purpose", allow_empty=True))
    assert repo.diff(empty.parents[0], empty.id).items == ()
    with pytest.raises(InvalidInput):
        repo.commit("main", CommitRequest("  "))


def test_the_same_bytes_repair_an_object_whose_bytes_are_gone(repo: EmbeddedRepository) -> None:
    commit(repo, "main", a="precious")
    kept = repo.stat("main", "a")
    assert isinstance(kept, Entry)
    repo.put("main", "a", b"precious")
    assert repo.uncommitted("main").items == ()
    file = repo.ctx.store.local_path(kept.address)
    assert file is not None
    file.unlink()
    assert [change.path for change in repo.uncommitted("main").items] == ["a"]
    with pytest.raises(Refused):
        repo.merge("main~1", "main")
    repo.commit("main", CommitRequest("repaired"))
    assert repo.open("main", "a").read() == b"precious"
    assert repo.verify("main", deep=True).ok


def test_an_object_whose_name_is_a_folders_keeps_its_bytes(repo: EmbeddedRepository) -> None:
    repo.put("main", "folder/", b"")
    repo.put("main", "dir/", b"bytes")
    repo.commit("main", CommitRequest("two"))
    assert content(repo, "main") == {"dir/": "bytes"}
    repo.delete("main", "dir/")
    repo.commit("main", CommitRequest("none"))
    assert content(repo, "main") == {}


def test_listing_steps_over_folders(repo: EmbeddedRepository) -> None:
    commit(repo, "main", a__1="x", a__2="x", b="x", c__d__e="x")
    repo.put("main", "a/3", b"x")
    repo.delete("main", "b")
    shown = repo.list("main", ListRequest(delimiter="/")).items
    assert [(type(item).__name__, item.path) for item in shown] == [("CommonPrefix", "a/"), ("CommonPrefix", "c/")]
    assert [i.path for i in repo.list("main", ListRequest(prefix="a/")).items] == ["a/1", "a/2", "a/3"]
    seen: list[str] = []
    after = ""
    while True:
        page = repo.list("main", ListRequest(amount=1, after=after, delimiter="/"))
        seen += [item.path for item in page.items]
        assert all(isinstance(item, CommonPrefix) for item in page.items)
        if not page.has_more:
            break
        after = page.next_after
    assert seen == ["a/", "c/"]


def test_diff_two_dot_and_three_dot(repo: EmbeddedRepository) -> None:
    commit(repo, "main", a="1", b="1", c="1")
    repo.create_branch("exp", "main")
    commit(repo, "exp", a="2", b=None, d__e="1")
    commit(repo, "main", c="2")
    two = {c.path: c.kind for c in repo.diff("main", "exp").items}
    three = {c.path: c.kind for c in repo.diff("main", "exp", three_dot=True).items}
    assert three == {"a": ChangeKind.CHANGED, "b": ChangeKind.REMOVED, "d/e": ChangeKind.ADDED}
    assert two == {**three, "c": ChangeKind.CHANGED}
    folders = repo.diff("main", "exp", ListRequest(delimiter="/"), three_dot=True).items
    assert [(c.path, c.kind) for c in folders][-1] == ("d/", ChangeKind.PREFIX_CHANGED)


def test_merge_takes_what_both_sides_did(repo: EmbeddedRepository) -> None:
    commit(repo, "main", a="1", b="1")
    repo.create_branch("exp", "main")
    theirs = commit(repo, "exp", a="2", c="1")
    ours = commit(repo, "main", b=None)
    shown = repo.merge("exp", "main", MergeRequest(dry_run=True))
    assert shown.commit is None
    assert repo.branch("main").commit == ours
    done = repo.merge("exp", "main")
    assert done.commit is not None
    assert done.commit.parents == (ours, theirs)
    assert done.changes == shown.changes
    assert content(repo, "main") == {"a": "2", "c": "1"}
    with pytest.raises(Refused) as caught:
        repo.merge("exp", "main")
    assert caught.value.kind is ErrorKind.NOTHING_TO_MERGE


def test_a_conflict_moves_nothing_and_can_be_settled(repo: EmbeddedRepository) -> None:
    commit(repo, "main", a="1", b="1", c="1")
    repo.create_branch("exp", "main")
    commit(repo, "exp", a="2", b=None, c="2")
    head = commit(repo, "main", a="3", b="3")
    with pytest.raises(MergeConflict) as caught:
        repo.merge("exp", "main")
    assert {c.path: c.kind for c in caught.value.conflicts} == {
        "a": ConflictKind.OBJECT_CHANGED,
        "b": ConflictKind.OBJECT_CHANGED_REMOVED,
    }
    assert repo.branch("main").commit == head
    repo.create_branch("mine", "main")
    repo.create_branch("yours", "main")
    repo.merge("exp", "mine", MergeRequest(strategy=Strategy.DESTINATION_WINS))
    repo.merge("exp", "yours", MergeRequest(strategy=Strategy.SOURCE_WINS, squash=True))
    assert content(repo, "mine") == {"a": "3", "b": "3", "c": "2"}
    assert content(repo, "yours") == {"a": "2", "c": "2"}
    assert repo.commit_of("yours").parents == (head,)
    twice = (Resolution("a", Take.SOURCE), Resolution("a/", Take.DESTINATION))
    with pytest.raises(InvalidInput):
        repo.merge("exp", "main", MergeRequest(resolutions=twice))
    resolutions = (Resolution("a", Take.SOURCE), Resolution("b", Take.DESTINATION))
    repo.merge("exp", "main", MergeRequest(resolutions=resolutions))
    assert content(repo, "main") == {"a": "2", "b": "3", "c": "2"}


def test_changes_of_one_delta_table_on_both_sides_are_replayed_or_in_conflict(repo: EmbeddedRepository) -> None:
    def delta_commit(branch: str, version: int, add: str, remove: str = "") -> bytes:
        log = delta_log(version, f"part-{add}.parquet")
        if remove:
            gone = {"path": f"part-{remove}.parquet", "deletionTimestamp": 1, "dataChange": True}
            log += b"\n" + json.dumps({"remove": gone}).encode()
        repo.put(branch, f"t/part-{add}.parquet", b"x")
        repo.put(branch, f"t/_delta_log/{version:020d}.json", log)
        repo.commit(branch, CommitRequest(f"version {version}"))
        return log

    def files(branch: str) -> list[str]:
        return [file.path.removeprefix("part-").split(".")[0] for file in repo.table_files(branch, "t").items]

    delta_commit("main", 0, "base")
    repo.create_branch("exp", "main")
    delta_commit("exp", 1, "theirs")
    published = delta_commit("main", 1, "ours")
    outcome = repo.merge("exp", "main")
    [table] = outcome.tables
    assert (table.outcome, table.from_version, table.to_version) == (TableOutcome.REPLAYED, 1, 2)
    assert [(step.source, step.destination) for step in table.versions] == [(1, 2)]
    assert files("main") == ["base", "ours", "theirs"]
    assert repo.open("main", f"t/_delta_log/{1:020d}.json").read() == published

    delta_commit("exp", 2, "base-of-exp", "base")
    published = delta_commit("main", 3, "base-of-main", "base")
    head = repo.branch("main")
    with pytest.raises(MergeConflict) as caught:
        repo.merge("exp", "main")
    [conflict] = [c for c in caught.value.conflicts if c.kind is ConflictKind.CONCURRENT_DELETE_DELETE]
    assert (conflict.table, conflict.source.versions, conflict.destination.versions) == ("t", (2,), (3,))
    assert conflict.files == ("part-base.parquet",)
    assert repo.branch("main") == head
    repo.create_branch("main2", "main")
    repo.merge("exp", "main", MergeRequest(resolutions=(Resolution("t", Take.DESTINATION),)))
    assert files("main") == ["base-of-main", "ours", "theirs"]
    repo.merge("exp", "main2", MergeRequest(resolutions=(Resolution("t", Take.SOURCE),)))
    assert repo.open("main2", f"t/_delta_log/{3:020d}.json").read() == published
    assert repo.table("main2", "t").version == 4  # the source's state, and nothing published was rewritten
    assert files("main2") == ["base-of-exp", "theirs"]


def test_tables_are_listed_as_of_a_commit(repo: EmbeddedRepository) -> None:
    for version in (0, 1):
        repo.put("main", f"sales/t/part-{version}.parquet", b"x")
        repo.put("main", f"sales/t/_delta_log/{version:020d}.json", delta_log(version, f"part-{version}.parquet"))
        assert [table.version for table in repo.tables("main").items] == list(range(version))  # not committed yet
        repo.commit("main", CommitRequest(f"version {version}"))
    assert [(table.path, table.version, table.files) for table in repo.tables("main").items] == [("sales/t", 1, 2)]
    assert repo.table("main~1", "sales/t/").version == 0
    assert [file.path for file in repo.table_files("main", "sales/t", amount=1).items] == ["part-0.parquet"]
    assert [file.path for file in repo.table_files("main", "sales/t", "part-0.parquet").items] == ["part-1.parquet"]
    assert repo.tables("main", prefix="other").items == ()
    assert repo.manifest("main").tables == 1
    assert [(item.version, item.commit) for item in repo.table_history("main", "sales/t")] == [
        (1, repo.branch("main").commit),
        (0, repo.commit_of("main~1").id),
    ]
    [changed] = repo.table_diff("main~1", "main").items
    assert (changed.path, changed.files_added) == ("sales/t", 1)
    with pytest.raises(NotFound) as caught:
        repo.table("main", "sales")
    assert caught.value.kind is ErrorKind.TABLE_NOT_FOUND


def test_a_broken_delta_log_is_not_committed_and_loses_nothing(repo: EmbeddedRepository) -> None:
    repo.put("main", "other", b"1")
    with pytest.raises(Refused) as caught:
        repo.put("main", f"t/_delta_log/{0:020d}.json", b"no json")
    assert caught.value.kind is ErrorKind.DELTA_LOG_INVALID
    repo.put("main", f"t/_delta_log/{1:020d}.json", delta_log(1))  # its predecessor may come yet
    with pytest.raises(Refused) as caught:
        repo.commit("main", CommitRequest("broken"))
    assert caught.value.kind is ErrorKind.DELTA_LOG_INVALID
    assert repo.open("main", "other").read() == b"1"
    repo.delete("main", f"t/_delta_log/{1:020d}.json")
    assert content(repo, repo.commit("main", CommitRequest("mended")).id) == {"other": "1"}


def test_a_delta_version_is_not_taken_back_unless_asked_for(repo: EmbeddedRepository) -> None:
    for version in (0, 1):
        repo.put("main", f"t/{version}.parquet", b"x")
        repo.put("main", f"t/_delta_log/{version:020d}.json", delta_log(version, f"{version}.parquet"))
        repo.commit("main", CommitRequest(f"version {version}"))
    repo.create_branch("exp", "main")
    for branch, back in (
        ("main", lambda: repo.revert("main", ApplyRequest("main"))),
        ("exp", lambda: repo.rollback("exp", RollbackRequest("exp~1"))),
    ):
        back()
        assert repo.table(branch, "t").version == 2
        assert [file.path for file in repo.table_files(branch, "t").items] == ["0.parquet"]
        assert repo.open(branch, f"t/_delta_log/{1:020d}.json").read() == delta_log(1, "1.parquet")
        assert repo.stat(branch, "t/1.parquet")  # the earlier version needs it
    outcome = repo.rollback("main", RollbackRequest("main~2", mode=RollbackMode.EXACT))
    assert outcome.warnings
    assert repo.table("main", "t").version == 0


@pytest.mark.parametrize("verb", ["merge", "revert", "rollback", "hard_reset"])
def test_a_dirty_branch_is_not_moved(repo: EmbeddedRepository, verb: str) -> None:
    commit(repo, "main", a="1")
    repo.create_branch("exp", "main")
    commit(repo, "exp", a="2")
    repo.put("main", "b", b"uncommitted")
    calls = {
        "merge": lambda: repo.merge("exp", "main"),
        "revert": lambda: repo.revert("main", ApplyRequest("main")),
        "rollback": lambda: repo.rollback("main", RollbackRequest("main~1")),
        "hard_reset": lambda: repo.hard_reset("main", "exp"),
    }
    with pytest.raises(Refused) as caught:
        calls[verb]()
    assert caught.value.kind is ErrorKind.DIRTY_BRANCH
    assert content(repo, "main") == {"a": "1", "b": "uncommitted"}
    assert repo.reset("main") == 1
    calls[verb]()


def test_revert_and_cherry_pick(repo: EmbeddedRepository) -> None:
    commit(repo, "main", a="1")
    repo.create_branch("exp", "main")
    bad = commit(repo, "main", a="bad", b="1")
    commit(repo, "main", c="1")
    repo.revert("main", ApplyRequest(bad))
    assert content(repo, "main") == {"a": "1", "c": "1"}
    repo.cherry_pick("exp", ApplyRequest("main~1"))
    assert content(repo, "exp") == {"a": "1", "c": "1"}
    with pytest.raises(Refused):
        repo.cherry_pick("exp", ApplyRequest("main~1"))
    late = commit(repo, "exp", a="8")
    commit(repo, "exp", a="9")
    with pytest.raises(MergeConflict):
        repo.revert("exp", ApplyRequest(late))
    assert content(repo, "exp") == {"a": "9", "c": "1"}
    merged = repo.merge("exp", "main", MergeRequest(strategy=Strategy.SOURCE_WINS)).commit
    assert merged is not None
    with pytest.raises(InvalidInput):
        repo.revert("main", ApplyRequest(merged.id))
    repo.revert("main", ApplyRequest(merged.id, parent=1))


def test_rollback_of_all_and_of_some_paths(repo: EmbeddedRepository) -> None:
    good = commit(repo, "main", a="1", raw__x="1", raw__y="1")
    commit(repo, "main", a="2", raw__x="2", raw__y=None, raw__z="2")
    shown = repo.rollback("main", RollbackRequest(good, paths=("raw/",), dry_run=True))
    assert shown.commit is None
    done = repo.rollback("main", RollbackRequest(good, paths=("raw/",)))
    assert done.changes == shown.changes
    assert content(repo, "main") == {"a": "2", "raw/x": "1", "raw/y": "1"}
    repo.rollback("main", RollbackRequest(good))
    assert content(repo, "main") == content(repo, good)
    with pytest.raises(Refused) as caught:
        repo.rollback("main", RollbackRequest(good))
    assert caught.value.kind is ErrorKind.NOTHING_TO_ROLL_BACK
    with pytest.raises(NotFound):
        repo.rollback("main", RollbackRequest(good, paths=("none",)))


def test_log_by_path_and_by_page(repo: EmbeddedRepository) -> None:
    one = commit(repo, "main", "one", a__x="1")
    two = commit(repo, "main", "two", b="1")
    three = commit(repo, "main", "three", a__x="2")
    assert [c.id for c in repo.log("main", LogRequest(prefixes=("a/",))).items] == [three, one]
    assert [c.id for c in repo.log("main", LogRequest(paths=("b",))).items] == [two]
    assert repo.log("main", LogRequest(paths=("a",))).items == ()
    page = repo.log("main", LogRequest(amount=2))
    assert [c.id for c in page.items] == [three, two]
    assert next(c.id for c in repo.log("main", LogRequest(after=page.next_after)).items) == one
    assert [c.id for c in repo.log("main", LogRequest(stop_at="main~1")).items] == [three, two]


def test_copies_and_deletes(repo: EmbeddedRepository, tmp_path: Path) -> None:
    repo.put("main", "a", b"1", PutRequest(metadata={"k": "v"}))
    before = len([file for file in tmp_path.rglob("data/??/*") if file.is_file()])
    copied = repo.copy("main", "b", "main", "a")
    assert dict(copied.metadata) == {"k": "v"}
    assert len([file for file in tmp_path.rglob("data/??/*") if file.is_file()]) == before
    repo.set_metadata("main", "b", {"k": "w"})
    assert dict(repo.stat("main", "b").metadata) == {"k": "w"}
    repo.delete("main", "a")
    with pytest.raises(NotFound):
        repo.delete("main", "a")
    assert [f.path for f in repo.delete_many("main", ["b", "none", "../x"])] == ["../x"]
    assert content(repo, "main") == {}


def test_format_json_is_the_first_file_of_a_repository(lake: EmbeddedLake, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    real = LocalStore.put_if_absent

    def recorded(self: LocalStore, key: str, data: bytes) -> bool:
        written.append(key)
        return real(self, key, data)

    monkeypatch.setattr(LocalStore, "put_if_absent", recorded)
    lake.create_repository("fresh")
    assert written[0] == FORMAT_KEY
    assert len(written) > 1


def test_text_that_is_no_unicode_is_refused(repo: EmbeddedRepository) -> None:
    repo.put("main", "a", b"1")
    for act in (
        lambda: repo.list("main", ListRequest("\ud800")),
        lambda: repo.list("main", ListRequest(after="\ud800")),
        lambda: repo.commit("main", CommitRequest("\ud800")),
        lambda: repo.commit("main", CommitRequest("m", {"key": "\ud800"})),
    ):
        with pytest.raises(InvalidInput) as caught:
            act()
        assert caught.value.kind is ErrorKind.INVALID_ARGUMENT
    repo.commit("main", CommitRequest("what was staged is committed"))


def test_a_repository_with_an_upload_is_not_empty(lake: EmbeddedLake, repo: EmbeddedRepository) -> None:
    upload = repo.create_upload("main", "big")
    with pytest.raises(Refused) as caught:
        lake.delete_repository("sales")
    assert caught.value.kind is ErrorKind.REPOSITORY_NOT_EMPTY
    repo.abort_upload(upload.id)
    lake.delete_repository("sales")


def test_a_place_in_or_above_another_lakes_repository_is_refused(lake: EmbeddedLake, tmp_path: Path) -> None:
    place = tmp_path / "shared" / "of-another"
    with EmbeddedLake.create(tmp_path / "another") as another:
        another.create_repository("other", str(place))
        another.repository("other").put("main", "a", b"1")
    before = sorted(tmp_path.rglob("*"))
    for taken in (place, place / "below", place / "far" / "below", place.parent, tmp_path):
        with pytest.raises(AlreadyExists) as caught:
            lake.create_repository("mine", str(taken))
        assert caught.value.kind is ErrorKind.NAMESPACE_IN_USE
    assert sorted(tmp_path.rglob("*")) == before
    lake.create_repository("mine", str(place.parent / "of-mine"))


def test_repositories_keep_apart(lake: EmbeddedLake, tmp_path: Path) -> None:
    with pytest.raises(AlreadyExists):
        lake.create_repository("sales")
    with pytest.raises(AlreadyExists) as caught:
        lake.create_repository("other", lake.repository("sales").info.storage_namespace)
    assert caught.value.kind is ErrorKind.NAMESPACE_IN_USE
    lake.create_repository("other", str(tmp_path / "elsewhere"), default_branch="trunk")
    assert [r.name for r in lake.repositories().items] == ["other", "sales"]
    lake.repository("other").put("trunk", "a", b"1")
    with pytest.raises(Refused):
        lake.delete_repository("other")
    lake.delete_repository("other", force=True)
    with pytest.raises(NotFound):
        lake.repository("other")
    for name in ("X", "ab", "a_b", "-ab", "api"):
        with pytest.raises(InvalidInput):
            lake.create_repository(name)


def test_a_lake_is_found_again(lake: EmbeddedLake, repo: EmbeddedRepository, tmp_path: Path) -> None:
    head = commit(repo, "main", a="1")
    with connect(f"file://{tmp_path}/a lake") as again:
        assert again.repository("sales").branch("main").commit == head
    with pytest.raises(NotFound) as caught:
        connect(tmp_path / "none")
    assert caught.value.kind is ErrorKind.LAKE_NOT_FOUND


def test_the_journal_tells_every_move(repo: EmbeddedRepository, tmp_path: Path) -> None:
    head = commit(repo, "main", a="1")
    repo.create_branch("exp", "main")
    repo.delete_branch("exp")
    with pytest.raises(Refused):
        repo.delete_branch("main")
    journal = sorted(tmp_path.rglob("_lakegate/refs/branches/*/*.json"))
    records = [json.loads(file.read_text()) for file in journal]
    assert [(r["name"], r["commit"], r["sequence"]) for r in records] == [
        ("exp", head, 1),
        ("exp", None, 2),
        ("main", records[2]["commit"], 1),
        ("main", head, 2),
    ]


def newest_record(repo: EmbeddedRepository, branch: str) -> RefRecord:
    key = max(stored.key for stored in repo.ctx.store.list(f"{REFS}branches/{branch}/"))
    return decode_ref_record(key, repo.ctx.store.get(key))


def test_a_commit_is_journaled_before_its_rows_are_swept(
    repo: EmbeddedRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sql_refs, "sweep", interrupt)
    with pytest.raises(KeyboardInterrupt):
        commit(repo, "main", a="1")
    head = repo.branch("main").commit
    assert repo.log("main").items[0].id == head
    assert newest_record(repo, "main").commit == head


def test_moves_after_a_restored_database_come_last_in_the_journal(tmp_path: Path) -> None:
    home = tmp_path / "lake"
    with EmbeddedLake.create(home) as lake:
        lake.create_repository("sales")
        commit(lake.repository("sales"), "main", a="1")
    shutil.copy(home / "lake.db", tmp_path / "backup.db")
    with EmbeddedLake.open(home) as lake:
        for value in ("lost", "lost too"):
            commit(lake.repository("sales"), "main", a=value)
    for file in home.glob("lake.db*"):
        file.unlink()
    shutil.copy(tmp_path / "backup.db", home / "lake.db")
    with EmbeddedLake.open(home) as lake:
        repo = lake.repository("sales")
        first = commit(repo, "main", b="after the restore")
        assert (newest_record(repo, "main").commit, newest_record(repo, "main").sequence) == (first, 5)
        second = commit(repo, "main", b="and again")
        assert (newest_record(repo, "main").commit, newest_record(repo, "main").sequence) == (second, 6)
        moves = repo.ctx.meta.ref_moves(repo.ctx.info.id, "main", 10)
        assert [move.sequence for move in moves] == [6, 5, 2, 1]


def test_a_record_that_a_crash_kept_from_being_written_is_written_however_much_came_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Died(BaseException):
        pass

    def dies(*_: object) -> None:
        raise Died

    home = tmp_path / "lake"
    with EmbeddedLake.create(home) as lake:
        lake.create_repository("sales")
        repo = lake.repository("sales")
        repo.create_branch("work", "main")
        repo.put("work", "a", b"1")
        with monkeypatch.context() as patched:
            patched.setattr(refs, "journal", dies)
            with pytest.raises(Died):
                repo.commit("work", CommitRequest("moved, not journaled"))
        assert newest_record(repo, "work").commit != repo.branch("work").commit
        for number in range(22):
            repo.create_tag(f"v{number}", "main")
    with EmbeddedLake.open(home) as lake:
        repo = lake.repository("sales")
        repo.create_tag("last", "main")
        assert newest_record(repo, "work").commit == repo.branch("work").commit


def test_an_import_copies_no_bytes_and_runs_as_a_job(repo: EmbeddedRepository, tmp_path: Path) -> None:
    (tmp_path / "old" / "sub").mkdir(parents=True)
    (tmp_path / "old" / "a.csv").write_text("1")
    (tmp_path / "old" / "sub" / "b.csv").write_text("2")
    sources = (ImportSource(ImportKind.PREFIX, str(tmp_path / "old"), "raw"),)
    job = repo.import_("main", ImportRequest(sources, CommitRequest("old data")))
    assert (job.state, job.result["objects"]) == (JobState.DONE, 2)
    assert content(repo, "main") == {"raw/a.csv": "1", "raw/sub/b.csv": "2"}
    assert repo.stat("main", "raw/a.csv").address.startswith("file://")
    assert [j.id for j in repo.jobs()] == [job.id]
    with pytest.raises(NotFound):
        repo.import_("main", ImportRequest((ImportSource(ImportKind.PREFIX, "/none", "raw"),), CommitRequest("x")))


def test_an_export_writes_plain_files(repo: EmbeddedRepository, tmp_path: Path) -> None:
    commit(repo, "main", a__b="1", c="2")
    job = repo.export(ExportRequest("main", str(tmp_path / "out")))
    assert job.state is JobState.DONE
    assert (tmp_path / "out" / "a" / "b").read_text() == "1"
    assert (tmp_path / "out" / "c").read_text() == "2"


def test_verify_finds_every_damage(repo: EmbeddedRepository, tmp_path: Path) -> None:
    commit(repo, "main", a="12345", b="12345", c="12345", d="12345")
    whole = repo.verify("main", deep=True)
    assert (whole.ok, whole.objects, whole.objects_hashed, whole.bytes_hashed) == (True, 4, 4, 20)
    stored = {name: tmp_path / "a lake/data/sales" / repo.stat("main", name).address for name in "abc"}
    stored["a"].unlink()
    stored["b"].write_bytes(b"1234")
    stored["c"].write_bytes(b"x2345")
    assert [p.path for p in repo.verify("main").problems] == ["a", "b"]
    assert [p.path for p in repo.verify("main", deep=True).problems] == ["a", "b", "c"]
    with pytest.raises(NotFound):
        repo.verify("main", tables=("none",))


def test_verify_finds_a_node_that_is_not_what_its_name_says(repo: EmbeddedRepository, tmp_path: Path) -> None:
    commit(repo, "main", a="1")
    nodes = tmp_path / "a lake/data/sales/_lakegate/nodes"
    right = nodes / f"{repo.manifest('main').objects_root}.parquet"
    other = nodes / f"{repo.manifest('main~1').objects_root}.parquet"
    right.write_bytes(other.read_bytes())
    outcome = repo.verify("main")
    assert not outcome.ok
    assert repo.manifest("main").objects_root in outcome.problems[0].problem


def test_verify_reads_the_file_lists_of_tables(repo: EmbeddedRepository, tmp_path: Path) -> None:
    repo.put("main", "t/_delta_log/00000000000000000000.json", delta_log(0, "x"))
    repo.put("main", "t/x", b"1")
    repo.commit("main", CommitRequest("a table"))
    state = repo.table("main", "t").state
    assert repo.verify("main").ok
    (tmp_path / f"a lake/data/sales/_lakegate/nodes/{state}.parquet").unlink()
    [problem] = repo.verify("main", deep=True).problems
    assert problem.path == "t"
    assert state in problem.problem
    assert [p.path for p in repo.verify("main", tables=("t",)).problems] == ["t"]


def test_verify_goes_on_after_an_object_that_cannot_be_read(
    repo: EmbeddedRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(repo, "main", a="1", b="2", c="3")
    unreadable = repo.stat("main", "a").address
    (tmp_path / "a lake/data/sales" / repo.stat("main", "c").address).write_bytes(b"4")
    real = os.stat

    def failing(path: Any, *args: Any, **named: Any) -> os.stat_result:
        if str(path).endswith(unreadable):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(path, *args, **named)

    monkeypatch.setattr(os, "stat", failing)
    outcome = repo.verify("main", deep=True)
    assert [p.path for p in outcome.problems] == ["a", "c"]
    assert (outcome.objects, outcome.objects_hashed, outcome.problem_count) == (3, 2, 2)


def test_verify_counts_all_problems_and_lists_a_thousand(repo: EmbeddedRepository, tmp_path: Path) -> None:
    (tmp_path / "many").mkdir()
    for number in range(1002):
        (tmp_path / "many" / str(number)).touch()
    sources = (ImportSource(ImportKind.PREFIX, str(tmp_path / "many"), "x"),)
    repo.import_("main", ImportRequest(sources, CommitRequest("many")))
    shutil.rmtree(tmp_path / "many")
    outcome = repo.verify("main")
    assert (outcome.ok, outcome.problem_count, len(outcome.problems)) == (False, 1002, 1000)


def test_a_pin_names_commit_and_manifest_and_takes_one_hold(repo: EmbeddedRepository) -> None:
    head = commit(repo, "main", a="1")
    loose = repo.pin("main")
    assert (loose.commit, loose.manifest, loose.hold) == (head, repo.manifest("main").id, None)
    assert repo.holds() == ()
    held = repo.pin("main", hold="train")
    assert repo.pin("main", hold="train") == held
    assert [(h.id, h.commit, h.name) for h in repo.holds()] == [(held.hold, head, "train")]
    assert held.hold is not None
    repo.release_hold(held.hold)
    with pytest.raises(NotFound):
        repo.release_hold(held.hold)
    with pytest.raises(NotFound):
        repo.pin("main", tables=("none",))
    with pytest.raises(InvalidInput):
        repo.pin("main", hold="")

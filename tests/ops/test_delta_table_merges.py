"""Merges and rollbacks of branches with Delta tables, from logs written by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lakegate.context import RepositoryContext
from lakegate.errors import MergeConflict, Refused
from lakegate.lake import EmbeddedLake
from lakegate.log_paths import commit_path
from lakegate.model import (
    ApplyRequest,
    CommitRequest,
    ConflictKind,
    Entry,
    Isolation,
    ListRequest,
    MergeRequest,
    Resolution,
    RollbackMode,
    RollbackRequest,
    Strategy,
    TableFormat,
    TableOutcome,
    Take,
)
from lakegate.repository import EmbeddedRepository
from lakegate.tables.delta import log
from lakegate.tables.delta.log import read_bytes
from lakegate.testing.delta import Line, add, log_body, metadata, protocol, remove
from lakegate.testing.table_files import parquet_bytes

INFO: Line = {"commitInfo": {"operation": "WRITE", "operationParameters": {"mode": "Append"}}}


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[EmbeddedRepository]:
    with EmbeddedLake.create(tmp_path / "lake", environment={"LAKEGATE_STORAGE_FSYNC": "false"}) as lake:
        lake.create_repository("tables")
        yield lake.repository("tables")


def stage(repo: EmbeddedRepository, branch: str, table: str, version: int, *lines: Line) -> None:
    for line in lines:
        if "add" in line:
            repo.put(branch, f"{table}/{line['add']['path']}", b"0123456789")
    repo.put(branch, commit_path(table, version), log_body(INFO, *lines))


def write(repo: EmbeddedRepository, branch: str, table: str, version: int, *lines: Line) -> str:
    """Commits one version of a table; data files hold ten bytes each."""
    stage(repo, branch, table, version, *lines)
    return repo.commit(branch, CommitRequest(f"{table} {version}")).id


def live(repo: EmbeddedRepository, ref: str, table: str) -> set[str]:
    return {file.path for file in repo.table_files(ref, table).items}


# -- protocols --------------------------------------------------------------------------------------------------------


def test_taking_the_source_brings_the_features_that_its_rules_need(repo: EmbeddedRepository) -> None:
    write(repo, "main", "t", 0, protocol(), metadata(), add("a"))
    repo.create_branch("exp", "main")
    write(repo, "exp", "t", 1, protocol(1, 3), metadata({"delta.constraints.c": "id > 0"}))
    write(repo, "main", "t", 1, protocol(3, 7, ("appendOnly", "invariants", "timestampNtz"), ("timestampNtz",)))
    repo.merge("exp", "main", MergeRequest(resolutions=(Resolution("t", Take.SOURCE),)))
    table = repo.table("main", "t")
    assert table.protocol is not None
    assert {"checkConstraints", "timestampNtz"} <= set(table.protocol.writer_features)
    assert table.properties["delta.constraints.c"] == "id > 0"


# -- tables that one side dropped --------------------------------------------------------------------------------------


def dropped(repo: EmbeddedRepository, branch: str, table: str) -> None:
    for item in list(repo.list(branch, ListRequest(prefix=f"{table}/", amount=1000)).items):
        repo.delete(branch, item.path)


@pytest.mark.parametrize(
    "options", [{"resolutions": (Resolution("t", Take.SOURCE),)}, {"strategy": Strategy.SOURCE_WINS}]
)
def test_taking_a_table_that_the_source_dropped_leaves_no_file_of_it(
    repo: EmbeddedRepository, options: dict[str, Any]
) -> None:
    write(repo, "main", "t", 0, protocol(), metadata(), add("a.parquet"))
    repo.create_branch("exp", "main")
    dropped(repo, "exp", "t")
    repo.commit("exp", CommitRequest("drop"))
    repo.put("main", "t/README.md", b"words")
    write(repo, "main", "t", 1, add("b.parquet"))
    planned = repo.merge("exp", "main", MergeRequest(dry_run=True, **options)).tables
    made = repo.merge("exp", "main", MergeRequest(**options)).tables
    assert planned == made
    assert [(told.path, told.outcome, told.files_removed) for told in made] == [("t", TableOutcome.REMOVED, 2)]
    assert repo.tables("main").items == ()
    assert [item.path for item in repo.list("main", ListRequest(prefix="t/")).items] == ["t/README.md"]


def test_keeping_a_table_that_the_source_went_on_with_brings_none_of_its_files(repo: EmbeddedRepository) -> None:
    write(repo, "main", "t", 0, protocol(), metadata(), add("a.parquet"))
    repo.create_branch("exp", "main")
    write(repo, "exp", "t", 1, add("b.parquet"))
    dropped(repo, "main", "t")
    repo.commit("main", CommitRequest("drop"))
    repo.merge("exp", "main", MergeRequest(resolutions=(Resolution("t", Take.DESTINATION),)))
    assert repo.tables("main").items == ()
    assert list(repo.list("main", ListRequest(prefix="t/")).items) == []


def test_a_dropped_table_leaves_no_file_that_only_the_destination_has(repo: EmbeddedRepository) -> None:
    """One that no version names, as a writer leaves it that failed: without the log it would be a dataset's."""
    write(repo, "main", "t", 0, protocol(), metadata(), add("a.parquet"))
    repo.create_branch("exp", "main")
    dropped(repo, "exp", "t")
    repo.commit("exp", CommitRequest("drop"))
    repo.put("main", "t/orphan.parquet", parquet_bytes({"id": [1]}))
    repo.commit("main", CommitRequest("a writer failed"))
    repo.merge("exp", "main", MergeRequest())
    assert repo.tables("main").items == ()


@pytest.mark.parametrize("took", ["one", "both"])
def test_taking_a_dataset_that_stands_for_a_delta_table_brings_its_files_alone(
    repo: EmbeddedRepository, took: str
) -> None:
    write(repo, "main", "t", 0, protocol(), metadata(), add("a.parquet"))
    repo.create_branch("exp", "main")
    for branch in ("exp", "main") if took == "both" else ("exp",):
        dropped(repo, branch, "t")
        repo.put(branch, f"t/{branch}.parquet", parquet_bytes({"id": [1]}))
        repo.commit(branch, CommitRequest("a dataset"))
    if took == "one":
        write(repo, "main", "t", 1, add("b.parquet"))
    repo.merge("exp", "main", MergeRequest(resolutions=(Resolution("t", Take.SOURCE),)))
    assert repo.table("main", "t").format is TableFormat.PARQUET
    assert live(repo, "main", "t") == {"exp.parquet"}


# -- tables inside tables ---------------------------------------------------------------------------------------------


def nested(repo: EmbeddedRepository) -> str:
    for table in ("t", "t/sub"):
        stage(repo, "main", table, 0, protocol(), metadata(), add("a"))
    return repo.commit("main", CommitRequest("both")).id


@pytest.mark.parametrize("both", [True, False])
def test_a_table_inside_another_is_merged_as_one_of_its_own(repo: EmbeddedRepository, both: bool) -> None:
    nested(repo)
    repo.create_branch("exp", "main")
    for branch, name in (("exp", "s"), ("main", "d")):
        write(repo, branch, "t", 1, add(name))
        if both or branch == "exp":
            write(repo, branch, "t/sub", 1, add(f"sub-{name}"))
    outcome = repo.merge("exp", "main")
    assert [(report.path, str(report.outcome)) for report in outcome.tables] == [
        ("t", "replayed"),
        ("t/sub", "replayed" if both else "taken_source"),
    ]
    assert live(repo, "main", "t") == {"a", "s", "d"}
    assert live(repo, "main", "t/sub") == {"a", "sub-s", "sub-d"} - (set() if both else {"sub-d"})


@pytest.mark.parametrize("both", [True, False])
def test_an_inner_table_lies_among_the_files_of_the_outer_one(repo: EmbeddedRepository, both: bool) -> None:
    nested(repo)
    repo.create_branch("exp", "main")
    for branch in ("exp", "main") if both else ("exp",):
        write(repo, branch, "t", 1, add(f"z-{branch}"))
        write(repo, branch, "t/sub", 1, add(f"b-{branch}"))
    repo.put("main", "zz", b"beside")
    repo.commit("main", CommitRequest("beside"))
    repo.merge("exp", "main")
    assert live(repo, "main", "t") == {"a", "z-exp"} | ({"z-main"} if both else set())
    assert live(repo, "main", "t/sub") == {"a", "b-exp"} | ({"b-main"} if both else set())


@pytest.mark.parametrize("mode", list(RollbackMode))
def test_a_rollback_of_a_table_leaves_the_tables_inside_it(repo: EmbeddedRepository, mode: RollbackMode) -> None:
    old = nested(repo)
    for table in ("t", "t/sub"):
        write(repo, "main", table, 1, add("b"))
    outcome = repo.rollback("main", RollbackRequest(old, tables=("t",), mode=mode))
    assert [report.path for report in outcome.tables] == ["t"]
    assert live(repo, "main", "t") == {"a"}
    assert live(repo, "main", "t/sub") == {"a", "b"}
    assert repo.table("main", "t/sub").version == 1


def test_a_rollback_of_a_folder_takes_all_tables_in_it(repo: EmbeddedRepository) -> None:
    old = nested(repo)
    for table in ("t", "t/sub"):
        write(repo, "main", table, 1, add("b"))
    repo.rollback("main", RollbackRequest(old, paths=("t/",)))
    assert live(repo, "main", "t") == live(repo, "main", "t/sub") == {"a"}


# -- tables that were begun anew --------------------------------------------------------------------------------------


def begun_anew(repo: EmbeddedRepository) -> str:
    """`exp` deletes the table of `main` and begins another one in its folder; returns that commit."""
    write(repo, "main", "t", 0, protocol(), metadata(), add("a"))
    repo.create_branch("exp", "main")
    repo.delete_many("exp", [entry.path for entry in repo.list("exp", ListRequest("t/")).items])
    stage(repo, "exp", "t", 0, protocol(), metadata(id="another"), add("x"))
    return write(repo, "exp", "t", 1, add("y"))


@pytest.mark.parametrize("isolation", list(Isolation))
def test_two_tables_in_one_folder_are_never_mixed(repo: EmbeddedRepository, isolation: Isolation) -> None:
    commit = begun_anew(repo)
    head = write(repo, "main", "t", 1, remove("a", dataChange=False), add("a1", dataChange=False))
    undone = write(repo, "exp", "t", 2, add("z"))
    applied = ApplyRequest(commit)
    for attempt in (
        lambda: repo.merge("exp", "main", MergeRequest(isolation=isolation)),
        lambda: repo.cherry_pick("main", applied),
        lambda: repo.revert("exp", applied),
        lambda: repo.cherry_pick("main", ApplyRequest(undone)),
        lambda: repo.merge("main", "exp", MergeRequest(isolation=isolation)),
    ):
        with pytest.raises(MergeConflict) as raised:
            attempt()
        (conflict,) = raised.value.conflicts
        assert (conflict.kind, conflict.table) == (ConflictKind.DELTA_TABLE_CHANGED, "t")
        assert "begun anew" in conflict.message
    assert repo.branch("main").commit == head
    assert live(repo, "main", "t") == {"a1"}
    assert live(repo, "exp", "t") == {"x", "y", "z"}


@pytest.mark.parametrize("take", [Take.SOURCE, Take.DESTINATION])
def test_a_table_that_was_begun_anew_is_taken_from_one_side(repo: EmbeddedRepository, take: Take) -> None:
    begun_anew(repo)
    write(repo, "main", "t", 1, add("b"))
    repo.merge("exp", "main", MergeRequest(resolutions=(Resolution("t", take),)))
    table = repo.table("main", "t")
    taken = take is Take.SOURCE
    assert live(repo, "main", "t") == ({"x", "y"} if taken else {"a", "b"})
    assert table.version == (2 if taken else 1)
    write(repo, "exp", "t", 2, add("z"))
    if taken:
        repo.merge("exp", "main")
        assert live(repo, "main", "t") == {"x", "y", "z"}
    else:
        with pytest.raises(MergeConflict, match="1 conflict"):
            repo.merge("exp", "main")


def test_a_table_that_only_the_source_began_anew_is_taken(repo: EmbeddedRepository) -> None:
    begun_anew(repo)
    (report,) = repo.merge("exp", "main").tables
    assert (str(report.outcome), live(repo, "main", "t")) == ("taken_source", {"x", "y"})


# -- what conflicts say -----------------------------------------------------------------------------------------------


def test_a_table_that_one_side_dropped_tells_so(repo: EmbeddedRepository) -> None:
    write(repo, "main", "t", 0, protocol(), metadata(), add("a"))
    repo.create_branch("exp", "main")
    repo.delete_many("exp", [entry.path for entry in repo.list("exp", ListRequest("t/")).items])
    repo.commit("exp", CommitRequest("dropped"))
    write(repo, "main", "t", 1, add("b"))
    with pytest.raises(MergeConflict) as raised:
        repo.merge("exp", "main")
    (conflict,) = raised.value.conflicts
    assert conflict.message == (
        "The source dropped the Delta table 't', which the destination changed. The destination: WRITE (version 1)."
    )
    assert (conflict.destination.versions, conflict.destination.operations) == ((1,), ("WRITE",))
    assert "rows" in conflict.hint
    assert "--take rows" not in conflict.hint


@pytest.mark.parametrize("verb", ["revert", "cherry-pick"])
def test_the_hint_of_a_revert_and_a_cherry_pick_works(repo: EmbeddedRepository, verb: str) -> None:
    """They have no --take."""
    write(repo, "main", "t", 0, protocol(), metadata(), add("a"))
    repo.create_branch("exp", "main")
    repo.put("exp", "o", b"1")
    changed = write(repo, "exp", "t", 1, remove("a"), add("b"))
    branch = "exp" if verb == "revert" else "main"
    repo.put(branch, "o", b"2")
    version = repo.table(branch, "t").version
    assert version is not None
    write(repo, branch, "t", version + 1, remove("b" if verb == "revert" else "a"), add("c"))
    with pytest.raises(MergeConflict) as raised:
        (repo.revert if verb == "revert" else repo.cherry_pick)(branch, ApplyRequest(changed))
    plain, table = sorted(raised.value.conflicts, key=lambda conflict: conflict.path)
    assert "--take" not in f"{raised.value} {plain.hint} {table.hint}"
    for conflict, option in ((plain, "--path o"), (table, "--table t")):
        ref = conflict.hint.rpartition("--to ")[2].split()[0]
        assert conflict.hint.endswith(f": lakegate rollback {branch} --to {ref} {option}")
        paths = () if conflict.table else ("o",)
        repo.rollback(branch, RollbackRequest(ref, ("t",) if conflict.table else (), paths))
    assert live(repo, branch, "t") == ({"a"} if verb == "revert" else {"b"})


# -- vacuums ----------------------------------------------------------------------------------------------------------


def test_a_vacuum_that_no_log_tells_of_takes_nothing_from_the_destination(repo: EmbeddedRepository) -> None:
    first = write(repo, "main", "t", 0, protocol(), metadata(), add("a"))
    write(repo, "main", "t", 1, remove("a"), add("b"))
    repo.create_branch("exp", "main")
    repo.delete("exp", "t/a")
    repo.put("exp", "other", b"1")
    repo.commit("exp", CommitRequest("a vacuum, and something else"))
    repo.rollback("main", RollbackRequest(first))
    for request in (MergeRequest(dry_run=True), MergeRequest()):
        outcome = repo.merge("exp", "main", request)
        assert (outcome.conflicts, outcome.changes.removed, outcome.changes.added) == ((), 0, 1)
    assert live(repo, "main", "t") == {"a"}
    assert repo.open("main", "t/a").read() == b"0123456789"


# -- merges again and again -------------------------------------------------------------------------------------------


@pytest.fixture
def logs_read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The log files that are read from the store, with no commit kept in memory."""
    found: list[str] = []

    def counted(ctx: RepositoryContext, table: str, entry: Entry) -> bytes:
        found.append(entry.path)
        return read_bytes(ctx, table, entry)

    monkeypatch.setattr(log, "read_bytes", counted)
    monkeypatch.setattr(log, "_CACHE_LARGEST", 0)
    return found


@pytest.mark.parametrize(("both_ways", "deletes"), [(False, False), (True, False), (False, True)])
def test_a_merge_reads_what_is_new_however_many_came_before(
    repo: EmbeddedRepository, logs_read: list[str], both_ways: bool, deletes: bool
) -> None:
    write(repo, "main", "t", 0, protocol(), metadata(), add("a"))
    repo.create_branch("exp", "main")
    expected, reads = {"a"}, list[list[int]]()
    for step in range(6):
        for branch in ("main", "exp"):
            version = repo.table(branch, "t").version
            assert version is not None
            gone = {f"exp{step - 1}"} & expected if deletes and branch == "exp" else set[str]()
            write(repo, branch, "t", version + 1, *map(remove, gone), add(f"{branch}{step}"))
            expected = (expected - gone) | {f"{branch}{step}"}
        reads.append([])
        for source, destination in (("exp", "main"), ("main", "exp"))[: 1 + both_ways]:
            logs_read.clear()
            (report,) = repo.merge(source, destination, MergeRequest(dry_run=True)).tables
            assert report.outcome is TableOutcome.REPLAYED
            reads[-1].append(len(logs_read))
            repo.merge(source, destination)
            assert live(repo, destination, "t") == expected
    # A delete is held against all that the destination wrote since the branches parted, but not what merges brought.
    assert all(max(found) <= 5 + deletes * step for step, found in enumerate(reads)), reads


@pytest.mark.parametrize("beside", [False, True])
def test_equal_states_reached_in_another_order_keep_their_logs(repo: EmbeddedRepository, beside: bool) -> None:
    write(repo, "main", "t", 0, protocol(), metadata(), add("a"))
    repo.create_branch("exp", "main")
    write(repo, "exp", "t", 1, add("s"))
    write(repo, "main", "t", 1, add("d"))
    repo.merge("exp", "main")
    repo.merge("main", "exp")
    if beside:
        repo.put("exp", "beside", b"x")
        repo.put("exp", "t/_delta_log/00000000000000000002.json.crc", b"of exp's log")
        repo.commit("exp", CommitRequest("beside the table, and what its client keeps house with"))
    published = {entry.path: entry for entry in repo.list("main", ListRequest("t/", "", 1000)).items}
    assert repo.table("main", "t").digest == repo.table("exp", "t").digest
    for dry_run in (True, False):
        outcome = repo.merge("exp", "main", MergeRequest(dry_run=dry_run))
        assert (outcome.changes.added, outcome.changes.changed) == (int(beside), 0)
    assert {entry.path: entry for entry in repo.list("main", ListRequest("t/", "", 1000)).items} == published
    write(repo, "exp", "t", 3, add("s2"))
    write(repo, "main", "t", 3, add("d2"))
    repo.merge("exp", "main")
    assert live(repo, "main", "t") == {"a", "s", "d", "s2", "d2"}


# -- logs that were cleaned up ----------------------------------------------------------------------------------------


def compact_and_clean(repo: EmbeddedRepository, branch: str, version: int, into: str) -> None:
    """Compacts a table, vacuums it, and leaves of its log a checkpoint only; each is a commit."""
    before, rows = live(repo, branch, "t"), repo.table(branch, "t").rows
    whole = add(into, rows=rows, dataChange=False)
    write(repo, branch, "t", version, *(remove(path, dataChange=False) for path in sorted(before)), whole)
    repo.put(branch, f"t/_delta_log/{version:020d}.checkpoint.x.json", log_body(protocol(), metadata(), whole))
    gone = [*(f"t/{path}" for path in before), *(commit_path("t", number) for number in range(version + 1))]
    repo.delete_many(branch, gone)
    repo.commit(branch, CommitRequest("vacuum and log clean-up"))
    assert live(repo, branch, "t") == {into}


@pytest.fixture
def squashed(repo: EmbeddedRepository) -> EmbeddedRepository:
    """A table of which `main` has one row, and another that it took from `exp` by a squash merge."""
    write(repo, "main", "t", 0, protocol(), metadata(), add("a"))
    repo.create_branch("exp", "main")
    write(repo, "exp", "t", 1, add("s"))
    repo.merge("exp", "main", MergeRequest(squash=True))
    return repo


@pytest.mark.parametrize("replayed", [False, True])
def test_rows_that_came_by_a_squash_merge_do_not_come_again(squashed: EmbeddedRepository, replayed: bool) -> None:
    if replayed:
        write(squashed, "main", "t", 2, add("d"))
        write(squashed, "exp", "t", 2, add("s2"))
        squashed.merge("exp", "main", MergeRequest(squash=True))
        assert squashed.table("main", "t").version == 3
    rows = squashed.table("main", "t").rows
    compact_and_clean(squashed, "main", 4 if replayed else 2, "whole")
    outcome = squashed.merge("exp", "main")
    (report,) = outcome.tables
    assert (str(report.outcome), report.note) == ("unchanged", "the destination has it already")
    assert (live(squashed, "main", "t"), squashed.table("main", "t").rows) == ({"whole"}, rows)


def test_rows_that_the_destination_deleted_do_not_come_back(squashed: EmbeddedRepository) -> None:
    write(squashed, "main", "t", 2, remove("s"))
    compact_and_clean(squashed, "main", 3, "whole")
    squashed.merge("exp", "main")
    assert live(squashed, "main", "t") == {"whole"}
    assert squashed.table("main", "t").rows == 1


def test_a_source_that_was_compacted_and_cleaned_brings_no_row_twice(squashed: EmbeddedRepository) -> None:
    write(squashed, "main", "t", 2, add("d"))
    compact_and_clean(squashed, "exp", 2, "whole")
    write(squashed, "exp", "t", 3, add("s2"))
    squashed.merge("exp", "main")
    assert squashed.table("main", "t").rows == 4


def test_a_cherry_pick_brings_no_row_twice(squashed: EmbeddedRepository) -> None:
    compact_and_clean(squashed, "main", 2, "whole")
    with pytest.raises(Refused, match="changes nothing"):
        squashed.cherry_pick("main", ApplyRequest("exp"))
    assert squashed.table("main", "t").rows == 2


def test_files_that_no_log_tells_of_are_a_conflict_where_a_commit_had_them(repo: EmbeddedRepository) -> None:
    write(repo, "main", "t", 0, protocol(), metadata(), add("a"))
    repo.create_branch("exp", "main")
    write(repo, "exp", "t", 1, add("s"))
    both = (protocol(), metadata(), add("a", dataChange=False), add("s", dataChange=False))
    for path in ("s", "_delta_log/00000000000000000001.checkpoint.x.json"):  # a tool that copies tables
        repo.put("main", f"t/{path}", log_body(*both) if "log" in path else b"0123456789")
    repo.commit("main", CommitRequest("copied"))
    compact_and_clean(repo, "main", 2, "whole")
    with pytest.raises(MergeConflict) as raised:
        repo.merge("exp", "main")
    assert [conflict.kind for conflict in raised.value.conflicts] == [ConflictKind.CONCURRENT_DELETE_DELETE]


def test_a_table_that_nothing_comes_into_says_why(repo: EmbeddedRepository) -> None:
    write(repo, "main", "t", 0, protocol(), metadata(), add("a"))
    repo.create_branch("exp", "main")
    write(repo, "exp", "t", 1, add("a", rows=2, dataChange=False))
    write(repo, "main", "t", 1, remove("a"))
    (report,) = repo.merge("exp", "main").tables
    assert (str(report.outcome), report.versions[0].destination) == ("unchanged", None)
    assert report.note == "statistics of files that the destination changed: left out"

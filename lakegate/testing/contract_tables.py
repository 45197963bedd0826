"""What every repository must do with tables: versions, files, rows, history, differences, merges, rollbacks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from lakegate.errors import ErrorKind, MergeConflict, NotFound
from lakegate.interface import Repository
from lakegate.model import (
    ApplyRequest,
    Commit,
    CommitRequest,
    ImportKind,
    ImportRequest,
    ImportSource,
    ListRequest,
    MergeRequest,
    Resolution,
    RollbackMode,
    RollbackRequest,
    TableChangeKind,
    TableFormat,
    TableOutcome,
    Take,
)
from lakegate.testing import delta
from lakegate.testing.contract_work import all_pages, commit, refused
from lakegate.testing.table_files import parquet_bytes


def put_version(
    repo: Repository,
    branch: str,
    path: str,
    version: int,
    adds: Mapping[str, Sequence[int]],
    removes: Sequence[str] = (),
) -> None:
    """Puts one version of a Delta table with the column `id`: files by name with their ids, and files removed."""
    lines: list[delta.Line] = [{"commitInfo": {"operation": "WRITE", "timestamp": 1_700_000_000_000 + version}}]
    if version == 0:
        lines += [delta.protocol(), delta.metadata()]
    for name in removes:
        lines.append(delta.remove(f"{name}.parquet"))
    for name, ids in adds.items():
        data = parquet_bytes({"id": list(ids)})
        repo.put(branch, f"{path}/{name}.parquet", data)
        lines.append(delta.add(f"{name}.parquet", rows=len(ids), size=len(data)))
    repo.put(branch, f"{path}/_delta_log/{version:020d}.json", delta.log_body(*lines))


def commit_version(
    repo: Repository,
    branch: str,
    version: int,
    adds: Mapping[str, Sequence[int]],
    removes: Sequence[str] = (),
) -> Commit:
    """The same of the table `t`, and commits."""
    put_version(repo, branch, "t", version, adds, removes)
    return repo.commit(branch, CommitRequest(f"version {version}"))


def rows(repo: Repository, ref: str, path: str = "t") -> list[int]:
    """The ids of a table, sorted."""
    return sorted(row[0] for row in repo.table_preview(ref, path, 100).rows)


class TablesContract:
    """The contract of `lakegate.interface.Repository` for tables."""

    def test_a_table_is_found_in_a_commit(self, repo: Repository) -> None:
        put_version(repo, "main", "sales/t ü", 0, {"one": [1, 2, 3]})
        assert repo.tables("main").items == ()
        repo.commit("main", CommitRequest("a table"))
        table = repo.table("main", "sales/t ü")
        assert (table.path, table.format, table.version) == ("sales/t ü", TableFormat.DELTA, 0)
        assert (table.files, table.rows, table.partition_columns) == (1, 3, ())
        assert table.bytes == repo.stat("main", "sales/t ü/one.parquet").size
        assert json.loads(table.schema)["fields"][0]["name"] == "id"
        assert table.protocol is not None
        assert (table.protocol.min_reader, table.protocol.min_writer) == (1, 2)
        assert table.digest.startswith("sha256:")
        assert repo.tables("main").items == (table,)
        assert repo.manifest("main").tables == 1
        assert repo.table("main", "sales/t ü/") == table

    def test_a_parquet_dataset(self, repo: Repository) -> None:
        for month in (1, 2):
            repo.put("main", f"d/month={month}/x.parquet", parquet_bytes({"id": [1, 2]}))
        repo.commit("main", CommitRequest("a dataset"))
        table = repo.table("main", "d")
        assert (table.format, table.version, table.partition_columns) == (TableFormat.PARQUET, None, ("month",))
        assert (table.files, table.rows) == (2, 4)
        files = repo.table_files("main", "d").items
        assert [(file.path, dict(file.partition)) for file in files] == [
            ("month=1/x.parquet", {"month": "1"}),
            ("month=2/x.parquet", {"month": "2"}),
        ]

    def test_what_makes_an_end_of_a_dataset_is_told_with_the_commit(self, repo: Repository, tmp_path: Path) -> None:
        said = ("d is no table any more: 'd/notes.txt' is no Parquet file.",)
        repo.put("main", "d/a.parquet", parquet_bytes({"x": [1]}))
        assert repo.commit("main", CommitRequest("a dataset")).warnings == ()
        repo.create_branch("exp", "main")
        repo.create_branch("other", "main")
        repo.put("exp", "d/notes.txt", b"x")
        made = repo.commit("exp", CommitRequest("notes"))
        assert made.warnings == said
        assert repo.commit_of(made.id).warnings == ()
        assert repo.cherry_pick("other", ApplyRequest("exp")).warnings == said
        merged = repo.merge("exp", "main").commit
        assert merged is not None
        assert merged.warnings == said
        assert repo.revert("other", ApplyRequest("other")).warnings == ()
        rolled_back = repo.rollback("other", RollbackRequest("exp")).commit
        assert rolled_back is not None
        assert rolled_back.warnings == said
        repo.create_branch("third", "main~1")
        (tmp_path / "notes.txt").write_text("x")
        source = ImportSource(ImportKind.OBJECT, str(tmp_path / "notes.txt"), "d/notes.txt")
        job = repo.import_("third", ImportRequest((source,), CommitRequest("notes")))
        assert job.result["warnings"] == list(said)

    def test_tables_and_files_in_pages(self, repo: Repository) -> None:
        for path in ("a", "b/x", "b/y", "c"):
            put_version(repo, "main", path, 0, {name: [1] for name in ("one", "two", "zzz")})
        repo.commit("main", CommitRequest("tables"))
        assert [t.path for t in all_pages(lambda after: repo.tables("main", "", after, 2))] == ["a", "b/x", "b/y", "c"]
        assert [t.path for t in repo.tables("main", "b/").items] == ["b/x", "b/y"]
        assert [t.path for t in repo.tables("main", after="b/y").items] == ["c"]
        files = all_pages(lambda after: repo.table_files("main", "a", after, 2))
        assert [(file.path, file.rows) for file in files] == [(f"{n}.parquet", 1) for n in ("one", "two", "zzz")]
        assert json.loads(files[0].action or "")["path"] == "one.parquet"

    def test_what_is_not_there(self, repo: Repository) -> None:
        commit(repo, "main", {"plain": "x"})
        for path in ("none", "plain", "", "/"):
            for look in (repo.table, repo.table_files, repo.table_history, repo.table_preview):
                with refused(NotFound, ErrorKind.TABLE_NOT_FOUND):
                    look("main", path)
        with refused(NotFound, ErrorKind.REF_NOT_FOUND):
            repo.tables("none")
        with refused(NotFound, ErrorKind.REF_NOT_FOUND):
            repo.table_diff("main", "none")

    def test_the_first_rows(self, repo: Repository) -> None:
        commit_version(repo, "main", 0, {"one": [1, 2, 3], "two": [4]})
        preview = repo.table_preview("main", "t")
        assert preview.columns == ("id",)
        assert sorted(preview.rows) == [(1,), (2,), (3,), (4,)]
        assert len(repo.table_preview("main", "t", 2).rows) == 2
        assert repo.table_preview("main", "t", 0).rows == ()

    def test_the_history_joins_versions_and_commits(self, repo: Repository) -> None:
        made = [commit_version(repo, "main", 0, {"one": [1]}), commit_version(repo, "main", 1, {"two": [2]})]
        history = repo.table_history("main", "t")
        assert [(item.version, item.operation, item.commit) for item in history] == [
            (1, "WRITE", made[1].id),
            (0, "WRITE", made[0].id),
        ]
        assert (history[0].message, history[0].committer) == ("version 1", made[1].committer)
        assert history[0].timestamp > 0
        assert [item.version for item in repo.table_history("main", "t", 1)] == [1]

    def test_differences_of_tables(self, repo: Repository) -> None:
        first = commit_version(repo, "main", 0, {"one": [1, 2]})
        put_version(repo, "main", "new", 0, {"x": [1]})
        put_version(repo, "main", "t", 1, {"two": [3]}, ["one"])
        repo.commit("main", CommitRequest("both"))
        created, changed = repo.table_diff(first.id, "main").items
        assert (created.path, created.kind, created.left) == ("new", TableChangeKind.CREATED, None)
        assert created.right == repo.table("main", "new")
        assert (changed.path, changed.kind) == ("t", TableChangeKind.CHANGED)
        assert (changed.left, changed.right) == (repo.table(first.id, "t"), repo.table("main", "t"))
        assert (changed.files_added, changed.files_removed, changed.rows_added, changed.rows_removed) == (1, 1, 1, 2)
        assert changed.operations == ("WRITE",)
        dropped = repo.table_diff("main", first.id).items[0]
        assert (dropped.path, dropped.kind, dropped.right) == ("new", TableChangeKind.DROPPED, None)
        assert all_pages(lambda after: repo.table_diff(first.id, "main", "", after, 1)) == [created, changed]
        assert repo.table_diff(first.id, "main", "t").items == (changed,)

    def test_uncommitted_changes_of_tables(self, repo: Repository) -> None:
        commit_version(repo, "main", 0, {"one": [1, 2]})
        put_version(repo, "main", "gone", 0, {"x": [1]})
        before = repo.commit("main", CommitRequest("another"))
        assert repo.uncommitted_tables("main").items == ()
        put_version(repo, "main", "new", 0, {"x": [1]})
        put_version(repo, "main", "t", 1, {"two": [3]}, ["one"])
        repo.put("main", "d/a.parquet", parquet_bytes({"id": [1, 2]}))
        for change in repo.list("main", ListRequest("gone/")).items:
            repo.delete("main", change.path)
        found = repo.uncommitted_tables("main").items
        assert [(diff.path, diff.kind, diff.rows_added, diff.rows_removed) for diff in found] == [
            ("d", TableChangeKind.CREATED, 2, 0),
            ("gone", TableChangeKind.DROPPED, 0, 1),
            ("new", TableChangeKind.CREATED, 1, 0),
            ("t", TableChangeKind.CHANGED, 1, 2),
        ]
        assert all_pages(lambda after: repo.uncommitted_tables("main", "", after, 1)) == list(found)
        assert repo.branch("main").commit == before.id
        made = repo.commit("main", CommitRequest("all of it"))
        assert repo.table_diff(before.id, made.id).items == found
        assert repo.uncommitted_tables("main").items == ()
        with refused(NotFound, ErrorKind.BRANCH_NOT_FOUND):
            repo.uncommitted_tables("none")

    def test_a_table_that_both_sides_changed(self, repo: Repository) -> None:
        commit_version(repo, "main", 0, {"one": [1], "two": [2]})
        repo.create_branch("exp", "main")
        commit_version(repo, "exp", 1, {"exp": [10]}, ["one"])
        before = commit_version(repo, "main", 1, {"main": [20]}, ["one"])
        with pytest.raises(MergeConflict) as caught:
            repo.merge("exp", "main")
        conflict = caught.value.conflicts[0]
        assert (conflict.table, conflict.path) == ("t", "t")
        assert (conflict.base.version, conflict.source.version, conflict.destination.version) == (0, 1, 1)
        assert (conflict.source.operations, conflict.destination.operations) == (("WRITE",), ("WRITE",))
        assert conflict.hint
        assert repo.branch("main").commit == before.id
        dry = repo.merge("exp", "main", MergeRequest(dry_run=True))
        assert dry.conflicts == caught.value.conflicts
        assert [(table.path, table.outcome) for table in dry.tables] == [("t", TableOutcome.CONFLICT)]

    @pytest.mark.parametrize(("take", "expected"), [(Take.SOURCE, [2, 10]), (Take.DESTINATION, [2, 20])])
    def test_a_resolution_takes_one_side_of_a_table(self, repo: Repository, take: Take, expected: list[int]) -> None:
        commit_version(repo, "main", 0, {"one": [1], "two": [2]})
        repo.create_branch("exp", "main")
        commit_version(repo, "exp", 1, {"exp": [10]}, ["one"])
        commit_version(repo, "main", 1, {"main": [20]}, ["one"])
        outcome = repo.merge("exp", "main", MergeRequest(resolutions=(Resolution("t", take),)))
        assert outcome.commit is not None
        assert [table.path for table in outcome.tables] == ["t"]
        assert rows(repo, "main") == expected
        version = repo.table("main", "t").version
        assert version is not None
        assert version >= 1

    @pytest.mark.parametrize("mode", list(RollbackMode))
    def test_a_rollback_of_a_table(self, repo: Repository, mode: RollbackMode) -> None:
        good = commit_version(repo, "main", 0, {"one": [1, 2]})
        commit_version(repo, "main", 1, {"bad": [666]}, ["one"])
        commit(repo, "main", {"other": "kept"})
        outcome = repo.rollback("main", RollbackRequest(good.id, tables=("t",), mode=mode))
        assert [(table.path, table.outcome) for table in outcome.tables] == [("t", TableOutcome.ROLLED_BACK)]
        assert rows(repo, "main") == [1, 2]
        assert repo.table("main", "t").version == (2 if mode is RollbackMode.FORWARD else 0)
        assert bool(outcome.warnings) == (mode is RollbackMode.EXACT)
        assert repo.open("main", "other").read() == b"kept"
        with refused(NotFound, ErrorKind.TABLE_NOT_FOUND):
            repo.rollback("main", RollbackRequest(good.id, tables=("none",)))

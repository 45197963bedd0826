"""Delta tables whose rows lakegate merged by key, read by clients that know nothing of lakegate."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake

from lakegate.lake import EmbeddedLake
from lakegate.model import CommitRequest, ExportRequest, MergeRequest, Resolution, TableOutcome, Take
from lakegate.repository import EmbeddedRepository
from lakegate.testing.delta_rows import agreed_rows
from lakegate.testing.table_files import put_folder

BY_ID = Resolution("t", Take.ROWS, ("id",))


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[EmbeddedRepository]:
    with EmbeddedLake.create(tmp_path / "lake", environment={"LAKEGATE_STORAGE_FSYNC": "false"}) as lake:
        lake.create_repository("sales")
        yield lake.repository("sales")


def commit_folder(repo: EmbeddedRepository, branch: str, folder: Path) -> None:
    put_folder(repo, branch, folder, "t")
    repo.commit(branch, CommitRequest("change"))


def exported(repo: EmbeddedRepository, folder: Path) -> Path:
    repo.export(ExportRequest("main", str(folder)))
    return folder / "t"


def orders(ids: list[int], day: str) -> pa.Table:
    return pa.table(
        {
            "day": [day] * len(ids),
            "id": pa.array(ids, pa.int64()),
            "amount": pa.array([float(i) for i in ids], pa.float64()),
            "on": pa.array([20_000 + i for i in ids], pa.date32()),
            "tags": pa.array([["x", None] if i % 2 else None for i in ids], pa.list_(pa.string())),
        }
    )


def changed(repo: EmbeddedRepository, tmp_path: Path, *partition_by: str) -> None:
    """A table that both branches changed: 1 and 2 in one file, 5 deleted, 7 inserted."""
    base, exp = tmp_path / "base", tmp_path / "exp"
    write_deltalake(base, orders([1, 2, 3], "2026-01-01"), partition_by=list(partition_by) or None)
    write_deltalake(base, orders([4, 5, 6], "2026-01-02"), mode="append")
    commit_folder(repo, "main", base)
    repo.create_branch("exp", "main")
    shutil.copytree(base, exp)
    ours, theirs = DeltaTable(exp), DeltaTable(base)
    ours.update(updates={"amount": "amount + 100"}, predicate="id = 1")
    ours.delete("id = 5")
    write_deltalake(exp, orders([7], "odd day/\u00fc%"), mode="append")
    theirs.update(updates={"amount": "amount + 1000"}, predicate="id = 2")
    commit_folder(repo, "exp", exp)
    commit_folder(repo, "main", base)


@pytest.mark.parametrize("partition_by", [(), ("day",)])
def test_all_readers_see_both_sides_rows(
    repo: EmbeddedRepository, tmp_path: Path, partition_by: tuple[str, ...]
) -> None:
    changed(repo, tmp_path, *partition_by)
    outcome = repo.merge("exp", "main", MergeRequest(resolutions=(BY_ID,)))
    (report,) = outcome.tables
    assert (report.outcome, report.to_version) == (TableOutcome.MERGED_ROWS, 3)
    assert (report.rows_added, report.rows_removed) == (2, 2)
    folder = exported(repo, tmp_path / "out")
    rows = {row["id"]: row for row in map(json.loads, agreed_rows(folder).elements())}
    assert {key: row["amount"] for key, row in rows.items()} == {1: 101.0, 2: 1002.0, 3: 3.0, 4: 4.0, 6: 6.0, 7: 7.0}
    assert rows[7]["day"] == "odd day/\u00fc%"
    assert rows[1]["tags"] == ["x", None]
    before = agreed_rows(folder, version=2)
    assert before.total() == 6  # the version before the merge is still there
    write_deltalake(folder, orders([8], "2026-01-03"), mode="append")
    DeltaTable(folder).optimize.compact()
    DeltaTable(folder).create_checkpoint()
    assert agreed_rows(folder).total() == 7


def test_statistics_let_readers_skip_files_and_never_rows(repo: EmbeddedRepository, tmp_path: Path) -> None:
    changed(repo, tmp_path)
    repo.merge("exp", "main", MergeRequest(resolutions=(BY_ID,)))
    table = DeltaTable(exported(repo, tmp_path / "out"))
    for action in pa.table(table.get_add_actions(flatten=True)).to_pylist():
        held = _file_rows(Path(table.table_uri.removeprefix("file://")), action["path"])
        assert action["num_records"] == held.num_rows
        ids = held["id"].to_pylist()
        assert (action["min.id"], action["max.id"]) == (min(ids), max(ids))
        assert (action["min.on"], action["max.on"]) == (min(held["on"].to_pylist()), max(held["on"].to_pylist()))
        assert action["null_count.amount"] == 0


def test_a_stream_that_wrote_on_the_source_does_not_write_its_batches_again(
    repo: EmbeddedRepository, tmp_path: Path
) -> None:
    """The merge brings the batches' rows, so it brings the stream's mark too."""
    base, exp = tmp_path / "base", tmp_path / "exp"
    write_deltalake(base, orders([1, 2], "2026-01-01"))
    commit_folder(repo, "main", base)
    repo.create_branch("exp", "main")
    shutil.copytree(base, exp)
    batch = CommitProperties(app_transactions=[Transaction("stream", 7)])
    write_deltalake(exp, orders([3], "2026-01-02"), mode="append", commit_properties=batch)
    commit_folder(repo, "exp", exp)
    DeltaTable(base).update(updates={"amount": "amount + 1"}, predicate="id = 1")
    commit_folder(repo, "main", base)
    repo.merge("exp", "main", MergeRequest(resolutions=(BY_ID,)))
    folder = exported(repo, tmp_path / "out")
    assert agreed_rows(folder).total() == 3
    assert DeltaTable(folder).transaction_version("stream") == 7


def _file_rows(folder: Path, path: str) -> pa.Table:
    import pyarrow.parquet as pq

    return pq.read_table(folder / path)

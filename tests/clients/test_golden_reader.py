"""The golden Delta tables: committed, branched, and read back through the library as they should be.

They lie in ../shared/data/delta-golden beside the project, or where LAKEGATE_GOLDEN_TABLES says; without them the
tests are skipped.
"""

from __future__ import annotations

import os
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from lakegate.errors import ErrorKind, InvalidInput, Refused
from lakegate.model import CommitRequest, TableFormat
from lakegate.repository import EmbeddedLake, EmbeddedRepository
from lakegate.snapshot import Snapshot
from lakegate.tables import reader
from lakegate.tables.preview import preview
from lakegate.testing.table_files import put_folder, tables_at

GOLDEN = Path(
    os.environ.get("LAKEGATE_GOLDEN_TABLES") or Path(__file__).parents[2] / ".." / "shared" / "data" / "delta-golden"
)
ARCHIVES = sorted(GOLDEN.glob("*.tar.zst")) if GOLDEN.is_dir() else []
REFUSED = {
    "canonicalized-paths-normal-b": ErrorKind.DELTA_PATH_FORBIDDEN,
    "canonicalized-paths-special-b": ErrorKind.DELTA_PATH_FORBIDDEN,
    "deltalog-commit-info": ErrorKind.DELTA_LOG_INVALID,
    "deltalog-invalid-protocol-version": ErrorKind.DELTA_FEATURE_UNKNOWN,
    "deltalog-state-reconstruction-from-checkpoint-missing-protocol": ErrorKind.DELTA_LOG_INVALID,
    "deltalog-state-reconstruction-without-protocol": ErrorKind.DELTA_LOG_INVALID,
    "update-deleted-directory": ErrorKind.DELTA_LOG_INVALID,
}
NO_LOG = "no-delta-log-folder"

pytestmark = pytest.mark.skipif(
    not ARCHIVES, reason=f"there are no golden tables in {GOLDEN} (set LAKEGATE_GOLDEN_TABLES)"
)


def name_of(archive: Path) -> str:
    return archive.name.removesuffix(".tar.zst")


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRepository]:
    home = tmp_path_factory.mktemp("golden") / "lake"
    with EmbeddedLake.create(home, environment={"LAKEGATE_STORAGE_FSYNC": "false"}) as lake:
        lake.create_repository("golden")
        yield lake.repository("golden")


@pytest.fixture
def unpacked(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    archive: Path = request.param
    with (
        archive.open("rb") as file,
        zstandard.ZstdDecompressor().stream_reader(file) as stream,
        tarfile.open(fileobj=stream, mode="r|") as content,
    ):
        content.extractall(tmp_path, filter="data")
    return tmp_path / name_of(archive)


def archives(*names: str, without: bool = False) -> Any:
    chosen = [archive for archive in ARCHIVES if (name_of(archive) in names) != without]
    return pytest.mark.parametrize("unpacked", chosen, ids=name_of, indirect=True)


@archives(*REFUSED, NO_LOG, without=True)
def test_rows_are_read_back(repo: EmbeddedRepository, unpacked: Path) -> None:
    name = unpacked.name
    repo.create_branch(name, "main")
    put_folder(repo, name, unpacked / "delta", f"golden/{name}")
    repo.commit(name, CommitRequest("golden"))
    repo.create_branch(f"{name}-again", name)
    table = tables_at(repo.ctx, repo, f"{name}-again")[f"golden/{name}"]
    snapshot = Snapshot.at(repo.ctx, repo.commit_of(f"{name}-again").id)
    files = (unpacked / "expected").rglob("*.parquet")
    expected = pa.concat_tables([pq.ParquetFile(file).read() for file in files], promote_options="permissive")

    dataset = reader.dataset(repo.ctx, snapshot, table)
    found = dataset.to_table()
    assert found.schema.remove_metadata() == expected.schema.remove_metadata()
    assert rows(found) == rows(expected)
    assert rows(reader.batches(repo.ctx, snapshot, table).read_all()) == rows(expected)
    assert dataset.count_rows() == expected.num_rows
    assert table.rows in (None, expected.num_rows)
    assert len(preview(repo.ctx, snapshot, table, 5).rows) == min(5, expected.num_rows)


@archives(*REFUSED)
def test_broken_tables_are_refused(repo: EmbeddedRepository, unpacked: Path) -> None:
    name = unpacked.name
    branch = name[:60]
    repo.create_branch(branch, "main")
    head = repo.commit_of(branch).id

    def take_in() -> None:
        put_folder(repo, branch, unpacked / "delta", f"golden/{name}")
        repo.commit(branch, CommitRequest("golden"))

    with pytest.raises(Refused) as caught:
        take_in()
    assert caught.value.kind is REFUSED[name]
    assert name in caught.value.message
    assert caught.value.hint
    assert repo.commit_of(branch).id == head


@archives(NO_LOG)
def test_a_folder_without_a_log_is_no_delta_table(repo: EmbeddedRepository, unpacked: Path) -> None:
    repo.create_branch("no-log", "main")
    put_folder(repo, "no-log", unpacked / "delta", "golden/no-log")
    repo.commit("no-log", CommitRequest("golden"))
    assert tables_at(repo.ctx, repo, "no-log")["golden/no-log"].format is TableFormat.PARQUET
    repo.put("no-log", ".lakegate/tables.yaml", b"tables: [{path: golden/no-log, format: delta}]")
    with pytest.raises((Refused, InvalidInput), match="holds no Delta log"):
        repo.commit("no-log", CommitRequest("golden"))


def rows(table: pa.Table) -> Counter[Any]:
    columns = sorted(table.column_names)
    return Counter(tuple(hashable(row[name]) for name in columns) for row in table.to_pylist())


def hashable(value: Any) -> Any:
    if isinstance(value, dict):
        return tuple((key, hashable(item)) for key, item in sorted(value.items()))
    if isinstance(value, list | tuple):
        return tuple(hashable(item) for item in value)
    return repr(value)

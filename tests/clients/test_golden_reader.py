"""The golden Delta tables: committed, branched, and read back through the library as they should be.

They lie in ../shared/data/delta-golden beside the project, or where LAKEGATE_GOLDEN_TABLES says; without them the
tests are skipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lakegate.errors import InvalidInput, Refused
from lakegate.lake import EmbeddedLake
from lakegate.model import CommitRequest, TableFormat
from lakegate.repository import EmbeddedRepository
from lakegate.snapshot import Snapshot
from lakegate.tables import reader
from lakegate.tables.preview import preview
from lakegate.testing.golden import BROKEN, NO_LOG, archives, expected_rows, reason, rows, unpack
from lakegate.testing.table_files import put_folder, tables_at

pytestmark = pytest.mark.skipif(not archives(), reason=reason())


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRepository]:
    home = tmp_path_factory.mktemp("golden") / "lake"
    with EmbeddedLake.create(home, environment={"LAKEGATE_STORAGE_FSYNC": "false"}) as lake:
        lake.create_repository("golden")
        yield lake.repository("golden")


@pytest.fixture
def unpacked(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return unpack(request.param, tmp_path)


def tables(*, broken: bool) -> Any:
    chosen = [name for name in archives() if (name in BROKEN) == broken and name != NO_LOG]
    return pytest.mark.parametrize("unpacked", chosen, indirect=True)


@tables(broken=False)
def test_rows_are_read_back(repo: EmbeddedRepository, unpacked: Path) -> None:
    name = unpacked.name
    repo.create_branch(name, "main")
    put_folder(repo, name, unpacked / "delta", f"golden/{name}")
    repo.commit(name, CommitRequest("golden"))
    repo.create_branch(f"{name}-again", name)
    table = tables_at(repo.ctx, repo, f"{name}-again")[f"golden/{name}"]
    snapshot = Snapshot.at(repo.ctx, repo.commit_of(f"{name}-again").id)
    expected = expected_rows(unpacked)

    dataset = reader.dataset(repo.ctx, snapshot, table)
    found = dataset.to_table()
    assert found.schema.remove_metadata() == expected.schema.remove_metadata()
    assert rows(found) == rows(expected)
    assert rows(reader.batches(repo.ctx, snapshot, table).read_all()) == rows(expected)
    assert dataset.count_rows() == expected.num_rows
    assert table.rows in (None, expected.num_rows)
    assert len(preview(repo.ctx, snapshot, table, 5).rows) == min(5, expected.num_rows)


@tables(broken=True)
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
    assert caught.value.kind is BROKEN[name]
    assert name in caught.value.message
    assert caught.value.hint
    assert repo.commit_of(branch).id == head


@pytest.mark.parametrize("unpacked", [NO_LOG], indirect=True)
def test_a_folder_without_a_log_is_no_delta_table(repo: EmbeddedRepository, unpacked: Path) -> None:
    repo.create_branch("no-log", "main")
    put_folder(repo, "no-log", unpacked / "delta", "golden/no-log")
    repo.commit("no-log", CommitRequest("golden"))
    assert tables_at(repo.ctx, repo, "no-log")["golden/no-log"].format is TableFormat.PARQUET
    repo.put("no-log", ".lakegate/tables.yaml", b"tables: [{path: golden/no-log, format: delta}]")
    with pytest.raises((Refused, InvalidInput), match="holds no Delta log"):
        repo.commit("no-log", CommitRequest("golden"))

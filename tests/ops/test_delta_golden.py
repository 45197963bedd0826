"""Golden Delta tables: states as other clients see them, and broken logs refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from lakegate.context import RepositoryContext
from lakegate.errors import ErrorKind, LakegateError, Refused
from lakegate.lake import EmbeddedLake
from lakegate.tables.delta.state import load
from lakegate.testing.delta import folder_snapshot, live_files
from lakegate.testing.golden import BROKEN, NO_LOG, archives, reason, unpack

REFUSED = {**BROKEN, NO_LOG: ErrorKind.DELTA_LOG_INVALID}
NAMES = archives()

pytestmark = pytest.mark.skipif(not NAMES, reason=reason())


@pytest.fixture(scope="module")
def ctx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RepositoryContext]:
    home = tmp_path_factory.mktemp("golden") / "lake"
    with EmbeddedLake.create(home, environment={"LAKEGATE_STORAGE_FSYNC": "false"}) as lake:
        lake.create_repository("golden")
        yield lake.repository("golden").ctx


@pytest.fixture
def golden(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    return unpack(request.param, tmp_path)


@pytest.mark.parametrize("golden", [name for name in NAMES if name not in REFUSED], indirect=True)
def test_a_golden_table_has_the_files_and_rows_that_it_should(ctx: RepositoryContext, golden: Path) -> None:
    table = load(ctx, folder_snapshot(ctx, golden / "delta"), "t")
    files = live_files(ctx, table)
    assert table.files == len(files)
    assert table.bytes == sum(file.size for file in files.values())
    if not files:
        assert table.rows == 0
    elif table.rows is not None:
        expected = sum(pq.read_metadata(file).num_rows for file in (golden / "expected").glob("*.parquet"))
        assert table.rows == expected
    oracle = DeltaTable(golden / "delta")
    assert table.version == oracle.version()
    assert table.table_id == str(oracle.metadata().id)
    assert dict(table.properties) == oracle.metadata().configuration
    assert table.partition_columns == tuple(oracle.metadata().partition_columns)
    uris = {Path(uri.removeprefix("file://")).relative_to(golden / "delta").as_posix() for uri in oracle.file_uris()}
    assert set(files) == uris


@pytest.mark.parametrize("golden", [name for name in REFUSED if name in NAMES], indirect=True)
def test_a_broken_golden_table_is_refused_by_name(ctx: RepositoryContext, golden: Path) -> None:
    folder = golden / "delta"
    with pytest.raises(Refused) as refusal:
        load(ctx, folder_snapshot(ctx, folder), "t")
    assert refusal.value.kind is REFUSED[golden.name]
    assert "'t'" in refusal.value.message
    assert isinstance(refusal.value, LakegateError)
    assert refusal.value.hint

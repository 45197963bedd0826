"""Golden Delta tables: states as other clients see them, and broken logs refused."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from lakegate.context import RepositoryContext
from lakegate.errors import ErrorKind, LakegateError, Refused
from lakegate.repository import EmbeddedLake
from lakegate.tables.delta.state import load
from lakegate.testing.delta import folder_snapshot, live_files

GOLDEN = Path(
    os.environ.get("LAKEGATE_GOLDEN_TABLES", Path(__file__).parents[2].parent / "shared" / "data" / "delta-golden")
)
BROKEN = {
    "canonicalized-paths-normal-b": ErrorKind.DELTA_PATH_FORBIDDEN,
    "canonicalized-paths-special-b": ErrorKind.DELTA_PATH_FORBIDDEN,
    "deltalog-commit-info": ErrorKind.DELTA_LOG_INVALID,
    "deltalog-invalid-protocol-version": ErrorKind.DELTA_FEATURE_UNKNOWN,
    "deltalog-state-reconstruction-from-checkpoint-missing-protocol": ErrorKind.DELTA_LOG_INVALID,
    "deltalog-state-reconstruction-without-protocol": ErrorKind.DELTA_LOG_INVALID,
    "no-delta-log-folder": ErrorKind.DELTA_LOG_INVALID,
    "update-deleted-directory": ErrorKind.DELTA_LOG_INVALID,
}
NAMES = sorted(file.name.removesuffix(".tar.zst") for file in GOLDEN.glob("*.tar.zst"))

pytestmark = pytest.mark.skipif(not NAMES, reason=f"no golden tables in {GOLDEN}")


@pytest.fixture(scope="module")
def ctx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RepositoryContext]:
    home = tmp_path_factory.mktemp("golden") / "lake"
    with EmbeddedLake.create(home, environment={"LAKEGATE_STORAGE_FSYNC": "false"}) as lake:
        lake.create_repository("golden")
        yield lake.repository("golden").ctx


@pytest.fixture
def golden(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    zstandard = pytest.importorskip("zstandard")
    data = zstandard.ZstdDecompressor().stream_reader((GOLDEN / f"{request.param}.tar.zst").read_bytes()).read()
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / str(request.param)


@pytest.mark.parametrize("golden", [name for name in NAMES if name not in BROKEN], indirect=True)
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


@pytest.mark.parametrize("golden", [name for name in BROKEN if name in NAMES], indirect=True)
def test_a_broken_golden_table_is_refused_by_name(ctx: RepositoryContext, golden: Path) -> None:
    folder = golden / "delta"
    with pytest.raises(Refused) as refusal:
        load(ctx, folder_snapshot(ctx, folder), "t")
    assert refusal.value.kind is BROKEN[golden.name]
    assert "'t'" in refusal.value.message
    assert isinstance(refusal.value, LakegateError)
    assert refusal.value.hint

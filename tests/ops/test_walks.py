"""Listings that step over folders: what they show, and how much they read for it (rows are counted, not time)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lakegate.context import RepositoryContext
from lakegate.ids import StagingToken
from lakegate.lake import EmbeddedLake
from lakegate.metastore.protocol import StagedChange, StagedRow
from lakegate.metastore.sql import SqlMetaStore
from lakegate.model import CommitRequest, ListRequest
from lakegate.ops.diff import uncommitted
from lakegate.repository import EmbeddedRepository
from lakegate.snapshot import Snapshot, list_at
from lakegate.tables.folders import DatasetFolder

LAST = "\U0010ffff"


class CountingMetaStore(SqlMetaStore):
    """A metastore that counts the staged rows that it hands out, and the calls for them."""

    calls = 0
    rows = 0

    def staged_rows(self, tokens: Sequence[StagingToken], *args: Any, **kwargs: Any) -> list[StagedRow]:
        found = super().staged_rows(tokens, *args, **kwargs)
        self.calls += 1
        self.rows += len(found)
        return found


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[EmbeddedRepository]:
    with EmbeddedLake.create(tmp_path / "lake", environment={"LAKEGATE_STORAGE_FSYNC": "false"}) as lake:
        lake.create_repository("walks")
        yield lake.repository("walks")


@pytest.fixture
def counting(repo: EmbeddedRepository, tmp_path: Path) -> Iterator[CountingMetaStore]:
    meta = CountingMetaStore(f"sqlite:///{tmp_path}/lake/lake.db")
    yield meta
    meta.close()


def stage(repo: EmbeddedRepository, paths: Sequence[str]) -> None:
    entry = repo.put("main", "entry", b"x")
    state = repo.ctx.meta.stage(
        repo.ctx.info.id,
        repo.ctx.info.default_branch,
        [StagedChange(path, replace(entry, path=path)) for path in paths],
    )
    assert state is not None
    repo.reset("main", path="entry")


@pytest.mark.parametrize(("folders", "files"), [(50, 100), (400, 10), (1500, 1)])
def test_a_listing_by_folder_reads_little_of_each(
    repo: EmbeddedRepository, counting: CountingMetaStore, folders: int, files: int
) -> None:
    stage(repo, [f"f{folder:04}/{file:03}" for folder in range(folders) for file in range(files)])
    ctx: RepositoryContext = replace(repo.ctx, meta=counting)
    request = ListRequest(amount=1000, delimiter="/")
    expected = [f"f{folder:04}/" for folder in range(min(folders, 1000))]
    few = min(20 * folders, 3 * folders * files) + 1000
    for look in (
        lambda: list_at(ctx, "main", request).page,
        lambda: list_at(ctx, "main", request, with_staged=True).page,
        lambda: uncommitted(ctx, "main", request),
    ):
        counting.rows = counting.calls = 0
        assert [item.path for item in look().items] == expected
        assert 0 < counting.rows <= 2 * few
        assert counting.calls <= 2 * folders + 10


def test_a_listing_without_folders_reads_each_row_once(repo: EmbeddedRepository, counting: CountingMetaStore) -> None:
    stage(repo, [f"f/{file:05}" for file in range(5000)])
    ctx = replace(repo.ctx, meta=counting)
    view = Snapshot.of_ref(ctx, "main")
    assert sum(1 for _ in view.iterate()) == 5000
    assert (counting.rows, counting.calls <= 10) == (5000, True)
    counting.rows = 0
    assert len(list_at(ctx, "main", ListRequest(amount=1)).page.items) == 1
    assert counting.rows < 100


def test_a_dataset_passes_folders_that_are_not_its_own(repo: EmbeddedRepository) -> None:
    outside = [f"ds/sub/{LAST}{number}.parquet" for number in range(20)]
    stage(repo, ["ds/a.parquet", "ds/p=1/b.parquet", *outside, "ds/sub2/x", "ds/z.parquet"])
    repo.commit("main", CommitRequest("all"))
    dataset = DatasetFolder("ds", False, lambda _: False)
    found = [entry.path for entry in dataset.entries(Snapshot.of_ref(repo.ctx, "main"))]
    assert found == ["ds/a.parquet", "ds/p=1/b.parquet", "ds/z.parquet"]

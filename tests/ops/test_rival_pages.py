"""A rival's commit between two pages of staged rows: what was read by halves is read again, not taken for a fault."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from lakegate.errors import ErrorKind, Refused
from lakegate.ids import StagingToken
from lakegate.lake import EmbeddedLake
from lakegate.metastore.protocol import StagedRow
from lakegate.metastore.sql import SqlMetaStore
from lakegate.model import CommitRequest
from lakegate.repository import EmbeddedRepository
from lakegate.testing.table_files import put_folder


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedRepository]:
    """A table is staged behind other objects; when the page with the middle of it was read, a rival commits it all."""
    with EmbeddedLake.create(tmp_path / "lake", environment={"LAKEGATE_STORAGE_FSYNC": "false"}) as lake:
        lake.create_repository("sales")
        repo = lake.repository("sales")
        for number in range(15):  # with the table's first log file, a page
            repo.put("main", f"a/{number:02}", b"x")
        for _ in range(3):
            write_deltalake(tmp_path / "table", pa.table({"id": [1, 2]}), mode="append")
        put_folder(repo, "main", tmp_path / "table", "table")
        inner, came = SqlMetaStore.staged_rows, []

        def staged_rows(
            self: SqlMetaStore, tokens: Sequence[StagingToken], prefix: str = "", after: str = "", limit: int = 1000
        ) -> list[StagedRow]:
            page = inner(self, tokens, prefix, after, limit)
            if not came and not prefix and page and page[-1].path.startswith("table/_delta_log"):
                came.append(page[-1].path)
                repo.commit("main", CommitRequest("rival"))
            return page

        monkeypatch.setattr(SqlMetaStore, "staged_rows", staged_rows)
        yield repo
        assert len(came) == 1


def test_a_commit(repo: EmbeddedRepository) -> None:
    with pytest.raises(Refused) as refused:
        repo.commit("main", CommitRequest("late"))
    assert refused.value.kind is ErrorKind.NOTHING_TO_COMMIT
    assert repo.log("main").items[0].message == "rival"


def test_uncommitted_tables(repo: EmbeddedRepository) -> None:
    assert repo.uncommitted_tables("main", "", "", 10).items == ()

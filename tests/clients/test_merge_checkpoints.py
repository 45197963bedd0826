"""Tables of which only a checkpoint tells the state, in every form of it: detected, diffed, merged and rolled back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from lakegate.lake import EmbeddedLake
from lakegate.model import MergeRequest, Resolution, RollbackRequest, RowDiffRequest, TableOutcome, Take
from lakegate.repository import EmbeddedRepository
from lakegate.testing.delta_check import CheckedLog
from lakegate.testing.delta_checkpoints import FORMS, check_expired_log, expire
from lakegate.testing.delta_features import KERNELS, Feature, HandWritten
from lakegate.testing.delta_rows import agreed_rows
from lakegate.testing.mirror import Mirror

pytestmark = pytest.mark.skipif(
    find_spec("deltalake") is None or find_spec("duckdb_extension_delta") is None,
    reason="independent readers are not installed",
)

FEATURE = Feature("v2Checkpoint", readers=["v2Checkpoint"], clients=KERNELS)
BY_ID = MergeRequest(resolutions=(Resolution("t", Take.ROWS, ("id",)),))
FIRST = {1: 10, 2: 20}
BASE = FIRST | {3: 30, 4: 40, 5: 50}

of_every_form = pytest.mark.parametrize("write", FORMS.values(), ids=list(FORMS))


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[EmbeddedRepository]:
    with EmbeddedLake.create(tmp_path / "lake", environment={"LAKEGATE_STORAGE_FSYNC": "false"}) as lake:
        lake.create_repository("checkpoints")
        yield lake.repository("checkpoints")


class Branches:
    """The table on `main` and `exp`; its versions 0 to 3 are in a checkpoint and nowhere else."""

    def __init__(self, repo: EmbeddedRepository, folder: Path, write: Callable[[Path], None]) -> None:
        self._folder = folder
        self.main = Mirror(repo, "main", "t", folder / "main")
        self.table = HandWritten(self.main.folder, FEATURE)
        self.table.create()
        self.table.append(FIRST)
        self.table.append({3: 30, 4: 40})
        self.table.append({5: 50})
        self.first = str(self.table.actions("add")[0]["path"])
        write(self.main.folder)
        expire(self.main.folder, folder / "aside")
        self.main.commit()
        repo.create_branch("exp", "main")
        (folder / "exp").mkdir()
        self.exp = Mirror(repo, "exp", "t", folder / "exp").pull()
        self.other = HandWritten(self.exp.folder, FEATURE)
        for table in (self.table, self.other):
            table.continues(3)

    def check(self) -> CheckedLog:
        return check_expired_log(self.main.folder, self._folder / "aside", self._folder / "scratch")

    def values(self) -> dict[int, int]:
        rows = [json.loads(row) for row in agreed_rows(self.main.folder, readers=KERNELS).elements()]
        assert len({row["id"] for row in rows}) == len(rows)
        return {row["id"]: row["v"] for row in rows}


@of_every_form
def test_the_state_is_read_and_rows_are_compared(
    repo: EmbeddedRepository, tmp_path: Path, write: Callable[[Path], None]
) -> None:
    branches = Branches(repo, tmp_path, write)
    seen = repo.table("main", "t")
    assert (seen.version, seen.files, seen.rows) == (3, 3, 5)
    assert branches.values() == BASE
    left = repo.commit_of("main").id
    branches.table.rewrite(branches.first, {1: 11})
    branches.table.append({6: 60})
    branches.main.commit()
    (files,) = repo.table_diff(left, "main").items
    assert (files.files_added, files.files_removed, files.rows_added, files.rows_removed) == (2, 1, 2, 2)
    rows = repo.row_diff(left, "main", RowDiffRequest("t", ("id",)))
    assert (rows.added, rows.removed, rows.updated) == (1, 1, 1)
    assert branches.values() == {1: 11, 3: 30, 4: 40, 5: 50, 6: 60}
    empty = repo.log("main").items[-1].id
    created = repo.row_diff(empty, left, RowDiffRequest("t"))
    assert sorted(change.right for change in created.rows if change.right is not None) == sorted(BASE.items())


@of_every_form
def test_both_sides_changes_merge_and_roll_back(
    repo: EmbeddedRepository, tmp_path: Path, write: Callable[[Path], None]
) -> None:
    branches = Branches(repo, tmp_path, write)
    good = repo.commit_of("main").id
    branches.table.append({6: 60})
    branches.main.commit()
    branches.other.rewrite(branches.first, {1: 11, 2: 20})
    branches.exp.commit()
    outcome = repo.merge("exp", "main")
    assert [report.outcome for report in outcome.tables] == [TableOutcome.REPLAYED]
    branches.main.pull()
    assert branches.values() == {**BASE, 1: 11, 6: 60}
    assert branches.check().version == 5
    repo.rollback("main", RollbackRequest(good))
    branches.main.pull()
    assert branches.values() == BASE
    assert branches.check().version == 6


@of_every_form
def test_rows_merge_by_key(repo: EmbeddedRepository, tmp_path: Path, write: Callable[[Path], None]) -> None:
    branches = Branches(repo, tmp_path, write)
    branches.table.rewrite(branches.first, {1: 10, 2: 22})
    branches.main.commit()
    branches.other.rewrite(branches.first, {1: 11, 2: 20})
    branches.exp.commit()
    repo.merge("exp", "main", BY_ID)
    branches.main.pull()
    assert branches.values() == {**BASE, 1: 11, 2: 22}
    assert branches.check().version == 5


@of_every_form
def test_a_checkpoint_of_one_side_never_comes_to_the_other(
    repo: EmbeddedRepository, tmp_path: Path, write: Callable[[Path], None]
) -> None:
    """Its version has other content there, and clients believe a checkpoint."""
    main = Mirror(repo, "main", "t", tmp_path / "main")
    HandWritten(main.folder, FEATURE).create()
    HandWritten(main.folder, FEATURE).append(FIRST)
    main.commit()
    repo.create_branch("exp", "main")
    (tmp_path / "exp").mkdir()
    exp = Mirror(repo, "exp", "t", tmp_path / "exp").pull()
    HandWritten(exp.folder, FEATURE).append({6: 60})
    write(exp.folder)
    HandWritten(exp.folder, FEATURE).append({7: 70})
    exp.commit()
    HandWritten(main.folder, FEATURE).append({5: 50})
    main.commit()
    repo.merge("exp", "main")
    names = {file.name for file in (main.pull().folder / "_delta_log").iterdir()}
    assert names == {f"{version:020d}.json" for version in range(5)}
    rows = [json.loads(row) for row in agreed_rows(main.folder, readers=KERNELS).elements()]
    assert {row["id"]: row["v"] for row in rows} == FIRST | {5: 50, 6: 60, 7: 70}

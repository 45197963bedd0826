"""A Delta table that both branches changed, merged and rolled back while any call of store or database fails: the table
is as it was, or as it should be, and its log is one that every client must accept."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from lakegate.lake import EmbeddedLake
from lakegate.model import (
    CommitRequest,
    Entry,
    ListRequest,
    MergeRequest,
    Resolution,
    RollbackRequest,
    TableOutcome,
    Take,
)
from lakegate.repository import EmbeddedRepository
from lakegate.testing.delta_check import check_log
from lakegate.testing.delta_features import Feature, HandWritten
from lakegate.testing.faulty_lake import NAME, Act, any_call_may_fail, open_lake
from lakegate.testing.faulty_store import FaultKind
from lakegate.testing.mirror import Mirror

VECTORS = Feature(
    "deletionVectors",
    ["rowTracking", "domainMetadata"],
    readers=["deletionVectors"],
    configuration={"delta.enableDeletionVectors": "true", "delta.enableRowTracking": "true"},
)
PLAIN = Feature("checkConstraints", configuration={"delta.constraints.positive": "v > 0"})
BASE = {1: 10, 2: 20, 3: 30, 4: 40}


@dataclass(frozen=True)
class Seen:
    """A table: how many commits led to the branch's head, its version, and its rows."""

    commits: int
    version: int
    rows: tuple[tuple[int, int], ...]


_looked: dict[str, dict[str, Seen]] = {}


def look(lake: EmbeddedLake) -> dict[str, Seen]:
    """The tables of `main` as users see them (names of new files and times differ from run to run). Checks that all
    objects are stored, and their logs once for each commit."""
    repo = lake.repository(NAME)
    head = repo.branch("main").commit
    assert repo.uncommitted("main").items == ()
    for entry in repo.list("main", ListRequest(amount=1000)).items:
        assert isinstance(entry, Entry)
        assert repo.ctx.store.head(entry.address).size == entry.size
    if head not in _looked:
        _looked[head] = _tables(repo)
    return _looked[head]


def _tables(repo: EmbeddedRepository) -> dict[str, Seen]:
    commits = len(repo.log("main").items)
    found: dict[str, Seen] = {}
    for table in repo.tables("main").items:
        with tempfile.TemporaryDirectory() as scratch:
            log = check_log(Mirror(repo, "main", table.path, Path(scratch)).pull().folder)
        rows = repo.read_table("main", table.path).to_table().to_pylist()
        assert log.version == table.version
        assert sum(_rows(add) for add in log.live.values()) == len(rows)
        found[table.path] = Seen(commits, log.version, tuple(sorted((row["id"], row["v"]) for row in rows)))
    return found


def _rows(add: dict[str, object]) -> int:
    vector = add.get("deletionVector")
    deleted = vector["cardinality"] if isinstance(vector, dict) else 0
    return int(json.loads(str(add["stats"]))["numRecords"]) - int(deleted)


BY_ID = MergeRequest(resolutions=(Resolution("plain", Take.ROWS, ("id",)),))


def _replay(repo: EmbeddedRepository, _: Path) -> object:
    outcome = repo.merge("exp", "main")
    assert {report.path: report.outcome for report in outcome.tables} == {"vectors": TableOutcome.REPLAYED}
    return outcome


def _source(repo: EmbeddedRepository, _: Path) -> object:
    outcome = repo.merge("rewritten", "main", MergeRequest(resolutions=(Resolution("plain", Take.SOURCE),)))
    assert {report.path: report.outcome for report in outcome.tables} == {"plain": TableOutcome.TAKEN_SOURCE}
    return outcome


def _rows_by_key(repo: EmbeddedRepository, _: Path) -> object:
    outcome = repo.merge("rewritten", "main", BY_ID)
    assert {report.path: report.outcome for report in outcome.tables} == {"plain": TableOutcome.MERGED_ROWS}
    return outcome


USE_CASES: dict[str, Act] = {
    "merge that replays": _replay,
    "merge of rows by key": _rows_by_key,
    "merge that takes the source": _source,
    "rollback of a table": lambda repo, _: repo.rollback("main", RollbackRequest("good", tables=("vectors",))),
}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tables that `main` changed after the branches `exp` (appends and deletes) and `rewritten` (updates)."""
    folder = tmp_path_factory.mktemp("tables")
    with open_lake(folder, create=True) as lake:
        lake.create_repository(NAME, f"file://{folder}/namespace")
        repo = lake.repository(NAME)
        work = tmp_path_factory.mktemp("work")

        def table(branch: str, path: str, feature: Feature) -> tuple[Mirror, HandWritten]:
            (work / branch / path).mkdir(parents=True, exist_ok=True)
            mirror = Mirror(repo, branch, path, work / branch / path).pull()
            return mirror, HandWritten(mirror.folder, feature)

        for path, feature in (("vectors", VECTORS), ("plain", PLAIN)):
            mirror, made = table("main", path, feature)
            made.create()
            made.append(BASE)
            mirror.push()
        repo.commit("main", CommitRequest("base"))
        repo.create_tag("good", "main")
        for branch in ("exp", "rewritten"):
            repo.create_branch(branch, "main")

        mirror, vectors = table("exp", "vectors", VECTORS)
        file = str(vectors.actions("add")[0]["path"])
        vectors.append({6: 60, 7: 70})
        vectors.delete_rows(file, 2)
        mirror.commit()
        mirror, plain = table("rewritten", "plain", PLAIN)
        plain.rewrite(str(plain.actions("add")[0]["path"]), {**BASE, 1: 11})
        mirror.commit()

        mirror, vectors = table("main", "vectors", VECTORS)
        vectors.append({5: 50})
        mirror.commit()
        vectors.delete_rows(file, 0)
        mirror.commit()
        mirror, plain = table("main", "plain", PLAIN)
        plain.rewrite(str(plain.actions("add")[0]["path"]), {**BASE, 2: 22})
        mirror.commit()
    return folder


KINDS = [
    (name, kind)
    for name in USE_CASES
    for kind in (FaultKind.BEFORE, FaultKind.AFTER, FaultKind.CRASH)
    if (name, kind) != ("merge of rows by key", FaultKind.AFTER)  # the writes of a replay, with more files
]


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_any_call_may_fail(name: str, kind: FaultKind, template: Path, tmp_path: Path) -> None:
    reads = kind is FaultKind.BEFORE
    before, after = any_call_may_fail(USE_CASES[name], kind, template, tmp_path / "saved", look, reads=reads)
    changed = {path for path, seen in after.items() if seen.version != before[path].version}
    assert changed
    assert all(after[path].version > before[path].version for path in changed)

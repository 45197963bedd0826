"""One lake, seen by its folder and by its server: every answer is the same, field by field.

What a wire format leaves out, or a newer field that it does not know, shows here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lakegate.errors import LakegateError, MergeConflict
from lakegate.interface import Lake, Repository
from lakegate.model import (
    CommitRequest,
    ImportKind,
    ImportRequest,
    ImportSource,
    ListRequest,
    LogRequest,
    MergeRequest,
    PutRequest,
    Resolution,
    RollbackRequest,
    Take,
)
from lakegate.repository import EmbeddedLake
from lakegate.testing.contract_tables import commit_version
from lakegate.testing.contract_work import commit, fresh_name
from lakegate.testing.table_files import parquet_bytes

Read = Callable[[Repository], object]

READS: dict[str, Read] = {
    "info": lambda repo: repo.info,
    "branches": lambda repo: repo.branches(),
    "branch": lambda repo: repo.branch("exp"),
    "tags": lambda repo: repo.tags(amount=1),
    "tag": lambda repo: repo.tag("v1"),
    "commit": lambda repo: repo.commit_of("main~1"),
    "manifest": lambda repo: repo.manifest("main"),
    "log": lambda repo: repo.log("main", LogRequest(amount=3)),
    "stat": lambda repo: repo.stat("main", "kept"),
    "stat of an imported object": lambda repo: repo.stat("main", "in/x"),
    "list": lambda repo: repo.list("main", ListRequest(amount=1000)),
    "list by folder": lambda repo: repo.list("v1", ListRequest(delimiter="/", amount=2)),
    "uncommitted": lambda repo: repo.uncommitted("main"),
    "diff": lambda repo: repo.diff("v1", "main"),
    "diff since the base": lambda repo: repo.diff("main", "exp", ListRequest(delimiter="/"), three_dot=True),
    "merge base": lambda repo: repo.merge_base("main", "exp"),
    "no merge of a dirty branch": lambda repo: repo.merge("exp", "main", MergeRequest(dry_run=True)),
    "merge with conflicts": lambda repo: repo.merge("exp", "side", MergeRequest(dry_run=True)),
    "merge of tables": lambda repo: repo.merge("exp", "other", MergeRequest(dry_run=True)),
    "refused merge": lambda repo: repo.merge("exp", "side"),
    "settled merge": lambda repo: repo.merge(
        "exp", "side", MergeRequest(dry_run=True, resolutions=(Resolution("t", Take.SOURCE),))
    ),
    "rollback": lambda repo: repo.rollback("side", RollbackRequest("v1", dry_run=True)),
    "rollback of a table": lambda repo: repo.rollback("side", RollbackRequest("v1", ("t",), dry_run=True)),
    "jobs": lambda repo: repo.jobs(),
    "job": lambda repo: repo.job(repo.jobs()[0].id),
    "tables": lambda repo: repo.tables("main"),
    "table": lambda repo: repo.table("side", "t"),
    "files": lambda repo: repo.table_files("side", "d"),
    "history": lambda repo: repo.table_history("other", "t"),
    "history of a dataset": lambda repo: repo.table_history("main", "d"),
    "preview": lambda repo: repo.table_preview("main", "odd"),
    "table diff": lambda repo: repo.table_diff("v1", "other"),
    "pin": lambda repo: repo.pin("main"),
    "holds": lambda repo: repo.holds(),
    "verify": lambda repo: repo.verify("main", deep=True),
    "a branch that is not there": lambda repo: repo.branch("none"),
    "a table that is not there": lambda repo: repo.table("main", "none"),
    "a bad path": lambda repo: repo.stat("main", "a//b"),
    "a bad ref": lambda repo: repo.commit_of("main~x"),
}


@pytest.fixture(scope="module")
def both(
    http_lake: Lake, server_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Repository, Repository]]:
    """A repository with something of everything: by the server, and by the folder."""
    repo = http_lake.repository(http_lake.create_repository(fresh_name("same")).name)
    source = tmp_path_factory.mktemp("source")
    (source / "x").write_bytes(b"imported")
    put = PutRequest("text/x-own", {"k": "välue"}, {"cache-control": "no-cache"})
    repo.put("main", "kept", b"1", put)
    for month in (1, 2):
        repo.put("main", f"d/month={month}/x.parquet", parquet_bytes({"id": [1, 2], "name": ["a", None]}))
    repo.put("main", "odd/x.parquet", parquet_bytes({"f": [0.5, None], "b": [b"\x00\xff", b""], "t": [True, False]}))
    commit_version(repo, "main", 0, {"one": [1, 2], "two": [3]})
    repo.create_tag("v1", "main")
    for branch in ("exp", "side", "other"):
        repo.create_branch(branch, "main")
    commit_version(repo, "exp", 1, {"exp": [10]}, ["one"])
    commit(repo, "exp", {"kept": "exp", "new": "1"})
    commit_version(repo, "side", 1, {"side": [20, 21]}, ["one"])
    commit(repo, "side", {"kept": "side"})
    commit_version(repo, "other", 1, {"other": [30]})
    repo.merge("other", "other", MergeRequest(allow_empty=True))
    imported = ImportSource(ImportKind.PREFIX, str(source), "in/")
    repo.import_("main", ImportRequest((imported,), CommitRequest("imported", {"why": "test"})))
    repo.pin("main", hold="train")
    repo.put("main", "uncommitted", b"x")
    with EmbeddedLake.open(server_home) as lake:
        yield repo, lake.repository(repo.info.name)


@pytest.mark.parametrize("read", READS)
def test_both_answer_the_same(both: tuple[Repository, Repository], read: str) -> None:
    by_server, by_folder = (_answer(READS[read], repo) for repo in both)
    assert by_server == by_folder


def _answer(read: Read, repo: Repository) -> object:
    try:
        return read(repo)
    except MergeConflict as error:
        return type(error), error.kind, error.message, error.hint, error.conflicts
    except LakegateError as error:
        return type(error), error.kind, error.message, error.hint, error.details

"""A node that was forged, down to its checksums, is shown by a diff, and nothing is written or read by it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lakegate import staging
from lakegate.errors import Corrupt
from lakegate.format.documents import node_key
from lakegate.format.node import Node, decode_node, encode_node
from lakegate.ids import CommitId
from lakegate.lake import EmbeddedLake
from lakegate.model import (
    ApplyRequest,
    CommitRequest,
    ListRequest,
    MergeRequest,
    Resolution,
    RollbackRequest,
    Take,
)
from lakegate.repository import EmbeddedRepository
from lakegate.testing.table_files import parquet_bytes

ENVIRONMENT = {"LAKEGATE_STORAGE_FSYNC": "false"}
TAKE = MergeRequest(resolutions=(Resolution("t/p=1", Take.SOURCE),))


@pytest.fixture
def forged(tmp_path: Path) -> Iterator[EmbeddedRepository]:
    """`exp` changed a dataset and removed objects since `main~1`; the tree of its commit was forged since, and is in no
    memory."""
    with EmbeddedLake.create(tmp_path / "lake", environment=ENVIRONMENT) as lake:
        lake.create_repository("sales")
        repo = lake.repository("sales")
        for path in ("a", "b", "t/p=1/a.parquet", "t/p=2/a.parquet"):
            repo.put("main", path, parquet_bytes({"id": [1]}))
        repo.commit("main", CommitRequest("first"))
        repo.create_branch("exp", "main")
        repo.delete_many("exp", ["b", "t/p=1/a.parquet"])
        repo.put("exp", "t/p=1/b.parquet", parquet_bytes({"id": [2]}))
        changed = repo.commit("exp", CommitRequest("changed")).id
        repo.put("main", "t/p=1/a.parquet", parquet_bytes({"id": [3]}))
        repo.commit("main", CommitRequest("changed here"))
        root = staging.objects_root(repo.ctx, changed)
    (file,) = (tmp_path / "lake").glob(f"**/{Path(node_key(root)).name}")
    node = decode_node(root, file.read_bytes())
    file.chmod(0o600)
    file.write_bytes(encode_node(Node(node.kind, node.level, node.rows.slice(1, len(node.rows)), root)))
    with EmbeddedLake.open(tmp_path / "lake", environment=ENVIRONMENT) as lake:
        yield lake.repository("sales")


@pytest.mark.parametrize(
    "work",
    [
        lambda repo: repo.rollback("main", RollbackRequest("exp")),
        lambda repo: repo.rollback("main", RollbackRequest("exp", paths=("a",))),
        lambda repo: repo.merge("exp", "main", TAKE),
        lambda repo: repo.merge("main", "exp", TAKE),
        lambda repo: repo.cherry_pick("main", ApplyRequest("exp")),
        lambda repo: repo.revert("exp", ApplyRequest("exp")),
        lambda repo: (repo.put("exp", "c", b"c"), repo.commit("exp", CommitRequest("on it"))),
        lambda repo: repo.list("exp", ListRequest()),
        lambda repo: repo.stat("exp", "t/p=1/b.parquet"),
    ],
    ids=["rollback", "rollback of a path", "merge", "merge into", "cherry-pick", "revert", "commit", "list", "stat"],
)
@pytest.mark.parametrize("is_shown_first", [False, True])
def test_what_writes_or_reads_is_refused(
    forged: EmbeddedRepository, work: Callable[[EmbeddedRepository], object], is_shown_first: bool
) -> None:
    heads = {branch.name: branch.commit for branch in forged.branches().items}
    if is_shown_first:
        assert "a" in {
            change.path for change in forged.diff("main~1", "exp", ListRequest()).items
        }  # forged: it is there
    with pytest.raises(Corrupt, match="hash to"):
        work(forged)
    assert {branch.name: CommitId(branch.commit) for branch in forged.branches().items} == heads

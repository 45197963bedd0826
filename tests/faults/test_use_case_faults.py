"""Every use case with its first call of store or database failing, then the second, ... until none fails.

After each: the lake opens; everything is as it was before, or as it is after the use case; what was acknowledged
stands; what was refused changed nothing; the same request again brings it to its end; and the journal tells the truth.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import md5
from pathlib import Path

import pytest

from lakegate.graph import walk
from lakegate.ids import RepositoryId, UploadId, branch_name, new_id, repository_name
from lakegate.lake import EmbeddedLake
from lakegate.manifests import Manifests
from lakegate.model import (
    ApplyRequest,
    CommitRequest,
    ImportKind,
    ImportRequest,
    ImportSource,
    ListRequest,
    RepositoryInfo,
    RollbackRequest,
)
from lakegate.objectstore.opener import StoreOpener
from lakegate.ops.create_repository import create_repository
from lakegate.ops.import_ import import_
from lakegate.ops.multipart import MIN_PART_BYTES
from lakegate.repository import EmbeddedRepository
from lakegate.testing.faulty_lake import STORAGE, Act, any_call_may_fail, open_lake
from lakegate.testing.faulty_store import FaultKind, FaultyStore

UPLOAD = "upload"


# -- use cases --------------------------------------------------------------------------------------------------------


def _create_repository(repo: EmbeddedRepository, folder: Path) -> object:
    # A storage namespace of its own, reached through the same faulty calls.
    wrapped = repo.ctx.store
    assert isinstance(wrapped, FaultyStore)
    url = StoreOpener(STORAGE).namespace(f"file://{folder}/second")
    inner, wrapped.inner = wrapped.inner, StoreOpener(STORAGE).open(url)
    try:
        info = RepositoryInfo(RepositoryId(new_id()), repository_name("second"), url, branch_name("main"), 5)
        return create_repository(replace(repo.ctx, info=info, manifests=Manifests(wrapped)))
    finally:
        wrapped.inner = inner


def _import(repo: EmbeddedRepository, folder: Path) -> object:
    source = ImportSource(ImportKind.PREFIX, f"file://{folder}/source", "imported")
    return import_(repo.ctx, "main", ImportRequest((source,), CommitRequest("import")))


def _complete(repo: EmbeddedRepository, folder: Path) -> object:
    upload = UploadId((folder / UPLOAD).read_text())
    parts = {1: bytes(MIN_PART_BYTES), 2: b"end"}
    return repo.complete_upload(upload, [(number, md5(body).hexdigest()) for number, body in parts.items()])


USE_CASES: dict[str, Act] = {
    "put": lambda repo, _: repo.put("work", "put", b"put"),
    "overwrite": lambda repo, _: repo.put("work", "staged", b"once more"),
    "delete": lambda repo, _: repo.delete_many("work", ["a", "staged"]),
    "copy": lambda repo, _: repo.copy("work", "copied", "main", "a"),
    "multipart complete": _complete,
    "commit": lambda repo, _: repo.commit("work", CommitRequest("commit", {"k": "v"})),
    "merge": lambda repo, _: repo.merge("exp", "main"),
    "revert": lambda repo, _: repo.revert("main", ApplyRequest("bad")),
    "cherry-pick": lambda repo, _: repo.cherry_pick("main", ApplyRequest("exp")),
    "rollback": lambda repo, _: repo.rollback("main", RollbackRequest("v1")),
    "reset": lambda repo, _: repo.reset("work"),
    "hard reset": lambda repo, _: repo.hard_reset("main", "v1"),
    "import": _import,
    "create branch": lambda repo, _: repo.create_branch("fresh", "exp"),
    "delete branch": lambda repo, _: repo.delete_branch("work", force=True),
    "create tag": lambda repo, _: repo.create_tag("v2", "main"),
    "delete tag": lambda repo, _: repo.delete_tag("v1"),
    "create repository": _create_repository,
}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with two branches to merge, one with uncommitted changes, a tag, and an upload to complete."""
    folder = tmp_path_factory.mktemp("template")
    (folder / "source/deep").mkdir(parents=True)
    for name in ("one", "deep/two"):
        (folder / "source" / name).write_text(name)
    with open_lake(folder, create=True) as lake:
        lake.create_repository("faults", f"file://{folder}/namespace")
        repo = lake.repository("faults")
        for path in ("a", "b", "c"):
            repo.put("main", path, path.encode())
        repo.commit("main", CommitRequest("first"))
        repo.create_tag("v1", "main")
        repo.create_branch("exp", "main")
        repo.put("exp", "a", b"of exp")
        repo.commit("exp", CommitRequest("on exp"))
        repo.delete("main", "b")
        repo.commit("main", CommitRequest("on main"))
        repo.create_tag("bad", "main")
        repo.create_branch("work", "main")
        repo.put("work", "staged", b"staged")
        repo.delete("work", "c")
        upload = repo.create_upload("work", "big")
        repo.put_part(upload.id, 1, bytes(MIN_PART_BYTES))
        repo.put_part(upload.id, 2, b"end")
        (folder / UPLOAD).write_text(upload.id)
    return folder


# -- what is looked at afterwards -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class State:
    """All that a user can see of the lake, but for ids and times."""

    repositories: tuple[str, ...]
    branches: dict[str, tuple[int, dict[str, bytes], dict[str, bytes]]]
    tags: dict[str, dict[str, bytes]]
    uploads: tuple[str, ...]


def files(repo: EmbeddedRepository, ref: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for entry in repo.list(ref, ListRequest(amount=1000)).items:
        body = repo.open(ref, entry.path).read()
        found[entry.path] = body if len(body) < 100 else body[:1] + body[-3:] + b"%d" % len(body)
    return found


def look(lake: EmbeddedLake) -> State:
    repo = lake.repository("faults")
    branches = {}
    for branch in repo.branches().items:
        history = list(walk(repo.ctx.manifests.read_commit, [branch.commit]))
        branches[branch.name] = (len(history), files(repo, branch.commit), files(repo, branch.name))
    return State(
        tuple(info.name for info in lake.repositories().items),
        branches,
        {tag.name: files(repo, tag.commit) for tag in repo.tags().items},
        tuple(upload.path for name in branches for upload in repo.uploads(name).items),
    )


@pytest.mark.parametrize("kind", [FaultKind.BEFORE, FaultKind.AFTER, FaultKind.CRASH])
@pytest.mark.parametrize("name", USE_CASES)
def test_any_call_may_fail(name: str, kind: FaultKind, template: Path, tmp_path: Path) -> None:
    before, after = any_call_may_fail(USE_CASES[name], kind, template, tmp_path / "saved", look)
    assert before != after or name in ("create tag", "delete tag", "create repository")

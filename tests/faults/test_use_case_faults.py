"""Every use case with its first call of store or database failing, then the second, ... until none fails.

After each: the lake opens; everything is as it was before, or as it is after the use case; what was acknowledged
stands; what was refused changed nothing; the same request again brings it to its end; and the journal tells the truth.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from hashlib import md5
from pathlib import Path
from typing import Any

import pytest

from lakegate.config import LakeSettings, StorageSettings
from lakegate.context import JournalCheck, RepositoryContext
from lakegate.errors import LakegateError, OutcomeUnknown
from lakegate.format.documents import REFS, decode_ref_record
from lakegate.graph import walk
from lakegate.ids import RepositoryId, UploadId, branch_name, new_id, repository_name
from lakegate.jobs import JobRunner
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
from lakegate.objectstore.addresses import AddressSpace
from lakegate.objectstore.opener import StoreOpener
from lakegate.ops.create_repository import create_repository
from lakegate.ops.import_ import import_
from lakegate.ops.multipart import MIN_PART_BYTES
from lakegate.repository import EmbeddedLake, EmbeddedRepository
from lakegate.testing.faulty_metastore import DATABASE_WRITES, faulty_metastore
from lakegate.testing.faulty_store import WRITES, Fault, FaultKind, FaultyStore, every_fault

STORAGE = StorageSettings(fsync=False)
UPLOAD = "upload"

Act = Callable[[EmbeddedRepository, Path], object]


def open_lake(folder: Path, *, create: bool = False) -> EmbeddedLake:
    return EmbeddedLake.of(LakeSettings(folder / "lake", storage=STORAGE), create=create)


def with_faults(repo: EmbeddedRepository, fault: Fault | None) -> tuple[EmbeddedRepository, FaultyStore]:
    """The same repository, with what a new process would hold, over a store and a database that fail."""
    store = FaultyStore(repo.ctx.store, fault)
    meta = faulty_metastore(repo.ctx.meta, store)
    ctx = RepositoryContext(
        repo.info,
        meta,
        store,
        AddressSpace(store, StoreOpener(STORAGE)),
        Manifests(store),
        repo.ctx.clock,
        "tester",
        JournalCheck(),
    )
    return EmbeddedRepository(ctx, JobRunner()), store


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
    "delete branch": lambda repo, _: repo.delete_branch("work"),
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


def journal_is_true(lake: EmbeddedLake) -> None:
    """After one more move of some ref, the newest record of every ref's journal is where the ref stands."""
    for info in lake.repositories().items:
        repo = lake.repository(info.name)
        repo.create_tag("healed", "main")
        newest: dict[tuple[str, str], Any] = {}
        for found in repo.ctx.store.list(REFS):
            record = decode_ref_record(found.key, repo.ctx.store.get(found.key))
            newest[record.kind, record.name] = record.commit
        standing = {("branch", str(b.name)): b.commit for b in repo.branches().items}
        standing |= {("tag", str(t.name)): t.commit for t in repo.tags().items}
        assert {ref: commit for ref, commit in newest.items() if commit is not None} == standing
        repo.delete_tag("healed")


def copied(source: Path, target: Path) -> None:
    """Copies a lake; the files of a storage namespace, which are never changed, by links."""

    def link_or_copy(one: str, other: str) -> None:
        if "/namespace/" in one:
            os.link(one, other)
        else:
            shutil.copyfile(one, other)

    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, copy_function=link_or_copy)


@pytest.mark.parametrize("kind", [FaultKind.BEFORE, FaultKind.AFTER, FaultKind.CRASH])
@pytest.mark.parametrize("name", USE_CASES)
def test_any_call_may_fail(name: str, kind: FaultKind, template: Path, tmp_path: Path) -> None:
    act = USE_CASES[name]
    saved = tmp_path / "saved"
    copied(template, saved)

    def restored() -> Path:
        # The namespace's URL is the template's: what a run left there is put back.
        copied(saved, template)
        return template

    with open_lake(template) as lake:
        before = look(lake)
        act(with_faults(lake.repository("faults"), None)[0], template)
        after = look(lake)
    assert before != after or name in ("create tag", "delete tag", "create repository")

    def run(fault: Fault) -> bool:
        folder = restored()
        with open_lake(folder) as lake:
            repo, store = with_faults(lake.repository("faults"), fault)
            failure: LakegateError | None = None
            try:
                act(repo, folder)
            except LakegateError as error:
                failure = error
            repo.ctx.manifests.nodes.close()
        with open_lake(folder) as lake:
            now = look(lake)
            assert now in (before, after), (fault, store.calls[-1], failure)
            if failure is None:
                assert now == after, (fault, store.calls[-1])
            elif kind is FaultKind.BEFORE and not isinstance(failure, OutcomeUnknown):
                assert now == before, (fault, store.calls, failure)
            if store.fired:
                again = with_faults(lake.repository("faults"), None)[0]
                with suppress(LakegateError) if now == after else nullcontext():
                    act(again, folder)
                assert look(lake) == after, (fault, store.calls[-1])
            journal_is_true(lake)
        return store.fired

    # A process that dies at a read leaves what one leaves that dies at the next write.
    operations = frozenset[str]() if kind is FaultKind.BEFORE else WRITES | DATABASE_WRITES
    try:
        assert every_fault(run, kind, operations) > 0
    finally:
        restored()

"""Lakes whose store and database fail: every call of a use case in turn, and what must hold afterwards."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any, TypeVar

from lakegate.config import LakeSettings, StorageSettings
from lakegate.context import JournalCheck, RepositoryContext
from lakegate.errors import LakegateError, OutcomeUnknown
from lakegate.format.documents import REFS, decode_ref_record
from lakegate.jobs import JobRunner
from lakegate.lake import EmbeddedLake
from lakegate.manifests import Manifests
from lakegate.objectstore.addresses import AddressSpace
from lakegate.objectstore.opener import StoreOpener
from lakegate.repository import EmbeddedRepository
from lakegate.testing.faulty_metastore import DATABASE_READS, DATABASE_WRITES, faulty_metastore
from lakegate.testing.faulty_store import READS, WRITES, Fault, FaultKind, FaultyStore, every_fault

STORAGE = StorageSettings(fsync=False)
NAME = "faults"

State = TypeVar("State")
Act = Callable[[EmbeddedRepository, Path], object]
"""A use case, in a repository whose lake lies in that folder."""


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
        journal_check=JournalCheck(),
    )
    return EmbeddedRepository(ctx, JobRunner()), store


def any_call_may_fail(
    act: Act,
    kind: FaultKind,
    template: Path,
    saved: Path,
    look: Callable[[EmbeddedLake], State],
    *,
    reads: bool = False,
) -> tuple[State, State]:
    """Runs a use case on the lake in `template` with its first call of store or database failing, then the second, ...

    After each: the lake opens; what `look` tells of it is what it was before the use case, or what it is after it; what
    was acknowledged stands; what was refused changed nothing; the same request again brings it to its end; and the
    journal tells the truth. `saved` is for a copy. With `reads` only reads fail, and what failed is not asked again: a
    read leaves nothing. Returns what `look` told before and after. Raises AssertionError.

    With LAKEGATE_TESTS=thorough every call fails in every way; else each write in one way at least, and every third
    call without effect.
    """
    copied(template, saved)

    def restored() -> Path:
        # The namespace's URL is the template's: what a run left there is put back.
        copied(saved, template)
        return template

    with open_lake(template) as lake:
        before = look(lake)
        act(with_faults(lake.repository(NAME), None)[0], template)
        after = look(lake)

    def run(fault: Fault) -> bool:
        folder = restored()
        with open_lake(folder) as lake:
            repo, store = with_faults(lake.repository(NAME), fault)
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
            if store.fired and not reads:
                again = with_faults(lake.repository(NAME), None)[0]
                with suppress(LakegateError) if now == after else nullcontext():
                    act(again, folder)
                assert look(lake) == after, (fault, store.calls[-1])
            journal_is_true(lake)
        return store.fired

    # A process that dies at a read leaves what one leaves that dies at the next write.
    operations = WRITES | DATABASE_WRITES
    if kind is FaultKind.BEFORE:
        operations = READS | DATABASE_READS if reads else frozenset()
    step = 1 if os.environ.get("LAKEGATE_TESTS") == "thorough" else 3 if kind is FaultKind.BEFORE else 2
    begins = (step, 1) if kind is FaultKind.AFTER else (1,)  # where there is no second call, the first fails
    try:
        assert any(every_fault(run, kind, operations, first=first, step=step) for first in begins)
    finally:
        restored()
    return before, after


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

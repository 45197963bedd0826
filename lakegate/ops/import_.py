"""Imports existing objects without copying them: the commit points at where they lie."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from lakegate import refs, tree
from lakegate.context import RepositoryContext
from lakegate.errors import ErrorKind, InvalidInput, PreconditionFailed, Refused
from lakegate.format.kinds import OBJECTS
from lakegate.ids import NodeId
from lakegate.log_paths import log_commit_of
from lakegate.metastore.protocol import BranchState
from lakegate.model import Commit, Entry, ImportKind, ImportRequest, Progress
from lakegate.ops.clean import require_clean, sealed_clean
from lakegate.ops.commit import TreeCommit, commit_tree, manifest_of, too_many_updates
from lakegate.ops.import_sources import OpenSource, entries, open_source
from lakegate.ops.scratch import scratch

SOURCE_METADATA = "lakegate.import.source"
_TRIES = 10
_REPORT_EVERY = 1000

Change = tuple[str, Entry | None]


@dataclass(frozen=True, slots=True)
class ImportOutcome:
    """What an import did; `commit` is None for a dry run. `removed` counts objects that `replace` took away; `warnings`
    are those of `Commit`, in a dry run those that the commit would have."""

    commit: Commit | None
    objects: int
    bytes: int
    removed: int = 0
    warnings: tuple[str, ...] = ()

    def as_result(self) -> dict[str, Any]:
        """The outcome as a job's result."""
        return {
            "commit": self.commit.id if self.commit else None,
            "objects": self.objects,
            "bytes": self.bytes,
            "removed": self.removed,
            "warnings": list(self.warnings),
        }


def import_(
    ctx: RepositoryContext, branch: str, request: ImportRequest, progress: Progress | None = None
) -> ImportOutcome:
    """Puts the sources' objects into the branch's tree, over what stands at the same paths, and commits.

    The entries keep the sources' absolute addresses, sizes, ETags and times; lakegate never deletes these objects, and
    a source that is changed or deleted afterwards can no longer be read. A dry run lists and checks all that an import
    does, and leaves nothing behind. Memory does not grow with the number of objects.

    Raises NotFound for a branch or source that is not there, InvalidInput for sources, destinations and paths that
    break the rules, Refused(DIRTY_BRANCH) for uncommitted changes, Refused(NOTHING_TO_COMMIT) where the branch holds
    all of it already (unless `allow_empty`), Refused(CANCELLED).
    """
    if not request.sources:
        raise InvalidInput(ErrorKind.INVALID_ARGUMENT, "The import names no source.", hint="Name at least one.")
    from lakegate.tables.detect import detect

    name = refs.get_branch(ctx, branch).name
    opened = tuple(open_source(ctx, source) for source in request.sources)
    counter = _Counter(progress)
    if request.dry_run:
        state = require_clean(ctx, name, "the import")
        with scratch(ctx) as apart:
            head = manifest_of(apart, state.commit)
            after = _tree(apart, head.objects_root, opened, request, counter)
            return counter.outcome(None, detect(apart, head, after).warnings)
    state = sealed_clean(ctx, name, "the import")
    before = _root(ctx, state)
    made = _commit(ctx, state, request, before, _tree(ctx, before, opened, request, counter))
    return counter.outcome(made, made.warnings)


def _tree(
    ctx: RepositoryContext, before: NodeId, opened: tuple[OpenSource, ...], request: ImportRequest, counter: _Counter
) -> NodeId:
    """The tree after the import."""
    after = tree.apply(ctx.manifests.nodes, OBJECTS, before, _changes(ctx, before, opened, request.replace, counter))
    counter.report()
    if after == before and not request.commit.allow_empty:
        raise Refused(
            ErrorKind.NOTHING_TO_COMMIT,
            f"The branch already holds all {counter.objects} objects of the import.",
            hint="Nothing was changed, and nothing needs to be done.",
        )
    return after


def _commit(
    ctx: RepositoryContext, state: BranchState, request: ImportRequest, before: NodeId, after: NodeId
) -> Commit:
    for _ in range(_TRIES):
        made = commit_tree(ctx, state, after, _tree_commit(state, request))
        if made is not None:
            return made
        # Someone else's commit came first. What the import changed is put onto theirs: the same as if the import had
        # come first where they changed the same paths, and no source need be listed again.
        state = sealed_clean(ctx, state.name, "the import")
        root = _root(ctx, state)
        found = tree.diff(ctx.manifests.nodes, OBJECTS, before, after)
        after = tree.apply(ctx.manifests.nodes, OBJECTS, root, ((change.path, change.right) for change in found))
        before = root
    raise too_many_updates(state.name)


def _tree_commit(state: BranchState, request: ImportRequest) -> TreeCommit:
    wanted = request.commit
    sources = " ".join(source.url for source in request.sources)
    return TreeCommit(
        parents=(state.commit,),
        message=wanted.message if wanted.message.strip() else f"Import from {sources}",
        metadata={SOURCE_METADATA: sources, **wanted.metadata},
        created=wanted.date,
        drop=state.sealed,
        clean=True,
        reason=f"import from {sources}",
    )


def _root(ctx: RepositoryContext, state: BranchState) -> NodeId:
    return ctx.manifests.read_manifest(ctx.manifests.read_commit(state.commit).manifest).objects_root


def _changes(
    ctx: RepositoryContext, root: NodeId, opened: tuple[OpenSource, ...], replace_: bool, counter: _Counter
) -> Iterator[Change]:
    """Yields the import's changes by path, counted."""
    listed = counter.count(entries(opened))
    if not replace_:
        return ((entry.path, entry) for entry in listed if _may_come(ctx, root, entry))
    found: Iterator[Change] = ((entry.path, entry) for entry in listed)
    return _with_removals(found, _standing(ctx, root, opened), counter)


def _may_come(ctx: RepositoryContext, root: NodeId, entry: Entry) -> bool:
    """True; raises PreconditionFailed(DELTA_VERSION_TAKEN) for another version in the place of a published one: the
    rows that came with that would be gone."""
    named = log_commit_of(entry.path)
    if named is not None:
        held = tree.get(ctx.manifests.nodes, OBJECTS, root, entry.path)
        if held is not None and not held.same_content(entry):
            raise PreconditionFailed(
                ErrorKind.DELTA_VERSION_TAKEN,
                f"The Delta table {named[0]!r} has a version {named[1]} already, and the source's is another: its own "
                "history goes on where the source's does too.",
                hint="Import to another path and merge the rows, or use --replace, which makes the path hold what the "
                "source holds, and nothing else.",
                details={"table": named[0], "version": named[1]},
            )
    return True


def _standing(ctx: RepositoryContext, root: NodeId, opened: tuple[OpenSource, ...]) -> Iterator[Change]:
    """Yields a removal for every path that stands below a prefix destination."""
    prefixes = sorted({source.target for source in opened if source.source.kind is ImportKind.PREFIX})
    outer = ""
    for i, prefix in enumerate(prefixes):
        if i and prefix.startswith(outer):
            continue  # lies in the one before
        outer = prefix
        for entry in tree.iterate(ctx.manifests.nodes, OBJECTS, root, prefix):
            yield entry.path, None


def _with_removals(found: Iterator[Change], standing: Iterator[Change], counter: _Counter) -> Iterator[Change]:
    merged = heapq.merge(found, standing, key=lambda change: change[0])  # stable: what is found comes first
    for path, changes in groupby(merged, key=lambda change: change[0]):
        entry = next(changes)[1]
        counter.removed += entry is None
        yield path, entry


class _Counter:
    """Counts what goes by and reports it."""

    def __init__(self, progress: Progress | None) -> None:
        self.objects = 0
        self.bytes = 0
        self.removed = 0
        self._progress = progress

    def count(self, found: Iterator[Entry]) -> Iterator[Entry]:
        for entry in found:
            self.objects += 1
            self.bytes += entry.size
            if self.objects % _REPORT_EVERY == 0:
                self.report()
            yield entry

    def report(self) -> None:
        if self._progress is not None:
            self._progress(self.objects, None)

    def outcome(self, commit: Commit | None, warnings: tuple[str, ...]) -> ImportOutcome:
        return ImportOutcome(commit, self.objects, self.bytes, self.removed, warnings)

"""Replays what one side did to a Delta table onto the other's log, as new versions."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from lakegate import tree
from lakegate.context import RepositoryContext
from lakegate.errors import ErrorKind, Refused
from lakegate.format.kinds import OBJECTS
from lakegate.ids import CommitId, NodeId
from lakegate.model import Entry, FileEntry, Isolation
from lakegate.ops.objects import store_bytes
from lakegate.ops.placement import in_log
from lakegate.snapshot import Snapshot
from lakegate.tables.data_files import missing_file, read_range
from lakegate.tables.deletion_vectors import parse_descriptor, read_vector
from lakegate.tables.delta.log import table_prefix
from lakegate.tables.delta.merge.plan import MergePlan, Readers, Replay, Three, plan_merge
from lakegate.tables.delta.merge.transactions import TableAt
from lakegate.tables.reader import ReadRequest, batches

if TYPE_CHECKING:
    import pyarrow as pa
    from pyroaring import BitMap64

Change = tuple[str, Entry | None]
_NO_COMMIT = CommitId("")


@dataclass(frozen=True, slots=True)
class Replaying:
    """How tables are replayed. `origin` tells where the versions come from, and goes into their commitInfo; `verb`
    names the operation of a version that no single one of the source's stands behind."""

    isolation: Isolation = Isolation.WRITE_SERIALIZABLE
    origin: Mapping[str, Any] = field(default_factory=dict)
    verb: str = "MERGE BRANCH"


@dataclass(frozen=True, slots=True)
class Replayed:
    """A planned replay. `changes`, sorted by path, bring the destination's tree there: none for a dry run, or where
    the plan has clashes. `disputed` are files that the log does not name and that both sides changed."""

    plan: MergePlan
    changes: Sequence[Change] = ()
    disputed: Sequence[tuple[Entry | None, Entry, Entry | None]] = ()


def replay_table(ctx: RepositoryContext, three: Three, how: Replaying, *, dry_run: bool) -> Replayed:
    """Plans the replay of one table, and (no dry run, no clash) stores its log commits and deletion vectors.

    Files of the source come over by their paths, pointing to the same bytes. Raises Refused(DELTA_LOG_INVALID) for a
    log that is not valid, DELTA_FILE_MISSING and DELTA_FILE_CHANGED where a version would name a file that is gone, or
    whose path holds another file.
    """
    plan = plan_merge(ctx, three, Replay(how.isolation, ctx.clock(), how.origin, how.verb), _readers(ctx, three))
    if plan.clashes or not plan.commits:
        return Replayed(plan)
    coming: dict[str, Entry] = {}
    disputed: list[tuple[Entry | None, Entry, Entry | None]] = []
    for base, source, destination in _new_files(ctx, three):
        if destination is None or _same_bytes(destination, base):
            coming[source.path] = source
        elif not _same_bytes(destination, source):
            disputed.append((base, source, destination))
    _bring_needed(ctx, three, plan, coming)
    if dry_run:
        return Replayed(plan, (), disputed)
    stored = _stored(ctx, three, plan)
    return Replayed(plan, list(heapq.merge(sorted(coming.items()), stored, key=_path)), disputed)


def _new_files(ctx: RepositoryContext, three: Three) -> Iterator[tuple[Entry | None, Entry, Entry | None]]:
    """What the source added or changed in the table's folder outside its log, as (base, source, destination). What it
    removed stays: a vacuum of one side must not take away what the other's versions need."""
    nodes = ctx.manifests.nodes
    table = three.destination.version.path
    for change in tree.diff(nodes, OBJECTS, three.base.root, three.source.root, prefix=table_prefix(table)):
        if change.right is None or in_log(table, change.path):
            continue
        yield change.left, change.right, tree.get(nodes, OBJECTS, three.destination.root, change.path)


def _bring_needed(ctx: RepositoryContext, three: Three, plan: MergePlan, coming: dict[str, Entry]) -> None:
    """Finds the files that the new versions name, and that neither the destination has nor come anyway: a vacuum may
    have taken them from a branch, while a commit still holds them."""
    nodes = ctx.manifests.nodes
    table = three.destination.version.path
    made = {table_prefix(table) + path for path in plan.vectors}
    for path in (path for commit in plan.commits for path in commit.needs):
        if path in made:
            continue
        roots = (three.destination.root, three.source.root, three.base.root)
        present, theirs, base = (tree.get(nodes, OBJECTS, root, path) for root in roots)
        wanted = theirs or base
        if present is None and path not in coming:
            if wanted is not None:
                coming[path] = wanted
            elif path.removeprefix(table_prefix(table)) in plan.live:
                raise missing_file(table, path.removeprefix(table_prefix(table)))
        elif present is not None and theirs is not None and not _same_bytes(present, theirs):
            raise Refused(
                ErrorKind.DELTA_FILE_CHANGED,
                f"Both sides of the table {table!r} wrote a file {path!r}, with different content.",
                hint="Data files of Delta tables have names of their own. Take one side of the table.",
                details={"table": table, "path": path},
            )


def _stored(ctx: RepositoryContext, three: Three, plan: MergePlan) -> list[Change]:
    prefix = table_prefix(three.destination.version.path)
    entries = [store_bytes(ctx, prefix + path, vector.body) for path, vector in plan.vectors.items()]
    entries += [replace(store_bytes(ctx, made.path, made.body), mtime=made.timestamp) for made in plan.commits]
    return sorted(((entry.path, entry) for entry in entries), key=_path)


# -- reading what is stored -------------------------------------------------------------------------------------------


def _readers(ctx: RepositoryContext, three: Three) -> Readers:
    return Readers(
        partial(_vector, ctx, three),
        partial(_rows, ctx, three.source),
        partial(_rows, ctx, three.destination),
    )


def _vector(ctx: RepositoryContext, three: Three, file: FileEntry) -> BitMap64:
    from pyroaring import BitMap64

    if file.deletion_vector is None:
        return BitMap64()
    roots = (three.destination.root, three.source.root, three.base.root)
    return read_vector(
        parse_descriptor(file.deletion_vector), partial(_read_somewhere, ctx, three.destination.version.path, roots)
    )


def _read_somewhere(
    ctx: RepositoryContext, table: str, roots: Sequence[NodeId], path: str, start: int, length: int
) -> bytes:
    for root in roots:
        entry = tree.get(ctx.manifests.nodes, OBJECTS, root, table_prefix(table) + path)
        if entry is not None:
            return read_range(ctx, entry, start, length)
    raise missing_file(table, path)


def _rows(
    ctx: RepositoryContext, side: TableAt, files: Sequence[FileEntry], columns: tuple[str, ...]
) -> Iterator[pa.RecordBatch]:
    view = Snapshot(ctx, _NO_COMMIT, side.root)
    yield from batches(ctx, view, side.version, ReadRequest(columns, files))


def _same_bytes(left: Entry | None, right: Entry | None) -> bool:
    if left is None or right is None:
        return left is right
    if left.address == right.address:
        return True
    if left.digest is not None and right.digest is not None:
        return left.digest == right.digest
    return left.size == right.size and left.etag == right.etag


def _path(change: Change) -> str:
    return change[0]

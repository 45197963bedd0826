"""Replays what one side did to a Delta table onto the other's log, as new versions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from lakegate import tree
from lakegate.context import RepositoryContext
from lakegate.errors import ErrorKind, Refused
from lakegate.format.kinds import OBJECTS
from lakegate.graph import walk
from lakegate.ids import CommitId, NodeId
from lakegate.log_paths import table_prefix
from lakegate.model import Entry, FileEntry, Isolation, Manifest
from lakegate.ops.objects import store_bytes
from lakegate.ops.placement import in_log
from lakegate.snapshot import Snapshot
from lakegate.tables.data_files import missing_file, read_range
from lakegate.tables.deletion_vectors import parse_descriptor, read_vector
from lakegate.tables.delta.merge.plan import MergePlan, Readers, Replay, Three, plan_merge
from lakegate.tables.delta.merge.side_log import Past, TableAt, no_past
from lakegate.tables.reader import ReadRequest, batches

if TYPE_CHECKING:
    import pyarrow as pa
    from pyroaring import BitMap64

Change = tuple[str, Entry | None]
_NO_COMMIT = CommitId("")
_MOST_COMMITS = 1000


def _nowhere(_: str) -> Entry | None:
    return None


@dataclass(frozen=True, slots=True)
class Replaying:
    """How tables are replayed. `origin` tells where the versions come from, and goes into their commitInfo; `verb`
    names the operation of a version that no single one of the source's stands behind. `earlier` finds an object that
    some commit of either side held since the base: what a vacuum took away may be needed again. `pasts` are those of
    the source and the destination, `base_past` the base's own: log commits that were cleaned up tell still what came
    over before. `owner` tells the table that a path belongs to: others may lie inside its folder (None: there are
    none). `whole` says that all that the source did is merged."""

    isolation: Isolation = Isolation.WRITE_SERIALIZABLE
    origin: Mapping[str, Any] = field(default_factory=dict)
    verb: str = "MERGE BRANCH"
    earlier: Callable[[str], Entry | None] = _nowhere
    pasts: tuple[Past, Past] = (no_past, no_past)
    base_past: Past = no_past
    owner: Callable[[str], str | None] | None = None
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Replayed:
    """A planned replay. `changes`, sorted by path, bring the destination's tree there: none where the plan has clashes;
    in a dry run nothing lies at the addresses of what would be written. `disputed` are files that the log does not name
    and that both sides changed."""

    plan: MergePlan
    changes: Sequence[Change] = ()
    disputed: Sequence[tuple[Entry | None, Entry, Entry | None]] = ()


def held_since(ctx: RepositoryContext, heads: tuple[CommitId, ...], base: CommitId) -> Callable[[str], Entry | None]:
    """Returns what finds an object in the newest of the commits that lead from `base` to the heads and hold it."""
    floor = ctx.manifests.read_commit(base).generation

    def find(path: str) -> Entry | None:
        for commit in islice(walk(ctx.manifests.read_commit, heads), _MOST_COMMITS):
            if commit.generation < floor:
                return None
            root = ctx.manifests.read_manifest(commit.manifest).objects_root
            found = tree.get(ctx.manifests.nodes, OBJECTS, root, path)
            if found is not None:
                return found
        return None

    return find


def past_of(ctx: RepositoryContext, head: CommitId, base: CommitId) -> Past:
    """Returns what yields the manifests of a branch's own commits, from its head back to the base."""
    floor = ctx.manifests.read_commit(base).generation

    def past() -> Iterator[Manifest]:
        for commit in walk(ctx.manifests.read_commit, (head,), first_parent=True):
            if commit.generation < floor:
                return
            yield ctx.manifests.read_manifest(commit.manifest)

    return past


def past_before(ctx: RepositoryContext, base: CommitId) -> Past:
    """Returns what yields the manifests of the base and of its branch's commits before it."""

    def past() -> Iterator[Manifest]:
        for commit in islice(walk(ctx.manifests.read_commit, (base,), first_parent=True), _MOST_COMMITS):
            yield ctx.manifests.read_manifest(commit.manifest)

    return past


def replay_table(ctx: RepositoryContext, three: Three, how: Replaying, *, dry_run: bool) -> Replayed:
    """Plans the replay of one table, and (no dry run, no clash) stores its log commits and deletion vectors.

    Files of the source come over by their paths, pointing to the same bytes. Raises Refused(DELTA_LOG_INVALID) for a
    log that is not valid, DELTA_FILE_MISSING and DELTA_FILE_CHANGED where a version would name a file that is gone, or
    whose path holds another file.
    """
    stored = _Stored(ctx, three, how)
    plan = plan_merge(ctx, three, Replay(how.isolation, ctx.clock(), how.origin, how.verb, how.whole), stored.readers())
    if plan.clashes or not plan.commits:
        return Replayed(plan)
    coming: dict[str, Entry] = {}
    disputed: list[tuple[Entry | None, Entry, Entry | None]] = []
    for base, source, destination in _new_files(ctx, three, how.owner):
        if destination is None or (base is not None and destination.same_bytes(base)):
            coming[source.path] = source
        elif not destination.same_bytes(source):
            disputed.append((base, source, destination))
    stored.bring_needed(plan, coming)
    made = _made(ctx, table_prefix(three.destination.version.path), plan, dry_run=dry_run)
    return Replayed(plan, sorted([*coming.items(), *made], key=_path), disputed)


def _new_files(
    ctx: RepositoryContext, three: Three, owner: Callable[[str], str | None] | None
) -> Iterator[tuple[Entry | None, Entry, Entry | None]]:
    """What the source added or changed of the table's files outside its log, as (base, source, destination). What it
    removed stays: a vacuum of one side must not take away what the other's versions need."""
    nodes = ctx.manifests.nodes
    table = three.destination.version.path
    for change in tree.diff(nodes, OBJECTS, three.base.root, three.source.root, prefix=table_prefix(table)):
        if change.right is None or in_log(table, change.path):
            continue
        if owner is not None and owner(change.path) != table:
            continue
        yield change.left, change.right, tree.get(nodes, OBJECTS, three.destination.root, change.path)


def _made(ctx: RepositoryContext, prefix: str, plan: MergePlan, *, dry_run: bool) -> Iterator[Change]:
    """Stores the log commits and deletion vectors."""
    bodies = [(prefix + path, vector.body, None) for path, vector in plan.vectors.items()]
    for path, body, timestamp in [*bodies, *((made.path, made.body, made.timestamp) for made in plan.commits)]:
        entry = Entry(path, "", len(body), "", ctx.clock()) if dry_run else store_bytes(ctx, path, body)
        yield path, entry if timestamp is None else replace(entry, mtime=timestamp)


class _Stored:
    """The objects of one table, wherever a side still holds them."""

    def __init__(self, ctx: RepositoryContext, three: Three, how: Replaying) -> None:
        self._ctx = ctx
        self._three = three
        self._how = how
        self._table = three.destination.version.path
        self._prefix = table_prefix(self._table)

    def readers(self) -> Readers:
        source, destination = self._three.source, self._three.destination
        rows = partial(self._rows, source), partial(self._rows, destination)
        return Readers(self._vector, *rows, self._holds, *self._how.pasts)

    def bring_needed(self, plan: MergePlan, coming: dict[str, Entry]) -> None:
        """Finds the files that the new versions name, and that neither the destination has nor come anyway: a vacuum
        may have taken them from a branch, while a commit still holds them."""
        made = {self._prefix + path for path in plan.vectors}
        for path in (path for commit in plan.commits for path in commit.needs):
            if path in made:
                continue
            relative = path.removeprefix(self._prefix)
            present, theirs = (self._at(side.root, relative) for side in (self._three.destination, self._three.source))
            if present is None and path not in coming:
                found = self._find(relative)
                if found is not None:
                    coming[path] = found
                elif relative in plan.live:
                    raise missing_file(self._table, relative)
            elif present is not None and theirs is not None and not present.same_bytes(theirs):
                raise Refused(
                    ErrorKind.DELTA_FILE_CHANGED,
                    f"Both sides of the table {self._table!r} wrote a file {path!r}, with different content.",
                    hint="Data files of Delta tables have names of their own. Take one side of the table.",
                    details={"table": self._table, "path": path},
                )

    def _at(self, root: NodeId, relative: str) -> Entry | None:
        return tree.get(self._ctx.manifests.nodes, OBJECTS, root, self._prefix + relative)

    def _find(self, relative: str) -> Entry | None:
        for side in (self._three.destination, self._three.source, self._three.base):
            found = self._at(side.root, relative)
            if found is not None:
                return found
        return self._how.earlier(self._prefix + relative)

    def _holds(self, relative: str) -> bool:
        return self._find(relative) is not None

    def _vector(self, file: FileEntry) -> BitMap64:
        from pyroaring import BitMap64

        if file.deletion_vector is None:
            return BitMap64()
        return read_vector(parse_descriptor(file.deletion_vector), self._read_range)

    def _read_range(self, relative: str, start: int, length: int) -> bytes:
        entry = self._find(relative)
        if entry is None:
            raise missing_file(self._table, relative)
        return read_range(self._ctx, entry, start, length)

    def _rows(self, side: TableAt, files: Sequence[FileEntry], columns: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
        view = Snapshot(self._ctx, _NO_COMMIT, side.root)
        yield from batches(self._ctx, view, side.version, ReadRequest(columns, files))


def _path(change: Change) -> str:
    return change[0]

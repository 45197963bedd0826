"""Finds the tables of a tree, from those of the tree that it was made of, by what changed.

Delta table: a folder whose `_delta_log/` holds commits or checkpoints. A path belongs to the nearest one above it.

Parquet dataset: a folder, not the root, all of whose data objects are Parquet files by name and footer. Its data
objects are those in the folder itself and in hive partitions (`key=value/`) below it, but for names that begin with
`_` or `.`; other subfolders are not part of it (each may be a dataset of its own), nor is what lies in a Delta table. A
folder that ceases to fit is no table any more; that stops no commit.

`.lakegate/tables.yaml` overrides both (see `lakegate.tables.overrides`): a listed dataset takes its whole folder, all
objects in it must be Parquet, and where that doesn't hold the commit is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from lakegate import tree
from lakegate.context import RepositoryContext
from lakegate.errors import ErrorKind, Refused
from lakegate.format.kinds import OBJECTS, TABLES
from lakegate.ids import CommitId, NodeId
from lakegate.model import Entry, Manifest, TableFormat, TableVersion
from lakegate.snapshot import Snapshot
from lakegate.tables.delta_tables import DeltaChange, delta_version
from lakegate.tables.dropped import no_table
from lakegate.tables.folders import DatasetFolder, dataset_folder, folder_of
from lakegate.tables.overrides import OVERRIDES_PATH, Overrides, load_overrides
from lakegate.tables.owners import Owners
from lakegate.tables.parquet import SCHEMA_CLASHES, FileChange, NotParquet, dataset_version
from lakegate.tables.touched import Touched

_NO_COMMIT = CommitId("")


@dataclass(frozen=True, slots=True)
class Detected:
    """The root of a tree's tables, and in words what its changes did to Parquet datasets that nobody may have meant:
    one is no table any more, or holds files whose types clash."""

    tables_root: NodeId
    warnings: tuple[str, ...] = ()


def detect(
    ctx: RepositoryContext,
    base: Manifest,
    objects_root: NodeId,
    touched: Touched | None = None,
) -> Detected:
    """Finds the tables of `objects_root`, which came of `base` by changes that touched `touched` (found by comparing
    the trees where not given). Work is proportional to the tables that changes touch.

    Raises Refused(DELTA_LOG_INVALID, DELTA_PATH_FORBIDDEN, DELTA_FEATURE_UNKNOWN, INVALID_TABLE) naming the table,
    InvalidInput(INVALID_CONFIG) for a broken `.lakegate/tables.yaml`.
    """
    nodes = ctx.manifests.nodes
    if objects_root == base.objects_root:
        return Detected(base.tables_root)
    if touched is None:
        touched = Touched(nodes, base.objects_root)
        for path, was_there, stays in tree.changed_paths(nodes, OBJECTS, base.objects_root, objects_root):
            touched.see(path, was_there=was_there, stays=stays)
    overrides = load_overrides(ctx, objects_root)
    afresh = touched.overrides and overrides != load_overrides(ctx, base.objects_root)
    if afresh:
        touched.add_all(objects_root, base.tables_root)
    snapshot = Snapshot(ctx, _NO_COMMIT, objects_root)
    owners = Owners(snapshot, base.tables_root, overrides, touched.logs)
    detection = _Detection(ctx, base, snapshot, overrides, owners, touched, afresh)
    found = detection.run()
    updates = sorted((path, version) for path, version in found.items() if version != owners.base(path))
    root = tree.apply(nodes, TABLES, base.tables_root, updates) if updates else base.tables_root
    return Detected(root, tuple(detection.warnings))


@dataclass(frozen=True, slots=True)
class _Detection:
    ctx: RepositoryContext
    base: Manifest
    snapshot: Snapshot
    overrides: Overrides
    owners: Owners
    touched: Touched
    afresh: bool
    warnings: list[str] = field(default_factory=list)

    def run(self) -> dict[str, TableVersion | None]:
        """The tables that may have changed, by path; None: there is none."""
        if self.owners.logs.get(""):
            raise Refused(
                ErrorKind.INVALID_TABLE,
                "A Delta table can't lie at the root of a repository.",
                hint="Write it into a folder, e.g. `tables/orders`.",
            )
        self._check_listed_deltas()
        touched = self.touched
        losing: set[str] = set()
        candidates = set(touched.datasets)
        for folder in touched.folders:
            owner = self.owners.delta_of(folder)
            if owner is None:
                candidates.update(self._candidates(folder))
            elif folder in touched.losing:
                losing.add(owner)
        found: dict[str, TableVersion | None] = {}
        turned: set[str] = set()
        for folder, is_table in self.owners.logs.items():
            before = self.owners.base(folder)
            was_table = before is not None and before.format is TableFormat.DELTA
            if folder and is_table != was_table:
                turned.add(folder)
                candidates.update(self._around(folder))
            found[folder] = None
        found.pop("", None)
        for folder in sorted(candidates):  # each range is read once
            if not self.owners.is_delta(folder):
                inside = self.owners.delta_of(folder) is not None
                found[folder] = None if inside else self._dataset(folder, turned)
        for folder in {*(name for name, is_table in self.owners.logs.items() if is_table), *losing}:
            changed = DeltaChange(self.base, self.owners.base(folder), folder in self.owners.logs, folder in losing)
            found[folder] = delta_version(self.snapshot, folder, changed, self.owners)
        return found

    def _candidates(self, folder: str) -> Iterator[str]:
        """The Parquet dataset that objects in a folder would belong to."""
        listed = self.owners.listed_dataset(folder)
        if listed is not None:
            yield listed
            if not self.afresh:
                return
        near = dataset_folder(folder)
        if near is not None:
            yield near

    def _around(self, folder: str) -> Iterator[str]:
        """The Parquet datasets whose objects change hands where a Delta table appears or vanishes."""
        yield from self._candidates(folder)
        nodes = self.ctx.manifests.nodes
        for table in tree.iterate(nodes, TABLES, self.base.tables_root, prefix=folder + "/"):
            if table.format is TableFormat.PARQUET:
                yield table.path
        if not self.owners.is_delta(folder):
            for entry in self.snapshot.iterate(folder + "/"):
                yield from self._candidates(folder_of(entry.path))

    def _dataset(self, path: str, turned: set[str]) -> TableVersion | None:
        """The version of a dataset; None where the folder is none."""
        listed = self.overrides.tables.get(path) is TableFormat.PARQUET
        owner = self.owners.listed_dataset(path)
        if owner not in (None, path) or (not listed and self.owners.ignored(path)):
            return None
        if not listed and dataset_folder(path) != path:
            return None
        dataset = DatasetFolder(path, listed, lambda candidate: self.owners.is_foreign(path, candidate))
        base = before = self.owners.base(path)
        # With other overrides, or Delta tables that came or went below, other objects may belong to it than before.
        again = self.afresh or any(name == path or name.startswith(path + "/") for name in turned)
        if before is not None and (before.format is not TableFormat.PARQUET or again):
            before = None
        alien = self.touched.aliens.get(path)
        if before is None and alien is not None and dataset.holds(alien) and not dataset.is_parquet(alien):
            self._note_end(base, alien)
            return None
        try:
            changes = self._changes(dataset) if before is not None else self._whole(dataset)
            found = dataset_version(self.snapshot, path, before, changes)
        except NotParquet as error:
            if listed:
                raise _not_a_dataset(path, error) from error
            self._note_end(base, error.path)
            return None
        if found is not None:
            self._note_clashes(base, found)
        return found

    def _note_end(self, base: TableVersion | None, alien: str) -> None:
        """Warns where there was a dataset, of which this object makes an end."""
        if base is not None and base.format is TableFormat.PARQUET:
            self.warnings.append(f"{base.path} is {no_table(alien)}.")

    def _note_clashes(self, base: TableVersion | None, found: TableVersion) -> None:
        """Warns where types clash in a dataset's files that did not before."""
        clashes = found.properties.get(SCHEMA_CLASHES)
        if clashes is not None and (base is None or base.properties.get(SCHEMA_CLASHES) != clashes):
            self.warnings.append(f"{found.path} holds files whose types clash, so that most readers fail: {clashes}.")

    def _changes(self, dataset: DatasetFolder) -> Iterator[FileChange]:
        nodes = self.ctx.manifests.nodes
        prefix = dataset.path + "/"
        for change in tree.diff(nodes, OBJECTS, self.base.objects_root, self.snapshot.root, prefix=prefix):
            if dataset.holds(change.path):
                yield self._checked(dataset, change.path, change.right)

    def _whole(self, dataset: DatasetFolder) -> Iterator[FileChange]:
        # All names are looked at before the first footer is read.
        if not dataset.deep:
            for entry in dataset.entries(self.snapshot):
                self._checked(dataset, entry.path, entry)
        return (self._checked(dataset, entry.path, entry) for entry in dataset.entries(self.snapshot))

    def _checked(self, dataset: DatasetFolder, path: str, entry: Entry | None) -> FileChange:
        if entry is not None and not dataset.is_parquet(path):
            raise NotParquet(path, "no Parquet file by its name")
        return path[len(dataset.path) + 1 :], entry

    def _check_listed_deltas(self) -> None:
        for path, kind in self.overrides.tables.items():
            is_delta = self.owners.is_delta(path)
            if kind is TableFormat.PARQUET and is_delta:
                raise _refused_listing(path, "parquet", "holds a Delta log, so that its files are not all live")
            if kind is TableFormat.DELTA and not is_delta and self._is_touched_folder(path):
                raise _refused_listing(path, "delta", "holds no Delta log")

    def _is_touched_folder(self, path: str) -> bool:
        return next(self.snapshot.iterate(path + "/"), None) is not None


def _not_a_dataset(path: str, error: NotParquet) -> Refused:
    return _refused_listing(path, "parquet", f"holds an object that is no Parquet file ({error})")


def _refused_listing(path: str, kind: str, why: str) -> Refused:
    return Refused(
        ErrorKind.INVALID_TABLE,
        f"{OVERRIDES_PATH} lists {path!r} as {kind}, and the folder {why}.",
        hint=f"Change the folder, or {OVERRIDES_PATH}.",
        details={"table": path},
    )

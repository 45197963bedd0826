"""Decides, in a three-way change, a Parquet dataset that both sides changed: by path, but for its partitions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lakegate import tree
from lakegate.context import RepositoryContext
from lakegate.format.kinds import FILES, OBJECTS, TABLES
from lakegate.model import (
    ChangeKind,
    Conflict,
    FileEntry,
    Manifest,
    TableChange,
    TableOutcome,
    TableVersion,
    Take,
)
from lakegate.ops.conflicts import partition_conflict, schema_conflict
from lakegate.ops.decisions import Change, Decision, Sides, taken
from lakegate.ops.diff import changes
from lakegate.ops.placement import Placement
from lakegate.ops.resolutions import Resolutions
from lakegate.tables.file_counts import FileCounts, file_counts, with_counts
from lakegate.tables.folders import DatasetFolder
from lakegate.tables.parquet import SCHEMA_CLASHES
from lakegate.tables.schema import parse_schema
from lakegate.tables.unify import unify


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset on both sides of a merge; None on a side that has it not."""

    path: str
    source: TableVersion | None
    destination: TableVersion | None


class DatasetMerge:
    """Decides one dataset.

    It merges by path, but for partitions in which both sides replaced files, and for files that have no common schema;
    and one that a resolution names is taken whole.
    What the merge does to it is known when the merge's steps have gone by: `see` counts them, then `report` tells.
    """

    def __init__(
        self, ctx: RepositoryContext, sides: Sides, dataset: Dataset, resolutions: Resolutions, placement: Placement
    ) -> None:
        self._ctx = ctx
        self._sides = sides
        self._dataset = dataset
        self._resolutions = resolutions
        self._placement = placement
        self._counts = FileCounts()
        self._whole: Take | None = None
        self._settled: list[tuple[str, Take]] = []

    def decide(self) -> Iterator[Decision]:
        """Yields what does not merge by path: the whole, or partitions of it."""
        path = self._dataset.path
        self._whole = self._resolutions.whole(path)
        clashes = self._new_clashes() if self._whole is None else ()
        if clashes:
            self._whole = self._resolutions.take(path)
        if self._whole is not None:
            yield Decision(path, self._objects() if self._whole is Take.SOURCE else iter(()))
        elif clashes:
            yield Decision(path, iter(()), conflicts=(schema_conflict(path, clashes),))
        else:
            yield from self._partitions()

    def see(self, path: str, removed: bool) -> None:
        """Counts one step of the merge, at a path of the dataset."""
        if self._whole is None:
            old, new = self._file(self._dataset.destination, path), self._file(self._dataset.source, path)
            self._counts.note(old, None if removed else new)

    def report(self) -> TableChange:
        """Tells what became of the dataset, where nothing of it is in conflict."""
        path = self._dataset.path
        if self._whole is Take.SOURCE:
            return taken(self._ctx, path, self._dataset.source, self._dataset.destination)
        if self._whole is None:
            gone = self.no_table()
            if gone is not None:
                return gone
        kept = self._whole is Take.DESTINATION or any(take is Take.DESTINATION for _, take in self._settled)
        if self._counts != FileCounts():
            outcome = TableOutcome.MERGED_FILES
        else:
            outcome = TableOutcome.KEPT_DESTINATION if kept else TableOutcome.UNCHANGED
        note = ", ".join(f"{folder} from the {take.value}" for folder, take in self._settled)
        return with_counts(TableChange(path, outcome, note=note), self._counts)

    def no_table(self) -> TableChange | None:
        """Tells of a folder that is no dataset on one side, and, merged by path, is none in the result; else None."""
        path, destination = self._dataset.path, self._dataset.destination
        if self._dataset.source is not None and destination is not None:
            return None
        if destination is None:
            side, take, outcome = self._sides.destination, Take.DESTINATION, TableOutcome.UNCHANGED
        else:
            side, take, outcome = self._sides.source, Take.SOURCE, TableOutcome.REMOVED
        folder = DatasetFolder(path, False, lambda file: self._placement.table_of(file) != path)
        # The other side, a dataset, holds no such file: one that this side did not touch goes.
        for change in changes(
            self._ctx.manifests.nodes, self._sides.base.objects_root, side.objects_root, prefix=path + "/"
        ):
            if change.right is None or not folder.holds(change.path) or folder.is_parquet(change.path):
                continue
            if change.left is None or self._resolutions.take(change.path) is take:
                note = f"no table: {change.path!r} is no Parquet file"
                return with_counts(TableChange(path, outcome, note=note), file_counts(self._ctx, destination, None))
        return None

    def _new_clashes(self) -> tuple[str, ...]:
        """The columns whose types don't go together, by what the merge would bring to the destination."""
        source, destination = self._dataset.source, self._dataset.destination
        if source is None or destination is None or SCHEMA_CLASHES in destination.properties:
            return ()
        if SCHEMA_CLASHES in source.properties:
            nodes = self._ctx.manifests.nodes
            base = tree.get(nodes, TABLES, self._sides.base.tables_root, self._dataset.path)
            had_them = base is not None and SCHEMA_CLASHES in base.properties
            return () if had_them else (source.properties[SCHEMA_CLASHES],)
        return unify((parse_schema(source.schema), parse_schema(destination.schema)))[1]

    def _file(self, side: TableVersion | None, path: str) -> FileEntry | None:
        if side is None:
            return None
        return tree.get(self._ctx.manifests.nodes, FILES, side.state, path[len(self._dataset.path) + 1 :])

    def _objects(self) -> Iterator[Change]:
        """Makes the objects of a dataset the source's exactly: beside files of the other side they are no table."""
        for change in tree.diff(
            self._ctx.manifests.nodes,
            OBJECTS,
            self._sides.destination.objects_root,
            self._sides.source.objects_root,
            prefix=self._dataset.path + "/",
        ):
            if self._placement.table_of(change.path) == self._dataset.path:
                yield change.path, change.right

    def _partitions(self) -> Iterator[Decision]:
        ours = self._replaced(self._sides.source)
        for folder in sorted(ours & self._replaced(self._sides.destination)) if ours else ():
            take = self._resolutions.take(folder)
            if take is None:
                yield Decision(folder, iter(()), conflicts=(self._conflict(folder),), partition=True)
                continue
            self._settled.append((folder, take))
            yield Decision(folder, self._partition(folder) if take is Take.SOURCE else iter(()), partition=True)

    def _conflict(self, folder: str) -> Conflict:
        path = self._dataset.path
        base = tree.get(self._ctx.manifests.nodes, TABLES, self._sides.base.tables_root, path)
        return partition_conflict(path, folder, base, self._dataset.source, self._dataset.destination)

    def _replaced(self, side: Manifest) -> set[str]:
        """The folders in which a side removed or changed files."""
        return {
            change.path.rpartition("/")[0]
            for change in changes(
                self._ctx.manifests.nodes,
                self._sides.base.objects_root,
                side.objects_root,
                prefix=self._dataset.path + "/",
            )
            if change.kind is not ChangeKind.ADDED and self._placement.table_of(change.path) == self._dataset.path
        }

    def _partition(self, folder: str) -> Iterator[Change]:
        for change in changes(
            self._ctx.manifests.nodes,
            self._sides.destination.objects_root,
            self._sides.source.objects_root,
            prefix=folder + "/",
        ):
            if change.path.rpartition("/")[0] == folder:
                yield change.path, change.right

"""Decides, in a three-way change, the tables that are merged as one thing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain

from lakegate import tree
from lakegate.context import RepositoryContext
from lakegate.engine.three_way import incompatible
from lakegate.format.kinds import OBJECTS, TABLES
from lakegate.log_paths import commit_path
from lakegate.model import (
    Conflict,
    Resolution,
    TableChange,
    TableFormat,
    TableOutcome,
    TableVersion,
    Take,
)
from lakegate.ops.conflicts import (
    delta_conflict,
    object_conflict,
    replay_conflict,
)
from lakegate.ops.dataset_merge import Dataset, DatasetMerge
from lakegate.ops.decisions import Change, Decision, Sides, taken
from lakegate.ops.forward import Heads, forward_table
from lakegate.ops.placement import Placement, in_log, is_delta, rewrites, same_content, same_version
from lakegate.ops.resolutions import Resolutions
from lakegate.ops.row_merge import RowMergeSides, TableInTree, merge_table_rows
from lakegate.ops.table_replay import Replayed, Replaying, replay_table
from lakegate.tables.delta.merge.plan import Three
from lakegate.tables.delta.merge.side_log import TableAt, cleaned_log
from lakegate.tables.delta.merge.transactions import LAKEGATE
from lakegate.tables.file_counts import with_counts
from lakegate.tables.folders import has_parquet_name
from lakegate.tables.schema_changes import definition_changes


class TableMerge:
    """Decides the tables that the source changed.

    A Delta table that only the source changed is taken from it, its log whole where that log only goes on from the
    destination's. One that both changed is replayed: the source's transactions become new versions after the
    destination's, where Delta's conflict rules allow it. One that was begun anew, under another id, is another
    table, and never replayed. A published version is never rewritten, and the version number never goes back. A Parquet
    dataset merges by path, as `DatasetMerge` has it.
    """

    def __init__(
        self,
        ctx: RepositoryContext,
        sides: Sides,
        resolutions: Resolutions,
        replaying: Replaying,
        *,
        dry_run: bool,
    ) -> None:
        self._ctx = ctx
        self._sides = sides
        self._resolutions = resolutions
        self._dry_run = dry_run
        roots = (sides.base.tables_root, sides.source.tables_root, sides.destination.tables_root)
        self.placement = Placement(ctx.manifests.nodes, roots)
        self._replaying = replace(replaying, owner=self.placement.table_of)
        self._datasets: dict[str, DatasetMerge] = {}
        self._reports: list[TableChange] = []

    def decide(self) -> Iterator[Decision]:
        """Yields a decision for each table, and each partition in conflict, in the order of their folders' files."""
        triples = tree.merge(
            self._ctx.manifests.nodes,
            TABLES,
            self._sides.base.tables_root,
            self._sides.source.tables_root,
            self._sides.destination.tables_root,
        )
        decisions: list[Decision] = []
        for triple in triples:
            base, source, destination = triple.base, triple.source, triple.destination
            if same_version(base, source) or same_version(source, destination):
                continue
            if is_delta(base, source, destination):
                decisions.append(self._delta(triple.path, base, source, destination))
            elif same_version(base, destination) and self._resolutions.whole(triple.path) is None:
                self._resolutions.by_rows(triple.path)  # all rows that changed are the source's
                alone = self._dataset_merge(triple.path, source, destination)
                self._reports.append(alone.no_table() or taken(self._ctx, triple.path, source, destination))
            else:
                decisions += self._dataset(triple.path, base, source, destination)
        self._reports += [decision.report for decision in decisions if decision.report is not None]
        yield from sorted(decisions, key=lambda decision: decision.folder + "/")

    def see(self, path: str, removed: bool) -> None:
        """Is told of each step of the change, wherever it comes from."""
        if self._datasets:
            dataset = self._datasets.get(self.placement.table_of(path) or "")
            if dataset is not None:
                dataset.see(path, removed)

    def reports(self, conflicts: Sequence[Conflict]) -> tuple[TableChange, ...]:
        """Tells what becomes of each table, by path, once all steps have been seen; `conflicts` are all there are."""
        stuck = {conflict.table for conflict in conflicts}
        merged = [dataset.report() for dataset in self._datasets.values()]
        return tuple(
            TableChange(report.path, TableOutcome.CONFLICT, report.from_version) if report.path in stuck else report
            for report in sorted([*self._reports, *merged], key=lambda report: report.path)
        )

    # -- Delta tables -------------------------------------------------------------------------------------------------

    def _delta(
        self, path: str, base: TableVersion | None, source: TableVersion | None, destination: TableVersion | None
    ) -> Decision:
        by_rows = self._resolutions.by_rows(path)
        if by_rows is not None:
            return self._rows(by_rows, base, source, destination)
        asked = self._resolutions.named(path)
        if asked is not None:
            return self._settled(path, asked.take, source, destination)
        alone = same_version(base, destination)
        if alone and (source is None or destination is None or self._goes_on(source, destination)):
            return self._source(path, source, destination)
        if same_content(source, destination):
            return self._kept(path, destination)
        three = self._three(base, source, destination)
        if three is not None and three.is_one:
            replayed = replay_table(self._ctx, three, self._replaying, dry_run=self._dry_run)
            if not replayed.plan.clashes:
                return self._replayed(three, replayed)
            conflicts = tuple(replay_conflict(three, clash) for clash in replayed.plan.clashes)
        else:
            conflicts = (self._both_changed(path, base, source, destination),)
        take = Take.SOURCE if alone else self._resolutions.take(path)
        if take is not None:
            return self._settled(path, take, source, destination)
        before = destination.version if destination is not None else None
        return Decision(path, iter(()), TableChange(path, TableOutcome.CONFLICT, before), conflicts)

    def _settled(
        self, path: str, take: Take, source: TableVersion | None, destination: TableVersion | None
    ) -> Decision:
        """Takes one side of a table, as the user, or a strategy, asked for."""
        match take:
            case Take.SOURCE:
                return self._source(path, source, destination)
            case Take.DESTINATION:
                before = destination.version if destination is not None else None
                return Decision(path, iter(()), TableChange(path, TableOutcome.KEPT_DESTINATION, before, before))
            case Take.ROWS:
                raise AssertionError("unreachable: a resolution by rows is asked for first")

    def _rows(
        self,
        asked: Resolution,
        base: TableVersion | None,
        source: TableVersion | None,
        destination: TableVersion | None,
    ) -> Decision:
        """Merges the table's rows by key, as the user asked for."""
        path = asked.path.rstrip("/")
        if source is None or destination is None:
            raise incompatible(path, "one side has no such table")
        merged = merge_table_rows(
            self._ctx,
            RowMergeSides(
                TableInTree(self._sides.base.objects_root, base) if base is not None else None,
                TableInTree(self._sides.source.objects_root, source),
                TableInTree(self._sides.destination.objects_root, destination),
            ),
            asked,
            self._replaying.origin,
            dry_run=self._dry_run,
        )
        before = destination.version
        if merged.conflict is not None:
            return Decision(path, iter(()), TableChange(path, TableOutcome.CONFLICT, before), (merged.conflict,))
        note = f"by the key {', '.join(asked.key)}{_left_behind(base, source, destination)}"
        report = TableChange(path, TableOutcome.MERGED_ROWS, before, merged.version, note=note)
        return Decision(path, iter(merged.changes), with_counts(report, merged.counts))

    def _three(
        self, base: TableVersion | None, source: TableVersion | None, destination: TableVersion | None
    ) -> Three | None:
        """The table on all sides; None where one has none, or it is no Delta table there."""
        sides = zip(
            (self._sides.base, self._sides.source, self._sides.destination), (base, source, destination), strict=True
        )
        found = [
            TableAt(manifest.objects_root, version)
            for manifest, version in sides
            if version is not None and version.format is TableFormat.DELTA
        ]
        if base is None or len(found) != 3:
            return None
        cleaned = cleaned_log(self._ctx, self._replaying.base_past, base.path)
        return Three(replace(found[0], cleaned=cleaned), *found[1:])

    def _both_changed(
        self, path: str, base: TableVersion | None, source: TableVersion | None, destination: TableVersion | None
    ) -> Conflict:
        roots = self._sides.source.objects_root, self._sides.destination.objects_root
        return delta_conflict(self._ctx, path, base, (source, roots[0]), (destination, roots[1]))

    def _replayed(self, three: Three, replayed: Replayed) -> Decision:
        path, before = three.destination.version.path, three.destination.version.version
        plan = replayed.plan
        after = plan.commits[-1].version if plan.commits else before
        why = (
            "; ".join(dict.fromkeys(version.note for version in plan.versions)) or "the destination has it all already"
        )
        report = TableChange(
            path,
            TableOutcome.REPLAYED if plan.commits else TableOutcome.UNCHANGED,
            before,
            after,
            note="" if plan.commits else why,
            versions=plan.versions,
        )
        changes = dict(replayed.changes)
        conflicts: list[Conflict] = []
        for base, source, destination in replayed.disputed:
            take = self._resolutions.take(source.path)
            if take is Take.SOURCE:
                changes[source.path] = source
            elif take is None:
                conflicts.append(object_conflict(source.path, base, source, destination, path))
        return Decision(path, iter(sorted(changes.items())), with_counts(report, plan.counts), tuple(conflicts))

    def _source(self, path: str, source: TableVersion | None, destination: TableVersion | None) -> Decision:
        """Takes the source's table: its log where that goes on from the destination's, else its state as a new
        version."""
        if source is None or destination is None or self._goes_on(source, destination):
            return Decision(path, self._folder(path, source), taken(self._ctx, path, source, destination))
        before = destination.version
        roots = self._sides.destination.objects_root, self._sides.source.objects_root
        heads = Heads(roots[0], destination, roots[1], source, self.placement.table_of)
        origin = {LAKEGATE: {**self._replaying.origin, "sourceVersion": source.version}}
        forward = forward_table(self._ctx, heads, origin, dry_run=self._dry_run)
        if forward.version is None:
            return replace(self._kept(path, destination), changes=forward.changes)
        note = f"the source's state (its version {source.version}) as the new version {forward.version}"
        report = TableChange(path, TableOutcome.TAKEN_SOURCE, before, forward.version, note=note)
        return Decision(path, forward.changes, with_counts(report, forward.counts))

    def _kept(self, path: str, destination: TableVersion | None) -> Decision:
        """Leaves a table as it is, for the source's has the same content, whatever led to it."""
        version = destination.version if destination is not None else None
        report = TableChange(path, TableOutcome.UNCHANGED, version, version, note="the content is the same")
        return Decision(path, iter(()), report)

    def _goes_on(self, source: TableVersion, destination: TableVersion) -> bool:
        """Tells whether the source's log holds the destination's versions as they are, and more. It may have been
        cleaned up: then the newest of them must have been in it."""
        if not (is_delta(source) and is_delta(destination)):
            return True
        if (source.version or 0) <= (destination.version or 0):
            return False
        roots = self._sides.destination.objects_root, self._sides.source.objects_root
        if rewrites(self._ctx, roots, destination):
            return False
        nodes, place = self._ctx.manifests.nodes, commit_path(destination.path, destination.version or 0)
        newest = tree.get(nodes, OBJECTS, roots[0], place)
        if newest is None:
            return same_version(tree.get(nodes, TABLES, self._sides.base.tables_root, destination.path), destination)
        earlier = (manifest.objects_root for manifest in self._replaying.pasts[0]())
        held = (tree.get(nodes, OBJECTS, root, place) for root in chain(roots[1:], earlier))
        found = next((entry for entry in held if entry is not None), None)
        return found is not None and found.same_content(newest)

    def _folder(self, table: str, source: TableVersion | None) -> Iterator[Change]:
        """Makes the table's log the source's exactly; elsewhere in its folder the source's files come, those that the
        source removed go, and what only the destination added stays: but for Parquet files where the source has no
        Delta table, since without a log to say otherwise they would be read as a dataset."""
        nodes = self._ctx.manifests.nodes
        differing = tree.diff(
            nodes,
            OBJECTS,
            self._sides.destination.objects_root,
            self._sides.source.objects_root,
            prefix=table + "/",
        )
        bares_files = not is_delta(source)
        for change in differing:
            if self.placement.table_of(change.path) != table:
                continue
            if change.right is not None or in_log(table, change.path):
                yield change.path, change.right
            elif (bares_files and has_parquet_name(change.path)) or (
                tree.get(nodes, OBJECTS, self._sides.base.objects_root, change.path) is not None
            ):
                yield change.path, None

    def _dataset(
        self, path: str, base: TableVersion | None, source: TableVersion | None, destination: TableVersion | None
    ) -> Iterator[Decision]:
        """Decides a Parquet dataset that both sides changed, or that is asked to be taken from one."""
        by_rows = self._resolutions.by_rows(path)
        if by_rows is not None:
            yield self._rows(by_rows, base, source, destination)
            return
        self._datasets[path] = self._dataset_merge(path, source, destination)
        yield from self._datasets[path].decide()

    def _dataset_merge(self, path: str, source: TableVersion | None, destination: TableVersion | None) -> DatasetMerge:
        dataset = Dataset(path, source, destination)
        return DatasetMerge(self._ctx, self._sides, dataset, self._resolutions, self.placement)


def _left_behind(base: TableVersion | None, source: TableVersion, destination: TableVersion) -> str:
    """Says what a merge of rows does not bring: the source's changes of the table's definition."""
    mine, theirs, before = (
        replace(version, protocol=None) for version in (destination, source, base if base is not None else destination)
    )
    left = [words for words in definition_changes(before, theirs) if words not in definition_changes(before, mine)]
    return f"; columns and properties stay the destination's, without the source's {', '.join(left)}" if left else ""

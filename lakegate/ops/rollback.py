"""Puts old content back on a branch as a new commit: nothing is lost, and the way there stays in the history."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import merge as merge_sorted

from lakegate import refs, tree
from lakegate.context import RepositoryContext
from lakegate.errors import ErrorKind, NotFound, Refused
from lakegate.format.kinds import OBJECTS, TABLES
from lakegate.ids import CommitId, NodeId
from lakegate.model import (
    ChangeCounts,
    ChangeKind,
    Commit,
    Manifest,
    RollbackMode,
    RollbackOutcome,
    RollbackRequest,
    TableChange,
    TableOutcome,
    TableVersion,
)
from lakegate.ops.clean import require_clean, sealed_clean
from lakegate.ops.commit import TreeCommit, commit_tree, manifest_of, too_many_updates
from lakegate.ops.diff import changes
from lakegate.ops.forward import Change, Heads, forward_table
from lakegate.ops.placement import Placement, in_log, is_delta
from lakegate.tables.file_counts import file_counts, with_counts

_TRIES = 20
_EXACT_WARNING = (
    "{} goes back to its old version number {}: readers and writers that are open now must open the table anew, or "
    "they go wrong without an error."
)


@dataclass(slots=True)
class _Report:
    added: int = 0
    removed: int = 0
    changed: int = 0
    tables: list[TableChange] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def outcome(self, made: Commit | None, target: CommitId) -> RollbackOutcome:
        counts = ChangeCounts(self.added, self.removed, self.changed)
        return RollbackOutcome(made, target, counts, tuple(self.tables), tuple(self.warnings))


def rollback(ctx: RepositoryContext, branch: str, request: RollbackRequest) -> RollbackOutcome:
    """Rolls a branch, or some tables and paths of it, back; see `lakegate.interface.Repository.rollback`."""
    name = refs.get_branch(ctx, branch).name
    target = refs.resolve(ctx, request.to).commit
    for _ in range(_TRIES):
        state = require_clean(ctx, name, "a rollback") if request.dry_run else sealed_clean(ctx, name, "a rollback")
        plan = _Plan(ctx, manifest_of(ctx, state.commit), target, request)
        steps = plan.steps()
        if request.dry_run:
            for _step in steps:
                pass
            return plan.report.outcome(None, target)
        root = tree.apply(ctx.manifests.nodes, OBJECTS, plan.head.objects_root, steps)
        if root == plan.head.objects_root:
            raise Refused(
                ErrorKind.NOTHING_TO_ROLL_BACK,
                f"{branch!r} holds what {request.to!r} holds already.",
                hint="Nothing needs to be done.",
            )
        made = commit_tree(
            ctx,
            state,
            root,
            TreeCommit(
                (state.commit,),
                request.message or f"Roll back to {target}",
                f"rollback to {request.to}",
                request.metadata,
                drop=state.sealed,
                clean=True,
            ),
        )
        if made is not None:
            return plan.report.outcome(made, target)
    raise too_many_updates(name)


class _Plan:
    """The changes that bring the head to the target's content, within what the request names.

    Forward: a Delta table that both hold gains one version with the target's state; all else goes back by path.
    Exact: everything goes back by path.
    """

    def __init__(self, ctx: RepositoryContext, head: Manifest, target: CommitId, request: RollbackRequest) -> None:
        wanted = manifest_of(ctx, target)
        self._ctx = ctx
        self.head = head
        self._target = target
        self._wanted = wanted
        self._forwarded: set[str] = set()
        self._request = request
        self._asked = frozenset(table.rstrip("/") for table in request.tables)
        self._placement = Placement(ctx.manifests.nodes, (head.tables_root, wanted.tables_root))
        self._then_placed = Placement(ctx.manifests.nodes, (wanted.tables_root,))
        self.report = _Report()
        self._check()
        self._scopes = self._merged_scopes()

    def steps(self) -> Iterator[Change]:
        """Yields the changes in order, and fills in the report on the way."""
        forwards = self._tables()
        return merge_sorted(self._by_path(), *forwards, key=_path)

    # -- what the request names ---------------------------------------------------------------------------------------

    def _check(self) -> None:
        nodes = self._ctx.manifests.nodes
        for table in self._request.tables:
            if tree.get(nodes, TABLES, self._wanted.tables_root, table.rstrip("/")) is None:
                raise NotFound(
                    ErrorKind.TABLE_NOT_FOUND,
                    f"There is no table {table!r} at {self._request.to!r}.",
                    hint="Choose a commit that holds it; `lakegate log --path` lists the commits that changed it.",
                )
        for path in self._request.paths:
            roots = (self.head.objects_root, self._wanted.objects_root)
            if not any(self._holds(root, path) for root in roots):
                raise NotFound(
                    ErrorKind.OBJECT_NOT_FOUND,
                    f"There is nothing at {path!r}, neither now nor at {self._request.to!r}.",
                    hint="A folder ends with '/'.",
                )
            owner = self._placement.table_of(path)
            if owner is not None and path != owner + "/" and is_delta(*self._versions(owner)):
                raise Refused(
                    ErrorKind.INVALID_ARGUMENT,
                    f"{path!r} is a part of the Delta table {owner!r}, which goes back as a whole.",
                    hint=f"Roll the table {owner!r} back.",
                )

    def _holds(self, root: NodeId, path: str) -> bool:
        found = next(tree.iterate(self._ctx.manifests.nodes, OBJECTS, root, path), None)
        return found is not None and (path.endswith("/") or found.path == path)

    def _merged_scopes(self) -> tuple[str, ...]:
        """Prefixes and paths, sorted, none within another; all is the empty prefix."""
        tables = [table + "/" for table in self._asked]
        scopes: list[str] = []
        for scope in sorted({*tables, *self._request.paths}) or [""]:
            if not any(kept.endswith("/") and scope.startswith(kept) for kept in scopes):
                scopes.append(scope)
        return tuple(scopes)

    def _in_scope(self, path: str) -> bool:
        """Tells whether a path goes back: all do where nothing is named, a named folder goes as a whole, and a named
        table without the tables inside its folder."""
        if "" in self._scopes:
            return True
        for named in self._request.paths:
            if path == named or (named.endswith("/") and path.startswith(named)):
                return True
        owner = self._placement.table_of(path)
        if owner is None or owner in self._asked:
            return owner is not None
        now, then = self._versions(owner)
        # Files that are a dataset by now, and were the table's: it lost its log.
        return then is None and not is_delta(now) and self._then_placed.table_of(path) in self._asked

    # -- tables -------------------------------------------------------------------------------------------------------

    def _versions(self, table: str) -> tuple[TableVersion | None, TableVersion | None]:
        nodes = self._ctx.manifests.nodes
        return (
            tree.get(nodes, TABLES, self.head.tables_root, table),
            tree.get(nodes, TABLES, self._wanted.tables_root, table),
        )

    def _goes_forward(self, table: str | None) -> bool:
        if table is None or self._request.mode is RollbackMode.EXACT:
            return False
        now, then = self._versions(table)
        return now is not None and then is not None and is_delta(now) and is_delta(then)

    def _tables(self) -> list[Iterator[Change]]:
        differing = tree.diff(self._ctx.manifests.nodes, TABLES, self.head.tables_root, self._wanted.tables_root)
        found = [change for change in differing if self._in_scope(change.path + "/")]
        parts: list[Iterator[Change]] = []
        for change in sorted(found, key=lambda change: change.path + "/"):
            now, then = change.left, change.right
            if now is not None and then is not None and self._goes_forward(change.path):
                parts.append(self._forward(now, then))
            else:
                self._report_by_path(change.path, now, then)
        return parts

    def _report_by_path(self, path: str, now: TableVersion | None, then: TableVersion | None) -> None:
        """Reports a table whose objects go back one by one."""
        before, after = (side.version if side is not None else None for side in (now, then))
        outcome = TableOutcome.REMOVED if then is None else TableOutcome.ROLLED_BACK
        counts = file_counts(self._ctx, now, then)
        self.report.tables.append(with_counts(TableChange(path, outcome, before, after), counts))
        if before is not None and after is not None:
            self.report.warnings.append(_EXACT_WARNING.format(repr(path), after))

    def _forward(self, now: TableVersion, then: TableVersion) -> Iterator[Change]:
        self._forwarded.add(now.path)
        heads = Heads(self.head.objects_root, now, self._wanted.objects_root, then, self._placement.table_of)
        origin = {"operation": "rollback", "source": self._request.to, "sourceCommit": self._target}
        forward = forward_table(self._ctx, heads, {"lakegate": origin}, dry_run=self._request.dry_run)
        made = forward.version is not None
        note = f"the content of version {then.version}" if made else "the content is the same"
        outcome = TableOutcome.ROLLED_BACK if made else TableOutcome.UNCHANGED
        after = forward.version if made else now.version
        report = TableChange(now.path, outcome, now.version, after, note=note)
        self.report.tables.append(with_counts(report, forward.counts))
        if self._request.dry_run and made:
            self.report.added += 1  # the log commit, which a dry run does not write
        return self._counted(forward.changes)

    def _counted(self, steps: Iterator[Change]) -> Iterator[Change]:
        for path, entry in steps:
            if tree.get(self._ctx.manifests.nodes, OBJECTS, self.head.objects_root, path) is None:
                self.report.added += 1
            else:
                self.report.changed += 1
            yield path, entry

    # -- everything else ----------------------------------------------------------------------------------------------

    def _is_kept(self, path: str) -> bool:
        """Tells of paths that don't go back one by one: those of a table that goes forward; and the log, which clients
        clean up, of one whose version is the target's still."""
        table = self._placement.table_of(path)
        if table is None or not self._goes_forward(table):
            return False
        return table in self._forwarded or in_log(table, path)

    def _by_path(self) -> Iterator[Change]:
        for scope in self._scopes:
            for change in changes(self._ctx.manifests.nodes, self.head.objects_root, self._wanted.objects_root, scope):
                if not self._in_scope(change.path) or self._is_kept(change.path):
                    continue
                if change.kind is ChangeKind.ADDED:
                    self.report.added += 1
                elif change.kind is ChangeKind.REMOVED:
                    self.report.removed += 1
                else:
                    self.report.changed += 1
                yield change.path, change.right


def _path(change: Change) -> str:
    return change[0]

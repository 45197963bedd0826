"""Puts old content back on a branch as a new commit: nothing is lost, and the way there stays in the history."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lakegate import refs, staging, tree
from lakegate.context import RepositoryContext
from lakegate.errors import ErrorKind, NotFound, NotOffered, Refused
from lakegate.format.kinds import OBJECTS
from lakegate.ids import CommitId, NodeId
from lakegate.model import ChangeCounts, ChangeKind, Commit, Entry, RollbackMode, RollbackOutcome, RollbackRequest
from lakegate.ops.clean import require_clean, sealed_clean
from lakegate.ops.commit import TreeCommit, commit_tree, too_many_updates
from lakegate.ops.diff import changes

_TRIES = 20
_EXACT_WARNING = (
    "Delta tables go back to an older version number: readers and writers that are open now must open the table anew."
)


@dataclass(slots=True)
class _Counts:
    added: int = 0
    removed: int = 0
    changed: int = 0
    log_touched: bool = False


def rollback(ctx: RepositoryContext, branch: str, request: RollbackRequest) -> RollbackOutcome:
    """Rolls a branch, or some tables and paths of it, back; see `lakegate.interface.Repository.rollback`.

    Raises NotOffered where a Delta table would have to go forward to old content, which is not built yet.
    """
    name = refs.get_branch(ctx, branch).name
    target = refs.resolve(ctx, request.to).commit
    wanted = staging.objects_root(ctx, target)
    scopes = _scopes(request)
    for _ in range(_TRIES):
        state = require_clean(ctx, name, "a rollback") if request.dry_run else sealed_clean(ctx, name, "a rollback")
        head = staging.objects_root(ctx, state.commit)
        _require_present(ctx, request, head, wanted)
        counts = _Counts()
        steps = _steps(ctx, head, wanted, scopes, request, counts)
        if request.dry_run:
            for _step in steps:
                pass
            return _outcome(None, counts, target)
        root = tree.apply(ctx.manifests.nodes, OBJECTS, head, steps)
        if root == head:
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
            return _outcome(made, counts, target)
    raise too_many_updates(name)


def _scopes(request: RollbackRequest) -> tuple[str, ...]:
    """The prefixes and paths to roll back, sorted, none within another; all is the empty prefix."""
    tables = [table.rstrip("/") + "/" for table in request.tables]
    scopes: list[str] = []
    for scope in sorted({*tables, *request.paths}) or [""]:
        if not any(scope == kept or (kept.endswith("/") and scope.startswith(kept)) for kept in scopes):
            scopes.append(scope)
    return tuple(scopes)


def _require_present(ctx: RepositoryContext, request: RollbackRequest, head: NodeId, wanted: NodeId) -> None:
    for table in request.tables:
        folder = table.rstrip("/") + "/"
        if next(tree.iterate(ctx.manifests.nodes, OBJECTS, wanted, folder), None) is None:
            raise NotFound(
                ErrorKind.TABLE_NOT_FOUND,
                f"There is no table {table!r} at {request.to!r}.",
                hint="Choose a commit that holds it.",
            )
    for path in request.paths:
        roots = (head, wanted)
        if not any(next(tree.iterate(ctx.manifests.nodes, OBJECTS, root, path), None) for root in roots):
            raise NotFound(
                ErrorKind.OBJECT_NOT_FOUND,
                f"There is nothing at {path!r}, neither now nor at {request.to!r}.",
                hint="A folder ends with '/'.",
            )


def _steps(
    ctx: RepositoryContext,
    head: NodeId,
    wanted: NodeId,
    scopes: tuple[str, ...],
    request: RollbackRequest,
    counts: _Counts,
) -> Iterator[tuple[str, Entry | None]]:
    for scope in scopes:
        for change in changes(ctx, head, wanted, scope):
            if scope and not scope.endswith("/") and change.path != scope:
                continue
            if "/_delta_log/" in f"/{change.path}":
                counts.log_touched = True
                if request.mode is RollbackMode.FORWARD:
                    raise NotOffered(
                        f"Rolling the Delta table of {change.path!r} back by a new version is not offered yet.",
                        hint="Use the mode `exact`, which puts the old version back, "
                        "or restore the table with a Delta client.",
                    )
            if change.kind is ChangeKind.ADDED:
                counts.added += 1
            elif change.kind is ChangeKind.REMOVED:
                counts.removed += 1
            else:
                counts.changed += 1
            yield change.path, change.right


def _outcome(made: Commit | None, counts: _Counts, target: CommitId) -> RollbackOutcome:
    warnings = (_EXACT_WARNING,) if counts.log_touched else ()
    return RollbackOutcome(made, target, ChangeCounts(counts.added, counts.removed, counts.changed), warnings=warnings)

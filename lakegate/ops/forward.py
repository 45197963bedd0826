"""Gives a Delta table a new version with the content of another state of it: published versions are never rewritten."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from heapq import merge as merge_sorted
from typing import Any

from lakegate import tree
from lakegate.context import RepositoryContext
from lakegate.errors import ErrorKind, Refused
from lakegate.format.kinds import FILES, OBJECTS
from lakegate.ids import NodeId
from lakegate.log_paths import table_prefix
from lakegate.model import Entry, TableVersion
from lakegate.ops.objects import store_bytes
from lakegate.ops.placement import in_log
from lakegate.tables.deletion_vectors import parse_descriptor, vector_file
from lakegate.tables.delta.log_commit import LogCommit
from lakegate.tables.delta.restore import restore_commit
from lakegate.tables.file_counts import FileCounts

Change = tuple[str, Entry | None]


@dataclass(frozen=True, slots=True)
class Heads:
    """A table in two trees: as it stands (`current`, in the tree `current_root`), and as it shall be. `owner` tells the
    table that a path belongs to: others may lie inside its folder."""

    current_root: NodeId
    current: TableVersion
    target_root: NodeId
    target: TableVersion
    owner: Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class Forward:
    """A forward step of one table.

    version  the new Delta version; None where the log says all that it should already, and none is made
    counts   files, rows and bytes that the version adds and removes
    changes  sorted by path, to be applied to the tree that holds `current`; empty where nothing is to be done
    """

    version: int | None
    counts: FileCounts
    changes: Iterator[Change]


def forward_table(
    ctx: RepositoryContext, heads: Heads, info: Mapping[str, Any] | None = None, *, dry_run: bool = False
) -> Forward:
    """Plans the version after `heads.current` whose state is that of `heads.target`.

    The log stays and gains one commit; objects of the target that the current tree lacks come back under their paths,
    and data files that were overwritten get their bytes back; files that only the current tree has stay, for its
    earlier versions need them. Writes the log commit's bytes (a dry run writes nothing, and yields no entry for them).

    Raises what `restore_commit` raises, and Refused(DELTA_FILE_MISSING, DELTA_FILE_CHANGED) where the version would
    name a file that neither tree holds, or whose path holds another file by now.
    """
    commit = restore_commit(ctx, heads.current, heads.target, ctx.clock(), info)
    if commit is not None:
        _check_files(ctx, heads, commit)
    files = _files(ctx, heads)
    if commit is None:
        return Forward(None, FileCounts(), files)
    if dry_run:
        return Forward(commit.version, commit.counts, files)
    entry = replace(store_bytes(ctx, commit.path, commit.body), mtime=commit.timestamp)
    return Forward(commit.version, commit.counts, merge_sorted(files, iter([(commit.path, entry)]), key=_path))


def _check_files(ctx: RepositoryContext, heads: Heads, commit: LogCommit) -> None:
    for path in commit.needs:
        now = tree.get(ctx.manifests.nodes, OBJECTS, heads.current_root, path)
        then = tree.get(ctx.manifests.nodes, OBJECTS, heads.target_root, path)
        if now is None and then is None:
            raise Refused(
                ErrorKind.DELTA_FILE_MISSING,
                f"The table {commit.table!r} can't get the content of version {heads.target.version} back: its file "
                f"{path!r} is not there any more.",
                hint="Choose a commit that holds the file: it was deleted there before the commit was made.",
                details={"table": commit.table, "path": path},
            )
        if now is not None and then is not None and not now.same_bytes(then):
            raise Refused(
                ErrorKind.DELTA_FILE_CHANGED,
                f"The table {commit.table!r} can't get the content of version {heads.target.version} back: by now, "
                f"{path!r} holds another file, which later versions need.",
                hint="Data files of Delta tables have names of their own. Roll back in the mode `exact`.",
                details={"table": commit.table, "path": path},
            )


def _files(ctx: RepositoryContext, heads: Heads) -> Iterator[Change]:
    """Yields what comes back: objects that are gone, and live files whose bytes were overwritten."""
    nodes = ctx.manifests.nodes
    prefix = table_prefix(heads.current.path)
    vectors: set[str] | None = None
    for change in tree.diff(nodes, OBJECTS, heads.current_root, heads.target_root, prefix=prefix):
        now, then = change.left, change.right
        if then is None or in_log(heads.current.path, change.path) or heads.owner(change.path) != heads.current.path:
            continue
        if now is None:
            yield change.path, then
        elif not now.same_bytes(then):
            name = change.path[len(prefix) :]
            if name.endswith(".bin") and vectors is None:
                vectors = _vectors(ctx, heads.target)
            if name in (vectors or ()) or tree.get(nodes, FILES, heads.target.state, name) is not None:
                yield change.path, then


def _vectors(ctx: RepositoryContext, table: TableVersion) -> set[str]:
    live = tree.iterate(ctx.manifests.nodes, FILES, table.state)
    found = {vector_file(parse_descriptor(file.deletion_vector)) for file in live if file.deletion_vector}
    return {path for path in found if path is not None}


def _path(change: Change) -> str:
    return change[0]

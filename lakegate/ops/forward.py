"""Gives a Delta table a new version with the content of another state of it: published versions are never rewritten."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import merge as merge_sorted

from lakegate import tree
from lakegate.context import RepositoryContext
from lakegate.format.kinds import OBJECTS
from lakegate.ids import NodeId
from lakegate.model import Entry, TableVersion
from lakegate.ops.objects import store_bytes
from lakegate.ops.placement import in_log
from lakegate.tables.delta.restore import restore_commit

Change = tuple[str, Entry | None]


@dataclass(frozen=True, slots=True)
class Forward:
    """A forward step of one table: `version` is the new Delta version; `changes`, sorted by path, are to be applied
    to the tree that holds `current`."""

    version: int
    changes: Iterator[Change]


def forward_table(
    ctx: RepositoryContext, head_root: NodeId, current: TableVersion, target_root: NodeId, target: TableVersion
) -> Forward:
    """Plans the version after `current` (in the tree `head_root`) whose state is `target`'s (in `target_root`).

    The log stays and gains one commit; data files of the target that the head lacks come back under their paths;
    files that only the head has stay, for its earlier versions need them. Writes the log commit's bytes.
    """
    commit = restore_commit(ctx, current, target, ctx.clock())
    path = f"{current.path}/_delta_log/{commit.version:020d}.json"
    entry = store_bytes(ctx, path, commit.body)
    return Forward(
        commit.version,
        merge_sorted(
            _missing_files(ctx, head_root, target_root, current.path),
            iter([(path, entry)]),
            key=lambda change: change[0],
        ),
    )


def _missing_files(ctx: RepositoryContext, head_root: NodeId, target_root: NodeId, table: str) -> Iterator[Change]:
    for change in tree.diff(ctx.manifests.nodes, OBJECTS, head_root, target_root, prefix=table + "/"):
        if change.left is None and not in_log(table, change.path):
            yield change.path, change.right

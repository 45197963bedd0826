"""The version of a Delta table in a changed tree, and whether all files that it needs are there.

Data files alone don't change a table's state; but a commit in which a live file is missing, or was replaced, would be a
table that no client can read. Such commits come about: some clients' vacuum deletes live deletion vectors.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass

from lakegate import tree
from lakegate.errors import ErrorKind, Refused
from lakegate.format.kinds import FILES, OBJECTS
from lakegate.model import Entry, FileEntry, Manifest, TableFormat, TableVersion
from lakegate.snapshot import Snapshot
from lakegate.tables.data_files import EntryFinder, missing_file
from lakegate.tables.deletion_vectors import parse_descriptor, vector_file
from lakegate.tables.delta.claims import check_claims
from lakegate.tables.delta.state import load
from lakegate.tables.folders import folder_of
from lakegate.tables.owners import Owners, log_owner
from lakegate.tree import TreeChange

_VECTOR_NAME = re.compile(r"deletion_vector_[0-9a-f-]{36}\.bin", re.ASCII)


@dataclass(frozen=True, slots=True)
class DeltaChange:
    """What happened to a Delta table since `base`, at which it was `before` (None: it was no Delta table): its log
    changed; objects in its folder were removed or replaced."""

    base: Manifest
    before: TableVersion | None
    log: bool
    losses: bool


def delta_version(snapshot: Snapshot, path: str, change: DeltaChange, owners: Owners) -> TableVersion:
    """The table's version in `snapshot`. Raises Refused as `lakegate.tables.detect` says."""
    before = change.before
    if before is not None and before.format is not TableFormat.DELTA:
        before = None
    if change.log or before is None:
        base_view = Snapshot(snapshot.ctx, snapshot.commit, change.base.objects_root)
        now = load(snapshot.ctx, snapshot, path, before, base_view)
        check_claims(snapshot, change.base.objects_root, now)
    else:
        now = before
    _check_new_files(snapshot, now, before)
    if change.losses and before is not None:
        _check_losses(snapshot, now, change.base, owners)
    return now


def _check_new_files(snapshot: Snapshot, now: TableVersion, before: TableVersion | None) -> None:
    nodes = snapshot.ctx.manifests.nodes
    start = before.state if before is not None else tree.empty(nodes, FILES)
    finder = EntryFinder(snapshot, now.path + "/")
    vectors: set[str] = set()
    for change in tree.diff(nodes, FILES, start, now.state):
        if change.right is None:
            continue
        if change.left is None and finder.find(change.path) is None:
            raise missing_file(now.path, change.path)
        vector = _vector_of(change.right)
        if vector is not None and vector not in vectors:
            vectors.add(vector)
            if snapshot.get(f"{now.path}/{vector}") is None:
                raise missing_file(now.path, vector)


def _check_losses(snapshot: Snapshot, now: TableVersion, base: Manifest, owners: Owners) -> None:
    nodes = snapshot.ctx.manifests.nodes
    lost_vectors: set[str] = set()
    for change in _losses(snapshot, now, base, owners):
        relative = change.path[len(now.path) + 1 :]
        live = tree.get(nodes, FILES, now.state, relative)
        if live is not None:
            if change.right is None:
                raise missing_file(now.path, relative)
            if change.right.size != live.size:
                raise _replaced(now, relative)
        elif change.right is None and _VECTOR_NAME.fullmatch(posixpath.basename(relative)):
            lost_vectors.add(relative)
    if lost_vectors:
        for file in tree.iterate(nodes, FILES, now.state):
            vector = _vector_of(file)
            if vector in lost_vectors:
                raise missing_file(now.path, str(vector))


def _losses(snapshot: Snapshot, now: TableVersion, base: Manifest, owners: Owners) -> Iterator[TreeChange[Entry]]:
    """The objects of the table, other than its log, that were removed or replaced."""
    nodes = snapshot.ctx.manifests.nodes
    for change in tree.diff(nodes, OBJECTS, base.objects_root, snapshot.root, prefix=now.path + "/"):
        if change.left is None or log_owner(change.path) is not None:
            continue
        if owners.delta_of(folder_of(change.path)) == now.path:
            yield change


def _vector_of(file: FileEntry) -> str | None:
    return vector_file(parse_descriptor(file.deletion_vector)) if file.deletion_vector is not None else None


def _replaced(table: TableVersion, path: str) -> Refused:
    return Refused(
        ErrorKind.DELTA_LOG_INVALID,
        f"The live file {path!r} of the Delta table {table.path!r} was replaced by one of another size.",
        hint="Throw that change away (`lakegate branch reset` with its path): the files of a Delta table never change.",
        details={"table": table.path, "path": f"{table.path}/{path}"},
    )

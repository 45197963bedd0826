"""Counts what differs between the live files of two versions of a table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace

from lakegate import tree
from lakegate.context import RepositoryContext
from lakegate.format.kinds import FILES
from lakegate.ids import NodeId
from lakegate.model import FileEntry, TableChange, TableFormat, TableVersion


@dataclass(slots=True)
class FileCounts:
    """Logical files (for Delta: a file with its deletion vector), rows and bytes that were added and removed."""

    files_added: int = 0
    files_removed: int = 0
    rows_added: int | None = 0
    rows_removed: int | None = 0
    bytes_added: int = 0
    bytes_removed: int = 0

    def note(self, old: FileEntry | None, new: FileEntry | None) -> None:
        """Counts one difference, as `changed_files` tells it."""
        if old is not None and new is not None and old.deletion_vector != new.deletion_vector and old.size == new.size:
            self.change_vector(old, new)
            return
        if old is not None:
            self.remove(old)
        if new is not None:
            self.add(new)

    def add(self, file: FileEntry) -> None:
        self.files_added += 1
        self.bytes_added += file.size
        self.rows_added = _plus(self.rows_added, file.rows)

    def remove(self, file: FileEntry) -> None:
        self.files_removed += 1
        self.bytes_removed += file.size
        self.rows_removed = _plus(self.rows_removed, file.rows)

    def change_vector(self, old: FileEntry, new: FileEntry) -> None:
        """The same bytes with another deletion vector."""
        self.files_added += 1
        self.files_removed += 1
        change = new.rows - old.rows if new.rows is not None and old.rows is not None else None
        self.rows_added = _plus(self.rows_added, None if change is None else max(0, change))
        self.rows_removed = _plus(self.rows_removed, None if change is None else max(0, -change))


def file_counts(ctx: RepositoryContext, left: TableVersion | None, right: TableVersion | None) -> FileCounts:
    """Counts what differs between the live files of two versions of a table; None: there is no table."""
    counts = FileCounts()
    for old, new in changed_files(ctx, left, right):
        counts.note(old, new)
    return counts


def with_counts(change: TableChange, counts: FileCounts) -> TableChange:
    """A report of a table, with what the counts say."""
    return replace(change, **asdict(counts))


def changed_files(
    ctx: RepositoryContext, left: TableVersion | None, right: TableVersion | None
) -> Iterator[tuple[FileEntry | None, FileEntry | None]]:
    """Yields the live files that differ, by path, as (left, right). Of a Delta table a file is the same where its
    size, deletion vector and partition are: it never changes, only what its add action says of it may."""
    nodes = ctx.manifests.nodes
    old_root: NodeId = left.state if left is not None else tree.empty(nodes, FILES)
    new_root: NodeId = right.state if right is not None else tree.empty(nodes, FILES)
    is_delta = all(side is None or side.format is TableFormat.DELTA for side in (left, right))
    for change in tree.diff(nodes, FILES, old_root, new_root):
        old, new = change.left, change.right
        if old is None or new is None or not (is_delta and _is_same_file(old, new)):
            yield old, new


def _is_same_file(old: FileEntry, new: FileEntry) -> bool:
    return (
        old.size == new.size
        and old.deletion_vector == new.deletion_vector
        and dict(old.partition) == dict(new.partition)
    )


def _plus(total: int | None, more: int | None) -> int | None:
    return None if total is None or more is None else total + more

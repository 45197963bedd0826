"""How the partitions of a table differ between two of its versions, by the files' statistics."""

from __future__ import annotations

from dataclasses import dataclass, field

from lakegate.context import RepositoryContext
from lakegate.model import FileEntry, PartitionDiff, TableVersion
from lakegate.tables.conform import Matching
from lakegate.tables.features import matching_of
from lakegate.tables.file_counts import FileCounts, changed_files
from lakegate.tables.schema import parse_schema

Values = tuple[tuple[str, str | None], ...]


def partition_diff(
    ctx: RepositoryContext, left: TableVersion | None, right: TableVersion | None
) -> tuple[PartitionDiff, ...]:
    """Tells the partitions that differ, in the order of their values (null first). Memory is in proportion to them.

    Raises Refused(DELTA_FEATURE_UNKNOWN) for an unknown mode of column mapping.
    """
    found = _Found({}, _PartitionNames.of(left), _PartitionNames.of(right))
    for old, new in changed_files(ctx, left, right):
        found.note(old, new)
    ordered = sorted(found.counts.items(), key=lambda item: [(name, value or "") for name, value in item[0]])
    return tuple(
        PartitionDiff(
            dict(values),
            counts.files_added,
            counts.files_removed,
            counts.rows_added,
            counts.rows_removed,
            counts.bytes_added,
            counts.bytes_removed,
        )
        for values, counts in ordered
    )


@dataclass(frozen=True, slots=True)
class _PartitionNames:
    """The logical names of partition columns, by the names that files state."""

    names: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, table: TableVersion | None) -> _PartitionNames:
        if table is None or matching_of(table) is Matching.NAME:
            return cls()
        return cls({part.physical_name: part.name for part in parse_schema(table.schema).fields})

    def values(self, file: FileEntry) -> Values:
        return tuple(sorted((self.names.get(name, name), value) for name, value in file.partition.items()))


@dataclass(slots=True)
class _Found:
    counts: dict[Values, FileCounts]
    left: _PartitionNames
    right: _PartitionNames

    def note(self, old: FileEntry | None, new: FileEntry | None) -> None:
        before = self.left.values(old) if old is not None else None
        after = self.right.values(new) if new is not None else None
        if before == after and before is not None:
            self._of(before).note(old, new)
            return
        if before is not None:
            self._of(before).note(old, None)
        if after is not None:
            self._of(after).note(None, new)

    def _of(self, values: Values) -> FileCounts:
        return self.counts.setdefault(values, FileCounts())

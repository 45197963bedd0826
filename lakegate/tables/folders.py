"""Which folder of a tree could be a Parquet dataset, and which objects belong to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lakegate.model import Entry
from lakegate.snapshot import Snapshot
from lakegate.tables.parquet import is_hive_segment
from lakegate.tree import leaping

_PARQUET_ENDINGS = (".parquet", ".parq")


def has_parquet_name(path: str) -> bool:
    """Tells by its name whether an object is a Parquet file."""
    return path.lower().endswith(_PARQUET_ENDINGS)


def folder_of(path: str) -> str:
    """The folder of a path, "" for the root."""
    return path.rpartition("/")[0]


def is_hidden(segment: str) -> bool:
    """Tells whether readers of datasets pass over an object or folder of this name."""
    return segment.startswith(("_", "."))


def dataset_folder(folder: str) -> str | None:
    """The folder of the dataset that files in `folder` would belong to: the nearest that is no hive partition.

    None where it is the root, or hidden: no dataset lies there.
    """
    segments = folder.split("/") if folder else []
    while segments and is_hive_segment(segments[-1]):
        segments.pop()
    if not segments or any(is_hidden(segment) for segment in segments):
        return None
    return "/".join(segments)


@dataclass(frozen=True, slots=True)
class DatasetFolder:
    """A folder that is, or could be, a Parquet dataset.

    deep     subfolders of any name belong to it (the user listed it); else only hive partitions do
    foreign  tells of a path that it belongs to another table, or is ignored
    """

    path: str
    deep: bool
    foreign: Callable[[str], bool]

    def holds(self, path: str) -> bool:
        """Tells whether an object is one of the dataset's data objects."""
        segments = path[len(self.path) + 1 :].split("/")
        if any(is_hidden(segment) for segment in segments):
            return False
        if not self.deep and not all(is_hive_segment(segment) for segment in segments[:-1]):
            return False
        return not self.foreign(path)

    def is_parquet(self, path: str) -> bool:
        """Tells by its name whether a data object is a Parquet file (in a listed folder all must be)."""
        return self.deep or has_parquet_name(path)

    def entries(self, snapshot: Snapshot) -> Iterator[Entry]:
        """Yields the data objects; whole subfolders that don't belong here are stepped over."""
        prefix = self.path + "/"
        found = leaping(lambda after: snapshot.iterate(prefix, after), lambda entry: self._outside(entry.path))
        for entry, outside in found:
            if outside is None and self.holds(entry.path):
                yield entry

    def _outside(self, path: str) -> str | None:
        """The topmost subfolder above a path that can't hold anything of the dataset."""
        start = len(self.path) + 1
        while (end := path.find("/", start)) >= 0:
            segment = path[start:end]
            if is_hidden(segment) or not (self.deep or is_hive_segment(segment)):
                return path[: end + 1]
            start = end + 1
        return None

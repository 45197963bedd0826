"""Which table the paths of a tree belong to, while its tables are being found."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from lakegate import tree
from lakegate.format.kinds import TABLES
from lakegate.ids import NodeId
from lakegate.log_paths import LOG, log_folder
from lakegate.model import TableFormat, TableVersion
from lakegate.snapshot import Snapshot
from lakegate.tables.folders import folder_of
from lakegate.tables.overrides import Overrides

_LOG_FILE = re.compile(r"\d{20}\.(?:json|checkpoint\.(?:[^/]+\.)?(?:parquet|json))")
_REMEMBERED = 100_000


def log_owner(path: str) -> str | None:
    """The folder whose Delta log a path lies in ("" for the root); None where it lies in none."""
    if path.startswith(f"{LOG}/"):
        return ""
    at = path.find(f"/{LOG}/")
    return path[:at] if at >= 0 else None


def has_log(snapshot: Snapshot, folder: str) -> bool:
    """Tells whether a folder is a Delta table: its `_delta_log/` holds a commit or a checkpoint."""
    prefix = log_folder(folder)
    return any(_LOG_FILE.fullmatch(entry.path[len(prefix) :]) for entry in snapshot.iterate(prefix))


class Owners:
    """Finds the Delta table, and the listed dataset, that a folder lies in.

    `logs` are the folders whose Delta logs changed; the others are tables where they were tables before.
    """

    def __init__(self, snapshot: Snapshot, tables_root: NodeId, overrides: Overrides, logs: Iterable[str]) -> None:
        self._snapshot = snapshot
        self._tables_root = tables_root
        self._overrides = overrides
        self._globs = overrides.matcher()
        self._logs = {folder: self._is_live_log(folder) for folder in logs}
        self._delta: dict[str, str | None] = {}
        self.ignored = lru_cache(_REMEMBERED)(self._ignored)

    @property
    def logs(self) -> dict[str, bool]:
        """The folders whose logs changed, and whether a Delta table is there now."""
        return self._logs

    def base(self, folder: str) -> TableVersion | None:
        """The table version of a folder before the changes."""
        return tree.get(self._snapshot.ctx.manifests.nodes, TABLES, self._tables_root, folder) if folder else None

    def delta_of(self, folder: str) -> str | None:
        """The nearest Delta table at or above a folder."""
        if not folder:
            return None
        if folder not in self._delta:
            if len(self._delta) >= _REMEMBERED:
                self._delta.clear()
            self._delta[folder] = folder if self.is_delta(folder) else self.delta_of(folder_of(folder))
        return self._delta[folder]

    def is_delta(self, folder: str) -> bool:
        """Tells whether a folder is a Delta table now."""
        if folder in self._logs:
            return self._logs[folder]
        found = self.base(folder)
        return found is not None and found.format is TableFormat.DELTA and not self.ignored(folder)

    def listed_dataset(self, folder: str) -> str | None:
        """The nearest folder at or above this one that the user lists as a Parquet dataset."""
        while folder:
            if self._overrides.tables.get(folder) is TableFormat.PARQUET:
                return folder
            folder = folder_of(folder)
        return None

    def is_foreign(self, dataset: str, path: str) -> bool:
        """Tells of a path below a dataset's folder that it is ignored, or belongs to a table further down."""
        folder = folder_of(path)
        if self.delta_of(folder) is not None or self.listed_dataset(folder) not in (None, dataset):
            return True
        return self._globs is not None and dataset not in self._overrides.tables and self.ignored(path)

    def _is_live_log(self, folder: str) -> bool:
        return not self._ignored(folder) and has_log(self._snapshot, folder)

    def _ignored(self, path: str) -> bool:
        if self._globs is None or path in self._overrides.tables:
            return False
        return self._globs.fullmatch(path) is not None

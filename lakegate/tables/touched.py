"""What changes of a tree's objects touch, noted while they go by, so that tables are sought there alone."""

from __future__ import annotations

from dataclasses import dataclass, field

from lakegate import tree
from lakegate.format.kinds import OBJECTS, TABLES
from lakegate.ids import NodeId
from lakegate.model import TableFormat
from lakegate.tables.folders import folder_of, has_parquet_name
from lakegate.tables.overrides import OVERRIDES_PATH
from lakegate.tables.owners import log_owner
from lakegate.tree import NodeStore


@dataclass(slots=True)
class Touched:
    """What changes touch of a tree of objects. Grows with the folders.

    logs       folders whose Delta log changed
    folders    folders with other changed objects
    losing     of these, the ones that lost or replaced some
    datasets   datasets that there were, where the overrides changed
    overrides  whether the overrides did
    aliens     of some folders, an object in it after the changes that is no Parquet file by its name: one tells that
               the folder is no dataset, without a look at the new tree
    """

    nodes: NodeStore
    root: NodeId
    logs: set[str] = field(default_factory=set)
    folders: set[str] = field(default_factory=set)
    losing: set[str] = field(default_factory=set)
    datasets: set[str] = field(default_factory=set)
    overrides: bool = False
    aliens: dict[str, str | None] = field(default_factory=dict)
    _last: tuple[str, bool, bool] | None = None

    def see(self, path: str, *, was_there: bool, stays: bool) -> None:
        """Takes a changed path, in the order of paths: whether there was an object before, and whether there is now."""
        folder = folder_of(path)
        if self.aliens.get(folder, path) == path:
            self._find_alien(folder, path, stays)
        if (folder, was_there, stays) == self._last and path != OVERRIDES_PATH:
            return  # an import brings very many objects of few folders
        self._last = (folder, was_there, stays)
        self.overrides = self.overrides or path == OVERRIDES_PATH
        if self._add(path) and was_there:
            self.losing.add(folder)

    def add_all(self, objects_root: NodeId, tables_root: NodeId) -> None:
        """Adds every folder there is, and every table there was: new overrides may speak of any."""
        for entry in tree.iterate(self.nodes, OBJECTS, objects_root):
            self._add(entry.path)
        for table in tree.iterate(self.nodes, TABLES, tables_root):
            (self.logs if table.format is TableFormat.DELTA else self.datasets).add(table.path)

    def _add(self, path: str) -> bool:
        owner = log_owner(path)
        if owner is not None:
            self.logs.add(owner)
            return False
        self.folders.add(folder_of(path))
        return True

    def _find_alien(self, folder: str, path: str, stays: bool) -> None:
        """Keeps one in mind that stays: this object, or where it goes, the one after it, whose node is at hand now.
        Where that one goes too, there is no third look."""
        if stays:
            if not has_parquet_name(path):
                self.aliens[folder] = path
        elif folder in self.aliens:
            self.aliens[folder] = None
        else:
            after = next(tree.iterate(self.nodes, OBJECTS, self.root, f"{folder}/" if folder else "", path), None)
            near = after is not None and folder_of(after.path) == folder and not has_parquet_name(after.path)
            self.aliens[folder] = after.path if after is not None and near else None

"""Tells why a folder that was a Parquet dataset is no table any more."""

from __future__ import annotations

from lakegate import tree
from lakegate.context import RepositoryContext
from lakegate.format.kinds import OBJECTS, TABLES
from lakegate.model import Entry, Manifest, TableFormat, TableVersion
from lakegate.tables.folders import DatasetFolder
from lakegate.tables.parquet import NotParquet, read_footer


def why_dropped(ctx: RepositoryContext, left: Manifest, right: Manifest, table: TableVersion) -> str:
    """Names the object that keeps the folder of a table of `left` from being a Parquet dataset in `right`; "" where
    none does: its files went, or are another table's.

    Reads the listing of what changed in the folder, and footers up to the first that is none.
    """
    nodes = ctx.manifests.nodes
    parts = table.path.split("/")
    above = ("/".join(parts[:count]) for count in range(1, len(parts)))
    if table.format is not TableFormat.PARQUET or any(
        tree.get(nodes, TABLES, right.tables_root, at) is not None for at in above
    ):
        return ""
    prefix = f"{table.path}/"
    below = tuple(f"{found.path}/" for found in tree.iterate(nodes, TABLES, right.tables_root, prefix=prefix))
    folder = DatasetFolder(table.path, False, lambda path: path.startswith(below))
    named: list[Entry] = []
    for change in tree.diff(nodes, OBJECTS, left.objects_root, right.objects_root, prefix=prefix):
        if change.right is not None and folder.holds(change.path):
            if not folder.is_parquet(change.path):
                return no_table(change.path)
            named.append(change.right)
    for entry in named:
        try:
            read_footer(ctx, entry)
        except NotParquet:
            return no_table(entry.path)
    return ""


def no_table(path: str) -> str:
    """Says that an object makes an end of a dataset."""
    return f"no table any more: {path!r} is no Parquet file"

"""Small tables on a branch, and what a commit says of them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakegate import tree
from lakegate.context import RepositoryContext
from lakegate.format.kinds import TABLES
from lakegate.interface import Repository
from lakegate.model import ListRequest, TableVersion

if TYPE_CHECKING:
    import pyarrow as pa


def parquet_bytes(table: pa.Table | Mapping[str, Any], **options: Any) -> bytes:
    """A Parquet file that holds a table (or columns)."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    pq.write_table(table if isinstance(table, pa.Table) else pa.table(dict(table)), sink, **options)
    return sink.getvalue()


def put_folder(repo: Repository, branch: str, folder: Path, path: str) -> list[str]:
    """Makes the branch hold under `path` exactly the files of a local folder; returns what was put or deleted.

    Log files come last and in the order of their names, as a client that copies with care would send them.
    """
    present = _paths(repo, branch, path + "/")
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    files.sort(key=lambda file: ("_delta_log" in file.parts, file.suffix != ".json"))
    touched: list[str] = []
    wanted: set[str] = set()
    for file in files:
        name = f"{path}/{file.relative_to(folder).as_posix()}"
        wanted.add(name)
        data = file.read_bytes()
        if name in present and repo.open(branch, name).read() == data:
            continue
        repo.put(branch, name, data)
        touched.append(name)
    for name in sorted(present - wanted):
        repo.delete(branch, name)
        touched.append(name)
    return touched


def tables_at(ctx: RepositoryContext, repo: Repository, ref: str) -> dict[str, TableVersion]:
    """The tables that a ref's commit holds, by path."""
    root = repo.manifest(ref).tables_root
    return {table.path: table for table in tree.iterate(ctx.manifests.nodes, TABLES, root)}


def _paths(repo: Repository, branch: str, prefix: str) -> set[str]:
    found: set[str] = set()
    after = ""
    while True:
        page = repo.list(branch, ListRequest(prefix=prefix, after=after, amount=1000))
        found.update(item.path for item in page.items)
        if not page.has_more:
            return found
        after = page.next_after

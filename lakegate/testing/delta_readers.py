"""Independent readers of Delta tables: each reads the rows of a local table by its own code."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

Reader = Callable[[Path, Sequence[str]], list[tuple[Any, ...]]]
"""Reads these columns of the table in a folder, sorted."""


def query_builder(folder: Path, columns: Sequence[str]) -> list[tuple[Any, ...]]:
    """deltalake's DataFusion."""
    from deltalake import DeltaTable, QueryBuilder

    names = ", ".join(columns)
    found = QueryBuilder().register("t", DeltaTable(str(folder))).execute(f"SELECT {names} FROM t")
    import pyarrow as pa

    table = pa.table(found.read_all())
    return sorted(zip(*(table.column(name).to_pylist() for name in columns), strict=True))


def polars(folder: Path, columns: Sequence[str]) -> list[tuple[Any, ...]]:
    """Polars, whose log comes from deltalake and whose data reader is its own."""
    import polars as pl

    return sorted(pl.scan_delta(str(folder)).select(list(columns)).collect().rows())


class DuckDB:
    """DuckDB with its delta extension, which reads by Delta's kernel."""

    def __init__(self) -> None:
        import duckdb

        spec = find_spec("duckdb_extension_delta")
        assert spec is not None
        assert spec.origin is not None
        extension = next(Path(spec.origin).parent.rglob("delta.duckdb_extension"))
        self._connection = duckdb.connect(config={"autoload_known_extensions": "false"})
        self._connection.execute(f"LOAD '{extension}'")

    def __call__(self, folder: Path, columns: Sequence[str]) -> list[tuple[Any, ...]]:
        names = ", ".join(columns)
        return sorted(self._connection.execute(f"SELECT {names} FROM delta_scan('{folder}')").fetchall())


def readers() -> Mapping[str, Reader]:
    """The readers that are installed, by name."""
    found: dict[str, Reader] = {}
    if find_spec("deltalake"):
        found["deltalake QueryBuilder"] = query_builder
    if find_spec("polars"):
        found["polars"] = polars
    if find_spec("duckdb") and find_spec("duckdb_extension_delta"):
        found["duckdb"] = DuckDB()
    return found

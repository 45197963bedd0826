"""The golden Delta tables: where they lie, which are broken on purpose, and the rows of the others.

They are small tables that Apache Spark wrote, with their rows as plain Parquet beside them, from the test data of the
Delta kernel project; each is an archive `<name>.tar.zst` of `<name>/delta/` and `<name>/expected/`.
"""

from __future__ import annotations

import os
import tarfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from lakegate.errors import ErrorKind as K

if TYPE_CHECKING:
    import pyarrow as pa

BROKEN: Mapping[str, K] = MappingProxyType(
    {
        "canonicalized-paths-normal-b": K.DELTA_PATH_FORBIDDEN,
        "canonicalized-paths-special-b": K.DELTA_PATH_FORBIDDEN,
        "deltalog-commit-info": K.DELTA_LOG_INVALID,
        "deltalog-invalid-protocol-version": K.DELTA_FEATURE_UNKNOWN,
        "deltalog-state-reconstruction-from-checkpoint-missing-protocol": K.DELTA_LOG_INVALID,
        "deltalog-state-reconstruction-without-protocol": K.DELTA_LOG_INVALID,
        "update-deleted-directory": K.DELTA_LOG_INVALID,
    }
)
NO_LOG = "no-delta-log-folder"
_SUFFIX = ".tar.zst"


def golden_folder() -> Path:
    """The folder that LAKEGATE_GOLDEN_TABLES names, or the one beside the project."""
    named = os.environ.get("LAKEGATE_GOLDEN_TABLES")
    return Path(named) if named else Path.cwd().parent / "shared" / "data" / "delta-golden"


def archives() -> list[str]:
    """The names of the tables that are there, sorted."""
    return sorted(file.name.removesuffix(_SUFFIX) for file in golden_folder().glob(f"*{_SUFFIX}"))


def reason() -> str:
    """Why tests of golden tables are skipped."""
    return f"there are no golden tables in {golden_folder()} (set LAKEGATE_GOLDEN_TABLES)"


def unpack(name: str, place: Path) -> Path:
    """Unpacks a table below a folder, and returns the folder that holds `delta` and `expected`."""
    import zstandard

    with (
        (golden_folder() / f"{name}{_SUFFIX}").open("rb") as file,
        zstandard.ZstdDecompressor().stream_reader(file) as stream,
        tarfile.open(fileobj=stream, mode="r|") as content,
    ):
        content.extractall(place, filter="data")
    return place / name


def expected_rows(table: Path) -> pa.Table:
    """The rows that an unpacked table must have."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    files = sorted((table / "expected").rglob("*.parquet"))
    return pa.concat_tables([pq.ParquetFile(file).read() for file in files], promote_options="permissive")


def rows(table: pa.Table) -> Counter[Any]:
    """The rows as a multiset, whatever the order of rows and columns."""
    columns = sorted(table.column_names)
    return Counter(tuple(_hashable(row[name]) for name in columns) for row in table.to_pylist())


def _hashable(value: Any) -> Any:
    if isinstance(value, dict):
        return tuple((key, _hashable(item)) for key, item in sorted(value.items()))
    if isinstance(value, list | tuple):
        return tuple(_hashable(item) for item in value)
    return repr(value)

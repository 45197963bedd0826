"""Checks that columns tell rows apart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lakegate.engine.forms import from_engine
from lakegate.engine.frame import SideColumn, View, engine_name, engine_rows
from lakegate.engine.session import Engine
from lakegate.errors import ErrorKind, Refused
from lakegate.model import FileEntry
from lakegate.tables.preview import json_values
from lakegate.tables.schema import arrow_type

_SHOWN = 10


def columns_of(positions: Sequence[int]) -> str:
    """The engine's columns of these positions, for a query."""
    return ", ".join(engine_name(position) for position in positions)


def check_keys(
    engine: Engine,
    view: View,
    columns: Sequence[SideColumn],
    key: Sequence[int],
    files: Iterable[FileEntry] | None,
    where: str,
) -> None:
    """Reads the key columns of these files (None: of all), and raises Refused(KEY_NULL, KEY_NOT_UNIQUE) with the first
    such keys in `details`. `where` says which side is meant."""
    wanted = [columns[position] for position in key]
    names = [column.name or "" for column in wanted]
    engine.stream("keyed", engine_rows(view, wanted, files))
    places = columns_of(range(len(key)))
    engine.run(
        f"CREATE OR REPLACE TEMP TABLE faulty AS SELECT count(*) AS n, {places} FROM keyed GROUP BY {places} "
        f"HAVING count(*) > 1 OR {' OR '.join(f'{engine_name(i)} IS NULL' for i in range(len(key)))}"
    )
    nulls = " OR ".join(f"{engine_name(i)} IS NULL" for i in range(len(key)))
    null_rows, keys, rows = engine.rows(
        f"SELECT coalesce(sum(n) FILTER ({nulls}), 0), count(*), coalesce(sum(n), 0) FROM faulty"
    )[0]
    if not keys:
        return
    table = view.table.path
    shown = ", ".join(names)
    if null_rows:
        raise Refused(
            ErrorKind.KEY_NULL,
            f"The key ({shown}) is null in {int(null_rows):,} rows of the table {table!r} {where}.",
            hint="Name a key that is never null, or compare without a key.",
            details={"table": table, "key": names, "rows": int(null_rows)},
        )
    first: list[list[object]] = []
    for batch in engine.batches(f"SELECT {places} FROM faulty ORDER BY {places} LIMIT {_SHOWN}"):
        typed = [from_engine(batch.column(i), arrow_type(column.type)) for i, column in enumerate(wanted)]
        first.extend(list(row) for row in zip(*(json_values(column) for column in typed), strict=True))
    examples = ", ".join(str(row[0] if len(row) == 1 else tuple(row)) for row in first[:3])
    raise Refused(
        ErrorKind.KEY_NOT_UNIQUE,
        f"The key ({shown}) is not unique in the table {table!r} {where}: {int(rows):,} rows have their key in common "
        f"with others ({examples}{', ...' if keys > 3 else ''}).",
        hint="Name a key that tells all rows apart, or compare without a key.",
        details={"table": table, "key": names, "keys": int(keys), "rows": int(rows), "first": first},
    )

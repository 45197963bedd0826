"""Operations on small Delta tables: what deltalake does, and what it should do to the rows.

The tables have the columns `id`, `p` (the partition) and `x`; a row is (id, p, x), and a table's rows a sorted list.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

Row = tuple[int, int, int]
Rows = list[Row]


@dataclass(frozen=True, slots=True)
class Target:
    """What an operation works on: the row `id` of the partition `p`; ids from `fresh` on are new."""

    p: int
    id: int
    fresh: int


@dataclass(frozen=True, slots=True)
class Operation:
    """`apply` changes the table in a folder; `rows` makes of the rows before it those after it. `uses` names the fields
    of the target that it looks at: where these are the same, it does the same."""

    name: str
    apply: Callable[[Path, Target], None]
    rows: Callable[[Sequence[Row], Target], Rows]
    uses: tuple[str, ...] = ()


def table_of(rows: Sequence[Row]) -> pa.Table:
    """Rows as Arrow."""
    import pyarrow as pa

    columns = list(zip(*rows, strict=True)) if rows else [(), (), ()]
    return pa.table(
        {name: pa.array(list(column), pa.int64()) for name, column in zip("ipx", columns, strict=True)}
    ).rename_columns(["id", "p", "x"])


def write(folder: Path, rows: Sequence[Row], **options: Any) -> None:
    """Writes rows with deltalake; see `deltalake.write_deltalake`."""
    from deltalake import write_deltalake

    write_deltalake(str(folder), table_of(rows), **options)


def opened(folder: Path) -> DeltaTable:
    from deltalake import DeltaTable

    return DeltaTable(str(folder))


def _new(target: Target) -> Rows:
    return [(target.fresh, target.p, 1), (target.fresh + 1, target.p, 2)]


def _same(rows: Sequence[Row], _: Target) -> Rows:
    return sorted(rows)


def _where(target: Target) -> str:
    return f"p = {target.p} and id = {target.id}"


def _appended(rows: Sequence[Row], target: Target) -> Rows:
    return sorted([*rows, *_new(target)])


def _deleted(rows: Sequence[Row], target: Target) -> Rows:
    return sorted(row for row in rows if row[:2] != (target.id, target.p))


def _updated(rows: Sequence[Row], target: Target) -> Rows:
    return sorted((i, p, x + 1000) if (i, p) == (target.id, target.p) else (i, p, x) for i, p, x in rows)


def _inserted(rows: Sequence[Row], target: Target) -> Rows:
    held = {row[:2] for row in rows}
    return sorted([*rows, *(row for row in _new(target) if row[:2] not in held)])


def _merged(rows: Sequence[Row], target: Target) -> Rows:
    changed = {(target.id, target.p): 7, (target.fresh, target.p): 7}
    kept = [(i, p, changed.pop((i, p), x)) for i, p, x in rows]
    return sorted(kept + [(i, p, x) for (i, p), x in changed.items()])


def _replaced(rows: Sequence[Row], target: Target) -> Rows:
    return sorted([*(row for row in rows if row[1] != target.p), *_new(target)])


def _merge(folder: Path, target: Target, source: Rows) -> Any:
    merger = opened(folder).merge(
        table_of(source), f"target.id = source.id and target.p = {target.p}", "source", "target"
    )
    return merger.when_not_matched_insert_all()


def _optimize(folder: Path, target: Target) -> None:
    opened(folder).optimize.compact(partition_filters=[("p", "=", str(target.p))])


def _z_order(folder: Path, target: Target) -> None:
    opened(folder).optimize.z_order(["x"], partition_filters=[("p", "=", str(target.p))])


def _add_column(folder: Path, _: Target) -> None:
    from deltalake.schema import Field, PrimitiveType

    opened(folder).alter.add_columns([Field("n", PrimitiveType("long"))])


def _upgrade(folder: Path, _: Target) -> None:
    from deltalake import TableFeatures

    opened(folder).alter.add_feature(TableFeatures.TimestampWithoutTimezone, allow_protocol_versions_increase=True)


def _txn(folder: Path, target: Target) -> None:
    from deltalake import CommitProperties, Transaction

    written = CommitProperties(app_transactions=[Transaction("app", 1)])
    write(folder, _new(target), mode="append", commit_properties=written)


_PLACED = ("p", "fresh")
_OF_A_ROW = ("p", "id", "fresh")

BLIND_APPEND = Operation("blind append", lambda folder, t: write(folder, _new(t), mode="append"), _appended, _PLACED)
READING_APPEND = Operation("reading append", lambda folder, t: _merge(folder, t, _new(t)).execute(), _inserted, _PLACED)
DELETE = Operation("delete", lambda folder, t: _ran(opened(folder).delete(_where(t))), _deleted, _OF_A_ROW)
UPDATE = Operation(
    "update", lambda folder, t: _ran(opened(folder).update({"x": "x + 1000"}, predicate=_where(t))), _updated, _OF_A_ROW
)
MERGE = Operation(
    "merge",
    lambda folder, t: _merge(folder, t, [(t.id, t.p, 7), (t.fresh, t.p, 7)]).when_matched_update_all().execute(),
    _merged,
    _OF_A_ROW,
)
OVERWRITE = Operation(
    "overwrite", lambda folder, t: write(folder, _new(t), mode="overwrite"), lambda _, t: sorted(_new(t)), _PLACED
)
REPLACE_WHERE = Operation(
    "replace where",
    lambda folder, t: write(folder, _new(t), mode="overwrite", predicate=f"p = {t.p}"),
    _replaced,
    _PLACED,
)
COMPACTION = Operation("compaction", _optimize, _same, _PLACED)
Z_ORDER = Operation("z-order", _z_order, _same, _PLACED)
SCHEMA_CHANGE = Operation("schema change", _add_column, _same)
PROPERTY_CHANGE = Operation(
    "property change",
    lambda folder, _: opened(folder).alter.set_table_properties({"delta.appendOnly": "false"}),
    _same,
)
CONSTRAINT = Operation("constraint", lambda folder, _: opened(folder).alter.add_constraint({"c": "id > 0"}), _same)
PROTOCOL_UPGRADE = Operation("protocol upgrade", _upgrade, _same)
TXN = Operation("txn", _txn, _appended, _PLACED)
VACUUM = Operation(
    "vacuum",
    lambda folder, _: _ran(opened(folder).vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)),
    _same,
)


def restore(version: int, rows: Sequence[Row]) -> Operation:
    """The restore of a version, which had these rows."""
    return Operation("restore", lambda folder, _: _ran(opened(folder).restore(version)), lambda *_: sorted(rows))


def _ran(_: object) -> None:
    """Drops the metrics that deltalake answers."""


OPERATIONS = (
    BLIND_APPEND,
    READING_APPEND,
    DELETE,
    UPDATE,
    MERGE,
    OVERWRITE,
    REPLACE_WHERE,
    COMPACTION,
    Z_ORDER,
    SCHEMA_CHANGE,
    PROPERTY_CHANGE,
    CONSTRAINT,
    PROTOCOL_UPGRADE,
    TXN,
    VACUUM,
)

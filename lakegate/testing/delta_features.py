"""Delta tables that use a feature of the protocol, written by hand: no client at hand writes all of them.

A table has the columns `id` and `v`, both `long`, and the column that the feature is about, where it is about one.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyroaring import BitMap64

from lakegate.tables.deletion_vectors import write_vector

if TYPE_CHECKING:
    import pyarrow as pa

ALL = ("querybuilder", "duckdb", "polars")
KERNELS = ("querybuilder", "duckdb")
ROW_TRACKING = "delta.rowTracking"
Values = Mapping[int, int]
"""The rows of a table: `v` by `id`."""


@dataclass(frozen=True, slots=True)
class Column:
    """The column that a feature is about. `values` makes Arrow's of `id` and `v`; readers show `shown`."""

    name: str
    type: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    values: Callable[[Values], pa.Array] = lambda rows: _longs(v + 1 for v in rows.values())
    shown: Callable[[int, int], Any] = lambda _, v: v + 1


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature, what a table needs to use it, and who reads such tables.

    features   the writers' features beside `name`; `readers` are the readers' (and the writers' too)
    mapped     the columns have physical names and ids
    widened    `v` was an `integer` when the first rows were written
    """

    name: str
    features: Sequence[str] = ()
    readers: Sequence[str] = ()
    configuration: Mapping[str, str] = field(default_factory=dict)
    column: Column | None = None
    domains: Mapping[str, str] = field(default_factory=dict)
    invariant: str = ""
    mapped: bool = False
    widened: bool = False
    clients: tuple[str, ...] = ALL
    id: str = ""

    @property
    def writers(self) -> list[str]:
        return sorted({self.name, *self.features, *self.readers})

    def uses(self, name: str) -> bool:
        return name in self.writers

    def fields(self, widened: bool = True) -> list[dict[str, Any]]:
        """The schema's fields; before `v` is widened where it was not."""
        kinds = {"id": "long", "v": "long" if widened else "integer"}
        found: list[dict[str, Any]] = []
        for number, (name, kind) in enumerate(kinds.items(), start=1):
            metadata: dict[str, Any] = {}
            if self.mapped:
                metadata |= {"delta.columnMapping.id": number, "delta.columnMapping.physicalName": f"col-{number}"}
            if name == "v" and self.widened and widened:
                metadata["delta.typeChanges"] = [{"fromType": "integer", "toType": "long"}]
            if name == "v" and self.invariant:
                metadata["delta.invariants"] = json.dumps({"expression": {"expression": self.invariant}})
            found.append({"name": name, "type": kind, "nullable": True, "metadata": metadata})
        if self.column is not None:
            more = {"name": self.column.name, "type": self.column.type, "nullable": True}
            found.append({**more, "metadata": dict(self.column.metadata)})
        return found


def _longs(values: Any) -> pa.Array:
    import pyarrow as pa

    return pa.array(list(values), pa.int64())


def _moment(day: int) -> datetime:
    return datetime.fromisoformat("2026-01-01") + timedelta(days=day)


def _moments(rows: Values) -> pa.Array:
    import pyarrow as pa

    return pa.array([_moment(v) for v in rows.values()], pa.timestamp("us"))


def _variants(rows: Values) -> pa.Array:
    """Integers of one byte, as the encoding of variants has them: an empty dictionary, and a value of the type int8."""
    import pyarrow as pa

    kind = pa.struct([pa.field("value", pa.binary(), False), pa.field("metadata", pa.binary(), False)])
    made = [{"value": bytes([0x0C, v % 128]), "metadata": b"\x01\x00\x00"} for v in rows.values()]
    return pa.array(made, kind)


def _by_name(mode: str = "name") -> Mapping[str, str]:
    return {"delta.columnMapping.mode": mode, "delta.columnMapping.maxColumnId": "2"}


CLUSTERED = json.dumps({"clusteringColumns": [["id"]], "domainName": "delta.clustering"})
FEATURES = (
    Feature("appendOnly", configuration={"delta.appendOnly": "true"}),
    Feature("invariants", invariant="v > 0"),
    Feature("checkConstraints", configuration={"delta.constraints.positive": "v > 0"}),
    Feature("generatedColumns", column=Column("w", "long", {"delta.generationExpression": "v + 1"})),
    Feature("changeDataFeed", configuration={"delta.enableChangeDataFeed": "true"}),
    Feature(
        "timestampNtz",
        readers=["timestampNtz"],
        column=Column("at", "timestamp_ntz", {}, _moments, lambda _, v: str(_moment(v))),
    ),
    Feature("deletionVectors", readers=["deletionVectors"], configuration={"delta.enableDeletionVectors": "true"}),
    Feature(
        "columnMapping",
        readers=["columnMapping"],
        configuration=_by_name(),
        mapped=True,
        clients=KERNELS,
        id="columnMapping by name",
    ),
    Feature(
        "columnMapping",
        readers=["columnMapping"],
        configuration=_by_name("id"),
        mapped=True,
        clients=KERNELS,
        id="columnMapping by id",
    ),
    Feature("v2Checkpoint", readers=["v2Checkpoint"], clients=KERNELS),
    # Of the clients only DuckDB knows the feature; the other reader takes the live files as the checked log has them.
    Feature("typeWidening", readers=["typeWidening"], widened=True, clients=("duckdb", "parquet")),
    Feature("typeWidening-preview", readers=["typeWidening-preview"], widened=True, clients=("duckdb", "parquet")),
    Feature(
        "variantType",
        readers=["variantType"],
        column=Column("w", "variant", {}, _variants, lambda _, v: {"metadata": "010000", "value": f"0c{v % 128:02x}"}),
        clients=("querybuilder", "polars"),
    ),
    Feature("domainMetadata", domains={"app.settings": '{"colour":"blue"}'}),
    Feature("rowTracking", ["domainMetadata"], configuration={"delta.enableRowTracking": "true"}),
    Feature("clustering", ["domainMetadata"], domains={"delta.clustering": CLUSTERED}),
    Feature("inCommitTimestamp", configuration={"delta.enableInCommitTimestamps": "true"}),
    Feature(
        "identityColumns",
        column=Column(
            "n",
            "long",
            {
                "delta.identity.start": 1,
                "delta.identity.step": 1,
                "delta.identity.highWaterMark": 4,
                "delta.identity.allowExplicitInsert": False,
            },
            lambda rows: _longs(rows),
            lambda i, _: i,
        ),
    ),
    Feature("allowColumnDefaults", column=Column("w", "long", {"CURRENT_DEFAULT": "7"})),
    Feature(
        "icebergCompatV1",
        readers=["columnMapping"],
        configuration={**_by_name(), "delta.enableIcebergCompatV1": "true"},
        mapped=True,
        clients=KERNELS,
    ),
    Feature(
        "icebergCompatV2",
        readers=["columnMapping"],
        configuration={**_by_name(), "delta.enableIcebergCompatV2": "true"},
        mapped=True,
        clients=KERNELS,
    ),
    Feature("checkpointProtection", configuration={"delta.requireCheckpointProtectionBeforeVersion": "1"}),
    Feature("vacuumProtocolCheck", readers=["vacuumProtocolCheck"], clients=("duckdb", "parquet")),
)


def name_of(feature: Feature) -> str:
    return feature.id or feature.name


class HandWritten:
    """A table with a feature, in a folder; every method but `actions` and `version` writes one version."""

    def __init__(self, folder: Path, feature: Feature) -> None:
        self.folder = folder
        self._feature = feature
        self._log = folder / "_delta_log"
        self._expired = -1

    @property
    def version(self) -> int:
        return max((int(file.stem) for file in self._commits()), default=self._expired)

    def continues(self, version: int) -> None:
        """Goes on from a version of which a checkpoint tells, and no commit."""
        self._expired = version

    def _commits(self) -> list[Path]:
        return sorted(self._log.glob(f"{'[0-9]' * 20}.json"))

    def create(self) -> None:
        self._log.mkdir(parents=True)
        protocol: dict[str, Any] = {
            "minReaderVersion": 3 if self._feature.readers else 1,
            "minWriterVersion": 7,
            "writerFeatures": self._feature.writers,
        }
        if self._feature.readers:
            protocol["readerFeatures"] = list(self._feature.readers)
        domains = [
            {"domainMetadata": {"domain": name, "configuration": told, "removed": False}}
            for name, told in self._feature.domains.items()
        ]
        self._commit("CREATE TABLE", {"protocol": protocol}, self._metadata(widened=False), *domains)

    def widen(self) -> None:
        """Widens `v` from `integer` to `long`."""
        self._commit("CHANGE COLUMN", self._metadata(widened=True))

    def append(self, rows: Values, *, narrow: bool = False) -> None:
        """Appends rows; `narrow`: with `v` as it was before it was widened."""
        self._commit("WRITE", *self._add(rows, narrow=narrow), *self._marks(rows), parameters={"mode": "Append"})

    def rewrite(self, path: str, rows: Values) -> None:
        """Puts other rows in the place of a live file, as an UPDATE or a MERGE does."""
        remove = {"path": path, "dataChange": True, "deletionTimestamp": 1, **self._vector_of(path)}
        self._commit("UPDATE", {"remove": remove}, *self._add(rows))

    def delete_rows(self, path: str, *positions: int) -> None:
        """Deletes rows of a file, by their positions, with a deletion vector."""
        now = next(add for add in reversed(self.actions("add")) if add["path"] == path)
        vector = write_vector(BitMap64(positions), uuid.uuid4()).descriptor
        remove = {"path": path, "dataChange": True, "deletionTimestamp": 1, **self._vector_of(path)}
        self._commit("DELETE", {"remove": remove}, {"add": {**now, "deletionVector": vector}})

    def actions(self, name: str) -> list[dict[str, Any]]:
        """All actions of a name that the log's commits hold, oldest first."""
        return [line[name] for file in self._commits() for line in _lines(file) if name in line]

    # -- actions ------------------------------------------------------------------------------------------------------

    def _metadata(self, widened: bool) -> dict[str, Any]:
        fields = self._feature.fields(widened or not self._feature.widened)
        return {
            "metaData": {
                "id": "11111111-2222-3333-4444-555555555555",
                "format": {"provider": "parquet", "options": {}},
                "schemaString": json.dumps({"type": "struct", "fields": fields}),
                "partitionColumns": [],
                "configuration": dict(self._feature.configuration),
            }
        }

    def _add(self, rows: Values, *, narrow: bool = False) -> Iterator[dict[str, Any]]:
        import pyarrow.parquet as pq

        name = f"part-{uuid.uuid4()}.parquet"
        pq.write_table(self._file(rows, narrow), self.folder / name)
        action: dict[str, Any] = {
            "path": name,
            "partitionValues": {},
            "size": (self.folder / name).stat().st_size,
            "modificationTime": 1,
            "dataChange": True,
            "stats": json.dumps({"numRecords": len(rows)}),
        }
        if self._feature.uses("rowTracking"):
            mark = self._row_id_mark()
            told = json.dumps({"rowIdHighWaterMark": mark + len(rows)})
            action |= {"baseRowId": mark + 1, "defaultRowCommitVersion": self.version + 1}
            yield {"domainMetadata": {"domain": ROW_TRACKING, "configuration": told, "removed": False}}
        yield {"add": action}

    def _file(self, rows: Values, narrow: bool) -> pa.Table:
        import pyarrow as pa

        arrays = [pa.array(list(rows), pa.int64()), pa.array(list(rows.values()), pa.int32() if narrow else pa.int64())]
        names = ["col-1", "col-2"] if self._feature.mapped else ["id", "v"]
        if self._feature.column is not None:
            arrays.append(self._feature.column.values(rows))
            names.append(self._feature.column.name)
        fields = [
            pa.field(name, array.type, metadata={"PARQUET:field_id": str(number)})
            for number, (name, array) in enumerate(zip(names, arrays, strict=True), start=1)
        ]
        return pa.table(arrays, schema=pa.schema(fields))

    def _marks(self, rows: Values) -> Iterator[dict[str, Any]]:
        """A new metaData where an identity column has given out values."""
        if self._feature.uses("identityColumns") and self.version > 0:
            metadata = dict(self.actions("metaData")[-1])
            schema = json.loads(metadata["schemaString"])
            schema["fields"][-1]["metadata"]["delta.identity.highWaterMark"] = max(rows)
            yield {"metaData": {**metadata, "schemaString": json.dumps(schema)}}

    def _vector_of(self, path: str) -> dict[str, Any]:
        found: dict[str, Any] = next((add for add in reversed(self.actions("add")) if add["path"] == path), {})
        return {"deletionVector": found["deletionVector"]} if "deletionVector" in found else {}

    def _row_id_mark(self) -> int:
        told = [action for action in self.actions("domainMetadata") if action["domain"] == ROW_TRACKING]
        return int(json.loads(told[-1]["configuration"])["rowIdHighWaterMark"]) if told else -1

    def _commit(self, operation: str, *actions: Mapping[str, Any], parameters: Mapping[str, str] | None = None) -> None:
        info: dict[str, Any] = {"operation": operation, "operationParameters": dict(parameters or {})}
        if self._feature.uses("inCommitTimestamp"):
            info["inCommitTimestamp"] = 1_700_000_000_000 + self.version + 1
        lines = [{"commitInfo": info}, *actions]
        path = self._log / f"{self.version + 1:020d}.json"
        path.write_text("\n".join(json.dumps(line) for line in lines))


def _lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]

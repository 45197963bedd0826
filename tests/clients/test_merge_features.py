"""Tables with features that deltalake can't write: both sides append and delete, the branches merge, and independent
readers agree on the rows. docs/delta-features.md says "works" where a row of this test stands."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyroaring import BitMap64

from lakegate.errors import MergeConflict
from lakegate.model import ConflictKind, RollbackRequest
from lakegate.repository import EmbeddedLake, EmbeddedRepository
from lakegate.tables.deletion_vectors import write_vector
from lakegate.testing.delta_check import check_log
from lakegate.testing.delta_rows import agreed_rows, column
from lakegate.testing.mirror import Mirror

pytestmark = pytest.mark.skipif(
    find_spec("deltalake") is None or find_spec("duckdb_extension_delta") is None,
    reason="independent readers are not installed",
)

ALL = ("querybuilder", "duckdb", "polars")
KERNELS = ("querybuilder", "duckdb")
MAPPED = {"delta.columnMapping.id": 1, "delta.columnMapping.physicalName": "col-1"}


@dataclass(frozen=True)
class Feature:
    """A feature, what a table needs to use it, and who reads such tables."""

    name: str
    readers: Sequence[str] = ()
    configuration: Mapping[str, str] = field(default_factory=dict)
    column: Mapping[str, Any] = field(default_factory=dict)
    with_: tuple[str, ...] = ()
    clients: tuple[str, ...] = ALL

    @property
    def writers(self) -> list[str]:
        return sorted({self.name, *self.with_, *self.readers})

    @property
    def physical(self) -> str:
        return str(self.column.get("delta.columnMapping.physicalName", "id"))


FEATURES = [
    Feature("appendOnly"),
    Feature("invariants"),
    Feature("checkConstraints", configuration={"delta.constraints.positive": "id > 0"}),
    Feature("generatedColumns"),
    Feature("changeDataFeed", configuration={"delta.enableChangeDataFeed": "true"}),
    Feature("timestampNtz", ["timestampNtz"]),
    Feature("deletionVectors", ["deletionVectors"], {"delta.enableDeletionVectors": "true"}),
    Feature(
        "columnMapping",
        ["columnMapping"],
        {"delta.columnMapping.mode": "name", "delta.columnMapping.maxColumnId": "1"},
        MAPPED,
        clients=KERNELS,
    ),
    Feature("v2Checkpoint", ["v2Checkpoint"], clients=KERNELS),
    Feature("variantType", ["variantType"], clients=("querybuilder", "polars")),
    Feature("domainMetadata"),
    Feature("rowTracking", configuration={"delta.enableRowTracking": "true"}, with_=("domainMetadata",)),
    Feature("clustering", with_=("domainMetadata",)),
    Feature("inCommitTimestamp", configuration={"delta.enableInCommitTimestamps": "true"}),
    Feature("identityColumns"),
    Feature("allowColumnDefaults"),
    Feature(
        "icebergCompatV1",
        ["columnMapping"],
        {"delta.columnMapping.mode": "name", "delta.columnMapping.maxColumnId": "1"},
        MAPPED,
        clients=KERNELS,
    ),
    Feature("checkpointProtection"),
]


class HandWritten:
    """A table with one column, written without a client."""

    def __init__(self, folder: Path, feature: Feature) -> None:
        self._folder = folder
        self._feature = feature
        self._log = folder / "_delta_log"

    def create(self) -> None:
        self._log.mkdir(parents=True)
        fields = [{"name": "id", "type": "long", "nullable": True, "metadata": dict(self._feature.column)}]
        protocol: dict[str, Any] = {
            "minReaderVersion": 3 if self._feature.readers else 1,
            "minWriterVersion": 7,
            "writerFeatures": self._feature.writers,
        }
        if self._feature.readers:
            protocol["readerFeatures"] = list(self._feature.readers)
        metadata = {
            "id": str(uuid.uuid4()),
            "format": {"provider": "parquet", "options": {}},
            "schemaString": json.dumps({"type": "struct", "fields": fields}),
            "partitionColumns": [],
            "configuration": dict(self._feature.configuration),
        }
        self._commit("CREATE TABLE", {"protocol": protocol}, {"metaData": metadata})

    def append(self, *ids: int) -> None:
        name = f"part-{uuid.uuid4()}.parquet"
        part = pa.field(self._feature.physical, pa.int64(), metadata={"PARQUET:field_id": "1"})
        pq.write_table(pa.table([pa.array(ids, pa.int64())], schema=pa.schema([part])), self._folder / name)
        action: dict[str, Any] = {
            "path": name,
            "partitionValues": {},
            "size": (self._folder / name).stat().st_size,
            "modificationTime": 1,
            "dataChange": True,
            "stats": json.dumps({"numRecords": len(ids)}),
        }
        extra: list[dict[str, Any]] = []
        if self._feature.name == "rowTracking":
            mark = self._row_id_mark()
            action |= {"baseRowId": mark + 1, "defaultRowCommitVersion": self._next}
            told = json.dumps({"rowIdHighWaterMark": mark + len(ids)})
            domain = {"domain": "delta.rowTracking", "configuration": told, "removed": False}
            extra = [{"domainMetadata": domain}]
        self._commit("WRITE", {"add": action}, *extra, parameters={"mode": "Append"})

    def delete_rows(self, first: int, *positions: int) -> None:
        """Deletes rows, by their positions, of the file that the version `first` added, by a deletion vector."""
        added = next(line["add"] for line in self._lines(first) if "add" in line)
        held = [line["add"] for v in range(self._next) for line in self._lines(v) if "add" in line]
        now = [add for add in held if add["path"] == added["path"]][-1]
        vector = write_vector(BitMap64(positions), uuid.uuid4()).descriptor
        remove = {"path": now["path"], "dataChange": True, "deletionTimestamp": 1}
        if "deletionVector" in now:
            remove["deletionVector"] = now["deletionVector"]
        self._commit("DELETE", {"remove": remove}, {"add": {**now, "deletionVector": vector}})

    @property
    def _next(self) -> int:
        return len(list(self._log.glob("*.json")))

    def _lines(self, version: int) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self._log / f"{version:020d}.json").read_text().splitlines()]

    def _row_id_mark(self) -> int:
        lines = [line for version in range(self._next) for line in self._lines(version)]
        told = [line["domainMetadata"]["configuration"] for line in lines if "domainMetadata" in line]
        return int(json.loads(told[-1])["rowIdHighWaterMark"]) if told else -1

    def _commit(self, operation: str, *actions: Mapping[str, Any], parameters: Mapping[str, str] | None = None) -> None:
        info: dict[str, Any] = {"operation": operation, "operationParameters": dict(parameters or {})}
        if self._feature.name == "inCommitTimestamp":
            info["inCommitTimestamp"] = 1_800_000_000_000 + self._next
        lines = [{"commitInfo": info}, *actions]
        path = self._log / f"{self._next:020d}.json"
        path.write_text("\n".join(json.dumps(line) for line in lines))


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[EmbeddedRepository]:
    with EmbeddedLake.create(tmp_path / "lake") as lake:
        lake.create_repository("features")
        yield lake.repository("features")


def branched(repo: EmbeddedRepository, tmp_path: Path, feature: Feature) -> tuple[Mirror, Mirror]:
    """The table with the rows 1 to 4, on two branches."""
    main = Mirror(repo, "main", "t", tmp_path / "main")
    table = HandWritten(main.folder, feature)
    table.create()
    table.append(1, 2, 3, 4)
    main.commit()
    repo.create_branch("exp", "main")
    (tmp_path / "exp").mkdir()
    return main, Mirror(repo, "exp", "t", tmp_path / "exp").pull()


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_appends_merge_and_roll_back(repo: EmbeddedRepository, tmp_path: Path, feature: Feature) -> None:
    main, exp = branched(repo, tmp_path, feature)
    HandWritten(main.folder, feature).append(5)
    before = main.commit().id
    HandWritten(exp.folder, feature).append(6, 7)
    HandWritten(exp.folder, feature).append(8)
    exp.commit()
    repo.merge("exp", "main")
    rows = agreed_rows(main.pull().folder, readers=feature.clients)
    assert column(rows) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert check_log(main.folder).version == 4
    if feature.name == "appendOnly":
        return  # the property is off here, and the rollback is tested with deltalake's tables
    repo.rollback("main", RollbackRequest(before))
    rows = agreed_rows(main.pull().folder, readers=feature.clients)
    assert column(rows) == [1, 2, 3, 4, 5]
    assert check_log(main.folder).version == 5


def test_rows_that_both_deleted_by_vectors_are_gone_for_every_reader(repo: EmbeddedRepository, tmp_path: Path) -> None:
    feature = next(feature for feature in FEATURES if feature.name == "deletionVectors")
    main, exp = branched(repo, tmp_path, feature)
    HandWritten(main.folder, feature).delete_rows(1, 0)
    main.commit()
    table = HandWritten(exp.folder, feature)
    table.delete_rows(1, 2)
    table.delete_rows(1, 0, 2)
    table.append(9)
    exp.commit()
    repo.merge("exp", "main")
    assert column(agreed_rows(main.pull().folder)) == [2, 4, 9]
    check_log(main.folder)


@pytest.mark.parametrize("name", ["aFeatureOfTomorrow", "icebergCompatV3"])
def test_unknown_features_are_refused_by_name(repo: EmbeddedRepository, tmp_path: Path, name: str) -> None:
    main, exp = branched(repo, tmp_path, Feature(name))
    HandWritten(main.folder, Feature(name)).append(5)
    main.commit()
    HandWritten(exp.folder, Feature(name)).append(6)
    exp.commit()
    with pytest.raises(MergeConflict) as caught:
        repo.merge("exp", "main")
    [conflict] = caught.value.conflicts
    assert conflict.kind is ConflictKind.PROTOCOL_CHANGED
    assert name in conflict.message

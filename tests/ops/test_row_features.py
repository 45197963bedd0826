"""Rows of Delta tables with deletion vectors, mapped columns and rules for values; and what is refused by name."""

from __future__ import annotations

import json
import struct
from base64 import b85encode
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyroaring import BitMap64

from lakegate.errors import ErrorKind, LakegateError
from lakegate.interface import Repository
from lakegate.lake import EmbeddedLake
from lakegate.model import (
    CommitRequest,
    MergeRequest,
    Resolution,
    RowChange,
    RowChangeKind,
    RowDiffRequest,
    TableOutcome,
    Take,
)
from lakegate.repository import EmbeddedRepository
from lakegate.testing import delta
from lakegate.testing.table_files import parquet_bytes

ADDED, REMOVED, UPDATED = RowChangeKind.ADDED, RowChangeKind.REMOVED, RowChangeKind.UPDATED
BY_ID = Resolution("t", Take.ROWS, ("id",))
PREFER = Resolution("t", Take.ROWS, ("id",), prefer=Take.SOURCE)
_Z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
_B85 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[EmbeddedRepository]:
    with EmbeddedLake.create(tmp_path / "lake", environment={"LAKEGATE_STORAGE_FSYNC": "false"}) as lake:
        lake.create_repository("sales")
        yield lake.repository("sales")


def inline_vector(*rows: int) -> Mapping[str, Any]:
    """A deletion vector in the log that deletes these rows."""
    data = struct.pack("<i", 1681511377) + BitMap64(rows).serialize()
    padded = data + b"\0" * (-len(data) % 4)
    text = b85encode(padded).decode().translate(str.maketrans(_B85, _Z85))
    return {"storageType": "i", "pathOrInlineDv": text, "sizeInBytes": len(data), "cardinality": len(rows)}


def field(name: str, kind: str, nullable: bool = True, **metadata: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, "nullable": nullable, "metadata": metadata}


class Table:
    """The Delta table `t` on the branches of a repository, written version by version."""

    def __init__(
        self, repo: Repository, *fields: dict[str, Any], features: tuple[str, ...] = (), **metadata: Any
    ) -> None:
        self.repo = repo
        self.versions = {"main": -1}
        schema = json.dumps({"type": "struct", "fields": list(fields)})
        readers = tuple(name for name in features if name in ("deletionVectors", "columnMapping"))
        configuration = metadata.pop("configuration", {})
        self.head = [
            delta.protocol(3 if readers else 1, 7, features, readers),
            delta.metadata(configuration, schemaString=schema, **metadata),
        ]

    def put(self, branch: str, name: str, columns: Any) -> Mapping[str, Any]:
        """Puts a data file, and returns its add action."""
        data = columns if isinstance(columns, bytes) else parquet_bytes(columns)
        self.repo.put(branch, f"t/{name}", data)
        rows = pq.read_metadata(pa.BufferReader(data)).num_rows
        return delta.add(name, rows=rows, size=len(data))["add"]

    def commit(self, branch: str, *lines: delta.Line) -> str:
        version = self.versions[branch] = self.versions[branch] + 1
        head = self.head if version == 0 else []
        self.repo.put(branch, f"t/_delta_log/{version:020d}.json", delta.log_body(*head, *lines))
        return str(self.repo.commit(branch, CommitRequest("version")).id)

    def branch(self, name: str) -> None:
        self.repo.create_branch(name, "main")
        self.versions[name] = self.versions["main"]

    def rows(self, ref: str = "main") -> list[dict[str, Any]]:
        found = self.repo.read_table(ref, "t").to_table().to_pylist()
        return sorted(found, key=lambda row: row["id"])


def test_a_deletion_vector_removes_the_rows_that_it_says(repo: EmbeddedRepository) -> None:
    table = Table(repo, field("id", "long"), field("v", "string"), features=("deletionVectors",))
    add = table.put("main", "a.parquet", {"id": [1, 2, 3], "v": ["a", "b", "c"]})
    left = table.commit("main", {"add": add})
    vector = inline_vector(1)
    right = table.commit("main", delta.remove("a.parquet"), {"add": {**add, "deletionVector": vector}})
    diff = repo.row_diff(left, right, RowDiffRequest("t"))
    assert (diff.files_left, diff.files_right) == (1, 1)
    assert diff.rows == (RowChange(REMOVED, (2, "b")),)
    more = inline_vector(0, 1)
    last = table.commit("main", delta.remove("a.parquet", dv=vector), {"add": {**add, "deletionVector": more}})
    assert repo.row_diff(right, last, RowDiffRequest("t", ("id",))).rows == (RowChange(REMOVED, (1, "a")),)
    assert repo.row_diff(last, left, RowDiffRequest("t", ("id",))).added == 2


def test_a_rewritten_action_of_the_same_file_is_no_change(repo: EmbeddedRepository) -> None:
    table = Table(repo, field("id", "long"))
    add = table.put("main", "a.parquet", {"id": [1, 2]})
    left = table.commit("main", {"add": add})
    stats = json.dumps({"numRecords": 2, "nullCount": {"id": 0}})
    right = table.commit("main", {"add": {**add, "stats": stats, "dataChange": False}})
    diff = repo.row_diff(left, right, RowDiffRequest("t"))
    assert (diff.files_left, diff.files_right, diff.added, diff.removed) == (0, 0, 0, 0)


def test_rows_deleted_by_vectors_merge_by_key(repo: EmbeddedRepository) -> None:
    table = Table(repo, field("id", "long"), field("v", "string"), features=("deletionVectors",))
    add = table.put("main", "a.parquet", {"id": [1, 2, 3, 4], "v": ["a", "b", "c", "d"]})
    table.commit("main", {"add": add})
    table.branch("exp")
    for branch, gone in (("exp", 0), ("main", 3)):
        new = table.put(branch, f"{branch}.parquet", {"id": [10 + gone], "v": [branch]})
        changed = {"add": {**add, "deletionVector": inline_vector(gone)}}
        table.commit(branch, delta.remove("a.parquet"), changed, {"add": new})
    outcome = repo.merge("exp", "main", MergeRequest(resolutions=(BY_ID,)))
    (report,) = outcome.tables
    assert (report.outcome, report.from_version, report.to_version) == (TableOutcome.MERGED_ROWS, 1, 2)
    assert (report.rows_added, report.rows_removed) == (1, 1)
    assert [row["id"] for row in table.rows()] == [2, 3, 10, 13]
    log = repo.open("main", "t/_delta_log/00000000000000000002.json").read().splitlines()
    actions = [json.loads(line) for line in log]
    (removed,) = [line["remove"] for line in actions if "remove" in line]
    assert removed["deletionVector"]["cardinality"] == 1


def mapped(name: str, kind: str, number: int, physical: str) -> dict[str, Any]:
    return field(name, kind, **{"delta.columnMapping.id": number, "delta.columnMapping.physicalName": physical})


def mapped_file(ids: list[int], values: list[str]) -> bytes:
    schema = pa.schema(
        [
            pa.field("col-1", pa.int64(), metadata={b"PARQUET:field_id": b"1"}),
            pa.field("col-2", pa.string(), metadata={b"PARQUET:field_id": b"2"}),
        ]
    )
    return parquet_bytes(pa.table([pa.array(ids, pa.int64()), pa.array(values)], schema=schema))


@pytest.mark.parametrize("mode", ["name", "id"])
def test_a_rename_changes_no_row_and_mapped_columns_merge(repo: EmbeddedRepository, mode: str, tmp_path: Path) -> None:
    configuration = {"delta.columnMapping.mode": mode, "delta.columnMapping.maxColumnId": "2"}
    table = Table(
        repo,
        mapped("id", "long", 1, "col-1"),
        mapped("v", "string", 2, "col-2"),
        features=("columnMapping",),
        configuration=configuration,
    )
    left = table.commit("main", {"add": table.put("main", "a.parquet", mapped_file([1, 2], ["a", "b"]))})
    fields = [mapped("id", "long", 1, "col-1"), mapped("renamed", "string", 2, "col-2")]
    schema = json.dumps({"type": "struct", "fields": fields})
    new = table.put("main", "b.parquet", mapped_file([1, 2], ["a", "B"]))
    renamed = delta.metadata(configuration, schemaString=schema)
    right = table.commit("main", renamed, delta.remove("a.parquet"), {"add": new})
    diff = repo.row_diff(left, right, RowDiffRequest("t", ("id",)))
    assert diff.columns == ("id", "renamed")
    assert diff.rows == (RowChange(UPDATED, (2, "b"), (2, "B")),)
    assert diff.schema_changes == ("renamed column v to renamed",)
    table.branch("exp")
    for branch, values in (("exp", ["A", "B"]), ("main", ["a", "BB"])):
        add = table.put(branch, f"{branch}.parquet", mapped_file([1, 2], values))
        table.commit(branch, delta.remove("b.parquet"), {"add": add})
    repo.merge("exp", "main", MergeRequest(resolutions=(BY_ID,)))
    assert [tuple(row.values()) for row in table.rows()] == [(1, "A"), (2, "BB")]
    written = [
        file.path for file in repo.table_files("main", "t").items if file.path not in ("main.parquet", "b.parquet")
    ]
    held = pq.read_schema(pa.BufferReader(repo.open("main", f"t/{written[0]}").read()))
    assert held.names == ["col-1", "col-2"]
    assert [part.metadata[b"PARQUET:field_id"] for part in held] == [b"1", b"2"]


def test_partitions_that_differ_are_told_by_logical_names(repo: EmbeddedRepository) -> None:
    table = Table(
        repo,
        mapped("id", "long", 1, "col-1"),
        mapped("day", "string", 2, "col-2"),
        features=("columnMapping",),
        configuration={"delta.columnMapping.mode": "name"},
        partitionColumns=["day"],
    )
    data = parquet_bytes({"col-1": pa.array([1], pa.int64())})
    adds = [
        {**table.put("main", f"{day}.parquet", data), "partitionValues": {"col-2": day}}
        for day in ("mon", "tue", "wed")
    ]
    left = table.commit("main", {"add": adds[0]}, {"add": adds[1]})
    right = table.commit("main", delta.remove("mon.parquet"), {"add": adds[2]})
    found = repo.table_partitions(left, right, "t")
    assert [(dict(part.values), part.rows_added, part.rows_removed) for part in found] == [
        ({"day": "mon"}, 0, 1),
        ({"day": "wed"}, 1, 0),
    ]
    assert repo.table_partitions(left, right, "t", amount=1) == found[:1]


@pytest.mark.parametrize(
    ("features", "configuration", "column", "kind", "why"),
    [
        (("appendOnly",), {"delta.appendOnly": "true"}, {}, ErrorKind.DELTA_APPEND_ONLY, "append-only"),
        (
            ("rowTracking", "domainMetadata"),
            {"delta.enableRowTracking": "true"},
            {},
            ErrorKind.ROWS_INCOMPATIBLE,
            "row tracking",
        ),
        (
            ("changeDataFeed",),
            {"delta.enableChangeDataFeed": "true"},
            {},
            ErrorKind.ROWS_INCOMPATIBLE,
            "change data feed",
        ),
        (("icebergCompatV1",), {}, {}, ErrorKind.ROWS_INCOMPATIBLE, "icebergCompatV1"),
        (("identityColumns",), {}, {"delta.identity.start": 1}, ErrorKind.ROWS_INCOMPATIBLE, "identity column"),
    ],
)
def test_tables_whose_rows_can_not_be_written_right_are_refused(
    repo: EmbeddedRepository,
    features: tuple[str, ...],
    configuration: Mapping[str, str],
    column: Mapping[str, Any],
    kind: ErrorKind,
    why: str,
) -> None:
    table = Table(
        repo, field("id", "long"), field("v", "long", **column), features=features, configuration=configuration
    )
    table.commit("main", {"add": table.put("main", "a.parquet", {"id": [1], "v": [1]})})
    table.branch("exp")
    if why == "append-only":
        adds = [table.put(branch, f"{branch}.parquet", {"id": [7], "v": [len(branch)]}) for branch in ("exp", "main")]
        for branch, add in zip(("exp", "main"), adds, strict=True):
            table.commit(branch, {"add": add})
    else:
        for branch in ("exp", "main"):
            add = table.put(branch, f"{branch}.parquet", {"id": [1], "v": [len(branch)]})
            table.commit(branch, delta.remove("a.parquet"), {"add": add})
    head = repo.commit_of("main").id
    with pytest.raises(LakegateError) as caught:
        repo.merge("exp", "main", MergeRequest(resolutions=(PREFER,)))
    assert caught.value.kind is kind
    assert why in caught.value.message
    assert repo.commit_of("main").id == head


def test_rules_for_values_that_differ_are_refused(repo: EmbeddedRepository) -> None:
    table = Table(repo, field("id", "long"), features=("checkConstraints",))
    table.commit("main", {"add": table.put("main", "a.parquet", {"id": [1]})})
    table.branch("exp")
    schema = json.dumps({"type": "struct", "fields": [field("id", "long")]})
    table.commit("main", delta.metadata({"delta.constraints.small": "id < 5"}, schemaString=schema))
    table.commit("exp", {"add": table.put("exp", "b.parquet", {"id": [9]})})
    with pytest.raises(LakegateError) as caught:
        repo.merge("exp", "main", MergeRequest(resolutions=(BY_ID,)))
    assert caught.value.kind is ErrorKind.ROWS_INCOMPATIBLE
    assert "constraints" in caught.value.message

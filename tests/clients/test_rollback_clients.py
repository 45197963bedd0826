"""Rollbacks of Delta tables, as clients that know nothing of lakegate see them."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from pyroaring import BitMap64

from lakegate.errors import ErrorKind, Refused
from lakegate.lake import EmbeddedLake
from lakegate.model import (
    ApplyRequest,
    CommitRequest,
    MergeRequest,
    Resolution,
    RollbackMode,
    RollbackRequest,
    TableOutcome,
    Take,
)
from lakegate.repository import EmbeddedRepository
from lakegate.testing.delta import log_body
from lakegate.testing.delta_check import check_log
from lakegate.testing.delta_rows import agreed_rows, column
from lakegate.testing.mirror import Mirror

PLAIN = ("querybuilder", "duckdb", "polars")


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[EmbeddedRepository]:
    with EmbeddedLake.create(tmp_path / "lake", environment={"LAKEGATE_STORAGE_FSYNC": "false"}) as lake:
        lake.create_repository("sales")
        yield lake.repository("sales")


@pytest.fixture
def orders(repo: EmbeddedRepository, tmp_path: Path) -> Mirror:
    return Mirror(repo, "main", "lake/orders", tmp_path / "orders")


def write(table: Mirror, *ids: int, **options: Any) -> None:
    data = pa.table({"id": pa.array(ids, pa.int64()), "part": [f"p{i % 2}" for i in ids]})
    write_deltalake(table.url, data, mode=options.pop("mode", "append"), **options)


def rows_of(table: Mirror, version: int | None = None) -> list[int]:
    return column(agreed_rows(table.folder, version))


def append_more(table: Mirror) -> None:
    write(table, 100)


def delete_some(table: Mirror) -> None:
    DeltaTable(table.url).delete("id = 1")


def overwrite(table: Mirror) -> None:
    write(table, 7, 8, mode="overwrite")


def compact(table: Mirror) -> None:
    DeltaTable(table.url).optimize.compact()


def add_column(table: Mirror) -> None:
    data = pa.table({"id": pa.array([9], pa.int64()), "part": ["p1"], "more": ["x"]})
    write_deltalake(table.url, data, mode="append", schema_mode="merge")


def set_property(table: Mirror) -> None:
    DeltaTable(table.url).alter.set_table_properties({"delta.logRetentionDuration": "interval 9 days"})


def constrain(table: Mirror) -> None:
    DeltaTable(table.url).alter.add_constraint({"positive": "id > 0"})


def checkpoint(table: Mirror) -> None:
    write(table, 50)
    DeltaTable(table.url).create_checkpoint()
    write(table, 51)


CHANGES = (append_more, delete_some, overwrite, compact, add_column, set_property, constrain, checkpoint)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_an_open_reader_goes_on_after_a_rollback(orders: Mirror, change: Callable[[Mirror], None]) -> None:
    write(orders, 1, 2, partition_by="part")
    write(orders, 3, 4)
    good = orders.commit("good")
    before = agreed_rows(orders.folder)
    schema = DeltaTable(orders.url).schema().to_json()
    change(orders)
    orders.commit("bad")
    bad = DeltaTable(orders.url)
    bad_rows = agreed_rows(orders.folder)

    outcome = orders.repo.rollback("main", RollbackRequest(good.id))
    assert outcome.warnings == ()
    orders.pull()
    assert agreed_rows(orders.folder) == before
    assert check_log(orders.folder).version == bad.version() + 1
    assert agreed_rows(orders.folder, bad.version()) == bad_rows
    reopened = DeltaTable(orders.url)
    bad.update_incremental()
    assert bad.version() == reopened.version()
    assert sorted(bad.file_uris()) == sorted(reopened.file_uris())
    assert bad.schema().to_json() == reopened.schema().to_json() == schema
    assert bad.metadata().configuration == reopened.metadata().configuration

    write(orders, 5)
    orders.commit("on it goes")
    assert rows_of(orders) == [1, 2, 3, 4, 5]
    bad.update_incremental()
    assert len(bad.file_uris()) == len(DeltaTable(orders.url).file_uris())
    orders.repo.rollback("main", RollbackRequest("main~2"))  # to the bad one, and forward still
    assert agreed_rows(orders.pull().folder) == bad_rows
    check_log(orders.folder)


def test_a_dry_run_says_what_the_rollback_does(orders: Mirror) -> None:
    write(orders, 1, 2)
    good = orders.commit("good")
    write(orders, 7, 8, 9, mode="overwrite")
    orders.commit("bad")
    head = orders.repo.branch("main")
    dry = orders.repo.rollback("main", RollbackRequest(good.id, dry_run=True))
    assert orders.repo.branch("main") == head
    assert orders.repo.uncommitted("main").items == ()
    done = orders.repo.rollback("main", RollbackRequest(good.id))
    assert dry.commit is None
    assert (dry.tables, dry.changes, dry.warnings) == (done.tables, done.changes, done.warnings)
    [table] = dry.tables
    assert (table.outcome, table.from_version, table.to_version) == (TableOutcome.ROLLED_BACK, 1, 2)
    assert (table.rows_added, table.rows_removed) == (2, 3)
    live = [orders.repo.table(ref, "lake/orders") for ref in ("main", "main~1")]
    assert (table.bytes_added, table.bytes_removed) == (live[0].bytes, live[1].bytes)


def test_overwritten_and_lost_data_files_come_back(orders: Mirror) -> None:
    write(orders, 1, 2)
    write(orders, 3)
    good = orders.commit("good")
    before = agreed_rows(orders.folder)
    files = sorted(orders.folder.glob("*.parquet"))
    orders.repo.put("main", f"lake/orders/{files[0].name}", b"x" * files[0].stat().st_size)
    orders.repo.put("main", "lake/orders/notes.txt", b"no part of the table")
    orders.repo.commit("main", CommitRequest("the same version, with broken bytes"))
    orders.repo.rollback("main", RollbackRequest(good.id))
    assert agreed_rows(orders.pull().folder) == before
    assert check_log(orders.folder).version == 1
    assert not (orders.folder / "notes.txt").exists()
    orders.repo.put("main", f"lake/orders/{files[1].name}", b"x" * files[1].stat().st_size)
    orders.repo.commit("main", CommitRequest("broken bytes again"))
    write(orders, 4)
    (orders.folder / files[1].name).write_bytes(b"x" * files[1].stat().st_size)
    orders.commit("and a new version")
    orders.repo.rollback("main", RollbackRequest(good.id))
    assert agreed_rows(orders.pull().folder) == before
    assert check_log(orders.folder).version == 3


def test_a_file_under_anothers_name_is_not_taken_for_it(orders: Mirror) -> None:
    """Hand-made tables may use a name again; a version that names it would read the wrong rows."""
    write(orders, 1)
    good = orders.commit("good")
    old = live_add(orders)
    other = pa.table({"id": pa.array([2, 3, 4], pa.int64()), "part": ["x", "x", "x"]})
    pq.write_table(other, orders.folder / old["path"])
    size = (orders.folder / old["path"]).stat().st_size
    log_by_hand(orders, remove_of(old))
    log_by_hand(orders, {"add": {**old, "size": size, "stats": json.dumps({"numRecords": 3})}})
    orders.commit("bad")
    with pytest.raises(Refused) as refusal:
        orders.repo.rollback("main", RollbackRequest(good.id))
    assert refusal.value.kind is ErrorKind.DELTA_FILE_CHANGED
    orders.repo.rollback("main", RollbackRequest(good.id, mode=RollbackMode.EXACT))
    assert rows_of(orders.pull()) == [1]


def test_a_table_inside_anothers_folder_goes_back_on_its_own(repo: EmbeddedRepository, tmp_path: Path) -> None:
    outer, inner = (Mirror(repo, "main", path, tmp_path / path) for path in ("lake/t", "lake/t/inner"))
    write(inner, 1)
    write(outer, 10)
    good = outer.commit("good")
    write(inner, 2)
    write(outer, 20)
    outer.commit("bad")
    repo.rollback("main", RollbackRequest(good.id, tables=("lake/t/inner",)))
    assert (rows_of(inner.pull()), rows_of(outer.pull())) == ([1], [10, 20])
    repo.rollback("main", RollbackRequest(good.id))
    outer.pull()
    assert (rows_of(inner), rows_of(outer)) == ([1], [10])
    assert (check_log(inner.folder).version, check_log(outer.folder).version) == (2, 2)


def test_exact_puts_the_old_log_back_and_says_so(orders: Mirror) -> None:
    write(orders, 1)
    good = orders.commit("good")
    write(orders, 2)
    orders.commit("bad")
    outcome = orders.repo.rollback("main", RollbackRequest(good.id, mode=RollbackMode.EXACT))
    assert "lake/orders" in outcome.warnings[0]
    assert orders.repo.diff(good.id, "main").items == ()
    assert rows_of(orders.pull()) == [1]
    assert check_log(orders.folder).version == 0


def test_some_tables_go_back_and_others_stay(repo: EmbeddedRepository, tmp_path: Path) -> None:
    tables = [Mirror(repo, "main", f"lake/t{n}", tmp_path / f"t{n}") for n in range(3)]
    for table in tables:
        write(table, 1, 2)
        table.commit("good")
    good = repo.branch("main").commit
    repo.put("main", "lake/notes.txt", b"bad")
    for table in tables:
        write(table, 3)
        table.commit("bad")
    outcome = repo.rollback("main", RollbackRequest(good, tables=("lake/t0", "lake/t2/")))
    assert [table.path for table in outcome.tables] == ["lake/t0", "lake/t2"]
    assert [rows_of(table.pull()) for table in tables] == [[1, 2], [1, 2, 3], [1, 2]]
    assert [check_log(table.folder).version for table in tables] == [2, 1, 2]
    assert repo.open("main", "lake/notes.txt").read() == b"bad"
    repo.rollback("main", RollbackRequest(good))
    assert [rows_of(table.pull()) for table in tables] == [[1, 2], [1, 2], [1, 2]]
    assert [check_log(table.folder).version for table in tables] == [2, 2, 2]  # none moves that has nothing to undo


def test_a_dropped_table_comes_back_and_a_new_one_goes(repo: EmbeddedRepository, tmp_path: Path) -> None:
    old, new = (Mirror(repo, "main", f"lake/{name}", tmp_path / name) for name in ("old", "new"))
    write(old, 1)
    good = old.commit("good")
    repo.delete_many("main", [item.path for item in repo.list("main").items])
    write(new, 2)
    new.commit("one dropped, one made")
    outcome = repo.rollback("main", RollbackRequest(good.id))
    assert [(table.path, table.outcome) for table in outcome.tables] == [
        ("lake/new", TableOutcome.REMOVED),
        ("lake/old", TableOutcome.ROLLED_BACK),
    ]
    assert rows_of(old.pull()) == [1]
    assert repo.diff(good.id, "main").items == ()


def test_a_stream_does_not_write_a_batch_twice(orders: Mirror) -> None:
    def batch(number: int, *ids: int) -> None:
        write(orders, *ids, commit_properties=CommitProperties(app_transactions=[Transaction("stream", number)]))

    batch(1, 1)
    good = orders.commit("good")
    batch(2, 2)
    orders.commit("bad")
    orders.repo.rollback("main", RollbackRequest(good.id))
    assert rows_of(orders.pull()) == [1]
    assert DeltaTable(orders.url).transaction_version("stream") == 2
    assert check_log(orders.folder).txns == {"stream": 2}


def test_verbs_that_take_a_table_back_append_versions(orders: Mirror, tmp_path: Path) -> None:
    repo = orders.repo
    write(orders, 1)
    orders.commit("base")
    repo.create_branch("exp", "main")
    exp = Mirror(repo, "exp", "lake/orders", tmp_path / "exp").pull()
    write(exp, 2)
    picked = exp.commit("theirs")
    write(orders, 3)
    bad = orders.commit("ours")

    repo.revert("main", ApplyRequest(bad.id))
    assert rows_of(orders.pull()) == [1]
    assert check_log(orders.folder).version == 2
    repo.merge("exp", "main", MergeRequest(resolutions=(Resolution("lake/orders", Take.SOURCE),)))
    assert rows_of(orders.pull()) == [1, 2]
    assert check_log(orders.folder).version == 3
    assert rows_of(orders, 1) == [1, 3]
    repo.create_branch("again", "main~2")
    repo.cherry_pick("again", ApplyRequest("main~1"))  # the revert
    again = Mirror(repo, "again", "lake/orders", tmp_path / "again").pull()
    assert rows_of(again) == [1]
    assert check_log(again.folder).version == 2
    assert repo.commit_of("exp").id == picked.id


# -- what clients can't all write: logs by hand, or by DuckDB ---------------------------------------------------------

_Z85 = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
_B85 = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"


def bitmap(*positions: int) -> bytes:
    return struct.pack("<i", 1681511377) + BitMap64(positions).serialize()


def z85(data: bytes) -> str:
    padded = data + b"\0" * (-len(data) % 4)
    return base64.b85encode(padded).translate(bytes.maketrans(_B85, _Z85)).decode()


def inline(*positions: int) -> dict[str, Any]:
    data = bitmap(*positions)
    return {"storageType": "i", "pathOrInlineDv": z85(data), "sizeInBytes": len(data), "cardinality": len(positions)}


def in_a_file(folder: Path, number: int, *positions: int) -> dict[str, Any]:
    unique = bytes([number]) * 16
    data = bitmap(*positions)
    framed = b"\x01" + struct.pack(">i", len(data)) + data + struct.pack(">I", zlib.crc32(data))
    text = unique.hex()
    name = f"deletion_vector_{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}.bin"
    (folder / name).write_bytes(framed)
    return {
        "storageType": "u",
        "pathOrInlineDv": z85(unique),
        "offset": 1,
        "sizeInBytes": len(data),
        "cardinality": len(positions),
    }


def features(*writers: str, readers: tuple[str, ...] = ()) -> Mapping[str, Any]:
    body: dict[str, Any] = {"minReaderVersion": 3 if readers else 1, "minWriterVersion": 7}
    return {
        "protocol": body | {"writerFeatures": list(writers)} | ({"readerFeatures": list(readers)} if readers else {})
    }


def log_by_hand(table: Mirror, *lines: Mapping[str, Any]) -> None:
    log = table.folder / "_delta_log"
    version = len(list(log.glob("*.json")))
    (log / f"{version:020d}.json").write_bytes(log_body(*lines))


def live_add(table: Mirror) -> dict[str, Any]:
    """The add action of the only live file."""
    [[_, body]] = check_log(table.folder).live.items()
    return body


def remove_of(add: Mapping[str, Any]) -> Mapping[str, Any]:
    kept = {name: add[name] for name in ("path", "size", "partitionValues", "deletionVector") if name in add}
    return {"remove": {**kept, "deletionTimestamp": 1, "dataChange": True, "extendedFileMetadata": True}}


@pytest.mark.parametrize("stored", ["inline", "file"])
def test_deletion_vectors_go_back(orders: Mirror, stored: str) -> None:
    def vector(number: int, *positions: int) -> dict[str, Any]:
        return inline(*positions) if stored == "inline" else in_a_file(orders.folder, number, *positions)

    write(orders, 1, 2, 3, 4)
    whole = orders.commit("whole")
    first = live_add(orders)
    upgrade = features("deletionVectors", readers=("deletionVectors",))
    log_by_hand(orders, upgrade, remove_of(first), {"add": {**first, "deletionVector": vector(1, 0)}})
    one = orders.commit("one row deleted")
    second = live_add(orders)
    log_by_hand(orders, remove_of(second), {"add": {**second, "deletionVector": vector(2, 0, 1, 2)}})
    for file in orders.folder.glob("deletion_vector_01*.bin"):
        file.unlink()  # as a full vacuum does
    orders.commit("more deleted")
    assert rows_of(orders) == [4]

    dry = orders.repo.rollback("main", RollbackRequest(one.id, dry_run=True))
    assert [(table.rows_added, table.rows_removed) for table in dry.tables] == [(2, 0)]
    orders.repo.rollback("main", RollbackRequest(one.id))
    assert rows_of(orders.pull()) == [2, 3, 4]
    orders.repo.rollback("main", RollbackRequest(whole.id))
    assert rows_of(orders.pull()) == [1, 2, 3, 4]
    assert check_log(orders.folder).supports("deletionVectors")
    assert orders.repo.table("main", "lake/orders").rows == 4
    assert rows_of(orders, 3) == [2, 3, 4]


def test_row_ids_and_times_never_go_back(orders: Mirror) -> None:
    """DuckDB's delta extension writes row tracking and in-commit timestamps; deltalake reads them."""
    create_by_hand(
        orders,
        ("rowTracking", "domainMetadata", "inCommitTimestamp", "clustering"),
        {"delta.enableRowTracking": "true", "delta.enableInCommitTimestamps": "true"},
    )
    insert(orders, 1, 2)
    good = orders.commit("good")
    insert(orders, 3, 4, 5)
    insert(orders, 6)
    orders.commit("bad")
    bad = check_log(orders.folder)
    assert bad.row_id_mark == 5
    orders.repo.rollback("main", RollbackRequest(good.id))
    orders.pull()
    log = check_log(orders.folder)
    assert (log.version, log.row_id_mark) == (bad.version + 1, 5)
    assert (log.timestamp or 0) > (bad.timestamp or 0)
    assert rows_of(orders) == [1, 2]
    insert(orders, 7)
    orders.commit("on it goes")
    assert rows_of(orders) == [1, 2, 7]
    assert check_log(orders.folder).row_id_mark == 6
    orders.repo.rollback("main", RollbackRequest("main~2"))
    assert rows_of(orders.pull()) == [1, 2, 3, 4, 5, 6]
    check_log(orders.folder)


def test_in_commit_timestamps_that_were_turned_on_stay_on(orders: Mirror) -> None:
    create_by_hand(orders, ("inCommitTimestamp",), {})
    insert(orders, 1)
    good = orders.commit("good")
    current = check_log(orders.folder)
    configuration = {
        "delta.enableInCommitTimestamps": "true",
        "delta.inCommitTimestampEnablementVersion": str(current.version + 1),
        "delta.inCommitTimestampEnablementTimestamp": "9000000000000",
    }
    log_by_hand(
        orders,
        {"commitInfo": {"inCommitTimestamp": 9000000000000, "operation": "SET TBLPROPERTIES"}},
        {"metaData": {**current.metadata, "configuration": configuration}},
    )
    insert(orders, 2)
    orders.commit("bad")
    stamp = check_log(orders.folder).timestamp
    assert (stamp or 0) > 9000000000000  # far in the future: the clock alone would go back
    orders.repo.rollback("main", RollbackRequest(good.id))
    log = check_log(orders.pull().folder)
    assert (log.timestamp or 0) > (stamp or 0)
    assert log.metadata["configuration"] == configuration
    assert orders.repo.table("main", "lake/orders").timestamp == log.timestamp
    assert rows_of(orders) == [1]


def test_column_ids_are_given_out_once(orders: Mirror) -> None:
    mapping = {"delta.columnMapping.mode": "name", "delta.columnMapping.maxColumnId": "1"}
    create_by_hand(orders, ("columnMapping",), mapping, readers=("columnMapping",))
    good = orders.commit("good")
    current = check_log(orders.folder)
    schema = json.loads(current.metadata["schemaString"])
    more = {"delta.columnMapping.id": 2, "delta.columnMapping.physicalName": "col-2"}
    schema["fields"].append({"name": "more", "type": "long", "nullable": True, "metadata": more})
    changed = {**mapping, "delta.columnMapping.maxColumnId": "2"}
    log_by_hand(
        orders, {"metaData": {**current.metadata, "configuration": changed, "schemaString": json.dumps(schema)}}
    )
    orders.commit("bad")
    orders.repo.rollback("main", RollbackRequest(good.id))
    log = check_log(orders.pull().folder)
    assert log.metadata["configuration"]["delta.columnMapping.maxColumnId"] == "2"
    assert [field["name"] for field in json.loads(log.metadata["schemaString"])["fields"]] == ["id"]


def test_an_append_only_table_keeps_its_rows(orders: Mirror) -> None:
    write(orders, 1, configuration={"delta.appendOnly": "true"})
    good = orders.commit("good")
    write(orders, 2)
    orders.commit("bad")
    head = orders.repo.branch("main")
    with pytest.raises(Refused) as refusal:
        orders.repo.rollback("main", RollbackRequest(good.id))
    assert refusal.value.kind is ErrorKind.DELTA_APPEND_ONLY
    assert orders.repo.branch("main") == head


def test_unknown_features_are_refused_by_name(orders: Mirror) -> None:
    create_by_hand(orders, ("newFeature",), {})
    good = orders.commit("good")
    log_by_hand(orders, {"commitInfo": {"operation": "SOMETHING"}}, {"txn": {"appId": "a", "version": 1}})
    orders.commit("bad")
    with pytest.raises(Refused, match="newFeature") as refusal:
        orders.repo.rollback("main", RollbackRequest(good.id))
    assert refusal.value.kind is ErrorKind.DELTA_FEATURE_UNKNOWN
    orders.repo.rollback("main", RollbackRequest(good.id, mode=RollbackMode.EXACT))


def create_by_hand(
    table: Mirror, writers: tuple[str, ...], configuration: Mapping[str, str], readers: tuple[str, ...] = ()
) -> None:
    """An empty table with one column `id`, and features that deltalake does not write."""
    column_: dict[str, Any] = {}
    if "columnMapping" in writers:
        column_ = {"delta.columnMapping.id": 1, "delta.columnMapping.physicalName": "col-1"}
    field = {"name": "id", "type": "long", "nullable": True, "metadata": column_}
    metadata = {
        "id": "11111111-2222-3333-4444-555555555555",
        "format": {"provider": "parquet", "options": {}},
        "schemaString": json.dumps({"type": "struct", "fields": [field]}),
        "partitionColumns": [],
        "configuration": dict(configuration),
        "createdTime": 1,
    }
    info: dict[str, Any] = {"operation": "CREATE TABLE", "timestamp": 1, "operationParameters": {}}
    if configuration.get("delta.enableInCommitTimestamps") == "true":
        info["inCommitTimestamp"] = 1
    lines: list[Mapping[str, Any]] = [{"commitInfo": info}, features(*writers, readers=readers), {"metaData": metadata}]
    if "clustering" in writers:
        by = json.dumps({"clusteringColumns": [["id"]], "domainName": "delta.clustering"})
        lines.append({"domainMetadata": {"domain": "delta.clustering", "configuration": by, "removed": False}})
    (table.folder / "_delta_log").mkdir(parents=True)
    log_by_hand(table, *lines)


def insert(table: Mirror, *ids: int) -> None:
    import duckdb

    from lakegate.testing.delta_rows import duckdb_extension

    with duckdb.connect() as connection:
        connection.execute(f"load '{duckdb_extension('delta')}'")
        connection.execute(f"attach '{table.url}' as t (type delta, read_only false)")
        connection.execute(f"insert into t values {', '.join(f'({n})' for n in ids)}")

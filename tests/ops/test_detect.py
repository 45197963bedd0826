"""Which tables a commit finds, by what changed."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakegate import tree
from lakegate.errors import ErrorKind, InvalidInput, Refused
from lakegate.format.kinds import FILES, OBJECTS, TABLES
from lakegate.ids import ManifestId, NodeId
from lakegate.lake import EmbeddedLake
from lakegate.model import CommitRequest, Entry, ListRequest, Manifest, TableFormat, TableVersion
from lakegate.repository import EmbeddedRepository
from lakegate.tables import delta_tables, parquet
from lakegate.tables.detect import detect
from lakegate.testing.table_files import parquet_bytes, put_folder, tables_at

OVERRIDES = ".lakegate/tables.yaml"


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[EmbeddedRepository]:
    with EmbeddedLake.create(tmp_path / "lake", environment={"LAKEGATE_STORAGE_FSYNC": "false"}) as lake:
        lake.create_repository("sales")
        yield lake.repository("sales")


def put(repo: EmbeddedRepository, **files: Any) -> None:
    """Puts objects: bytes, a dict of columns (a Parquet file), or None to delete. `__` in a name stands for `/`."""
    for name, content in files.items():
        put_at(repo, name, content)


def put_at(repo: EmbeddedRepository, path: str, content: Any) -> None:
    if content is None:
        repo.delete("main", path)
    else:
        repo.put("main", path, content if isinstance(content, bytes) else parquet_bytes(content))


def committed(repo: EmbeddedRepository) -> dict[str, TableVersion]:
    repo.commit("main", CommitRequest("change"))
    return tables_at(repo.ctx, repo, "main")


def write(folder: Path, start: int, count: int = 3, **options: Any) -> None:
    ids = list(range(start, start + count))
    data = pa.table({"id": pa.array(ids, pa.int64()), "part": [f"p{i % 2}" for i in ids]})
    write_deltalake(folder, data, mode=options.pop("mode", "append"), **options)


def files_of(repo: EmbeddedRepository, table: TableVersion) -> list[str]:
    return [file.path for file in tree.iterate(repo.ctx.manifests.nodes, FILES, table.state)]


class Calls:
    """Counts the calls of a function that a test lets through."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> None:
        self.count = 0
        inner: Callable[..., Any] = getattr(module, name)

        def counted(*args: Any, **options: Any) -> Any:
            self.count += 1
            return inner(*args, **options)

        monkeypatch.setattr(module, name, counted)


# -- Delta ------------------------------------------------------------------------------------------------------------


def test_a_delta_table_is_found_and_followed(repo: EmbeddedRepository, tmp_path: Path) -> None:
    folder = tmp_path / "orders"
    write(folder, 0, partition_by=["part"], name="orders")
    put_folder(repo, "main", folder, "raw/orders")
    table = committed(repo)["raw/orders"]
    assert (table.format, table.version, table.rows, table.name) == (TableFormat.DELTA, 0, 3, "orders")
    assert table.partition_columns == ("part",)
    assert table.files == len(files_of(repo, table)) == 2
    write(folder, 3)
    put_folder(repo, "main", folder, "raw/orders")
    after = committed(repo)["raw/orders"]
    assert (after.version, after.rows) == (1, 6)
    assert after.digest != table.digest
    DeltaTable(folder).create_checkpoint()
    put_folder(repo, "main", folder, "raw/orders")
    assert committed(repo)["raw/orders"] == after


def test_other_commits_keep_the_table_version(repo: EmbeddedRepository, tmp_path: Path) -> None:
    write(tmp_path / "t", 0)
    put_folder(repo, "main", tmp_path / "t", "t")
    before = committed(repo)
    put(repo, note=b"x")
    put_at(repo, "t/stray.parquet", {"a": [1]})
    assert committed(repo) == before
    put_at(repo, "t/stray.parquet", None)
    assert committed(repo) == before


def test_work_is_for_the_tables_that_changed(
    repo: EmbeddedRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(12):
        write(tmp_path / f"d{number}", 0)
        put_folder(repo, "main", tmp_path / f"d{number}", f"delta/d{number}")
        put_at(repo, f"flat/p{number}/a.parquet", {"a": [number]})
    assert len(committed(repo)) == 24
    loads, footers = Calls(monkeypatch, delta_tables, "load"), Calls(monkeypatch, parquet, "read_footer")
    write(tmp_path / "d3", 3)
    put_folder(repo, "main", tmp_path / "d3", "delta/d3")
    put_at(repo, "flat/p7/b.parquet", {"a": [1, 2]})
    found = committed(repo)
    assert (loads.count, footers.count) == (1, 1)
    assert found["flat/p7"].rows == 3
    assert found["delta/d3"].version == 1


def test_a_gap_in_a_published_log_refuses_the_commit(repo: EmbeddedRepository, tmp_path: Path) -> None:
    for start in (0, 3, 6):
        write(tmp_path / "t", start)
    put_folder(repo, "main", tmp_path / "t", "t")
    committed(repo)
    repo.delete("main", "t/_delta_log/00000000000000000001.json")
    with pytest.raises(Refused) as refused:
        repo.commit("main", CommitRequest("gap"))
    assert refused.value.kind is ErrorKind.DELTA_LOG_INVALID
    assert "of the versions up to 2 it lacks 1" in refused.value.message
    repo.reset("main")
    DeltaTable(tmp_path / "t").create_checkpoint()
    put_folder(repo, "main", tmp_path / "t", "t")
    for version in (0, 1):  # what a checkpoint stands for may go
        repo.delete("main", f"t/_delta_log/{version:020}.json")
    assert committed(repo)["t"].version == 2


def test_a_missing_live_file_refuses_the_commit(repo: EmbeddedRepository, tmp_path: Path) -> None:
    write(tmp_path / "t", 0)
    paths = put_folder(repo, "main", tmp_path / "t", "t")
    data = next(path for path in paths if path.endswith(".parquet"))
    repo.delete("main", data)
    head = repo.commit_of("main").id
    with pytest.raises(Refused) as caught:
        repo.commit("main", CommitRequest("x"))
    assert caught.value.kind is ErrorKind.DELTA_LOG_INVALID
    assert data in caught.value.message
    assert caught.value.details["table"] == "t"
    assert repo.commit_of("main").id == head


def test_a_live_file_can_not_be_deleted_or_replaced_and_a_dead_one_can(
    repo: EmbeddedRepository, tmp_path: Path
) -> None:
    folder = tmp_path / "t"
    write(folder, 0)
    dead = put_folder(repo, "main", folder, "t")[0]
    write(folder, 9, mode="overwrite")
    live = next(path for path in put_folder(repo, "main", folder, "t") if path.endswith(".parquet"))
    before = committed(repo)
    repo.delete("main", live)
    with pytest.raises(Refused, match="needs the file"):
        repo.commit("main", CommitRequest("x"))
    put_at(repo, live, {"id": list(range(1000))})
    with pytest.raises(Refused, match="replaced by one of another size"):
        repo.commit("main", CommitRequest("x"))
    repo.reset("main")
    repo.delete("main", dead)
    assert committed(repo) == before


def test_a_live_deletion_vector_can_not_be_deleted(repo: EmbeddedRepository, tmp_path: Path) -> None:
    vector = add_vector(tmp_path / "t")
    put_folder(repo, "main", tmp_path / "t", "t")
    assert committed(repo)["t"].rows == 2
    put(repo, other=b"x")
    repo.delete("main", f"t/{vector}")
    with pytest.raises(Refused) as caught:
        repo.commit("main", CommitRequest("x"))
    assert vector in caught.value.message


def add_vector(folder: Path) -> str:
    """Makes a table of three rows of which a deletion vector in a file deletes one; returns the file's name."""
    import struct
    import uuid
    import zlib
    from base64 import b85encode

    from pyroaring import BitMap64

    write(folder, 0, configuration={"delta.enableDeletionVectors": "true"})
    log = folder / "_delta_log"
    lines = [json.loads(line) for line in (log / f"{0:020d}.json").read_text().splitlines()]
    add = next(line["add"] for line in lines if "add" in line)
    data = struct.pack("<i", 1681511377) + BitMap64([1]).serialize()
    name = uuid.uuid4()
    framed = struct.pack(">i", len(data)) + data + struct.pack(">I", zlib.crc32(data))
    (folder / f"deletion_vector_{name}.bin").write_bytes(b"\x01" + framed)
    z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
    b85 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"
    vector = {
        "storageType": "u",
        "pathOrInlineDv": b85encode(name.bytes).decode().translate(str.maketrans(b85, z85)),
        "offset": 1,
        "sizeInBytes": len(data),
        "cardinality": 1,
    }
    gone = {"path": add["path"], "dataChange": True, "deletionTimestamp": 1}
    commit = [{"remove": gone}, {"add": {**add, "deletionVector": vector}}]
    (log / f"{1:020d}.json").write_text("\n".join(json.dumps(action) for action in commit))
    return f"deletion_vector_{name}.bin"


def test_nested_tables_are_their_own(repo: EmbeddedRepository, tmp_path: Path) -> None:
    write(tmp_path / "outer", 0)
    write(tmp_path / "inner", 0, 5)
    put_folder(repo, "main", tmp_path / "outer", "t")
    put_folder(repo, "main", tmp_path / "inner", "t/sub/inner")
    found = committed(repo)
    assert {path: table.rows for path, table in found.items()} == {"t": 3, "t/sub/inner": 5}
    repo.delete("main", f"t/sub/inner/{files_of(repo, found['t/sub/inner'])[0]}")
    with pytest.raises(Refused, match="'t/sub/inner'"):
        repo.commit("main", CommitRequest("x"))


def test_a_broken_log_refuses_the_commit_until_it_is_ignored(repo: EmbeddedRepository, tmp_path: Path) -> None:
    write(tmp_path / "t", 0)
    put_folder(repo, "main", tmp_path / "t", "t")
    put_at(repo, "t/_delta_log/00000000000000000005.json", b'{"commitInfo":{}}')
    with pytest.raises(Refused) as caught:
        repo.commit("main", CommitRequest("x"))
    assert caught.value.kind is ErrorKind.DELTA_LOG_INVALID
    assert "'t'" in caught.value.message
    assert "tables.yaml" in caught.value.hint
    put_at(repo, OVERRIDES, b"ignore: [t]")
    assert committed(repo) == {}


def test_a_dropped_delta_table_leaves_its_files_as_a_dataset(repo: EmbeddedRepository, tmp_path: Path) -> None:
    write(tmp_path / "t", 0, partition_by=["part"])
    paths = put_folder(repo, "main", tmp_path / "t", "t")
    assert committed(repo)["t"].format is TableFormat.DELTA
    repo.delete_many("main", [path for path in paths if "_delta_log" in path])
    left = committed(repo)["t"]
    assert (left.format, left.rows, left.partition_columns) == (TableFormat.PARQUET, 3, ("part",))
    repo.delete_many("main", [path for path in paths if "_delta_log" not in path])
    assert committed(repo) == {}


def test_a_delta_table_that_appears_takes_its_folder(repo: EmbeddedRepository, tmp_path: Path) -> None:
    put_at(repo, "t/a/x.parquet", {"a": [1]})
    put_at(repo, "t/x.parquet", {"a": [1]})
    assert set(committed(repo)) == {"t", "t/a"}
    write(tmp_path / "t", 0)
    for path in sorted((tmp_path / "t").rglob("*")):
        if path.is_file():
            put_at(repo, f"t/{path.relative_to(tmp_path / 't')}", path.read_bytes())
    found = committed(repo)
    assert {path: table.format for path, table in found.items()} == {"t": TableFormat.DELTA}


def test_a_delta_table_at_the_root_is_refused(repo: EmbeddedRepository, tmp_path: Path) -> None:
    write(tmp_path / "t", 0)
    for path in sorted((tmp_path / "t").rglob("*"), reverse=True):
        if path.is_file():
            put_at(repo, str(path.relative_to(tmp_path / "t")), path.read_bytes())
    with pytest.raises(Refused, match="root of a repository"):
        repo.commit("main", CommitRequest("x"))


# -- Parquet datasets -------------------------------------------------------------------------------------------------


def test_a_dataset_with_hive_partitions(repo: EmbeddedRepository) -> None:
    put_at(repo, "d/year=2024/city=New%20York/a.parquet", {"x": [1, 2]})
    put_at(repo, "d/year=2023/city=__HIVE_DEFAULT_PARTITION__/a.parquet", {"x": [3], "y": ["z"]})
    put_at(repo, "d/_SUCCESS", b"")
    put_at(repo, "d/.part.crc", b"x")
    table = committed(repo)["d"]
    assert (table.format, table.version, table.files, table.rows) == (TableFormat.PARQUET, None, 2, 3)
    assert table.partition_columns == ("year", "city")
    types = {field["name"]: field["type"] for field in json.loads(table.schema)["fields"]}
    assert types == {"x": "long", "y": "string", "year": "long", "city": "string"}
    values = [file.partition for file in tree.iterate(repo.ctx.manifests.nodes, FILES, table.state)]
    assert values == [{"year": "2023", "city": None}, {"year": "2024", "city": "New York"}]


def test_what_is_a_dataset_and_what_is_not(repo: EmbeddedRepository) -> None:
    one = {"x": [1]}
    for path in (
        "top.parquet",
        "year=1/root.parquet",
        "a/1.parquet",
        "a/b/1.parquet",
        "mixed/1.parquet",
        "mixed/k=1/notes.txt",
        "beside/1.parquet",
        "beside/docs/notes.txt",
        "_hidden/1.parquet",
        "h/_tmp/1.parquet",
    ):
        put_at(repo, path, one if path.endswith(".parquet") else b"text")
    assert set(committed(repo)) == {"a", "a/b", "beside"}


def test_a_folder_that_ceases_to_fit_is_no_table_until_it_fits_again(repo: EmbeddedRepository) -> None:
    put_at(repo, "d/a.parquet", {"x": [1]})
    first = committed(repo)
    put_at(repo, "d/readme.txt", b"?")
    assert [diff.reason for diff in repo.uncommitted_tables("main").items] == [no_table("d/readme.txt")]
    assert committed(repo) == {}
    assert [diff.reason for diff in repo.table_diff("main~1", "main").items] == [no_table("d/readme.txt")]
    put_at(repo, "d/readme.txt", None)
    assert committed(repo) == first
    put_at(repo, "d/broken.parquet", b"PAR1 but not really PAR1")
    made = repo.commit("main", CommitRequest("broken"))
    assert made.warnings == (f"d is {no_table('d/broken.parquet')}.",)
    assert tables_at(repo.ctx, repo, "main") == {}
    assert [diff.reason for diff in repo.table_diff("main~1", "main").items] == [no_table("d/broken.parquet")]
    repo.delete_many("main", ["d/broken.parquet", "d/a.parquet"])
    put_at(repo, "d/other/readme.txt", b"?")
    assert repo.commit("main", CommitRequest("its files go")).warnings == ()
    assert [diff.reason for diff in repo.table_diff("main~2", "main").items] == [""]


def no_table(path: str) -> str:
    return f"no table any more: {path!r} is no Parquet file"


@pytest.mark.parametrize(
    ("removed", "is_one"), [("b", False), ("c", False), ("bc", False), ("ce", False), ("be", False), ("bce", True)]
)
def test_a_folder_becomes_a_dataset_when_the_last_other_object_goes(
    repo: EmbeddedRepository, removed: str, is_one: bool
) -> None:
    for name in ("a.parquet", "d.parquet", "f.parquet"):
        put_at(repo, f"d/{name}", {"x": [1]})
    for name in "bce":
        put_at(repo, f"d/{name}.txt", b"?")
    assert committed(repo) == {}
    for name in removed:
        put_at(repo, f"d/{name}.txt", None)
    assert bool(committed(repo)) is is_one


def test_replaced_bytes_are_another_table(repo: EmbeddedRepository) -> None:
    put_at(repo, "d/a.parquet", parquet_bytes({"x": [1]}, compression="none"))
    first = committed(repo)["d"]
    put_at(repo, "d/a.parquet", parquet_bytes({"x": [2]}, compression="none"))
    second = committed(repo)["d"]
    assert (first.rows, first.bytes, first.schema) == (second.rows, second.bytes, second.schema)
    assert first.digest != second.digest


def test_clashing_types_don_t_stop_a_commit_and_are_told(repo: EmbeddedRepository) -> None:
    put_at(repo, "d/a.parquet", {"x": [1]})
    put_at(repo, "d/b.parquet", {"x": ["text"]})
    made = repo.commit("main", CommitRequest("a clash"))
    assert made.warnings == ("d holds files whose types clash, so that most readers fail: x: long, string.",)
    table = tables_at(repo.ctx, repo, "main")["d"]
    assert table.properties[parquet.SCHEMA_CLASHES] == "x: long, string"
    put_at(repo, "d/c.parquet", {"x": ["more"]})
    assert repo.commit("main", CommitRequest("told once")).warnings == ()
    repo.delete_many("main", ["d/b.parquet", "d/c.parquet"])
    assert committed(repo)["d"].properties == {}


def test_a_new_schema_reads_only_new_footers(repo: EmbeddedRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(8):
        put_at(repo, f"d/{number}.parquet", {"x": [number]})
    committed(repo)
    footers = Calls(monkeypatch, parquet, "read_footer")
    put_at(repo, "d/new.parquet", {"x": [1.5]})
    table = committed(repo)["d"]
    assert json.loads(table.schema)["fields"][0]["type"] == "double"
    assert footers.count == 2  # the new file's, and that of one file with the old schema


FILE_NAMES = ["a.parquet", "b.parquet", "k=1/a.parquet", "k=2/a.parquet", "k=x/j=1/a.parquet", "notes.txt", "_x"]
CONTENTS = st.sampled_from([{"x": [1]}, {"x": [1.5, 2.5]}, {"x": ["t"], "y": [1]}, {"y": [1]}, None])
MIXED_NAMES = ["a.parquet", "b.txt", "c.txt", "d.parquet", "e.txt", "k=1/b.txt"]
COMING_AND_GOING = st.sampled_from([{"x": [1]}, None, None])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.dictionaries(st.sampled_from(FILE_NAMES), CONTENTS, min_size=1), min_size=1, max_size=5)
    | st.lists(st.dictionaries(st.sampled_from(MIXED_NAMES), COMING_AND_GOING, min_size=1), min_size=2, max_size=7)
)
def test_a_dataset_s_version_depends_on_its_files_only(
    repo: EmbeddedRepository, steps: list[dict[str, dict[str, list[Any]] | None]]
) -> None:
    nodes = repo.ctx.manifests.nodes
    empty = Manifest(ManifestId("m"), tree.empty(nodes, OBJECTS), tree.empty(nodes, TABLES), 0, 0, 0)
    before = empty
    for step in steps:
        changes = [(f"d/{name}", entry_of(repo, f"d/{name}", content)) for name, content in sorted(step.items())]
        root = tree.apply(nodes, OBJECTS, before.objects_root, changes)
        tables = detect(repo.ctx, before, root).tables_root
        afresh = detect(repo.ctx, empty, root).tables_root
        assert [(t.digest, t.rows) for t in all_tables(repo, tables)] == [
            (t.digest, t.rows) for t in all_tables(repo, afresh)
        ]
        before = Manifest(ManifestId("m"), root, tables, 0, 0, 0)


def all_tables(repo: EmbeddedRepository, root: NodeId) -> list[TableVersion]:
    return list(tree.iterate(repo.ctx.manifests.nodes, TABLES, root))


_numbers = itertools.count()


def entry_of(repo: EmbeddedRepository, path: str, content: dict[str, list[Any]] | None) -> Entry | None:
    if content is None:
        return None
    data = parquet_bytes(content)
    address = f"data/test/{next(_numbers)}"
    repo.ctx.store.put_if_absent(address, data)
    return Entry(path, address, len(data), etag=str(hash(str(content))), mtime=1)


# -- overrides --------------------------------------------------------------------------------------------------------


def test_a_listed_dataset_takes_its_whole_folder(repo: EmbeddedRepository) -> None:
    put_at(repo, "d/one", {"x": [1]})
    put_at(repo, "d/deep/two.dat", {"x": [2, 3]})
    put_at(repo, "d/deep/k=1/three.parquet", {"x": [4]})
    assert committed(repo) == {}
    put_at(repo, OVERRIDES, b"tables: [{path: d/, format: parquet}]")
    found = committed(repo)
    assert {path: table.rows for path, table in found.items()} == {"d": 4}
    put_at(repo, "d/readme.txt", b"text")
    with pytest.raises(Refused, match=r"'d'.*no Parquet file"):
        repo.commit("main", CommitRequest("x"))
    put_at(repo, "d/readme.txt", None)
    put_at(repo, OVERRIDES, b"")
    assert committed(repo) == {}


def test_ignored_folders_and_objects(repo: EmbeddedRepository) -> None:
    for path in ("scratch/a/1.parquet", "keep/1.parquet", "sales/eu/old/1.parquet", "sales/eu/new/1.parquet"):
        put_at(repo, path, {"x": [1]})
    put_at(repo, "keep/readme.txt", b"?")
    assert set(committed(repo)) == {"scratch/a", "sales/eu/new", "sales/eu/old"}
    put_at(repo, OVERRIDES, b"ignore: ['scratch/**', 'sales/*/old', '**/*.txt']")
    assert set(committed(repo)) == {"keep", "sales/eu/new"}
    put_at(repo, "scratch/a/2.parquet", {"x": [1]})
    assert set(committed(repo)) == {"keep", "sales/eu/new"}
    put_at(repo, OVERRIDES, None)
    assert set(committed(repo)) == {"scratch/a", "sales/eu/new", "sales/eu/old"}


def test_what_is_listed_must_be_what_it_says(repo: EmbeddedRepository, tmp_path: Path) -> None:
    put_at(repo, "d/1.parquet", {"x": [1]})
    put_at(repo, OVERRIDES, b"tables: [{path: d, format: delta}, {path: later, format: delta}]")
    with pytest.raises(Refused, match="holds no Delta log") as caught:
        repo.commit("main", CommitRequest("x"))
    assert caught.value.kind is ErrorKind.INVALID_TABLE
    write(tmp_path / "t", 0)
    put_folder(repo, "main", tmp_path / "t", "t")
    put_at(repo, OVERRIDES, b"tables: [{path: t, format: parquet}]")
    with pytest.raises(Refused, match="holds a Delta log"):
        repo.commit("main", CommitRequest("x"))


@pytest.mark.parametrize(
    "text",
    [
        b"[1]",
        b"a: [",
        b"\xff",
        b"other: 1",
        b"tables: 1",
        b"tables: [x]",
        b"tables: [{path: t}]",
        b"tables: [{path: t, format: csv}]",
        b"tables: [{path: ../t, format: delta}]",
        b"ignore: x",
        b"ignore: [1]",
    ],
)
def test_broken_overrides_refuse_the_commit(repo: EmbeddedRepository, text: bytes) -> None:
    put_at(repo, OVERRIDES, text)
    with pytest.raises(InvalidInput) as caught:
        repo.commit("main", CommitRequest("x"))
    assert caught.value.kind is ErrorKind.INVALID_CONFIG
    assert OVERRIDES in caught.value.message


def test_a_table_that_was_replaced_as_a_whole(repo: EmbeddedRepository, tmp_path: Path) -> None:
    write(tmp_path / "t", 0)
    put_folder(repo, "main", tmp_path / "t", "t")
    first = committed(repo)["t"]
    shutil.rmtree(tmp_path / "t")
    write(tmp_path / "t", 100, 7)
    repo.delete_many("main", [f"t/{path}" for path in (*files_of(repo, first), f"_delta_log/{0:020d}.json")])
    put_folder(repo, "main", tmp_path / "t", "t")
    second = committed(repo)["t"]
    assert (second.version, second.rows) == (0, 7)
    assert second.table_id != first.table_id


def test_a_new_table_in_the_place_of_one_with_more_versions(repo: EmbeddedRepository, tmp_path: Path) -> None:
    for start in (0, 10, 20):
        write(tmp_path / "t", start)
    put_folder(repo, "main", tmp_path / "t", "t")
    first = committed(repo)["t"]
    repo.delete_many("main", [item.path for item in repo.list("main", ListRequest("t/")).items])
    for start in (100, 110):
        write(tmp_path / "new", start, 7)
    put_folder(repo, "main", tmp_path / "new", "t")
    second = committed(repo)["t"]
    assert (first.version, second.version, second.rows) == (2, 1, 14)
    assert second.table_id != first.table_id

"""The specification of the storage format, followed to the letter: with DuckDB alone, and by its test vectors."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from lakegate import tree
from lakegate.format.documents import decode_commit, decode_manifest
from lakegate.format.kinds import CHILDREN, FILES, KINDS, OBJECTS, TABLES, Child, Kind
from lakegate.format.node import Node
from lakegate.format.rows import Rows
from lakegate.ids import CommitId, ManifestId, NodeId
from lakegate.manifests import Manifests
from lakegate.model import Commit, Entry, TableFormat, TableVersion
from lakegate.objectstore.local import LocalStore
from lakegate.testing.strategies import plain_entry, tiny
from lakegate.tree.cut import Boundary

SPEC = Path(__file__).parents[2] / "docs/spec/storage-format.md"


def entry(number: int) -> Entry:
    folder = "aé日\U0001f600"[number % 4]
    return Entry(f"{folder}/{number:05}", f"data/{number}", number, f"{number:032x}", 5, digest=f"sha256:{number:064x}")


TABLE = TableVersion(
    "a", TableFormat.DELTA, 3, "{}", ("month",), NodeId("0" * 64), 2, 7, 90, f"sha256:{0:064}", 5, txns={"x": 1}
)


def write(store: LocalStore, kind: Kind[Entry], count: int) -> Commit:
    manifests = Manifests(store)
    objects = tree.build(manifests.nodes, kind, sorted(map(entry, range(count)), key=lambda e: e.path))
    manifest = manifests.write_manifest(objects, tree.build(manifests.nodes, TABLES, [TABLE]))
    return manifests.write_commit(
        parents=(), manifest=manifest.id, message="", committer="", created=0, metadata={}, generation=1
    )


def sql_of_the_spec() -> list[str]:
    block = re.search(r"```sql\n(.*?)```", SPEC.read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    return [statement.strip() for statement in re.sub(r"--.*", "", block[1]).split(";") if statement.strip()]


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], LocalStore]:
    monkeypatch.chdir(tmp_path)
    return lambda: LocalStore(tmp_path, fsync=False)


@pytest.mark.parametrize(("kind", "count"), [(OBJECTS, 0), (OBJECTS, 30), (OBJECTS, 20_000), (tiny(OBJECTS), 300)])
def test_a_commit_is_read_with_duckdb_alone(in_folder: Callable[[], LocalStore], kind: Kind[Entry], count: int) -> None:
    commit = write(in_folder(), kind, count)
    manifest, root, nodes, level, descend, listing = sql_of_the_spec()
    con = duckdb.connect()
    con.execute(manifest, {"commit": commit.id})
    con.execute(root)
    con.execute(nodes)
    levels = []
    while (at := con.execute(level).fetchall()) != [("0",)]:
        levels.append(at)
        con.execute(descend)
    listed = con.execute(listing).fetchall()
    assert listed == [(e.path, e.size, e.digest) for e in sorted(map(entry, range(count)), key=lambda e: e.path)]
    assert len(levels) >= {0: 0, 30: 0, 20_000: 1, 300: 3}[count]


def test_tables_are_read_with_duckdb_alone(in_folder: Callable[[], LocalStore]) -> None:
    commit = write(in_folder(), OBJECTS, 3)
    con = duckdb.connect()
    document = json.loads(Path(f"_lakegate/commits/{commit.id}.json").read_text(encoding="utf-8"))
    root = json.loads(Path(f"_lakegate/manifests/{document['manifest']}.json").read_text(encoding="utf-8"))
    rows = con.execute(
        "SELECT path, format, version, partition_columns::JSON ->> 0, txns::JSON ->> 'x', properties "
        "FROM read_parquet(?)",
        [f"_lakegate/nodes/{root['tables_root']}.parquet"],
    ).fetchall()
    assert rows == [("a", "delta", 3, "month", "1", None)]


def test_the_columns_of_the_specification_are_those_of_the_code() -> None:
    spec = SPEC.read_text(encoding="utf-8").split("### 4.1 Columns")[1].split("### 4.2")[0]
    tables = re.findall(r"\| column \| type \|.*?(?=\n\n)", spec, re.DOTALL)
    specified = [re.findall(r"^\| `(\w+)` \| (string|int64)(, nullable)? \|", table, re.MULTILINE) for table in tables]
    layouts = [CHILDREN, OBJECTS.layout, TABLES.layout, FILES.layout]
    assert specified == [
        [(c.name, c.type.value, ", nullable" if c.nullable else "") for c in layout.columns] for layout in layouts
    ]


def test_the_test_vectors_hold() -> None:
    spec = SPEC.read_text(encoding="utf-8").split("## 9. Test vectors")[1]
    row, manifest, commit = (block.encode() for block in re.findall(r"```json\n(.*?)\n```", spec))
    ids = re.findall(r"`([0-9a-f]{64})`", spec)
    one = Node("objects", 0, Rows.of(OBJECTS.layout, [tuple(json.loads(row).values())]))
    assert OBJECTS.from_row(one.rows.row(0)) == plain_entry("a/é", 1)
    above = Node("objects", 1, Rows.of(CHILDREN, [Child(one.id, 0, "a/é", "a/é", 1, 1)]))
    assert ids[3:5] == [one.id, above.id]
    assert ids[0] == hashlib.sha256(b"lakegate-node/1 objects 0 0\n").hexdigest()
    assert decode_manifest(ManifestId(ids[5]), manifest).objects_root == ids[0]
    assert decode_commit(CommitId(ids[6]), commit).manifest == ids[5]


def test_the_boundaries_of_the_specification_hold() -> None:
    spec = SPEC.read_text(encoding="utf-8").split("## 9. Test vectors")[1]
    rows = re.findall(r"^\| (\d) \| `(.*?)` \| `([0-9a-f]{16})` \| (yes|no) \|$", spec, re.MULTILINE)
    assert len(rows) == 4
    for level, path, digest, boundary in rows:
        assert hashlib.sha256(bytes([int(level)]) + path.encode()).hexdigest().startswith(digest)
        assert Boundary(OBJECTS.shape, int(level)).at(path) == (boundary == "yes")
        assert (int(digest, 16) < 2**64 // OBJECTS.shape.mean(int(level))) == (boundary == "yes")


@pytest.mark.parametrize("shape", ["objects", "tables", "files"])
def test_the_shapes_of_the_specification_are_those_of_the_code(shape: str) -> None:
    row = rf"^\| `{shape}` \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \|$"
    found = re.search(row, SPEC.read_text(encoding="utf-8"), re.MULTILINE)
    assert found is not None
    mean, cap, inner_mean, inner_cap = (int(number.replace(",", "")) for number in found.groups())
    code = KINDS[shape].shape
    assert (code.leaf_mean, code.leaf_cap, code.inner_mean, code.inner_cap) == (mean, cap, inner_mean, inner_cap)

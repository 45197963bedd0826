"""The committed repository of storage format version 1 is read, and written again to the same ids."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import duckdb
import pytest

from lakegate import tree
from lakegate.format.documents import decode_ref_record
from lakegate.format.kinds import FILES, OBJECTS, TABLES
from lakegate.format.node import decode_node
from lakegate.graph import merge_base, walk
from lakegate.ids import CommitId, ManifestId, NodeId
from lakegate.manifests import Manifests
from lakegate.objectstore.local import LocalStore

HERE = Path(__file__).parent
NAMESPACE = HERE / "v1/namespace"
EXPECTED: dict[str, Any] = json.loads((HERE / "v1/expected.json").read_text(encoding="utf-8"))


@pytest.fixture
def manifests() -> Manifests:
    return Manifests(LocalStore(NAMESPACE))


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_v1", HERE / "make_v1.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def plain(value: Any) -> Any:
    """As JSON tells it."""
    return json.loads(json.dumps(value))


@pytest.mark.parametrize("name", EXPECTED)
def test_all_that_a_commit_holds_is_read(name: str, manifests: Manifests, maker: ModuleType) -> None:
    commit = manifests.read_commit(CommitId(EXPECTED[name]["commit"]["id"]), verify=True)
    assert plain(maker.contents(manifests, commit)) == EXPECTED[name]


def test_known_entries(manifests: Manifests) -> None:
    root = NodeId(EXPECTED["Merge"]["manifest"]["objects_root"])
    entry = tree.get(manifests.nodes, OBJECTS, root, "a/b")
    assert entry is not None
    assert entry.metadata == {"who": "ann", "é": "日本"}
    assert entry.etag == "d41d8cd98f00b204e9800998ecf8427e"
    assert tree.get(manifests.nodes, OBJECTS, root, "a") is None
    assert tree.totals(manifests.nodes, root) == tree.Totals(9006, 9_000_021)
    tables = NodeId(EXPECTED["Merge"]["manifest"]["tables_root"])
    orders = tree.get(manifests.nodes, TABLES, tables, "tables/orders")
    assert orders is not None
    assert (orders.version, orders.partition_columns, orders.txns) == (1, ("month",), {"app": 4})
    live = list(tree.iterate(manifests.nodes, FILES, orders.state))
    assert [dict(file.partition) for file in live] == [{"month": "01"}, {"month": None}, {"month": "03"}]


def test_history_and_refs(manifests: Manifests) -> None:
    ids = {name: CommitId(what["commit"]["id"]) for name, what in EXPECTED.items()}
    read = manifests.read_commit
    assert [commit.message.split("\n")[0] for commit in walk(read, [ids["Merge"]])] == [
        "Merge",
        *sorted(["A large import", "On a branch"], key=lambda name: ids[name]),
        "Objects and a table",
        "Repository created",
    ]
    assert merge_base(read, ids["A large import"], ids["On a branch"]) == ids["Objects and a table"]
    newest = {}
    for path in sorted((NAMESPACE / "_lakegate/refs").rglob("*.json")):
        record = decode_ref_record(str(path), path.read_bytes())
        assert path.name == f"{record.sequence:020d}.json"
        newest[record.kind, record.name] = record.commit
    assert newest == {
        ("branch", "main"): ids["Merge"],
        ("branch", "side"): None,
        ("tag", "v1.0"): ids["A large import"],
    }


def test_every_file_is_what_its_name_says(manifests: Manifests) -> None:
    for path in (NAMESPACE / "_lakegate/nodes").iterdir():
        decode_node(NodeId(path.stem), path.read_bytes())
    for path in (NAMESPACE / "_lakegate/commits").iterdir():
        manifests.read_commit(CommitId(path.stem), verify=True)
    for path in (NAMESPACE / "_lakegate/manifests").iterdir():
        manifests.read_manifest(ManifestId(path.stem), verify=True)
    info = manifests.read_format()
    assert info is not None
    assert dataclasses.asdict(info) == {
        "id": "0123456789abcdef" * 2,
        "name": "old-one",
        "storage_namespace": NAMESPACE.as_uri(),
        "default_branch": "main",
        "created": 1_750_000_000_000,
    }


def test_the_listing_is_read_with_duckdb_and_the_specification_alone(
    manifests: Manifests, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = (HERE.parents[1] / "docs/spec/storage-format.md").read_text(encoding="utf-8")
    block = re.search(r"```sql\n(.*?)```", spec, re.DOTALL)
    assert block is not None
    statements = [text.strip() for text in re.sub(r"--.*", "", block[1]).split(";") if text.strip()]
    manifest, root, nodes, level, descend, listing = statements
    monkeypatch.chdir(NAMESPACE)
    con = duckdb.connect()
    con.execute(manifest, {"commit": EXPECTED["Merge"]["commit"]["id"]})
    con.execute(root)
    con.execute(nodes)
    while con.execute(level).fetchall() != [("0",)]:
        con.execute(descend)
    listed = con.execute(listing).fetchall()
    assert len(listed) == EXPECTED["Merge"]["manifest"]["objects"]
    entries = tree.iterate(manifests.nodes, OBJECTS, NodeId(EXPECTED["Merge"]["manifest"]["objects_root"]))
    assert listed == [(entry.path, entry.size, entry.digest) for entry in entries]


def test_the_same_content_is_written_to_the_same_names(tmp_path: Path, maker: ModuleType) -> None:
    maker.make(tmp_path)

    def names(folder: Path) -> set[str]:
        return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}

    assert names(tmp_path) == names(NAMESPACE)
    for name in names(NAMESPACE):
        if not name.endswith(".parquet"):
            assert (tmp_path / name).read_bytes() == (NAMESPACE / name).read_bytes()

"""Write-once I/O of documents and nodes: durability, caches, and stored data that is missing or wrong."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from lakegate import tree
from lakegate.errors import AlreadyExists, Corrupt, ErrorKind, NotFound, Refused, Unavailable
from lakegate.format.documents import commit_key, manifest_key, node_key
from lakegate.format.kinds import OBJECTS, TABLES
from lakegate.format.node import Node, decode_node, encode_node
from lakegate.ids import BranchName, CommitId, ManifestId, NodeId, RepositoryId, RepositoryName
from lakegate.manifests import Manifests, node_cache
from lakegate.manifests.cache import Cache
from lakegate.manifests.disk import DiskCache
from lakegate.model import Commit, RepositoryInfo
from lakegate.objectstore.local import LocalStore
from lakegate.testing.faulty_store import Fault, FaultKind, FaultyStore
from lakegate.testing.strategies import plain_entry, tiny

KIND = tiny(OBJECTS)
INFO = RepositoryInfo(RepositoryId("ab" * 16), RepositoryName("sales"), "", BranchName("main"), 5)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "namespace"


@pytest.fixture
def store(folder: Path) -> FaultyStore:
    return FaultyStore(LocalStore(folder, fsync=False))


def build(manifests: Manifests, count: int = 60) -> NodeId:
    return tree.build(manifests.nodes, KIND, [plain_entry(f"{number:03}") for number in range(count)])


def write_commit(manifests: Manifests, message: str = "first") -> Commit:
    manifest = manifests.write_manifest(build(manifests), tree.empty(manifests.nodes, TABLES))
    return manifests.write_commit(
        parents=(), manifest=manifest.id, message=message, committer="ann", created=7, metadata={"a": "b"}, generation=1
    )


def gets(store: FaultyStore) -> list[str]:
    return [call.key for call in store.calls if call.operation == "get"]


def test_commit_and_manifest_come_back_in_another_process(store: FaultyStore) -> None:
    commit = write_commit(Manifests(store))
    fresh = Manifests(store)
    assert fresh.read_commit(commit.id) == commit
    manifest = fresh.read_manifest(commit.manifest)
    assert (manifest.objects, manifest.tables) == (60, 0)
    assert [e.path for e in tree.iterate(fresh.nodes, KIND, manifest.objects_root, "05")] == [
        f"05{n}" for n in range(10)
    ]


def test_writing_again_changes_nothing(store: FaultyStore) -> None:
    first = write_commit(Manifests(store))
    files = {found.key: found for found in store.list()}
    assert write_commit(Manifests(store)) == first
    assert {found.key: found for found in store.list()} == files


def test_what_was_read_or_written_once_is_served_from_memory(store: FaultyStore) -> None:
    manifests = Manifests(store)
    commit = write_commit(manifests)
    store.clear()
    root = manifests.read_manifest(manifests.read_commit(commit.id).manifest).objects_root
    assert len(list(tree.iterate(manifests.nodes, KIND, root))) == 60
    assert store.calls == []
    fresh = Manifests(store)
    for _ in range(3):
        assert tree.get(fresh.nodes, KIND, root, "031") == plain_entry("031")
    assert len(gets(store)) == len(set(gets(store)))


def test_everything_is_stored_when_a_tree_function_returns(store: FaultyStore) -> None:
    manifests = Manifests(store)
    root = build(manifests, 140)
    root = tree.apply(manifests.nodes, KIND, root, [(f"{n:03}x", plain_entry(f"{n:03}x")) for n in range(0, 140, 7)])
    fresh = Manifests(LocalStore(Path(store.url.removeprefix("file://"))))
    assert len(list(tree.iterate(fresh.nodes, KIND, root))) == 140 + 20


def test_a_write_that_fails_fails_the_tree_function(store: FaultyStore) -> None:
    manifests = Manifests(store)
    root = build(manifests, 140)
    changes = [(f"{n:03}", plain_entry(f"{n:03}", 5)) for n in range(0, 140, 3)]
    failed = 0
    for at in (1, 2, 7, 20, 30, 45, 1000):
        store.clear(Fault(at, FaultKind.BEFORE, frozenset({"put_if_absent"})))
        try:
            changed = tree.apply(Manifests(store).nodes, KIND, root, changes)
        except Unavailable:
            failed += 1
        assert store.fired == (at < 1000)
    assert failed == 6
    assert len(list(tree.iterate(Manifests(store).nodes, KIND, changed))) == 140


def test_what_is_missing(store: FaultyStore) -> None:
    manifests = Manifests(store)
    with pytest.raises(NotFound) as caught:
        manifests.read_commit(CommitId("0" * 64))
    assert caught.value.kind is ErrorKind.COMMIT_NOT_FOUND
    with pytest.raises(Corrupt, match="missing"):
        manifests.read_manifest(ManifestId("0" * 64))
    with pytest.raises(Corrupt, match="missing"):
        manifests.nodes.read(NodeId("0" * 64))
    manifests.nodes.prefetch([NodeId("0" * 64)])
    with pytest.raises(Corrupt, match="missing"):
        manifests.nodes.read(NodeId("0" * 64))
    assert manifests.read_format() is None


def test_a_flipped_bit_is_found(store: FaultyStore, folder: Path) -> None:
    commit = write_commit(Manifests(store))
    root = Manifests(store).read_manifest(commit.manifest).objects_root
    warm = Manifests(store)
    warm.read_commit(commit.id)
    warm.read_manifest(commit.manifest)
    warm.nodes.read(root)
    for key in (commit_key(commit.id), manifest_key(commit.manifest), node_key(root)):
        path = folder / key
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.chmod(0o600)
        path.write_bytes(data)
    fresh = Manifests(store)
    with pytest.raises(Corrupt):
        fresh.read_commit(commit.id)
    with pytest.raises(Corrupt):
        fresh.read_manifest(commit.manifest)
    with pytest.raises(Corrupt):
        fresh.nodes.read(root)
    # What memory holds is still good; verification looks at the store all the same.
    assert warm.read_commit(commit.id) == commit
    with pytest.raises(Corrupt):
        warm.read_commit(commit.id, verify=True)
    with pytest.raises(Corrupt):
        warm.read_manifest(commit.manifest, verify=True)
    with pytest.raises(Corrupt):
        warm.nodes.read(root, verify=True)


def test_what_was_read_to_be_shown_is_in_no_cache_of_others(store: FaultyStore, folder: Path) -> None:
    root = build(Manifests(store))
    path = folder / node_key(root)
    good = path.read_bytes()
    node = decode_node(root, good)
    forged = Node(node.kind, node.level, node.rows.slice(0, 1), root)  # names itself, with right checksums
    path.chmod(0o600)
    path.write_bytes(encode_node(forged))
    manifests = Manifests(store)
    shown = manifests.shown_nodes()
    shown.prefetch([root])
    assert len(shown.read(root, scan=True).rows) == 1
    with pytest.raises(Corrupt, match="hash to"):
        manifests.nodes.read(root, scan=True)
    path.write_bytes(good)
    assert len(manifests.nodes.read(root).rows) == len(node.rows)
    assert len(manifests.shown_nodes().read(root).rows) == len(node.rows)


def test_a_tree_of_another_kind_is_not_read_as_this_one(store: FaultyStore) -> None:
    manifests = Manifests(store)
    root = build(manifests)
    with pytest.raises(Corrupt, match="kind"):
        tree.get(manifests.nodes, TABLES, root, "001")


def test_format_json_claims_a_namespace_once(store: FaultyStore, folder: Path) -> None:
    manifests = Manifests(store)
    manifests.write_format(INFO)
    manifests.write_format(INFO)
    assert manifests.read_format() == replace(INFO, storage_namespace=store.url)
    with pytest.raises(AlreadyExists) as caught:
        manifests.write_format(replace(INFO, id=RepositoryId("cd" * 16), name=RepositoryName("other")))
    assert caught.value.kind is ErrorKind.NAMESPACE_IN_USE
    path = folder / "_lakegate/format.json"
    path.chmod(0o600)
    path.write_bytes(path.read_bytes().replace(b'"format_version":1', b'"format_version":2'))
    for work in (manifests.read_format, lambda: manifests.write_format(replace(INFO, id=RepositoryId("cd" * 16)))):
        with pytest.raises(Refused) as refused:
            work()
        assert refused.value.kind is ErrorKind.FORMAT_TOO_NEW


def test_threads_share_one_store(store: FaultyStore) -> None:
    root = build(Manifests(store), 150)
    manifests = Manifests(store, memory=node_cache(1 << 15))
    failures: list[BaseException] = []

    def work(start: int) -> None:
        try:
            for number in range(start, 150, 4):
                assert tree.get(manifests.nodes, KIND, root, f"{number:03}") == plain_entry(f"{number:03}")
            assert len(list(tree.iterate(manifests.nodes, KIND, root))) == 150
            edits = [(f"{n:03}", plain_entry(f"{n:03}", start)) for n in range(0, 150, 9)]
            changed = tree.apply(manifests.nodes, KIND, root, edits)
            different = [n for n in range(0, 150, 9) if start]
            assert len(list(tree.diff(manifests.nodes, KIND, root, changed))) == len(different)
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=work, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_disk_cache_spares_the_store(store: FaultyStore, tmp_path: Path) -> None:
    root = build(Manifests(store), 100)
    cache = tmp_path / "cache"
    list(tree.iterate(Manifests(store, disk=DiskCache(cache, 1 << 20)).nodes, KIND, root))
    store.clear()
    assert len(list(tree.iterate(Manifests(store, disk=DiskCache(cache, 1 << 20)).nodes, KIND, root))) == 100
    assert gets(store) == []


def test_a_damaged_disk_cache_does_no_harm(store: FaultyStore, tmp_path: Path) -> None:
    root = build(Manifests(store), 100)
    cache = tmp_path / "cache"
    list(tree.iterate(Manifests(store, disk=DiskCache(cache, 1 << 20)).nodes, KIND, root))
    for path in cache.glob("*/*"):
        path.write_bytes(b"PAR1 no more")
    assert len(list(tree.iterate(Manifests(store, disk=DiskCache(cache, 1 << 20)).nodes, KIND, root))) == 100
    cache_is_a_file = tmp_path / "file"
    cache_is_a_file.write_text("")
    assert len(list(tree.iterate(Manifests(store, disk=DiskCache(cache_is_a_file, 1 << 20)).nodes, KIND, root))) == 100


def test_a_disk_cache_is_bounded(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, capacity=10_000)
    names = [NodeId(f"{number:064x}") for number in range(100)]
    for name in names:
        cache.put(name, bytes(1000))
    cache.shrink()
    left = list(tmp_path.glob("*/*"))
    assert 5 <= len(left) <= 10
    assert sum(cache.get(name) is not None for name in names) == len(left)


def test_memory_is_bounded_and_scans_displace_only_scans() -> None:
    cache: Cache[int, bytes] = Cache(1000, len)
    for key in range(5):
        cache.put(key, bytes(100))
    for key in range(100, 200):
        cache.put(key, bytes(100), scan=True)
        assert cache.weight <= 1000
    assert all(cache.get(key) is not None for key in range(5))
    assert cache.get(199, scan=True) is not None
    assert cache.get(150, scan=True) is None
    for key in range(300, 340):
        cache.put(key, bytes(100))
        assert cache.weight <= 1000
    assert cache.get(0) is None
    assert cache.get(339) is not None
    cache.put(999, bytes(5000))
    assert cache.get(999) is None


def test_a_scanned_value_that_is_looked_up_stays() -> None:
    cache: Cache[int, bytes] = Cache(1000, len)
    cache.put(1, bytes(100), scan=True)
    assert cache.get(1) is not None
    for key in range(100, 200):
        cache.put(key, bytes(100), scan=True)
    assert cache.get(1) is not None

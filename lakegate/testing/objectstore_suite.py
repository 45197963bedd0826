"""What every ObjectStore must do. A test class inherits the suite and gives it a fixture `store`, fresh and empty."""

from __future__ import annotations

import random
import threading
import tracemalloc

import pytest

from lakegate.errors import Corrupt, ErrorKind, InvalidInput, NotFound
from lakegate.objectstore.protocol import ObjectStore

ODD_KEYS = (
    "plain",
    "with space/ü#?%20*~ é",
    "a%2Fb",
    "back\\slash",
    'a:b|c<>{}^`"[]',
    "emoji😀/中文",
    "=&;@,!$'()+",
    "dot.dot..dot",
    ".hidden/..more",
    "_delta_log/00000000000000000000.json",
    "part=2013-01/x.parquet",
    "x" * 200,
)
FORBIDDEN_KEYS = ("", "/a", "a/", "a//b", "..", "../a", "a/../b", "a/..", ".", "./a", "a/./b", "a\x00b", "a\nb")


class ObjectStoreSuite:
    """The contract of `lakegate.objectstore.protocol.ObjectStore`."""

    # -- one object ---------------------------------------------------------------------------------------------------

    def test_put_then_get(self, store: ObjectStore) -> None:
        assert store.put_if_absent("a/b/c", b"hello") is True
        assert store.get("a/b/c") == b"hello"
        found = store.head("a/b/c")
        assert (found.key, found.size) == ("a/b/c", 5)
        assert found.mtime > 1_500_000_000_000

    def test_put_never_overwrites(self, store: ObjectStore) -> None:
        assert store.put_if_absent("k", b"first")
        assert store.put_if_absent("k", b"second") is False
        assert store.put_if_absent("k", b"first") is False
        assert store.get("k") == b"first"

    def test_empty_object(self, store: ObjectStore) -> None:
        assert store.put_if_absent("folder/empty", b"")
        assert store.get("folder/empty") == b""
        assert store.get_range("folder/empty", 0, 0) == b""
        assert store.head("folder/empty").size == 0
        assert [found.key for found in store.list()] == ["folder/empty"]

    def test_what_is_not_there(self, store: ObjectStore) -> None:
        store.put_if_absent("a/b", b"x")
        for key in ("zz", "a", "a/c", "a/b/c", "x" * 300):
            for read in (store.get, store.head, lambda k: store.get_range(k, 0, 1), lambda k: store.get_range(k, 0, 0)):
                with pytest.raises(NotFound) as caught:
                    read(key)
                assert caught.value.kind is ErrorKind.OBJECT_NOT_FOUND

    def test_ranges_are_exact(self, store: ObjectStore) -> None:
        store.put_if_absent("k", bytes(range(100)))
        assert store.get_range("k", 0, 100) == bytes(range(100))
        assert store.get_range("k", 90, 10) == bytes(range(90, 100))
        assert store.get_range("k", 5, 1) == b"\x05"
        assert store.get_range("k", 7, 0) == b""
        for start, length in ((90, 11), (100, 1), (0, 101), (5000, 10)):
            with pytest.raises(Corrupt):
                store.get_range("k", start, length)

    def test_a_range_comes_with_what_is_known_of_its_object(self, store: ObjectStore) -> None:
        store.put_if_absent("k", bytes(range(100)))
        for start, length in ((0, 100), (90, 10), (7, 0)):
            assert store.get_range_seen("k", start, length) == (bytes(range(start, start + length)), store.head("k"))
        with pytest.raises(Corrupt):
            store.get_range_seen("k", 90, 11)

    def test_etag_is_stable_and_tells_versions_apart(self, store: ObjectStore) -> None:
        store.put_if_absent("k", b"1")
        first = store.head("k").etag
        assert store.head("k").etag == first
        assert '"' not in first
        assert next(iter(store.list("k"))).etag == first
        store.delete(["k"])
        store.put_if_absent("k", b"22")
        assert store.head("k").etag != first

    @pytest.mark.parametrize("key", ODD_KEYS)
    def test_odd_keys(self, store: ObjectStore, key: str) -> None:
        assert store.put_if_absent(key, key.encode())
        assert store.get(key) == key.encode()
        assert store.get_range(key, 0, 1) == key.encode()[:1]
        assert store.head(key).key == key
        assert [found.key for found in store.list()] == [key]
        assert [found.key for found in store.list(key[:-1])] == [key]
        store.delete([key])
        assert list(store.list()) == []

    @pytest.mark.parametrize("key", FORBIDDEN_KEYS)
    def test_forbidden_keys(self, store: ObjectStore, key: str) -> None:
        for act in (
            lambda: store.put_if_absent(key, b"x"),
            lambda: store.writer(key),
            lambda: store.get(key),
            lambda: store.get_range(key, 0, 1),
            lambda: store.head(key),
            lambda: store.delete([key]),
            lambda: store.local_path(key),
        ):
            with pytest.raises(InvalidInput) as caught:
                act()
            assert caught.value.kind is ErrorKind.INVALID_PATH
        assert list(store.list()) == []

    def test_delete(self, store: ObjectStore) -> None:
        for key in ("a/1", "a/2", "b"):
            store.put_if_absent(key, b"x")
        store.delete(["a/1", "missing", "b", "a/1", "b/below/a/file", "a"])
        assert [found.key for found in store.list()] == ["a/2"]
        assert store.put_if_absent("a/1", b"again")

    def test_delete_many(self, store: ObjectStore) -> None:
        keys = [f"d/{i:04}" for i in range(60)]
        for key in keys:
            store.put_if_absent(key, b"")
        store.delete(iter([*keys[1:], *(f"none/{i}" for i in range(1000))]))
        assert [found.key for found in store.list()] == keys[:1]

    # -- writers ------------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("size", [0, 1, 100_000, 9_000_000, 20_000_001])
    def test_writer(self, store: ObjectStore, size: int) -> None:
        data = random.Random(size).randbytes(size)
        writer = store.writer("w/x")
        for start in range(0, size, 1_000_003):
            writer.write(memoryview(data)[start : start + 1_000_003])
        writer.finish()
        writer.abort()
        assert store.get("w/x") == data
        assert store.head("w/x").size == size

    @pytest.mark.parametrize("size", [0, 100_000, 30_000_000])
    def test_writer_shows_nothing_before_it_ends(self, store: ObjectStore, size: int) -> None:
        writer = store.writer("w/x")
        for _ in range(0, size, 1_000_000):
            writer.write(bytes(1_000_000))
        assert list(store.list()) == []
        with pytest.raises(NotFound):
            store.head("w/x")
        writer.abort()
        writer.abort()
        assert list(store.list()) == []
        with pytest.raises(NotFound):
            store.get("w/x")

    def test_writer_takes_any_buffer(self, store: ObjectStore) -> None:
        writer = store.writer("w")
        reused = bytearray(b"abc")
        writer.write(reused)
        reused[:] = b"xyz"
        writer.write(memoryview(reused)[1:])
        writer.write(b"!")
        writer.finish()
        assert store.get("w") == b"abcyz!"

    def test_writer_memory_is_constant(self, store: ObjectStore) -> None:
        if store.url.startswith("memory:"):
            return
        piece = bytes(1 << 20)
        tracemalloc.start()
        try:
            writer = store.writer("big")
            for _ in range(96):
                writer.write(piece)
            writer.finish()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 80 << 20
        assert store.head("big").size == 96 << 20

    def test_compose(self, store: ObjectStore) -> None:
        parts = {"p/1": b"a" * 10, "p/2": b"", "p/3": random.Random(3).randbytes(9_000_000), "p/4": b"z"}
        for key, data in parts.items():
            store.put_if_absent(key, data)
        store.compose("whole", list(parts))
        assert store.get("whole") == b"".join(parts.values())
        store.compose("none", [])
        assert store.get("none") == b""

    def test_compose_of_a_missing_part_shows_nothing(self, store: ObjectStore) -> None:
        store.put_if_absent("p/1", b"x")
        with pytest.raises(NotFound):
            store.compose("whole", ["p/1", "p/2"])
        assert [found.key for found in store.list()] == ["p/1"]

    # -- races --------------------------------------------------------------------------------------------------------

    def test_one_of_many_writers_wins(self, store: ObjectStore) -> None:
        won: list[int] = []
        failed: list[BaseException] = []
        barrier = threading.Barrier(8)

        def race(i: int) -> None:
            try:
                barrier.wait()
                if store.put_if_absent("race/key", str(i).encode() * 1000):
                    won.append(i)
            except BaseException as error:  # noqa: BLE001 - shown by the assertion below
                failed.append(error)

        threads = [threading.Thread(target=race, args=(i,)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failed == []
        assert len(won) == 1
        assert store.get("race/key") == str(won[0]).encode() * 1000

    # -- listings -----------------------------------------------------------------------------------------------------

    def test_list_is_ordered_by_bytes_of_the_whole_key(self, store: ObjectStore) -> None:
        keys = [
            "a-b",
            "a.b",
            "a/b",
            "a/b-c",
            "a/b.d/e",
            "a0",
            "ab/c",
            "a/é",
            "a/\uffff",
            "a/😀",
            "A",
            "b/c/d/e",
            "b/c-d",
        ]
        for key in random.Random(1).sample(keys, len(keys)):
            store.put_if_absent(key, b"x")
        ordered = sorted(keys, key=lambda key: key.encode())
        assert [found.key for found in store.list()] == ordered
        for prefix in ("a", "a/", "a/b", "a/b.", "b/c", "b/c/", "zz", "a/é", "A", "a/b.d/e", "a/b.d/e/"):
            for after in ("", "a", "a/", "a/b", "a/b-c", "a/b.d", "a/b.d/e", "a0", "zzz", "a/\uffff"):
                expected = [key for key in ordered if key.startswith(prefix) and key.encode() > after.encode()]
                assert [found.key for found in store.list(prefix, after)] == expected, (prefix, after)

    def test_list_many(self, store: ObjectStore) -> None:
        keys = sorted(f"n/{i % 7}/{i:04}" for i in range(60))
        for key in keys:
            store.put_if_absent(key, b"")
        assert [found.key for found in store.list("n/")] == keys
        listing = store.list("n/3")
        assert next(listing).key == "n/3/0003"
        assert [found.key for found in store.list("n/", keys[30])] == keys[31:]

    def test_list_of_nothing(self, store: ObjectStore) -> None:
        assert list(store.list()) == []
        assert list(store.list("a/b/c", "x")) == []

    def test_list_tells_what_head_tells(self, store: ObjectStore) -> None:
        store.put_if_absent("a/b", b"123")
        assert list(store.list("a/")) == [store.head("a/b")]

    def test_local_path(self, store: ObjectStore) -> None:
        store.put_if_absent("a/b", b"123")
        path = store.local_path("a/b")
        assert (path is not None) is store.url.startswith("file:")
        assert path is None or path.read_bytes() == b"123"

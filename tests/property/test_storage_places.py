"""Storage URLs, the opener, physical addresses, and listings against a plain model."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakegate.config import AzureSettings, StorageSettings
from lakegate.errors import ErrorKind, InvalidInput
from lakegate.ids import prefix_end
from lakegate.objectstore import urls
from lakegate.objectstore.addresses import AddressSpace, is_absolute
from lakegate.objectstore.opener import StoreOpener


@pytest.mark.parametrize(
    ("given_url", "expected"),
    [
        ("/dir/sub/", "file:///dir/sub"),
        ("file:///dir", "file:///dir"),
        ("file:///a b/ü%20", "file:///a b/ü%20"),
        ("s3://bucket", "s3://bucket"),
        ("S3://bucket/", "s3://bucket"),
        ("s3://bucket/a/b/", "s3://bucket/a/b"),
        ("gs://bucket/a", "gs://bucket/a"),
        ("az://container/a", "az://container/a"),
        ("memory:///x", "memory:///x"),
    ],
)
def test_urls(given_url: str, expected: str) -> None:
    assert str(urls.parse(given_url)) == expected
    assert str(urls.parse(expected)) == expected
    azure = AzureSettings("account", "a2V5")
    assert StoreOpener(StorageSettings(azure=azure)).namespace(given_url) == expected


_BAD = (
    *("", "dir", "./dir", "~/dir", "ftp://x/y", "s3:/x", "s3://", "s3:///x", "s3://b/../x", "s3://b//x", "s3://b/./x"),
    *("file://host/x", "file:///a/../b", "/a//b", "/a/./b", "s3://b/a\x00b", "s3://b\nc/x", "s3://user@b/x", "/"),
    *("s3://bucket/_lakegate/x", "/a/_lakegate"),
)


@pytest.mark.parametrize("url", _BAD)
def test_bad_namespaces(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        StoreOpener().namespace(url)
    assert caught.value.kind is ErrorKind.INVALID_NAMESPACE
    assert caught.value.hint


def test_stores_are_kept_by_root(tmp_path: Path) -> None:
    opener = StoreOpener()
    assert opener.open(str(tmp_path)) is opener.open(f"file://{tmp_path}/")
    assert opener.open(str(tmp_path)) is not opener.open(str(tmp_path / "x"))
    assert opener.open("memory:///a").put_if_absent("b/c", b"1")
    assert opener.open("memory:///a/b").get("c") == b"1"
    assert not (tmp_path / "x").exists()


def test_addresses(tmp_path: Path) -> None:
    opener = StoreOpener()
    namespace = opener.open(str(tmp_path / "ns"))
    space = AddressSpace(namespace, opener)
    assert space.locate("data/x") == (namespace, "data/x")
    assert space.locate(f"file://{tmp_path}/a/b%20 c") == (opener.open("/"), f"{tmp_path}/a/b%20 c".lstrip("/"))
    store, key = space.locate("s3://bucket/p/q r")
    assert (store.url, key) == ("s3://bucket", "p/q r")
    assert not is_absolute("data/x")
    assert is_absolute("s3://bucket/x")
    with pytest.raises(InvalidInput):
        space.locate("s3://bucket/../x")


def test_local_roots(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "out").mkdir()
    (tmp_path / "real" / "away").symlink_to(tmp_path / "out")
    opener = StoreOpener(StorageSettings(local_roots=(tmp_path / "link",)))
    for good in ("real", "real/x", "link", "link/x"):
        opener.open(str(tmp_path / good))
        store, key = opener.locate(f"file://{tmp_path}/{good}/key")
        assert str(store.local_path(key)).endswith(f"{good.partition('/')[2]}/key".strip("/"))
    for bad in (tmp_path, tmp_path / "out", tmp_path / "real/away", tmp_path / "reality", "/"):
        with pytest.raises(InvalidInput) as caught:
            opener.open(str(bad))
        assert caught.value.kind is ErrorKind.INVALID_NAMESPACE


@given(st.text(max_size=5), st.text(max_size=8))
def test_the_end_of_a_prefix_bounds_it(prefix: str, text: str) -> None:
    end = prefix_end(prefix)
    inside = text >= prefix and (end is None or text < end)
    if text.startswith(prefix):
        assert inside
    elif prefix and not any(0xD800 <= ord(c) <= 0xDFFF for c in text):
        assert not inside


_KEY = st.lists(st.text(alphabet="a-./0é", min_size=1, max_size=4), min_size=1, max_size=3).map("/".join)
_KEYS = st.sets(_KEY.filter(lambda key: all(part not in ("", ".", "..") for part in key.split("/"))), max_size=12)


@given(keys=_KEYS, prefix=st.text(alphabet="a-./0é", max_size=4), after=st.text(alphabet="a-./0é", max_size=6))
def test_listings_are_those_of_a_sorted_list(keys: set[str], prefix: str, after: str) -> None:
    kept = {key for key in keys if not any(other.startswith(key + "/") for other in keys)}
    expected = [k for k in sorted(kept, key=str.encode) if k.startswith(prefix) and k.encode() > after.encode()]
    with tempfile.TemporaryDirectory() as folder:
        opener = StoreOpener(StorageSettings(fsync=False))
        for store in (opener.open(folder), opener.open("memory:///x")):
            for key in kept:
                assert store.put_if_absent(key, b"")
            assert [found.key for found in store.list(prefix, after)] == expected

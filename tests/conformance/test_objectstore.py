"""The object store suite on every backend that can be had here."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest

from lakegate.config import S3Settings, StorageSettings
from lakegate.errors import ErrorKind, InvalidInput, Unavailable
from lakegate.objectstore.opener import StoreOpener
from lakegate.objectstore.protocol import ObjectStore
from lakegate.testing.faulty_store import FaultyStore
from lakegate.testing.objectstore_suite import ObjectStoreSuite
from lakegate.testing.s3_server import s3_client, storage_settings


@pytest.fixture(scope="module")
def s3_opener(s3_endpoint: str) -> StoreOpener:
    return StoreOpener(storage_settings(s3_endpoint))


@pytest.fixture(scope="module")
def client(s3_endpoint: str) -> object:
    return s3_client(s3_endpoint)


@pytest.fixture
def bucket(client: Any) -> tuple[str, Any]:
    """A new bucket, and a client that looks into it past the store."""
    name = f"bucket-{uuid.uuid4().hex}"
    client.create_bucket(Bucket=name)
    return name, client


class TestLocal(ObjectStoreSuite):
    @pytest.fixture
    def store(self, tmp_path: Path) -> ObjectStore:
        return StoreOpener().open(str(tmp_path / "made" / "on demand ü"))


class TestLocalBehindALink(ObjectStoreSuite):
    @pytest.fixture
    def store(self, tmp_path: Path) -> ObjectStore:
        (tmp_path / "real").mkdir()
        (tmp_path / "link").symlink_to("real")
        return StoreOpener(StorageSettings(local_roots=(tmp_path,))).open(f"file://{tmp_path}/link")


class TestMemory(ObjectStoreSuite):
    @pytest.fixture
    def store(self) -> ObjectStore:
        return StoreOpener().open("memory:///some/where")


class TestS3(ObjectStoreSuite):
    @pytest.fixture
    def store(self, s3_opener: StoreOpener, bucket: tuple[str, Any]) -> ObjectStore:
        return s3_opener.open(f"s3://{bucket[0]}")


class TestS3WithPrefix(ObjectStoreSuite):
    test_writer_memory_is_constant = None  # a prefix takes none; TestS3 measures what the rest takes

    @pytest.fixture
    def store(self, s3_opener: StoreOpener, bucket: tuple[str, Any]) -> ObjectStore:
        s3_opener.open(f"s3://{bucket[0]}/some").put_if_absent("thing", b"outside")
        s3_opener.open(f"s3://{bucket[0]}/some").put_if_absent("where é-x", b"outside")
        return s3_opener.open(f"s3://{bucket[0]}/some/where é/")


class TestFaultyStoreWithoutFault(ObjectStoreSuite):
    @pytest.fixture
    def store(self, tmp_path: Path) -> ObjectStore:
        return FaultyStore(StoreOpener(StorageSettings(fsync=False)).open(str(tmp_path)))


# -- S3 alone ---------------------------------------------------------------------------------------------------------


def test_an_aborted_upload_leaves_no_parts(s3_opener: StoreOpener, bucket: tuple[str, Any]) -> None:
    name, client = bucket
    writer = s3_opener.open(f"s3://{name}").writer("k")
    for _ in range(20):
        writer.write(bytes(1 << 20))
    writer.abort()
    assert client.list_multipart_uploads(Bucket=name).get("Uploads", []) == []
    assert client.list_objects_v2(Bucket=name)["KeyCount"] == 0


def test_folder_markers_are_no_objects(s3_opener: StoreOpener, bucket: tuple[str, Any]) -> None:
    name, client = bucket
    for key in ("p/", "p/dir/", "p/dir-x", "p/dir/y", "p/empty", "q/"):
        client.put_object(Bucket=name, Key=key, Body=b"")
    store = s3_opener.open(f"s3://{name}")
    assert [found.key for found in store.list()] == ["p/dir-x", "p/dir/y", "p/empty"]
    assert [found.key for found in store.list("p/")] == ["p/dir-x", "p/dir/y", "p/empty"]


def test_keys_that_cannot_be_addressed_are_named(s3_opener: StoreOpener, bucket: tuple[str, Any]) -> None:
    name, client = bucket
    client.put_object(Bucket=name, Key="p//x", Body=b"")
    with pytest.raises(InvalidInput, match="p//x") as caught:
        list(s3_opener.open(f"s3://{name}").list())
    assert caught.value.kind is ErrorKind.INVALID_PATH


def test_a_missing_bucket_is_said(s3_opener: StoreOpener) -> None:
    store = s3_opener.open("s3://not-there")
    for act in (lambda: store.put_if_absent("a", b""), lambda: store.get("a"), lambda: list(store.list())):
        with pytest.raises(Unavailable, match="bucket") as caught:
            act()
        assert caught.value.kind is ErrorKind.STORE_UNAVAILABLE


def test_an_unreachable_store_is_said() -> None:
    settings = StorageSettings(
        s3=S3Settings(endpoint="http://127.0.0.1:1", access_key_id="a", secret_access_key="b"), max_retries=0
    )
    store = StoreOpener(settings).open("s3://bucket")
    for act in (lambda: store.get("a"), lambda: list(store.list()), lambda: store.delete(["a"])):
        with pytest.raises(Unavailable) as caught:
            act()
        assert caught.value.kind is ErrorKind.STORE_UNAVAILABLE
        assert "Debug source" not in caught.value.message
        assert caught.value.details.get("secret") != "b"

"""How the gateway reads buckets: in the host's name, and as the default branch where the server is set so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lakegate.config import LakeSettings, ServerSettings, StorageSettings
from lakegate.testing.s3 import Reply, Request, S3Lake
from lakegate_api.serve import running

KEY, SECRET = "LGTESTKEY", "a-secret-for-tests-only"


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Lake]:
    """A server whose plain buckets are default branches, and that knows its S3 host name."""
    home: Path = tmp_path_factory.mktemp("plain")
    settings = ServerSettings(
        LakeSettings(home, storage=StorageSettings(fsync=False)),
        port=0,
        s3_hosts=("s3.lake.test",),
        plain_bucket_is_branch=True,
        access_key_id=KEY,
        secret_access_key=SECRET,
    )
    with running(settings) as started:
        lake = S3Lake(started.url, "plain", KEY, SECRET)
        assert lake.put("", b"").status == 200
        yield lake


def at(lake: S3Lake, host: str, method: str, path: str, query: str = "", body: bytes = b"") -> Reply:
    return lake.ask(Request(method, path, query, {"host": host}, body))


def test_a_plain_bucket_is_its_default_branch(plain: S3Lake) -> None:
    assert plain.put("a/b", b"1").status == 200
    assert plain.put("root", b"2").status == 200
    assert plain.get("", "list-type=2&delimiter=%2F").texts("Key") == ["root"]
    assert plain.ask(Request("GET", "/plain.main/a/b")).body == b"1"
    assert plain.put("copied", b"", x_amz_copy_source="/plain/a/b").status == 200
    assert plain.get("copied").body == b"1"
    assert plain.post("big", "uploads=").text("Key") == "big"
    assert plain.get("", "uploads=").texts("Key") == ["big"]


def test_a_bucket_may_stand_in_the_host_name(plain: S3Lake) -> None:
    for host in ("plain.s3.lake.test", "plain.main.s3.lake.test", "plain.S3.lake.test:80"):
        assert at(plain, host, "PUT", "/in/host", body=b"x").status == 200
        assert at(plain, host, "GET", "/in/host").body == b"x"
        assert "in/host" in at(plain, host, "GET", "/", "list-type=2").texts("Key")
        assert at(plain, host, "HEAD", "/").status == 200
    assert at(plain, "s3.lake.test", "GET", "/plain/in/host").body == b"x"
    assert "plain" in at(plain, "s3.lake.test", "GET", "/").texts("Name")
    unsigned = plain.send(Request("GET", "/in/host"), {"host": "plain.s3.lake.test"})
    assert (unsigned.status, unsigned.code) == (403, "AccessDenied")


def test_virtual_hosts_are_signed_by_version_2_too(plain: S3Lake) -> None:
    config = pytest.importorskip("botocore.config")
    import boto3

    boto = boto3.client(
        "s3",
        endpoint_url="http://s3.lake.test",
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
        region_name="us-east-1",
        config=config.Config(signature_version="s3", s3={"addressing_style": "virtual"}),
    )
    assert plain.put("shared", b"v2").status == 200
    url = boto.generate_presigned_url("get_object", Params={"Bucket": "plain", "Key": "shared"})
    host, _, rest = url.removeprefix("http://").partition("/")
    path, _, query = rest.partition("?")
    assert host == "plain.s3.lake.test"
    assert plain.send(Request("GET", f"/{path}", query), {"host": host}).body == b"v2"

"""Clients of files with their default options against a running gateway: boto3, pyarrow, s3fs, obstore."""

from __future__ import annotations

import io
import os
from datetime import timedelta
from typing import Any

import pytest

from lakegate.testing.s3 import S3Lake
from lakegate.testing.web import web

BIG = os.urandom(18 << 20)  # more than two parts of any client's default


def test_boto3_transfers_in_parts_with_every_checksum(s3: S3Lake) -> None:
    boto = pytest.importorskip("boto3") and s3.boto()
    bucket = s3.repository
    for algorithm in (None, "CRC32C", "CRC64NVME", "SHA1", "SHA256"):
        extra = {"ChecksumAlgorithm": algorithm} if algorithm else {}
        boto.upload_fileobj(io.BytesIO(BIG), bucket, "main/big", ExtraArgs=extra)
        found = boto.head_object(Bucket=bucket, Key="main/big", ChecksumMode="ENABLED")
        kind = "FULL_OBJECT" if algorithm == "CRC64NVME" else "COMPOSITE"
        assert f"Checksum{algorithm or 'CRC32'}" in found
        assert found["ChecksumType"] == kind
        assert found["ETag"].endswith('-3"')
        # The client checks a full-object checksum against the bytes that it reads.
        assert boto.get_object(Bucket=bucket, Key="main/big")["Body"].read() == BIG
        small = {"Bucket": bucket, "Key": "main/small"}
        boto.put_object(**small, Body=b"small", **extra)
        assert boto.get_object(**small)["Body"].read() == b"small"
    target = io.BytesIO()
    boto.download_fileobj(bucket, "main/big", target)
    assert target.getvalue() == BIG


def test_boto3_lists_copies_deletes_and_reads_versions(s3: S3Lake) -> None:
    boto = pytest.importorskip("boto3") and s3.boto()
    bucket = s3.repository
    for name in ("a/1", "a/2", "b c+d%25&=é", "c"):
        boto.put_object(Bucket=bucket, Key=f"main/{name}", Body=name.encode(), Metadata={"made-by": "test"})
    pages = boto.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix="main/", PaginationConfig={"PageSize": 1}
    )
    keys = [item["Key"] for page in pages for item in page["Contents"]]
    assert keys == ["main/a/1", "main/a/2", "main/b c+d%25&=é", "main/c"]
    old = boto.list_objects(Bucket=bucket, Prefix="main/", Delimiter="/")
    assert [item["Prefix"] for item in old["CommonPrefixes"]] == ["main/a/"]
    commit = s3.commit()
    listed = boto.list_object_versions(Bucket=bucket, Prefix="main/c")["Versions"]
    assert [(item["Key"], item["VersionId"]) for item in listed] == [("main/c", commit)]
    boto.put_object(Bucket=bucket, Key="main/c", Body=b"changed")
    assert boto.list_object_versions(Bucket=bucket, Prefix="main/c")["Versions"][0]["VersionId"] == "null"
    old_version = boto.get_object(Bucket=bucket, Key="main/c", VersionId=commit)
    assert old_version["Body"].read() == b"c"
    assert old_version["VersionId"] == commit
    assert old_version["Metadata"] == {"made-by": "test"}

    boto.copy({"Bucket": bucket, "Key": "main/b c+d%25&=é"}, bucket, "main/copied")
    assert boto.get_object(Bucket=bucket, Key="main/copied")["Body"].read() == "b c+d%25&=é".encode()
    gone = boto.delete_objects(
        Bucket=bucket, Delete={"Objects": [{"Key": "main/a/1"}, {"Key": "main/never"}, {"Key": f"{commit}/c"}]}
    )
    assert [item["Key"] for item in gone["Deleted"]] == ["main/a/1", "main/never"]
    assert [(item["Key"], item["Code"]) for item in gone["Errors"]] == [(f"{commit}/c", "MethodNotAllowed")]
    wanted = ["ETag", "ObjectSize", "Checksum", "StorageClass"]
    told = boto.get_object_attributes(Bucket=bucket, Key="main/copied", ObjectAttributes=wanted)
    assert told["ObjectSize"] == len("b c+d%25&=é".encode())


@pytest.mark.parametrize("size", [1, 5_000, 2_000_000])
def test_a_connection_is_good_after_a_refused_write(s3: S3Lake, size: int) -> None:
    boto = pytest.importorskip("boto3") and s3.boto()
    exceptions = pytest.importorskip("botocore.exceptions")
    refused: list[dict[str, str]] = [
        {"Bucket": s3.repository, "Key": "no-path"},
        {"Bucket": "nowhere", "Key": "main/x"},
        {"Bucket": s3.repository, "Key": "main/x", "Tagging": "a=b"},
        {"Bucket": s3.repository, "Key": "main/x", "ACL": "public-read"},
    ]
    for asked in refused:
        with pytest.raises(exceptions.ClientError):
            boto.put_object(**asked, Body=bytes(size))
        assert boto.list_objects_v2(Bucket=s3.repository, Prefix="main/")["KeyCount"] == 0


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_presigned_urls_work_for_get_head_and_put(s3: S3Lake, version: str) -> None:
    config = pytest.importorskip("botocore.config")
    boto = s3.boto(config=config.Config(signature_version=version))
    where = {"Bucket": s3.repository, "Key": "main/with blank+plus"}
    assert web.put(boto.generate_presigned_url("put_object", Params=where), content=b"shared").status_code == 200
    url = boto.generate_presigned_url("get_object", Params={**where, "ResponseContentType": "text/x-shared"})
    answer = web.get(url)
    assert answer.content == b"shared"
    assert answer.headers["content-type"].startswith("text/x-shared")
    assert web.head(url).headers["content-length"] == "6"
    assert web.get(url, headers={"range": "bytes=-2"}).content == b"ed"
    forged = web.get(url.replace("blank", "blink"))
    assert forged.status_code == 403
    assert "SignatureDoesNotMatch" in forged.text
    assert web.delete(url).status_code == 403


def test_pyarrow_writes_reads_moves_and_deletes(s3: S3Lake) -> None:
    fs = pytest.importorskip("pyarrow.fs")
    import pyarrow as pa
    import pyarrow.dataset as ds
    import pyarrow.parquet as pq

    system = fs.S3FileSystem(
        access_key=s3.access_key_id, secret_key=s3.secret_access_key, endpoint_override=s3.host, scheme="http"
    )
    root = f"{s3.repository}/main"
    table = pa.table({"id": range(1000), "part": [i % 3 for i in range(1000)]})
    pq.write_table(table, f"{root}/t/one.parquet", filesystem=system)
    assert pq.read_table(f"{root}/t/one.parquet", filesystem=system).equals(table)
    ds.write_dataset(table, f"{root}/t/parts", format="parquet", partitioning=["part"], filesystem=system)
    assert ds.dataset(f"{root}/t/parts", filesystem=system, partitioning=["part"]).count_rows() == 1000
    with system.open_output_stream(f"{root}/t/big") as out:
        out.write(BIG)
    assert system.open_input_file(f"{root}/t/big").read() == BIG

    kinds = [info.type for info in system.get_file_info([s3.repository, root, f"{root}/t", f"{root}/t/no"])]
    assert kinds == [fs.FileType.Directory, fs.FileType.Directory, fs.FileType.Directory, fs.FileType.NotFound]
    system.create_dir(f"{root}/new/deep")
    system.move(f"{root}/t/one.parquet", f"{root}/t/moved.parquet")
    system.delete_dir(f"{root}/t/parts")
    found = system.get_file_info(fs.FileSelector(root, recursive=True))
    assert {info.path.removeprefix(root + "/") for info in found if info.is_file} == {"t/moved.parquet", "t/big"}
    assert system.get_file_info(f"{root}/new/deep").type == fs.FileType.Directory
    commit = s3.commit()
    # Folder markers stay out of commits.
    assert s3.get("", f"list-type=2&prefix={commit}%2F").texts("Key") == [
        f"{commit}/t/big",
        f"{commit}/t/moved.parquet",
    ]


def test_s3fs_does_what_file_systems_do(s3: S3Lake) -> None:
    s3fs = pytest.importorskip("s3fs")
    system = s3fs.S3FileSystem(
        key=s3.access_key_id, secret=s3.secret_access_key, endpoint_url=s3.url, skip_instance_cache=True
    )
    root = f"{s3.repository}/main"
    system.pipe(f"{root}/f/small", b"small")
    with system.open(f"{root}/f/big", "wb", block_size=5 << 20) as out:
        out.write(BIG)
    with system.open(f"{root}/f/big", "rb") as file:
        file.seek(-7, 2)
        assert file.read() == BIG[-7:]
    assert system.info(f"{root}/f/big")["size"] == len(BIG)
    assert system.ls(s3.repository) == [root]
    assert sorted(system.ls(f"{root}/f")) == [f"{root}/f/big", f"{root}/f/small"]
    assert not system.exists(f"{root}/f/none")
    assert not system.exists(f"{s3.repository}/nobranch/f")
    system.makedirs(f"{root}/f/sub/dir", exist_ok=True)
    system.makedirs(s3.repository, exist_ok=True)
    system.cp(f"{root}/f/small", f"{root}/f/copy")
    system.mv(f"{root}/f/copy", f"{root}/f/moved")
    assert system.cat(f"{root}/f/moved") == b"small"
    with pytest.raises(OSError, match="there is an object already"), system.open(f"{root}/f/small", "xb") as file:
        file.write(b"other")
    system.rm(f"{root}/f", recursive=True)
    assert not system.exists(f"{root}/f")


def test_obstore_writes_under_conditions_and_signs(s3: S3Lake) -> None:
    obstore = pytest.importorskip("obstore")
    from obstore.exceptions import AlreadyExistsError, NotModifiedError, PreconditionError
    from obstore.store import S3Store

    config: Any = {
        "endpoint": s3.url,
        "access_key_id": s3.access_key_id,
        "secret_access_key": s3.secret_access_key,
        "region": "us-east-1",
    }
    store = S3Store(s3.repository, prefix="main/ob", config=config, client_options={"allow_http": True})
    obstore.put(store, "a", b"hello")
    with pytest.raises(AlreadyExistsError):
        obstore.put(store, "a", b"other", mode="create")
    etag = obstore.head(store, "a")["e_tag"]
    obstore.put(store, "a", b"world", mode={"e_tag": etag})
    with pytest.raises(PreconditionError):
        obstore.put(store, "a", b"other", mode={"e_tag": etag})
    now = obstore.head(store, "a")["e_tag"]
    with pytest.raises(NotModifiedError):
        obstore.get(store, "a", options={"if_none_match": now})
    assert bytes(obstore.get(store, "a", options={"range": {"suffix": 2}}).bytes()) == b"ld"
    obstore.put(store, "big", io.BytesIO(BIG))
    assert bytes(obstore.get(store, "big").bytes()) == BIG
    obstore.copy(store, "a", "b")
    obstore.rename(store, "b", "c")
    url = obstore.sign(store, "GET", "c", timedelta(minutes=1))
    assert web.get(url).content == b"world"
    assert [item["path"] for item in obstore.list(store).collect()] == ["a", "big", "c"]
    obstore.delete(store, ["a", "big", "c"])
    assert obstore.list(store).collect() == []

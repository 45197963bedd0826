"""GET, HEAD and listings of the S3 gateway, request by request."""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path

import pytest

from lakegate.testing.s3 import Request, S3Lake, encoded
from lakegate.testing.web import web


@pytest.fixture
def filled(s3: S3Lake) -> S3Lake:
    for key in ("a/1", "a/2", "b", "c/d/e"):
        assert s3.put(f"main/{key}", key.encode() * 10).status == 200
    return s3


def keys(lake: S3Lake, query: str) -> list[str]:
    reply = lake.get("", query)
    assert reply.status == 200, reply.body
    return reply.texts("Key")


def test_ranges(s3: S3Lake) -> None:
    s3.put("main/x", b"0123456789")
    for header, status, body, shown in (
        ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=-99", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=8-99", 206, b"89", "bytes 8-9/10"),
        ("bytes=1-2,4-5", 200, b"0123456789", None),
        ("lines=1-2", 200, b"0123456789", None),
    ):
        reply = s3.get("main/x", range=header)
        assert (reply.status, reply.body, reply.headers.get("content-range")) == (status, body, shown), header
    beyond = s3.get("main/x", range="bytes=10-")
    assert (beyond.status, beyond.code, beyond.headers["content-range"]) == (416, "InvalidRange", "bytes */10")
    head = s3.head("main/x", range="bytes=-3")
    assert (head.status, head.headers["content-length"], head.body) == (206, "3", b"")


@pytest.mark.parametrize("size", [10, 2 << 20])
def test_an_imported_object_that_was_changed_or_is_gone_is_refused(s3: S3Lake, tmp_path: Path, size: int) -> None:
    file = tmp_path / "x"
    file.write_bytes(bytes(size))
    body = {"physical_address": f"file://{file}", "checksum": "", "size_bytes": size}
    url = f"{s3.url}/api/v1/repositories/{s3.repository}"
    login = (s3.access_key_id, s3.secret_access_key)
    staged = web.put(f"{url}/branches/main/objects", params={"path": "x"}, json=body, auth=login)
    assert staged.status_code == 201, staged.text
    assert s3.get("main/x").body == bytes(size)
    file.write_bytes(b"1" * size)
    os.utime(file, ns=(1, 1))
    for reply in (s3.get("main/x"), s3.get("main/x", range="bytes=3-4")):
        assert (reply.status, reply.code) == (409, "InvalidObjectState")
        assert str(file) in reply.text("Message")
    for headers in ({}, {"range": "bytes=3-4"}):
        read = web.get(f"{url}/refs/main/objects", params={"path": "x"}, headers=headers, auth=login)
        assert (read.status_code, read.json()["code"]) == (409, "object_changed")
    file.unlink()
    for reply in (s3.get("main/x"), s3.get("main/x", range="bytes=3-4")):  # 404 would be "not there": it is listed
        assert (reply.status, reply.code) == (409, "InvalidObjectState")
        assert str(file) in reply.text("Message")


def test_an_empty_object_is_read_whole(s3: S3Lake) -> None:
    assert s3.put("main/empty", b"").headers["etag"] == f'"{hashlib.md5(b"").hexdigest()}"'
    reply = s3.get("main/empty")
    assert (reply.status, reply.body, reply.headers["content-length"]) == (200, b"", "0")
    assert s3.get("main/empty", range="bytes=0-").status == 416


def test_conditions(s3: S3Lake) -> None:
    etag = s3.put("main/x", b"one").headers["etag"]
    modified = s3.head("main/x").headers["last-modified"]
    long_ago = "Mon, 01 Jan 2001 00:00:00 GMT"
    assert s3.get("main/x", if_match=etag).status == 200
    assert s3.get("main/x", if_match='"other"').status == 412
    assert s3.get("main/x", if_match='"other"').code == "PreconditionFailed"
    unchanged = s3.get("main/x", if_none_match=etag)
    assert (unchanged.status, unchanged.body, unchanged.headers["etag"]) == (304, b"", etag)
    assert s3.get("main/x", if_none_match="*").status == 304
    assert s3.get("main/x", if_none_match='"other"').status == 200
    assert s3.get("main/x", if_modified_since=modified).status == 304
    assert s3.get("main/x", if_modified_since=long_ago).status == 200
    assert s3.get("main/x", if_unmodified_since=long_ago).status == 412
    # An ETag decides before a time does.
    assert s3.get("main/x", if_match=etag, if_unmodified_since=long_ago).status == 200
    assert s3.get("main/x", if_none_match='"other"', if_modified_since=modified).status == 200


def test_answers_tell_the_commit_and_committed_objects_carry_it_as_their_version(s3: S3Lake) -> None:
    s3.put("main/x", b"one")
    first = s3.get("main/x")
    assert "x-amz-version-id" not in first.headers
    assert len(first.headers["x-lakegate-commit"]) == 64
    commit = s3.commit()
    for reply in (s3.get("main/x"), s3.head("main/x"), s3.get(f"{commit}/x"), s3.get(f"{commit[:12]}/x")):
        assert reply.headers["x-amz-version-id"] == commit
        assert reply.headers["x-lakegate-commit"] == commit
        assert reply.headers["etag"] == first.headers["etag"]
    s3.put("main/x", b"two")
    assert s3.get("main/x").body == b"two"
    old = s3.get("main/x", f"versionId={commit}")
    assert (old.body, old.headers["x-amz-version-id"]) == (b"one", commit)
    for reply in (s3.get("main/none"), s3.put("main/y", b"1"), s3.get("", "list-type=2&prefix=main%2F")):
        assert reply.headers["x-lakegate-commit"] == commit
    assert s3.head("").headers["x-lakegate-commit"] == commit
    unknown = s3.get("main/x", f"versionId={'0' * 64}")
    assert (unknown.status, unknown.code) == (404, "NoSuchVersion")
    assert s3.get("main/x", "versionId=abc").code == "InvalidArgument"


def test_what_was_stored_beside_the_bytes_is_answered(s3: S3Lake) -> None:
    headers = {
        "content-type": "text/x-test",
        "cache-control": "max-age=5",
        "content-disposition": 'attachment; filename="a"',
        "content-encoding": "gzip",
        "x-amz-meta-made-by": "test",
        "x-amz-meta-name": "é",
    }
    path = f"/{s3.repository}/main/x"
    assert s3.ask(Request("PUT", path, headers=headers, body=b"1")).status == 200
    found = s3.get("main/x").headers
    assert {name: found[name].encode("latin-1").decode() for name in headers} == headers
    assert found["content-security-policy"] == "default-src 'none'; sandbox"
    changed = s3.get("main/x", "response-content-type=text%2Fhtml&response-cache-control=no-store").headers
    assert (changed["content-type"], changed["cache-control"]) == ("text/html", "no-store")


def test_checksums_are_answered_on_request_for_the_whole_object_alone(s3: S3Lake) -> None:
    value = base64.b64encode(hashlib.sha256(b"data").digest()).decode()
    assert s3.put("main/x", b"data", x_amz_checksum_sha256=value).headers["x-amz-checksum-sha256"] == value
    assert "x-amz-checksum-sha256" not in s3.get("main/x").headers
    asked = s3.get("main/x", x_amz_checksum_mode="ENABLED").headers
    assert (asked["x-amz-checksum-sha256"], asked["x-amz-checksum-type"]) == (value, "FULL_OBJECT")
    assert "x-amz-checksum-sha256" not in s3.get("main/x", x_amz_checksum_mode="ENABLED", range="bytes=0-1").headers


def test_listing_pages_prefixes_and_delimiters(filled: S3Lake) -> None:
    assert keys(filled, "list-type=2&prefix=main%2F") == ["main/a/1", "main/a/2", "main/b", "main/c/d/e"]
    seen: list[str] = []
    query = "list-type=2&prefix=main%2F&delimiter=%2F&max-keys=1"
    token = ""
    while True:
        reply = filled.get("", query + (f"&continuation-token={token}" if token else ""))
        seen += reply.texts("Key") + [text for text in reply.texts("Prefix") if text != "main/"]
        assert reply.text("KeyCount") == "1"
        if reply.text("IsTruncated") == "false":
            break
        token = encoded(reply.text("NextContinuationToken"))
    assert seen == ["main/a/", "main/b", "main/c/"]
    assert keys(filled, "list-type=2&prefix=main%2Fa&max-keys=0") == []


def test_start_after_is_any_string_also_beside_a_token(filled: S3Lake) -> None:
    assert keys(filled, "list-type=2&prefix=main%2F&start-after=main%2Fa%2F10") == ["main/a/2", "main/b", "main/c/d/e"]
    assert keys(filled, "list-type=2&prefix=main%2F&start-after=maim") == [
        "main/a/1",
        "main/a/2",
        "main/b",
        "main/c/d/e",
    ]
    assert keys(filled, "list-type=2&prefix=main%2F&start-after=main%2Fz") == []
    assert keys(filled, "list-type=2&prefix=main%2F&start-after=nain") == []
    first = filled.get("", "list-type=2&prefix=main%2F&start-after=main%2Fa%2F1&max-keys=1")
    token = encoded(first.text("NextContinuationToken"))
    query = f"list-type=2&prefix=main%2F&start-after=main%2Fa%2F1&continuation-token={token}"
    assert first.texts("Key") + keys(filled, query) == ["main/a/2", "main/b", "main/c/d/e"]
    assert filled.get("", "list-type=2&continuation-token=%21").code == "InvalidArgument"


def test_the_first_version_of_listing_and_url_encoding(s3: S3Lake) -> None:
    s3.put(encoded("main/a b+c%é"), b"1")
    s3.put("main/z", b"1")
    reply = s3.get("", "prefix=main%2F&max-keys=1&encoding-type=url")
    assert reply.texts("Key") == ["main/a%20b%2Bc%25%C3%A9"]
    assert reply.text("NextMarker") == "main/a%20b%2Bc%25%C3%A9"
    assert reply.text("EncodingType") == "url"
    rest = s3.get("", f"prefix=main%2F&marker={encoded('main/a b+c%é')}")
    assert rest.texts("Key") == ["main/z"]
    assert rest.texts("Owner")


def test_keys_of_the_last_character_are_listed_from_any_place(s3: S3Lake) -> None:
    last = encoded("\U0010ffff")
    for name in (last, f"{last}{last}"):
        assert s3.put(f"main/{name}", b"x").status == 200
    assert keys(s3, f"list-type=2&start-after=main%2F{last}") == ["main/\U0010ffff\U0010ffff"]
    assert keys(s3, f"list-type=2&start-after=main%2F{last}{last}") == []


def test_the_root_of_a_bucket_lists_the_refs(filled: S3Lake) -> None:
    filled.commit()
    filled.rest("POST", "/tags", {"id": "v1", "ref": "main"})
    for name in ("main-2", "dev"):
        created = filled.put("", b"")  # the bucket is there already
        assert created.code == "BucketAlreadyOwnedByYou"
        _branch(filled, name)
    reply = filled.get("", "list-type=2&delimiter=%2F")
    # In the order of keys, as S3 has it: "-" comes before "/".
    assert [text for text in reply.texts("Prefix") if text] == ["dev/", "main-2/", "main/", "v1/"]
    assert [t for t in filled.get("", "list-type=2&delimiter=%2F&prefix=ma").texts("Prefix") if t.endswith("/")] == [
        "main-2/",
        "main/",
    ]
    every = keys(filled, "list-type=2")
    assert every == sorted(every)
    assert len(every) == 16
    paged: list[str] = []
    after = ""
    while True:
        reply = filled.get("", f"list-type=2&max-keys=3&start-after={encoded(after)}")
        paged += reply.texts("Key")
        if reply.text("IsTruncated") == "false":
            break
        after = paged[-1]
    assert paged == every


def test_a_ref_is_a_bucket_of_its_own(filled: S3Lake) -> None:
    commit = filled.commit()
    for bucket in (f"{filled.repository}.main", f"{filled.repository}.{commit}"):
        listed = filled.ask(Request("GET", f"/{bucket}/", "list-type=2&delimiter=%2F"))
        assert listed.texts("Key") == ["b"]
        assert filled.ask(Request("GET", f"/{bucket}/c/d/e")).body == b"c/d/e" * 10
        assert filled.ask(Request("HEAD", f"/{bucket}")).status == 200
    assert filled.ask(Request("PUT", f"/{filled.repository}.main/new", body=b"1")).status == 200
    assert filled.get("main/new").body == b"1"
    missing = filled.ask(Request("GET", f"/{filled.repository}.nobranch/", "list-type=2"))
    assert (missing.status, missing.code) == (404, "NoSuchBucket")


def test_what_is_not_there(s3: S3Lake) -> None:
    assert s3.head("main/none").status == 404
    assert s3.get("main/none").code == "NoSuchKey"
    misspelt = s3.get("mian/none")
    assert (misspelt.status, misspelt.code) == (404, "NoSuchKey")
    assert "mian" in misspelt.text("Message")
    assert s3.get("", "list-type=2&prefix=mian%2F").status == 404
    other = s3.ask(Request("GET", "/nosuchlake/main/x"))
    assert (other.status, other.code) == (404, "NoSuchBucket")
    assert s3.ask(Request("HEAD", "/%24extremelyunlikelytoexist%24")).status == 404
    assert s3.ask(Request("GET", "/nosuchlake/", "location=")).code == "NoSuchBucket"


def test_buckets(s3: S3Lake) -> None:
    assert s3.repository in s3.ask(Request("GET", "/")).texts("Name")
    assert s3.get("", "location").status == 200
    assert s3.get("", "versioning").text("Status") == "Enabled"
    invalid = s3.ask(Request("PUT", "/No_Bucket"))
    assert (invalid.status, invalid.code) == (400, "InvalidBucketName")
    assert s3.ask(Request("PUT", "/made-by-s3")).status == 200
    assert s3.ask(Request("DELETE", "/made-by-s3")).status == 204
    assert s3.ask(Request("HEAD", "/made-by-s3")).status == 404
    s3.put("main/x", b"1")
    assert s3.delete("").code == "BucketNotEmpty"


@pytest.mark.parametrize("query", ["acl", "tagging", "policy", "lifecycle", "retention", "torrent"])
def test_what_is_not_built_is_refused_by_name(s3: S3Lake, query: str) -> None:
    s3.put("main/x", b"1")
    for path in ("main/x", ""):
        reply = s3.get(path, query)
        assert (reply.status, reply.code) == (501, "NotImplemented")
        assert query.partition("&")[0] in reply.text("Message")


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize("query", ["versioning", "location", "policy", "abac", "metadataTable", "nonsense=1"])
def test_what_is_asked_of_a_part_of_a_bucket_does_not_make_or_delete_it(s3: S3Lake, method: str, query: str) -> None:
    for bucket in (s3.repository, f"{s3.repository}.main", "not-there-yet"):
        reply = s3.ask(Request(method, f"/{bucket}", query))
        assert (reply.status, reply.code) == (501, "NotImplemented")
        assert query.partition("=")[0] in reply.text("Message")
    assert s3.ask(Request("HEAD", f"/{s3.repository}")).status == 200
    assert s3.ask(Request("HEAD", "/not-there-yet")).status == 404
    assert s3.ask(Request("PUT", f"/{s3.repository}", "x-id=CreateBucket")).code == "BucketAlreadyOwnedByYou"


def _branch(lake: S3Lake, name: str) -> None:

    url = f"{lake.url}/api/v1/repositories/{lake.repository}/branches"
    key = (lake.access_key_id, lake.secret_access_key)
    web.post(url, auth=key, json={"name": name, "source": "main"}).raise_for_status()

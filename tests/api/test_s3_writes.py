"""PUT, copy, DELETE and multipart uploads of the S3 gateway, request by request."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import socket
import zlib
from pathlib import Path

import pytest

from lakegate.testing.s3 import Request, S3Lake, chunked_body, encoded, sign, signed_headers

PART = 5 << 20


def md5(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data).digest()).decode()


def crc32(data: bytes) -> str:
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


def staged(lake: S3Lake) -> list[str]:
    return lake.get("", "list-type=2&prefix=main%2F").texts("Key")


def test_conditional_writes_are_decided_once(s3: S3Lake) -> None:
    first = s3.put("main/x", b"one", if_none_match="*")
    assert first.status == 200
    taken = s3.put("main/x", b"two", if_none_match="*")
    assert (taken.status, taken.code) == (412, "PreconditionFailed")
    etag = first.headers["etag"]
    assert s3.put("main/x", b"two", if_match=etag).status == 200
    assert s3.put("main/x", b"three", if_match=etag).status == 412
    assert s3.put("main/none", b"1", if_match=etag).status == 412
    assert s3.put("main/y", b"1", if_none_match=etag).code == "NotImplemented"
    assert s3.get("main/x").body == b"two"
    assert staged(s3) == ["main/x"]


@pytest.mark.parametrize("algorithm", ["crc32", "crc32c", "crc64nvme", "sha1", "sha256"])
def test_checksums_are_verified_and_kept(s3: S3Lake, algorithm: str) -> None:
    from lakegate_api.s3.checksums import encoded as value_of
    from lakegate_api.s3.checksums import new_checksum

    right = new_checksum(algorithm)
    right.update(b"data")
    name = f"x_amz_checksum_{algorithm}"
    good = s3.put("main/good", b"data", **{name: value_of(right)})
    assert good.headers[f"x-amz-checksum-{algorithm}"] == value_of(right)
    bad = s3.put("main/bad", b"date", **{name: value_of(right)})
    assert (bad.status, bad.code) == (400, "BadDigest")
    assert s3.put("main/bad", b"data", **{name: "c2hvcnQ"}).code == "InvalidRequest"
    assert staged(s3) == ["main/good"]


def test_hashes_of_the_body_are_verified(s3: S3Lake) -> None:
    assert s3.put("main/good", b"data", content_md5=md5(b"data")).status == 200
    assert s3.put("main/bad", b"data", content_md5=md5(b"date")).code == "BadDigest"
    assert s3.put("main/bad", b"data", content_md5="abc").code == "InvalidDigest"
    path = f"/{s3.repository}/main/bad"
    for size in (4, 1 << 20):
        other = Request("PUT", path, body=b"x" * size, payload=hashlib.sha256(b"other").hexdigest())
        reply = s3.ask(other)
        assert (reply.status, reply.code) == (400, "XAmzContentSHA256Mismatch")
    assert s3.ask(Request("PUT", path, body=b"x", payload="nonsense")).code == "InvalidArgument"
    assert s3.ask(Request("PUT", path, body=b"x", payload="UNSIGNED-PAYLOAD")).status == 200
    assert staged(s3) == ["main/bad", "main/good"]


@pytest.mark.parametrize("size", [0, 10, 3 << 20])
@pytest.mark.parametrize("trailer", ["crc32", "sha256", None])
@pytest.mark.parametrize("is_signed", [True, False])
def test_aws_chunked_bodies_are_taken_apart(s3: S3Lake, size: int, trailer: str | None, is_signed: bool) -> None:
    if not is_signed and trailer is None:
        trailer = "crc64nvme"
    body = os.urandom(size)
    request, headers, trailers = chunked_request(s3, "main/x", body, trailer, is_signed)
    headers, signature = sign(request, s3.host, (s3.access_key_id, s3.secret_access_key))
    pieces = [body[i : i + 65536] for i in range(0, size, 65536)]
    encoded_body = b"".join(chunked_body(pieces, signature if is_signed else None, trailers))
    for in_http_chunks in (True, False):
        chunks = [encoded_body[i : i + 10_000] for i in range(0, len(encoded_body), 10_000)] if in_http_chunks else None
        sent = Request("PUT", request.path, body=b"" if in_http_chunks else encoded_body, chunks=chunks)
        reply = s3.send(sent, headers)
        assert reply.status == 200, reply.body
        found = s3.get("main/x", x_amz_checksum_mode="ENABLED")
        assert found.body == body
        assert found.headers.get("content-encoding") == "gzip"
        for name, value in trailers.items():
            assert found.headers[name] == value
    if size == 10:
        damaged = encoded_body.replace(body, bytes(reversed(body)), 1)
        reply = s3.send(Request("PUT", request.path, body=damaged), headers)
        assert reply.code in ("SignatureDoesNotMatch", "BadDigest")
        short = s3.send(Request("PUT", request.path, body=encoded_body[: len(encoded_body) // 2]), headers)
        assert short.code in ("IncompleteBody", "InvalidRequest")
        assert s3.get("main/x").body == body


def chunked_request(
    lake: S3Lake, path: str, body: bytes, trailer: str | None, is_signed: bool
) -> tuple[Request, dict[str, str], dict[str, str]]:
    from lakegate_api.s3.checksums import encoded as value_of
    from lakegate_api.s3.checksums import new_checksum

    payload = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" if is_signed else "STREAMING-UNSIGNED-PAYLOAD"
    headers = {"content-encoding": "aws-chunked,gzip", "x-amz-decoded-content-length": str(len(body))}
    trailers: dict[str, str] = {}
    if trailer is not None:
        payload += "-TRAILER"
        checksum = new_checksum(trailer)
        checksum.update(body)
        trailers[f"x-amz-checksum-{trailer}"] = value_of(checksum)
        headers["x-amz-trailer"] = f"x-amz-checksum-{trailer}"
    request = Request("PUT", f"/{lake.repository}/{path}", headers=headers, payload=payload)
    return request, headers, trailers


def test_a_body_shorter_than_its_length_stages_nothing(s3: S3Lake) -> None:
    request = Request("PUT", f"/{s3.repository}/main/short", payload="UNSIGNED-PAYLOAD")
    headers = signed_headers(request, s3.host, (s3.access_key_id, s3.secret_access_key))
    for length in (1000, 3 << 20):
        lines = [
            f"PUT {request.path} HTTP/1.1",
            *(f"{k}: {v}" for k, v in headers.items()),
            f"content-length: {length}",
        ]
        host, port = s3.host.split(":")
        with socket.create_connection((host, int(port))) as client:
            client.sendall("\r\n".join([*lines, "", ""]).encode() + b"x" * (length // 2))
            client.shutdown(socket.SHUT_WR)
            while client.recv(4096):
                continue
    announced = {"x-amz-decoded-content-length": "99"}
    wrong, _, trailers = chunked_request(s3, "main/short", b"data", "crc32", is_signed=False)
    wrong = Request("PUT", wrong.path, headers={**wrong.headers, **announced}, payload=wrong.payload)
    body = b"".join(chunked_body([b"data"], None, trailers))
    reply = s3.send(Request("PUT", wrong.path, body=body), signed_headers(wrong, s3.host, _key(s3)))
    assert reply.code == "IncompleteBody"
    assert staged(s3) == []


def test_a_refused_upload_is_not_asked_for_its_body(s3: S3Lake) -> None:
    for path, headers in (("mian/x", _key(s3)), ("main/x", (s3.access_key_id, "a-wrong-secret"))):
        request = Request(
            "PUT", f"/{s3.repository}/{path}", payload="UNSIGNED-PAYLOAD", headers={"expect": "100-continue"}
        )
        signed = signed_headers(request, s3.host, headers)
        lines = [f"PUT {request.path} HTTP/1.1", *(f"{k}: {v}" for k, v in signed.items()), "content-length: 9999999"]
        host, port = s3.host.split(":")
        with socket.create_connection((host, int(port)), timeout=60) as client:
            client.sendall("\r\n".join([*lines, "", ""]).encode())
            assert client.recv(4096).split(b" ")[1] in (b"404", b"403")


def test_expect_continue_is_answered(s3: S3Lake) -> None:
    request = Request("PUT", f"/{s3.repository}/main/x", payload="UNSIGNED-PAYLOAD", headers={"expect": "100-continue"})
    signed = signed_headers(request, s3.host, _key(s3))
    lines = [f"PUT {request.path} HTTP/1.1", *(f"{k}: {v}" for k, v in signed.items()), "content-length: 4"]
    host, port = s3.host.split(":")
    with socket.create_connection((host, int(port)), timeout=60) as client:
        client.sendall("\r\n".join([*lines, "", ""]).encode())
        assert client.recv(4096).startswith(b"HTTP/1.1 100")
        client.sendall(b"data")
        assert b" 200 " in client.recv(4096)
    assert s3.get("main/x").body == b"data"


@pytest.mark.parametrize(
    "path",
    [
        "main/../x",
        "main/a/%2E%2E/x",
        "main/a%00b",
        "main/a%0Ab",
        "main/a//b",
        "main//a",
        "/main/a",
        "main/" + "a" * 1025,
        "main/%FF%FE",
        "main/%ED%A0%80",
        "main",
    ],
)
def test_bad_paths_are_refused_and_nothing_is_staged(s3: S3Lake, path: str) -> None:
    reply = s3.put(path, b"1")
    assert 400 <= reply.status < 405, reply.body
    assert reply.code in ("InvalidArgument", "InvalidURI")
    assert reply.text("Message")
    assert staged(s3) == []


def test_odd_but_valid_paths_are_kept_byte_for_byte(s3: S3Lake) -> None:
    names = ["a b", "a+b", "a%20b", "a%2520b", "é", "e\u0301", "😀", "p=a&q;r@!$'()*,:", "~.-_", "a" * 1024]
    for name in names:
        assert s3.put(encoded(f"main/{name}"), name.encode()).status == 200, name
    for name in names:
        assert s3.get(encoded(f"main/{name}")).body == name.encode()
    assert sorted(staged(s3)) == sorted(f"main/{name}" for name in names)


def test_commits_and_tags_are_read_only(s3: S3Lake) -> None:
    s3.put("main/x", b"1")
    commit = s3.commit()
    s3.rest("POST", "/tags", {"id": "v1", "ref": "main"})
    copy = {"x_amz_copy_source": f"/{s3.repository}/main/x"}
    for ref in (commit, "v1"):
        for reply in (
            s3.put(f"{ref}/x", b"2"),
            s3.put(f"{ref}/big", b"2" * (1 << 20)),
            s3.put(f"{ref}/y", b"", **copy),
            s3.delete(f"{ref}/x"),
            s3.post(f"{ref}/x", "uploads="),
        ):
            assert (reply.status, reply.code) == (405, "MethodNotAllowed"), reply.body
            assert "branch" in reply.text("Message")
    assert s3.get(f"{commit}/x").body == b"1"


def test_copies_carry_or_replace_metadata(s3: S3Lake) -> None:
    s3.put("main/x", b"data", x_amz_meta_a="1", content_type="text/x-a", x_amz_checksum_crc32=crc32(b"data"))
    commit = s3.commit()
    source = f"/{s3.repository}/main/x"
    made = s3.put("main/y", b"", x_amz_copy_source=source)
    assert made.text("ETag") == s3.head("main/x").headers["etag"]
    kept = s3.get("main/y", x_amz_checksum_mode="ENABLED")
    assert (kept.body, kept.headers["x-amz-meta-a"], kept.headers["content-type"]) == (b"data", "1", "text/x-a")
    assert kept.headers["x-amz-checksum-crc32"] == crc32(b"data")
    s3.put(
        "main/y", b"", x_amz_copy_source=f"{s3.repository}/main/y", x_amz_metadata_directive="REPLACE", x_amz_meta_b="2"
    )
    replaced = s3.get("main/y").headers
    assert replaced["x-amz-meta-b"] == "2"
    assert "x-amz-meta-a" not in replaced
    s3.put("main/x", b"newer")
    s3.put("main/old", b"", x_amz_copy_source=f"{source}?versionId={commit}")
    assert s3.get("main/old").body == b"data"
    refused = s3.put("main/z", b"", x_amz_copy_source=source, x_amz_copy_source_if_match='"other"')
    assert refused.code == "PreconditionFailed"
    assert s3.put("main/z", b"", x_amz_copy_source=f"/{s3.repository}/main/none").code == "NoSuchKey"
    taken = s3.put("main/y", b"", x_amz_copy_source=source, if_none_match="*")
    assert taken.code == "PreconditionFailed"


def test_deletes_are_quiet_about_what_is_not_there(s3: S3Lake) -> None:
    s3.put("main/x", b"1")
    assert s3.delete("main/x").status == 204
    assert s3.delete("main/x").status == 204
    assert s3.head("main/x").status == 404
    assert s3.delete("mian/x").code == "NoSuchKey"
    s3.put("main/y", b"1")
    objects = b"<Object><Key>main/y</Key></Object><Object><Key>main/../z</Key></Object>"
    body = b"<Delete><Quiet>true</Quiet>" + objects + b"</Delete>"
    for path in ("", "?"):
        reply = s3.post("", "delete" if path else "delete=", body, content_md5=md5(body))
        assert reply.status == 200
        assert reply.texts("Deleted") == []
        assert reply.texts("Code") == ["InvalidArgument"]
    assert s3.post("", "delete=", body, content_md5=md5(b"other")).code == "BadDigest"
    for bad in (b"", b"<Delete/>", b"<Other/>", b"<Delete>", b'<!DOCTYPE a [<!ENTITY b "c">]><Delete/>'):
        assert s3.post("", "delete=", bad).code == "MalformedXML"
    assert staged(s3) == []


def start_upload(lake: S3Lake, path: str, **headers: str) -> str:
    reply = lake.post(path, "uploads=", **headers)
    assert reply.status == 200, reply.body
    return reply.text("UploadId")


def completion(parts: list[tuple[int, str]]) -> bytes:
    lines = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>{etag}</ETag></Part>" for n, etag in parts)
    return f'<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{lines}</CompleteMultipartUpload>'.encode()


def test_multipart_uploads_from_start_to_end(s3: S3Lake) -> None:
    one, two = os.urandom(PART), b"end"
    upload = start_upload(s3, "main/big", content_type="text/x-big", x_amz_meta_a="1")
    second = s3.put("main/big", two, f"partNumber=2&uploadId={upload}").headers["etag"]
    first = s3.put("main/big", one, f"partNumber=1&uploadId={upload}", x_amz_checksum_crc32=crc32(one)).headers["etag"]
    assert s3.head("main/big").status == 404
    listed = s3.get("main/big", f"uploadId={upload}&max-parts=1")
    assert (listed.texts("PartNumber"), listed.text("NextPartNumberMarker")) == (["1"], "1")
    assert listed.text("ChecksumCRC32") == crc32(one)
    for query in ("uploads", "uploads=", "uploads=&prefix=main%2Fb"):
        assert s3.get("", query).texts("UploadId") == [upload]
    assert s3.get("", "uploads=&prefix=main%2Fc").texts("UploadId") == []
    body = completion([(1, first), (2, second)])
    done = s3.post("main/big", f"uploadId={upload}", body)
    assert done.body.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n<CompleteMultipartUploadResult')
    digest = hashlib.md5(hashlib.md5(one).digest() + hashlib.md5(two).digest()).hexdigest()
    assert done.text("ETag") == f'"{digest}-2"'
    found = s3.get("main/big")
    assert found.body == one + two
    assert (found.headers["content-type"], found.headers["x-amz-meta-a"]) == ("text/x-big", "1")
    # The reply was lost, and the client asks again.
    again = s3.post("main/big", f"uploadId={upload}", body)
    assert (again.status, again.text("ETag")) == (200, done.text("ETag"))
    assert s3.get("", "uploads").texts("UploadId") == []


def test_multipart_uploads_are_refused_and_aborted(s3: S3Lake) -> None:
    upload = start_upload(s3, "main/x")
    small = s3.put("main/x", b"small", f"partNumber=1&uploadId={upload}").headers["etag"]
    last = s3.put("main/x", b"last", f"partNumber=2&uploadId={upload}").headers["etag"]
    ask = f"uploadId={upload}"
    for body, code in (
        (completion([(1, small), (2, last)]), "InvalidPart"),
        (completion([(2, last), (1, small)]), "InvalidPart"),
        (completion([(3, small)]), "InvalidPart"),
        (completion([(1, '"wrong"')]), "InvalidPart"),
        (completion([]), "InvalidPart"),
        (b"<Complete/>", "MalformedXML"),
    ):
        assert s3.post("main/x", ask, body).code == code
    assert s3.post("main/x", ask, completion([(1, small)]), x_amz_mp_object_size="9").code == "IncompleteBody"
    for number in ("0", "10001", "x"):
        assert s3.put("main/x", b"1", f"partNumber={number}&uploadId={upload}").code == "InvalidArgument"
    assert s3.put("main/other", b"1", f"partNumber=1&uploadId={upload}").code == "NoSuchUpload"
    s3.put("main/x", b"there")
    taken = s3.post("main/x", ask, completion([(1, small)]), if_none_match="*")
    assert (taken.status, taken.code) == (412, "PreconditionFailed")
    assert s3.get("main/x").body == b"there"
    assert s3.delete("main/x", ask).status == 204
    for reply in (s3.delete("main/x", ask), s3.get("main/x", ask), s3.put("main/x", b"1", f"partNumber=1&{ask}")):
        assert (reply.status, reply.code) == (404, "NoSuchUpload")
    assert s3.post("main/x", ask, completion([(1, small)])).code == "NoSuchUpload"


def test_parts_are_copied_from_objects(s3: S3Lake) -> None:
    data = os.urandom(PART + 100)
    s3.put("main/source", data)
    upload = start_upload(s3, "main/x")
    source = f"/{s3.repository}/main/source"
    ask = f"uploadId={upload}"
    one = s3.put(
        "main/x", b"", f"partNumber=1&{ask}", x_amz_copy_source=source, x_amz_copy_source_range=f"bytes=0-{PART - 1}"
    )
    two = s3.put("main/x", b"", f"partNumber=2&{ask}", x_amz_copy_source=source)
    beyond = s3.put(
        "main/x", b"", f"partNumber=3&{ask}", x_amz_copy_source=source, x_amz_copy_source_range="bytes=5-9999999"
    )
    assert beyond.code == "InvalidArgument"
    done = s3.post("main/x", ask, completion([(1, one.text("ETag")), (2, two.text("ETag"))]))
    assert done.status == 200, done.body
    assert s3.get("main/x").body == data[:PART] + data


def test_what_a_write_asks_for_in_vain_is_refused_by_name(s3: S3Lake) -> None:
    for name, value in (
        ("x-amz-server-side-encryption", "aws:kms"),
        ("x-amz-tagging", "a=b"),
        ("x-amz-acl", "public-read"),
        ("x-amz-object-lock-mode", "GOVERNANCE"),
    ):
        reply = s3.ask(Request("PUT", f"/{s3.repository}/main/x", headers={name: value}, body=b"1"))
        assert (reply.status, reply.code) == (501, "NotImplemented")
    assert staged(s3) == []


def test_a_published_delta_version_is_never_rewritten_and_a_retry_is_answered(s3: S3Lake) -> None:
    path = "main/t/_delta_log/00000000000000000000.json"
    schema = r"{\"type\":\"struct\",\"fields\":[]}"
    log = (
        '{"protocol":{"minReaderVersion":1,"minWriterVersion":2}}\n{"metaData":{"id":"1","format":{"provider":"parquet",'
        f'"options":{{}}}},"schemaString":"{schema}","partitionColumns":[],"configuration":{{}}}}}}\n'
    ).encode()
    assert s3.put(path, log, if_none_match="*").status == 200
    assert s3.put(path, log, if_none_match="*").status == 200
    other = s3.put(path, log.replace(b'"1"', b'"2"'))
    assert (other.status, other.code) == (412, "PreconditionFailed")


def test_memory_does_not_grow_with_the_object(s3: S3Lake, server_process: object, tmp_path: Path) -> None:
    size = 300 << 20
    pid = server_process.pid  # type: ignore[attr-defined]
    piece = os.urandom(1 << 20)
    s3.put("main/warm", piece * 2)
    s3.get("main/warm")
    before = _peak_kib(pid, reset=True)
    request = Request("PUT", f"/{s3.repository}/main/huge", payload="UNSIGNED-PAYLOAD")
    headers = signed_headers(request, s3.host, _key(s3)) | {"content-length": str(size)}
    host, port = s3.host.split(":")
    with socket.create_connection((host, int(port)), timeout=60) as client:
        lines = [f"PUT {request.path} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items()), "connection: close"]
        client.sendall("\r\n".join([*lines, "", ""]).encode())
        for _ in range(size // len(piece)):
            client.sendall(piece)
        assert b" 200 " in client.recv(4096)
    received = 0
    request = Request("GET", f"/{s3.repository}/main/huge")
    headers = signed_headers(request, s3.host, _key(s3))
    with socket.create_connection((host, int(port)), timeout=60) as client:
        lines = [f"GET {request.path} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items()), "connection: close"]
        client.sendall("\r\n".join([*lines, "", ""]).encode())
        while data := client.recv(1 << 20):
            received += len(data)
    assert received > size
    assert _peak_kib(pid) - before < 60 << 10


def _peak_kib(pid: int, *, reset: bool = False) -> int:
    """The most memory a process held, in KiB, since the last reset."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        pytest.skip("needs Linux's /proc to measure another process")
    if reset:
        Path(f"/proc/{pid}/clear_refs").write_text("5")
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
    assert found is not None
    return int(found[1])


def _key(lake: S3Lake) -> tuple[str, str]:
    return lake.access_key_id, lake.secret_access_key

"""What users send wrong, at the doors REST and S3: each is refused by its own code, and the lake stays as it was.

What a server can do nothing about (a full disk, a database that is gone, a newer lake) is in
tests/faults/test_bad_surroundings.py; the command line's half is in tests/cli/test_bad_input.py.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from lakegate.objectstore.keys import TEMPORARY_PREFIX
from lakegate.testing.lake_state import LakeState, changes, lake_state
from lakegate.testing.s3 import Request, S3Lake, signed_headers
from lakegate.testing.web import web

ID = "0" * 64
BAD_BRANCHES = ["a/b", "-a", ".a", "a b", "a~1", "a^1", "a@{1}", "a\0", "", ID, "a" * 256, "é/ü"]
BAD_REPOSITORIES = ["ab", "Sales", "-sales", "sa_les", "sales.main", "a" * 64, "ümlaut", "", "sales\0"]
BAD_PATHS = ["", "/a", "a//b", "..", "../a", "a/../b", "a/..", "./a", "a\0b", "a\nb", "x" * 1025, "é" * 513]
GOOD_PATHS = ["x" * 1024, "é" * 512, "...", "..a/b..", "e\u0301", "é", "😀", "\u202eabc", "\ufeffa", "a\u00a0b"]


@dataclass(frozen=True, slots=True)
class Doors:
    """A repository with one commit, a branch `exp` one commit ahead, a tag, and an uncommitted object on `main`."""

    http: httpx.Client
    s3: S3Lake
    home: Path

    @property
    def repository(self) -> str:
        return f"/repositories/{self.s3.repository}"

    def rest(self, method: str, route: str, body: Any = None, **params: str) -> tuple[int, str]:
        """Asks below the repository (with a leading "//": below the API); returns status and code."""
        url = route[1:] if route.startswith("//") else self.repository + route
        content = body if isinstance(body, bytes) else None
        document = None if isinstance(body, bytes) else body
        answer = self.http.request(method, url, params=params or None, json=document, content=content)
        if answer.status_code < 400:
            return answer.status_code, ""
        told = answer.json()
        assert told["message"]
        assert told["hint"], told
        assert told["message"].endswith(told["hint"])
        return answer.status_code, told["code"]


@pytest.fixture(scope="module")
def opened(server: Any) -> Iterator[Doors]:
    auth = (server.access_key_id, server.secret_access_key)
    s3 = S3Lake(server.url, "sales", *auth)
    with httpx.Client(base_url=f"{server.url}/api/v1", auth=auth, timeout=60) as http:
        doors = Doors(http, s3, server.home)
        assert doors.rest("POST", "//repositories", {"name": "sales"})[0] == 201
        assert s3.put("main/a", b"one").status == 200
        s3.commit()
        assert doors.rest("POST", "/branches", {"name": "exp", "source": "main"})[0] == 201
        assert s3.put("exp/a", b"two").status == 200
        s3.commit("exp")
        assert doors.rest("POST", "/tags", {"id": "v1", "ref": "main"})[0] == 201
        assert s3.put("main/dirty", b"uncommitted").status == 200
        yield doors


@pytest.fixture
def doors(opened: Doors) -> Iterator[Doors]:
    """The same doors for every test, each of which must leave what is behind them as it was."""
    before = settled(opened.home, lambda state: not any(TEMPORARY_PREFIX in file for file in state.files))
    yield opened
    after = settled(opened.home, lambda state: changes(before, state) == [])
    assert changes(before, after) == []


def settled(home: Path, is_settled: Callable[[LakeState], bool]) -> LakeState:
    """Waits: a server learns a moment later that a client is gone, and then removes what it began to write."""
    deadline = time.monotonic() + 30
    while not is_settled(state := lake_state(home)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return state


# -- unknown refs -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("GET", "/branches/none", None, "branch_not_found"),
        ("DELETE", "/branches/none", None, "branch_not_found"),
        ("GET", "/branches/none/diff", None, "branch_not_found"),
        ("PUT", "/branches/none", {"type": "reset"}, "branch_not_found"),
        ("POST", "/branches/none/commits", {"message": "x"}, "branch_not_found"),
        ("POST", "/branches/none/objects?path=a", b"1", "branch_not_found"),
        ("DELETE", "/branches/none/objects?path=a", None, "branch_not_found"),
        ("POST", "/branches/none/objects/copy?dest_path=b", {"src_path": "a", "src_ref": "main"}, "branch_not_found"),
        ("POST", "/branches/exp/objects/copy?dest_path=b", {"src_path": "a", "src_ref": "none"}, "ref_not_found"),
        ("POST", "/branches/none/rollback", {"to": "main"}, "branch_not_found"),
        ("POST", "/branches/exp/rollback", {"to": "none"}, "ref_not_found"),
        ("POST", "/branches/none/revert", {"ref": "main", "parent_number": 1}, "branch_not_found"),
        ("POST", "/branches/exp/revert", {"ref": "none", "parent_number": 1}, "ref_not_found"),
        ("POST", "/branches/exp/cherry-pick", {"ref": "none"}, "ref_not_found"),
        ("POST", "/branches", {"name": "new", "source": "none"}, "ref_not_found"),
        ("POST", "/branches", {"name": "new", "source": "main~9"}, "ref_not_found"),
        ("POST", "/tags", {"id": "new", "ref": "none"}, "ref_not_found"),
        ("GET", "/tags/none", None, "tag_not_found"),
        ("DELETE", "/tags/none", None, "tag_not_found"),
        ("GET", f"/commits/{ID}", None, "commit_not_found"),
        ("GET", "/refs/none/commits", None, "ref_not_found"),
        ("GET", "/refs/none/objects?path=a", None, "ref_not_found"),
        ("GET", "/refs/none/objects/ls", None, "ref_not_found"),
        ("GET", "/refs/main/diff/none", None, "ref_not_found"),
        ("POST", "/refs/none/merge/exp", {}, "ref_not_found"),
        ("POST", "/refs/main/merge/none", {}, "branch_not_found"),
        ("GET", "/refs/none/tables", None, "ref_not_found"),
        ("GET", "/refs/none/pin", None, "ref_not_found"),
        ("GET", "//repositories/nosuch/branches", None, "repository_not_found"),
    ],
)
def test_unknown_refs_over_rest(doors: Doors, method: str, path: str, body: Any, code: str) -> None:
    assert doors.rest(method, path, body) == (404, code)


def test_unknown_refs_over_s3(doors: Doors) -> None:
    s3 = doors.s3
    source = {"x_amz_copy_source": "/sales/none/a"}
    for reply in (
        s3.get("none/a"),
        s3.put("none/a", b"1"),
        s3.put("none/a", b"1" * (2 << 20)),
        s3.put("exp/b", b"", **source),
        s3.delete("none/a"),
        s3.post("none/a", "uploads="),
        s3.get("main~9/a"),
        s3.get(f"{ID}/a"),
    ):
        assert (reply.status, reply.code) == (404, "NoSuchKey"), reply.body
        assert reply.text("Message")
    assert s3.head("none/a").status == 404
    assert s3.get("", "list-type=2&prefix=none%2F").status == 404
    for request in (
        Request("GET", "/nosuch/main/a"),
        Request("PUT", "/nosuch/main/a", body=b"1"),
        Request("GET", "/sales.none/", "list-type=2"),
        Request("PUT", "/sales.none/a", body=b"1"),
    ):
        assert s3.ask(request).code == "NoSuchBucket"


# -- names and paths --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BAD_BRANCHES)
def test_names_of_branches_and_tags_outside_the_rules(doors: Doors, name: str) -> None:
    assert doors.rest("POST", "/branches", {"name": name, "source": "main"}) == (400, "invalid_name")
    assert doors.rest("POST", "/tags", {"id": name, "ref": "main"}) == (400, "invalid_name")
    if name:  # an empty default branch is one that was not given
        new = {"name": "other", "default_branch": name}
        assert doors.rest("POST", "//repositories", new) == (400, "invalid_name")


@pytest.mark.parametrize("name", BAD_REPOSITORIES)
def test_names_of_repositories_outside_the_rules(doors: Doors, name: str) -> None:
    assert doors.rest("POST", "//repositories", {"name": name}) == (400, "invalid_name")
    if name and name != "sales.main":  # a bucket of this name is the branch `main` of `sales`
        reply = doors.s3.ask(Request("PUT", f"/{quote(name, safe='')}"))
        assert (reply.status, reply.code) == (400, "InvalidBucketName"), reply.body


@pytest.mark.parametrize("path", BAD_PATHS)
def test_paths_outside_the_rules(doors: Doors, path: str) -> None:
    for method, route in (
        ("POST", "/branches/exp/objects"),
        ("DELETE", "/branches/exp/objects"),
        ("GET", "/refs/exp/objects"),
        ("GET", "/refs/exp/objects/stat"),
    ):
        body = b"1" if method == "POST" else None
        assert doors.rest(method, route, body, path=path) == (400, "invalid_path"), (method, route)
    copy = {"src_path": "a", "src_ref": "main"}
    assert doors.rest("POST", "/branches/exp/objects/copy", copy, dest_path=path) == (400, "invalid_path")
    key = f"exp/{quote(path, safe='/')}"
    for reply in (doors.s3.put(key, b"1"), doors.s3.put(key, b"", x_amz_copy_source="/sales/main/a")):
        assert (reply.status, reply.code) == (400, "InvalidArgument"), reply.body
        assert reply.text("Message")
    if path:  # `exp/` alone is the folder of the branch, and there is nothing to upload to it
        assert doors.s3.post(key, "uploads=").code == "InvalidArgument"


@pytest.mark.parametrize("path", ["a%FF", "%ED%A0%80", "%C0%AE%C0%AE/a"])
def test_paths_that_are_no_unicode(doors: Doors, path: str) -> None:
    """A byte that UTF-8 does not know, a lone surrogate, and `..` in an overlong form."""
    reply = doors.s3.put(f"exp/{path}", b"1")
    assert (reply.status, reply.code) in ((400, "InvalidURI"), (400, "InvalidArgument"))
    url = f"{doors.http.base_url}{doors.repository[1:]}/branches/exp/objects?path={path}"
    answer = doors.http.post(url, content=b"1")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_path")
    for body in (b'{"src_path": "a", "src_ref": "main\xff"}', b'{"src_path": "\\ud800", "src_ref": "main"}'):
        answer = doors.http.post(
            f"{doors.repository}/branches/exp/objects/copy?dest_path=b",
            content=body,
            headers={"content-type": "application/json"},
        )
        assert answer.status_code == 400, answer.text
        assert answer.json()["code"] in ("invalid_argument", "invalid_path")


def test_odd_paths_within_the_rules_are_kept_as_they_are(opened: Doors) -> None:
    """Paths are bytes: two forms of one letter are two paths, and none is normalized."""
    assert opened.rest("POST", "/branches", {"name": "odd", "source": "main"})[0] == 201
    for number, path in enumerate(GOOD_PATHS):
        if number % 2:
            assert opened.rest("POST", "/branches/odd/objects", path.encode(), path=path)[0] == 201
        else:
            assert opened.s3.put(f"odd/{quote(path, safe='/')}", path.encode()).status == 200
    listed = opened.s3.get("", "list-type=2&prefix=odd%2F").texts("Key")
    assert listed == sorted([*(f"odd/{path}" for path in GOOD_PATHS), "odd/a"], key=str.encode)
    for path in GOOD_PATHS:
        assert opened.http.get(f"{opened.repository}/refs/odd/objects", params={"path": path}).content == path.encode()
    assert opened.rest("DELETE", "/branches/odd")[0] == 204


# -- bodies -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [1000, 3 << 20])
def test_a_body_shorter_than_its_length(doors: Doors, length: int) -> None:
    """The client dies in the middle of its body: by a closed half of the connection, and by a reset."""
    s3 = doors.s3
    signed = Request("PUT", "/sales/exp/short", payload="UNSIGNED-PAYLOAD")
    part = Request("PUT", "/sales/exp/a", payload="UNSIGNED-PAYLOAD")
    basic = httpx.BasicAuth(s3.access_key_id, s3.secret_access_key)
    asked = next(basic.auth_flow(httpx.Request("POST", s3.url)))
    upload = f"/api/v1{doors.repository}/branches/exp/objects?path=short"
    key = (s3.access_key_id, s3.secret_access_key)
    for line, headers in (
        (f"PUT {signed.path}", signed_headers(signed, s3.host, key)),
        (f"PUT {part.path}", signed_headers(part, s3.host, key)),
        (f"POST {upload}", {"host": s3.host, "authorization": asked.headers["authorization"]}),
    ):
        lines = [f"{line} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items()), f"content-length: {length}", "", ""]
        host, port = s3.host.split(":")
        for is_reset in (False, True):
            with socket.create_connection((host, int(port)), timeout=30) as client:
                client.sendall("\r\n".join(lines).encode() + b"x" * (length // 2))
                if is_reset:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                else:
                    client.shutdown(socket.SHUT_WR)
                    answer = b""
                    while piece := client.recv(4096):
                        answer += piece
                    assert b" 200 " not in answer
                    assert b" 201 " not in answer
    assert s3.get("exp/a").body == b"two"
    assert s3.head("exp/short").status == 404


def test_checksums_that_do_not_match(doors: Doors) -> None:
    wrong = "AAAAAA=="
    md5 = "1B2M2Y8AsgTpgAmY7PhCfg=="
    for headers, code in (
        ({"x_amz_checksum_crc32": wrong}, "BadDigest"),
        ({"content_md5": md5}, "BadDigest"),
        ({"content_md5": "short"}, "InvalidDigest"),
    ):
        for body in (b"data", b"data" * (1 << 19)):
            reply = doors.s3.put("exp/a", body, **headers)
            assert (reply.status, reply.code) == (400, code)
    other = Request("PUT", "/sales/exp/a", body=b"sent", payload="0" * 64)
    assert doors.s3.ask(other).code == "XAmzContentSHA256Mismatch"
    answer = doors.http.post(
        f"{doors.repository}/branches/exp/objects", params={"path": "a"}, content=b"x", headers={"content-md5": md5}
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "checksum_mismatch")


# -- who asks ---------------------------------------------------------------------------------------------------------


def test_wrong_signatures_and_clocks(doors: Doors) -> None:
    stranger = replace(doors.s3, secret_access_key="another-secret")
    for method, path in (("PUT", "exp/a"), ("DELETE", "exp/a"), ("POST", "exp/a?uploads="), ("GET", "exp/a")):
        path, _, query = path.partition("?")
        request = Request(method, f"/sales/{path}", query, body=b"changed" if method == "PUT" else b"")
        reply = stranger.ask(request)
        assert (reply.status, reply.code) == (403, "SignatureDoesNotMatch")
        for age in (20 * 60, -20 * 60):
            reply = doors.s3.ask(replace(request, age=age))
            assert (reply.status, reply.code) == (403, "RequestTimeTooSkewed")
            assert "clock" in reply.text("Message")
    for key in (("LGTESTKEY", "another-secret"), ("LGUNKNOWN", "a-secret-for-tests-only")):
        answer = web.post(
            f"{doors.http.base_url}{doors.repository[1:]}/branches/exp/objects?path=a", auth=key, content=b"changed"
        )
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_access_key")


# -- states that forbid it --------------------------------------------------------------------------------------------


def test_nothing_to_commit(doors: Doors) -> None:
    assert doors.rest("POST", "/branches/exp/commits", {"message": "x"}) == (400, "nothing_to_commit")
    back_to_what_was = doors.s3.put("exp/a", b"", x_amz_copy_source="/sales/exp/a")
    assert back_to_what_was.status == 200
    assert doors.rest("POST", "/branches/exp/commits", {"message": "x"}) == (400, "nothing_to_commit")
    assert doors.rest("PUT", "/branches/exp", {"type": "reset"})[0] == 204


def test_a_merge_into_a_dirty_branch(doors: Doors) -> None:
    assert doors.rest("POST", "/refs/exp/merge/main", {}) == (400, "dirty_branch")
    assert doors.rest("POST", "/refs/exp/merge/main", {"strategy": "source-wins"}) == (400, "dirty_branch")
    assert doors.s3.get("main/dirty").body == b"uncommitted"


def test_a_storage_namespace_in_use(doors: Doors) -> None:
    """By a repository of this lake: at the same place, at one below it, and at one above it."""
    place = doors.http.get(doors.repository).json()["storage_namespace"]
    for taken in (place, f"{place}/", f"{place}/deeper", place.rpartition("/")[0]):
        new = {"name": "other", "storage_namespace": taken}
        assert doors.rest("POST", "//repositories", new) == (409, "namespace_in_use"), taken


def test_a_storage_namespace_of_another_lake(doors: Doors, tmp_path: Path) -> None:
    from lakegate.lake import EmbeddedLake

    place = tmp_path / "place"
    with EmbeddedLake.create(tmp_path / "lake") as other:
        other.create_repository("sales", place.as_uri())
        before = lake_state(tmp_path / "lake", place)
        for name in ("sales", "other"):
            new = {"name": name, "storage_namespace": place.as_uri()}
            expected = "repository_exists" if name == "sales" else "namespace_in_use"
            assert doors.rest("POST", "//repositories", new) == (409, expected)
        assert changes(before, lake_state(tmp_path / "lake", place)) == []


# -- Delta logs -------------------------------------------------------------------------------------------------------


def delta_log(path: str) -> bytes:
    schema = json.dumps({"type": "struct", "fields": []})
    table = {"id": "1", "format": {"provider": "parquet", "options": {}}, "schemaString": schema}
    lines: tuple[dict[str, Any], ...] = (
        {"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}},
        {"metaData": {**table, "partitionColumns": [], "configuration": {}}},
        {"add": {"path": path, "partitionValues": {}, "size": 1, "modificationTime": 1, "dataChange": True}},
    )
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


ABSOLUTE = ["file:///etc/passwd", "s3://other/x.parquet", "/etc/passwd", "../other/x.parquet"]


@pytest.mark.parametrize("path", ABSOLUTE)
def test_a_delta_log_with_absolute_paths(doors: Doors, path: str) -> None:
    log = "t/_delta_log/00000000000000000000.json"
    for headers in ({}, {"if_none_match": "*"}):
        reply = doors.s3.put(f"exp/{log}", delta_log(path), **headers)
        assert (reply.status, reply.code) == (403, "AccessDenied")
        assert path in reply.text("Message")
    refused = doors.rest("POST", "/branches/exp/objects", delta_log(path), path=log)
    assert refused == (403, "delta_path_forbidden")


@pytest.mark.parametrize("path", ABSOLUTE)
def test_an_import_of_a_delta_log_with_absolute_paths(opened: Doors, tmp_path: Path, path: str) -> None:
    """No ref moves; tree nodes that were written before the log was read are garbage that nothing names."""
    before = lake_state(opened.home).refs
    (tmp_path / "t/_delta_log").mkdir(parents=True)
    (tmp_path / "t/_delta_log/00000000000000000000.json").write_bytes(delta_log(path))
    request = {
        "paths": [{"type": "common_prefix", "path": tmp_path.as_uri(), "destination": "in"}],
        "commit": {"message": "imported"},
    }
    job = opened.http.post(f"{opened.repository}/branches/exp/import", json=request).json()["id"]
    ended = wait(lambda: opened.http.get(f"{opened.repository}/branches/exp/import", params={"id": job}).json())
    assert path in ended["error"]["message"]
    assert lake_state(opened.home).refs == before


def wait(ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    for _ in range(600):
        found = ask()
        if found["completed"] or found.get("error"):
            return found
        time.sleep(0.05)
    raise AssertionError("the job does not end")

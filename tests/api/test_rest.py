"""The REST API over HTTP, where no client package looks: conditions, ranges, forms, errors, sessions."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from lakegate.testing.web import web

_names = count(1)


@pytest.fixture(scope="module")
def http(server: Any) -> Iterator[httpx.Client]:
    auth = (server.access_key_id, server.secret_access_key)
    with httpx.Client(base_url=f"{server.url}/api/v1", auth=auth, timeout=30) as client:
        yield client


@pytest.fixture
def repo(http: httpx.Client) -> str:
    name = f"sales-{next(_names)}"
    assert http.post("/repositories", json={"name": name}).status_code == 201
    return f"/repositories/{name}"


def put(http: httpx.Client, repo: str, path: str, body: bytes = b"x", **headers: str) -> httpx.Response:
    shown = {key.replace("_", "-"): value for key, value in headers.items()}
    return http.post(f"{repo}/branches/main/objects", params={"path": path}, content=body, headers=shown)


def get(http: httpx.Client, repo: str, path: str, **headers: str) -> httpx.Response:
    shown = {key.replace("_", "-"): value for key, value in headers.items()}
    return http.get(f"{repo}/refs/main/objects", params={"path": path}, headers=shown)


def commit(http: httpx.Client, repo: str, message: str, branch: str = "main") -> dict[str, Any]:
    answer = http.post(f"{repo}/branches/{branch}/commits", json={"message": message})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


# -- objects ----------------------------------------------------------------------------------------------------------


def test_a_repository_without_a_namespace_lies_in_the_lakes_base(http: httpx.Client, repo: str) -> None:
    found = http.get(repo).json()
    assert found["storage_namespace"].endswith(f"/data/{found['id']}")


def test_the_two_forms_of_an_upload_store_the_same(http: httpx.Client, repo: str) -> None:
    body = bytes(range(256)) * 5000
    raw = put(http, repo, "raw", body, content_type="image/png").json()
    file = {"content": ("name.png", body, "image/png")}
    form = http.post(f"{repo}/branches/main/objects", params={"path": "form"}, files=file).json()
    assert raw["checksum"] == form["checksum"] == hashlib.md5(body).hexdigest()
    assert raw["digest"] == form["digest"] == f"sha256:{hashlib.sha256(body).hexdigest()}"
    assert raw["content_type"] == form["content_type"] == "image/png"
    assert get(http, repo, "form").content == body


@pytest.mark.parametrize(
    ("files", "content", "kind"),
    [
        ({"other": ("a", b"1")}, None, None),
        (None, b"--b\r\nContent-Disposition: form-data; name=content\r\n\r\ncut", "multipart/form-data; boundary=b"),
        (None, b"no form at all", "multipart/form-data; boundary=b"),
        (None, b"", "multipart/form-data"),
    ],
)
def test_a_form_that_is_none_is_refused(
    http: httpx.Client, repo: str, files: Any, content: bytes | None, kind: str | None
) -> None:
    headers = {"content-type": kind} if kind else {}
    route = f"{repo}/branches/main/objects"
    answer = http.post(route, params={"path": "a"}, files=files, content=content, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["code"] in ("invalid_argument", "incomplete_body")
    assert get(http, repo, "a").status_code == 404


def test_conditional_writes(http: httpx.Client, repo: str) -> None:
    first = put(http, repo, "a", b"1", if_none_match="*")
    assert first.status_code == 201
    taken = put(http, repo, "a", b"2", if_none_match="*")
    assert (taken.status_code, taken.json()["code"]) == (412, "precondition_failed")
    etag = first.json()["checksum"]
    assert put(http, repo, "a", b"3", if_match=f'"{etag}"').status_code == 201
    assert put(http, repo, "a", b"4", if_match=f'"{etag}"').status_code == 412
    assert put(http, repo, "a", b"5", if_none_match='"x"').status_code == 400
    assert get(http, repo, "a").content == b"3"


def test_checksums_of_uploads_are_checked(http: httpx.Client, repo: str) -> None:
    good = base64.b64encode(hashlib.md5(b"body").digest()).decode()
    assert put(http, repo, "a", b"body", content_md5=good).status_code == 201
    bad = put(http, repo, "b", b"other", content_md5=good)
    assert (bad.status_code, bad.json()["code"]) == (400, "checksum_mismatch")
    digest = base64.b64encode(hashlib.sha256(b"body").digest()).decode()
    assert put(http, repo, "c", b"body", content_digest=f"sha-256=:{digest}:").status_code == 201
    assert put(http, repo, "d", b"other", content_digest=f"sha-256=:{digest}:").status_code == 400
    listed = http.get(f"{repo}/refs/main/objects/ls").json()["results"]
    assert [item["path"] for item in listed] == ["a", "c"]


def test_ranges_and_conditions_of_reads(http: httpx.Client, repo: str) -> None:
    etag = put(http, repo, "a", b"0123456789").json()["checksum"]
    assert get(http, repo, "a").headers["etag"] == f'"{etag}"'
    part = get(http, repo, "a", range="bytes=2-4")
    assert (part.status_code, part.content) == (206, b"234")
    assert part.headers["content-range"] == "bytes 2-4/10"
    assert get(http, repo, "a", range="bytes=-3").content == b"789"
    assert get(http, repo, "a", range="bytes=8-99").content == b"89"
    assert get(http, repo, "a", range="bytes=1-2,4-5").status_code == 200
    beyond = get(http, repo, "a", range="bytes=10-")
    assert (beyond.status_code, beyond.json()["code"]) == (416, "invalid_range")
    assert beyond.headers["content-range"] == "bytes */10"
    assert get(http, repo, "a", if_none_match=f'"{etag}"').status_code == 304
    assert get(http, repo, "a", if_none_match='"other"').status_code == 200
    assert get(http, repo, "a", if_match='"other"').status_code == 412
    head = http.head(f"{repo}/refs/main/objects", params={"path": "a"}, headers={"range": "bytes=0-0"})
    assert (head.status_code, head.headers["content-length"], head.content) == (206, "1", b"")
    missing = http.head(f"{repo}/refs/main/objects", params={"path": "none"})
    assert (missing.status_code, missing.content) == (404, b"")


def test_kept_headers_and_user_metadata_come_back(http: httpx.Client, repo: str) -> None:
    kept = {"cache-control": "no-store", "content-disposition": "attachment"}
    written = put(
        http, repo, "a", x_lakegate_headers=json.dumps(kept), x_lakegate_metadata=json.dumps({"naïve": "ключ"})
    ).json()
    assert written["metadata"] == {"naïve": "ключ"}
    read = get(http, repo, "a")
    assert {name: read.headers[name] for name in kept} == kept
    assert "sandbox" in read.headers["content-security-policy"]


@pytest.mark.parametrize("path", ["", "/a", "a//b", "a/../b", "..", "a\0b", "x" * 1025])
def test_bad_paths_are_refused(http: httpx.Client, repo: str, path: str) -> None:
    answer = put(http, repo, path)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_path")


def test_delete_many_says_what_failed(http: httpx.Client, repo: str) -> None:
    put(http, repo, "a")
    answer = http.post(f"{repo}/branches/main/objects/delete", json={"paths": ["a", "none", "../b"]}).json()
    assert [(failure["path"], failure["status_code"]) for failure in answer["errors"]] == [("../b", 400)]
    assert get(http, repo, "a").status_code == 404


# -- merges, rollbacks, pins ------------------------------------------------------------------------------------------


def diverge(http: httpx.Client, repo: str) -> None:
    put(http, repo, "a", b"base")
    commit(http, repo, "base")
    http.post(f"{repo}/branches", json={"name": "exp", "source": "main"})
    http.post(f"{repo}/branches/exp/objects", params={"path": "a"}, content=b"exp")
    commit(http, repo, "exp", "exp")
    put(http, repo, "a", b"main")
    commit(http, repo, "main")


def test_a_conflict_lists_every_conflict_and_resolutions_settle_it(http: httpx.Client, repo: str) -> None:
    diverge(http, repo)
    route = f"{repo}/refs/exp/merge/main"
    refused = http.post(route)
    assert refused.status_code == 409
    body = refused.json()
    assert (body["code"], body["reference"]) == ("merge_conflict", "")
    conflict = body["conflicts"][0]
    assert (conflict["type"], conflict["path"], conflict["table"]) == ("object_changed", "a", None)
    assert conflict["source"]["etag"] != conflict["destination"]["etag"]
    dry = http.post(route, json={"dry_run": True}).json()
    assert (dry["commit"], [found["path"] for found in dry["conflicts"]]) == (None, ["a"])
    settled = {"resolutions": [{"path": "a", "take": "source"}]}
    assert http.post(route, json={**settled, "dry_run": True}).json()["conflicts"] == []
    assert get(http, repo, "a").content == b"main"
    merged = http.post(route, json=settled)
    assert merged.status_code == 200
    assert merged.json()["reference"] == merged.json()["commit"]["id"]
    assert get(http, repo, "a").content == b"exp"


@pytest.mark.parametrize(
    "resolution", [{"take": "source"}, {"path": "a", "table": "b", "take": "source"}, {"path": "a"}]
)
def test_half_a_resolution_is_refused(http: httpx.Client, repo: str, resolution: dict[str, str]) -> None:
    diverge(http, repo)
    answer = http.post(f"{repo}/refs/exp/merge/main", json={"resolutions": [resolution]})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_argument")


def test_rollback_dry_and_real(http: httpx.Client, repo: str) -> None:
    put(http, repo, "a", b"good")
    good = commit(http, repo, "good")["id"]
    put(http, repo, "a", b"bad")
    bad = commit(http, repo, "bad")["id"]
    route = f"{repo}/branches/main/rollback"
    dry = http.post(route, json={"to": good, "dry_run": True})
    assert (dry.status_code, dry.json()["commit"], dry.json()["changes"]["changed"]) == (200, None, 1)
    done = http.post(route, json={"to": good, "message": "back"})
    assert (done.status_code, done.json()["commit"]["parents"]) == (201, [bad])
    assert get(http, repo, "a").content == b"good"
    again = http.post(route, json={"to": good})
    assert (again.status_code, again.json()["code"]) == (400, "nothing_to_roll_back")


def test_pins_and_holds(http: httpx.Client, repo: str) -> None:
    put(http, repo, "a")
    tip = commit(http, repo, "first")["id"]
    assert http.get(f"{repo}/refs/main/pin").json()["commit_id"] == tip
    assert http.get(f"{repo}/holds").json()["results"] == []
    held = http.post(f"{repo}/refs/main/pin", json={"hold": "train"})
    assert held.status_code == 201
    hold = http.get(f"{repo}/holds").json()["results"][0]
    assert (hold["id"], hold["commit_id"], hold["name"]) == (held.json()["hold_id"], tip, "train")
    assert http.delete(f"{repo}/holds/{hold['id']}").status_code == 204
    assert http.delete(f"{repo}/holds/{hold['id']}").json()["code"] == "hold_not_found"


# -- jobs -------------------------------------------------------------------------------------------------------------


def ended(http: httpx.Client, repo: str, job: str) -> dict[str, Any]:
    for _ in range(600):
        found = http.get(f"{repo}/jobs/{job}").json()
        if found["state"] != "running":
            return dict(found)
        time.sleep(0.05)
    raise AssertionError("the job does not end")


def test_an_export_is_a_job(http: httpx.Client, repo: str, tmp_path: Path) -> None:
    put(http, repo, "a/1", b"one")
    put(http, repo, "b/2", b"two")
    commit(http, repo, "first")
    started = http.post(f"{repo}/refs/main/export", json={"destination": f"local://{tmp_path}/out", "prefix": "a/"})
    assert started.status_code == 202
    job = ended(http, repo, started.json()["id"])
    assert (job["state"], job["kind"], job["result"]["objects"]) == ("done", "export", 1)
    assert (tmp_path / "out" / "1").read_bytes() == b"one"
    assert [found["id"] for found in http.get(f"{repo}/jobs").json()["results"]] == [job["id"]]
    late = http.delete(f"{repo}/jobs/{job['id']}")
    assert (late.status_code, late.json()["code"]) == (409, "job_not_running")
    failed = http.post(f"{repo}/refs/main/export", json={"destination": "nowhere://x"}).json()
    assert ended(http, repo, failed["id"])["error_code"] == "invalid_argument"
    assert http.post(f"{repo}/refs/none/export", json={"destination": str(tmp_path)}).status_code == 404


def test_a_verification_runs_in_place_or_as_a_job(http: httpx.Client, repo: str) -> None:
    put(http, repo, "a", b"one")
    commit(http, repo, "first")
    route = f"{repo}/refs/main/verify"
    whole = http.post(route, json={"deep": True})
    assert whole.status_code == 200
    assert (whole.json()["ok"], whole.json()["objects_hashed"], whole.json()["bytes_hashed"]) == (True, 1, 3)
    started = http.post(route, json={"deep": True, "background": True})
    assert started.status_code == 202
    assert ended(http, repo, started.json()["id"])["result"] == whole.json()


def test_an_import_that_is_cancelled_leaves_the_branch_alone(http: httpx.Client, repo: str, tmp_path: Path) -> None:
    for number in range(3000):
        (tmp_path / f"{number:05}").touch()
    body = {
        "paths": [{"type": "common_prefix", "path": f"local://{tmp_path}", "destination": "raw"}],
        "commit": {"message": "imported"},
    }
    route = f"{repo}/branches/main/import"
    started = http.post(route, json=body)
    assert started.status_code == 202
    job = started.json()["id"]
    cancelled = http.delete(route, params={"id": job})
    state = ended(http, repo, job)["state"]
    listed = http.get(f"{repo}/refs/main/objects/ls", params={"amount": 1}).json()["results"]
    if cancelled.status_code == 409:  # it was quicker than its cancellation
        assert (state, len(listed)) == ("done", 1)
    else:
        assert cancelled.status_code == 204
        assert (state, len(listed)) in (("cancelled", 0), ("done", 1))
    status = http.get(route, params={"id": job}).json()
    assert status["completed"] == (state == "done")
    assert http.get(route, params={"id": "none"}).json()["code"] == "job_not_found"


# -- who asks ---------------------------------------------------------------------------------------------------------


def test_every_operation_but_four_asks_for_credentials(server: Any) -> None:
    open_ones = set()
    with httpx.Client(base_url=server.url, timeout=30) as client:
        for path, operations in client.get("/openapi.json").json()["paths"].items():
            for method, operation in operations.items():
                answer = client.request(method, path.replace("{", "").replace("}", ""), params={"path": "a"})
                if answer.status_code != 401:
                    open_ones.add(operation["operationId"])
                else:
                    assert answer.headers["www-authenticate"].startswith("Basic")
                    assert method == "head" or answer.json()["code"] == "unauthenticated"
    assert open_ones == {"healthCheck", "getSetupState", "login", "logout"}


@pytest.mark.parametrize("value", ["Basic !!!", "Basic bm9jb2xvbg==", "Bearer x", "Bearer lg1..", "Digest x", ""])
def test_credentials_that_are_none(server: Any, value: str) -> None:
    answer = web.get(f"{server.url}/api/v1/user", headers={"authorization": value})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


def test_the_session_cookie_of_a_browser(server: Any) -> None:
    key = {"access_key_id": server.access_key_id, "secret_access_key": server.secret_access_key}
    with httpx.Client(base_url=f"{server.url}/api/v1") as browser:
        login = browser.post("/auth/login", json=key)
        assert "HttpOnly" in login.headers["set-cookie"]
        assert "SameSite=strict" in login.headers["set-cookie"]
        assert browser.get("/user").json()["user"]["id"] == "admin"
        own = {"origin": server.url}
        name = f"web-{next(_names)}"
        assert browser.post("/repositories", json={"name": name}, headers=own).status_code == 201
        for foreign in ({"origin": "http://127.0.0.1:1"}, {"sec-fetch-site": "same-site"}):
            refused = browser.post("/repositories", json={"name": f"{name}-x"}, headers=foreign)
            assert (refused.status_code, refused.json()["code"]) == (403, "access_denied")
        assert browser.post("/auth/logout").status_code == 204
        assert browser.get("/user").status_code == 401
    wrong = web.post(f"{server.url}/api/v1/auth/login", json={**key, "secret_access_key": "wrong-wrong"})
    assert (wrong.status_code, wrong.json()["code"]) == (401, "invalid_access_key")


# -- errors -----------------------------------------------------------------------------------------------------------


def test_errors_carry_message_code_hint_and_details(http: httpx.Client, repo: str) -> None:
    body = http.get(f"{repo}/branches/none").json()
    assert set(body) == {"message", "code", "hint", "details"}
    assert body["message"].endswith(body["hint"])
    invalid = http.post(f"{repo}/branches", json={"name": 7})
    assert invalid.status_code == 400
    assert {problem["where"] for problem in invalid.json()["details"]["problems"]} == {"body.name", "body.source"}


def test_hints_name_what_rest_calls_an_option(http: httpx.Client, repo: str) -> None:
    put(http, repo, "a")
    http.post(f"{repo}/branches", json={"name": "exp", "source": "main"})
    http.post(f"{repo}/branches/exp/objects", params={"path": "a"}, content=b"other")
    uncommitted = http.delete(f"{repo}/branches/exp", params={"require_clean": True})
    assert "`require_clean`" in uncommitted.json()["message"]
    for branch in ("main", "exp"):
        http.post(f"{repo}/branches/{branch}/commits", json={"message": branch})
    empty = http.post(f"{repo}/branches/main/commits", json={"message": "nothing"})
    assert "`allow_empty`" in empty.json()["message"]
    conflict = http.post(f"{repo}/refs/exp/merge/main", json={})
    assert "`resolutions`" in conflict.json()["message"]
    http.post(f"{repo}/refs/exp/merge/main", json={"strategy": "source-wins"})
    merged = http.post(f"{repo}/branches/main/revert", json={"ref": "main", "parent_number": 0})
    assert "`parent_number`" in merged.json()["message"]
    kept = http.delete(repo)
    assert "`force=true`" in kept.json()["message"]


def test_unknown_routes_and_methods(http: httpx.Client, repo: str) -> None:
    unknown = http.get("/nothing/here")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_offered")
    method = http.patch(repo)
    assert method.status_code == 405
    assert method.headers["allow"] == "DELETE, GET"


def test_the_document_is_the_committed_one(server: Any) -> None:
    committed = Path(__file__).parents[2] / "docs/openapi.json"
    assert web.get(f"{server.url}/openapi.json").json() == json.loads(committed.read_bytes())


def test_what_is_not_offered_answers_501_by_name(http: httpx.Client, server: Any, repo: str) -> None:
    document = web.get(f"{server.url}/openapi.json").json()
    refused = 0
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if operation["tags"] == ["not offered"]:
                url = server.url + path.replace("{", "").replace("}", "")
                answer = http.request(method.upper(), url)
                assert (answer.status_code, answer.json()["code"]) == (501, "not_offered"), operation["operationId"]
                refused += 1
    assert refused > 40


def test_pages_need_no_script(server: Any) -> None:
    front, docs = web.get(server.url), web.get(f"{server.url}/docs")
    for page in (front, docs):
        assert page.status_code == 200
        assert "<script" not in page.text
        assert "http://" not in page.text
        assert "https://" not in page.text
    assert "mergeIntoBranch" in docs.text

"""The HTTP client against servers that break, and how a lake's URL and credentials are read."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import lakegate
from lakegate.client.failures import CLASSES, FIXED, error_of
from lakegate.client.lake import HttpLake
from lakegate.config import ClientSettings
from lakegate.errors import (
    ErrorKind,
    InvalidInput,
    LakegateError,
    MergeConflict,
    NotFound,
    OutcomeUnknown,
    Refused,
    Unavailable,
)
from lakegate.interface import Lake
from lakegate.model import CommitRequest, MergeRequest

REPOSITORY = {
    "id": "sales",
    "repository_id": "0" * 32,
    "storage_namespace": "file:///x",
    "default_branch": "main",
    "creation_date_ms": 1,
}


def reply(status: int, body: Any, **headers: str) -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} X", f"content-length: {len(data)}", "connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


def problem(status: int, kind: ErrorKind, **more: Any) -> bytes:
    return reply(status, {"message": "What. Do this.", "code": kind, "hint": "Do this.", "details": {}} | more)


class Script:
    """A server that gives one scripted reply a connection (b"": it hangs up), the last one again and again."""

    def __init__(self, replies: list[bytes]) -> None:
        self.replies = replies
        self.requests: list[str] = []
        self.bodies: list[bytes] = []
        self.ranges: list[str] = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as lines:
                self.requests.append(lines.readline().decode().strip())
                length = 0
                self.ranges.append("")
                while (line := lines.readline()) not in (b"\r\n", b""):
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                    if line.lower().startswith(b"range:"):
                        self.ranges[-1] = line.split(b":")[1].decode().strip()
                self.bodies.append(lines.read(length))
                connection.sendall(self.replies.pop(0) if len(self.replies) > 1 else self.replies[0])


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between tries the client waits next to nothing: how long is no matter of these tests."""
    monkeypatch.setattr("lakegate.client.http._FIRST_WAIT_SECONDS", 0.001)


@contextmanager
def scripted(*replies: bytes, retries: int = 3) -> Iterator[tuple[Lake, Script]]:
    server = Script(list(replies))
    with HttpLake(server.url, ClientSettings(max_retries=retries, timeout_seconds=60.0)) as lake:
        yield lake, server
    server.socket.close()


OK = reply(200, REPOSITORY)
COMMIT = {
    "id": "c" * 64,
    "parents": ["p" * 64],
    "committer": "tester",
    "message": "change",
    "creation_date": 0,
    "meta_range_id": "m" * 64,
    "metadata": {},
    "generation": 2,
    "version": 1,
    "creation_date_ms": 1,
}


# -- tries ------------------------------------------------------------------------------------------------------------


def test_a_read_is_tried_again() -> None:
    with scripted(b"", problem(503, ErrorKind.STORE_UNAVAILABLE), OK) as (lake, server):
        assert lake.repository("sales").info.name == "sales"
        assert server.requests == ["GET /api/v1/repositories/sales HTTP/1.1"] * 3


def test_a_read_is_given_up_at_last() -> None:
    with scripted(b"", retries=1) as (lake, server):
        with pytest.raises(Unavailable) as caught:
            lake.repository("sales")
        assert caught.value.kind is ErrorKind.SERVER_UNAVAILABLE
        assert "lakegate serve" in caught.value.hint
        assert len(server.requests) == 2


def test_what_is_refused_for_good_is_not_tried_again() -> None:
    with scripted(problem(404, ErrorKind.REPOSITORY_NOT_FOUND)) as (lake, server):
        with pytest.raises(NotFound):
            lake.repository("sales")
        assert len(server.requests) == 1


def test_a_write_whose_reply_is_lost_is_not_sent_again() -> None:
    with scripted(OK, b"") as (lake, server):
        repo = lake.repository("sales")
        writes: dict[Callable[[], object], str] = {
            lambda: repo.commit("main", CommitRequest("x")): "the branch's log",
            lambda: repo.merge("exp", "main"): "the branch's log",
            lambda: repo.put("main", "a", b"x"): "ETag",
            lambda: repo.delete("main", "a"): "still there",
            lambda: repo.create_branch("exp", "main"): "List the branches",
            lambda: lake.create_repository("more"): "List the repositories",
        }
        for count, (write, look) in enumerate(writes.items(), 2):
            with pytest.raises(OutcomeUnknown) as caught:
                write()
            assert caught.value.kind is ErrorKind.OUTCOME_UNKNOWN
            assert look in caught.value.hint
            assert ".." not in caught.value.message
            assert len(server.requests) == count


def test_a_write_that_changes_nothing_is_sent_again() -> None:
    outcome = {
        "commit": None, "source": "1", "destination": "2", "base": "3", "fast_path": True,
        "changes": {"added": 1, "removed": 0, "changed": 0}, "tables": [], "conflicts": [],
    }  # fmt: skip
    with scripted(OK, b"", reply(200, outcome)) as (lake, server):
        assert lake.repository("sales").merge("exp", "main", MergeRequest(dry_run=True)).source == "1"
        assert len(server.requests) == 3


def test_a_write_that_was_not_begun_is_sent_again() -> None:
    busy = problem(429, ErrorKind.TOO_MANY_UPDATES)
    with scripted(OK, busy, problem(503, ErrorKind.DATABASE_LOCKED), reply(200, {"id": "v1", "commit_id": "1"})) as (
        lake,
        server,
    ):
        assert lake.repository("sales").create_tag("v1", "main").commit == "1"
        assert len(server.requests) == 4
        assert server.bodies[1] == server.bodies[3] != b""


def test_a_body_that_can_be_read_once_is_sent_once() -> None:
    with scripted(OK, problem(503, ErrorKind.DATABASE_LOCKED)) as (lake, server):
        with pytest.raises(Unavailable):
            lake.repository("sales").put("main", "a", iter([b"x"]))
        assert len(server.requests) == 2


def test_a_server_that_is_not_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with HttpLake(f"http://127.0.0.1:{port}", ClientSettings(max_retries=1)) as lake:
        for call in (lambda: lake.repository("sales"), lambda: lake.create_repository("sales")):
            with pytest.raises(Unavailable) as caught:
                call()
            assert caught.value.kind is ErrorKind.SERVER_UNAVAILABLE


def test_a_read_that_breaks_off_goes_on_where_it_was() -> None:
    data = b"0123456789"
    entry = {
        "path": "a", "path_type": "object", "physical_address": "file:///x/a", "checksum": "e", "size_bytes": len(data),
        "mtime_ms": 1, "digest": None, "content_type": "x", "metadata": {}, "headers": {},
    }  # fmt: skip
    broken = reply(206, data)
    with scripted(OK, reply(200, entry), broken[:-6], reply(206, data[4:])) as (lake, server):
        assert b"".join(lake.repository("sales").open("main", "a").chunks(size=2)) == data
        assert [found.lower() for found in server.ranges[2:]] == ["bytes=0-9", "bytes=4-9"]
    with scripted(OK, reply(200, entry), broken[:-10]) as (lake, server):
        with pytest.raises(Unavailable, match="broke off"):
            lake.repository("sales").open("main", "a").read()
        assert len(server.requests) == 6


def test_an_answer_that_breaks_off_is_a_lost_one() -> None:
    whole = reply(201, {"id": "v1", "commit_id": "1"})
    with scripted(OK, whole[:-4]) as (lake, server):
        with pytest.raises(OutcomeUnknown):
            lake.repository("sales").create_tag("v1", "main")
        assert len(server.requests) == 2


# -- answers that are not lakegate's ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        reply(200, b"<html>Welcome</html>"),
        reply(200, {"id": "sales"}),
        reply(200, []),
        reply(302, b"", location="/login"),
        reply(404, b"<html>Not Found</html>"),
        reply(502, b"<html>Bad Gateway</html>"),
    ],
)
def test_a_server_that_is_none_of_ours(answer: bytes) -> None:
    with scripted(answer, retries=0) as (lake, _), pytest.raises(Unavailable) as caught:
        lake.repository("sales")
    assert caught.value.kind is ErrorKind.SERVER_UNAVAILABLE


@pytest.mark.parametrize("answer", [reply(504, b"Gateway Timeout"), reply(201, b"<html>"), reply(201, {})])
def test_a_proxy_that_hides_the_outcome_of_a_write(answer: bytes) -> None:
    with scripted(OK, answer) as (lake, server):
        with pytest.raises(OutcomeUnknown):
            lake.repository("sales").commit("main", CommitRequest("x"))
        assert len(server.requests) == 2


# -- errors -----------------------------------------------------------------------------------------------------------


def test_every_kind_has_its_class() -> None:
    assert set(CLASSES) | set(FIXED) | {ErrorKind.MERGE_CONFLICT} == set(ErrorKind)


@pytest.mark.parametrize("kind", list(ErrorKind))
def test_an_error_comes_back_whole(kind: ErrorKind) -> None:
    body = {"message": "It broke. Mend it.", "code": kind, "hint": "Mend it.", "details": {"path": "a"}}
    error = error_of(400, json.dumps(body).encode())
    assert (error.kind, error.message, error.hint) == (kind, "It broke.", "Mend it.")
    assert error.details == ({} if isinstance(error, MergeConflict) else {"path": "a"})


def test_a_code_of_a_newer_server() -> None:
    error = error_of(409, b'{"message": "Odd.", "code": "from_the_future"}')
    assert (type(error), error.kind) == (LakegateError, ErrorKind.INTERNAL)
    assert error.details == {"code": "from_the_future"}
    assert error.hint


# -- connect ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url", ["", "ftp://host", "http://", "http://user:secret@host", "http://host?x=1", "http://host#x", "http://h:port"]
)
def test_urls_that_name_no_lake(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        lakegate.connect(url)
    assert caught.value.kind is ErrorKind.INVALID_ARGUMENT
    assert "secret" not in str(caught.value)


def test_the_environment_is_what_the_caller_hands_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEGATE_URL", "http://elsewhere")
    with pytest.raises(InvalidInput):
        lakegate.connect()
    with scripted(OK) as (_, server):
        given = {
            "LAKEGATE_URL": f"{server.url}/",
            "LAKEGATE_ACCESS_KEY_ID": "id",
            "LAKEGATE_SECRET_ACCESS_KEY": "secret",
            "LAKEGATE_MAX_RETRIES": "0",
        }
        with lakegate.connect(environment=given) as lake:
            assert lake.url == server.url
            assert lake.repository("sales").info.name == "sales"
    for name, value in (("LAKEGATE_TIMEOUT_SECONDS", "0"), ("LAKEGATE_MAX_RETRIES", "some")):
        with pytest.raises(InvalidInput) as caught:
            lakegate.connect("http://host", environment={name: value})
        assert caught.value.kind is ErrorKind.INVALID_CONFIG


def test_only_https_reads_the_certificates_that_it_trusts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("certifi.where", lambda: "/not/there")
    lakegate.connect("http://host").close()
    with pytest.raises(FileNotFoundError):
        lakegate.connect("https://host")


def test_half_a_key_is_refused() -> None:
    environment = {"LAKEGATE_ACCESS_KEY_ID": "id", "LAKEGATE_SECRET_ACCESS_KEY": "secret"}
    for given in ({"access_key_id": "id"}, {"secret_access_key": "secret"}):
        with pytest.raises(InvalidInput, match="credentials lack"):
            lakegate.connect("http://host", environment=environment, **given)


def test_a_failed_request_is_refused_by_class() -> None:
    with scripted(OK, problem(400, ErrorKind.DIRTY_BRANCH)) as (lake, _), pytest.raises(Refused):
        lake.repository("sales").commit("main", CommitRequest("x"))


def test_a_server_that_knows_no_warnings_yet_is_understood() -> None:
    with scripted(OK, reply(201, COMMIT), reply(201, COMMIT | {"warnings": ["w"]})) as (lake, _):
        repository = lake.repository("sales")
        assert repository.commit("main", CommitRequest("change")).warnings == ()
        assert repository.commit("main", CommitRequest("change")).warnings == ("w",)

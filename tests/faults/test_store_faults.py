"""Object stores under faults: full disks, denied folders, killed writers, lost replies."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from lakegate.config import S3Settings, StorageSettings
from lakegate.errors import ErrorKind, InvalidInput, LakegateError, NotFound, OutcomeUnknown, Unavailable
from lakegate.objectstore.local import LocalStore
from lakegate.objectstore.opener import StoreOpener
from lakegate.objectstore.protocol import ObjectStore
from lakegate.testing.faulty_store import Fault, FaultKind, FaultyStore, every_fault


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


def everything(folder: Path) -> set[str]:
    return {str(f.relative_to(folder)) for f in folder.rglob("*") if f.is_file()}


# -- a full disk ------------------------------------------------------------------------------------------------------


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """Mounts a file system of 1 MiB; yields False where mounting is not allowed here."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False)


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Lets no file of this process grow beyond `size`: the system answers EFBIG as a full disk answers ENOSPC."""
    old_handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, old_handler)


def fill(store: ObjectStore) -> None:
    """Writes what can't fit, in every way; nothing of it may stay."""
    store.put_if_absent("p/1", bytes(400_000))
    before = {found.key for found in store.list()}

    def stream() -> None:
        writer = store.writer("w/x")
        for _ in range(40):
            writer.write(bytes(100_000))
        writer.finish()

    for act in (
        lambda: store.put_if_absent("big", bytes(4_000_000)),
        stream,
        lambda: store.compose("whole", ["p/1"] * 10),
    ):
        with pytest.raises(Unavailable) as caught:
            act()
        assert caught.value.kind is ErrorKind.STORE_FULL
        assert caught.value.hint
        assert {found.key for found in store.list()} == before
    assert store.put_if_absent("small", b"fits")
    assert store.get("p/1") == bytes(400_000)


def test_full_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as mounted:
        if mounted:
            fill(LocalStore(tmp_path / "disk" / "ns"))
            assert everything(tmp_path / "disk" / "ns") == {"p/1", "small"}
    # The limit of a file's size needs no mount, and runs everywhere.
    with file_size_limit(1_000_000):
        fill(LocalStore(tmp_path / "limited"))
        assert everything(tmp_path / "limited") == {"p/1", "small"}


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (errno.ENOSPC, ErrorKind.STORE_FULL),
        (errno.EDQUOT, ErrorKind.STORE_FULL),
        (errno.EACCES, ErrorKind.STORE_DENIED),
        (errno.EROFS, ErrorKind.STORE_DENIED),
        (errno.EIO, ErrorKind.STORE_UNAVAILABLE),
        (errno.ENOTSUP, ErrorKind.STORE_UNAVAILABLE),
    ],
)
@pytest.mark.parametrize("call", ["open", "write", "fsync", "link", "mkdir"])
def test_every_system_call_may_fail(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int, kind: ErrorKind
) -> None:
    store.put_if_absent("there/x", b"1")
    real = getattr(os, call)

    def failing(*args: Any, **named: Any) -> Any:
        raise OSError(code, os.strerror(code))

    for key in ("there/new", "new/new"):
        monkeypatch.setattr(os, call, failing)
        if call == "mkdir" and key == "there/new":
            assert store.put_if_absent(key, b"2")
            store.delete([key])
            continue
        with pytest.raises(Unavailable) as caught:
            store.put_if_absent(key, b"2")
        assert caught.value.kind is kind
        monkeypatch.setattr(os, call, real)
        assert [found.key for found in store.list()] == ["there/x"]
        assert everything(tmp_path / "store") == {"there/x"}
        assert store.put_if_absent(key, b"2")
        store.delete([key])


def test_short_writes_are_continued(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, bytes(data)[:7]))
    data = bytes(range(256)) * 10
    assert store.put_if_absent("k", data)
    assert store.get("k") == data


# -- durability -------------------------------------------------------------------------------------------------------


def test_bytes_then_name_then_folders_are_made_durable(
    tmp_path: Path, store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An acknowledged object survives a power cut: its bytes are flushed before it gets its name, and after that the
    folder, and every folder on the way that is new."""
    done: list[str] = []
    names: dict[int, str] = {}
    real_open, real_fsync, real_link, real_mkdir = os.open, os.fsync, os.link, os.mkdir

    def opened(path: Any, *args: Any, **named: Any) -> int:
        fd = real_open(path, *args, **named)
        names[fd] = str(path)
        return fd

    def fsync(fd: int) -> None:
        name = Path(names[fd])
        done.append("fsync " + ("bytes" if ".lakegate-tmp-" in name.name else str(name.relative_to(tmp_path))))
        real_fsync(fd)

    def link(source: str, target: str) -> None:
        done.append("link " + str(Path(target).relative_to(tmp_path)))
        real_link(source, target)

    def mkdir(path: str, *args: Any) -> None:
        real_mkdir(path, *args)
        done.append("mkdir " + str(Path(path).relative_to(tmp_path)))

    monkeypatch.setattr(os, "open", opened)
    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "link", link)
    monkeypatch.setattr(os, "mkdir", mkdir)
    assert store.put_if_absent("a/b/c", b"x")
    assert done == [
        "mkdir store",
        "fsync .",
        "mkdir store/a",
        "fsync store",
        "mkdir store/a/b",
        "fsync store/a",
        "fsync bytes",
        "link store/a/b/c",
        "fsync store/a/b",
    ]
    done.clear()
    assert store.put_if_absent("a/b/d", b"x")
    assert done == ["fsync bytes", "link store/a/b/d", "fsync store/a/b"]
    done.clear()
    # Who finds a key taken relies on it too, and its writer may not have come to flush the folder.
    assert not LocalStore(tmp_path / "store").put_if_absent("a/b/d", b"x")
    assert done[-1] == "fsync store/a/b"
    assert {"fsync store", "fsync store/a"} <= set(done)


def test_what_another_relies_on_stays_where_a_folder_cannot_be_flushed(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = LocalStore(tmp_path / "store")
    store.put_if_absent("a/there", b"1")
    found: list[bool] = []

    def failing(folder: str) -> None:
        found.append(other.put_if_absent("a/k", b"node"))  # "it is there": its writer goes on
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(store, "flush_folder", failing)
    with pytest.raises(Unavailable):
        store.put_if_absent("a/k", b"node")
    assert found == [False]
    assert other.get("a/k") == b"node"


def test_a_killed_writer_leaves_nothing_visible(tmp_path: Path, store: LocalStore) -> None:
    program = f"""
import sys
from pathlib import Path
from lakegate.objectstore.local import LocalStore
writer = LocalStore(Path({str(tmp_path / "store")!r})).writer("a/big")
writer.write(bytes(1_000_000))
print("half", flush=True)
sys.stdin.read()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "half\n"
    process.kill()
    process.communicate()
    assert list(store.list()) == []
    with pytest.raises(NotFound):
        store.get("a/big")
    [left] = everything(tmp_path / "store")
    with pytest.raises(InvalidInput):
        store.get(left)
    assert store.put_if_absent("a/big", b"whole")
    assert [found.key for found in store.list()] == ["a/big"]


def test_the_reply_of_a_link_is_lost(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """On NFS a link can be made and yet answer "exists", as its repetition found it."""
    real = os.link

    def repeated(source: str, target: str) -> None:
        real(source, target)
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))

    monkeypatch.setattr(os, "link", repeated)
    assert store.put_if_absent("a/k", b"ours") is True
    assert store.put_if_absent("a/k", b"theirs") is False
    assert store.get("a/k") == b"ours"


def test_folders_that_vanish_are_made_again(store: LocalStore, tmp_path: Path) -> None:
    store.put_if_absent("a/b/c", b"1")
    store.delete(["a/b/c"])
    (tmp_path / "store" / "a" / "b").rmdir()
    (tmp_path / "store" / "a").rmdir()
    assert store.put_if_absent("a/b/c", b"2")
    assert store.get("a/b/c") == b"2"


# -- the local store's own rules --------------------------------------------------------------------------------------


def test_names_that_the_file_system_cannot_hold(store: LocalStore, tmp_path: Path) -> None:
    store.put_if_absent("a/file", b"x")
    for key in ("a/file/below", "a", "n" * 256, "x/" + "n" * 300):
        for act in (lambda: store.put_if_absent(key, b""), lambda: store.writer(key).finish()):  # noqa: B023
            with pytest.raises(InvalidInput) as caught:
                act()
            assert caught.value.kind is ErrorKind.INVALID_PATH
    assert [found.key for found in store.list()] == ["a/file"]
    assert everything(tmp_path / "store") == {"a/file"}


def test_links_never_lead_out(store: LocalStore, tmp_path: Path) -> None:
    store.put_if_absent("a/file", b"inside")
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "secret").write_bytes(b"secret")
    root = tmp_path / "store"
    (root / "link").symlink_to(tmp_path / "secret")
    (root / "way").symlink_to(tmp_path / "folder")
    (root / "fine").symlink_to("a/file")
    assert store.get("fine") == b"inside"
    for key in ("link", "way/secret"):
        for read in (store.get, store.head, lambda k: store.get_range(k, 0, 1)):
            with pytest.raises(NotFound):
                read(key)
        with pytest.raises(LakegateError):
            store.compose("copy", [key])
    for act in (lambda: store.put_if_absent("way/new", b""), lambda: store.writer("way/new")):
        with pytest.raises(InvalidInput):
            act()
    store.delete(["link", "way/secret"])
    assert (tmp_path / "secret").read_bytes() == (tmp_path / "folder" / "secret").read_bytes() == b"secret"
    assert sorted(everything(tmp_path / "folder")) == ["secret"]
    assert [found.key for found in store.list("a/")] == ["a/file"]
    assert list(store.list("way/")) == []


def test_reads_that_are_denied(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put_if_absent("k", b"x")

    def denied(*_: Any, **__: Any) -> int:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "open", denied)
    with pytest.raises(Unavailable) as caught:
        store.get("k")
    assert caught.value.kind is ErrorKind.STORE_DENIED


def test_listing_while_files_come_and_go(store: LocalStore) -> None:
    for i in range(300):
        store.put_if_absent(f"stays/{i % 10}/{i:04}", b"")
    stop = threading.Event()

    def churn() -> None:
        i = 0
        while not stop.is_set():
            store.put_if_absent(f"stays/{i % 10}/moving-{i}", b"")
            store.delete([f"stays/{i % 10}/moving-{i}"])
            i += 1

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        deadline = time.monotonic() + 0.5
        while time.monotonic() < deadline:
            keys = [found.key for found in store.list()]
            assert len([key for key in keys if "moving" not in key]) == 300
            assert keys == sorted(keys)
    finally:
        stop.set()
        thread.join()


# -- a lost reply of S3 -----------------------------------------------------------------------------------------------


class _Bucket(BaseHTTPRequestHandler):
    """As much of S3 as a conditional put needs; drops, refuses or doubles replies as `plan` says, one entry a PUT."""

    protocol_version = "HTTP/1.1"
    objects: dict[str, tuple[bytes, str]]
    plan: list[str]
    puts: int

    def do_PUT(self) -> None:
        kind = type(self)
        kind.puts += 1
        body = self.rfile.read(int(self.headers["content-length"]))
        step = kind.plan.pop(0) if kind.plan else "answer"
        if step == "undecided":
            return self._answer(409, b"<Error><Code>ConditionalRequestConflict</Code></Error>")
        if step == "fail before":
            return self._answer(503, b"<Error><Code>SlowDown</Code></Error>")
        if step == "rival":
            kind.objects.setdefault(self.path, (body, "somebody else"))
        if self.path in kind.objects:
            return self._answer(412, b"<Error><Code>PreconditionFailed</Code></Error>")
        kind.objects[self.path] = (body, self.headers.get("x-amz-meta-lakegate-write", ""))
        if step == "fail after":
            return self._answer(500, b"<Error><Code>InternalError</Code></Error>")
        if step == "drop":
            self.close_connection = True
            return None
        return self._answer(200, b"", etag='"etag"')

    def do_GET(self) -> None:
        kind = type(self)
        if "unreadable" in kind.plan:
            return self._answer(500, b"<Error><Code>InternalError</Code></Error>")
        if self.path not in kind.objects:
            return self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        body, mark = kind.objects[self.path]
        return self._answer(200, body, etag='"etag"', mark=mark)

    def _answer(self, status: int, body: bytes, etag: str = "", mark: str = "") -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.send_header("last-modified", "Mon, 01 Jan 2024 00:00:00 GMT")
        if etag:
            self.send_header("etag", etag)
        if mark:
            self.send_header("x-amz-meta-lakegate-write", mark)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Keeps the test's output clean."""


@pytest.fixture
def bucket() -> Iterator[tuple[ObjectStore, type[_Bucket]]]:
    class Handler(_Bucket):
        objects: dict[str, tuple[bytes, str]] = {}  # noqa: RUF012 - fresh with each class
        plan: list[str] = []  # noqa: RUF012
        puts = 0

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    s3 = S3Settings(f"http://127.0.0.1:{server.server_port}", "us-east-1", "id", "secret")
    yield StoreOpener(StorageSettings(s3=s3, max_retries=2, timeout_seconds=5)).open("s3://b"), Handler
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("plan", "outcome"),
    [
        ([], True),
        (["fail before"], True),
        (["fail after"], True),
        (["drop"], True),
        (["undecided"], True),
        (["undecided", "fail after"], True),
        (["fail before", "fail after"], True),
        (["rival"], False),  # the same bytes, written by someone else
        (["fail before", "rival"], False),
        (["undecided", "rival"], False),
    ],
)
def test_a_lost_reply_is_read_back(bucket: tuple[ObjectStore, type[_Bucket]], plan: list[str], outcome: bool) -> None:
    store, server = bucket
    server.plan.extend(plan)
    assert store.put_if_absent("k", b"bytes") is outcome
    assert server.objects["/b/k"][0] == b"bytes"
    assert store.put_if_absent("k", b"bytes") is False


def test_an_outcome_that_cannot_be_read_back_is_said(bucket: tuple[ObjectStore, type[_Bucket]]) -> None:
    store, server = bucket
    server.plan.extend(["fail after", "fail before", "fail before", "unreadable"])
    with pytest.raises(OutcomeUnknown):
        store.put_if_absent("k", b"bytes")


def test_a_store_that_stays_undecided(bucket: tuple[ObjectStore, type[_Bucket]]) -> None:
    store, server = bucket
    server.plan.extend(["undecided"] * 10)
    with pytest.raises(Unavailable):
        store.put_if_absent("k", b"bytes")
    assert server.objects == {}


class _RefusedParts(BaseHTTPRequestHandler):
    """An S3 endpoint that begins uploads in parts and takes none of the parts."""

    protocol_version = "HTTP/1.1"
    may_answer = threading.Event()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"] or 0))
        names = "<Bucket>bucket</Bucket><Key>k</Key><UploadId>u</UploadId>"
        self._answer(200, f"<InitiateMultipartUploadResult>{names}</InitiateMultipartUploadResult>")

    def do_PUT(self) -> None:
        left = int(self.headers["content-length"])
        while left:
            left -= len(self.rfile.read(min(left, 1 << 20)))
        self.may_answer.wait(30)
        self._answer(403, "<Error><Code>AccessDenied</Code><Message>no</Message></Error>")

    def do_DELETE(self) -> None:
        self._answer(204, "")

    def log_message(self, *_: object) -> None:
        return

    def _answer(self, status: int, body: str) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())


def test_an_upload_that_fails_while_its_end_waits_is_said() -> None:
    _RefusedParts.may_answer.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _RefusedParts)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    keys = S3Settings(endpoint=endpoint, region="us-east-1", access_key_id="a", secret_access_key="b")
    writer = StoreOpener(StorageSettings(s3=keys)).open("s3://bucket/x").writer("data/k")
    raised: list[LakegateError] = []

    def ends() -> None:
        # Seven pieces: four parts are on their way and the queue is full when the first refusal comes.
        try:
            for _ in range(7):
                writer.write(bytes(8 << 20))
            threading.Timer(0.3, _RefusedParts.may_answer.set).start()
            writer.finish()
        except LakegateError as error:
            raised.append(error)

    threading.Timer(3, _RefusedParts.may_answer.set).start()
    thread = threading.Thread(target=ends, daemon=True)
    thread.start()
    thread.join(30)
    server.shutdown()
    server.server_close()
    assert not thread.is_alive()
    assert [error.kind for error in raised] == [ErrorKind.STORE_DENIED]


# -- the faulty store itself ------------------------------------------------------------------------------------------


def test_every_call_of_a_scenario_fails_once(tmp_path: Path) -> None:
    folders = iter(range(1000))

    def scenario(kind: FaultKind) -> int:
        def run(fault: Fault) -> bool:
            inner = LocalStore(tmp_path / f"{kind}-{next(folders)}", fsync=False)
            store = FaultyStore(inner, fault)
            try:
                store.put_if_absent("a", b"1")
                writer = store.writer("b")
                writer.write(b"2")
                writer.finish()
                store.put_if_absent("ref", b"b")
            except LakegateError:
                assert store.fired
            keys = [found.key for found in inner.list()]
            assert keys == ["a", "b", "ref"][: len(keys)]
            return store.fired

        return every_fault(run, kind)

    assert scenario(FaultKind.BEFORE) == scenario(FaultKind.CRASH) == scenario(FaultKind.AFTER) == 5


def test_kinds_of_faults(tmp_path: Path) -> None:
    inner = LocalStore(tmp_path, fsync=False)
    store = FaultyStore(inner, Fault(2, FaultKind.AFTER, frozenset({"put_if_absent"}), "x/"))
    assert store.put_if_absent("y", b"")
    assert store.put_if_absent("x/1", b"")
    with pytest.raises(OutcomeUnknown):
        store.put_if_absent("x/2", b"22")
    assert inner.get("x/2") == b"22"
    assert store.bytes_written() == 2
    store.clear(Fault(1, FaultKind.TORN))
    with pytest.raises(Unavailable):
        store.put_if_absent("torn", b"1234")
    assert inner.get("torn") == b"12"
    store.clear(Fault(1, FaultKind.SLOW, seconds=0.05))
    started = time.monotonic()
    assert store.get("y") == b""
    assert time.monotonic() - started >= 0.05
    store.clear(Fault(2, FaultKind.CRASH))
    assert store.get("y") == b""
    for _ in range(3):
        with pytest.raises(Unavailable):
            store.get("y")

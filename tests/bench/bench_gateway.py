"""Measures the S3 gateway beside a bare ASGI application, which reads and writes the same kind of store with the same
hashing and knows nothing else: small GETs a second, and one object of 256 MiB out and in.

    python tests/bench/bench_gateway.py [--seconds 3] [--rounds 3] [--folder DIR]

Both are served by uvicorn with one worker, each in a process of its own, and take turns in each round; the figures are
medians. Requests are signed once and sent as prepared bytes, so that the client costs little. GETs a second are also
given by the processor time that the server took for them: on a machine with other work that figure is the steadier one.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import os
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lakegate.testing.s3 import Request, S3Lake, signed_headers

KEY, SECRET = "LGBENCH", "a-secret-for-benches"
SMALL = 4096
LARGE = 256 << 20
CONNECTIONS = 8
PIECE = 1 << 20

_GATEWAY = """
import sys
from pathlib import Path
from lakegate.config import LakeSettings, ServerSettings
from lakegate_api.serve import run

settings = ServerSettings(
    LakeSettings(Path(sys.argv[1])), port=0, access_key_id=sys.argv[2], secret_access_key=sys.argv[3],
    log_level="warning",
)
run(settings, lambda started: print(started.url, flush=True))
"""


class Bare:
    """The bare application: one HMAC over the head, as a signature costs at least, then the bytes."""

    def __init__(self, folder: Path) -> None:
        from lakegate.objectstore.local import LocalStore

        self._store = LocalStore(folder)
        self._count = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        text = b"\n".join(name + b":" + value for name, value in scope["headers"])
        hmac.digest(b"key", hashlib.sha256(text).hexdigest().encode(), "sha256")
        key = scope["path"][1:]
        if scope["method"] == "PUT":
            etag = await self._put(key, receive)
            headers = [(b"etag", etag), (b"content-length", b"0")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return
        size = self._store.head(key).size
        headers = [(b"etag", b'"x"'), (b"content-length", str(size).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for start in range(0, size, PIECE):
            length = min(PIECE, size - start)
            body = self._store.get_range(key, start, length)
            await send({"type": "http.response.body", "body": body, "more_body": start + length < size})

    async def _put(self, key: str, receive: Any) -> bytes:
        self._count += 1
        writer = self._store.writer(f"{key}-{self._count}")
        md5, sha256 = hashlib.md5(), hashlib.sha256()
        more = True
        while more:
            message = await receive()
            body = message.get("body", b"")
            md5.update(body)
            sha256.update(body)
            writer.write(body)
            more = message.get("more_body", False)
        writer.finish()
        return md5.hexdigest().encode()


def serve_bare(folder: str) -> None:
    """Runs the bare application in this process."""
    import uvicorn

    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    config = uvicorn.Config(Bare(Path(folder)), log_level="warning", access_log=False, lifespan="off")
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    uvicorn.Server(config).run(sockets=[listener])


@contextmanager
def served(*command: str) -> Iterator[tuple[str, int]]:
    with subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip(), process.pid
        finally:
            process.terminate()
            process.wait(30)


def wire(lake: S3Lake, method: str, path: str, size: int | None = None, payload: str | None = None) -> bytes:
    """The head of a signed request as bytes."""
    request = Request(method, path, payload=payload)
    headers = signed_headers(request, lake.host, (KEY, SECRET))
    if size is not None:
        headers["content-length"] = str(size)
    return "\r\n".join([f"{method} {path} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items()), "", ""]).encode()


def connect(host: str) -> socket.socket:
    name, port = host.split(":")
    made = socket.create_connection((name, int(port)), timeout=60)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def cpu_seconds(pid: int) -> float:
    """Processor time that a process took so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def gets_a_second(host: str, pid: int, request: bytes, seconds: float) -> tuple[float, float]:
    """Sends one GET after the other on some connections, and counts whole answers: a second of time, and a second of
    the server's processor time."""
    first = connect(host)
    first.sendall(request)
    length = len(read_answer(first))
    with selectors.DefaultSelector() as selector:
        held = {}
        for _ in range(CONNECTIONS):
            connection = connect(host)
            selector.register(connection, selectors.EVENT_READ)
            held[connection] = 0
            connection.sendall(request)
        count, started, before = 0, time.perf_counter(), cpu_seconds(pid)
        end = started + seconds
        while time.perf_counter() < end:
            for key, _ in selector.select(1):
                connection: Any = key.fileobj
                held[connection] += len(connection.recv(65536))
                if held[connection] >= length:
                    assert held[connection] == length
                    held[connection] = 0
                    count += 1
                    connection.sendall(request)
        rates = count / (time.perf_counter() - started), count / (cpu_seconds(pid) - before)
        for connection in (first, *held):
            connection.close()
        return rates


def read_answer(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    assert b" 200 " in head.split(b"\r\n")[0], data
    length = next(
        int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
    )
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def large_get(server: Server, body: bytes) -> float:
    """MiB a second of one large GET."""
    request = server.wire("GET", "large")
    with connect(server.lake.host) as connection:
        buffer = bytearray(PIECE)
        started = time.perf_counter()
        connection.sendall(request)
        received = 0
        while received < len(body):
            received += connection.recv_into(buffer)
        return len(body) / (1 << 20) / (time.perf_counter() - started)


def large_put(server: Server, body: bytes) -> float:
    """MiB a second of one large PUT, durable when it is answered."""
    request = server.wire("PUT", "put", len(body), hashlib.sha256(body).hexdigest())
    with connect(server.lake.host) as connection:
        started = time.perf_counter()
        connection.sendall(request)
        connection.sendall(body)
        read_answer(connection)
        return len(body) / (1 << 20) / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round, to see that it runs")
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=None)
    options = parser.parse_args()
    if options.quick:
        options.seconds, options.rounds = 0.3, 1
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for figure in run(Path(folder), options.seconds, options.rounds):
            print(
                f"{figure.name:44} bare {figure.bare:>8,.0f}  gateway {figure.gateway:>8,.0f}  "
                f"ratio {figure.gateway / figure.bare:.2f}  goal {figure.goal}"
            )


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of both applications, and what the ratio of them should be at least."""

    name: str
    bare: float
    gateway: float
    goal: float


@dataclass(frozen=True, slots=True)
class Server:
    """A server to be measured: where objects lie on it, and its process."""

    lake: S3Lake
    pid: int
    prefix: str

    def wire(self, method: str, name: str, size: int | None = None, payload: str | None = None) -> bytes:
        return wire(self.lake, method, f"{self.prefix}/{name}", size, payload)


def run(folder: Path, seconds: float, rounds: int) -> list[Figure]:
    """Measures all, round by round."""
    body = os.urandom(LARGE)
    plain = folder / "bare"
    plain.mkdir()
    (plain / "small").write_bytes(body[:SMALL])
    (plain / "large").write_bytes(body)
    with (
        served("-c", _GATEWAY, str(folder / "lake"), KEY, SECRET) as (url, pid),
        served(str(Path(__file__).resolve()), "--serve-bare", str(plain)) as (bare_url, bare_pid),
    ):
        lake = S3Lake(url, "bench", KEY, SECRET)
        for reply in (lake.put("", b""), lake.put("main/small", body[:SMALL]), lake.put("main/large", body)):
            assert reply.status == 200, reply.body
        at_commit = Server(lake, pid, f"/bench/{lake.commit()}")
        at_branch = Server(lake, pid, "/bench/main")
        bare = Server(S3Lake(bare_url, "bench", KEY, SECRET), bare_pid, "")
        found: dict[tuple[str, float], list[tuple[float, float]]] = {}
        for _ in range(rounds):
            for kind, server in (("branch", at_branch), ("commit", at_commit)):
                pair = [small_gets(one, seconds) for one in (bare, server)]
                for unit, figures in zip(("s", "s of processor time"), zip(*pair, strict=True), strict=True):
                    found.setdefault((f"GET of 4 KiB at a {kind}, 1/{unit}", 0.5), []).append(figures)
            for name, measure in (("GET of 256 MiB, MiB/s", large_get), ("PUT of 256 MiB, MiB/s", large_put)):
                found.setdefault((name, 0.6), []).append((measure(bare, body), measure(at_branch, body)))
    return [
        Figure(name, *(statistics.median(side) for side in zip(*figures, strict=True)), goal)
        for (name, goal), figures in found.items()
    ]


def small_gets(server: Server, seconds: float) -> tuple[float, float]:
    return gets_a_second(server.lake.host, server.pid, server.wire("GET", "small"), seconds)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve-bare"]:
        serve_bare(sys.argv[2])
    else:
        main()

"""Runs the server: opens the lake, makes the first admin, and serves REST and S3 on one port."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from lakegate.access import ADMIN, Authenticator, Credentials, SecretBox, bootstrap_admin
from lakegate.config import ServerSettings
from lakegate.errors import ErrorKind, Unavailable
from lakegate.lake import EmbeddedLake
from lakegate_api import logs
from lakegate_api.app import create_app

_GRACE_SECONDS = 20
_START_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Started:
    """A server that answers. `credentials` are those of a new admin with a random secret, shown only now."""

    url: str
    home: Path
    credentials: Credentials | None


MakeApp = Callable[[EmbeddedLake, Authenticator, ServerSettings], ASGIApp]


def run(settings: ServerSettings, on_start: Callable[[Started], None]) -> None:
    """Serves until SIGINT or SIGTERM; running requests get some seconds to end, then the lake is closed.

    `on_start` is told once the server answers. Raises Unavailable for a taken port or a database that does not answer,
    Refused(SCHEMA_TOO_NEW). For the main thread of a process that does nothing else.
    """
    logs.set_up(settings.log_level, settings.log_json)
    with _outliving_signals(), _opened(settings, create_app) as (server, listener, started):
        server.when_started = lambda: on_start(started)
        server.run(sockets=[listener])


@contextmanager
def running(settings: ServerSettings, make_app: MakeApp = create_app) -> Generator[Started]:
    """Serves from a thread of this process while the context is open."""
    with _opened(settings, make_app) as (server, listener, started):
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="lakegate-server")
        thread.start()
        try:
            deadline = time.monotonic() + _START_SECONDS
            while not server.started and thread.is_alive() and time.monotonic() < deadline:
                time.sleep(0.005)
            if not server.started:
                raise Unavailable(ErrorKind.SERVER_UNAVAILABLE, "The server did not start.", hint="Its log says why.")
            yield started
        finally:
            server.should_exit = True
            thread.join()


class _Server(uvicorn.Server):
    """Tells when it answers."""

    when_started: Callable[[], None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and self.when_started is not None:
            self.when_started()


@contextmanager
def _outliving_signals() -> Generator[None]:
    """Takes what uvicorn raises again after it has stopped for a signal: the process must live to close the lake."""

    def stopped(number: int, frame: FrameType | None) -> None:
        return

    before = {number: signal.signal(number, stopped) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _opened(settings: ServerSettings, make_app: MakeApp) -> Generator[tuple[_Server, socket.socket, Started]]:
    listener = _listen(settings.host, settings.port)
    with listener, EmbeddedLake.of(settings.lake, actor=ADMIN, create=True) as lake:
        box = SecretBox.in_home(settings.lake.home)
        made = bootstrap_admin(lake.meta, box, settings.access_key_id, settings.secret_access_key)
        shown = made if settings.access_key_id is None else None
        config = uvicorn.Config(
            make_app(lake, Authenticator(lake.meta, box), settings),
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        host, port = listener.getsockname()[:2]
        shown_host = f"[{host}]" if ":" in host else host
        yield _Server(config), listener, Started(f"http://{shown_host}:{port}", settings.lake.home, shown)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise Unavailable(
            ErrorKind.SERVER_UNAVAILABLE,
            f"The server can't listen on {host}:{port}: {os.strerror(error.errno) if error.errno else error}.",
            hint="Choose another --port or --host, or stop what uses it: it may be another `lakegate serve`.",
        ) from error

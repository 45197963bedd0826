"""The server of the quickstart: a process of its own, which can outlive it."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from lakegate.errors import ErrorKind, Unavailable

_LOG = "server.log"
_SERVES = re.compile(r"^lakegate serves .* at (http://\S+)$", re.MULTILINE)
_START_SECONDS = 60.0
_STOP_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers."""

    url: str
    process: subprocess.Popen[bytes]
    access_key_id: str
    secret: str = field(repr=False)

    def stop(self) -> None:
        """Asks the server to end, and waits for it."""
        self.process.terminate()
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start(home: Path, port: int) -> Server:
    """Starts `lakegate serve` and waits until it answers. Raises Unavailable with the end of its log."""
    key_id, secret = f"LG{secrets.token_hex(8).upper()}", secrets.token_urlsafe(30)
    own = {"LAKEGATE_ACCESS_KEY_ID": key_id, "LAKEGATE_SECRET_ACCESS_KEY": secret}
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    log = home / _LOG
    command = [sys.executable, "-m", "lakegate_cli", "--home", str(home), "serve", "--port", str(port)]
    with log.open("wb") as out:
        # A session of its own: Ctrl-C of the terminal is for the quickstart, which then stops the server itself.
        process = subprocess.Popen(
            command,
            env={**os.environ, **own},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        found = _SERVES.search(log.read_text(errors="replace"))
        if found:
            return Server(found[1], process, key_id, secret)
        if process.poll() is not None:
            break
        time.sleep(0.05)
    process.kill()
    process.wait()
    end = " ".join(log.read_text(errors="replace").split()[-60:])
    raise Unavailable(
        ErrorKind.SERVER_UNAVAILABLE,
        f"The server did not start. Its log ends with: {end or 'nothing'}",
        hint="Another --port may help.",
    )

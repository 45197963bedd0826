"""`lakegate run` and `env`."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from lakegate.errors import ErrorKind, InvalidInput, NotFound, NotOffered, Refused
from lakegate.pinning import find, is_frozen, job_environment, read, require_usable
from lakegate.pins import PIN_FILE, Pin
from lakegate_cli import complete
from lakegate_cli.output import say, show_json
from lakegate_cli.session import Session, session

app = typer.Typer(rich_markup_mode=None)

_File = Annotated[Path | None, typer.Option("--file", help=f"The pin file [default: the nearest {PIN_FILE}]")]


@app.command(
    "run",
    help="Run a program with the environment that points every client at the lake and its pins.",
    context_settings={"allow_interspersed_args": False, "ignore_unknown_options": True},
)
def run(
    context: typer.Context,
    command: Annotated[list[str], typer.Argument(help="The program and its arguments, behind --", metavar="COMMAND")],
    pin: Annotated[
        list[str] | None, typer.Option("--pin", help="Only this pin; may be repeated [default: all of the pin file]")
    ] = None,
    ref: Annotated[
        str | None,
        typer.Option("--ref", help="Run at this ref as it is now, not at pins", autocompletion=complete.refs),
    ] = None,
    file: _File = None,
) -> None:
    current = session(context)
    if ref is not None and pin:
        raise typer.BadParameter("Give --pin or --ref, not both.")
    commit = None
    pins: Sequence[Pin] = ()
    if ref is None:
        pins = _pins(current, pin or (), file)
    elif is_frozen(os.environ):
        raise Refused(
            ErrorKind.PIN_FROZEN,
            f"LAKEGATE_FROZEN forbids to run at {ref!r} as it is now.",
            hint="Pin it: lakegate pin REF --name NAME, then lakegate run --pin NAME.",
        )
    else:
        repository, name = current.ref(ref)
        commit = repository.commit_of(name).id
    with _server(current) as (url, credentials):
        variables = job_environment(url, credentials, pins, commit)
        status = _call(command, {**os.environ, **variables})
    raise typer.Exit(status)


@app.command("env", help="Print the environment that points every client at the lake and its pins, for a shell.")
def env(
    context: typer.Context,
    ref: Annotated[
        str | None, typer.Argument(help="REPOSITORY/REF for LAKEGATE_COMMIT", autocompletion=complete.refs)
    ] = None,
    file: _File = None,
) -> None:
    current = session(context)
    if not current.is_remote():
        raise InvalidInput(
            ErrorKind.INVALID_ARGUMENT,
            f"The lake {current.where()} is a folder, and S3 clients need a server's address.",
            hint="Start `lakegate serve`, then: lakegate --lake http://127.0.0.1:8000 env",
        )
    commit = None
    if ref is not None:
        repository, name = current.ref(ref)
        commit = repository.commit_of(name).id
    try:
        pins = read(file or find(Path.cwd())).pins
    except NotFound:
        if file is not None:
            raise
        pins = ()
    variables = job_environment(current.where().rstrip("/"), _given_credentials(), pins, commit)
    if current.json:
        show_json(variables)
        return
    for name, value in variables.items():
        say(f"export {name}={shlex.quote(value)}")


def _pins(current: Session, names: Sequence[str], file: Path | None) -> Sequence[Pin]:
    pins = read(file or find(Path.cwd()))
    chosen = [pins.get(name) for name in names] or list(pins.pins)
    for each in chosen:
        require_usable(current.open(), each)
    return chosen


@contextmanager
def _server(current: Session) -> Generator[tuple[str, tuple[str, str] | None]]:
    """The server that the program talks to: the lake's own, or for a lake in a folder one that lives as long as it."""
    if current.is_remote():
        yield current.where().rstrip("/"), _given_credentials()
        return
    try:
        from lakegate.access import SecretBox, admin_credentials
        from lakegate_api.serve import running
    except ModuleNotFoundError as error:
        raise NotOffered(
            f"Running on a lake in a folder needs the package {error.name!r}.",
            hint="Install the extra: pip install 'lakegate[server]', or name a server with --lake.",
        ) from error
    from lakegate.lake import EmbeddedLake

    lake = current.open()
    settings = current.server_settings()
    with running(replace(settings, host="127.0.0.1", port=0, log_level="error")) as started:
        found = _given_credentials()
        if found is None and isinstance(lake, EmbeddedLake):
            made = started.credentials or admin_credentials(lake.meta, SecretBox.in_home(settings.lake.home))
            found = None if made is None else (made.access_key_id, made.secret)
        yield started.url, found


def _given_credentials() -> tuple[str, str] | None:
    key_id, secret = os.environ.get("LAKEGATE_ACCESS_KEY_ID"), os.environ.get("LAKEGATE_SECRET_ACCESS_KEY")
    return (key_id, secret) if key_id and secret else None


def _call(command: Sequence[str], environment: dict[str, str]) -> int:
    """Runs the program; Ctrl-C is its own affair. Returns its exit status, as a shell would."""
    try:
        child = subprocess.Popen(command, env=environment)
    except OSError as error:
        raise InvalidInput(
            ErrorKind.INVALID_ARGUMENT,
            f"{command[0]} can't be run: {error.strerror or error}.",
            hint="Write the program behind --: lakegate run -- python train.py",
        ) from error
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        status = child.wait()
    finally:
        signal.signal(signal.SIGINT, before)
    return status if status >= 0 else 128 - status

"""`lakegate serve`."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from lakegate.errors import NotOffered
from lakegate_cli.output import say, show_json
from lakegate_cli.session import session

if TYPE_CHECKING:
    from lakegate_api.serve import Started


app = typer.Typer(rich_markup_mode=None)


@app.command("serve", help="Serve the lake in the folder --home over REST and S3; made where it is not there.")
def serve(
    context: typer.Context,
    host: Annotated[str | None, typer.Option("--host", help="The address to listen on [default: 127.0.0.1]")] = None,
    port: Annotated[
        int | None, typer.Option("--port", min=0, max=65535, help="0 takes any free one [default: 8000]")
    ] = None,
) -> None:
    """Serves until Ctrl-C or SIGTERM.

    The first start makes the admin, with the access key in LAKEGATE_ACCESS_KEY_ID and LAKEGATE_SECRET_ACCESS_KEY where
    these are set, else with a random one that is shown once.
    """
    try:
        from lakegate_api.serve import run
    except ModuleNotFoundError as missing:
        raise NotOffered(
            f"Serving needs the package {missing.name!r}.", hint="Install the extra: pip install 'lakegate[server]'"
        ) from missing

    settings = session(context).server_settings()
    if host is not None:
        settings = replace(settings, host=host)
    if port is not None:
        settings = replace(settings, port=port)
    run(settings, _show_json if session(context).json else _show)


def _show(started: Started) -> None:
    say(f"lakegate serves {started.home} at {started.url}")
    say(f"  REST  {started.url}/api/v1, described at {started.url}/docs")
    say(f"  S3    {started.url} (bucket = repository, key = REF/PATH)")
    if started.credentials is not None:
        say("The admin's access key, shown this once:")
        say(f"  access key id      {started.credentials.access_key_id}")
        say(f"  secret access key  {started.credentials.secret}")
    say("Stop with Ctrl-C.")
    sys.stdout.flush()


def _show_json(started: Started) -> None:
    key = started.credentials
    show_json(
        {
            "url": started.url,
            "home": str(started.home),
            "access_key_id": None if key is None else key.access_key_id,
            "secret_access_key": None if key is None else key.secret,
        }
    )
    sys.stdout.flush()

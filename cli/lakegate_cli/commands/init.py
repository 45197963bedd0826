"""`lakegate init`."""

from __future__ import annotations

import getpass
import os

import typer

from lakegate_cli.output import say, show_json, warn
from lakegate_cli.session import session

app = typer.Typer(rich_markup_mode=None)


@app.command("init", help="Make a lake in the folder --home; one that is there stays as it is.")
def init(context: typer.Context) -> None:
    from lakegate.lake import DATABASE_FILE, EmbeddedLake

    current = session(context)
    home = current.folder()
    was_there = (home / DATABASE_FILE).exists()
    EmbeddedLake.create(home, actor=getpass.getuser(), environment=os.environ).close()
    if current.json:
        show_json({"url": f"file://{home.absolute()}"})
    else:
        place = f"was in {home.absolute()} already" if was_there else f"is in {home.absolute()}"
        say(f"The lake {place}. Next: lakegate repo create NAME")
    if current.is_remote():
        warn(f"The other commands work on {current.where()}: unset LAKEGATE_URL, or give them --home {home}.")

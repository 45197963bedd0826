"""`lakegate use` and `config`."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Annotated, Any

import typer

from lakegate_cli import chosen, complete
from lakegate_cli.output import say, show_fields, show_json
from lakegate_cli.session import session

app = typer.Typer(rich_markup_mode=None)


@app.command("use", help="Set the lake and the repository that commands work on where they name none.")
def use(
    context: typer.Context,
    repository: Annotated[
        str | None, typer.Argument(help="The repository", autocompletion=complete.repositories)
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Forget what was set")] = False,
) -> None:
    current = session(context)
    if clear:
        chosen.write(chosen.Chosen())
    elif repository is not None or current.url or current.home:
        lake = chosen.absolute(current.where())
        if repository is not None:
            repository = current.open().repository(repository).info.name
        chosen.write(chosen.Chosen(lake, repository))
    choice = chosen.read()
    if current.json:
        show_json({"lake": choice.lake, "repository": choice.repository})
    elif choice.lake is None:
        say("Nothing is set: `lakegate use REPOSITORY` sets a repository of the lake, --lake or --home the lake.")
    else:
        say(f"Refs that name no repository are in {choice.repository or 'none'}, of the lake {choice.lake}.")


@app.command("config", help="Show the settings of the lake, from its settings file and the environment.")
def config(context: typer.Context) -> None:
    from lakegate.config import CONFIG_FILE

    current = session(context)
    settings = current.server_settings()
    file = settings.lake.home / CONFIG_FILE
    shown = _plain(settings)
    if current.json:
        show_json(shown)
        return
    there = "" if file.exists() else " (not there: all settings are the environment's, or the defaults)"
    say(f"settings file: {file}{there}")
    show_fields(sorted(_flat(shown)))


def _plain(settings: Any) -> dict[str, Any]:
    """Settings as JSON: nested as they are, what is secret left out."""
    found: dict[str, Any] = {}
    for item in fields(settings):
        value = getattr(settings, item.name)
        if is_dataclass(value):
            found[item.name] = _plain(value)
        elif not item.repr or (isinstance(value, str) and "@" in value and "://" in value):
            found[item.name] = None if value is None else "(set, not shown)"
        elif isinstance(value, tuple):
            found[item.name] = [str(part) for part in value]
        else:
            found[item.name] = value if value is None or isinstance(value, bool | int | float) else str(value)
    return found


def _flat(settings: dict[str, Any], above: str = "") -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = []
    for name, value in settings.items():
        if isinstance(value, dict):
            found += _flat(value, f"{above}{name}.")
        else:
            shown = ", ".join(value) if isinstance(value, list) else value
            found.append((f"{above}{name}", "" if shown is None else shown))
    return found

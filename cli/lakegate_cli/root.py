"""The command tree. A command's module is imported when the command is called, so that a short call stays short."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from lakegate.errors import ErrorKind, LakegateError, MergeConflict, NotOffered
from lakegate.version import VERSION
from lakegate_cli import output
from lakegate_cli.session import Session

DONE, REFUSED, USAGE, CONFLICT, STOPPED = 0, 1, 2, 3, 130

# What stands at the root, in the order of the help: a command of the module, or (with None) the module's whole group.
_COMMANDS: dict[str, tuple[str, str | None]] = {
    "quickstart": ("quickstart", "quickstart"),
    "init": ("init", "init"),
    "serve": ("serve", "serve"),
    "status": ("status", "status"),
    "doctor": ("doctor", "doctor"),
    "use": ("settings", "use"),
    "config": ("settings", "config"),
    "repo": ("repo", None),
    "branch": ("branch", None),
    "tag": ("tag", None),
    "commit": ("history", "commit"),
    "log": ("history", "log"),
    "show": ("history", "show"),
    "diff": ("compare", "diff"),
    "merge": ("compare", "merge"),
    "rollback": ("compare", "rollback"),
    "revert": ("history", "revert"),
    "cherry-pick": ("history", "cherry-pick"),
    "table": ("table", None),
    "ls": ("objects", "ls"),
    "cat": ("objects", "cat"),
    "put": ("objects", "put"),
    "get": ("objects", "get"),
    "cp": ("objects", "cp"),
    "rm": ("objects", "rm"),
    "import": ("transfer", "import"),
    "export": ("transfer", "export"),
    "pin": ("pin", "pin"),
    "verify": ("pin", "verify"),
    "pull": ("pin", "pull"),
    "run": ("run", "run"),
    "env": ("run", "env"),
    "job": ("job", None),
}
# Verbs of the plan that are not built: asked for, they are refused by name, and the help does not list them.
_NOT_OFFERED = ("fsck", "gc", "recover", "auth", "hook")

_AnyCommand = Any  # a command object of Typer, whose base class moved between its versions


class _Root(TyperGroup):
    """Finds commands by name in `_COMMANDS`."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise typer.Abort from None  # Typer would end in silence

    def list_commands(self, ctx: Any) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> _AnyCommand:
        if cmd_name in _NOT_OFFERED:
            raise NotOffered(f"`lakegate {cmd_name}` is not offered yet.", hint="`lakegate --help` lists what is.")
        place = _COMMANDS.get(cmd_name)
        if place is None:
            near = get_close_matches(cmd_name, _COMMANDS)
            if near and not ctx.resilient_parsing:
                ctx.fail(f"No such command '{cmd_name}'. Did you mean {' or '.join(f'`{name}`' for name in near)}?")
            return None
        module = import_module(f"lakegate_cli.commands.{place[0]}")
        if place[1] is None:
            group = typer.main.get_group(module.app)
            for command in group.commands.values():
                _add_global_options(command)
            group.name = cmd_name
            return group
        # Of a module with several commands at the root only the one that is called is built.
        only = typer.Typer(add_completion=False, rich_markup_mode=None)
        only.registered_commands = [info for info in module.app.registered_commands if info.name == place[1]]
        command = typer.main.get_command(only)
        command.name = cmd_name
        _add_global_options(command)
        return command


app = typer.Typer(
    name="lakegate",
    cls=_Root,
    help="Git for a data lake: branch, commit, merge and roll back Delta and Parquet tables.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_Home = Annotated[Path | None, typer.Option("--home", help="The lake's folder (LAKEGATE_HOME) [default: lake]")]
_Lake = Annotated[str | None, typer.Option("--lake", help="The lake's URL, http://.. for a server (LAKEGATE_URL)")]
_Repo = Annotated[str | None, typer.Option("--repo", help="The repository of refs that name none (LAKEGATE_REPO)")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON, as REST answers it")]


@app.callback()
def main(
    context: typer.Context,
    home: _Home = None,
    lake: _Lake = None,
    repo: _Repo = None,
    as_json: _Json = False,
    version: Annotated[bool, typer.Option("--version", is_eager=True, help="Print the version")] = False,
) -> None:
    """Sets up what every command works with."""
    if version:
        output.say(f"lakegate {VERSION}")
        raise typer.Exit
    session = context.obj if isinstance(context.obj, Session) else Session()
    context.obj = session
    session.home, session.url, session.repository, session.json = home, lake, repo, as_json


def run(arguments: Sequence[str]) -> int:
    """Runs one call and returns its exit status; errors are printed."""
    session = Session()
    try:
        status = app(args=list(arguments), prog_name="lakegate", obj=session, standalone_mode=False)
    except LakegateError as error:
        output.show_error(error, session.json)
        if error.kind is ErrorKind.CANCELLED:
            return STOPPED
        return CONFLICT if isinstance(error, MergeConflict) else REFUSED
    except (typer.Abort, KeyboardInterrupt):
        output.warn("Stopped.")
        return STOPPED
    except BrokenPipeError:
        # Whoever read the output has seen enough; what is still buffered must not be flushed into the closed pipe.
        sys.stdout = None
        return REFUSED
    except Exception as error:
        show = getattr(error, "show", None)
        if show is None:
            raise
        show()
        return int(getattr(error, "exit_code", USAGE))
    finally:
        session.close()
    return status if isinstance(status, int) else DONE


def _add_global_options(command: _AnyCommand) -> None:
    """Lets a command take the options of the root too, so that they may stand behind it."""
    only = typer.Typer(add_completion=False)
    only.command()(_global_options)
    taken = {name for present in command.params for name in present.opts}
    for option in typer.main.get_command(only).params:
        if not taken.intersection(option.opts):
            option.expose_value = False
            option.callback = _take
            command.params.append(option)


_ATTRIBUTES = {"lake": "url", "repo": "repository", "as_json": "json"}


def _global_options(home: _Home = None, lake: _Lake = None, repo: _Repo = None, as_json: _Json = False) -> None:
    """Declares the options that `_add_global_options` copies."""


def _take(ctx: Any, param: Any, value: Any) -> None:
    if value not in (None, False) and isinstance(ctx.obj, Session):
        name = _ATTRIBUTES.get(str(param.name), str(param.name))
        setattr(ctx.obj, name, value)

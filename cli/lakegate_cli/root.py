"""The command tree."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from lakegate.errors import LakegateError, MergeConflict
from lakegate_cli import output
from lakegate_cli.commands import branch, changes, objects, quickstart, repo, serve, tag
from lakegate_cli.session import Session

app = typer.Typer(
    name="lakegate",
    help="Git for a data lake: branch, commit, merge and roll back files and tables.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(repo.app, name="repo")
app.add_typer(branch.app, name="branch")
app.add_typer(tag.app, name="tag")
repo.register(app)
quickstart.register(app)
changes.register(app)
objects.register(app)
serve.register(app)


@app.callback()
def main(
    context: typer.Context,
    home: Annotated[Path, typer.Option(envvar="LAKEGATE_HOME", help="The lake's folder.")] = Path("lake"),
    repository: Annotated[
        str | None, typer.Option("--repo", envvar="LAKEGATE_REPO", help="The repository that refs are in.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Sets up what every command works with."""
    context.obj = Session(home, repository, as_json)


def run() -> int:
    """Runs one call and returns its exit status."""
    try:
        status = app(standalone_mode=False)
    except LakegateError as error:
        output.show_error(error, "--json" in sys.argv)
        return 3 if isinstance(error, MergeConflict) else 1
    except typer.Abort:
        return 1
    except BrokenPipeError:
        return 1
    except Exception as error:
        show = getattr(error, "show", None)
        if show is None:
            raise
        show()
        return int(getattr(error, "exit_code", 2))
    return status if isinstance(status, int) else 0

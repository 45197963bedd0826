"""The arguments and options that several commands share, and how their values are read."""

from __future__ import annotations

from typing import Annotated

import typer

from lakegate.errors import ErrorKind, InvalidInput
from lakegate_cli import complete

Ref = Annotated[str, typer.Argument(help="REPOSITORY/REF", metavar="REF", autocompletion=complete.refs)]
BranchRef = Annotated[str, typer.Argument(help="REPOSITORY/BRANCH", metavar="BRANCH", autocompletion=complete.branches)]
OtherRef = Annotated[
    str, typer.Argument(help="A ref of the same repository", metavar="REF", autocompletion=complete.second_refs)
]
SecondRef = Annotated[
    str | None,
    typer.Argument(
        help="A ref of the same repository [default: what is uncommitted on the first]",
        metavar="REF",
        autocompletion=complete.second_refs,
    ),
]
ObjectPath = Annotated[str, typer.Argument(help="REPOSITORY/REF/PATH", metavar="PATH", autocompletion=complete.paths)]
RepositoryName = Annotated[
    str | None,
    typer.Argument(help="The repository; left out where one is set", autocompletion=complete.repositories),
]
Message = Annotated[str, typer.Option("--message", "-m", help="What changed, and why")]
OptionalMessage = Annotated[str | None, typer.Option("--message", "-m", help="Instead of the message made up for it")]
Meta = Annotated[list[str] | None, typer.Option("--meta", help="KEY=VALUE, kept with the commit; may be repeated")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would happen")]
After = Annotated[str, typer.Option("--after", help="Go on behind this item")]
Amount = Annotated[int, typer.Option("--amount", "-n", min=1, help="At most so many")]
Prefix = Annotated[str, typer.Option("--prefix", help="Only what starts with it")]
AllowEmpty = Annotated[bool, typer.Option("--allow-empty", help="Also where nothing changed")]


def pairs(values: list[str] | None, option: str = "--meta") -> dict[str, str]:
    """Reads KEY=VALUE items. Raises InvalidInput(INVALID_ARGUMENT)."""
    split = [item.partition("=") for item in values or ()]
    for key, equals, _ in split:
        if not key or not equals:
            raise InvalidInput(
                ErrorKind.INVALID_ARGUMENT,
                f"{option} takes KEY=VALUE, not {key!r}.",
                hint=f"For example: {option} run=7",
            )
    return {key: value for key, _, value in split}

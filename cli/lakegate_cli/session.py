"""What every command works with: the lake, the default repository, and how REFs and PATHs are read."""

from __future__ import annotations

import getpass
import os
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import typer

from lakegate.errors import ErrorKind, InvalidInput
from lakegate.interface import Lake, Repository


@dataclass(slots=True)
class Session:
    """One call of the command line."""

    home: Path
    repository: str | None
    json: bool
    lake: Lake | None = None

    def open(self) -> Lake:
        """Opens the lake, once."""
        if self.lake is None:
            from lakegate.connection import connect

            self.lake = connect(self.home, actor=getpass.getuser(), environment=os.environ)
        return self.lake

    def ref(self, text: str) -> tuple[Repository, str]:
        """Reads `REPOSITORY/REF`, or `REF` alone where a repository is set."""
        head, slash, ref = text.removeprefix("lake://").partition("/")
        if not slash:
            head, ref = self._default(text), head
        return self.open().repository(head), ref

    def path(self, text: str) -> tuple[Repository, str, str]:
        """Reads `REPOSITORY/REF/PATH`, or `REF/PATH` where a repository is set; PATH may be empty."""
        text = text.removeprefix("lake://")
        if self.repository is None:
            head, _, text = text.partition("/")
        else:
            head = self.repository
        ref, _, path = text.partition("/")
        if not head or not ref:
            raise InvalidInput(
                ErrorKind.INVALID_ARGUMENT, "The argument names no ref.", hint="Write REPOSITORY/REF/PATH."
            )
        return self.open().repository(head), ref, path

    def _default(self, text: str) -> str:
        if self.repository is None:
            raise InvalidInput(
                ErrorKind.INVALID_ARGUMENT,
                f"{text!r} names no repository.",
                hint="Write REPOSITORY/REF, or set one with --repo or LAKEGATE_REPO.",
            )
        return self.repository


def session(context: typer.Context) -> Session:
    """Returns the session of a command."""
    return cast(Session, context.obj)

"""What every command works with: the lake, the default repository, and how REFs and PATHs are read."""

from __future__ import annotations

import getpass
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

import typer

from lakegate.errors import ErrorKind, InvalidInput, NotFound
from lakegate.interface import Lake, Repository
from lakegate_cli import chosen

if TYPE_CHECKING:
    from lakegate.config import ServerSettings

DEFAULT_HOME = Path("lake")


@dataclass(slots=True)
class Session:
    """One call of the command line. `home`, `url` and `repository` are the options, None where they were not given."""

    home: Path | None = None
    url: str | None = None
    repository: str | None = None
    json: bool = False
    _lake: Lake | None = None
    _repositories: dict[str, Repository] = field(default_factory=dict)

    def where(self) -> str:
        """The lake's folder or URL: the options, then LAKEGATE_URL and LAKEGATE_HOME, then what `lakegate use` set.

        Raises BadParameter for both options.
        """
        if self.url and self.home:
            raise typer.BadParameter(f"--lake {self.url} and --home {self.home} name two lakes: give one of them.")
        found = self.url or (str(self.home) if self.home else None)
        found = found or os.environ.get("LAKEGATE_URL") or os.environ.get("LAKEGATE_HOME")
        if found:
            return found
        if not DEFAULT_HOME.exists():
            found = chosen.read().lake
        return found or str(DEFAULT_HOME)

    def folder(self) -> Path:
        """The folder of a lake on this machine, as `where` finds it; a server's URL that does not come from --lake is
        passed over. Raises InvalidInput where --lake names a server."""
        if self.url is not None and _is_url(self.url):
            raise InvalidInput(
                ErrorKind.INVALID_ARGUMENT,
                f"This works on a lake in a folder, and {self.url} is a server's.",
                hint="Leave --lake out, and name the folder with --home, on the machine where the lake lies.",
            )
        found = self.where()
        if _is_url(found):
            found = os.environ.get("LAKEGATE_HOME") or str(DEFAULT_HOME)
        return Path(found.removeprefix("file://"))

    def is_remote(self) -> bool:
        """Tells whether the lake is a server's."""
        return _is_url(self.where())

    def open(self) -> Lake:
        """Opens the lake, once."""
        if self._lake is None:
            from lakegate.connection import connect

            self._lake = connect(self.where(), actor=getpass.getuser(), environment=os.environ)
        return self._lake

    def server_settings(self) -> ServerSettings:
        """The settings of the lake's server, from its settings file and the environment."""
        from lakegate.config import CONFIG_FILE, parse_file, server_settings

        home = self.folder().absolute()
        file = home / CONFIG_FILE
        return server_settings(home, parse_file(file.read_text()) if file.exists() else {}, os.environ)

    def close(self) -> None:
        """Closes the lake, where it was opened."""
        if self._lake is not None:
            self._lake.close()
            self._lake = None

    def repo(self, name: str | None = None) -> Repository:
        """Opens a repository, once: the named one, or the default one."""
        name = (name or "").removeprefix("lake://").rstrip("/") or self.default_repository()
        if name is None:
            raise InvalidInput(
                ErrorKind.INVALID_ARGUMENT,
                "The command names no repository.",
                hint="Name one, or set one with --repo, LAKEGATE_REPO or `lakegate use`.",
            )
        if name not in self._repositories:
            self._repositories[name] = self.open().repository(name)
        return self._repositories[name]

    def default_repository(self) -> str | None:
        """The repository of refs that name none: --repo, LAKEGATE_REPO, or what `lakegate use` set for this lake."""
        return self.repository or os.environ.get("LAKEGATE_REPO") or chosen.read().repository_of(self.where())

    def ref(self, text: str) -> tuple[Repository, str]:
        """Reads `REPOSITORY/REF`, or `REF` alone where a repository is set."""
        head, slash, ref = text.removeprefix("lake://").partition("/")
        if slash and head and ref:
            return self.repo(head), ref
        if slash or not head or self.default_repository() is None:
            raise InvalidInput(
                ErrorKind.INVALID_ARGUMENT,
                f"{text!r} is no REPOSITORY/REF.",
                hint="Write for example sales/main, or set a repository with --repo, LAKEGATE_REPO or `lakegate use`.",
            )
        return self.repo(), head

    def path(self, text: str) -> tuple[Repository, str, str]:
        """Reads `REPOSITORY/REF/PATH`, or `REF/PATH` where a repository is set; PATH may be empty.

        Where a repository is set, a name is full that starts with `lake://` or with the name of a repository of the
        lake. Raises InvalidInput(AMBIGUOUS_REF) where that is the name of a ref in the set repository too.
        """
        default = self.default_repository()
        plain = text.removeprefix("lake://")
        head, _, rest = plain.partition("/")
        if default is not None and plain == text and not self._is_full(default, head, rest):
            head, rest = default, plain
        ref, _, path = rest.partition("/")
        if not head or not ref:
            raise InvalidInput(
                ErrorKind.INVALID_ARGUMENT,
                f"{text!r} names no ref.",
                hint="Write REPOSITORY/REF/PATH, for example sales/main/orders/.",
            )
        return self.repo(head), ref, path

    def same(self, text: str, repository: Repository) -> str:
        """Reads a second ref of a command: `REF`, or `REPOSITORY/REF` of the same repository."""
        head, slash, ref = text.removeprefix("lake://").partition("/")
        if not slash:
            return head
        if head != repository.info.name:
            raise InvalidInput(
                ErrorKind.INVALID_ARGUMENT,
                f"{text!r} is not in the repository {repository.info.name!r}.",
                hint="Both refs of a command are of one repository.",
            )
        return ref

    def _is_full(self, default: str, head: str, rest: str) -> bool:
        """Tells whether `head/rest` starts with a repository, though one is set."""
        if not rest.partition("/")[0]:
            return False
        try:
            self.repo(head)
        except (NotFound, InvalidInput):
            return False
        try:
            self.repo(default).commit_of(head)
        except NotFound:
            return True
        except InvalidInput as error:
            if error.kind is not ErrorKind.AMBIGUOUS_REF:
                raise
        raise InvalidInput(
            ErrorKind.AMBIGUOUS_REF,
            f"'{head}/{rest}' can be of the repository {head!r}, or of the ref {head!r} in the set repository "
            f"{default!r}.",
            hint=f"Write lake://{head}/{rest} or lake://{default}/{head}/{rest}.",
        )


def _is_url(lake: str) -> bool:
    return lake.startswith(("http://", "https://"))


def session(context: typer.Context) -> Session:
    """Returns the session of a command."""
    return cast(Session, context.obj)

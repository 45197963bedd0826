"""What `lakegate use` remembers between calls: a lake, and the default repository of it."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path

from lakegate.pins import toml_string
from lakegate_cli.files import write_file


@dataclass(frozen=True, slots=True)
class Chosen:
    """`lake` is a URL or an absolute folder. Both None: nothing was chosen."""

    lake: str | None = None
    repository: str | None = None

    def repository_of(self, lake: str) -> str | None:
        """The chosen repository, where `lake` is the lake that it was chosen in."""
        return self.repository if self.lake is not None and self.lake == absolute(lake) else None


def absolute(lake: str) -> str:
    """One form for a lake's folder or URL, wherever a call is made from."""
    if lake.startswith(("http://", "https://")):
        return lake.rstrip("/")
    return str(Path(lake.removeprefix("file://")).absolute())


def file() -> Path:
    """Where the choice is kept: `lakegate/use.toml` in the user's folder of settings."""
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "lakegate" / "use.toml"


def read() -> Chosen:
    """Reads the choice. A file that can't be read, or is not ours, counts as no choice: every call would fail else."""
    try:
        found = tomllib.loads(file().read_text())
    except (OSError, RuntimeError, ValueError):
        return Chosen()
    lake, repository = found.get("lake"), found.get("repository")
    return Chosen(lake if isinstance(lake, str) else None, repository if isinstance(repository, str) else None)


def write(choice: Chosen) -> Path:
    """Keeps the choice and returns the file."""
    target = file()
    target.parent.mkdir(parents=True, exist_ok=True)
    lines = (
        f"{key} = {toml_string(value)}\n".encode()
        for key, value in (("lake", choice.lake), ("repository", choice.repository))
        if value
    )
    write_file(target, lines)
    return target

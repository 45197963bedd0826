"""The paths of Delta logs: `TABLE/_delta_log/<20 digits>.json` and what lies beside these."""

from __future__ import annotations

import re

LOG = "_delta_log"
_COMMIT = re.compile(rf"(?:(?P<table>.+)/)?{LOG}/(?P<version>\d{{20}})\.json", re.ASCII | re.DOTALL)


def table_prefix(table: str) -> str:
    """What the paths of a table's objects start with; a table may be the whole repository (path "")."""
    return f"{table}/" if table else ""


def log_folder(table: str) -> str:
    """The path of a table's log, with a trailing '/'."""
    return f"{table_prefix(table)}{LOG}/"


def commit_path(table: str, version: int) -> str:
    """The path of a log commit."""
    return f"{log_folder(table)}{version:020d}.json"


def log_commit_of(path: str) -> tuple[str, int] | None:
    """Returns the table's folder and the version where a path is that of a Delta log commit, else None."""
    if not path.endswith(".json"):
        return None  # nearly all paths: every write asks
    found = _COMMIT.fullmatch(path)
    return None if found is None else (found["table"] or "", int(found["version"]))


def is_log(path: str) -> bool:
    """Tells whether a path lies in a Delta table's log."""
    return f"/{LOG}/" in f"/{path}"


def log_folder_of(path: str) -> str:
    """Returns the innermost log's folder, with a trailing '/', that a path of a log lies in."""
    return path[: f"/{path}".rindex(f"/{LOG}/")] + f"{LOG}/"

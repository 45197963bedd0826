"""The order in which an export writes a Delta table: at each moment a reader sees a version whole or not at all.

Data files come first, then each log, stage by stage.
"""

from __future__ import annotations

import re
from enum import IntEnum

_LOG = "_delta_log/"
_COMMIT = re.compile(r"(?:.*/)?_delta_log/\d{20}\.json", re.DOTALL)


class Stage(IntEnum):
    """The stages of a log: checkpoints, their sidecars and what else there is, in any order; commits in their order;
    the hint at the newest checkpoint."""

    BEFORE = 0
    COMMITS = 1
    HINT = 2


def is_log(path: str) -> bool:
    """Tells whether a path lies in a Delta table's log."""
    return f"/{_LOG}" in f"/{path}"


def log_folder_of(path: str) -> str:
    """Returns the log's folder, with a trailing '/', that a path of a log lies in."""
    return path[: f"/{path}".rindex(f"/{_LOG}")] + _LOG


def stage_of(path: str) -> Stage:
    """Tells with which stage of its log a path of a log is written."""
    if _COMMIT.fullmatch(path):
        return Stage.COMMITS
    return Stage.HINT if path.endswith(f"{_LOG}_last_checkpoint") else Stage.BEFORE

"""The order in which an export writes a Delta table: at each moment a reader sees a version whole or not at all.

Data files come first, then each log, stage by stage.
"""

from __future__ import annotations

from enum import IntEnum

from lakegate.log_paths import LOG, log_commit_of


class Stage(IntEnum):
    """The stages of a log: checkpoints, their sidecars and what else there is, in any order; commits in their order;
    the hint at the newest checkpoint."""

    BEFORE = 0
    COMMITS = 1
    HINT = 2


def stage_of(path: str) -> Stage:
    """Tells with which stage of its log a path of a log is written."""
    if log_commit_of(path) is not None:
        return Stage.COMMITS
    return Stage.HINT if path.endswith(f"{LOG}/_last_checkpoint") else Stage.BEFORE

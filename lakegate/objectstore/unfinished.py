"""Unfinished files that an export leaves in a folder where its process dies, and how a later one clears them away.

Who writes such a file holds a lock on it, which ends with the process: a file that nobody holds is left over.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from lakegate.objectstore.keys import TEMPORARY_PREFIX


def hold(file: int) -> bool:
    """Locks an open unfinished file until it is closed. False where another holds it, or the file system knows no
    locks."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def clear(folder: Path) -> None:
    """Removes the unfinished files in a folder that nobody writes any more; not those in its subfolders. What can't be
    removed stays: nothing lists or reads it."""
    try:
        names = [name for name in os.listdir(folder) if name.startswith(TEMPORARY_PREFIX)]  # noqa: PTH208 - names only
    except OSError:
        return
    for name in names:
        try:
            file = os.open(folder / name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            continue
        try:
            if hold(file):
                (folder / name).unlink(missing_ok=True)
        except OSError:
            continue
        finally:
            os.close(file)

"""Unfinished files: how they are made, and how an export clears away what one that died left in a folder.

Who writes such a file in a folder that is cleared holds a lock on it (flock), which ends when the last process that has
it open closes it or dies: a file that nobody holds is left over. Where the file system knows no locks, clearing takes
none either, and so removes nothing. Where its locks reach no other machine (NFS mounted with `local_lock`), an export
can lose its file to one that runs on another machine: it fails then, and damages nothing.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from lakegate.ids import new_id
from lakegate.objectstore.keys import TEMPORARY_PREFIX

_CREATE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW


def make(folder: str) -> tuple[int, str]:
    """Makes an unfinished file of a new name, and returns it, open for writing, and its path. Raises OSError."""
    path = f"{folder}/{TEMPORARY_PREFIX}{new_id()}"
    return os.open(path, _CREATE_FLAGS, 0o666), path


def make_held(folder: str) -> tuple[int, str]:
    """Makes an unfinished file that no `clear` removes until it is closed. Raises OSError.

    Between its making and its lock a `clear` may take it for left over; then another is made.
    """
    while True:
        file, path = make(folder)
        if _hold(file) is not False and os.path.lexists(path):
            return file, path
        os.close(file)
        Path(path).unlink(missing_ok=True)


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
            if _hold(file):
                (folder / name).unlink(missing_ok=True)
        except OSError:
            continue
        finally:
            os.close(file)


def _hold(file: int) -> bool | None:
    """Locks an open file until it is closed. False where another holds it, None where the file system has no locks."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True

"""Unfinished files: an export's clearing removes what a dead one left, and nothing that another writes."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lakegate.objectstore.local import LocalStore
from lakegate.objectstore.unfinished import clear, make_held

_FLOCK = fcntl.flock
_WRITER = """
import os, sys
from lakegate.objectstore.unfinished import make_held
print(make_held(sys.argv[1])[1], flush=True)
child = os.fork()
print(child, flush=True) if child else None
sys.stdin.read()
"""


def before_the_lock(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """Has something happen once, between the making of a file and its lock."""

    def late(file: int, how: int) -> None:
        monkeypatch.setattr(fcntl, "flock", _FLOCK)
        act()
        _FLOCK(file, how)

    monkeypatch.setattr(fcntl, "flock", late)


def write(folder: Path, meanwhile: Callable[[], None]) -> None:
    """Writes one file as an export does."""
    writer = LocalStore(folder).replacer("a", 1)
    writer.write(b"whole")
    meanwhile()
    writer.finish()


def only_whole(folder: Path) -> bool:
    return {file.name: file.read_bytes() for file in folder.iterdir()} == {"a": b"whole"}


def test_a_file_cleared_before_its_lock_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before_the_lock(monkeypatch, lambda: clear(tmp_path))
    write(tmp_path, lambda: clear(tmp_path))
    assert only_whole(tmp_path)


def test_a_file_that_is_being_cleared_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[Path] = []
    locks: list[int] = []

    def take() -> None:
        taken.extend(tmp_path.iterdir())
        locks.append(os.open(taken[0], os.O_RDONLY))
        _FLOCK(locks[0], fcntl.LOCK_EX | fcntl.LOCK_NB)

    before_the_lock(monkeypatch, take)
    write(tmp_path, lambda: taken[0].unlink(missing_ok=True))
    os.close(locks[0])
    assert only_whole(tmp_path)


def test_without_locks_nothing_is_cleared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(file: int, how: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    write(tmp_path, lambda: clear(tmp_path))
    assert only_whole(tmp_path)
    file, left = make_held(str(tmp_path))
    os.close(file)
    clear(tmp_path)
    assert Path(left).exists()


def test_a_file_is_held_while_any_process_has_it_open(tmp_path: Path) -> None:
    """Also a process that its writer forked: what such a one writes is never lost, what both left is cleared."""
    command = [sys.executable, "-c", _WRITER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        left = Path(writer.stdout.readline().strip())
        forked = int(writer.stdout.readline())
        clear(tmp_path)
        assert left.exists()
        writer.kill()
        writer.wait(60)
        clear(tmp_path)
        assert left.exists()
        os.kill(forked, signal.SIGKILL)
        writer.stdout.read()  # ends when the last process of the two has ended
        clear(tmp_path)
        assert not left.exists()

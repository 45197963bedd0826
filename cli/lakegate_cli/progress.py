"""How far long work is: a bar on a terminal, a line now and then elsewhere; Ctrl-C stops the work cleanly."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType

from lakegate.errors import ErrorKind, Refused
from lakegate.interface import Repository
from lakegate.model import Progress
from lakegate_cli.output import many, warn

RESUMED = "What was written is there; the same command goes on where it stopped."

_LINE_SECONDS = 5.0


@contextmanager
def counted(what: str, hint: str) -> Generator[Progress]:
    """Hands out the function that work reports to.

    The first Ctrl-C makes the next report raise Refused(CANCELLED) with this hint, so that the work undoes what it
    began; a second one stops it where it stands.
    """
    asked = threading.Event()
    with _interrupts(asked), _bar(what) if sys.stderr.isatty() else _lines(what) as show:

        def report(done: int, total: int | None) -> None:
            show(done, total)
            if asked.is_set():
                raise Refused(ErrorKind.CANCELLED, f"Stopped {what} after {many(done, 'object')}.", hint=hint)

        yield report


@contextmanager
def committing(repository: Repository, branch: str, *, dry_run: bool = False) -> Generator[None]:
    """Makes a Ctrl-C in its block Refused(CANCELLED) that says how to find out whether there is a commit now."""
    try:
        yield
    except KeyboardInterrupt:
        told = f"`lakegate log {repository.info.name}/{branch}` tells"
        hint = "A dry run changes nothing." if dry_run else f"Either all of it was committed or nothing: {told}."
        raise Refused(ErrorKind.CANCELLED, "Stopped.", hint=hint) from None


@contextmanager
def _interrupts(asked: threading.Event) -> Generator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach the main thread only
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()
        warn("Stopping. Press Ctrl-C again to stop at once.")

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _bar(what: str) -> Generator[Callable[[int, int | None], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as ProgressBar

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with ProgressBar(*columns, console=Console(stderr=True, highlight=False), transient=True) as bar:
        task = bar.add_task(what, total=None)

        def show(done: int, total: int | None) -> None:
            bar.update(task, completed=done, total=total)

        yield show


@contextmanager
def _lines(what: str) -> Generator[Callable[[int, int | None], None]]:
    last = time.monotonic()

    def show(done: int, total: int | None) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _LINE_SECONDS:
            last = now
            warn(f"{what}: {done:,} of {total:,} objects" if total is not None else f"{what}: {done:,} objects")

    yield show

"""The entry point: answers `--version` at once, and starts the commands otherwise."""

from __future__ import annotations

import signal
import sys


def app() -> None:
    """Runs the command line. Exit status: 0 done, 1 refused, 2 bad usage, 3 conflict, 130 stopped by Ctrl-C."""
    if sys.argv[1:] == ["--version"]:
        from lakegate.version import VERSION

        sys.stdout.write(f"lakegate {VERSION}\n")
        return
    import gc

    # Imports make many objects and hardly any garbage: collecting while they run costs a fifth of a short call.
    gc.disable()
    try:
        from lakegate_cli.root import run

        status = run(sys.argv[1:])
    except KeyboardInterrupt:  # while modules were still being imported, or the lake was being closed
        sys.stderr.write("Stopped.\n")
        status = 130
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is done and said: there is nothing left to stop
    sys.exit(status)

"""The story of the quickstart. Its `lakegate` commands are real ones: what is printed below them is their output."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

from lakegate.errors import ErrorKind, LakegateError
from lakegate.pinning import job_environment
from lakegate_cli.output import say
from lakegate_cli.quickstart.flights import MONTHS, TABLE, TRAINING, Flights, name_of
from lakegate_cli.quickstart.server import Server

REPOSITORY = "flights"
_SCRIPT = "train.py"


def play(server: Server) -> None:
    """Plays the three jobs against a server, in the current folder."""
    variables = job_environment(server.url, (server.access_key_id, server.secret), ())
    os.environ.update(variables)
    _say(f"$ export LAKEGATE_URL={server.url} LAKEGATE_ACCESS_KEY_ID={server.access_key_id}")
    _say("$ export LAKEGATE_SECRET_ACCESS_KEY=****")
    _say('$ eval "$(lakegate env)"      # for deltalake, Polars, boto3 and others that speak S3')
    flights = Flights(REPOSITORY)
    _load(flights)
    _branch(flights)
    _roll_back(flights)
    _pin(flights)


def _load(flights: Flights) -> None:
    _title(f"Data: {MONTHS} months of {flights.rows:,} flights, appended to a Delta table and committed one by one")
    _lakegate("repo", "create", REPOSITORY)
    _python(f'write_deltalake("{flights.uri("main")}", january, mode="append")')
    for month in range(1, MONTHS + 1):
        flights.append("main", flights.month(month))
        _lakegate("commit", f"{REPOSITORY}/main", "-m", f"Flights of {name_of(month)}")
    _lakegate("table", "list", f"{REPOSITORY}/main")


def _branch(flights: Flights) -> None:
    _title("Job 1: branch for an experiment. Instant, no bytes copied, and main stays as it is")
    before = flights.see("main")
    _lakegate("branch", "create", f"{REPOSITORY}/exp", "main")
    _python(f'DeltaTable("{flights.uri("exp")}").delete("dep_time IS NULL")   # flights that never left')
    flights.delete("exp", "dep_time IS NULL")
    _lakegate("commit", f"{REPOSITORY}/exp", "-m", "Leave out flights that never left")
    _lakegate("diff", f"{REPOSITORY}/main", "exp")
    _say(f"exp:  {flights.see('exp')}")
    _say(f"main: {flights.see('main')}, untouched")
    _expect(flights.see("main") == before, "main changed under an experiment")
    _lakegate("merge", f"{REPOSITORY}/exp", "--into", "main")
    _say(f"main: {flights.see('main')}")
    _expect(flights.see("main") == flights.see("exp"), "the merge did not bring the experiment onto main")


def _roll_back(flights: Flights) -> None:
    _title("Job 2: roll back a bad ingestion. One command, no half state, nothing lost")
    good = flights.see("main")
    month = MONTHS + 1
    _python(f'write_deltalake("{flights.uri("main")}", july, mode="append")   # delays doubled, 5,000 rows twice')
    flights.append("main", flights.bad_month(month))
    _lakegate("commit", f"{REPOSITORY}/main", "-m", f"Flights of {name_of(month)}")
    _say(f"main: {flights.see('main')}: that can't be")
    _lakegate("diff", f"{REPOSITORY}/main~1", "main")
    _lakegate("rollback", f"{REPOSITORY}/main", "--to", "main~1")
    _say(f"main: {flights.see('main')}, as before")
    _expect(flights.see("main") == good, "the rollback did not bring the good rows back")
    _lakegate("log", f"{REPOSITORY}/main")


def _pin(flights: Flights) -> None:
    _title("Job 3: pin a training job to a commit. The same rows and the same score, whatever main does")
    Path(_SCRIPT).write_text(TRAINING)
    pinned = flights.see("main")
    _lakegate("pin", f"{REPOSITORY}/main", "--name", "train")
    first = _train()
    month = MONTHS + 1
    _python(f'write_deltalake("{flights.uri("main")}", july, mode="append")   # the good one')
    flights.append("main", flights.month(month))
    _lakegate("commit", f"{REPOSITORY}/main", "-m", f"Flights of {name_of(month)}, corrected")
    moved = flights.see("main")
    _say(f"main: {moved}: it has moved on")
    _expect(moved.rows > pinned.rows, "main did not move on")
    _lakegate("pin", "--check")
    second = _train()
    _expect(first == second, f"the pin gave another result: {first!r}, then {second!r}")
    _say("The same commit, the same rows, the same score.")
    _lakegate("verify", "train", "--deep")


def _train() -> str:
    command = ("run", "--pin", "train", "--", "python", _SCRIPT)
    _say(f"$ lakegate {shlex.join(command)}")
    words = [sys.executable, "-m", "lakegate_cli", *command]
    words[words.index("python")] = sys.executable
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise _failed(f"the training failed: {done.stderr.strip()[-500:]}")
    _say(done.stdout.rstrip())
    return done.stdout


def _lakegate(*arguments: str) -> None:
    """Runs a command as the shell would, after showing it."""
    from lakegate_cli.root import run

    _say(f"$ lakegate {shlex.join(arguments)}")
    status = run(arguments)
    sys.stdout.flush()
    if status:
        raise _failed(f"`lakegate {shlex.join(arguments)}` ended with status {status}")


def _python(line: str) -> None:
    _say(f">>> {line}")


def _title(text: str) -> None:
    _say(f"\n{text}\n{'-' * len(text)}")


def _say(text: str) -> None:
    say(text)
    sys.stdout.flush()


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise _failed(otherwise)


def _failed(what: str) -> LakegateError:
    return LakegateError(
        ErrorKind.INTERNAL, f"The quickstart stopped: {what}.", hint="That is a fault of lakegate: please report it."
    )


__all__ = ["REPOSITORY", "TABLE", "play"]

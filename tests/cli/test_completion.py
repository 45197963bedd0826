"""Shell completion as `lakegate --install-completion` sets it up, asked by the shells themselves."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

_PLAIN = {name: value for name, value in os.environ.items() if not name.startswith("LAKEGATE_")}


def shell(name: str, script: str, home: Path) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"there is no {name} here")
    bin_folder = str(Path(sys.executable).parent)
    environment = {
        **_PLAIN,
        "HOME": str(home),
        "PATH": f"{bin_folder}{os.pathsep}{_PLAIN['PATH']}",
        "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1",
    }
    done = subprocess.run([found, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_bash_completes_commands_and_names(lakegate: Any, tmp_path: Path) -> None:
    if not Path(sys.executable).with_name("lakegate").exists():
        pytest.skip("the script `lakegate` is not installed beside this Python")
    lakegate("branch", "create", "sales/exp")
    home = tmp_path / "user"
    home.mkdir()
    assert "completion installed" in shell("bash", "lakegate --install-completion bash", home)
    script = """
        source ~/.bashrc
        ask() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _lakegate_completion lakegate; echo "${COMPREPLY[*]}"; }
        ask lakegate cher
        ask lakegate branch cr
        ask lakegate log sales/e
        ask lakegate --home nowhere log sales/e
    """
    assert shell("bash", script, home).split("\n") == ["cherry-pick", "create", "sales/exp", "", ""]


@pytest.mark.parametrize(
    ("name", "file"), [("zsh", ".zfunc/_lakegate"), ("fish", ".config/fish/completions/lakegate.fish")]
)
def test_other_shells_get_their_file(name: str, file: str, tmp_path: Path) -> None:
    shell("bash", f"lakegate --install-completion {name}", tmp_path)
    assert "_LAKEGATE_COMPLETE=complete_" + name in (tmp_path / file).read_text()

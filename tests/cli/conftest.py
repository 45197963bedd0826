"""The command line, called in process in a folder of its own."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from lakegate_cli.root import run


class Shell:
    """Runs `lakegate` and hands out what it printed; what a call must end with is checked."""

    def __init__(self, capture: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capture = capture
        self._monkeypatch = monkeypatch
        self.errors = ""

    def __call__(self, *args: str, status: int = 0, stdin: bytes = b"") -> str:
        self._monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        ended = run(args)
        out, errors = self._capture.readouterr()
        self.errors = errors.decode()
        assert ended == status, (args, ended, out, self.errors)
        return out.decode()

    def completed(self, words: str) -> list[str]:
        """What the shell is offered behind these words."""
        with self._monkeypatch.context() as patch:
            patch.setenv("_LAKEGATE_COMPLETE", "complete_zsh")
            patch.setenv("_TYPER_COMPLETE_ARGS", words)
            with pytest.raises(SystemExit):
                run([])
        return re.findall(r'"([^"]*)"', self._capture.readouterr()[0].decode())

    def json(self, *args: str, status: int = 0) -> Any:
        return json.loads(self(*args, "--json", status=status))


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> Shell:
    """A shell in an empty folder, with nothing of lakegate in its environment."""
    for name in ("URL", "HOME", "REPO", "FROZEN", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.delenv(f"LAKEGATE_{name}", raising=False)
    monkeypatch.setenv("LAKEGATE_STORAGE_FSYNC", "false")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    monkeypatch.chdir(tmp_path)
    return Shell(capsysbinary, monkeypatch)


@pytest.fixture
def lakegate(shell: Shell) -> Shell:
    """The same, with a lake and the repository `sales`."""
    shell("init")
    shell("repo", "create", "sales")
    return shell

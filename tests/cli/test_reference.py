"""The committed reference is the one that the commands have now, and no command is without help."""

from __future__ import annotations

from pathlib import Path

from lakegate_cli.reference import document, main

_FILE = Path(__file__).parents[2] / "docs" / "cli.md"


def test_the_reference_is_up_to_date(tmp_path: Path) -> None:
    assert main(["--check", str(_FILE)]) == 0
    assert main(["--check", str(tmp_path / "none.md")]) == 1
    assert main([]) == 2


def test_every_argument_and_option_has_a_help() -> None:
    bare = [line for line in document().splitlines() if line.startswith("- ") and line.endswith(": ")]
    assert bare == []

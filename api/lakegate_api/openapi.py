"""Writes the OpenAPI document.

python -m lakegate_api.openapi FILE            writes it
python -m lakegate_api.openapi --check FILE    exit status 1 where the file is not what would be written
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from lakegate.version import VERSION
from lakegate_api.rest.application import describe


def document() -> str:
    """The OpenAPI document as it is committed."""
    return json.dumps(describe(VERSION).openapi(), indent=2, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> int:
    """Runs the script; returns its exit status."""
    check = arguments[:1] == ["--check"]
    files = arguments[1:] if check else arguments
    if len(files) != 1:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    file = Path(files[0])
    text = document()
    if not check:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return 0
    if not file.exists() or file.read_text() != text:
        sys.stderr.write(f"{file} is not up to date. Run: make docs\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`--json` on every command: one JSON document on standard output, and nothing else there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from lakegate.testing.table_files import parquet_bytes
from lakegate_cli.root import app

# Each command once, in an order in which each can do its work; {job} is the id of the newest job.
CALLS = [
    "init",
    "repo create more",
    "repo list",
    "repo show sales",
    "use sales",
    "config",
    "status",
    "put rows.parquet sales/main/t/a.parquet",
    "status sales/main",
    "commit sales/main -m first",
    "branch create sales/exp",
    "branch list sales",
    "branch show sales/exp",
    "put more.parquet sales/exp/t/a.parquet",
    "commit sales/exp -m second",
    "tag create sales/v1",
    "tag list sales",
    "tag show sales/v1",
    "tag delete sales/v1",
    "log sales/exp",
    "show sales/exp",
    "diff sales/main exp",
    "table list sales/exp",
    "table show sales/exp/t",
    "table history sales/exp/t",
    "table diff sales/main exp",
    "table preview sales/exp/t",
    "diff sales/main exp --rows",
    "merge sales/exp --into main --dry-run",
    "merge sales/exp --into main",
    "rollback sales/main --to main~1 --dry-run",
    "rollback sales/main --to main~1",
    "table restore sales/main/t --to exp",
    "revert sales/main main",
    "cherry-pick sales/main exp",
    "branch reset sales/exp",
    "ls sales/main/",
    "cat sales/main/t/a.parquet",
    "get sales/main/t/a.parquet out.parquet",
    "cp sales/main/t/a.parquet sales/main/t/b.parquet",
    "rm sales/main/t/b.parquet",
    "branch reset sales/main",
    "import folder sales/main/in/ -m imported",
    "export sales/main out",
    "job list sales",
    "job show {job} sales",
    "pin sales/main --name train",
    "pin --check",
    "verify sales/main",
    "pull train --to pulled",
    "doctor",
    "branch delete sales/exp",
    "repo delete more",
]
# These end with an error that is JSON too; what they do is tested elsewhere.
REFUSED = ["job cancel {job} sales", "env"]
ELSEWHERE = {
    "serve": "tests/api/test_serve.py reads what it prints",
    "quickstart": "tests/cli/test_quickstart.py",
    "run": "what it prints is what the program prints",
}


@pytest.fixture
def files(lakegate: Any, tmp_path: Path) -> Any:
    (tmp_path / "rows.parquet").write_bytes(parquet_bytes({"id": [1, 2]}))
    (tmp_path / "more.parquet").write_bytes(parquet_bytes({"id": [1, 2, 3]}))
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/a.csv").write_text("a\n")
    return lakegate


def test_every_command_prints_one_document(files: Any) -> None:
    job = ""
    for call in CALLS:
        words = call.format(job=job).split()
        document: Any = files.json(*words)  # fails on anything but one document
        assert type(document) in (dict, list), call
        # The same behind the command's name and before it.
        if words[0] in ("log", "ls", "show"):
            assert json.loads(files("--json", *words)) == document
        if call == "job list sales":
            job = document["results"][0]["id"]
    for call in REFUSED:
        body = files.json(*call.format(job=job).split(), status=1)
        assert set(body) >= {"message", "code", "hint"}


def test_every_command_is_called_above() -> None:
    called = {words_of(call) for call in (*CALLS, *REFUSED)} | {(name,) for name in ELSEWHERE}
    assert called == set(leaves(typer.main.get_command(app)))


def words_of(call: str) -> tuple[str, ...]:
    first, second, *_ = (*call.split(), "")
    return (first, second) if first in ("repo", "branch", "tag", "table", "job") else (first,)


def leaves(group: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    context = typer.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if hasattr(command, "list_commands"):
            yield from leaves(command, (*above, name))
        else:
            yield (*above, name)

"""The same commands against a server: same words, same JSON; and programs that run at a pin."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from lakegate.config import LakeSettings, ServerSettings
from lakegate_api.serve import running

_KEY, _SECRET = "LGTESTKEY", "a-secret-of-tests"


@pytest.fixture
def served(shell: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A shell whose lake is a server's."""
    settings = ServerSettings(LakeSettings(tmp_path / "lake"), port=0, access_key_id=_KEY, secret_access_key=_SECRET)
    with running(settings) as started:
        monkeypatch.setenv("LAKEGATE_URL", started.url)
        monkeypatch.setenv("LAKEGATE_ACCESS_KEY_ID", _KEY)
        monkeypatch.setenv("LAKEGATE_SECRET_ACCESS_KEY", _SECRET)
        yield shell


def test_commands_do_and_print_the_same_on_a_server_and_in_its_folder(served: Any, tmp_path: Path) -> None:
    home = ("--home", str(tmp_path / "lake"))
    served("repo", "create", "sales")
    served("put", "-", "sales/main/a/f.txt", stdin=b"one")
    served("commit", "sales/main", "-m", "first", "--meta", "run=7")
    served("branch", "create", "sales/exp")
    served("put", "-", "sales/exp/a/f.txt", stdin=b"two")
    served("commit", "sales/exp", "-m", "second")
    served("tag", "create", "sales/v1")
    for command in (
        ("repo", "list"),
        ("branch", "list", "sales"),
        ("branch", "show", "sales/exp"),
        ("tag", "list", "sales"),
        ("log", "sales/exp"),
        ("show", "sales/main"),
        ("diff", "sales/main", "exp"),
        ("ls", "sales/main/"),
        ("ls", "-r", "sales/exp/"),
        ("table", "list", "sales/main"),
        ("table", "diff", "sales/main", "exp"),
        ("merge", "sales/exp", "--into", "main", "--dry-run"),
        ("rollback", "sales/exp", "--to", "main", "--dry-run"),
        ("verify", "sales/main", "--deep"),
    ):
        assert served(*command) == served(*home, *command), command
        assert served.json(*command) == served.json(*home, *command), command
    assert served("cat", "sales/exp/a/f.txt") == "two"
    assert served.json("get", "sales/exp/a/f.txt", "out.txt")["size_bytes"] == 3
    served("merge", "sales/exp", "--into", "main")
    assert served.json("cat", "sales/main/none", status=1) == served.json(*home, "cat", "sales/main/none", status=1)
    assert "FAULT" not in served("doctor")


def test_the_readme_names_all_that_lies_in_a_lake(served: Any, tmp_path: Path) -> None:
    served("repo", "create", "sales")
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    for item in (tmp_path / "lake").iterdir():
        assert f"`lake/{item.name.removesuffix('-wal').removesuffix('-shm')}" in readme


def test_what_concerns_the_local_lake_passes_the_servers_url_over(
    shell: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKEGATE_URL", "http://127.0.0.1:1")
    assert shell("init").startswith(f"The lake is in {tmp_path / 'lake'}.")
    assert "unset LAKEGATE_URL" in shell.errors
    assert shell.json("config")["lake"]["home"] == str(tmp_path / "lake")
    monkeypatch.setenv("LAKEGATE_HOME", str(tmp_path / "other"))
    assert shell.json("config")["lake"]["home"] == str(tmp_path / "other")
    assert shell.json("config", "--home", "third")["lake"]["home"] == str(tmp_path / "third")
    assert "--home" in shell.json("config", "--lake", "http://127.0.0.1:1", status=1)["hint"]


def test_a_program_finds_its_pin_in_the_environment(served: Any, tmp_path: Path) -> None:
    served("repo", "create", "sales")
    served("put", "-", "sales/main/a", stdin=b"one")
    commit = served.json("commit", "sales/main", "-m", "first")["id"]
    served("pin", "sales/main", "--name", "train-1")
    _check_run(served, commit, tmp_path)
    assert served.json("env", "sales/main")["LAKEGATE_COMMIT"] == commit
    assert "export AWS_ALLOW_HTTP=true\n" in served("env")


def test_a_lake_in_a_folder_is_served_while_the_program_runs(
    served: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served("repo", "create", "sales")
    served("put", "-", "sales/main/a", stdin=b"one")
    commit = served.json("commit", "sales/main", "-m", "first")["id"]
    for name in ("URL", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.delenv(f"LAKEGATE_{name}")
    served("pin", "sales/main", "--name", "train-1")
    _check_run(served, commit, tmp_path)


def _check_run(shell: Any, commit: str, folder: Path) -> None:
    """Runs a program that reads its pin with boto3, which knows nothing of lakegate."""
    pytest.importorskip("boto3")
    program = folder / "job.py"
    program.write_text(
        "import os, pathlib, sys\n"
        "import boto3\n"
        "bucket, _, prefix = os.environ['LAKEGATE_PIN_TRAIN_1_URI'].removeprefix('s3://').partition('/')\n"
        "body = boto3.client('s3').get_object(Bucket=bucket, Key=f'{prefix}/a')['Body'].read()\n"
        "pathlib.Path('seen').write_bytes(body)\n"
        "assert os.environ['LAKEGATE_COMMIT'] == prefix\n"
        "sys.exit(7)\n"
    )
    shell("run", "--pin", "train-1", "--", sys.executable, "job.py", status=7)
    assert (folder / "seen").read_bytes() == b"one"
    shell("run", "--", "no-such-program", status=1)
    assert "can't be run" in shell.errors
    assert shell("pin", "--check").startswith("current")
    assert commit in (folder / "lakegate.lock").read_text()


def test_damaged_bytes_are_not_handed_out_as_good(served: Any, tmp_path: Path) -> None:
    served("repo", "create", "sales")
    served("put", "-", "sales/main/f.txt", stdin=b"as written")
    next((tmp_path / "lake/data/sales/data").rglob("??/*")).write_bytes(b"as damaged")
    for lake in ((), ("--home", str(tmp_path / "lake"))):
        served(*lake, "get", "sales/main/f.txt", "out.txt", status=1)
        assert "are not those that were written. out.txt was not written." in served.errors
        assert not [*tmp_path.glob("*out.txt*")]
        assert served(*lake, "cat", "sales/main/f.txt", status=1) == "as damaged"
        assert "are not those that were written. What was printed" in served.errors


def test_refusals_name_what_they_are_about(served: Any, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    served("repo", "create", "sales")
    pq.write_table(pa.table({"i": [1, 2]}), tmp_path / "a.parquet")
    served("put", "a.parquet", "sales/main/t/")
    served("commit", "sales/main", "-m", "a table")
    served("branch", "create", "sales/exp", "main~1")
    bytes_of_t = next((tmp_path / "lake/data/sales/data").rglob("??/*"))
    for lake in ((), ("--home", str(tmp_path / "lake"))):
        assert served(*lake, "table", "preview", "sales/main/t", "-n", "99999999999") == "i\n1\n2\n"
        served(*lake, "diff", "sales/exp", "main", "--rows", "--key", "nope", status=1)
        assert "'nope' can't be a key of the table 't'" in served.errors
        served(*lake, "pin", "sales/main", "--table", "nope", status=1)
        assert "`lakegate table list` lists the tables" in served.errors
        said = served(*lake, "branch", "reset", "sales/main", "--path", "nope")
        assert said == "Nothing was uncommitted at nope on main.\n"
        (tmp_path / "out/t").mkdir(parents=True, exist_ok=True)
        (tmp_path / "out/t/a.parquet").write_bytes(b"another")
        served(*lake, "export", "sales/main", "out", status=1)
        assert "Another log of an exported table must go first." in served.errors
    bytes_of_t.unlink()
    for lake in ((), ("--home", str(tmp_path / "lake"))):
        assert served.json(*lake, "table", "preview", "sales/main/t", status=1)["code"] == "object_gone"
        served(*lake, "table", "preview", "sales/main/t", status=1)
        assert "The bytes of 't/a.parquet' are gone from" in served.errors


def test_an_export_asks_once_for_each_object(served: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served("repo", "create", "sales")
    for number in range(20):
        served("put", "-", f"sales/main/{number}", stdin=b"x")
    served("commit", "sales/main", "-m", "many")
    asked: list[str] = []
    send = httpx.Client.send

    def counted(client: httpx.Client, request: httpx.Request, **options: Any) -> httpx.Response:
        asked.append(request.url.path)
        return send(client, request, **options)

    monkeypatch.setattr(httpx.Client, "send", counted)
    served("export", "sales/main", "out")
    assert len(list((tmp_path / "out").iterdir())) == 20
    assert sum(path.endswith("/objects") for path in asked) == 20
    assert not [path for path in asked if path.endswith("/stat")]

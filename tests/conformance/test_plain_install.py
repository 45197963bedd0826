"""The plain install: what it does without the libraries that only the server and the embedded lake bring."""

from __future__ import annotations

import subprocess
import sys

import pytest

from lakegate.access import Credentials

_BLOCKER = """
import sys
BLOCKED = set(
    "alembic cryptography deltalake duckdb fastapi numpy obstore orjson pandas pyarrow pydantic pyroaring "
    "python_multipart sqlalchemy starlette uvicorn yaml".split()
)
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"{name} is blocked", name=name)
sys.meta_path.insert(0, Blocker())
"""

_WORK = """
import fsspec
import lakegate
from lakegate.errors import MergeConflict
from lakegate.model import CommitRequest, ExportRequest
url, key, secret, folder = sys.argv[1:]
with lakegate.connect(url, access_key_id=key, secret_access_key=secret) as lake:
    repo = lake.repository(lake.create_repository("plain-install").name)
    repo.put("main", "a", b"1")
    repo.commit("main", CommitRequest("one"))
    repo.create_branch("exp", "main")
    for branch in ("exp", "main"):
        repo.put(branch, "a", branch.encode())
        repo.commit(branch, CommitRequest("two"))
    try:
        repo.merge("exp", "main")
    except MergeConflict as error:
        print([conflict.path for conflict in error.conflicts])
    print(repo.open("exp", "a").read(), repo.verify("main").ok, repo.tables("main").items)
    repo.export(ExportRequest("exp", folder))
    files = fsspec.filesystem("lakegate", lake=lake)
    files.pipe("plain-install/exp/b", b"2")
    print(files.ls("plain-install/exp", detail=False))
print(sorted(BLOCKED & {name.partition(".")[0] for name in sys.modules}))
"""


def run(code: str, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-c", _BLOCKER + code, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_lake_behind_a_server_needs_none_of_them(
    server_url: str, server_key: Credentials, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("exported")
    said = run(_WORK, server_url, server_key.access_key_id, server_key.secret, str(folder))
    assert said.splitlines() == ["['a']", "b'exp' True ()", "['plain-install/exp/a', 'plain-install/exp/b']", "[]"]
    assert (folder / "a").read_bytes() == b"exp"


def test_a_lake_in_a_folder_is_refused_by_name() -> None:
    said = run(
        """
import lakegate
from lakegate.errors import NotOffered
try:
    lakegate.connect("somewhere")
except NotOffered as error:
    print(error)
"""
    )
    assert "which the plain install does not bring" in said
    assert "pip install 'lakegate[server]'" in said

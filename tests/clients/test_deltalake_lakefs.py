"""The `lakefs://` log store inside the package `deltalake`: each write is a branch, a commit and a merge over REST."""

from __future__ import annotations

from itertools import count
from typing import Any

import httpx
import pytest

from lakegate.testing.web import web

deltalake = pytest.importorskip("deltalake")
pa = pytest.importorskip("pyarrow")

_names = count(1)
ROWS = pa.table({"id": [1, 2, 3], "month": [1, 1, 2]})


@pytest.fixture(scope="module")
def options(server_process: Any) -> dict[str, str]:
    return {
        "endpoint": server_process.url,
        "access_key_id": server_process.access_key_id,
        "secret_access_key": server_process.secret_access_key,
        "allow_http": "true",
    }


@pytest.fixture
def repo(server_process: Any) -> httpx.Client:
    name = f"delta-{next(_names)}"
    auth = (server_process.access_key_id, server_process.secret_access_key)
    web.post(f"{server_process.url}/api/v1/repositories", auth=auth, json={"name": name}).raise_for_status()
    return httpx.Client(base_url=f"{server_process.url}/api/v1/repositories/{name}/", auth=auth, timeout=60)


def url(repo: httpx.Client) -> str:
    return f"lakefs://{repo.base_url.path.rstrip('/').rpartition('/')[2]}/main/orders"


def rows(table: Any) -> int:
    found = deltalake.QueryBuilder().register("t", table).execute("SELECT id FROM t").read_all()
    return int(found.num_rows)


def test_writes_are_commits_and_leave_no_branch(repo: httpx.Client, options: dict[str, str]) -> None:
    deltalake.write_deltalake(url(repo), ROWS, partition_by=["month"], storage_options=options)
    deltalake.write_deltalake(url(repo), ROWS, mode="append", storage_options=options)
    table = deltalake.DeltaTable(url(repo), storage_options=options)
    assert (table.version(), rows(table)) == (1, 6)
    table.delete("id = 2")
    table.optimize.compact()
    again = deltalake.DeltaTable(url(repo), storage_options=options)
    assert rows(again) == 4
    assert [branch["id"] for branch in repo.get("branches").json()["results"]] == ["main"]
    assert repo.get("branches/main/diff").json()["results"] == []
    log = repo.get("refs/main/commits").json()["results"]
    assert len(log) == again.version() + 2
    found = repo.get("refs/main/tables").json()["results"]
    assert [(item["path"], item["version"], item["rows"]) for item in found] == [("orders", again.version(), 4)]


def test_what_rest_says_of_a_table(repo: httpx.Client, options: dict[str, str]) -> None:
    deltalake.write_deltalake(url(repo), ROWS, partition_by=["month"], storage_options=options)
    deltalake.write_deltalake(url(repo), ROWS, mode="append", storage_options=options)
    table = repo.get("refs/main/tables/orders").json()
    assert [(column["name"], column["type"]) for column in table["columns"]] == [("id", "long"), ("month", "long")]
    assert (table["partition_columns"], table["files"], table["version"]) == (["month"], 4, 1)
    files = repo.get("refs/main/tables/orders/files").json()["results"]
    assert {file["partition"]["month"] for file in files} == {"1", "2"}
    preview = repo.get("refs/main/tables/orders/preview", params={"limit": 2}).json()
    assert (sorted(preview["columns"]), len(preview["rows"])) == (["id", "month"], 2)
    history = repo.get("refs/main/tables/orders/history").json()["results"]
    assert [(item["version"], item["operation"]) for item in history[:1]] == [(1, "WRITE")]
    assert history[0]["commit_id"] == repo.get("refs/main/commits").json()["results"][0]["id"]
    diff = repo.get("refs/main~1/diff/main/tables").json()["results"]
    assert [(item["path"], item["type"], item["rows_added"]) for item in diff] == [("orders", "changed", 3)]
    pin = repo.get("refs/main/pin", params={"table": "orders"}).json()
    assert [(pinned["path"], pinned["version"]) for pinned in pin["tables"]] == [("orders", 1)]
    unknown = repo.get("refs/main/tables/none")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "table_not_found")


def test_a_table_is_rolled_back_forward_over_rest(repo: httpx.Client, options: dict[str, str]) -> None:
    deltalake.write_deltalake(url(repo), ROWS, storage_options=options)
    good = repo.get("branches/main").json()["commit_id"]
    deltalake.write_deltalake(url(repo), ROWS, mode="append", storage_options=options)
    done = repo.post("branches/main/rollback", json={"to": good, "tables": ["orders"]})
    assert done.status_code == 201, done.text
    assert [(change["path"], change["to_version"]) for change in done.json()["tables"]] == [("orders", 2)]
    table = deltalake.DeltaTable(url(repo), storage_options=options)
    assert (table.version(), rows(table)) == (2, 3)

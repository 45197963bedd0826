"""The package `lakefs-spec`, unmodified: fsspec's `lakefs://` over a running server, with pandas and pyarrow."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

import pytest

lakefs = pytest.importorskip("lakefs")
lakefs_spec = pytest.importorskip("lakefs_spec")
pd = pytest.importorskip("pandas")

from lakefs.client import Client  # noqa: E402

_names = count(1)


@pytest.fixture
def options(server: Any) -> dict[str, str]:
    return {"host": server.url, "username": server.access_key_id, "password": server.secret_access_key}


@pytest.fixture
def fs(options: dict[str, str]) -> Any:
    return lakefs_spec.LakeFSFileSystem(**options, skip_instance_cache=True)


@pytest.fixture
def repo(fs: Any) -> Any:
    name = f"files-{next(_names)}"
    return lakefs.Repository(name, client=fs.client).create(storage_namespace=f"local://{name}")


def test_pandas_writes_and_reads(repo: Any, options: dict[str, str]) -> None:
    frame = pd.DataFrame({"id": range(1000), "name": [f"n{number}" for number in range(1000)]})
    url = f"lakefs://{repo.id}/main/tables/frame.parquet"
    frame.to_parquet(url, storage_options=options)
    pd.testing.assert_frame_equal(pd.read_parquet(url, storage_options=options), frame)
    frame.to_csv(f"lakefs://{repo.id}/main/tables/frame.csv", index=False, storage_options=options)
    read = pd.read_csv(f"lakefs://{repo.id}/main/tables/frame.csv", storage_options=options)
    pd.testing.assert_frame_equal(read, frame)


def test_a_partitioned_dataset(repo: Any, fs: Any) -> None:
    pads = pytest.importorskip("pyarrow.dataset")
    pa = pytest.importorskip("pyarrow")
    table = pa.table({"month": [1, 1, 2, 3], "value": [1.0, 2.0, 3.0, 4.0]})
    root = f"{repo.id}/main/sales"
    schema = pa.schema([("month", pa.int64())])
    pads.write_dataset(
        table, root, filesystem=fs, format="parquet", partitioning=pads.partitioning(schema, flavor="hive")
    )
    read = pads.dataset(root, filesystem=fs, format="parquet", partitioning="hive").to_table()
    assert sorted(read["value"].to_pylist()) == [1.0, 2.0, 3.0, 4.0]
    assert sorted(set(read["month"].to_pylist())) == [1, 2, 3]


def test_files_and_folders(repo: Any, fs: Any, tmp_path: Path) -> None:
    root = f"lakefs://{repo.id}/main"
    fs.pipe(f"{root}/a/one.txt", b"one")
    fs.pipe(f"{root}/a/b/two.txt", b"two")
    with fs.open(f"{root}/a/three.csv", "wt") as out:
        out.write("x,y\n")
    base = f"{repo.id}/main"
    assert fs.cat(f"{root}/a/one.txt") == b"one"
    assert fs.cat_file(f"{root}/a/one.txt", start=1, end=2) == b"n"
    assert fs.exists(f"{root}/a/b")
    assert not fs.exists(f"{root}/nothing")
    assert fs.isdir(f"{root}/a")
    assert fs.info(f"{root}/a/one.txt")["size"] == 3
    assert sorted(fs.ls(f"{root}/a/", detail=False)) == [f"{base}/a/b/", f"{base}/a/one.txt", f"{base}/a/three.csv"]
    assert fs.glob(f"{root}/a/**/*.txt") == [f"{base}/a/b/two.txt", f"{base}/a/one.txt"]
    assert fs.glob(f"{root}/a/*.csv") == [f"{base}/a/three.csv"]
    assert fs.find(f"{root}/a") == [f"{base}/a/b/two.txt", f"{base}/a/one.txt", f"{base}/a/three.csv"]
    assert fs.checksum(f"{root}/a/one.txt") == "f97c5d29941bfb1b2fdab0874906ab82"
    assert fs.tail(f"{root}/a/one.txt", 2) == b"ne"
    assert fs.modified(f"{root}/a/one.txt").year >= 2024
    fs.touch(f"{root}/a/empty")
    assert fs.info(f"{root}/a/empty")["size"] == 0
    fs.get(f"{root}/a/one.txt", str(tmp_path / "one.txt"))
    assert (tmp_path / "one.txt").read_bytes() == b"one"
    fs.put(str(tmp_path / "one.txt"), f"{root}/up/one.txt")
    assert fs.cat(f"{root}/up/one.txt") == b"one"
    with pytest.raises(FileNotFoundError):
        fs.cat(f"{root}/nothing")


def test_copy_move_and_remove(repo: Any, fs: Any) -> None:
    root = f"lakefs://{repo.id}/main"
    for number in range(3):
        fs.pipe(f"{root}/in/{number}", str(number).encode())
    fs.cp_file(f"{root}/in/0", f"{root}/out/0")
    assert fs.cat(f"{root}/out/0") == b"0"
    fs.mv(f"{root}/in/1", f"{root}/out/1")
    assert not fs.exists(f"{root}/in/1")
    assert fs.cat(f"{root}/out/1") == b"1"
    fs.rm_file(f"{root}/in/0")
    assert not fs.exists(f"{root}/in/0")
    fs.rm(f"{root}/out/", recursive=True)
    assert fs.find(f"{root}/") == [f"{repo.id}/main/in/2"]


def test_a_write_to_a_missing_branch_makes_it(repo: Any, fs: Any) -> None:
    fs.pipe(f"lakefs://{repo.id}/fresh/a", b"1")
    assert [branch.id for branch in repo.branches()] == ["fresh", "main"]


def test_a_transaction_commits_and_merges(repo: Any, fs: Any) -> None:
    fs.pipe(f"lakefs://{repo.id}/main/a", b"1")
    main = lakefs.Branch(repo.id, "main", client=fs.client)
    main.commit("first")
    with fs.transaction(repo.id, "main") as tx:
        fs.pipe(f"lakefs://{repo.id}/{tx.branch.id}/b", b"2")
        tx.commit("by transaction")
        tx.tag(tx.branch.head, "in-between")
    assert fs.cat(f"lakefs://{repo.id}/main/b") == b"2"
    assert "by transaction" in [commit.message for commit in main.log()]
    assert [branch.id for branch in repo.branches()] == ["main"]
    with fs.transaction(repo.id, "main") as tx:
        reverted = tx.revert(tx.branch, "in-between")
        assert tx.rev_parse(tx.branch.id).id == reverted.id
    assert not fs.exists(f"lakefs://{repo.id}/main/b")


def test_a_failed_transaction_leaves_the_branch_alone(repo: Any, fs: Any) -> None:
    def fail(tx: Any) -> None:
        fs.pipe(f"lakefs://{repo.id}/{tx.branch.id}/b", b"2")
        tx.commit("never merged")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), fs.transaction(repo.id, "main", delete="always") as tx:
        fail(tx)
    assert not fs.exists(f"lakefs://{repo.id}/main/b")
    assert [branch.id for branch in repo.branches()] == ["main"]


def test_wrong_credentials_are_a_permission_error(server: Any, repo: Any) -> None:
    fs = lakefs_spec.LakeFSFileSystem(host=server.url, username="x" * 8, password="wrong", skip_instance_cache=True)
    with pytest.raises(PermissionError):
        fs.ls(f"lakefs://{repo.id}/main/")
    assert isinstance(fs.client, Client)

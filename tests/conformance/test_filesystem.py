"""The fsspec filesystem over both kinds of lakes, and pandas, Polars and pyarrow through it."""

from __future__ import annotations

import hashlib
import pickle
import random
import uuid
from pathlib import Path

import fsspec
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.fs as pafs
import pytest

from lakegate.access import Credentials
from lakegate.errors import NotOffered
from lakegate.filesystem import LakegateFileSystem
from lakegate.interface import Lake, Repository
from lakegate.lake import EmbeddedLake
from lakegate.model import CommitRequest


@pytest.fixture(params=["embedded", "http"])
def options(
    request: pytest.FixtureRequest, server_url: str, server_key: Credentials, embedded_lake: EmbeddedLake
) -> dict[str, str]:
    """Storage options of each kind of lake."""
    if request.param == "http":
        return {"lake": server_url, "key": server_key.access_key_id, "secret": server_key.secret}
    return {"lake": embedded_lake.url}


@pytest.fixture
def fs(options: dict[str, str]) -> LakegateFileSystem:
    found = fsspec.filesystem("lakegate", **options)
    assert isinstance(found, LakegateFileSystem)
    return found


@pytest.fixture
def repo(options: dict[str, str], http_lake: Lake, embedded_lake: Lake) -> Repository:
    lake = http_lake if "key" in options else embedded_lake
    return lake.repository(lake.create_repository(f"files-{uuid.uuid4().hex[:12]}").name)


@pytest.fixture
def root(repo: Repository) -> str:
    """`REPOSITORY/main` with a few files."""
    for path in ("a.txt", "d/1.txt", "d/2.txt", "d/deep/ü 3.txt", "e/4.csv"):
        repo.put("main", path, path.encode())
    return f"{repo.info.name}/main"


# -- looking ----------------------------------------------------------------------------------------------------------


def test_repositories_and_refs_are_folders(fs: LakegateFileSystem, root: str, repo: Repository) -> None:
    name = repo.info.name
    made = repo.commit("main", CommitRequest("x"))
    repo.create_tag("v1", "main")
    assert name in fs.ls("", detail=False)
    assert fs.ls(name, detail=False) == [f"{name}/main", f"{name}/v1"]
    for folder in ("", name, root, f"{name}/v1", f"{name}/{made.id}", f"{name}/main~1", f"{root}/d"):
        assert fs.info(folder) == {"name": folder, "size": 0, "type": "directory"}
        assert fs.isdir(folder)
    assert fs.cat(f"{name}/{made.id}/a.txt") == b"a.txt"
    assert fs.ls(f"{name}/main~1") == []


def test_listings(fs: LakegateFileSystem, root: str) -> None:
    assert fs.ls(f"lakegate://{root}", detail=False) == [f"{root}/a.txt", f"{root}/d", f"{root}/e"]
    assert fs.ls(f"{root}/d/", detail=False) == [f"{root}/d/1.txt", f"{root}/d/2.txt", f"{root}/d/deep"]
    assert fs.ls(f"{root}/a.txt", detail=False) == [f"{root}/a.txt"]
    assert [(item["type"], item["size"]) for item in fs.ls(root)] == [("file", 5), ("directory", 0), ("directory", 0)]
    assert fs.find(f"{root}/d") == [f"{root}/d/1.txt", f"{root}/d/2.txt", f"{root}/d/deep/ü 3.txt"]
    assert fs.find(f"{root}/a.txt") == [f"{root}/a.txt"]
    assert fs.find(f"{root}/d", maxdepth=1) == [f"{root}/d/1.txt", f"{root}/d/2.txt"]
    assert fs.find(f"{root}/none") == []
    assert fs.glob(f"{root}/*/*.txt") == [f"{root}/d/1.txt", f"{root}/d/2.txt"]
    assert fs.glob(f"{root}/**/*.csv") == [f"{root}/e/4.csv"]
    paths = ("a.txt", "d/1.txt", "d/2.txt", "d/deep/ü 3.txt", "e/4.csv")
    assert fs.du(root) == sum(len(path.encode()) for path in paths)


def test_what_is_known_of_a_file(fs: LakegateFileSystem, root: str) -> None:
    info = fs.info(f"{root}/a.txt")
    assert (info["size"], info["type"], info["content_type"]) == (5, "file", "text/plain")
    assert info["ETag"] == hashlib.md5(b"a.txt", usedforsecurity=False).hexdigest()
    assert info["digest"] == f"sha256:{hashlib.sha256(b'a.txt').hexdigest()}"
    assert fs.modified(f"{root}/a.txt").year > 2020


@pytest.mark.parametrize("below", ["none", "a.txt/b", "d/none/x"])
def test_what_is_not_there(fs: LakegateFileSystem, root: str, below: str) -> None:
    path = f"{root}/{below}"
    assert not fs.exists(path)
    for call in (fs.info, fs.ls, fs.cat_file, fs.rm_file, fs.rm, lambda p: fs.open(p, "rb")):
        with pytest.raises(FileNotFoundError):
            call(path)
    for missing in (root.replace("main", "none"), "no-such-repository/main"):
        assert not fs.exists(missing)
        with pytest.raises(FileNotFoundError):
            fs.ls(missing)
        with pytest.raises(FileNotFoundError):
            fs.makedirs(f"{missing}/x")
        with pytest.raises(FileNotFoundError):
            fs.pipe(f"{missing}/x", b"")


# -- bytes ------------------------------------------------------------------------------------------------------------


def test_ranges(fs: LakegateFileSystem, root: str, repo: Repository) -> None:
    data = random.Random(3).randbytes(3_000_000)
    repo.put("main", "big", data)
    path = f"{root}/big"
    with fs.open(path, block_size=100_000) as file:
        assert file.read(10) == data[:10]
        file.seek(2_900_000)
        assert file.read() == data[2_900_000:]
        file.seek(-5, 2)
        assert file.read() == data[-5:]
    assert fs.cat_file(path, 5, 10) == data[5:10]
    assert fs.cat_file(path, -10, -3) == data[-10:-3]
    assert fs.cat_file(path, 2_999_990, 4_000_000) == data[-10:]
    assert fs.cat_ranges([path, path], [0, 7], [3, 9]) == [data[:3], data[7:9]]
    assert fs.cat(f"{root}/d/*.txt") == {f"{root}/d/{n}.txt": f"d/{n}.txt".encode() for n in (1, 2)}


@pytest.mark.parametrize("size", [0, 1, 1 << 20, 7_000_001])
def test_a_written_file_is_there_when_closed(fs: LakegateFileSystem, root: str, size: int) -> None:
    data = random.Random(size).randbytes(size)
    path = f"{root}/out/file"
    with fs.open(path, "wb") as file:
        for start in range(0, size, 300_000):
            file.write(data[start : start + 300_000])
        assert file.tell() == size
        assert not fs.exists(path)
    assert fs.cat_file(path) == data


def test_text_and_compression(fs: LakegateFileSystem, root: str) -> None:
    with fs.open(f"{root}/t.txt", "w", encoding="utf-8") as file:
        file.write("zeile ü\n")
    assert fs.open(f"{root}/t.txt", "r", encoding="utf-8").read() == "zeile ü\n"
    with fs.open(f"{root}/t.gz", "wb", compression="gzip") as file:
        file.write(b"x" * 1000)
    assert fs.info(f"{root}/t.gz")["size"] < 100
    assert fs.open(f"{root}/t.gz", compression="infer").read() == b"x" * 1000


def test_a_file_left_by_an_exception_is_not_written(fs: LakegateFileSystem, root: str) -> None:
    def write() -> None:
        with fs.open(f"{root}/a.txt", "wb") as file:
            file.write(b"x" * 3_000_000)
            raise RuntimeError("midway")

    with pytest.raises(RuntimeError, match="midway"):
        write()
    assert fs.cat(f"{root}/a.txt") == b"a.txt"


def test_a_file_that_must_be_new(fs: LakegateFileSystem, root: str) -> None:
    with pytest.raises(FileExistsError), fs.open(f"{root}/a.txt", "xb") as file:
        file.write(b"other")
    with pytest.raises(FileExistsError):
        fs.pipe_file(f"{root}/a.txt", b"other", mode="create")
    assert fs.cat(f"{root}/a.txt") == b"a.txt"
    with fs.open(f"{root}/new", "xb") as file:
        file.write(b"new")
    assert fs.cat(f"{root}/new") == b"new"


def test_only_branches_are_written_to(fs: LakegateFileSystem, root: str, repo: Repository) -> None:
    repo.commit("main", CommitRequest("x"))
    repo.create_tag("v1", "main")
    tag = f"{repo.info.name}/v1/a.txt"
    with pytest.raises((PermissionError, FileNotFoundError)):
        fs.open(tag, "wb")
    with pytest.raises(PermissionError):
        fs.pipe_file(tag, b"x")
    with pytest.raises(PermissionError):
        fs.rm_file(tag)
    with pytest.raises(NotOffered):
        fs.open(f"{root}/a.txt", "ab")
    with pytest.raises(IsADirectoryError):
        fs.open(root, "wb")


# -- changing ---------------------------------------------------------------------------------------------------------


def test_copies_moves_and_deletes(fs: LakegateFileSystem, root: str, repo: Repository) -> None:
    fs.cp(f"{root}/a.txt", f"{root}/copy/b.txt")
    assert repo.stat("main", "copy/b.txt").address == repo.stat("main", "a.txt").address
    fs.mv(f"{root}/a.txt", f"{root}/moved.txt")
    assert (fs.exists(f"{root}/a.txt"), fs.cat(f"{root}/moved.txt")) == (False, b"a.txt")
    fs.cp(f"{root}/d", f"{root}/f", recursive=True)
    assert fs.find(f"{root}/f") == [f"{root}/f/1.txt", f"{root}/f/2.txt", f"{root}/f/deep/ü 3.txt"]
    with pytest.raises(FileNotFoundError):
        fs.rm(f"{root}/d")
    fs.rm(f"{root}/d", recursive=True)
    assert not fs.exists(f"{root}/d")
    fs.rm(f"{root}/f/*.txt", recursive=True)
    assert fs.find(f"{root}/f") == [f"{root}/f/deep/ü 3.txt"]
    with pytest.raises(PermissionError):
        fs.rm(repo.info.name, recursive=True)
    assert fs.exists(root)


def test_copies_between_repositories(fs: LakegateFileSystem, root: str, http_lake: Lake, embedded_lake: Lake) -> None:
    lake = next(lake for lake in (http_lake, embedded_lake) if root.split("/")[0] in _names(lake))
    other = lake.create_repository(f"other-{uuid.uuid4().hex[:8]}").name
    fs.cp(f"{root}/a.txt", f"{other}/main/x.txt")
    assert fs.cat(f"{other}/main/x.txt") == b"a.txt"


def _names(lake: Lake) -> set[str]:
    return {info.name for info in lake.repositories("files-", amount=1000).items}


def test_files_of_this_machine(fs: LakegateFileSystem, root: str, tmp_path: Path) -> None:
    fs.get(f"{root}/d/", str(tmp_path / "got"), recursive=True)
    assert (tmp_path / "got" / "deep" / "ü 3.txt").read_bytes() == "d/deep/ü 3.txt".encode()
    fs.put(str(tmp_path / "got"), f"{root}/back", recursive=True)
    assert [name.removeprefix(root) for name in fs.find(f"{root}/back")] == [
        "/back/1.txt",
        "/back/2.txt",
        "/back/deep/ü 3.txt",
    ]


def test_it_is_pickled_with_its_options(fs: LakegateFileSystem, root: str) -> None:
    again = pickle.loads(pickle.dumps(fs))
    assert again.cat(f"{root}/a.txt") == b"a.txt"


# -- tools ------------------------------------------------------------------------------------------------------------

FRAME = pd.DataFrame({"id": range(1000), "name": [f"n{n}" for n in range(1000)], "month": [n % 3 for n in range(1000)]})


def test_pandas(options: dict[str, str], root: str) -> None:
    for form, write, read in (("parquet", FRAME.to_parquet, pd.read_parquet), ("csv", FRAME.to_csv, pd.read_csv)):
        url = f"lakegate://{root}/pandas/frame.{form}"
        write(url, index=False, storage_options=options)
        pd.testing.assert_frame_equal(read(url, storage_options=options), FRAME)
    part = pd.read_parquet(f"lakegate://{root}/pandas/frame.parquet", columns=["id"], storage_options=options)
    assert list(part.columns) == ["id"]


def test_polars(options: dict[str, str], root: str) -> None:
    frame = pl.from_pandas(FRAME)
    url = f"lakegate://{root}/polars/frame.parquet"
    with fsspec.open(url, "wb", **options) as file:
        frame.write_parquet(file)
    with fsspec.open(url, **options) as file:
        assert pl.read_parquet(file).equals(frame)
    with fsspec.open(url, **options) as file:
        assert pl.scan_parquet(file).filter(pl.col("id") > 990).collect().height == 9


def test_pyarrow_writes_and_reads_a_partitioned_dataset(fs: LakegateFileSystem, root: str, repo: Repository) -> None:
    filesystem = pafs.PyFileSystem(pafs.FSSpecHandler(fs))
    table = pa.Table.from_pandas(FRAME, preserve_index=False)
    partitioning = pads.partitioning(pa.schema([("month", pa.int64())]), flavor="hive")
    pads.write_dataset(table, f"{root}/ds", format="parquet", filesystem=filesystem, partitioning=partitioning)
    assert len(fs.find(f"{root}/ds")) == 3
    found = pads.dataset(f"{root}/ds", filesystem=filesystem, partitioning="hive").to_table()
    assert found.num_rows == 1000
    made = repo.commit("main", CommitRequest("a dataset"))
    assert repo.table(made.id, "ds").rows == 1000
    pinned = f"{repo.info.name}/{made.id}/ds"
    fs.rm(f"{root}/ds", recursive=True)
    assert pads.dataset(pinned, filesystem=filesystem, partitioning="hive").count_rows() == 1000


def test_the_environment_names_the_lake(options: dict[str, str], root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"lake": "LAKEGATE_URL", "key": "LAKEGATE_ACCESS_KEY_ID", "secret": "LAKEGATE_SECRET_ACCESS_KEY"}
    for option, value in options.items():
        monkeypatch.setenv(names[option], value)
    with fsspec.open(f"lakegate://{root}/a.txt", skip_instance_cache=True) as file:
        assert file.read() == b"a.txt"

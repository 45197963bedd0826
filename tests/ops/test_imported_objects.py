"""Imported objects that are changed past lakegate: no reader is served bytes that the commit does not name."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakegate.errors import ErrorKind, LakegateError
from lakegate.lake import EmbeddedLake
from lakegate.model import CommitRequest, ExportRequest, ImportKind, ImportRequest, ImportSource
from lakegate.ops.export import export
from lakegate.ops.import_ import import_
from lakegate.repository import EmbeddedRepository
from lakegate.testing.s3_server import environment, s3_client

LATER = 1_700_000_000_000_000_000


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[EmbeddedRepository]:
    with EmbeddedLake.create(tmp_path / "lake", environment={"LAKEGATE_STORAGE_FSYNC": "false"}) as lake:
        lake.create_repository("repo")
        yield lake.repository("repo")


def imported(repo: EmbeddedRepository, folder: Path | str) -> None:
    source = ImportSource(ImportKind.PREFIX, str(folder), "in")
    import_(repo.ctx, "main", ImportRequest((source,), CommitRequest("import")))


def changed(read: Callable[[], object]) -> LakegateError:
    with pytest.raises(LakegateError) as caught:
        read()
    assert caught.value.kind is ErrorKind.OBJECT_CHANGED
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize("body", [b"01234", b"0123456789ABC", b"9876543210", b""])
def test_a_changed_file_is_not_served(repo: EmbeddedRepository, tmp_path: Path, body: bytes) -> None:
    file = tmp_path / "data" / "x"
    file.parent.mkdir()
    file.write_bytes(b"0123456789")
    imported(repo, file.parent)
    entry = repo.stat("main", "in/x")
    opened = repo.open("main", "in/x")
    assert (opened.read(), opened.read(2, 3)) == (b"0123456789", b"234")
    repo.copy("main", "copy", "main", "in/x")
    repo.commit("main", CommitRequest("copy"))
    kept = file.stat()
    file.write_bytes(body)
    os.utime(file, ns=(LATER, LATER))
    again = repo.open("main", "in/x")
    for read in (opened.read, again.read, lambda: again.read(8, 2), lambda: list(again.chunks(size=3))):
        said = changed(read)
        assert said.details["path"] == "in/x"
        assert said.details["recorded"] == {"size": 10, "etag": entry.etag}
        assert said.details["found"]["size"] == len(body)
        assert "in/x" in said.message
        assert str(file) in said.message
    assert "copy" in changed(repo.open("main", "copy").read).message
    changed(lambda: export(repo.ctx, ExportRequest("main", str(tmp_path / "out"))))
    # The old file put back is served again; other bytes are, once they are imported.
    file.write_bytes(b"0123456789")
    os.utime(file, ns=(kept.st_atime_ns, kept.st_mtime_ns))
    assert again.read() == b"0123456789"
    file.write_bytes(body)
    imported(repo, file.parent)
    assert repo.open("main", "in/x").read() == body
    if body:
        changed(repo.open("main~1", "in/x").read)


def test_what_is_written_again_through_lakegate_repairs_it(repo: EmbeddedRepository, tmp_path: Path) -> None:
    file = tmp_path / "data" / "x"
    file.parent.mkdir()
    file.write_bytes(b"precious")
    imported(repo, file.parent)
    file.write_bytes(b"spoilt!!")
    os.utime(file, ns=(LATER, LATER))
    repo.put("main", "in/x", b"precious")
    repo.commit("main", CommitRequest("repaired"))
    assert repo.open("main", "in/x").read() == b"precious"


def test_tables_of_changed_files_are_not_read(repo: EmbeddedRepository, tmp_path: Path) -> None:
    folder = tmp_path / "table"
    folder.mkdir()
    pq.write_table(pa.table({"n": [1, 2]}), folder / "1.parquet")
    pq.write_table(pa.table({"n": [3]}), folder / "2.parquet")
    imported(repo, folder)
    opened = repo.read_table("main", "in")
    assert opened.to_table().sort_by("n")["n"].to_pylist() == [1, 2, 3]
    pq.write_table(pa.table({"n": [4]}), folder / "2.parquet")
    os.utime(folder / "2.parquet", ns=(LATER, LATER))
    changed(opened.to_table)
    changed(lambda: repo.read_table("main", "in").to_table())
    changed(lambda: repo.table_preview("main", "in"))


def test_a_changed_object_of_a_bucket(tmp_path: Path, s3_endpoint: str) -> None:
    client = s3_client(s3_endpoint)
    client.create_bucket(Bucket="changing")
    client.put_object(Bucket="changing", Key="p/x", Body=b"0123456789")
    with EmbeddedLake.create(tmp_path / "lake", environment=environment(s3_endpoint)) as lake:
        lake.create_repository("repo")
        repo = lake.repository("repo")
        imported(repo, "s3://changing/p")
        opened = repo.open("main", "in/x")
        assert (opened.read(), opened.read(8, 2)) == (b"0123456789", b"89")
        for body in (b"9876543210", b"01", b"0123456789ABC"):
            client.put_object(Bucket="changing", Key="p/x", Body=body)
            for read in (opened.read, lambda: opened.read(8, 2), lambda: opened.read(0, 1)):
                assert changed(read).details["found"]["size"] == len(body)
        client.put_object(Bucket="changing", Key="p/x", Body=b"0123456789")
        assert opened.read() == b"0123456789"

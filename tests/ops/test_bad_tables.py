"""Tables that are broken, and requests that fit no table: each refused with its code and reason, and the branch is as
it was before."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from lakegate.errors import ErrorKind, LakegateError
from lakegate.lake import EmbeddedLake
from lakegate.model import (
    CommitRequest,
    ImportKind,
    ImportRequest,
    ImportSource,
    ListRequest,
    MergeRequest,
    Resolution,
    RollbackRequest,
    Take,
)
from lakegate.repository import EmbeddedRepository
from lakegate.testing.delta_checkpoints import FORMS
from lakegate.testing.delta_features import Feature, HandWritten
from lakegate.testing.table_files import put_folder

INVALID = ErrorKind.DELTA_LOG_INVALID
LOG = "t/_delta_log"


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[EmbeddedRepository]:
    with EmbeddedLake.create(tmp_path / "lake", environment={"LAKEGATE_STORAGE_FSYNC": "false"}) as lake:
        lake.create_repository("sales")
        yield lake.repository("sales")


@contextmanager
def refused(repo: EmbeddedRepository, kind: ErrorKind, *words: str) -> Generator[None]:
    """What is inside is refused, with these words in its message, and `main` is what it was."""
    before = _committed(repo)
    with pytest.raises(LakegateError) as caught:
        yield
    assert caught.value.kind is kind
    assert caught.value.hint
    for word in words:
        assert word in caught.value.message
    assert _committed(repo) == before


def _committed(repo: EmbeddedRepository) -> tuple[str, dict[str, Any]]:
    head = repo.branch("main").commit
    return head, {item.path: item for item in repo.list(head, ListRequest(amount=1000)).items}


def commit(repo: EmbeddedRepository, branch: str = "main") -> str:
    return repo.commit(branch, CommitRequest("change")).id


def write(folder: Path, *ids: int, **options: Any) -> None:
    numbers = pa.array(ids, pa.int64())
    write_deltalake(folder, pa.table({"id": numbers, "v": numbers}), mode="append", **options)


def two_histories(tmp_path: Path) -> tuple[Path, Path]:
    """A table whose newest versions differ: files of the same number and sizes, with other names."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    write(ours, 1, 2)
    shutil.copytree(ours, theirs)
    for folder, start in ((ours, 3), (theirs, 5)):
        write(folder, start)
        write(folder, start + 1)
    return ours, theirs


# -- logs -------------------------------------------------------------------------------------------------------------


def test_a_log_with_a_gap(repo: EmbeddedRepository, tmp_path: Path) -> None:
    for i in range(4):
        write(tmp_path / "t", i)
    put_folder(repo, "main", tmp_path / "t", "t")
    gone = repo.open("main", f"{LOG}/{2:020d}.json").read()
    repo.delete("main", f"{LOG}/{2:020d}.json")
    with refused(repo, INVALID, "'t'", "of the versions up to 3 it lacks 2"):
        commit(repo)
    repo.put("main", f"{LOG}/{2:020d}.json", gone)
    commit(repo)
    assert repo.table("main", "t").rows == 4


def test_a_missing_data_file(repo: EmbeddedRepository, tmp_path: Path) -> None:
    write(tmp_path / "t", 1)
    write(tmp_path / "t", 2)
    paths = put_folder(repo, "main", tmp_path / "t", "t")
    lost = next(path for path in paths if path.endswith(".parquet"))
    repo.delete("main", lost)
    with refused(repo, INVALID, lost):
        commit(repo)


@pytest.mark.parametrize("path", ["file:///etc/passwd", "s3://bucket/x.parquet", "/etc/passwd", "../other/x.parquet"])
def test_paths_that_lead_out_of_the_table(repo: EmbeddedRepository, tmp_path: Path, path: str) -> None:
    """Neither a client's write nor an import, which asks no guard, brings such a log in."""
    write(tmp_path / "t", 1)
    put_folder(repo, "main", tmp_path / "t", "t")
    commit(repo)
    line = {"add": {"path": path, "partitionValues": {}, "size": 1, "modificationTime": 1, "dataChange": True}}
    with refused(repo, ErrorKind.DELTA_PATH_FORBIDDEN, "'t'", repr(path)):
        repo.put("main", f"{LOG}/{1:020d}.json", json.dumps(line).encode())
    (tmp_path / "t" / "_delta_log" / f"{1:020d}.json").write_text(json.dumps(line))
    source = ImportSource(ImportKind.PREFIX, f"file://{tmp_path}/t", "imported")
    with refused(repo, ErrorKind.DELTA_PATH_FORBIDDEN, "'imported'", repr(path)):
        repo.import_("main", ImportRequest((source,), CommitRequest("import")))


# -- what repeats the log ---------------------------------------------------------------------------------------------


def checkpoint_of(folder: Path) -> Path:
    DeltaTable(folder).create_checkpoint()
    (file,) = (folder / "_delta_log").glob("*.checkpoint.parquet")
    return file


def test_a_checkpoint_of_another_branch(repo: EmbeddedRepository, tmp_path: Path) -> None:
    ours, theirs = two_histories(tmp_path)
    put_folder(repo, "main", ours, "t")
    good = commit(repo)
    foreign = checkpoint_of(theirs)
    repo.put("main", f"{LOG}/{foreign.name}", foreign.read_bytes())
    with refused(repo, INVALID, foreign.name, "lacks the live file"):
        commit(repo)
    repo.reset("main")
    shutil.copy(foreign, ours / "_delta_log" / foreign.name)  # and with the table, when it is first seen
    put_folder(repo, "main", ours, "copied")
    with refused(repo, INVALID, foreign.name, "lacks the live file"):
        commit(repo)
    repo.reset("main")
    own = checkpoint_of(_without_checkpoint(ours))
    repo.put("main", f"{LOG}/{own.name}", own.read_bytes())
    commit(repo)
    assert repo.table("main", "t").digest == repo.table(good, "t").digest


def _without_checkpoint(folder: Path) -> Path:
    for file in (*(folder / "_delta_log").glob("*.checkpoint*"), folder / "_delta_log" / "_last_checkpoint"):
        file.unlink(missing_ok=True)
    return folder


@pytest.mark.parametrize("form", FORMS.values(), ids=list(FORMS))
def test_a_checkpoint_of_every_form_that_misses_a_file(
    repo: EmbeddedRepository, tmp_path: Path, form: Callable[[Path], None]
) -> None:
    """Such as one that a client wrote of an old state of the branch. It covers the newest versions, by its name."""
    feature = Feature("v2Checkpoint", readers=["v2Checkpoint"])
    whole, less = (HandWritten(tmp_path / name, feature) for name in ("whole", "less"))
    whole.create()
    whole.append({1: 1})
    put_folder(repo, "main", whole.folder, "t")
    commit(repo)
    shutil.copytree(whole.folder, less.folder)
    for table, rows in ((less, {2: 2}), (whole, {3: 3})):
        table.append(rows)
    put_folder(repo, "main", whole.folder, "t")
    commit(repo)
    form(less.folder)
    for file in (less.folder / "_delta_log").rglob("*"):
        name = file.relative_to(less.folder).as_posix()
        if file.is_file() and (".checkpoint" in name or "_sidecars" in name):
            repo.put("main", f"t/{name}", file.read_bytes())
    with refused(repo, INVALID, ".checkpoint.", "lacks the live file"):
        commit(repo)


def test_a_checkpoint_with_files_that_were_removed(repo: EmbeddedRepository, tmp_path: Path) -> None:
    folder = tmp_path / "t"
    write(folder, 1, 2)
    stale = checkpoint_of(folder).read_bytes()
    _without_checkpoint(folder)
    DeltaTable(folder).delete()
    put_folder(repo, "main", folder, "t")
    commit(repo)
    repo.put("main", f"{LOG}/{1:020d}.checkpoint.parquet", stale)
    with refused(repo, INVALID, f"{1:020d}.checkpoint.parquet", "which was removed"):
        commit(repo)


@pytest.mark.parametrize(
    ("lie", "why"),
    [
        ({"numFiles": 7}, "says numFiles 7"),
        ({"tableSizeBytes": 1}, "says tableSizeBytes 1"),
        ({"metadata": {"id": "another"}}, "another id"),
        ({"metadata": {"schemaString": '{"type":"struct","fields":[]}'}}, "another schema"),
        ({"protocol": {"minReaderVersion": 3, "minWriterVersion": 7}}, "another protocol"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_crc_file_that_lies(repo: EmbeddedRepository, tmp_path: Path, lie: dict[str, Any], why: str) -> None:
    write(tmp_path / "t", 1)
    put_folder(repo, "main", tmp_path / "t", "t")
    commit(repo)
    table = repo.table("main", "t")
    assert table.protocol is not None
    told: dict[str, Any] = {
        "numFiles": table.files,
        "tableSizeBytes": table.bytes,
        "metadata": json.loads(table.metadata or ""),
        "protocol": {
            "minReaderVersion": table.protocol.min_reader,
            "minWriterVersion": table.protocol.min_writer,
        },
    }
    name = f"{LOG}/{0:020d}.crc"
    repo.put("main", name, json.dumps(told).encode())
    commit(repo)
    false = {key: {**told[key], **part} if isinstance(part, dict) else part for key, part in lie.items()}
    repo.put("main", name, json.dumps(told | false).encode())
    with refused(repo, INVALID, name, why):
        commit(repo)


def test_a_hint_that_names_a_checkpoint_that_is_not_there(repo: EmbeddedRepository, tmp_path: Path) -> None:
    """No client opens such a table."""
    folder = tmp_path / "t"
    write(folder, 1)
    file = checkpoint_of(folder)
    put_folder(repo, "main", folder, "t")
    commit(repo)
    repo.delete("main", f"{LOG}/{file.name}")
    with refused(repo, INVALID, "_last_checkpoint", "is not there"):
        commit(repo)
    repo.delete("main", f"{LOG}/_last_checkpoint")
    commit(repo)


# -- merges of rows, and rollbacks ------------------------------------------------------------------------------------


def both_changed(repo: EmbeddedRepository, tmp_path: Path, ours: pa.Table, theirs: pa.Table) -> None:
    """A table with the column `id` that `exp` and `main` overwrote."""
    base = tmp_path / "base"
    write(base, 1, 2)
    put_folder(repo, "main", base, "t")
    commit(repo)
    repo.create_branch("exp", "main")
    for branch, rows in (("exp", ours), ("main", theirs)):
        folder = tmp_path / branch
        shutil.copytree(base, folder)
        write_deltalake(folder, rows, mode="overwrite", schema_mode="overwrite")
        put_folder(repo, branch, folder, "t")
        commit(repo, branch)


def longs(**columns: list[int | None]) -> pa.Table:
    return pa.table({name: pa.array(values, pa.int64()) for name, values in columns.items()})


PLAIN = longs(id=[1, 2], v=[1, 9])


@pytest.mark.parametrize(
    ("ours", "theirs", "key", "kind", "words"),
    [
        (longs(id=[1, 1], v=[1, 5]), PLAIN, "id", ErrorKind.KEY_NOT_UNIQUE, "source"),
        (PLAIN, longs(id=[2, 2], v=[1, 5]), "id", ErrorKind.KEY_NOT_UNIQUE, "destination"),
        (longs(id=[1, None], v=[1, 5]), PLAIN, "id", ErrorKind.KEY_NULL, "source"),
        (PLAIN, longs(id=[1, None], v=[1, 5]), "id", ErrorKind.KEY_NULL, "destination"),
        (PLAIN, longs(id=[1, 2], v=[1, 5]), "nowhere", ErrorKind.KEY_NOT_FOUND, "nowhere"),
        (PLAIN, longs(id=[1], v=[1], k=[1]), "k", ErrorKind.KEY_NOT_FOUND, "k"),
        (longs(id=[1], v=[1], k=[1]), PLAIN, "k", ErrorKind.ROWS_INCOMPATIBLE, "which the destination has not"),
        (longs(id=[1]), longs(id=[1, 2], v=[1, 5]), "id", ErrorKind.ROWS_INCOMPATIBLE, "dropped the column 'v'"),
        (pa.table({"id": [1], "v": ["x"]}), PLAIN, "id", ErrorKind.ROWS_INCOMPATIBLE, "types that don't fit"),
    ],
)
def test_merges_of_rows_that_fit_no_rows(
    repo: EmbeddedRepository,
    tmp_path: Path,
    ours: pa.Table,
    theirs: pa.Table,
    key: str,
    kind: ErrorKind,
    words: str,
) -> None:
    both_changed(repo, tmp_path, ours, theirs)
    with refused(repo, kind, words):
        repo.merge("exp", "main", MergeRequest(resolutions=(Resolution("t", Take.ROWS, (key,)),)))


def test_a_rollback_of_a_table_to_where_it_never_was(repo: EmbeddedRepository, tmp_path: Path) -> None:
    repo.put("main", "notes.txt", b"no table yet")
    before = commit(repo)
    write(tmp_path / "t", 1)
    put_folder(repo, "main", tmp_path / "t", "t")
    commit(repo)
    with refused(repo, ErrorKind.TABLE_NOT_FOUND, "'t'", before):
        repo.rollback("main", RollbackRequest(before, tables=("t",)))
    with refused(repo, ErrorKind.REF_NOT_FOUND, "nothing"):
        repo.rollback("main", RollbackRequest("nothing", tables=("t",)))

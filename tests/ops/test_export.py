"""Export of a ref as plain files: what lands where, in which order, what is refused, and what a fault leaves."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from lakegate import tree
from lakegate.client import exports
from lakegate.errors import Corrupt, ErrorKind, InvalidInput, LakegateError, NotFound, Refused, Unavailable
from lakegate.format.kinds import FILES, TABLES
from lakegate.lake import EmbeddedLake
from lakegate.model import (
    CommitRequest,
    Entry,
    ExportRequest,
    ImportKind,
    ImportRequest,
    ImportSource,
    JobState,
    TableFormat,
    TableVersion,
)
from lakegate.objectstore.addresses import AddressSpace
from lakegate.objectstore.opener import StoreOpener
from lakegate.objectstore.protocol import ObjectStore, ObjectWriter, ReplacingStore
from lakegate.objectstore.streaming import verified
from lakegate.objectstore.unfinished import clear
from lakegate.ops import export as export_module
from lakegate.ops.export import ExportOutcome, export
from lakegate.ops.import_ import import_
from lakegate.repository import EmbeddedRepository
from lakegate.testing.s3_server import s3_client, storage_settings

OBJECTS = {"a.txt": b"1", "a/b": b"22", "a-b": b"", "deep/er/x y ü%20": b"333", "z": b"4" * 100_000}


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[EmbeddedLake]:
    with EmbeddedLake.create(tmp_path / "lake", environment={"LAKEGATE_STORAGE_FSYNC": "false"}) as made:
        made.create_repository("repo")
        yield made


@pytest.fixture
def repo(lake: EmbeddedLake) -> EmbeddedRepository:
    found = lake.repository("repo")
    for path, body in OBJECTS.items():
        found.put("main", path, body)
    found.commit("main", CommitRequest("first"))
    return found


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "out" / "here ü"


def run(
    repo: EmbeddedRepository, target: Path | str, prefix: str = "", *, overwrite: bool = False, dry_run: bool = False
) -> ExportOutcome:
    return export(repo.ctx, ExportRequest("main", str(target), prefix, overwrite, dry_run))


def files(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


def refused(
    kind: ErrorKind, repo: EmbeddedRepository, target: Path | str, said: str = "", *, overwrite: bool = False
) -> None:
    folder = Path(target)
    before = files(folder) if folder.is_dir() else None
    with pytest.raises(LakegateError, match=said or None) as caught:
        run(repo, target, overwrite=overwrite)
    assert caught.value.kind is kind
    assert caught.value.hint
    assert (files(folder) if folder.is_dir() else None) == before


def test_all_objects(repo: EmbeddedRepository, target: Path) -> None:
    repo.put("main", "uncommitted", b"x")
    outcome = run(repo, target)
    assert files(target) == OBJECTS
    assert (outcome.objects, outcome.skipped, outcome.bytes) == (5, 0, sum(map(len, OBJECTS.values())))
    assert outcome.commit == repo.branch("main").commit
    assert (target / "z").stat().st_mtime_ns // 1_000_000 == repo.stat("main", "z").mtime


@pytest.mark.parametrize("download", [True, False])
def test_bytes_that_were_changed_behind_our_back_are_not_handed_out(
    repo: EmbeddedRepository, target: Path, download: bool
) -> None:
    stored, key = repo.ctx.addresses.source(repo.stat("main", "z"))
    file = stored.local_path(key)
    assert file is not None
    file.chmod(0o600)
    file.write_bytes(bytes(len(OBJECTS["z"])))
    with pytest.raises(Corrupt, match="are not those that were written"):
        exports.export(repo, ExportRequest("main", str(target))) if download else run(repo, target)
    assert not (target / "z").exists()


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_download_reads_what_is_there_once(
    repo: EmbeddedRepository, target: Path, monkeypatch: pytest.MonkeyPatch, overwrite: bool
) -> None:
    exports.export(repo, ExportRequest("main", str(target)))
    read: list[str] = []
    digest = hashlib.file_digest

    def counted(file: Any, algorithm: str) -> Any:
        read.append(file.name)
        return digest(file, algorithm)

    monkeypatch.setattr(hashlib, "file_digest", counted)
    job = exports.export(repo, ExportRequest("main", str(target), overwrite=overwrite))
    assert job.result["skipped"] == len(OBJECTS)
    assert sorted(read) == sorted(str(target / name) for name in OBJECTS)


def test_a_commit_a_tag_and_an_older_version(repo: EmbeddedRepository, tmp_path: Path) -> None:
    repo.put("main", "a.txt", b"new")
    repo.commit("main", CommitRequest("second"))
    export(repo.ctx, ExportRequest("main~1", str(tmp_path / "old")))
    export(repo.ctx, ExportRequest(repo.branch("main").commit, f"file://{tmp_path}/new"))
    assert files(tmp_path / "old") == OBJECTS
    assert files(tmp_path / "new") == {**OBJECTS, "a.txt": b"new"}


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("deep", {"er/x y ü%20"}),
        ("deep/er/", {"x y ü%20"}),
        ("a", {"b"}),
        ("a.txt", {"a.txt"}),
        ("deep/er/x y ü%20", {"x y ü%20"}),
    ],
)
def test_a_prefix(repo: EmbeddedRepository, target: Path, prefix: str, expected: set[str]) -> None:
    run(repo, target, prefix)
    assert set(files(target)) == expected


def test_a_prefix_that_holds_nothing(repo: EmbeddedRepository, target: Path) -> None:
    for prefix in ("nothing", "a.txt/", "dee"):
        with pytest.raises(NotFound):
            run(repo, target, prefix)
    assert not target.exists()


def test_again_writes_nothing(repo: EmbeddedRepository, target: Path) -> None:
    run(repo, target)
    stamps = {f: f.stat().st_ino for f in target.rglob("*")}
    outcome = run(repo, target)
    assert (outcome.objects, outcome.skipped) == (0, 5)
    assert run(repo, target, overwrite=True).skipped == 5
    assert {f: f.stat().st_ino for f in target.rglob("*")} == stamps


def test_what_was_cut_short_goes_on(repo: EmbeddedRepository, target: Path) -> None:
    run(repo, target)
    (target / "z").unlink()
    (target / "a.txt").unlink()
    assert run(repo, target).objects == 2
    assert files(target) == OBJECTS


@pytest.mark.parametrize("where", ["embedded", "download"])
def test_an_export_clears_nothing_that_another_writes(
    repo: EmbeddedRepository, target: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def beside_another(entry: Entry, found: Iterator[bytes]) -> Iterator[bytes]:
        yield from verified(entry, found)
        for folder in (target, *target.glob("**/")):
            clear(folder)

    monkeypatch.setattr(export_module if where == "embedded" else exports, "verified", beside_another)
    if where == "embedded":
        run(repo, target)
    else:
        exports.export(repo, ExportRequest("main", str(target)))
    assert files(target) == OBJECTS


def test_other_files_are_refused_unless_overwrite(repo: EmbeddedRepository, target: Path) -> None:
    target.mkdir(parents=True)
    (target / "a.txt").write_bytes(b"X")
    refused(ErrorKind.DESTINATION_NOT_EMPTY, repo, target, "a.txt")
    (target / "a.txt").write_bytes(b"1")
    (target / "mine").write_bytes(b"mine")
    refused(ErrorKind.DESTINATION_NOT_EMPTY, repo, target, "mine")
    (target / "a.txt").write_bytes(b"X")
    assert run(repo, target, overwrite=True).objects == 5
    assert files(target) == {**OBJECTS, "mine": b"mine"}


def test_dry_run(repo: EmbeddedRepository, target: Path) -> None:
    outcome = run(repo, target, dry_run=True)
    assert (outcome.objects, outcome.skipped, outcome.bytes) == (5, 0, sum(map(len, OBJECTS.values())))
    assert not target.parent.exists()
    target.mkdir(parents=True)
    (target / "a.txt").write_bytes(b"1")
    (target / "z").write_bytes(b"5" * 100_000)
    outcome = run(repo, target, dry_run=True, overwrite=True)
    assert (outcome.objects, outcome.skipped) == (4, 1)
    assert set(files(target)) == {"a.txt", "z"}


def test_bad_destinations(repo: EmbeddedRepository, tmp_path: Path) -> None:
    namespace = repo.info.storage_namespace
    before = files(tmp_path / "lake")
    urls = ("relative", "", "http://x/y", "/", "file:///", f"{tmp_path}/../x", namespace, f"{namespace}/x", tmp_path)
    for url in urls:
        with pytest.raises(InvalidInput) as caught:
            run(repo, url)
        assert caught.value.kind is ErrorKind.INVALID_ARGUMENT
    assert set(files(tmp_path / "lake")) == set(before)


def test_a_link_does_not_lead_out(repo: EmbeddedRepository, target: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    target.mkdir(parents=True)
    (target / "a").symlink_to(outside)
    with pytest.raises(LakegateError):
        run(repo, target, overwrite=True)
    assert files(outside) == {}


def test_names_that_a_folder_cannot_hold(repo: EmbeddedRepository, target: Path) -> None:
    repo.put("main", "a/b/c", b"below the object a/b")
    repo.commit("main", CommitRequest("second"))
    refused(ErrorKind.INVALID_PATH, repo, target, "a/b/c")
    repo.delete("main", "a/b/c")
    repo.put("main", "n" * 300, b"")
    repo.commit("main", CommitRequest("third"))
    refused(ErrorKind.INVALID_PATH, repo, target, "255")
    assert not target.exists()


def test_gone_or_changed_bytes_are_named(repo: EmbeddedRepository, target: Path, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "file").write_bytes(b"12345")
    source = ImportSource(ImportKind.PREFIX, str(tmp_path / "source"), "in")
    import_(repo.ctx, "main", ImportRequest((source,), CommitRequest("import")))
    (tmp_path / "source" / "file").write_bytes(b"123")
    with pytest.raises(Refused, match="in/file") as caught:
        run(repo, target, "in")
    assert caught.value.kind is ErrorKind.OBJECT_CHANGED
    (tmp_path / "source" / "file").unlink()
    with pytest.raises(NotFound, match="in/file"):
        run(repo, target, "in")
    assert files(target) == {}


def test_progress_and_cancel(repo: EmbeddedRepository, target: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    export(repo.ctx, ExportRequest("main", str(target)), lambda done, total: seen.append((done, total)))
    assert seen == [(i, 5) for i in range(1, 6)]

    def cancel(done: int, total: int | None) -> None:
        raise Refused(ErrorKind.CANCELLED, "Cancelled.", hint="-")

    with pytest.raises(Refused):
        export(repo.ctx, ExportRequest("main", str(tmp_path / "other")), cancel)
    assert all(body == OBJECTS[name] for name, body in files(tmp_path / "other").items())
    assert run(repo, tmp_path / "other").objects + 1 <= 5
    assert files(tmp_path / "other") == OBJECTS


def test_as_a_job(repo: EmbeddedRepository, target: Path) -> None:
    job = repo.export(ExportRequest("main", str(target)))
    assert job.state is JobState.DONE
    assert job.result["objects"] == 5
    assert files(target) == OBJECTS


# -- tables -----------------------------------------------------------------------------------------------------------


def _delta(folder: Path, versions: int = 12) -> None:
    for i in range(versions):
        write_deltalake(str(folder), pa.table({"n": [i * 2, i * 2 + 1]}), mode="append")
    DeltaTable(str(folder)).create_checkpoint()
    write_deltalake(str(folder), pa.table({"n": [100]}), mode="append")


class Recorder:
    """Tells in which order files were finished at an export's destination."""

    def __init__(self, opener: StoreOpener) -> None:
        self.order: list[str] = []
        self._opener = opener

    def locate(self, address: str) -> tuple[ObjectStore, str]:
        return self._opener.locate(address)

    def open(self, url: str) -> ReplacingStore:
        store, order = self._opener.open(url), self.order

        class Recording:
            def replacer(self, key: str, mtime: int) -> ObjectWriter:
                writer = store.replacer(key, mtime)
                finish = writer.finish

                class Writer:
                    write = staticmethod(writer.write)
                    abort = staticmethod(writer.abort)

                    def finish(self) -> None:
                        finish()
                        order.append(key)

                return Writer()

            def __getattr__(self, name: str) -> object:
                return getattr(store, name)

        return Recording()  # type: ignore[return-value]


def test_a_delta_table_opens_from_the_plain_folder(repo: EmbeddedRepository, target: Path, tmp_path: Path) -> None:
    _delta(tmp_path / "source")
    source = ImportSource(ImportKind.PREFIX, str(tmp_path / "source"), "tables/orders")
    import_(repo.ctx, "main", ImportRequest((source,), CommitRequest("import")))
    recorder = Recorder(StoreOpener())
    ctx = replace(repo.ctx, addresses=AddressSpace(repo.ctx.store, recorder))
    export(ctx, ExportRequest("main", str(target), "tables/orders"))
    table, original = DeltaTable(str(target)), DeltaTable(str(tmp_path / "source"))
    assert table.version() == original.version() == 12
    assert sorted(table.to_pyarrow_table()["n"].to_pylist()) == sorted(original.to_pyarrow_table()["n"].to_pylist())
    assert set(files(target)) == set(files(tmp_path / "source"))

    data = [i for i, key in enumerate(recorder.order) if "_delta_log" not in key]
    commits = [i for i, key in enumerate(recorder.order) if key.endswith(".json")]
    checkpoint = [i for i, key in enumerate(recorder.order) if ".checkpoint" in key]
    assert max(data) < min(checkpoint) <= max(checkpoint) < min(commits)
    assert [recorder.order[i] for i in commits] == [f"_delta_log/{v:020}.json" for v in range(13)]
    assert recorder.order[-1] == "_delta_log/_last_checkpoint"


def _record_tables(repo: EmbeddedRepository, tables: dict[str, TableFormat]) -> None:
    """Commits the head's objects with these tables, so that the test needs no detection."""
    manifests = repo.ctx.manifests
    nothing = tree.empty(manifests.nodes, FILES)
    versions = [
        TableVersion(path, kind, None, "{}", (), nothing, 1, 1, 1, "sha256:" + "0" * 64, 1)
        for path, kind in sorted(tables.items())
    ]
    head = repo.commit_of("main")
    objects = manifests.read_manifest(head.manifest).objects_root
    made = manifests.write_commit(
        parents=(head.id,),
        manifest=manifests.write_manifest(objects, tree.build(manifests.nodes, TABLES, versions)).id,
        message="with tables",
        committer="tester",
        created=1,
        metadata={},
        generation=head.generation + 1,
    )
    repo.hard_reset("main", made.id)


def test_leftover_files_of_a_table_are_refused_even_with_overwrite(
    repo: EmbeddedRepository, target: Path, tmp_path: Path
) -> None:
    _delta(tmp_path / "source", 1)
    pq.write_table(pa.table({"n": [1]}), tmp_path / "plain.parquet")
    sources = (
        ImportSource(ImportKind.PREFIX, str(tmp_path / "source"), "t"),
        ImportSource(ImportKind.OBJECT, str(tmp_path / "plain.parquet"), "p/x.parquet"),
    )
    import_(repo.ctx, "main", ImportRequest(sources, CommitRequest("import")))
    _record_tables(repo, {"t": TableFormat.DELTA, "p": TableFormat.PARQUET})
    (target / "t" / "_delta_log").mkdir(parents=True)
    (target / "p").mkdir(parents=True)
    (target / "t" / "dead.parquet").write_bytes(b"harmless: the log does not name it")
    (target / "p" / "_note.parquet").write_bytes(b"harmless: hidden")
    stale = target / "t" / "_delta_log" / f"{7:020}.json"
    stale.write_bytes(b"{}")
    refused(ErrorKind.DESTINATION_NOT_EMPTY, repo, target, "'t'", overwrite=True)
    stale.rename(target / "p" / "old.parquet")
    refused(ErrorKind.DESTINATION_NOT_EMPTY, repo, target, "'p'", overwrite=True)
    (target / "p" / "old.parquet").unlink()
    run(repo, target, overwrite=True)
    assert DeltaTable(str(target / "t")).to_pyarrow_table().num_rows == 3
    assert pq.read_table(target / "p" / "x.parquet").num_rows == 1


# -- S3 ---------------------------------------------------------------------------------------------------------------


def test_to_a_bucket(repo: EmbeddedRepository, s3_endpoint: str) -> None:
    repo.put("main", "big", b"x" * 20_000_000)
    repo.commit("main", CommitRequest("second"))
    client = s3_client(s3_endpoint)
    client.create_bucket(Bucket="out")
    opener = StoreOpener(storage_settings(s3_endpoint))
    ctx = replace(repo.ctx, addresses=AddressSpace(repo.ctx.store, opener))
    wanted = ExportRequest("main", "s3://out/some/where")
    assert export(ctx, wanted).objects == 6
    listed = client.list_objects_v2(Bucket="out")["Contents"]
    assert {item["Key"] for item in listed} == {f"some/where/{path}" for path in (*OBJECTS, "big")}
    assert client.get_object(Bucket="out", Key="some/where/z")["Body"].read() == OBJECTS["z"]
    assert client.get_object(Bucket="out", Key="some/where/big")["ContentLength"] == 20_000_000
    unchanged = export(ctx, wanted)
    assert (unchanged.objects, unchanged.skipped) == (0, 6)
    # Only the upload in parts has no MD5 to compare, and is written again, unread, where that is allowed.
    again = export(ctx, replace(wanted, overwrite=True))
    assert (again.objects, again.skipped) == (1, 5)
    client.put_object(Bucket="out", Key="some/where/z", Body=b"other")
    with pytest.raises(Refused):
        export(ctx, wanted)
    with pytest.raises(Unavailable, match="bucket"):
        export(ctx, ExportRequest("main", "s3://none/x"))

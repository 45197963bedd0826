"""Import of existing objects: destinations, what is refused, races, and constant memory."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakegate.errors import ErrorKind, InvalidInput, LakegateError, NotFound, PreconditionFailed, Refused
from lakegate.format.documents import node_key
from lakegate.ids import NodeId
from lakegate.lake import EmbeddedLake
from lakegate.model import (
    CommitRequest,
    Entry,
    ExportRequest,
    ImportKind,
    ImportRequest,
    ImportSource,
    JobState,
    ListRequest,
    PutRequest,
)
from lakegate.ops import import_ as import_module
from lakegate.ops.content_types import content_type_of
from lakegate.ops.import_ import import_
from lakegate.repository import EmbeddedRepository
from lakegate.testing.s3_server import environment, s3_client
from lakegate.testing.table_files import parquet_bytes, put_folder


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[EmbeddedLake]:
    with EmbeddedLake.create(tmp_path / "lake", environment={"LAKEGATE_STORAGE_FSYNC": "false"}) as made:
        made.create_repository("repo")
        yield made


@pytest.fixture
def repo(lake: EmbeddedLake) -> EmbeddedRepository:
    return lake.repository("repo")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder whose names sort otherwise by name than by whole key."""
    folder = tmp_path / "data"
    for name in ("a/b.parquet", "a-b.csv", "a.json", "a/c d/ü%20.txt", "z"):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(name.encode())
    return folder


def prefix(url: str | Path, destination: str = "") -> ImportSource:
    return ImportSource(ImportKind.PREFIX, str(url), destination)


def single(url: str | Path, destination: str) -> ImportSource:
    return ImportSource(ImportKind.OBJECT, str(url), destination)


def request(*sources: ImportSource, dry_run: bool = False, replace: bool = False, empty: bool = False) -> ImportRequest:
    return ImportRequest(tuple(sources), CommitRequest("import it", {"k": "v"}, None, empty), dry_run, replace)


def paths(repo: EmbeddedRepository, ref: str = "main") -> list[str]:
    return [item.path for item in repo.list(ref, ListRequest(amount=1000)).items]


def read(repo: EmbeddedRepository, path: str) -> bytes:
    return repo.open("main", path).read()


def refused(kind: ErrorKind, repo: EmbeddedRepository, wanted: ImportRequest, said: str = "") -> LakegateError:
    head = repo.branch("main").commit
    with pytest.raises(LakegateError, match=said or None) as caught:
        import_(repo.ctx, "main", wanted)
    assert caught.value.kind is kind
    assert caught.value.hint
    assert repo.branch("main").commit == head
    return caught.value


def test_a_folder(repo: EmbeddedRepository, data: Path) -> None:
    outcome = import_(repo.ctx, "main", request(prefix(data, "in/here")))
    assert outcome.commit is not None
    assert (outcome.objects, outcome.removed) == (5, 0)
    assert outcome.bytes == sum(file.stat().st_size for file in data.rglob("*") if file.is_file())
    expected = ["a-b.csv", "a.json", "a/b.parquet", "a/c d/ü%20.txt", "z"]
    assert paths(repo) == [f"in/here/{name}" for name in expected]
    for name in expected:
        assert read(repo, f"in/here/{name}") == name.encode()
    commit = repo.commit_of("main")
    assert commit == outcome.commit
    assert commit.message == "import it"
    assert commit.metadata == {"k": "v", "lakegate.import.source": str(data)}
    assert repo.uncommitted("main").items == ()


def test_entries_point_at_the_source(repo: EmbeddedRepository, data: Path) -> None:
    import_(repo.ctx, "main", request(prefix(f"file://{data}/")))
    entry = repo.stat("main", "a/b.parquet")
    assert entry.address == f"file://{data}/a/b.parquet"
    assert (entry.size, entry.digest, entry.content_type) == (11, None, "application/vnd.apache.parquet")
    assert entry.mtime == (data / "a/b.parquet").stat().st_mtime_ns // 1_000_000
    assert entry.etag.endswith("-1")
    assert entry.etag == repo.ctx.addresses.locate(entry.address)[0].head(str(data / "a/b.parquet").strip("/")).etag
    namespace = Path(repo.info.storage_namespace.removeprefix("file://"))
    assert not (namespace / "data").exists()


def test_one_object_goes_exactly_to_its_destination(repo: EmbeddedRepository, data: Path) -> None:
    import_(repo.ctx, "main", request(single(data / "a/b.parquet", "x/y")))
    assert paths(repo) == ["x/y"]
    assert read(repo, "x/y") == b"a/b.parquet"
    assert repo.stat("main", "x/y").content_type == "application/vnd.apache.parquet"


def test_several_sources_interleave(repo: EmbeddedRepository, data: Path) -> None:
    sources = (prefix(data / "a", "m"), single(data / "z", "m/bb"), prefix(data / "a", "l/"), single(data / "z", "zz"))
    assert import_(repo.ctx, "main", request(*sources)).objects == 6
    assert paths(repo) == ["l/b.parquet", "l/c d/ü%20.txt", "m/b.parquet", "m/bb", "m/c d/ü%20.txt", "zz"]


def test_it_lies_over_what_is_there(repo: EmbeddedRepository, data: Path) -> None:
    repo.put("main", "a.json", b"old")
    repo.put("main", "other", b"stays")
    repo.commit("main", CommitRequest("before"))
    import_(repo.ctx, "main", request(prefix(data)))
    assert read(repo, "a.json") == b"a.json"
    assert read(repo, "other") == b"stays"


def test_a_published_version_of_a_table_is_replaced_by_no_other_ones(repo: EmbeddedRepository, tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    write_deltalake(theirs, pa.table({"id": [1]}))
    import_(repo.ctx, "main", request(prefix(theirs, "t")))
    shutil.copytree(theirs, ours)
    write_deltalake(ours, pa.table({"id": [99]}), mode="append")
    put_folder(repo, "main", ours, "t")
    repo.commit("main", CommitRequest("our version 1"))
    write_deltalake(theirs, pa.table({"id": [500]}), mode="append")
    for dry_run in (True, False):
        with pytest.raises(PreconditionFailed) as taken:
            import_(repo.ctx, "main", request(prefix(theirs, "t"), dry_run=dry_run))
        assert taken.value.kind is ErrorKind.DELTA_VERSION_TAKEN
        assert taken.value.details["version"] in (0, 1)  # of version 0 no one knows that the copy is the same
    assert sorted(repo.read_table("main", "t").to_table()["id"].to_pylist()) == [1, 99]
    outcome = import_(repo.ctx, "main", request(prefix(theirs, "t"), replace=True))
    assert outcome.removed == 1
    assert sorted(repo.read_table("main", "t").to_table()["id"].to_pylist()) == [1, 500]


def test_replace_mirrors_the_source(repo: EmbeddedRepository, data: Path) -> None:
    for path in ("t/old", "t/a.json", "t2", "t", "other"):
        repo.put("main", path, b"before")
    repo.commit("main", CommitRequest("before"))
    outcome = import_(repo.ctx, "main", request(prefix(data / "a", "t"), prefix(data / "a", "t/n"), replace=True))
    assert (outcome.objects, outcome.removed) == (4, 2)
    inside = ["t/b.parquet", "t/c d/ü%20.txt", "t/n/b.parquet", "t/n/c d/ü%20.txt"]
    assert paths(repo) == ["other", "t", *inside, "t2"]


def test_dry_run_counts_and_changes_nothing(repo: EmbeddedRepository, data: Path) -> None:
    repo.put("main", "in/gone", b"before")
    repo.commit("main", CommitRequest("before"))
    head = repo.branch("main")
    namespace = Path(repo.info.storage_namespace.removeprefix("file://"))
    files = sorted(namespace.rglob("*"))
    outcome = import_(repo.ctx, "main", request(prefix(data, "in"), dry_run=True, replace=True))
    assert (outcome.commit, outcome.objects, outcome.removed) == (None, 5, 1)
    assert repo.branch("main") == head
    assert sorted(namespace.rglob("*")) == files


def test_a_dry_run_refuses_and_warns_as_the_import_would(repo: EmbeddedRepository, tmp_path: Path) -> None:
    write_deltalake(tmp_path / "t", pa.table({"id": [1]}))
    write_deltalake(tmp_path / "t", pa.table({"id": [2]}), mode="append")
    write_deltalake(tmp_path / "t", pa.table({"id": [3]}), mode="append")
    (tmp_path / "t/_delta_log/00000000000000000001.json").unlink()
    for dry_run in (True, False):
        refused(ErrorKind.DELTA_LOG_INVALID, repo, request(prefix(tmp_path / "t", "t"), dry_run=dry_run))
    repo.put("main", "d/a.parquet", parquet_bytes({"x": [1]}))
    repo.commit("main", CommitRequest("a dataset"))
    (tmp_path / "notes.txt").write_text("x")
    notes = ImportSource(ImportKind.OBJECT, str(tmp_path / "notes.txt"), "d/notes.txt")
    said = import_(repo.ctx, "main", request(notes, dry_run=True)).warnings
    assert said == import_(repo.ctx, "main", request(notes)).warnings
    assert said == ("d is no table any more: 'd/notes.txt' is no Parquet file.",)


def test_again_is_nothing_to_commit(repo: EmbeddedRepository, data: Path) -> None:
    import_(repo.ctx, "main", request(prefix(data)))
    for dry_run in (True, False):
        refused(ErrorKind.NOTHING_TO_COMMIT, repo, request(prefix(data), dry_run=dry_run))
    assert import_(repo.ctx, "main", request(prefix(data), empty=True)).commit is not None
    time.sleep(0.01)
    (data / "z").write_bytes(b"changed")
    import_(repo.ctx, "main", request(prefix(data)))
    assert read(repo, "z") == b"changed"


def test_progress_and_cancel(repo: EmbeddedRepository, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for i in range(2500):
        (folder / f"{i:05}").touch()
    seen: list[int] = []
    import_(repo.ctx, "main", request(prefix(folder, "x")), lambda done, total: seen.append(done))
    assert seen == [1000, 2000, 2500]

    def cancel(done: int, total: int | None) -> None:
        raise Refused(ErrorKind.CANCELLED, "Cancelled.", hint="-")

    head = repo.branch("main")
    with pytest.raises(Refused):
        import_(repo.ctx, "main", request(prefix(folder, "y")), cancel)
    assert repo.branch("main") == head


def test_as_a_job(repo: EmbeddedRepository, data: Path) -> None:
    job = repo.import_("main", request(prefix(data)))
    assert job.state is JobState.DONE
    assert job.result["objects"] == 5
    assert job.result["commit"] == repo.branch("main").commit
    started = repo.start_import("main", request(prefix(data, "again")))
    deadline = time.monotonic() + 60
    while repo.job(started.id).state is JobState.RUNNING and time.monotonic() < deadline:
        time.sleep(0.02)
    assert repo.job(started.id).state is JobState.DONE
    assert repo.job(started.id).result["commit"] == repo.branch("main").commit


# -- what is refused --------------------------------------------------------------------------------------------------


def test_missing_sources(repo: EmbeddedRepository, data: Path) -> None:
    (data / "empty").mkdir()
    for source in (prefix(data / "nothing"), prefix(data / "empty"), single(data / "nothing", "x"), single(data, "x")):
        error = refused(ErrorKind.OBJECT_NOT_FOUND, repo, request(prefix(data, "fine"), source))
        assert isinstance(error, NotFound)
    said = refused(ErrorKind.OBJECT_NOT_FOUND, repo, request(prefix(data / "a.json")))
    assert "one object" in said.hint


def test_bad_sources(repo: EmbeddedRepository, data: Path) -> None:
    for url in ("relative/path", "http://host/x", "s3://", "s3://-bad-/x", f"{data}/../data", "file://host/x", ""):
        refused(ErrorKind.INVALID_ARGUMENT, repo, request(prefix(url)))
    refused(ErrorKind.INVALID_ARGUMENT, repo, request())
    refused(ErrorKind.INVALID_ARGUMENT, repo, request(single("s3://bucket", "x")))


def test_bad_destinations(repo: EmbeddedRepository, data: Path) -> None:
    for destination in ("../x", "a//b", "a/./b", "a\x00b", "x" * 1100):
        refused(ErrorKind.INVALID_PATH, repo, request(prefix(data, destination)))
        refused(ErrorKind.INVALID_PATH, repo, request(single(data / "z", destination)))
    refused(ErrorKind.INVALID_PATH, repo, request(single(data / "z", "")))
    refused(ErrorKind.INVALID_ARGUMENT, repo, request(single(data / "z", "folder/")))


def test_the_lakes_own_folder_is_neither_imported_nor_exported_to(tmp_path: Path, data: Path) -> None:
    home = tmp_path / "home"
    with EmbeddedLake.create(home) as lake:
        lake.create_repository("sales", str(tmp_path / "namespace"))
        repo = lake.repository("sales")
        repo.put("main", "out/lake.db", b"gone")
        repo.commit("main", CommitRequest("a file"))
        database = (home / "lake.db").read_bytes()
        (tmp_path / "link").symlink_to(home)
        for source in (
            single(home / "lake.db", "db"),
            single(tmp_path / "link" / "lake.db", "db"),
            prefix(home, "x"),
            prefix(tmp_path, "x"),
        ):
            refused(ErrorKind.INVALID_ARGUMENT, repo, request(source), "own folder")
        for destination in (home, home / "new", tmp_path / "link"):
            with pytest.raises(InvalidInput, match="own folder"):
                repo.export(ExportRequest("main", str(destination), prefix="out/", overwrite=True))
        assert (home / "lake.db").read_bytes() == database
        repo.import_("main", request(prefix(data, "x")))


def test_collisions_are_named(repo: EmbeddedRepository, data: Path) -> None:
    refused(ErrorKind.INVALID_ARGUMENT, repo, request(prefix(data, "x"), single(data / "z", "x/a.json")), "x/a.json")
    refused(ErrorKind.INVALID_ARGUMENT, repo, request(prefix(data), prefix(data)), "a-b.csv")


def test_paths_that_break_the_rules_are_named(repo: EmbeddedRepository, data: Path) -> None:
    (data / "bad\nname").touch()
    refused(ErrorKind.INVALID_PATH, repo, request(prefix(data)), "bad")
    (data / "bad\nname").unlink()
    Path(os.fsdecode(os.fsencode(data) + b"/not-utf8-\xff")).touch()
    refused(ErrorKind.INVALID_PATH, repo, request(prefix(data)), "not-utf8")
    Path(os.fsdecode(os.fsencode(data) + b"/not-utf8-\xff")).unlink()
    refused(ErrorKind.INVALID_PATH, repo, request(prefix(data, "d" * 1020)), "more than 1024")


def test_lakegates_own_data_is_refused(
    lake: EmbeddedLake, repo: EmbeddedRepository, tmp_path: Path, data: Path
) -> None:
    repo.put("main", "x", b"y")
    repo.commit("main", CommitRequest("so that the namespace holds data"))
    lake.create_repository("other", str(tmp_path / "other" / "ns"))
    namespace = repo.info.storage_namespace
    for url in (
        namespace,
        f"{namespace}/data",
        f"{namespace}/_lakegate",
        str(tmp_path),
        str(tmp_path / "other/ns/data"),
    ):
        refused(ErrorKind.INVALID_ARGUMENT, repo, request(prefix(url, "x")))
    (tmp_path / "link").symlink_to(tmp_path / "other" / "ns")
    refused(ErrorKind.INVALID_ARGUMENT, repo, request(prefix(tmp_path / "link", "x")))
    # A namespace of a lake that this one does not know.
    (data / "ns" / "_lakegate").mkdir(parents=True)
    (data / "ns" / "_lakegate" / "format.json").touch()
    refused(ErrorKind.INVALID_ARGUMENT, repo, request(prefix(data)), "_lakegate/format.json")


def test_links_that_lead_to_folders_are_refused(repo: EmbeddedRepository, data: Path) -> None:
    (data / "inside").symlink_to("z")
    import_(repo.ctx, "main", request(prefix(data, "x")))
    assert read(repo, "x/inside") == b"z"
    (data / "loop").symlink_to(data)
    refused(ErrorKind.INVALID_PATH, repo, request(prefix(data, "y")), "loop")


def test_a_dirty_branch(repo: EmbeddedRepository, data: Path) -> None:
    repo.put("main", "staged", b"x")
    refused(ErrorKind.DIRTY_BRANCH, repo, request(prefix(data)))
    refused(ErrorKind.DIRTY_BRANCH, repo, request(prefix(data), dry_run=True))
    assert read(repo, "staged") == b"x"


def test_refs_that_are_no_branch(repo: EmbeddedRepository, data: Path) -> None:
    repo.create_tag("v1", "main")
    with pytest.raises(Refused) as caught:
        import_(repo.ctx, "v1", request(prefix(data)))
    assert caught.value.kind is ErrorKind.READ_ONLY_REF
    with pytest.raises(NotFound) as missing:
        import_(repo.ctx, "nothing", request(prefix(data)))
    assert missing.value.kind is ErrorKind.BRANCH_NOT_FOUND


def test_local_roots_hold(tmp_path: Path, data: Path) -> None:
    environment = {"LAKEGATE_STORAGE_LOCAL_ROOTS": f"{tmp_path}/lake,{tmp_path}/allowed"}
    (tmp_path / "allowed").mkdir()
    (tmp_path / "allowed" / "x").write_bytes(b"fine")
    with EmbeddedLake.create(tmp_path / "lake", environment=environment) as lake:
        lake.create_repository("repo")
        repo = lake.repository("repo")
        import_(repo.ctx, "main", request(prefix(tmp_path / "allowed")))
        assert read(repo, "x") == b"fine"
        for url in (data, tmp_path / "allowed" / ".." / "data"):
            with pytest.raises(InvalidInput):
                import_(repo.ctx, "main", request(prefix(url)))
        (tmp_path / "allowed" / "out").symlink_to(data / "z")
        refused(ErrorKind.INVALID_PATH, repo, request(prefix(tmp_path / "allowed")), "out")


# -- races ------------------------------------------------------------------------------------------------------------


def test_a_rival_commit_is_kept(repo: EmbeddedRepository, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = import_module.commit_tree
    rivals = iter(range(2))

    def raced(*args: object) -> object:
        for i in rivals:
            repo.put("main", f"rival-{i}", b"r")
            repo.commit("main", CommitRequest("rival"))
            break
        return original(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(import_module, "commit_tree", raced)
    outcome = import_(repo.ctx, "main", request(prefix(data, "in")))
    assert paths(repo)[-2:] == ["rival-0", "rival-1"]
    assert len(paths(repo)) == 7
    assert outcome.commit == repo.commit_of("main")


def test_a_write_that_comes_in_between_refuses_the_import(
    repo: EmbeddedRepository, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = import_module.commit_tree

    def raced(*args: object) -> object:
        repo.put("main", "mine", b"m", PutRequest())
        return original(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(import_module, "commit_tree", raced)
    refused(ErrorKind.DIRTY_BRANCH, repo, request(prefix(data)))
    assert read(repo, "mine") == b"m"


# -- against a plain model --------------------------------------------------------------------------------------------

_NAMES = st.text(alphabet=st.sampled_from("ab-./é0"), min_size=1, max_size=6).filter(
    lambda text: all(part not in ("", ".", "..") for part in text.split("/"))
)


@given(names=st.sets(_NAMES, min_size=1, max_size=12), destination=st.sampled_from(["", "d", "d/e/"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_folder(repo: EmbeddedRepository, tmp_path: Path, names: set[str], destination: str) -> None:
    files = {name for name in names if not any(other.startswith(name + "/") for other in names)}
    folder = tmp_path / hashlib.sha256(repr((sorted(files), destination)).encode()).hexdigest()[:16]
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    branch = folder.name
    if branch not in {found.name for found in repo.branches().items}:
        first = repo.log("main").items[-1].id
        repo.create_branch(branch, first)
    import_(repo.ctx, branch, request(prefix(folder, destination), empty=True))
    base = destination.rstrip("/") + "/" if destination else ""
    assert paths(repo, branch) == sorted((base + name for name in files), key=lambda path: path.encode())


# -- S3 ---------------------------------------------------------------------------------------------------------------


def test_from_s3(tmp_path: Path, s3_endpoint: str) -> None:
    client = s3_client(s3_endpoint)
    client.create_bucket(Bucket="source")
    bodies = {"p/a/b.parquet": b"1", "p/a-b": b"22", "p/": b"", "p/a/": b"", "px": b"no", "q/ü %20": b"333"}
    for key, body in bodies.items():
        client.put_object(Bucket="source", Key=key, Body=body)
    with EmbeddedLake.create(tmp_path / "lake", environment=environment(s3_endpoint)) as lake:
        lake.create_repository("repo")
        repo = lake.repository("repo")
        sources = (prefix("s3://source/p"), prefix("s3://source/q/", "q"), single("s3://source/px", "one"))
        assert import_(repo.ctx, "main", request(*sources)).objects == 4
        assert paths(repo) == ["a-b", "a/b.parquet", "one", "q/ü %20"]
        entry = repo.stat("main", "q/ü %20")
        assert isinstance(entry, Entry)
        assert (entry.address, entry.etag) == ("s3://source/q/ü %20", hashlib.md5(b"333").hexdigest())
        assert read(repo, "q/ü %20") == b"333"
        for url in ("s3://source/none", "s3://no-such-bucket/x"):
            refused(ErrorKind.OBJECT_NOT_FOUND, repo, request(prefix(url)))


def test_nodes_of_a_remote_repository_are_kept_on_disk(tmp_path: Path, s3_endpoint: str) -> None:
    client = s3_client(s3_endpoint)
    client.create_bucket(Bucket="far")
    with EmbeddedLake.create(tmp_path / "lake", environment=environment(s3_endpoint)) as lake:
        lake.create_repository("repo", "s3://far/repo")
        lake.repository("repo").put("main", "a", b"1")
        root = lake.repository("repo").commit("main", CommitRequest("first"))
    with EmbeddedLake.open(tmp_path / "lake", environment=environment(s3_endpoint)) as lake:
        assert paths(lake.repository("repo"), root.id) == ["a"]
    assert any((tmp_path / "lake/cache").rglob("*"))
    client.delete_object(Bucket="far", Key="repo/" + node_key(_objects_root(tmp_path / "lake", s3_endpoint)))
    with EmbeddedLake.open(tmp_path / "lake", environment=environment(s3_endpoint)) as lake:
        assert paths(lake.repository("repo"), root.id) == ["a"]


def _objects_root(home: Path, endpoint: str) -> NodeId:
    with EmbeddedLake.open(home, environment=environment(endpoint)) as lake:
        return lake.repository("repo").manifest("main").objects_root


def test_content_types() -> None:
    assert content_type_of("a/b.parquet") == "application/vnd.apache.parquet"
    assert content_type_of("a/B.JSON") == "application/json"
    assert content_type_of("a.b/c") == content_type_of("c") == "application/octet-stream"

"""The commit guard of Delta tables on a branch."""

from __future__ import annotations

import json
import random
import shutil
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from lakegate.context import RepositoryContext
from lakegate.errors import ErrorKind, LakegateError, PreconditionFailed, Refused
from lakegate.ids import BranchName
from lakegate.lake import EmbeddedLake
from lakegate.model import CommitRequest, PutRequest
from lakegate.repository import EmbeddedRepository
from lakegate.snapshot import Snapshot
from lakegate.tables.delta import staged
from lakegate.tables.delta.state import load
from lakegate.testing.delta import add, log_body, metadata, protocol, remove, vector

CREATE = (protocol(), metadata())


class Client:
    """Writes to a branch as a client would."""

    def __init__(self, repo: EmbeddedRepository, branch: str = "main") -> None:
        self.repo = repo
        self.ctx: RepositoryContext = repo.ctx
        self.branch = branch

    def put(self, path: str, body: bytes, conditional: bool = False) -> None:
        self.repo.put(self.branch, path, body, PutRequest(if_none_match=conditional))

    def commit(self, version: int, *lines: object, table: str = "t", conditional: bool = False) -> None:
        """Uploads the added files, then the log commit."""
        for line in lines:
            if isinstance(line, dict) and "add" in line:
                self.repo.put(self.branch, f"{table}/{line['add']['path']}", b"0123456789")
        self.log(version, *lines, table=table, conditional=conditional)

    def log(self, version: int, *lines: object, table: str = "t", conditional: bool = False) -> None:
        body = log_body(*lines)  # type: ignore[arg-type]
        self.put(f"{table}/_delta_log/{version:020d}.json", body, conditional)

    def refused(self, version: int, *lines: object, conditional: bool = False, upload: bool = True) -> LakegateError:
        with pytest.raises(LakegateError) as refusal:
            (self.commit if upload else self.log)(version, *lines, conditional=conditional)
        assert refusal.value.hint
        return refusal.value

    def view(self) -> Snapshot:
        return Snapshot.of_ref(self.ctx, self.branch)

    def copy(self, folder: Path, names: list[str], table: str = "t") -> None:
        for name in names:
            self.put(f"{table}/{name}", (folder / name).read_bytes())


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    with EmbeddedLake.create(tmp_path / "lake", environment={"LAKEGATE_STORAGE_FSYNC": "false"}) as lake:
        lake.create_repository("sales")
        yield Client(lake.repository("sales"))


def files_of(folder: Path) -> list[str]:
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())


def kind_of(error: LakegateError) -> tuple[type[LakegateError], ErrorKind]:
    return type(error), error.kind


STALE = (PreconditionFailed, ErrorKind.DELTA_STALE_REMOVE)
TAKEN = (PreconditionFailed, ErrorKind.DELTA_VERSION_TAKEN)
INVALID = (Refused, ErrorKind.DELTA_LOG_INVALID)
FORBIDDEN = (Refused, ErrorKind.DELTA_PATH_FORBIDDEN)
FEATURE = (Refused, ErrorKind.DELTA_FEATURE_UNKNOWN)


@pytest.mark.parametrize("conditional", [False, True])
def test_a_stream_of_commits_passes(client: Client, conditional: bool) -> None:
    client.commit(0, *CREATE, add("a"), conditional=conditional)
    client.commit(1, add("b"), conditional=conditional)
    client.commit(2, remove("a"), add("c"), conditional=conditional)
    client.repo.commit("main", CommitRequest("so far"))
    client.commit(3, remove("b"), remove("c"), add("d"), conditional=conditional)
    client.commit(4, {"commitInfo": {"operation": "VACUUM START"}}, conditional=conditional)
    client.commit(5, remove("d"), add("a"), conditional=conditional)  # what was removed can come back, as by a restore
    assert load(client.ctx, client.view(), "t").files == 1


def test_other_files_and_ignored_folders_pass(client: Client) -> None:
    client.put("t/_delta_log/_last_checkpoint", b"garbage")
    client.put("t/_delta_log/00000000000000000000.checkpoint.parquet", b"garbage")
    client.put("t/_delta_log/0.json", b"garbage")
    assert kind_of(client.refused(0, {"x": 1})) == INVALID
    client.put(".lakegate/tables.yaml", b"ignore: [t]\n")
    client.repo.commit("main", CommitRequest("t is no table"))
    client.put("t/_delta_log/00000000000000000000.json", b"garbage")


def test_of_two_compactions_of_the_same_files_one_lands(client: Client, tmp_path: Path) -> None:
    """deltalake 1.6.6 commits both, renumbering the second, and every row is doubled."""
    ours = tmp_path / "ours"
    for _ in range(3):
        write_deltalake(ours, pa.table({"id": [1, 2]}), mode="append")
    theirs = tmp_path / "theirs"
    shutil.copytree(ours, theirs)
    client.copy(ours, files_of(ours))
    DeltaTable(ours).optimize.compact()
    DeltaTable(theirs).optimize.compact()
    log = "_delta_log/00000000000000000003.json"
    client.copy(ours, [name for name in files_of(ours) if name.endswith(".parquet")])
    client.copy(theirs, [name for name in files_of(theirs) if name.endswith(".parquet")])
    client.put(f"t/{log}", (ours / log).read_bytes(), conditional=True)
    loser = (theirs / log).read_bytes()
    with pytest.raises(PreconditionFailed) as refusal:
        client.put(f"t/{log}", loser, conditional=True)
    assert kind_of(refusal.value) == TAKEN
    with pytest.raises(PreconditionFailed) as refusal:
        client.put("t/_delta_log/00000000000000000004.json", loser, conditional=True)
    assert kind_of(refusal.value) == STALE
    assert "not live" in refusal.value.message
    assert load(client.ctx, client.view(), "t").rows == 6


def test_a_stale_overwrite_after_a_compaction_is_sent_back(client: Client) -> None:
    client.commit(0, *CREATE, add("a"), add("b"))
    client.commit(1, remove("a"), remove("b"), add("ab"))
    assert kind_of(client.refused(2, remove("a"), remove("b"), add("new"))) == STALE
    client.commit(2, remove("ab"), add("new"))


def test_the_same_commit_again_as_the_next_version_is_refused(client: Client) -> None:
    """A client whose first reply was lost takes itself for a rival, and commits the same files again."""
    client.commit(0, *CREATE, add("a"))
    client.commit(1, add("b"), conditional=True)
    error = client.refused(2, add("b"), conditional=True)
    assert kind_of(error) == INVALID
    assert "live already" in error.message


def test_new_statistics_for_a_live_file_pass(client: Client) -> None:
    client.commit(0, *CREATE, add("a", rows=None))
    client.commit(1, add("a", rows=7, dataChange=False), conditional=True)
    assert load(client.ctx, client.view(), "t").rows == 7


def test_deletion_vectors_are_part_of_a_files_key(client: Client) -> None:
    client.commit(0, *CREATE, add("a", rows=9))
    assert kind_of(client.refused(1, add("a", rows=9, dv=vector("one")))) == STALE
    client.commit(1, remove("a"), add("a", rows=9, dv=vector("one")))
    assert kind_of(client.refused(2, remove("a"), add("a", rows=9, dv=vector("two")))) == STALE
    client.commit(2, remove("a", dv=vector("one")), add("a", rows=9, dv=vector("two", 3)))
    assert kind_of(client.refused(3, remove("a", dv=vector("two")), add("a", dv=vector("two")))) == INVALID
    client.commit(3, remove("a", dv=vector("two")), add("a", rows=9))
    assert load(client.ctx, client.view(), "t").rows == 9


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([add("a"), add("a")], INVALID),
        ([add("a", dv=vector("x")), add("a")], INVALID),
        ([remove("live"), remove("live")], INVALID),
        ([add("file:///etc/passwd")], FORBIDDEN),
        ([add("s3://bucket/x.parquet")], FORBIDDEN),
        ([add("/etc/passwd")], FORBIDDEN),
        ([add("%2Fetc/passwd")], FORBIDDEN),
        ([add("../other/x.parquet")], FORBIDDEN),
        ([add("a/%2E%2E/%2E%2E/x.parquet")], FORBIDDEN),
        ([add("a//b")], FORBIDDEN),
        ([add("..\\x")], FORBIDDEN),
        ([add("a%00b")], FORBIDDEN),
        ([add("%ff.parquet")], FORBIDDEN),
        ([add("")], FORBIDDEN),
        ([add("_delta_log/x.parquet")], FORBIDDEN),
        ([remove("file:///etc/passwd")], FORBIDDEN),
        ([{"cdc": {"path": "/x", "partitionValues": {}, "size": 1, "dataChange": False}}], FORBIDDEN),
        ([add("a", dv={**vector("/etc/dv"), "storageType": "p"})], FORBIDDEN),
        ([add("a", dv={**vector("/etc/dv"), "storageType": "z"})], INVALID),
        ([add("a", size="10")], INVALID),
        ([add("a", size=1 << 70)], INVALID),
        ([add("a", partitionValues={"p": 3})], INVALID),
        ([{"add": 3}], INVALID),
        ([protocol(), protocol()], INVALID),
        ([metadata(), metadata()], INVALID),
        ([metadata(schemaString=None)], INVALID),
        ([metadata(partitionColumns="p")], INVALID),
        ([protocol(4, 7)], FEATURE),
        ([protocol(3, 7, ("catalogManaged",), ("catalogManaged",))], FEATURE),
        ([protocol(3, 5)], INVALID),
        ([protocol(0, 1)], INVALID),
        ([], INVALID),
    ],
)
def test_what_no_log_may_say_is_refused(client: Client, lines: list[object], expected: object) -> None:
    client.commit(0, *CREATE, add("live"))
    error = client.refused(1, *lines, upload=False)
    assert kind_of(error) == expected
    assert "'t'" in error.message
    assert "ersion 1" in error.message or expected == FEATURE
    client.commit(1, add("next"))


@pytest.mark.parametrize("body", [b"", b"\n\n", b"[]", b'{"add":', b"\xff\xfe", b"3\n", b"null\n"])
def test_garbage_is_refused(client: Client, body: bytes) -> None:
    with pytest.raises(Refused) as refusal:
        client.put("t/_delta_log/00000000000000000000.json", body)
    assert kind_of(refusal.value) == INVALID


def test_the_first_version_says_what_the_table_is(client: Client) -> None:
    assert "metaData" in client.refused(0, protocol(), add("a")).message
    assert "protocol" in client.refused(0, metadata(), add("a")).message


def test_a_delta_clients_files_must_be_there(client: Client) -> None:
    client.commit(0, *CREATE, add("a"), conditional=True)
    error = client.refused(1, add("b"), conditional=True, upload=False)
    assert kind_of(error) == INVALID
    assert "t/b" in error.message
    deletes = {"storageType": "u", "pathOrInlineDv": "ab^-aqEH.-t@S}K{vb[*k^", "sizeInBytes": 4, "cardinality": 1}
    error = client.refused(1, remove("a"), add("a", dv=deletes), conditional=True, upload=False)
    assert "deletion_vector_" in error.message
    client.put("t/b", b"0123456789")
    client.log(1, add("b"), conditional=True)


def test_a_client_of_a_branch_that_went_back_is_sent_back(client: Client) -> None:
    client.commit(0, *CREATE, add("a"), conditional=True)
    client.repo.commit("main", CommitRequest("one"))
    client.commit(1, add("b"), conditional=True)
    client.commit(2, add("c"), conditional=True)
    client.repo.reset("main")
    assert kind_of(client.refused(3, add("d"), conditional=True)) == TAKEN
    assert kind_of(client.refused(1, remove("b"), add("d"), conditional=True)) == STALE
    client.commit(1, add("d"), conditional=True)


def test_a_published_version_is_not_rewritten_through_a_deletion(client: Client) -> None:
    client.commit(0, *CREATE, add("a"))
    client.commit(1, add("b"))
    client.repo.commit("main", CommitRequest("published"))
    for version, lines in ((1, [add("c")]), (0, [*CREATE, add("c")])):
        path = f"t/_delta_log/{version:020d}.json"
        client.repo.delete("main", path)
        for conditional in (True, False):
            error = client.refused(version, *lines, conditional=conditional)
            assert kind_of(error) == (Refused, ErrorKind.DELTA_LOG_INVALID)
            assert "never rewritten" in str(error)
    client.log(0, *CREATE, add("a"))
    client.log(1, add("b"))
    client.repo.delete_many("main", [entry.path for entry in client.view().iterate("t/")])
    client.repo.commit("main", CommitRequest("the table is gone"))
    client.commit(0, *CREATE, add("c"))


@pytest.mark.parametrize("cold", [True, False])
@pytest.mark.parametrize("left", ["1.json", "2.json", "2.checkpoint.x.json"])
def test_a_table_begins_anew_only_where_nothing_of_the_old_log_is_left(
    client: Client, left: str, cold: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version, lines in enumerate(([*CREATE, add("a")], [add("b")], [add("c")])):
        client.commit(version, *lines)
    client.put(f"t/_delta_log/{2:020d}.checkpoint.x.json", log_body(*CREATE, add("a"), add("b"), add("c")))
    client.repo.commit("main", CommitRequest("published"))
    client.commit(3, add("d"))
    logs = [entry.path for entry in client.view().iterate("t/_delta_log/")]
    client.repo.delete_many("main", [path for path in logs if not path.endswith(left)])
    for conditional in (True, False):
        if cold:
            monkeypatch.setattr(staged, "_slots", OrderedDict())
        error = client.refused(0, protocol(), metadata(id="other"), add("x"), conditional=conditional)
        assert kind_of(error) in (INVALID, TAKEN)
    client.repo.delete_many("main", logs)
    client.commit(0, protocol(), metadata(id="other"), add("x"))
    client.commit(1, add("y"))
    client.repo.commit("main", CommitRequest("another table"))
    assert load(client.ctx, client.view(), "t").files == 2


def test_a_version_that_was_cleaned_up_is_not_written_anew(client: Client) -> None:
    client.commit(0, *CREATE, add("a"))
    client.commit(1, add("b"))
    client.repo.commit("main", CommitRequest("two versions"))
    client.repo.delete("main", "t/_delta_log/00000000000000000000.json")
    assert kind_of(client.refused(0, *CREATE)) == TAKEN
    assert kind_of(client.refused(0, *CREATE, conditional=True)) == TAKEN
    client.commit(2, remove("a"))


@pytest.mark.parametrize("seed", range(6))
def test_a_table_is_copied_in_any_order(client: Client, tmp_path: Path, seed: int) -> None:
    source = tmp_path / "source"
    for n in range(6):
        write_deltalake(source, pa.table({"id": list(range(n, n + 3)), "p": ["x", "y", "x"]}), mode="append")
        if n == 3:
            DeltaTable(source).create_checkpoint()
            DeltaTable(source).delete("id = 2")
    DeltaTable(source).optimize.compact()
    names = files_of(source)
    random.Random(seed).shuffle(names)
    client.copy(source, names)
    table = load(client.ctx, client.view(), "t")
    assert table.version == DeltaTable(source).version()
    assert table.rows == DeltaTable(source).to_pyarrow_table().num_rows


def test_a_bad_version_that_waited_is_found_when_the_gap_closes(client: Client) -> None:
    client.commit(2, remove("nothing"))
    client.commit(0, *CREATE, add("a"))
    error = client.refused(1, add("b"))
    assert kind_of(error) == INVALID
    assert "version 2" in error.message
    client.repo.delete("main", "t/_delta_log/00000000000000000002.json")
    client.commit(1, add("b"))
    client.commit(2, remove("b"))


def test_a_copy_can_go_on_over_an_older_copy(client: Client) -> None:
    client.commit(0, *CREATE, add("a"))
    client.repo.commit("main", CommitRequest("an old copy"))
    client.log(3, remove("c"))
    client.log(2, add("c"))
    client.log(1, remove("a"))  # data files may come later still
    assert load(client.ctx, client.view(), "t").files == 0


def test_what_is_kept_follows_the_branch(client: Client) -> None:
    """Whatever happens to the branch beside the guard, its answers are those of a guard that remembers nothing."""
    other = Client(client.repo, "exp")
    client.commit(0, *CREATE, add("a"))
    client.commit(1, add("b"))
    client.repo.commit("main", CommitRequest("two"))
    client.repo.create_branch("exp", "main")
    other.commit(2, remove("a"))
    client.commit(2, remove("b"))
    assert kind_of(other.refused(3, remove("a"))) == STALE
    assert kind_of(client.refused(3, remove("b"))) == STALE
    client.repo.reset("main", path="t/_delta_log/00000000000000000002.json")
    client.commit(2, remove("a"), remove("b"))
    other.repo.reset("exp")
    other.repo.hard_reset("exp", "main~1")
    other.commit(0, *CREATE, add("z"))
    other.commit(1, remove("z"))


def test_a_large_overlay_settles(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staged, "_OVERLAY_LIMIT", 5)
    client.commit(0, *CREATE, *(add(f"f{n}") for n in range(4)))
    for version in range(1, 8):
        client.commit(version, add(f"g{version}"), remove(f"g{version - 1}" if version > 1 else "f0"))
    assert kind_of(client.refused(8, remove("g3"))) == STALE
    client.commit(8, remove("g7"), remove("f3"))
    client.repo.commit("main", CommitRequest("settled"))
    client.commit(9, remove("f1"))
    assert load(client.ctx, client.view(), "t").files == 1


def test_a_log_that_is_broken_already_names_its_version(client: Client) -> None:
    client.commit(0, *CREATE, add("a"))
    bad = json.dumps({"remove": {"path": "never", "dataChange": True}}).encode()
    client.ctx.store.put_if_absent("data/bad", bad)
    state = client.ctx.meta.get_branch(client.ctx.info.id, BranchName("main"))
    assert state is not None
    from lakegate.metastore.protocol import StagedChange
    from lakegate.model import Entry

    path = "t/_delta_log/00000000000000000001.json"
    client.ctx.meta.stage(
        client.ctx.info.id, state.name, [StagedChange(path, Entry(path, "data/bad", len(bad), "x", 1))]
    )
    error = client.refused(2, add("b"))
    assert kind_of(error) == INVALID
    assert "version 1" in error.message


def test_work_is_in_proportion_to_the_new_actions(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    client.commit(0, *CREATE, *(add(f"f{n}") for n in range(100)))
    client.repo.commit("main", CommitRequest("a table"))
    read: list[int] = []
    original = staged.read_commit

    def counted(ctx: RepositoryContext, table: str, version: int, entry: object) -> object:
        read.append(version)
        return original(ctx, table, version, entry)  # type: ignore[arg-type]

    monkeypatch.setattr(staged, "read_commit", counted)
    for version in range(1, 30):
        client.commit(version, remove(f"f{version}"), add(f"g{version}"))
    assert read == list(range(1, 29))

"""Multipart uploads: what a completion makes of the parts, what it refuses, and what a rival leaves."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from lakegate.errors import ErrorKind, InvalidInput, LakegateError, NotFound, PreconditionFailed
from lakegate.ids import UploadId
from lakegate.lake import EmbeddedLake
from lakegate.model import CommitRequest, PutRequest
from lakegate.objectstore.protocol import ObjectStore
from lakegate.ops.multipart import MIN_PART_BYTES, PartUpload, complete_upload, completed, create_upload, put_part
from lakegate.repository import EmbeddedRepository
from lakegate.testing.faulty_store import Fault, FaultKind, FaultyStore, every_fault

BIG = os.urandom(MIN_PART_BYTES)


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[EmbeddedRepository]:
    with EmbeddedLake.create(tmp_path / "lake", environment={"LAKEGATE_STORAGE_FSYNC": "false"}) as lake:
        lake.create_repository("sales")
        yield lake.repository("sales")


def stored(repo: EmbeddedRepository) -> set[str]:
    return {found.key for found in repo.ctx.store.list("data/")}


def test_the_object_is_its_parts_in_order(repo: EmbeddedRepository) -> None:
    request = PutRequest(content_type="text/csv", metadata={"who": "me"}, headers={"cache-control": "no-store"})
    upload = repo.create_upload("main", "t/big.csv", request)
    last = repo.put_part(upload.id, 7, iter([b"the ", b"end"]))
    first = repo.put_part(upload.id, 2, BIG)
    assert (first.etag, first.size) == (hashlib.md5(BIG).hexdigest(), len(BIG))
    listed, page = repo.parts(upload.id)
    assert (listed, [part.number for part in page.items]) == (upload, [2, 7])
    entry = repo.complete_upload(upload.id, [(2, first.etag), (7, f'"{last.etag}"')])
    whole = BIG + b"the end"
    md5s = hashlib.md5(BIG).digest() + hashlib.md5(b"the end").digest()
    assert repo.open("main", "t/big.csv").read() == whole
    assert entry == repo.stat("main", "t/big.csv")
    assert (entry.etag, entry.size) == (hashlib.md5(md5s).hexdigest() + "-2", len(whole))
    assert entry.digest == f"sha256:{hashlib.sha256(whole).hexdigest()}"
    assert (entry.content_type, entry.metadata, entry.headers) == (
        "text/csv",
        {"who": "me"},
        {"cache-control": "no-store"},
    )
    assert stored(repo) == {entry.address}  # the parts are gone
    assert repo.uploads("main").items == ()


def test_a_single_part_is_taken_as_it_is(repo: EmbeddedRepository) -> None:
    upload = repo.create_upload("main", "one")
    part = repo.put_part(upload.id, 1, b"small")
    entry = repo.complete_upload(upload.id, [(1, part.etag)])
    assert entry.address == part.address
    assert entry.etag.endswith("-1")
    assert entry.digest == f"sha256:{hashlib.sha256(b'small').hexdigest()}"
    assert repo.open("main", "one").read() == b"small"


def test_a_later_part_of_a_number_wins_and_unused_ones_are_dropped(repo: EmbeddedRepository) -> None:
    upload = repo.create_upload("main", "x")
    old = repo.put_part(upload.id, 1, b"old")
    new = repo.put_part(upload.id, 1, b"new")
    unused = repo.put_part(upload.id, 2, b"unused")
    with pytest.raises(InvalidInput) as caught:
        repo.complete_upload(upload.id, [(1, old.etag)])
    assert caught.value.kind is ErrorKind.INVALID_PART
    repo.complete_upload(upload.id, [(1, new.etag)])
    assert repo.open("main", "x").read() == b"new"
    assert unused.address not in stored(repo)


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ([], "none"),
        ([(2, "b"), (1, "a")], "order"),
        ([(1, "a"), (1, "a")], "order"),
        ([(1, "a"), (3, "a")], "unknown"),
        ([(1, "b")], "unknown"),
        ([(1, "a"), (2, "b")], "too_small"),
    ],
)
def test_parts_that_make_no_object_are_refused(
    repo: EmbeddedRepository, parts: list[tuple[int, str]], reason: str
) -> None:
    upload = repo.create_upload("main", "x")
    etags = {"a": repo.put_part(upload.id, 1, b"a").etag, "b": repo.put_part(upload.id, 2, b"b").etag}
    with pytest.raises(InvalidInput) as caught:
        repo.complete_upload(upload.id, [(number, etags[name]) for number, name in parts])
    assert (caught.value.kind, caught.value.details) == (ErrorKind.INVALID_PART, {"reason": reason})
    assert len(repo.parts(upload.id)[1].items) == 2  # nothing was changed
    assert repo.uncommitted("main").items == ()


@pytest.mark.parametrize("number", [0, -1, 10_001])
def test_part_numbers_have_bounds(repo: EmbeddedRepository, number: int) -> None:
    upload = repo.create_upload("main", "x")
    with pytest.raises(InvalidInput) as caught:
        repo.put_part(upload.id, number, b"")
    assert caught.value.kind is ErrorKind.INVALID_PART


def test_a_damaged_part_is_refused_and_leaves_nothing(repo: EmbeddedRepository) -> None:
    upload = repo.create_upload("main", "x")
    for request, kind in (
        (PutRequest(size=4), ErrorKind.INCOMPLETE_BODY),
        (PutRequest(content_md5="0" * 32), ErrorKind.CHECKSUM_MISMATCH),
        (PutRequest(sha256="0" * 64), ErrorKind.CHECKSUM_MISMATCH),
    ):
        with pytest.raises(InvalidInput) as caught:
            repo.put_part(upload.id, 1, b"abc", request)
        assert caught.value.kind is kind
    assert stored(repo) == set()
    part = repo.put_part(upload.id, 1, b"abc")
    with pytest.raises(InvalidInput) as caught:
        repo.complete_upload(upload.id, [(1, part.etag)], PutRequest(size=4))
    assert caught.value.kind is ErrorKind.INCOMPLETE_BODY


def test_conditions_hold_at_completion(repo: EmbeddedRepository) -> None:
    first = repo.put("main", "x", b"there")
    upload = repo.create_upload("main", "x")
    big = repo.put_part(upload.id, 1, BIG)
    last = repo.put_part(upload.id, 2, b"!")
    parts = [(1, big.etag), (2, last.etag)]
    before = stored(repo)
    for refused in (PutRequest(if_none_match=True), PutRequest(if_match="0" * 32)):
        with pytest.raises(PreconditionFailed):
            repo.complete_upload(upload.id, parts, refused)
    assert repo.open("main", "x").read() == b"there"
    assert stored(repo) == before  # what was composed is dropped, the parts stay
    repo.complete_upload(upload.id, parts, PutRequest(if_match=first.etag))
    assert repo.stat("main", "x").size == len(BIG) + 1


def test_a_log_commit_is_not_overwritten_by_an_upload(repo: EmbeddedRepository) -> None:
    path = f"t/_delta_log/{5:020d}.json"
    there = repo.put("main", path, b'{"commitInfo":{}}')
    upload = repo.create_upload("main", path)
    part = repo.put_part(upload.id, 1, b'{"commitInfo":{"other":1}}')
    with pytest.raises(PreconditionFailed) as caught:
        repo.complete_upload(upload.id, [(1, part.etag)])
    assert caught.value.kind is ErrorKind.DELTA_VERSION_TAKEN
    same = repo.put_part(upload.id, 1, b'{"commitInfo":{}}')
    assert repo.complete_upload(upload.id, [(1, same.etag)]) == there
    assert repo.open("main", path).read() == b'{"commitInfo":{}}'
    assert same.address not in stored(repo)


def test_an_aborted_upload_is_gone(repo: EmbeddedRepository) -> None:
    upload = repo.create_upload("main", "x")
    part = repo.put_part(upload.id, 1, b"1")
    late = PartUpload(repo.ctx, upload.id, 2)
    late.write(b"2")
    repo.abort_upload(upload.id)
    with pytest.raises(NotFound):
        late.finish(PutRequest())
    assert stored(repo) == set()
    for call in (
        lambda: repo.abort_upload(upload.id),
        lambda: repo.parts(upload.id),
        lambda: repo.put_part(upload.id, 1, b"1"),
        lambda: repo.complete_upload(upload.id, [(1, part.etag)]),
        lambda: repo.abort_upload(UploadId("unknown")),
    ):
        with pytest.raises(NotFound) as caught:
            call()
        assert caught.value.kind is ErrorKind.UPLOAD_NOT_FOUND


def test_uploads_are_listed_by_path(repo: EmbeddedRepository) -> None:
    made = [repo.create_upload("main", path) for path in ("b/1", "a", "b/2", "b/1")]
    first = repo.uploads("main", amount=2)
    rest = repo.uploads("main", after=first.next_after)
    listed = [*first.items, *rest.items]
    assert [upload.path for upload in listed] == ["a", "b/1", "b/1", "b/2"]
    assert {upload.id for upload in listed} == {upload.id for upload in made}
    assert [upload.path for upload in repo.uploads("main", prefix="b/2").items] == ["b/2"]


def test_of_two_completions_one_makes_the_object_and_both_answer_it(repo: EmbeddedRepository) -> None:
    for _ in range(5):
        upload = repo.create_upload("main", "x")
        parts = [(1, repo.put_part(upload.id, 1, BIG).etag), (2, repo.put_part(upload.id, 2, b"!").etag)]
        with ThreadPoolExecutor(4) as pool:
            runs = [pool.submit(repo.complete_upload, upload.id, parts) for _ in range(4)]
        assert {run.result().address for run in runs if not late(run.exception())} == {repo.stat("main", "x").address}
        assert repo.open("main", "x").read() == BIG + b"!"
        assert completed(repo.ctx, upload.id, upload.branch, "x") == repo.stat("main", "x")


def late(error: BaseException | None) -> bool:
    """A completion that began when the upload was gone already."""
    return isinstance(error, NotFound) and error.kind is ErrorKind.UPLOAD_NOT_FOUND


def test_a_completion_sent_again_is_answered_while_its_object_stands(repo: EmbeddedRepository) -> None:
    upload = repo.create_upload("main", "x")
    part = repo.put_part(upload.id, 1, b"1")
    with pytest.raises(NotFound):
        completed(repo.ctx, upload.id, upload.branch, "x")
    entry = repo.complete_upload(upload.id, [(1, part.etag)])
    repo.commit("main", CommitRequest("x"))
    assert completed(repo.ctx, upload.id, upload.branch, "x") == entry
    repo.put("main", "x", b"2")
    with pytest.raises(NotFound):
        completed(repo.ctx, upload.id, upload.branch, "x")


@pytest.mark.parametrize("kind", [FaultKind.BEFORE, FaultKind.AFTER, FaultKind.CRASH])
def test_no_failure_of_the_store_loses_an_upload_or_an_answered_write(tmp_path: Path, kind: FaultKind) -> None:
    seen = 0

    def run(fault: Fault) -> bool:
        nonlocal seen
        seen += 1
        with EmbeddedLake.create(tmp_path / str(seen)) as lake:
            lake.create_repository("sales")
            ctx = lake.repository("sales").ctx
            store = FaultyStore(ctx.store, fault)
            faulty = replace(ctx, store=as_store(store))
            upload = create_upload(ctx, "main", "x", PutRequest())
            try:
                parts = [
                    (number, put_part(faulty, upload.id, number, body, PutRequest()).etag)
                    for number, body in ((1, BIG), (2, b"!"))
                ]
                complete_upload(faulty, upload.id, parts, PutRequest())
            except LakegateError:
                store.clear()
                parts = [
                    (number, put_part(ctx, upload.id, number, body, PutRequest()).etag)
                    for number, body in ((1, BIG), (2, b"!"))
                ]
                complete_upload(ctx, upload.id, parts, PutRequest())
                assert lake.repository("sales").open("main", "x").read() == BIG + b"!"
                return True
            assert lake.repository("sales").open("main", "x").read() == BIG + b"!"
            return store.fired

    assert every_fault(run, kind) >= 5


def as_store(store: FaultyStore) -> ObjectStore:
    return store

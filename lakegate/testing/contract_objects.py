"""What every repository must do with objects: bytes both ways, listings, conditions."""

from __future__ import annotations

import hashlib
import io
import random
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest

from lakegate.errors import ErrorKind, InvalidInput, NotFound, PreconditionFailed, Refused
from lakegate.interface import Body, Repository
from lakegate.model import CommitRequest, CommonPrefix, Entry, ListRequest, LogRequest, PutRequest
from lakegate.testing.contract_work import all_pages, commit, content, refused

ODD_PATHS = [
    "a",
    "with space/ü#?%20*~ é",
    "a%2Fb+c&d=e",
    "back\\slash",
    'a:b|c<>{}^`"[]',
    "emoji😀/中文",
    "part=2013-01/x.parquet",
    "folder/",
    ".hidden/..more",
    "x" * 1024,
]
BAD_PATHS = ["", "/a", "a//b", "..", "a/../b", ".", "./a", "a\x00b", "a\nb", "x" * 1025, "\ud800"]
_HELLO_MD5 = "5d41402abc4b2a76b9719d911017c592"
_HELLO_SHA256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"


class _Raising(io.BytesIO):
    """A file that breaks after its first piece."""

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell():
            raise OSError("the disk is on fire")
        return super().read(4)


class ObjectsContract:
    """The contract of `lakegate.interface.Repository` for objects."""

    # -- bytes in -----------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("path", ODD_PATHS)
    def test_put_then_read(self, repo: Repository, path: str) -> None:
        wrote = repo.put("main", path, b"hello", PutRequest("text/x-own", {"who": "me"}))
        assert (wrote.path, wrote.size, wrote.etag) == (path, 5, _HELLO_MD5)
        assert wrote.digest == f"sha256:{_HELLO_SHA256}"
        assert (wrote.content_type, dict(wrote.metadata)) == ("text/x-own", {"who": "me"})
        assert wrote.mtime > 1_500_000_000_000
        assert repo.stat("main", path) == wrote
        assert repo.open("main", path).entry == wrote
        assert repo.open("main", path).read() == b"hello"
        assert repo.list("main").items == (wrote,)

    @pytest.mark.parametrize("path", BAD_PATHS)
    def test_bad_paths(self, repo: Repository, path: str) -> None:
        calls = (
            lambda: repo.put("main", path, b"x"),
            lambda: repo.stat("main", path),
            lambda: repo.open("main", path),
            lambda: repo.delete("main", path),
            lambda: repo.copy("main", path, "main", "a"),
            lambda: repo.copy("main", "b", "main", path),
            lambda: repo.set_metadata("main", path, {}),
            lambda: repo.reset("main", path=path),
        )
        repo.put("main", "a", b"x")
        for call in calls:
            with refused(InvalidInput, ErrorKind.INVALID_PATH):
                call()
        assert content(repo, "main") == {"a": "x"}

    @pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (5 << 20) + 7])
    @pytest.mark.parametrize("form", ["bytes", "file", "pieces"])
    @pytest.mark.parametrize("declared", [True, False])
    def test_bodies_of_all_forms(self, repo: Repository, size: int, form: str, declared: bool) -> None:
        data = random.Random(size).randbytes(size)
        bodies: dict[str, Body] = {"bytes": data, "file": io.BytesIO(data), "pieces": _pieces(data)}
        wrote = repo.put("main", "a", bodies[form], PutRequest(size=size if declared else None))
        assert (wrote.size, wrote.etag) == (size, hashlib.md5(data, usedforsecurity=False).hexdigest())
        assert wrote.digest == f"sha256:{hashlib.sha256(data).hexdigest()}"
        assert repo.open("main", "a").read() == data
        assert b"".join(repo.open("main", "a").chunks()) == data

    @pytest.mark.parametrize("form", ["bytes", "file", "pieces"])
    @pytest.mark.parametrize("declared", [3, 4, 6, 1 << 20])
    def test_a_body_of_another_length(self, repo: Repository, form: str, declared: int) -> None:
        repo.put("main", "a", b"old")
        pieces = iter([b"hel", b"", b"lo"])
        bodies: dict[str, Body] = {"bytes": b"hello", "file": io.BytesIO(b"hello"), "pieces": pieces}
        with refused(InvalidInput, ErrorKind.INCOMPLETE_BODY):
            repo.put("main", "a", bodies[form], PutRequest(size=declared))
        assert content(repo, "main") == {"a": "old"}

    def test_a_body_that_breaks_off(self, repo: Repository) -> None:
        with pytest.raises(OSError, match="on fire"):
            repo.put("main", "a", _Raising(b"hello, world"))
        assert content(repo, "main") == {}

    def test_checksums(self, repo: Repository) -> None:
        good = PutRequest(content_md5=_HELLO_MD5, sha256=_HELLO_SHA256)
        assert repo.put("main", "good", b"hello", good).size == 5
        for bad in (PutRequest(content_md5="0" * 32), PutRequest(sha256="0" * 64)):
            with refused(InvalidInput, ErrorKind.CHECKSUM_MISMATCH):
                repo.put("main", "bad", b"hello", bad)
        for no_hex in (PutRequest(content_md5="zz"), PutRequest(sha256="äö")):
            with pytest.raises(InvalidInput):
                repo.put("main", "bad", b"hello", no_hex)
        assert content(repo, "main") == {"good": "hello"}

    def test_what_stands_beside_the_bytes(self, repo: Repository) -> None:
        kept = {"content-encoding": "gzip", "cache-control": "no-cache", "x-amz-checksum-crc32": "NhCmhg=="}
        wrote = repo.put("main", "a.csv", b"hello", PutRequest(metadata={"k": "välue 😀", "e": ""}, headers=kept))
        assert (dict(wrote.metadata), dict(wrote.headers)) == ({"k": "välue 😀", "e": ""}, kept)
        assert wrote.content_type == "text/csv"
        made = commit(repo, "main", {"b": "1"})
        assert repo.stat(made.id, "a.csv") == wrote

    def test_only_branches_are_written_to(self, repo: Repository) -> None:
        made = commit(repo, "main", {"a": "1"})
        repo.create_tag("v1", "main")
        for ref in ("v1", made.id):
            with refused(Refused, ErrorKind.READ_ONLY_REF):
                repo.put(ref, "b", b"x")
            with refused(Refused, ErrorKind.READ_ONLY_REF):
                repo.delete(ref, "a")
        with refused(NotFound, ErrorKind.BRANCH_NOT_FOUND):
            repo.put("none", "b", b"x")

    # -- conditions ---------------------------------------------------------------------------------------------------

    def test_a_write_where_nothing_stands(self, repo: Repository) -> None:
        absent = PutRequest(if_none_match=True)
        repo.put("main", "a", b"1", absent)
        for _ in range(2):
            with refused(PreconditionFailed, ErrorKind.PRECONDITION_FAILED):
                repo.put("main", "a", b"2", absent)
            commit(repo, "main", {"other": None} if "other" in content(repo, "main") else {"other": "x"})
        repo.delete("main", "a")
        assert repo.put("main", "a", b"3", absent).size == 1
        assert content(repo, "main")["a"] == "3"

    def test_a_write_over_what_was_read(self, repo: Repository) -> None:
        first = repo.put("main", "a", b"1")
        second = repo.put("main", "a", b"2", PutRequest(if_match=first.etag))
        with refused(PreconditionFailed, ErrorKind.PRECONDITION_FAILED):
            repo.put("main", "a", b"3", PutRequest(if_match=first.etag))
        with refused(PreconditionFailed, ErrorKind.PRECONDITION_FAILED):
            repo.put("main", "none", b"3", PutRequest(if_match=first.etag))
        assert repo.stat("main", "a") == second
        assert content(repo, "main") == {"a": "2"}

    def test_a_delta_version_is_written_once(self, repo: Repository) -> None:
        path = "t/_delta_log/00000000000000000005.json"
        repo.put("main", path, b'{"commitInfo":{}}')
        assert repo.put("main", path, b'{"commitInfo":{}}').size == 17
        with refused(PreconditionFailed, ErrorKind.DELTA_VERSION_TAKEN):
            repo.put("main", path, b'{"commitInfo":{"other":1}}')

    # -- bytes out ----------------------------------------------------------------------------------------------------

    def test_ranges(self, repo: Repository) -> None:
        data = random.Random(1).randbytes((3 << 20) + 11)
        repo.put("main", "a", data)
        reader = repo.open("main", "a")
        for start, length in ((0, 1), (1, 0), (5, 1 << 20), (len(data) - 3, None), (len(data) - 3, 100), (0, None)):
            stop = len(data) if length is None else start + length
            assert reader.read(start, length) == data[start:stop]
            pieces = list(reader.chunks(start, length, 1 << 16))
            assert b"".join(pieces) == data[start:stop]
            assert all(0 < len(piece) <= 1 << 16 for piece in pieces)
        assert reader.read(len(data)) == b""
        for start, length in ((len(data) + 1, None), (-1, None), (0, -1)):
            with refused(InvalidInput, ErrorKind.INVALID_RANGE):
                reader.read(start, length)
            with refused(InvalidInput, ErrorKind.INVALID_RANGE):
                list(reader.chunks(start, length))

    def test_an_empty_object(self, repo: Repository) -> None:
        repo.put("main", "a", b"")
        reader = repo.open("main", "a")
        assert (reader.read(), reader.read(0, 5), list(reader.chunks())) == (b"", b"", [])

    def test_what_was_opened_at_a_commit_stays(self, repo: Repository) -> None:
        made = commit(repo, "main", {"a": "old"})
        reader = repo.open(made.id, "a")
        repo.put("main", "a", b"new")
        assert reader.read() == b"old"
        assert repo.open("main", "a").read() == b"new"

    def test_what_is_not_there(self, repo: Repository) -> None:
        made = commit(repo, "main", {"a/b": "1"})
        for ref in ("main", made.id):
            for path in ("none", "a", "a/b/c", "a/"):
                with refused(NotFound, ErrorKind.OBJECT_NOT_FOUND):
                    repo.stat(ref, path)
                with refused(NotFound, ErrorKind.OBJECT_NOT_FOUND):
                    repo.open(ref, path)
        with refused(NotFound, ErrorKind.REF_NOT_FOUND):
            repo.stat("none", "a/b")

    # -- listing ------------------------------------------------------------------------------------------------------

    def test_listings_in_the_order_of_bytes(self, repo: Repository) -> None:
        paths = ["a", "a/b", "a-b", "a b", "B", "ä", "😀", "\uffee", "z%", "a/c/d"]
        for path in paths:
            repo.put("main", path, b"x")
        ordered = sorted(paths, key=lambda path: path.encode())
        made = repo.commit("main", CommitRequest("change"))
        for ref in ("main", made.id):
            assert [item.path for item in repo.list(ref).items] == ordered
            assert [item.path for item in _all(repo, ref, 3)] == ordered
            assert [i.path for i in repo.list(ref, ListRequest("a/")).items] == ["a/b", "a/c/d"]
            assert [i.path for i in repo.list(ref, ListRequest(after="a/bz")).items][:2] == ["a/c/d", "z%"]
        assert repo.list("main", ListRequest(prefix="none")).items == ()

    def test_listings_by_folder(self, repo: Repository) -> None:
        for path in ("a/1", "a/2", "b", "c/d/1", "c/d/2", "c/e"):
            repo.put("main", path, b"x")
        top = repo.list("main", ListRequest(delimiter="/")).items
        assert [(type(item), item.path) for item in top] == [
            (CommonPrefix, "a/"),
            (Entry, "b"),
            (CommonPrefix, "c/"),
        ]
        below = repo.list("main", ListRequest("c/", delimiter="/")).items
        assert [item.path for item in below] == ["c/d/", "c/e"]
        assert [item.path for item in _all(repo, "main", 1, "/")] == ["a/", "b", "c/"]

    def test_names_of_the_last_character(self, repo: Repository) -> None:
        last = "\U0010ffff"
        paths = ["a/1", f"a/{last}", f"a/{last}{last}/x", f"{last}.csv", f"{last}/x", f"{last}{last}"]
        for path in paths:
            repo.put("main", path, path.encode())
        for _ in ("uncommitted", "committed"):
            assert [entry.path for entry in _all(repo, "main", 2)] == paths
            folders = [entry.path for entry in _all(repo, "main", 1, "/")]
            assert folders == ["a/", f"{last}.csv", f"{last}/", f"{last}{last}"]
            below = repo.list("main", ListRequest("a/", delimiter="/")).items
            assert [entry.path for entry in below] == ["a/1", f"a/{last}", f"a/{last}{last}/"]
            assert [entry.path for entry in repo.list("main", ListRequest(last)).items] == paths[3:]
            assert all(repo.open("main", path).read() == path.encode() for path in paths)
            if repo.uncommitted("main").items:
                changes = repo.uncommitted("main", ListRequest(delimiter="/")).items
                assert [change.path for change in changes] == folders
                repo.commit("main", CommitRequest("all"))

    def test_folder_markers_are_seen_until_a_commit(self, repo: Repository) -> None:
        repo.put("main", "a/", b"")
        repo.put("main", "a/b", b"x")
        assert [item.path for item in repo.list("main").items] == ["a/", "a/b"]
        made = repo.commit("main", CommitRequest("change"))
        assert [item.path for item in repo.list(made.id).items] == ["a/b"]

    @pytest.mark.parametrize("amount", [-1, 0])
    def test_odd_amounts(self, repo: Repository, amount: int) -> None:
        commit(repo, "main", {"a": "1"})
        repo.put("main", "b", b"2")
        listing = ListRequest(amount=amount)
        calls: tuple[Callable[[], object], ...] = (
            lambda: repo.list("main", listing).items,
            lambda: repo.uncommitted("main", listing).items,
            lambda: repo.diff("main~1", "main", listing).items,
            lambda: repo.log("main", LogRequest(amount=amount)).items,
            lambda: repo.branches(amount=amount).items,
            lambda: repo.tables("main", amount=amount).items,
            lambda: repo.jobs(amount),
        )
        for call in calls:
            if amount < 0:
                with refused(InvalidInput, ErrorKind.INVALID_ARGUMENT):
                    call()
            else:
                assert call() == ()

    def test_a_page_ends_where_the_next_begins(self, repo: Repository) -> None:
        for number in range(7):
            repo.put("main", f"{number}", b"x")
        page = repo.list("main", ListRequest(amount=7))
        assert (len(page.items), page.next_after, page.has_more) == (7, "", False)
        page = repo.list("main", ListRequest(amount=6))
        assert (len(page.items), page.next_after) == (6, "5")
        assert all(left.path < right.path for left, right in pairwise(page.items))
        assert len(repo.list("main", ListRequest(amount=5000)).items) == 7

    # -- copies, metadata, deletes ------------------------------------------------------------------------------------

    def test_a_copy_shares_the_bytes(self, repo: Repository) -> None:
        source = repo.put("main", "a", b"hello", PutRequest("text/x-own", {"k": "v"}, {"cache-control": "no-cache"}))
        made = repo.commit("main", CommitRequest("change"))
        repo.create_branch("exp", "main")
        copied = repo.copy("exp", "b/ü", made.id, "a")
        assert (copied.path, copied.address, copied.etag) == ("b/ü", source.address, source.etag)
        assert copied.same_content(source)
        changed = repo.copy("exp", "c", "main", "a", PutRequest("text/plain", {"n": "1"}))
        assert (changed.content_type, dict(changed.metadata), dict(changed.headers)) == ("text/plain", {"n": "1"}, {})
        assert content(repo, "exp") == {"a": "hello", "b/ü": "hello", "c": "hello"}
        with refused(PreconditionFailed, ErrorKind.PRECONDITION_FAILED):
            repo.copy("exp", "c", "main", "a", PutRequest(if_none_match=True))
        with refused(NotFound, ErrorKind.OBJECT_NOT_FOUND):
            repo.copy("exp", "d", "main", "none")
        with refused(NotFound, ErrorKind.BRANCH_NOT_FOUND):
            repo.copy("none", "d", "main", "a")

    def test_metadata_are_replaced(self, repo: Repository) -> None:
        wrote = repo.put("main", "a", b"hello", PutRequest("text/x-own", {"k": "v"}))
        changed = repo.set_metadata("main", "a", {"n": "ü"})
        assert (dict(changed.metadata), changed.content_type, changed.address) == (
            {"n": "ü"},
            "text/x-own",
            wrote.address,
        )
        assert repo.stat("main", "a") == changed
        assert dict(repo.set_metadata("main", "a", {}).metadata) == {}
        with refused(NotFound, ErrorKind.OBJECT_NOT_FOUND):
            repo.set_metadata("main", "none", {})

    def test_deletes(self, repo: Repository) -> None:
        made = commit(repo, "main", {"a": "1", "b": "2", "c": "3"})
        repo.delete("main", "a")
        with refused(NotFound, ErrorKind.OBJECT_NOT_FOUND):
            repo.delete("main", "a")
        failures = repo.delete_many("main", ["b", "none", "a//b"])
        assert [(failure.path, failure.code) for failure in failures] == [("a//b", ErrorKind.INVALID_PATH)]
        assert content(repo, "main") == {"c": "3"}
        assert content(repo, made.id) == {"a": "1", "b": "2", "c": "3"}
        assert repo.delete_many("main", []) == ()
        with refused(NotFound, ErrorKind.BRANCH_NOT_FOUND):
            repo.delete_many("none", ["a"])

    def test_many_deletes_at_once(self, repo: Repository) -> None:
        paths = [f"x/{number:04d}" for number in range(3)]
        for path in paths:
            repo.put("main", path, b"x")
        assert repo.delete_many("main", [f"none/{number}" for number in range(2500)] + paths) == ()
        assert content(repo, "main") == {}


def _pieces(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), 300_001):
        yield data[start : start + 300_001]
    yield b""


def _all(repo: Repository, ref: str, amount: int, delimiter: str = "") -> list[Entry | CommonPrefix]:
    return all_pages(lambda after: repo.list(ref, ListRequest("", after, amount, delimiter)))

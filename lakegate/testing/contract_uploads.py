"""What a repository must do with multipart uploads, and how one refuses them that does not offer them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from lakegate.errors import ErrorKind, InvalidInput, NotFound, NotOffered, PreconditionFailed
from lakegate.ids import UploadId
from lakegate.interface import Repository
from lakegate.model import PutRequest
from lakegate.testing.contract_work import content, refused

_PART = 5 << 20


class UploadsContract:
    """The contract of `lakegate.interface.Repository` for multipart uploads."""

    def test_parts_become_one_object(self, repo: Repository) -> None:
        upload = repo.create_upload("main", "a/b", PutRequest("text/x-own", {"k": "v"}))
        assert (upload.branch, upload.path, dict(upload.metadata)) == ("main", "a/b", {"k": "v"})
        bodies = [b"1" * _PART, b"2" * 10]
        parts = [repo.put_part(upload.id, number, body) for number, body in enumerate(bodies, 1)]
        listed, page = repo.parts(upload.id)
        assert (listed.id, [part.number for part in page.items]) == (upload.id, [1, 2])
        assert [found.id for found in repo.uploads("main").items] == [upload.id]
        assert content(repo, "main") == {}
        entry = repo.complete_upload(upload.id, [(part.number, part.etag) for part in parts])
        digests = b"".join(hashlib.md5(body, usedforsecurity=False).digest() for body in bodies)
        assert entry.etag == f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-2"
        assert (entry.size, entry.content_type, dict(entry.metadata)) == (_PART + 10, "text/x-own", {"k": "v"})
        assert repo.open("main", "a/b").read() == b"".join(bodies)
        assert repo.uploads("main").items == ()
        with refused(NotFound, ErrorKind.UPLOAD_NOT_FOUND):
            repo.parts(upload.id)

    def test_an_aborted_one_leaves_nothing(self, repo: Repository) -> None:
        upload = repo.create_upload("main", "a")
        repo.put_part(upload.id, 1, b"x")
        repo.abort_upload(upload.id)
        with refused(NotFound, ErrorKind.UPLOAD_NOT_FOUND):
            repo.put_part(upload.id, 2, b"x")
        with refused(NotFound, ErrorKind.UPLOAD_NOT_FOUND):
            repo.abort_upload(upload.id)
        assert content(repo, "main") == {}

    def test_conditions_and_wrong_parts(self, repo: Repository) -> None:
        repo.put("main", "a", b"old")
        upload = repo.create_upload("main", "a")
        part = repo.put_part(upload.id, 1, b"new")
        with refused(InvalidInput, ErrorKind.INVALID_PART):
            repo.complete_upload(upload.id, [(1, "0" * 32)])
        with refused(PreconditionFailed, ErrorKind.PRECONDITION_FAILED):
            repo.complete_upload(upload.id, [(1, part.etag)], PutRequest(if_none_match=True))
        assert content(repo, "main") == {"a": "old"}
        with refused(NotFound, ErrorKind.BRANCH_NOT_FOUND):
            repo.create_upload("none", "a")


class NoUploadsContract:
    """How a repository refuses multipart uploads by name, and points to what offers them."""

    def test_each_method_is_refused_by_name(self, repo: Repository) -> None:
        upload = UploadId("0" * 32)
        calls: tuple[Callable[[], object], ...] = (
            lambda: repo.create_upload("main", "a"),
            lambda: repo.put_part(upload, 1, b"x"),
            lambda: repo.parts(upload),
            lambda: repo.uploads("main"),
            lambda: repo.complete_upload(upload, []),
            lambda: repo.abort_upload(upload),
        )
        for call in calls:
            with refused(NotOffered, ErrorKind.NOT_OFFERED):
                call()

    def test_reading_tables_past_the_gateway_is_refused_by_name(self, repo: Repository) -> None:
        with refused(NotOffered, ErrorKind.NOT_OFFERED):
            repo.read_table("main", "t")

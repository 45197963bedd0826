"""What every repository must do with branches, tags, ref expressions and history."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from lakegate.errors import AlreadyExists, ErrorKind, InvalidInput, NotFound, Refused
from lakegate.interface import Repository
from lakegate.model import Branch, CommitRequest, LogRequest, MergeRequest, Tag
from lakegate.testing.contract_work import all_pages, commit, content, refused

BAD_NAMES = ["", "a/b", "-a", ".a", "a b", "a~1", "0" * 64, "x" * 256]
ODD_NAMES = ["exp", "1", "ümlaut", "_x-y.z", "v1.0", "x" * 255, "0" * 63]


class RefsContract:
    """The contract of `lakegate.interface.Repository` for refs."""

    # -- branches -----------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("name", ODD_NAMES)
    def test_a_branch_starts_at_a_commit(self, repo: Repository, name: str) -> None:
        made = commit(repo, "main", {"a": "1"})
        repo.put("main", "uncommitted", b"stays on main")
        assert repo.create_branch(name, "main") == Branch(repo.branch(name).name, made.id)
        assert repo.branch(name).commit == made.id
        assert content(repo, name) == {"a": "1"}
        with refused(AlreadyExists, ErrorKind.BRANCH_EXISTS):
            repo.create_branch(name, "main")

    @pytest.mark.parametrize("name", BAD_NAMES)
    def test_bad_names(self, repo: Repository, name: str) -> None:
        with refused(InvalidInput, ErrorKind.INVALID_NAME):
            repo.create_branch(name, "main")
        with refused(InvalidInput, ErrorKind.INVALID_NAME):
            repo.create_tag(name, "main")
        for of_branch in (repo.branch, repo.delete_branch):
            with refused(NotFound, ErrorKind.BRANCH_NOT_FOUND):
                of_branch(name)
        for of_tag in (repo.tag, repo.delete_tag):
            with refused(NotFound, ErrorKind.TAG_NOT_FOUND):
                of_tag(name)

    def test_a_source_that_is_not_there(self, repo: Repository) -> None:
        with refused(NotFound, ErrorKind.REF_NOT_FOUND):
            repo.create_branch("exp", "none")
        with refused(NotFound, ErrorKind.REF_NOT_FOUND):
            repo.create_tag("v1", "none")

    def test_they_are_listed_by_name_in_pages(self, repo: Repository) -> None:
        for name in ("b", "a.1", "a-1", "ä"):
            repo.create_branch(name, "main")
            repo.create_tag(f"{name}-tag", "main")
        first = repo.branches(amount=2)
        assert ([b.name for b in first.items], first.next_after) == (["a-1", "a.1"], "a.1")
        assert [b.name for b in all_pages(lambda after: repo.branches("", after, 2))] == [
            "a-1",
            "a.1",
            "b",
            "main",
            "ä",
        ]
        assert [b.name for b in repo.branches("a").items] == ["a-1", "a.1"]
        assert [t.name for t in all_pages(lambda after: repo.tags("", after, 3))] == [
            "a-1-tag",
            "a.1-tag",
            "b-tag",
            "ä-tag",
        ]
        assert [t.name for t in repo.tags("a.").items] == ["a.1-tag"]
        assert repo.tags(after="ä-tag").items == ()

    def test_a_branch_is_deleted_with_what_is_uncommitted_by_force_only(self, repo: Repository) -> None:
        commit(repo, "main", {"b": "2"})
        repo.create_branch("exp", "main")
        repo.put("exp", "a", b"1")
        with refused(Refused, ErrorKind.DIRTY_BRANCH):
            repo.delete_branch("exp")
        assert content(repo, "exp") == {"a": "1", "b": "2"}
        repo.delete_branch("exp", force=True)
        with refused(NotFound, ErrorKind.BRANCH_NOT_FOUND):
            repo.branch("exp")
        with refused(NotFound, ErrorKind.BRANCH_NOT_FOUND):
            repo.delete_branch("exp")
        repo.create_branch("exp", "main")
        assert content(repo, "exp") == {"b": "2"}
        repo.put("exp", "b", b"2")  # what the commit holds already is no change
        repo.delete_branch("exp")
        with refused(NotFound, ErrorKind.BRANCH_NOT_FOUND):
            repo.delete_branch("exp", force=True)

    def test_the_default_branch_stays(self, repo: Repository) -> None:
        with refused(Refused, ErrorKind.DEFAULT_BRANCH):
            repo.delete_branch("main")
        assert repo.branch("main").commit

    # -- tags ---------------------------------------------------------------------------------------------------------

    def test_a_tag_stays_where_it_is(self, repo: Repository) -> None:
        made = commit(repo, "main", {"a": "1"})
        assert repo.create_tag("v1", "main") == Tag(repo.tag("v1").name, made.id)
        commit(repo, "main", {"a": "2"})
        assert repo.tag("v1").commit == made.id
        assert content(repo, "v1") == {"a": "1"}
        with refused(AlreadyExists, ErrorKind.TAG_EXISTS):
            repo.create_tag("v1", "main")
        assert repo.tag("v1").commit == made.id
        with refused(AlreadyExists, ErrorKind.BRANCH_EXISTS):
            repo.create_branch("v1", "main")
        repo.delete_tag("v1")
        with refused(NotFound, ErrorKind.TAG_NOT_FOUND):
            repo.tag("v1")
        assert repo.commit_of(made.id) == made

    # -- ref expressions ----------------------------------------------------------------------------------------------

    def test_expressions(self, repo: Repository) -> None:
        first = repo.commit_of("main")
        second = commit(repo, "main", {"a": "1"})
        repo.create_branch("exp", "main")
        side = commit(repo, "exp", {"b": "1"})
        third = commit(repo, "main", {"a": "2"})
        merged = repo.merge("exp", "main").commit
        assert merged is not None
        repo.create_tag("v1", third.id)
        named = {
            "main": merged,
            "main~1": third,
            "main~": third,
            "main^2": side,
            "main^2~1": second,
            "v1": third,
            "v1~2": first,
            third.id: third,
            third.id[:12]: third,
            f"{third.id[:12]}~1": second,
        }
        assert {ref: repo.commit_of(ref).id for ref in named} == {ref: made.id for ref, made in named.items()}

    def test_a_name_beats_the_first_digits_of_an_id_and_a_whole_id_beats_all(self, repo: Repository) -> None:
        first = repo.commit_of("main")
        made = commit(repo, "main", {"a": "1"})
        for length, create in ((12, repo.create_branch), (13, repo.create_tag)):
            name = made.id[:length]
            assert repo.commit_of(name) == made
            create(name, first.id)
            assert repo.commit_of(name) == first
        assert repo.commit_of(made.id) == repo.commit_of(made.id[:14]) == made

    def test_expressions_of_time(self, repo: Repository) -> None:
        made = commit(repo, "main", {"a": "1"})
        later = datetime.now(UTC).replace(year=datetime.now(UTC).year + 1)
        assert repo.commit_of(f"main@{{{later.isoformat()}}}") == made
        with refused(NotFound, ErrorKind.REF_NOT_FOUND):
            repo.commit_of("main@{2001-01-31}")

    @pytest.mark.parametrize("ref", ["", "main~x", "main@{", "main@{yesterday}", "main/x", "a b", "main^^^^^~~~ "])
    def test_bad_expressions(self, repo: Repository, ref: str) -> None:
        with refused(InvalidInput, ErrorKind.INVALID_REF):
            repo.commit_of(ref)
        with refused(InvalidInput, ErrorKind.INVALID_REF):
            repo.stat(ref, "a")

    @pytest.mark.parametrize("ref", ["none", "main~9", "main^7", "f" * 64, "abcdef0123"])
    def test_expressions_that_name_nothing(self, repo: Repository, ref: str) -> None:
        with pytest.raises(NotFound):
            repo.commit_of(ref)
        with pytest.raises(NotFound):
            repo.manifest(ref)
        with pytest.raises(NotFound):
            repo.log(ref)

    # -- history ------------------------------------------------------------------------------------------------------

    def test_a_commit_tells_what_was_asked(self, repo: Repository) -> None:
        first = repo.commit_of("main")
        repo.put("main", "a", b"1")
        made = repo.commit(
            "main", CommitRequest("a message\nwith ü and 😀", {"Key": "välue", "empty": ""}, date=1_600_000_000_123)
        )
        assert made.message == "a message\nwith ü and 😀"
        assert dict(made.metadata) == {"Key": "välue", "empty": ""}
        assert made.created == 1_600_000_000_123
        assert (made.parents, made.generation, len(made.id)) == ((first.id,), 2, 64)
        assert repo.commit_of("main") == made
        assert repo.log("main").items == (made, first)
        totals = repo.manifest("main")
        assert (totals.id, totals.objects, totals.bytes, totals.tables) == (made.manifest, 1, 1, 0)

    def test_the_log_in_pages(self, repo: Repository) -> None:
        made = [repo.commit_of("main"), *(commit(repo, "main", {"a": str(number)}) for number in range(4))]
        made.reverse()
        first = repo.log("main", LogRequest(amount=2))
        assert first.items == tuple(made[:2])
        assert all_pages(lambda after: repo.log("main", LogRequest(after, 2))) == made
        assert repo.log("main", LogRequest(made[1].id[:12])).items == tuple(made[2:])
        with refused(NotFound, ErrorKind.REF_NOT_FOUND):
            repo.log("main", LogRequest("none"))
        with refused(InvalidInput, ErrorKind.INVALID_ARGUMENT):
            repo.log("main~2", LogRequest(made[1].id))
        assert repo.log("main~2").items == tuple(made[2:])
        assert repo.log("main", LogRequest(stop_at="main~1")).items == tuple(made[:2])
        assert repo.log("main", LogRequest(since=made[0].created + 1)).items == ()
        assert repo.log("main", LogRequest(since=made[0].created)).items[0] == made[0]
        assert made[1] in repo.log("main", LogRequest(since=made[1].created)).items

    def test_the_log_of_paths_and_of_first_parents(self, repo: Repository) -> None:
        one = commit(repo, "main", {"x/one": "1"})
        repo.create_branch("exp", "main")
        two = commit(repo, "exp", {"x/two": "2"})
        other = commit(repo, "main", {"x y/oné": "1"})
        merged = repo.merge("exp", "main", MergeRequest(message="merged")).commit
        log = repo.log("main", LogRequest(paths=("x/one",))).items
        assert log == (one,)
        assert repo.log("main", LogRequest(paths=("x y/oné", "none"))).items == (other,)
        assert two in repo.log("main", LogRequest(prefixes=("x/",))).items
        assert other not in repo.log("main", LogRequest(prefixes=("x/",))).items
        mainline = repo.log("main", LogRequest(first_parent=True)).items
        assert [made.id for made in mainline[:3]] == [merged.id if merged else "", other.id, one.id]
        assert two not in mainline

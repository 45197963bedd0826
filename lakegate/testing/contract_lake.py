"""What every lake must do with its repositories."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lakegate.errors import AlreadyExists, ErrorKind, InvalidInput, NotFound, Refused
from lakegate.interface import Lake, Repository
from lakegate.testing.contract_work import all_pages, commit, content, fresh_name, refused


class LakeContract:
    """The contract of `lakegate.interface.Lake`."""

    def test_it_tells_its_version(self, lake: Lake) -> None:
        assert re.fullmatch(r"\d+\.\d+.*", lake.version())

    def test_its_url_names_it(self, lake: Lake) -> None:
        assert "://" in lake.url

    def test_a_new_repository_has_one_branch_at_an_empty_commit(self, lake: Lake) -> None:
        name = fresh_name()
        info = lake.create_repository(name, default_branch="trunk")
        assert (info.name, info.default_branch) == (name, "trunk")
        assert info.created > 1_500_000_000_000
        assert len(info.id) == 32
        repo = lake.repository(name)
        assert repo.info == info
        assert [branch.name for branch in repo.branches().items] == ["trunk"]
        first = repo.commit_of("trunk")
        assert (first.parents, first.generation) == ((), 1)
        assert content(repo, "trunk") == {}
        assert repo.manifest("trunk").objects == 0

    def test_a_storage_namespace_may_be_named(self, lake: Lake, tmp_path: Path) -> None:
        info = lake.create_repository(fresh_name(), f"file://{tmp_path}/a place")
        assert info.storage_namespace == f"file://{tmp_path}/a place"
        commit(lake.repository(info.name), "main", {"a": "1"})
        assert (tmp_path / "a place" / "_lakegate").is_dir()
        with refused(AlreadyExists, ErrorKind.NAMESPACE_IN_USE):
            lake.create_repository(fresh_name(), f"file://{tmp_path}/a place")

    def test_a_name_is_taken_once(self, lake: Lake) -> None:
        info = lake.create_repository(fresh_name())
        with refused(AlreadyExists, ErrorKind.REPOSITORY_EXISTS):
            lake.create_repository(info.name)

    @pytest.mark.parametrize("name", ["", "ab", "Upper", "under_score", "-ab", "a" * 64, "api", "a/b", "ümlaut", ".."])
    def test_names_that_break_the_rule(self, lake: Lake, name: str) -> None:
        with refused(InvalidInput, ErrorKind.INVALID_NAME):
            lake.create_repository(name)
        with refused(InvalidInput, ErrorKind.INVALID_NAME):
            lake.repository(name)
        with refused(InvalidInput, ErrorKind.INVALID_NAME):
            lake.delete_repository(name)

    @pytest.mark.parametrize("branch", ["", "a/b", "-a", "0" * 64])
    def test_default_branches_that_break_the_rule(self, lake: Lake, branch: str) -> None:
        name = fresh_name()
        with refused(InvalidInput, ErrorKind.INVALID_NAME):
            lake.create_repository(name, default_branch=branch)
        with refused(NotFound, ErrorKind.REPOSITORY_NOT_FOUND):
            lake.repository(name)

    @pytest.mark.parametrize("namespace", ["ftp://host/x", "s3://", "relative/path"])
    def test_namespaces_that_are_none(self, lake: Lake, namespace: str) -> None:
        with refused(InvalidInput, ErrorKind.INVALID_NAMESPACE):
            lake.create_repository(fresh_name(), namespace)

    def test_they_are_listed_by_name_in_pages(self, lake: Lake) -> None:
        prefix = fresh_name("page")
        names = [f"{prefix}-{number}" for number in range(5)]
        for name in reversed(names):
            lake.create_repository(name)
        first = lake.repositories(prefix, amount=2)
        assert [info.name for info in first.items] == names[:2]
        assert first.next_after == names[1]
        assert [info.name for info in all_pages(lambda after: lake.repositories(prefix, after, 2))] == names
        assert lake.repositories(prefix, names[-1]).items == ()
        with refused(InvalidInput, ErrorKind.INVALID_ARGUMENT):
            lake.repositories(amount=-1)

    def test_what_is_not_there(self, lake: Lake) -> None:
        with refused(NotFound, ErrorKind.REPOSITORY_NOT_FOUND):
            lake.repository(fresh_name())
        with refused(NotFound, ErrorKind.REPOSITORY_NOT_FOUND):
            lake.delete_repository(fresh_name())

    def test_one_that_holds_something_is_deleted_only_by_force(self, lake: Lake) -> None:
        def fresh() -> Repository:
            return lake.repository(lake.create_repository(fresh_name()).name)

        committed, reset, staged, tagged, held, empty = (fresh() for _ in range(6))
        full = (committed, reset, staged, tagged, held)
        commit(committed, "main", {"a": "1"})
        first = reset.branch("main").commit
        commit(reset, "main", {"a": "1"})
        reset.hard_reset("main", first)
        staged.put("main", "a", b"1")
        tagged.create_tag("v1", "main")
        held.pin("main", hold="train")
        empty.create_branch("exp", "main")
        for repo in full:
            with refused(Refused, ErrorKind.REPOSITORY_NOT_EMPTY):
                lake.delete_repository(repo.info.name)
            assert lake.repository(repo.info.name).info == repo.info
            lake.delete_repository(repo.info.name, force=True)
        lake.delete_repository(empty.info.name)
        for repo in (*full, empty):
            with refused(NotFound, ErrorKind.REPOSITORY_NOT_FOUND):
                lake.repository(repo.info.name)

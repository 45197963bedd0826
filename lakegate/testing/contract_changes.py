"""What every repository must do with uncommitted changes, commits, differences, reverts, resets and rollbacks."""

from __future__ import annotations

import pytest

from lakegate.errors import ErrorKind, InvalidInput, MergeConflict, NotFound, Refused
from lakegate.interface import Repository
from lakegate.model import (
    ApplyRequest,
    ChangeCounts,
    ChangeKind,
    CommitRequest,
    ListRequest,
    RollbackMode,
    RollbackRequest,
)
from lakegate.testing.contract_work import all_pages, commit, content, refused

ADDED, REMOVED, CHANGED = ChangeKind.ADDED, ChangeKind.REMOVED, ChangeKind.CHANGED


class ChangesContract:
    """The contract of `lakegate.interface.Repository` for changes of one branch."""

    # -- uncommitted changes and commits ------------------------------------------------------------------------------

    def test_uncommitted_changes(self, repo: Repository) -> None:
        commit(repo, "main", {"a/1": "1", "a/2": "2", "b": "3"})
        assert repo.uncommitted("main").items == ()
        old = repo.stat("main", "b")
        new = repo.put("main", "b", b"4")
        added = repo.put("main", "c", b"5")
        repo.delete("main", "a/1")
        found = repo.uncommitted("main").items
        assert [(change.path, change.kind) for change in found] == [("a/1", REMOVED), ("b", CHANGED), ("c", ADDED)]
        assert (found[1].left, found[1].right, found[2].left, found[2].right) == (old, new, None, added)
        assert found[0].right is None
        assert all_pages(lambda after: repo.uncommitted("main", ListRequest("", after, 1))) == list(found)
        assert [c.path for c in repo.uncommitted("main", ListRequest("a/")).items] == ["a/1"]
        grouped = repo.uncommitted("main", ListRequest(delimiter="/")).items
        assert [(c.path, c.kind) for c in grouped] == [
            ("a/", ChangeKind.PREFIX_CHANGED),
            ("b", CHANGED),
            ("c", ADDED),
        ]
        with refused(NotFound, ErrorKind.BRANCH_NOT_FOUND):
            repo.uncommitted("none")

    def test_a_commit_takes_them_all(self, repo: Repository) -> None:
        made = commit(repo, "main", {"a": "1", "b": "2"})
        assert repo.branch("main").commit == made.id
        assert repo.uncommitted("main").items == ()
        assert content(repo, made.id) == {"a": "1", "b": "2"}

    def test_nothing_to_commit(self, repo: Repository) -> None:
        with refused(Refused, ErrorKind.NOTHING_TO_COMMIT):
            repo.commit("main", CommitRequest("nothing"))
        made = repo.commit("main", CommitRequest("nothing", allow_empty=True))
        assert repo.branch("main").commit == made.id
        with refused(NotFound, ErrorKind.BRANCH_NOT_FOUND):
            repo.commit("none", CommitRequest("x"))

    def test_a_reset_throws_changes_away(self, repo: Repository) -> None:
        commit(repo, "main", {"a/1": "1", "a/2": "2", "b": "3"})
        for path in ("a/1", "a/2", "b", "c"):
            repo.put("main", path, b"new")
        assert repo.reset("main", path="a/1") == 1
        assert repo.reset("main", path="a/1") == 0
        assert content(repo, "main") == {"a/1": "1", "a/2": "new", "b": "new", "c": "new"}
        assert repo.reset("main", prefix="a/") == 1
        assert repo.reset("main") == 2
        assert content(repo, "main") == {"a/1": "1", "a/2": "2", "b": "3"}
        with refused(NotFound, ErrorKind.BRANCH_NOT_FOUND):
            repo.reset("none")
        with refused(InvalidInput, ErrorKind.INVALID_ARGUMENT):
            repo.reset("main", path="a", prefix="a")

    def test_a_hard_reset_moves_the_branch(self, repo: Repository) -> None:
        first = commit(repo, "main", {"a": "1"})
        second = commit(repo, "main", {"a": "2"})
        moved = repo.hard_reset("main", first.id)
        assert (moved.name, moved.commit) == ("main", first.id)
        assert repo.branch("main") == moved
        assert repo.hard_reset("main", second.id).commit == second.id
        repo.put("main", "b", b"1")
        with refused(Refused, ErrorKind.DIRTY_BRANCH):
            repo.hard_reset("main", first.id)
        assert content(repo, "main") == {"a": "2", "b": "1"}
        with refused(NotFound, ErrorKind.REF_NOT_FOUND):
            repo.hard_reset("main", "none")

    # -- differences --------------------------------------------------------------------------------------------------

    def test_differences_of_commits(self, repo: Repository) -> None:
        first = commit(repo, "main", {"a": "1", "b/1": "2", "b/2": "3"})
        second = commit(repo, "main", {"a": "9", "b/1": None, "b/3": "4"})
        repo.put("main", "uncommitted", b"not part of it")
        found = repo.diff(first.id, second.id).items
        assert [(c.path, c.kind) for c in found] == [("a", CHANGED), ("b/1", REMOVED), ("b/3", ADDED)]
        assert (found[0].left, found[0].right) == (repo.stat(first.id, "a"), repo.stat(second.id, "a"))
        back = repo.diff(second.id, first.id).items
        assert [(c.path, c.kind) for c in back] == [("a", CHANGED), ("b/1", ADDED), ("b/3", REMOVED)]
        assert all_pages(lambda after: repo.diff(first.id, "main", ListRequest("", after, 1))) == list(found)
        grouped = repo.diff(first.id, "main", ListRequest(delimiter="/")).items
        assert [(c.path, c.kind) for c in grouped] == [("a", CHANGED), ("b/", ChangeKind.PREFIX_CHANGED)]
        assert repo.diff(first.id, first.id).items == ()
        with refused(NotFound, ErrorKind.REF_NOT_FOUND):
            repo.diff(first.id, "none")

    def test_differences_since_the_merge_base(self, repo: Repository) -> None:
        base = commit(repo, "main", {"a": "1"})
        repo.create_branch("exp", "main")
        commit(repo, "exp", {"b": "1"})
        commit(repo, "main", {"c": "1"})
        assert [(c.path, c.kind) for c in repo.diff("main", "exp").items] == [("b", ADDED), ("c", REMOVED)]
        assert [(c.path, c.kind) for c in repo.diff("main", "exp", three_dot=True).items] == [("b", ADDED)]
        found = repo.merge_base("main", "exp")
        assert found is not None
        assert found.id == base.id

    # -- revert, cherry-pick ------------------------------------------------------------------------------------------

    def test_a_revert(self, repo: Repository) -> None:
        commit(repo, "main", {"a": "1"})
        bad = commit(repo, "main", {"a": "2", "b": "x"})
        last = commit(repo, "main", {"c": "3"})
        made = repo.revert("main", ApplyRequest(bad.id, message="undone", metadata={"why": "bad"}))
        assert (made.message, dict(made.metadata), made.parents) == ("undone", {"why": "bad"}, (last.id,))
        assert content(repo, "main") == {"a": "1", "c": "3"}
        with refused(Refused, ErrorKind.NOTHING_TO_COMMIT):
            repo.revert("main", ApplyRequest(bad.id))
        empty = repo.revert("main", ApplyRequest(bad.id, allow_empty=True))
        assert repo.branch("main").commit == empty.id

    def test_a_revert_that_conflicts(self, repo: Repository) -> None:
        commit(repo, "main", {"a": "1"})
        bad = commit(repo, "main", {"a": "2"})
        last = commit(repo, "main", {"a": "3"})
        with pytest.raises(MergeConflict) as caught:
            repo.revert("main", ApplyRequest(bad.id))
        assert [conflict.path for conflict in caught.value.conflicts] == ["a"]
        assert repo.branch("main").commit == last.id

    def test_a_cherry_pick(self, repo: Repository) -> None:
        repo.create_branch("exp", "main")
        commit(repo, "exp", {"x": "1"})
        picked = commit(repo, "exp", {"y": "2"}, "the one")
        made = repo.cherry_pick("main", ApplyRequest(picked.id))
        assert content(repo, "main") == {"y": "2"}
        assert repo.branch("main").commit == made.id
        assert "the one" in made.message
        with refused(NotFound, ErrorKind.REF_NOT_FOUND):
            repo.cherry_pick("main", ApplyRequest("none"))

    def test_a_merge_commit_needs_its_mainline(self, repo: Repository) -> None:
        repo.create_branch("exp", "main")
        commit(repo, "exp", {"x": "1"})
        commit(repo, "main", {"m": "1"})
        merged = repo.merge("exp", "main").commit
        assert merged is not None
        for parent in (None, 3):
            with refused(InvalidInput, ErrorKind.INVALID_ARGUMENT):
                repo.revert("main", ApplyRequest(merged.id, parent))
        repo.revert("main", ApplyRequest(merged.id, 1))
        assert content(repo, "main") == {"m": "1"}

    # -- rollback -----------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("mode", list(RollbackMode))
    def test_a_rollback_is_a_new_commit(self, repo: Repository, mode: RollbackMode) -> None:
        good = commit(repo, "main", {"a": "1", "b": "2"})
        bad = commit(repo, "main", {"a": "9", "b": None, "c": "3"})
        request = RollbackRequest(good.id, mode=mode, message="bad ingestion", metadata={"ticket": "7"})
        outcome = repo.rollback("main", request)
        assert outcome.commit is not None
        assert (outcome.to, outcome.changes) == (good.id, ChangeCounts(1, 1, 1))
        assert outcome.commit.parents == (bad.id,)
        assert (outcome.commit.message, dict(outcome.commit.metadata)) == ("bad ingestion", {"ticket": "7"})
        assert content(repo, "main") == {"a": "1", "b": "2"}
        assert content(repo, bad.id) == {"a": "9", "c": "3"}

    def test_a_dry_run_tells_and_changes_nothing(self, repo: Repository) -> None:
        good = commit(repo, "main", {"a": "1"})
        bad = commit(repo, "main", {"a": "2", "b": "x"})
        outcome = repo.rollback("main", RollbackRequest("main~1", dry_run=True))
        assert (outcome.commit, outcome.to, outcome.changes) == (None, good.id, ChangeCounts(0, 1, 1))
        assert repo.branch("main").commit == bad.id

    def test_a_rollback_of_some_paths(self, repo: Repository) -> None:
        good = commit(repo, "main", {"a": "1", "x/1": "1", "x/2": "1"})
        commit(repo, "main", {"a": "2", "x/1": "2", "x/2": None})
        outcome = repo.rollback("main", RollbackRequest(good.id, paths=("x/",)))
        assert outcome.changes == ChangeCounts(1, 0, 1)
        assert content(repo, "main") == {"a": "2", "x/1": "1", "x/2": "1"}

    def test_rollbacks_that_are_refused(self, repo: Repository) -> None:
        first = commit(repo, "main", {"a": "1"})
        with refused(Refused, ErrorKind.NOTHING_TO_ROLL_BACK):
            repo.rollback("main", RollbackRequest(first.id))
        with refused(NotFound, ErrorKind.REF_NOT_FOUND):
            repo.rollback("main", RollbackRequest("none"))
        with refused(NotFound, ErrorKind.BRANCH_NOT_FOUND):
            repo.rollback("none", RollbackRequest("main"))
        commit(repo, "main", {"a": "2"})
        repo.put("main", "b", b"x")
        with refused(Refused, ErrorKind.DIRTY_BRANCH):
            repo.rollback("main", RollbackRequest(first.id))
        assert content(repo, "main") == {"a": "2", "b": "x"}

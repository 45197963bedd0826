"""What every repository must do with merges: fast paths, three ways, conflicts and how they are settled."""

from __future__ import annotations

import pytest

from lakegate.errors import ErrorKind, MergeConflict, NotFound, Refused
from lakegate.interface import Repository
from lakegate.model import ChangeCounts, Conflict, ConflictKind, MergeRequest, Resolution, Strategy, Take
from lakegate.testing.contract_work import commit, content, refused


def diverged(repo: Repository) -> None:
    """Lets `main` and `exp` change `both` differently, and one more object each."""
    commit(repo, "main", {"both": "0", "gone": "0"})
    repo.create_branch("exp", "main")
    commit(repo, "exp", {"both": "exp", "of-exp": "1", "gone": None})
    commit(repo, "main", {"both": "main", "of-main": "1", "gone": "1"})


class MergeContract:
    """The contract of `lakegate.interface.Repository.merge`."""

    def test_the_fast_path(self, repo: Repository) -> None:
        base = commit(repo, "main", {"a": "1"})
        repo.create_branch("exp", "main")
        source = commit(repo, "exp", {"a": "2", "b": "1"})
        outcome = repo.merge("exp", "main", MergeRequest("over", {"k": "v"}))
        assert outcome.commit is not None
        assert (outcome.source, outcome.destination, outcome.base) == (source.id, base.id, base.id)
        assert (outcome.fast_path, outcome.changes, outcome.conflicts) == (True, ChangeCounts(1, 0, 1), ())
        assert (outcome.commit.message, outcome.commit.metadata["k"]) == ("over", "v")
        assert outcome.commit.parents == (base.id, source.id)
        assert repo.branch("main").commit == outcome.commit.id
        assert content(repo, "main") == {"a": "2", "b": "1"}

    def test_three_ways(self, repo: Repository) -> None:
        commit(repo, "main", {"a": "1", "b": "1", "c": "1"})
        repo.create_branch("exp", "main")
        commit(repo, "exp", {"a": "2", "new": "1"})
        commit(repo, "main", {"b": "2", "c": None})
        outcome = repo.merge("exp", "main")
        assert outcome.fast_path is False
        assert content(repo, "main") == {"a": "2", "b": "2", "new": "1"}
        assert content(repo, "exp") == {"a": "2", "b": "1", "c": "1", "new": "1"}

    def test_a_squash_has_one_parent(self, repo: Repository) -> None:
        repo.create_branch("exp", "main")
        commit(repo, "exp", {"a": "1"})
        before = repo.branch("main").commit
        made = repo.merge("exp", "main", MergeRequest(squash=True)).commit
        assert made is not None
        assert made.parents == (before,)
        assert content(repo, "main") == {"a": "1"}

    def test_conflicts_are_listed_and_change_nothing(self, repo: Repository) -> None:
        diverged(repo)
        before = repo.branch("main")
        with pytest.raises(MergeConflict) as caught:
            repo.merge("exp", "main")
        assert caught.value.kind is ErrorKind.MERGE_CONFLICT
        assert caught.value.hint
        conflicts = {conflict.path: conflict for conflict in caught.value.conflicts}
        assert set(conflicts) == {"both", "gone"}
        assert conflicts["both"].kind is ConflictKind.OBJECT_CHANGED
        assert conflicts["gone"].kind is ConflictKind.OBJECT_CHANGED_REMOVED
        both = conflicts["both"]
        assert both.message
        assert both.table is None
        etags = [repo.stat(ref, "both").etag for ref in ("main~1", "exp", "main")]
        assert [side.etag for side in (both.base, both.source, both.destination)] == etags
        assert repo.branch("main") == before
        assert self._dry(repo) == caught.value.conflicts

    def _dry(self, repo: Repository) -> tuple[Conflict, ...]:
        outcome = repo.merge("exp", "main", MergeRequest(dry_run=True))
        assert outcome.commit is None
        return outcome.conflicts

    def test_a_dry_run_changes_nothing(self, repo: Repository) -> None:
        before = commit(repo, "main", {"a": "1"})
        repo.create_branch("exp", "main")
        commit(repo, "exp", {"b": "1"})
        outcome = repo.merge("exp", "main", MergeRequest(dry_run=True))
        assert (outcome.commit, outcome.changes, outcome.fast_path) == (None, ChangeCounts(1, 0, 0), True)
        assert repo.branch("main").commit == before.id

    @pytest.mark.parametrize("strategy", list(Strategy))
    def test_a_strategy_settles_all(self, repo: Repository, strategy: Strategy) -> None:
        diverged(repo)
        outcome = repo.merge("exp", "main", MergeRequest(strategy=strategy))
        assert outcome.commit is not None
        expected = {"of-exp": "1", "of-main": "1"}
        won = {"both": "exp"} if strategy is Strategy.SOURCE_WINS else {"both": "main", "gone": "1"}
        assert content(repo, "main") == expected | won

    def test_resolutions_settle_one_by_one(self, repo: Repository) -> None:
        diverged(repo)
        one = (Resolution("both", Take.SOURCE),)
        with pytest.raises(MergeConflict) as caught:
            repo.merge("exp", "main", MergeRequest(resolutions=one))
        assert [conflict.path for conflict in caught.value.conflicts] == ["gone"]
        two = (*one, Resolution("gone", Take.DESTINATION))
        repo.merge("exp", "main", MergeRequest(resolutions=two))
        assert content(repo, "main") == {"both": "exp", "gone": "1", "of-exp": "1", "of-main": "1"}

    def test_merges_that_are_refused(self, repo: Repository) -> None:
        commit(repo, "main", {"a": "1"})
        repo.create_branch("exp", "main")
        with refused(Refused, ErrorKind.NOTHING_TO_MERGE):
            repo.merge("exp", "main")
        commit(repo, "exp", {"b": "1"})
        with refused(NotFound, ErrorKind.REF_NOT_FOUND):
            repo.merge("none", "main")
        with refused(NotFound, ErrorKind.BRANCH_NOT_FOUND):
            repo.merge("exp", "none")
        repo.put("main", "dirty", b"x")
        with refused(Refused, ErrorKind.DIRTY_BRANCH):
            repo.merge("exp", "main")
        assert content(repo, "main") == {"a": "1", "dirty": "x"}

    def test_an_empty_merge_where_asked_for(self, repo: Repository) -> None:
        commit(repo, "main", {"a": "1"})
        repo.create_branch("exp", "main")
        made = repo.merge("exp", "main", MergeRequest(allow_empty=True)).commit
        assert made is not None
        assert repo.branch("main").commit == made.id

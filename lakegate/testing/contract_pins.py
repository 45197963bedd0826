"""What every repository must do with pins, holds and verification."""

from __future__ import annotations

import hashlib

import pytest

from lakegate.errors import ErrorKind, InvalidInput, NotFound
from lakegate.ids import HoldId
from lakegate.interface import Repository
from lakegate.model import CommitRequest, TableFormat
from lakegate.testing.contract_tables import put_version
from lakegate.testing.contract_work import commit, refused


class PinsContract:
    """The contract of `lakegate.interface.Repository` for pins, holds and verification."""

    def test_a_pin_names_what_a_ref_holds(self, repo: Repository) -> None:
        for path in ("a", "b/c"):
            put_version(repo, "main", path, 0, {"one": [1, 2, 3]})
        made = repo.commit("main", CommitRequest("tables"))
        pin = repo.pin("main")
        assert (pin.repository, pin.ref, pin.commit, pin.manifest) == (
            repo.info.name,
            "main",
            made.id,
            made.manifest,
        )
        assert (pin.committed_at, pin.hold) == (made.created, None)
        assert [table.path for table in pin.tables] == ["a", "b/c"]
        table, pinned = repo.table("main", "a"), pin.tables[0]
        assert (pinned.format, pinned.version, pinned.rows, pinned.files) == (TableFormat.DELTA, 0, 3, 1)
        assert (pinned.content, pinned.bytes, pinned.table_id) == (table.digest, table.bytes, table.table_id)
        assert pinned.schema == f"sha256:{hashlib.sha256(table.schema.encode()).hexdigest()}"
        assert [table.path for table in repo.pin(made.id, ["b/c"]).tables] == ["b/c"]
        assert repo.holds() == ()

    def test_a_pin_of_what_is_not_there(self, repo: Repository) -> None:
        with refused(NotFound, ErrorKind.TABLE_NOT_FOUND):
            repo.pin("main", ["none"])
        with refused(NotFound, ErrorKind.REF_NOT_FOUND):
            repo.pin("none", hold="train")
        for name in ("", "x" * 201):
            with refused(InvalidInput, ErrorKind.INVALID_ARGUMENT):
                repo.pin("main", hold=name)
        assert repo.holds() == ()

    def test_a_hold_is_taken_once_and_released(self, repo: Repository) -> None:
        made = commit(repo, "main", {"a": "1"})
        pin = repo.pin("main", hold="train ü")
        assert pin.hold is not None
        assert repo.pin(made.id, hold="train ü").hold == pin.hold
        other = repo.pin("main", hold="other").hold
        assert other is not None
        holds = {hold.id: hold for hold in repo.holds()}
        assert set(holds) == {pin.hold, other}
        hold = holds[pin.hold]
        assert (hold.name, hold.commit, hold.repository) == ("train ü", made.id, repo.info.name)
        repo.release_hold(pin.hold)
        assert [hold.id for hold in repo.holds()] == [other]
        for gone in (pin.hold, HoldId("none"), HoldId("")):
            with refused(NotFound, ErrorKind.HOLD_NOT_FOUND):
                repo.release_hold(gone)

    @pytest.mark.parametrize("deep", [False, True])
    def test_what_is_whole_is_verified(self, repo: Repository, deep: bool) -> None:
        made = commit(repo, "main", {"a": "12", "b": "3"})
        repo.put("main", "uncommitted", b"no part of it")
        outcome = repo.verify("main", deep)
        assert (outcome.commit, outcome.objects, outcome.ok, outcome.problems) == (made.id, 2, True, ())
        assert (outcome.objects_hashed, outcome.bytes_hashed) == ((2, 3) if deep else (0, 0))
        assert outcome.nodes > 0

    def test_only_below_tables(self, repo: Repository) -> None:
        put_version(repo, "main", "t", 0, {"one": [1]})
        commit(repo, "main", {"other": "x"})
        assert repo.verify("main", tables=["t"]).objects == 2
        with refused(NotFound, ErrorKind.TABLE_NOT_FOUND):
            repo.verify("main", tables=["none"])
        with refused(NotFound, ErrorKind.REF_NOT_FOUND):
            repo.verify("none")

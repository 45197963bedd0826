"""Merges of two histories of one Delta table, from logs written by hand."""

from __future__ import annotations

import itertools
import json
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pyroaring import BitMap64

from lakegate.context import RepositoryContext
from lakegate.lake import EmbeddedLake
from lakegate.model import ConflictKind, Isolation
from lakegate.ops.table_replay import Replaying, replay_table
from lakegate.tables.deletion_vectors import DeletionVector, read_vector, write_vector
from lakegate.tables.delta.merge.plan import MergePlan, Three
from lakegate.tables.delta.merge.side_log import TableAt
from lakegate.tables.delta.next_version import Addition, Draft, VersionWriter
from lakegate.tables.delta.state import load
from lakegate.tables.delta.upgrade import ICT_TIMESTAMP, ICT_VERSION
from lakegate.testing.delta import Line, add, folder_snapshot, log_body, metadata, protocol, remove, write_log
from lakegate.testing.delta_check import CheckedLog, check_log

K = ConflictKind
Body = tuple[Line, ...]

START: Body = (protocol(), metadata(), add("a"), add("b"))
VECTORS = ("deletionVectors",)
TRACKED = ("domainMetadata", "rowTracking")


@pytest.fixture(scope="module")
def ctx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RepositoryContext]:
    with EmbeddedLake.create(tmp_path_factory.mktemp("lake")) as lake:
        lake.create_repository("merges")
        yield lake.repository("merges").ctx


class Case:
    """A table that both sides changed. Data files hold ten bytes each."""

    def __init__(self, ctx: RepositoryContext, folder: Path) -> None:
        self._ctx = ctx
        self._folder = folder
        self._names = itertools.count()
        self.extra: dict[str, bytes] = {}

    def merge(
        self,
        base: list[Body],
        ours: list[Body],
        theirs: list[Body],
        isolation: Isolation = Isolation.WRITE_SERIALIZABLE,
    ) -> MergePlan:
        three = Three(*(self._side(side) for side in (base, base + ours, base + theirs)))
        replayed = replay_table(self._ctx, three, Replaying(isolation, {"source": "exp"}), dry_run=False)
        self.merged = self._folder / f"{next(self._names)}"
        shutil.copytree(self._last, self.merged)
        for path, entry in replayed.changes:
            there = self.merged / path.removeprefix("t/")
            there.parent.mkdir(exist_ok=True)
            assert entry is not None
            store, key = self._ctx.addresses.locate(entry.address)
            there.write_bytes(store.get(key))
        return replayed.plan

    def checked(self) -> CheckedLog:
        """The table after the merge, checked."""
        return check_log(self.merged)

    def actions(self, version: int) -> list[dict[str, Any]]:
        text = (self.merged / "_delta_log" / f"{version:020d}.json").read_text()
        return [json.loads(line) for line in text.splitlines()]

    def _side(self, bodies: list[Body]) -> TableAt:
        folder = self._last = self._folder / f"{next(self._names)}"
        write_log(folder, *(log_body(*body) for body in bodies))
        for line in itertools.chain(*bodies):
            for action in (line.get("add"), line.get("cdc")):
                if action is not None:
                    file = folder / action["path"]
                    file.parent.mkdir(exist_ok=True)
                    file.write_bytes(bytes(10))
        for path, body in self.extra.items():
            (folder / path).write_bytes(body)
        view = folder_snapshot(self._ctx, folder)
        return TableAt(view.root, load(self._ctx, view, "t"))


@pytest.fixture
def case(ctx: RepositoryContext, tmp_path: Path) -> Case:
    return Case(ctx, tmp_path)


def info(operation: str, **fields: Any) -> Line:
    return {"commitInfo": {"operation": operation, "operationParameters": {}, **fields}}


def append(*paths: str) -> Body:
    return (info("WRITE", operationParameters={"mode": "Append"}), *(add(path) for path in paths))


def rewrite(before: str, after: str, operation: str = "DELETE") -> Body:
    return (info(operation, operationParameters={"predicate": "id = 1"}), remove(before), add(after))


def compact(*before: str, into: str, rows: int = 0) -> Body:
    rows = rows or len(before)
    return (
        info("OPTIMIZE"),
        *(remove(path, dataChange=False) for path in before),
        add(into, rows=rows, dataChange=False),
    )


def vector(*rows: int) -> Mapping[str, Any]:
    return write_vector(BitMap64(rows), uuid.uuid4()).descriptor


def delete_rows(path: str, before: Mapping[str, Any] | None, after: Mapping[str, Any], **fields: Any) -> Body:
    return (info("DELETE"), remove(path, dv=before), add(path, rows=10, dv=after, **fields))


def kinds(plan: MergePlan) -> set[ConflictKind]:
    return {clash.kind for clash in plan.clashes}


# -- versions ---------------------------------------------------------------------------------------------------------


def test_the_sources_versions_follow_the_destinations(case: Case) -> None:
    plan = case.merge([START], [append("s1"), append("s2")], [append("d1")])
    assert [(v.source, v.destination) for v in plan.versions] == [(1, 2), (2, 3)]
    assert case.checked().paths == {"a", "b", "d1", "s1", "s2"}
    first = case.actions(2)[0]["commitInfo"]
    assert (first["operation"], first["operationParameters"], first["readVersion"]) == ("WRITE", {"mode": "Append"}, 1)
    assert first["lakegate"]["sourceVersion"] == 1
    assert first["lakegate"]["source"] == "exp"
    assert (plan.counts.files_added, plan.counts.rows_added, plan.counts.bytes_removed) == (2, 2, 0)


def test_what_changes_no_state_gets_no_version(case: Case) -> None:
    vacuum: list[Body] = [(info("VACUUM START"),), (info("VACUUM END"),)]
    plan = case.merge([START], [*vacuum, append("s")], [append("d")])
    assert [(v.source, v.destination) for v in plan.versions] == [(1, None), (2, None), (3, 2)]
    assert case.merge([START], vacuum, [append("d")]).commits == ()


def test_a_remove_repeats_the_live_add_and_counts_from_the_merge(case: Case) -> None:
    plan = case.merge([START], [(info("DELETE"), remove("a", deletionTimestamp=5))], [append("d")])
    assert not plan.clashes
    removed = next(line["remove"] for line in case.actions(2) if "remove" in line)
    assert removed["size"] == 10
    assert removed["deletionTimestamp"] > 1_700_000_000_000


def test_all_conflicts_are_found_and_nothing_is_written(case: Case) -> None:
    base: Body = (protocol(), metadata(), *(add(path) for path in "abcd"))
    ours = [rewrite("a", "a1"), rewrite("b", "b1"), ({"txn": {"appId": "x", "version": 2}}, *append("s"))]
    theirs = [rewrite("a", "a2"), rewrite("b", "b2"), ({"txn": {"appId": "x", "version": 1}}, *append("d"))]
    plan = case.merge([base], ours, theirs, Isolation.SNAPSHOT)
    (deleted,) = (clash for clash in plan.clashes if clash.kind is K.CONCURRENT_DELETE_DELETE)
    assert (deleted.files, deleted.file_count) == (("a", "b"), 2)
    assert [[t.version for t in side] for side in (deleted.source, deleted.destination)] == [[1, 2], [1, 2]]
    assert kinds(plan) == {K.CONCURRENT_DELETE_DELETE, K.CONCURRENT_TRANSACTION}
    assert plan.commits == ()


def test_versions_that_conflict_for_one_reason_are_one_conflict(case: Case) -> None:
    base: Body = (protocol(), metadata(), *(add(f"f{number}") for number in range(9)))
    ours, theirs = ([rewrite(f"f{number}", f"{side}{number}") for number in range(9)] for side in "sd")
    theirs += [rewrite("d0", "e0", "UPDATE"), rewrite("d1", "e1", "UPDATE")]
    found = {(clash.kind, clash.destination[-1].words): clash for clash in case.merge([base], ours, theirs).clashes}
    assert {(kind, words): (len(c.source), len(c.destination), c.file_count) for (kind, words), c in found.items()} == {
        (K.CONCURRENT_APPEND, "DELETE"): (9, 9, 9),
        (K.CONCURRENT_APPEND, "UPDATE"): (9, 2, 2),
        (K.CONCURRENT_DELETE_READ, "DELETE"): (9, 9, 9),
        (K.CONCURRENT_DELETE_DELETE, "DELETE"): (9, 9, 9),
    }
    assert found[K.CONCURRENT_APPEND, "UPDATE"].why == (
        "the destination's UPDATE (versions 10 and 11) added 2 files, which the source's DELETE (versions 1, 2, 3, 4, "
        "5 and 4 more) should have read: it read the partitions that it changed"
    )


# -- compactions ------------------------------------------------------------------------------------------------------


def test_a_compaction_of_the_destination_is_undone_where_the_source_changed_its_files(case: Case) -> None:
    plan = case.merge([START], [rewrite("a", "a1")], [compact("a", "b", into="c")])
    assert [(v.source, v.destination, v.operation) for v in plan.versions] == [
        (None, 2, "UNDO OPTIMIZE"),
        (1, 3, "DELETE"),
    ]
    assert case.checked().paths == {"a1", "b"}
    assert all(not line["add"]["dataChange"] for line in case.actions(2) if "add" in line)


def test_compactions_of_compactions_are_undone_back_to_the_files(case: Case) -> None:
    theirs = [compact("a", "b", into="c"), append("d"), compact("c", "d", into="e", rows=3)]
    plan = case.merge([START], [rewrite("a", "a1")], theirs)
    assert not plan.clashes
    assert case.checked().paths == {"a1", "b", "d"}


def test_what_changed_the_number_of_rows_was_no_compaction_and_is_not_undone(case: Case) -> None:
    plan = case.merge([START], [rewrite("a", "a1")], [compact("a", "b", into="c", rows=3)])
    assert K.CONCURRENT_DELETE_DELETE in kinds(plan)


def test_a_change_on_top_of_a_compaction_is_a_conflict(case: Case) -> None:
    plan = case.merge([START], [rewrite("a", "a1")], [compact("a", "b", into="c"), rewrite("c", "c1")])
    assert K.CONCURRENT_DELETE_DELETE in kinds(plan)


def test_a_compaction_of_the_source_is_left_out_where_the_destination_changed_its_files(case: Case) -> None:
    plan = case.merge([START], [compact("a", "b", into="c"), append("s")], [rewrite("a", "a1")])
    assert [(v.source, v.destination) for v in plan.versions] == [(1, None), (2, 2)]
    assert case.checked().paths == {"a1", "b", "s"}


def test_only_the_partitions_that_the_destination_changed_are_left_out(case: Case) -> None:
    def at(path: str, p: str, **fields: Any) -> Line:
        return add(path, partitionValues={"p": p}, **fields)

    columns = [{"name": n, "type": "long", "nullable": True, "metadata": {}} for n in ("id", "p")]
    schema = json.dumps({"type": "struct", "fields": columns})
    defined = metadata(partitionColumns=["p"], schemaString=schema)
    base: Body = (protocol(), defined, at("a", "0"), at("b", "0"), at("c", "1"), at("d", "1"))
    moved = [remove(path, dataChange=False) for path in "abcd"]
    ours: Body = (
        info("OPTIMIZE"),
        *moved,
        at("ab", "0", rows=2, dataChange=False),
        at("cd", "1", rows=2, dataChange=False),
    )
    plan = case.merge([base], [ours], [(info("DELETE"), remove("a"))])
    assert [v.note for v in plan.versions] == ["but for parts of it that the destination changed"]
    assert case.checked().paths == {"b", "cd"}


def test_a_change_on_top_of_compactions_that_were_undone_in_between_is_a_conflict(case: Case) -> None:
    undo: Body = (info("RESTORE"), remove("c", dataChange=False), *(add(path, dataChange=False) for path in "ab"))
    ours = [compact("a", "b", into="c"), undo, compact("a", "b", into="d"), rewrite("d", "d1")]
    plan = case.merge([START], ours, [(info("DELETE"), remove("a"))])
    assert kinds(plan) == {K.CONCURRENT_DELETE_DELETE}
    assert [transaction.version for clash in plan.clashes for transaction in clash.destination] == [1]


def test_compactions_that_lead_to_each_other_end(case: Case) -> None:
    base = [START, compact("a", "b", into="w")]
    undo = (info("UNDO OPTIMIZE"), remove("w", dataChange=False), *(add(path, dataChange=False) for path in "ab"))
    ours: list[Body] = [(info("DELETE"), remove("w")), (info("REVERT"), add("a"), add("b"))]
    assert kinds(case.merge(base, ours, [undo, compact("a", "b", into="w")], Isolation.SNAPSHOT)) == {
        K.CONCURRENT_DELETE_DELETE
    }


def test_both_compacted_and_the_source_went_on(case: Case) -> None:
    ours = [compact("a", "b", into="s"), rewrite("s", "s1")]
    plan = case.merge([START], ours, [compact("b", "a", into="d")])
    assert not plan.clashes
    assert case.checked().paths == {"s1"}


def test_both_compacted_the_same_files(case: Case) -> None:
    plan = case.merge([START], [compact("a", "b", into="s")], [compact("a", "b", into="d")])
    assert (plan.clashes, plan.commits) == ((), ())


# -- deletion vectors -------------------------------------------------------------------------------------------------


def with_vectors() -> Body:
    return (protocol(3, 7, VECTORS, VECTORS), metadata(), add("f", rows=10))


def deleted_of(case: Case, log: CheckedLog, path: str) -> set[int]:
    given = log.add_of(path)["deletionVector"]
    found = DeletionVector(
        given["storageType"], given["pathOrInlineDv"], given["sizeInBytes"], given["cardinality"], given.get("offset")
    )

    def read(name: str, start: int, length: int) -> bytes:
        return (case.merged / name).read_bytes()[start : start + length]

    return set(read_vector(found, read))


@pytest.mark.parametrize("isolation", list(Isolation))
def test_rows_that_both_sides_deleted_of_one_file_are_deleted(case: Case, isolation: Isolation) -> None:
    first = vector(0)
    base = [with_vectors(), delete_rows("f", None, first)]
    ours = [delete_rows("f", first, second := vector(0, 1)), delete_rows("f", second, vector(0, 1, 2))]
    plan = case.merge(base, ours, [delete_rows("f", first, vector(0, 2, 5))], isolation)
    assert not plan.clashes
    assert deleted_of(case, case.checked(), "f") == {0, 1, 2, 5}
    assert (plan.counts.rows_removed, plan.counts.rows_added) == (1, 0)


def test_rows_that_the_destination_deleted_all_need_no_version(case: Case) -> None:
    plan = case.merge([with_vectors()], [delete_rows("f", None, vector(1))], [delete_rows("f", None, vector(1, 2))])
    assert (plan.clashes, plan.commits) == ((), ())


def test_a_long_vector_is_a_file(case: Case) -> None:
    base: Body = (protocol(3, 7, VECTORS, VECTORS), metadata(), add("f", rows=200_000))
    ours = write_vector(BitMap64(range(0, 9000, 3)), uuid.uuid4())
    assert ours.path is not None
    case.extra[ours.path] = ours.body
    source = (info("DELETE"), remove("f"), add("f", rows=200_000, dv=ours.descriptor))
    plan = case.merge([base], [source], [(info("DELETE"), remove("f"), add("f", rows=200_000, dv=vector(1, 4)))])
    assert list(plan.vectors) != []
    assert deleted_of(case, case.checked(), "f") == {*range(0, 9000, 3), 1, 4}


def test_a_file_of_which_all_rows_are_gone_goes(case: Case) -> None:
    plan = case.merge(
        [with_vectors()], [delete_rows("f", None, vector(*range(5)))], [delete_rows("f", None, vector(*range(5, 10)))]
    )
    assert not plan.clashes
    assert case.checked().live == {}


def test_an_update_and_a_delete_of_one_row_are_a_conflict_and_of_others_are_none(case: Case) -> None:
    update = (info("UPDATE"), remove("f"), add("f", rows=10, dv=vector(1)), add("new"))
    assert not case.merge([with_vectors()], [update], [delete_rows("f", None, vector(2))]).clashes
    assert case.checked().paths == {"f", "new"}
    plan = case.merge([with_vectors()], [update], [delete_rows("f", None, vector(1, 2))])
    assert K.CONCURRENT_DELETE_DELETE in kinds(plan)
    serial = case.merge([with_vectors()], [update], [delete_rows("f", None, vector(2))], Isolation.SERIALIZABLE)
    assert K.CONCURRENT_DELETE_DELETE in kinds(serial)


def test_a_row_must_not_be_told_twice_to_have_been_deleted(case: Case) -> None:
    cdc: Line = {"cdc": {"path": "_change_data/c", "partitionValues": {}, "size": 10, "dataChange": False}}
    ours = (*delete_rows("f", None, vector(1, 2)), cdc)
    assert not case.merge([with_vectors()], [ours], [delete_rows("f", None, vector(3))]).clashes
    assert (case.merged / "_change_data/c").exists()
    assert any("cdc" in line for line in case.actions(2))
    assert case.merge([with_vectors()], [ours], [delete_rows("f", None, vector(2))]).clashes


def test_a_vector_on_one_side_and_a_compaction_on_the_other(case: Case) -> None:
    base: Body = (protocol(3, 7, VECTORS, VECTORS), metadata(), add("f", rows=10), add("g"))
    deletes = delete_rows("f", None, vector(1))
    compacts = (info("OPTIMIZE"), *compact("f", "g", into="c")[1:3], add("c", rows=11, dataChange=False))
    assert not case.merge([base], [deletes], [compacts]).clashes
    assert case.checked().paths == {"f", "g"}
    assert not case.merge([base], [compacts], [deletes]).clashes
    assert case.checked().paths == {"f", "g"}


# -- metadata, protocol and the rest of the state ---------------------------------------------------------------------


def column(name: str, kind: str | dict[str, Any] = "long", nullable: bool = True, **details: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, "nullable": nullable, "metadata": details}


def schema(*columns: dict[str, Any]) -> str:
    return json.dumps({"type": "struct", "fields": list(columns)}, separators=(",", ":"))


def altered(configuration: Mapping[str, str] | None = None, **fields: Any) -> Body:
    return (info("ALTER"), metadata(configuration, **fields))


WIDER = altered(schemaString=schema(column("id"), column("n")))


def test_a_new_column_on_either_side_goes_with_rows_on_the_other(case: Case) -> None:
    assert not case.merge([START], [WIDER], [append("d")]).clashes
    case.checked()
    assert [next(iter(line)) for line in case.actions(2)] == ["commitInfo", "metaData"]
    assert not case.merge([START], [append("s")], [WIDER]).clashes
    assert kinds(case.merge([START], [append("s")], [WIDER], Isolation.SERIALIZABLE)) == {K.METADATA_CHANGED}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (altered(schemaString=schema(column("other"))), "was dropped"),
        (altered(schemaString=schema(column("id", "string"))), "type of 'id' changed"),
        (altered(schemaString=schema(column("id"), column("n", nullable=False))), "added as not nullable"),
        (altered(partitionColumns=["id"]), "partitioning changed"),
        (altered({"delta.constraints.c": "length(id) > 2"}), "can't be checked"),
        (altered({"delta.enableIcebergCompatV2": "true"}), "enableIcebergCompatV2 was turned on"),
    ],
)
def test_files_that_a_new_definition_has_no_place_for_are_a_conflict(case: Case, change: Body, says: str) -> None:
    for ours, theirs in ((append("s"), change), (change, append("d"))):
        plan = case.merge([START], [ours], [theirs])
        assert kinds(plan) == {K.METADATA_CHANGED}
        assert says in plan.clashes[0].why
    assert not case.merge([START], [change], [({"txn": {"appId": "x", "version": 1}}, info("x"))]).clashes


def test_an_append_only_table_takes_no_removes(case: Case) -> None:
    turned_on = altered({"delta.appendOnly": "true"})
    assert kinds(case.merge([START], [rewrite("a", "a1")], [turned_on])) == {K.METADATA_CHANGED}
    assert not case.merge([START], [append("s")], [turned_on]).clashes
    assert not case.merge([START], [compact("a", "b", into="c")], [turned_on]).clashes


def test_light_properties_merge_with_whatever_the_other_side_changed(case: Case) -> None:
    light = altered({"delta.logRetentionDuration": "interval 1 day", "mine": "1"})
    plan = case.merge([START], [light], [WIDER])
    assert not plan.clashes
    made = next(line["metaData"] for line in case.actions(2) if "metaData" in line)
    assert made["configuration"] == {"delta.logRetentionDuration": "interval 1 day", "mine": "1"}
    assert [field["name"] for field in json.loads(made["schemaString"])["fields"]] == ["id", "n"]


def test_definitions_that_do_not_go_together_are_a_conflict(case: Case) -> None:
    for ours, theirs in (
        (WIDER, altered({"delta.appendOnly": "true"})),
        (WIDER, altered(schemaString=schema(column("id"), column("m")))),
        (altered({"x": "1"}), altered({"x": "2"})),
    ):
        assert kinds(case.merge([START], [ours], [theirs])) == {K.METADATA_CHANGED}
    assert case.merge([START], [WIDER], [WIDER]).commits == ()


def test_protocols_are_united_and_features_are_never_lost(case: Case) -> None:
    ours = (info("UPGRADE"), protocol(1, 7, ("appendOnly", "invariants", "domainMetadata")))
    theirs = (info("UPGRADE"), protocol(3, 7, ("appendOnly", "invariants", *VECTORS), VECTORS))
    assert not case.merge([START], [ours], [theirs]).clashes
    assert set(case.checked().protocol["writerFeatures"]) == {
        "appendOnly",
        "invariants",
        "domainMetadata",
        "deletionVectors",
    }
    assert kinds(case.merge([START], [ours], [theirs], Isolation.SERIALIZABLE)) == {K.PROTOCOL_CHANGED}
    assert case.merge([START], [ours], [ours]).commits == ()
    base: Body = (protocol(3, 7, VECTORS, VECTORS), metadata(), add("a"))
    dropped = (info("DROP FEATURE"), protocol(1, 2))
    for sides in (([dropped], [append("d")]), ([append("s")], [dropped])):
        assert kinds(case.merge([base], *sides)) == {K.PROTOCOL_CHANGED}


NAMED = protocol(3, 7, ("appendOnly", "invariants", "timestampNtz"), ("timestampNtz",))
MAPPED = {"delta.columnMapping.mode": "name", "delta.columnMapping.maxColumnId": "1"}
MAPPED_ID = {"delta.columnMapping.id": 1, "delta.columnMapping.physicalName": "id"}


@pytest.mark.parametrize(
    ("numbers", "configuration", "fields", "feature"),
    [
        ((1, 3), {"delta.constraints.c": "id > 0"}, {}, "checkConstraints"),
        ((1, 4), {"delta.enableChangeDataFeed": "true"}, {}, "changeDataFeed"),
        ((2, 5), MAPPED, {"schemaString": schema(column("id", **MAPPED_ID))}, "columnMapping"),
    ],
)
def test_what_an_old_protocol_implies_is_named_in_a_new_one(
    case: Case,
    numbers: tuple[int, int],
    configuration: Mapping[str, str],
    fields: Mapping[str, str],
    feature: str,
) -> None:
    old = (info("ALTER"), protocol(*numbers), metadata(configuration, **fields))
    for ours, theirs in ((old, (info("ADD FEATURE"), NAMED)), ((info("ADD FEATURE"), NAMED), old)):
        assert not case.merge([START], [ours], [theirs]).clashes
        log = case.checked()
        assert log.supports(feature)
        assert log.supports("timestampNtz")
        assert log.metadata["configuration"] == configuration


def test_a_rule_whose_feature_the_other_side_took_away_is_a_conflict(case: Case) -> None:
    base: Body = (protocol(1, 3), metadata(), add("a"))
    without = (info("DROP FEATURE"), protocol(1, 7, ("appendOnly", "invariants")))
    ruled = altered({"delta.constraints.c": "id > 0"})
    plan = case.merge([base], [ruled], [without])
    assert kinds(plan) == {K.PROTOCOL_CHANGED}
    assert "'checkConstraints'" in plan.clashes[0].why
    assert not plan.commits


def test_a_feature_that_nobody_knows_is_named(case: Case) -> None:
    base: Body = (protocol(1, 7, ("newThing",)), metadata(), add("a"))
    plan = case.merge([base], [append("s")], [append("d")])
    assert kinds(plan) == {K.PROTOCOL_CHANGED}
    assert "newThing" in plan.clashes[0].why


def test_a_txn_of_one_side_is_kept_and_of_both_is_a_conflict(case: Case) -> None:
    def txn(app: str, version: int) -> Line:
        return {"txn": {"appId": app, "version": version}}

    base = [(*START, txn("x", 1), txn("y", 5))]
    assert not case.merge(base, [(*append("s"), txn("x", 2))], [(*append("d"), txn("y", 6))]).clashes
    assert case.checked().txns == {"x": 2, "y": 6}
    plan = case.merge(base, [(*append("s"), txn("x", 2))], [(*append("d"), txn("x", 3))], Isolation.SNAPSHOT)
    assert kinds(plan) == {K.CONCURRENT_TRANSACTION}


def test_a_domain_of_one_side_is_kept_and_of_both_is_a_conflict(case: Case) -> None:
    def domain(name: str, text: str, removed: bool = False) -> Line:
        return {"domainMetadata": {"domain": name, "configuration": text, "removed": removed}}

    base: list[Body] = [(protocol(1, 7, ("domainMetadata",)), metadata(), add("a"), domain("gone", "{}"))]
    ours = [(*append("s"), domain("mine", "1"), domain("gone", "{}", removed=True))]
    plan = case.merge(base, ours, [(*append("d"), domain("yours", "2"))])
    assert not plan.clashes
    told = [line["domainMetadata"] for line in case.actions(2) if "domainMetadata" in line]
    assert [(item["domain"], item["removed"]) for item in told] == [("gone", True), ("mine", False)]
    assert kinds(case.merge(base, ours, [(*append("d"), domain("mine", "2"))])) == {K.METADATA_CHANGED}


def mark(number: int) -> Line:
    text = json.dumps({"rowIdHighWaterMark": number})
    return {"domainMetadata": {"domain": "delta.rowTracking", "configuration": text, "removed": False}}


def tracked(path: str, base: int, version: int, rows: int = 2, **fields: Any) -> Line:
    return add(path, rows=rows, baseRowId=base, defaultRowCommitVersion=version, **fields)


def test_row_ids_are_given_out_once(case: Case) -> None:
    base: Body = (protocol(1, 7, TRACKED), metadata({"delta.enableRowTracking": "true"}), tracked("a", 0, 0), mark(1))
    ours = (info("WRITE"), tracked("s", 2, 1, 3), mark(4))
    theirs = (info("WRITE"), tracked("d", 2, 1, 5), mark(6))
    assert not case.merge([base], [ours], [theirs]).clashes
    log = case.checked()
    assert log.add_of("s")["baseRowId"] == 7
    assert log.add_of("s")["defaultRowCommitVersion"] == 2
    assert log.row_id_mark == 9
    rewritten = (info("UPDATE"), remove("s"), tracked("s1", 5, 2, 3), mark(7))
    assert kinds(case.merge([base], [ours, rewritten], [theirs])) == {K.CONCURRENT_APPEND}


def test_rewritten_rows_keep_their_ids_or_are_a_conflict_wherever_the_mark_stands(case: Case) -> None:
    on = {"delta.enableRowTracking": "true"}
    base: Body = (protocol(1, 7, TRACKED), metadata(on), tracked("x", 0, 0), mark(1))
    ours = [
        (info("WRITE"), tracked("z", 2, 1), tracked("a", 4, 1, 3), mark(6)),
        (info("UPDATE"), remove("z"), tracked("z1", 7, 2), mark(8)),
    ]
    assert kinds(case.merge([base], ours, [altered({**on, "mine": "1"})])) == {K.CONCURRENT_APPEND}


def test_turning_on_row_tracking_is_a_conflict_with_files_that_have_no_ids(case: Case) -> None:
    turned_on = [
        (info("UPGRADE"), protocol(1, 7, ("appendOnly", "invariants", *TRACKED))),
        (info("BACKFILL"), tracked("a", 0, 2, 1, dataChange=False), tracked("b", 1, 2, 1, dataChange=False), mark(1)),
        (info("ALTER"), metadata({"delta.enableRowTracking": "true"})),
    ]
    for ours, theirs in ((turned_on, [append("d")]), ([append("s")], turned_on)):
        plan = case.merge([START], ours, theirs)
        assert K.METADATA_CHANGED in kinds(plan)
        assert any("row tracking was turned on" in found.why for found in plan.clashes)
    assert not case.merge([START], turned_on, [altered({"mine": "1"})]).clashes
    case.checked()


def test_row_ids_that_come_back_raise_the_mark(ctx: RepositoryContext, tmp_path: Path) -> None:
    on = metadata({"delta.enableRowTracking": "true"})
    write_log(tmp_path, log_body(protocol(1, 7, TRACKED), on, tracked("a", 0, 0), mark(1)))
    writer = VersionWriter(ctx, load(ctx, folder_snapshot(ctx, tmp_path), "t"), 1)
    back = Addition.of(tracked("b", 10, 0, 5)["add"], keeps_row_ids=True)
    made = writer.append(Draft({"operation": "RESTORE"}, (back, Addition.of(tracked("c", 0, 0)["add"]))))
    lines = [json.loads(line) for line in made.body.splitlines()]
    ids = {line["add"]["path"]: line["add"]["baseRowId"] for line in lines if "add" in line}
    assert ids == {"b": 10, "c": 15}
    told = next(line["domainMetadata"] for line in lines if "domainMetadata" in line)
    assert json.loads(told["configuration"])["rowIdHighWaterMark"] == 16


def test_row_ids_come_back_with_an_undone_compaction(case: Case) -> None:
    base: Body = (
        protocol(1, 7, TRACKED),
        metadata({"delta.enableRowTracking": "true"}),
        tracked("a", 0, 0),
        tracked("b", 2, 0),
        mark(3),
    )
    moved = (remove("a", dataChange=False), remove("b", dataChange=False), tracked("c", 4, 1, 4, dataChange=False))
    ours = (info("DELETE"), remove("a"))
    assert not case.merge([base], [ours], [(info("OPTIMIZE"), *moved, mark(7))]).clashes
    log = case.checked()
    assert log.add_of("b")["baseRowId"] == 2
    assert log.row_id_mark == 7


def test_in_commit_timestamps_go_on(case: Case) -> None:
    far = 9_000_000_000_000
    features = ("inCommitTimestamp",)
    on = metadata({"delta.enableInCommitTimestamps": "true"})
    base: Body = (info("CREATE", inCommitTimestamp=far), protocol(1, 7, features), on, add("a"))
    ours = [
        (info("WRITE", inCommitTimestamp=far + 1), add("s1")),
        (info("WRITE", inCommitTimestamp=far + 2), add("s2")),
    ]
    assert not case.merge([base], ours, [(info("WRITE", inCommitTimestamp=far + 5), add("d"))]).clashes
    assert case.checked().timestamp == far + 7


def test_in_commit_timestamps_begin_with_the_version_that_turns_them_on(case: Case) -> None:
    features = ("appendOnly", "invariants", "inCommitTimestamp")
    settings = {"delta.enableInCommitTimestamps": "true", "delta.inCommitTimestampEnablementVersion": "1"}
    ours = (info("ALTER", inCommitTimestamp=5), protocol(1, 7, features), metadata(settings))
    assert not case.merge([START], [ours], [append("d"), append("e")]).clashes
    log = case.checked()
    assert log.property("delta.inCommitTimestampEnablementVersion") == "3"
    assert log.property("delta.inCommitTimestampEnablementTimestamp") == str(log.timestamp)


def test_type_changes_name_the_new_version(case: Case) -> None:
    change = {"fromType": "integer", "toType": "long", "tableVersion": 1}
    wide = schema(column("id", **{"delta.typeChanges": [change]}))
    features = ("typeWidening-preview",)
    base: Body = (protocol(3, 7, features, features), metadata(schemaString=schema(column("id", "integer"))), add("a"))
    assert not case.merge([base], [altered(schemaString=wide)], [append("d"), append("e")]).clashes
    made = next(line["metaData"] for line in case.actions(3) if "metaData" in line)
    assert json.loads(made["schemaString"])["fields"][0]["metadata"]["delta.typeChanges"][0]["tableVersion"] == 3


# -- the checker itself -----------------------------------------------------------------------------------------------


def _twice(folder: Path) -> None:
    write_log(folder, log_body(add("a")), start=1)


def _gap(folder: Path) -> None:
    write_log(folder, log_body(add("x")), start=2)


def _stale(folder: Path) -> None:
    write_log(folder, log_body(remove("x")), start=1)


def _back(folder: Path) -> None:
    lines = [{"txn": {"appId": "x", "version": version}} for version in (2, 1)]
    write_log(folder, *(log_body(line) for line in lines), start=1)


def _missing(folder: Path) -> None:
    (folder / "a").unlink()


def _unbacked(folder: Path) -> None:
    write_log(folder, log_body(metadata({"delta.enableChangeDataFeed": "true"})), start=1)


@pytest.mark.parametrize("breaking", [_twice, _gap, _stale, _back, _missing, _unbacked])
def test_the_checker_finds_what_is_wrong(tmp_path: Path, breaking: Callable[[Path], None]) -> None:
    write_log(tmp_path, log_body(*START))
    for path in "abx":
        (tmp_path / path).write_bytes(bytes(10))
    check_log(tmp_path)
    breaking(tmp_path)
    with pytest.raises(AssertionError):
        check_log(tmp_path)


# -- rows must not stand twice ----------------------------------------------------------------------------------------


def restore(*actions: Line) -> Body:
    return (info("RESTORE"), *actions)


def test_a_file_that_the_destination_moved_the_rows_of_is_not_added(case: Case) -> None:
    ours = [(info("DELETE"), remove("a")), restore(add("a"))]
    plan = case.merge([START], ours, [rewrite("a", "a1"), append("d")], Isolation.SNAPSHOT)
    assert K.CONCURRENT_DELETE_DELETE in kinds(plan)
    plan = case.merge([START], [append("s")], [append("s"), rewrite("s", "s1")])
    assert kinds(plan) == {K.CONCURRENT_DELETE_DELETE} or plan.commits == ()
    assert not case.merge([START], ours, [append("d")]).clashes
    assert case.checked().paths == {"a", "b", "d"}


def restated(*paths: str, **fields: Any) -> Body:
    stats = '{"numRecords":1,"nullCount":{"id":0}}'
    return (info("COMPUTE STATS"), *(add(path, dataChange=False, stats=stats, **fields) for path in paths))


def test_new_statistics_bring_no_file_back(case: Case) -> None:
    plan = case.merge([START], [restated("a")], [compact("a", "b", into="c")])
    assert (plan.clashes, plan.commits) == ((), ())
    assert [v.note for v in plan.versions] == ["statistics of files that the destination changed: left out"]
    assert case.checked().paths == {"c"}
    case.merge([START], [restated("a", "b")], [rewrite("a", "a1")], Isolation.SNAPSHOT)
    assert case.checked().paths == {"a1", "b"}
    assert "nullCount" in case.checked().add_of("b")["stats"]


def test_row_tracking_is_not_turned_on_over_files_without_row_ids(case: Case) -> None:
    base: Body = (protocol(1, 2), metadata(), add("a"), add("b"))
    features = ("appendOnly", "invariants", "domainMetadata", "rowTracking")
    backfill = [tracked(path, i, 2, 1, dataChange=False) for i, path in enumerate("ab")]
    ours: list[Body] = [
        (info("UPGRADE"), protocol(1, 7, features)),
        (info("ROW TRACKING BACKFILL"), *backfill, mark(1)),
        altered({"delta.enableRowTracking": "true"}),
    ]
    assert kinds(case.merge([base], ours, [compact("a", "b", into="c")], Isolation.SNAPSHOT)) == {K.METADATA_CHANGED}
    assert kinds(case.merge([base], ours, [append("d")], Isolation.SNAPSHOT)) == {K.METADATA_CHANGED}
    assert not case.merge([base], ours, [altered({"mine": "1"})], Isolation.SNAPSHOT).clashes
    assert case.checked().paths == {"a", "b"}


def test_deletes_of_one_long_vector_after_another_are_united(case: Case) -> None:
    base: Body = (protocol(3, 7, VECTORS, VECTORS), metadata(), add("f", rows=1_000_000))

    def long(*rows: range) -> Mapping[str, Any]:
        made = write_vector(BitMap64(itertools.chain(*rows)), uuid.uuid4())
        assert made.path is not None
        case.extra[made.path] = made.body
        return made.descriptor

    def deletes(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> Body:
        return (info("DELETE"), remove("f", dv=before), add("f", rows=1_000_000, dv=after))

    first, second, there = range(0, 20_000, 7), range(30_000, 50_000, 11), range(60_001, 80_000, 13)
    one, two = long(first), long(first, second)
    plan = case.merge([base], [deletes(None, one), deletes(one, two)], [deletes(None, long(there))])
    assert not plan.clashes
    assert deleted_of(case, case.checked(), "f") == {*first, *second, *there}


def test_a_delete_in_a_file_of_which_all_rows_are_gone_has_nothing_to_do(case: Case) -> None:
    base: Body = (protocol(3, 7, VECTORS, VECTORS), metadata(), add("f", rows=3))

    def deletes(before: Mapping[str, Any] | None, after: Mapping[str, Any], *more: Line) -> Body:
        return (info("DELETE"), remove("f", dv=before), add("f", rows=3, dv=after), *more)

    one, two, there = vector(0), vector(0, 1), vector(1, 2)
    plan = case.merge([base], [deletes(None, one), deletes(one, two)], [deletes(None, there)])
    assert not plan.clashes
    assert case.checked().live == {}
    updated = (info("UPDATE"), *deletes(one, two)[1:], add("new"))
    assert case.merge([base], [deletes(None, one), updated], [deletes(None, there)]).clashes
    restored = (info("RESTORE"), remove("f", dv=two), add("f", rows=3))
    assert case.merge([base], [deletes(None, one), deletes(one, two), restored], [deletes(None, there)]).clashes


def test_in_commit_timestamps_that_both_sides_turned_on_count_since_the_destinations(case: Case) -> None:
    def on(stamp: int) -> Body:
        since = {ICT_VERSION: "1", ICT_TIMESTAMP: str(stamp), "delta.enableInCommitTimestamps": "true"}
        feature = protocol(1, 7, ("inCommitTimestamp",))
        return (info("UPGRADE", inCommitTimestamp=stamp), feature, metadata(since))

    plan = case.merge([START], [on(1_800_000_000_000), append("s")], [on(1_800_000_000_777)])
    assert not plan.clashes
    assert case.checked().property(ICT_TIMESTAMP) == "1800000000777"
    assert case.checked().paths == {"a", "b", "s"}


# -- conditions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("condition", "conflict"), [("s.p = 1", True), ("t.p = 1", False)])
def test_a_field_of_a_column_is_not_the_partition_of_that_name(case: Case, condition: str, conflict: bool) -> None:
    inner = {"type": "struct", "fields": [column("p")]}
    fields = metadata(schemaString=schema(column("s", inner), column("p")), partitionColumns=["p"])
    one, two = {"p": "1"}, {"p": "2"}
    base: Body = (protocol(), fields, add("a", partitionValues=one))
    ours: Body = (
        info("DELETE", operationParameters={"predicate": condition}),
        remove("a"),
        add("a1", partitionValues=one),
    )
    theirs: Body = (info("WRITE", operationParameters={"mode": "Append"}), add("d", partitionValues=two))
    plan = case.merge([base], [ours], [theirs], Isolation.SERIALIZABLE)
    assert kinds(plan) == ({K.CONCURRENT_APPEND} if conflict else set())


def test_a_rule_on_a_field_of_a_column_is_not_checked_on_the_column_of_that_name(case: Case) -> None:
    nested = schema(column("s", {"type": "struct", "fields": [column("id")]}), column("id"))
    base: Body = (protocol(1, 3), metadata(schemaString=nested), add("a"))
    ruled = altered({"delta.constraints.c": "s.id > 0"}, schemaString=nested)
    (found,) = case.merge([base], [append("x")], [ruled]).clashes
    assert found.kind is K.METADATA_CHANGED
    assert found.why.endswith("can't be checked on the rows that the other side wrote")

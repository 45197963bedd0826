"""Tables with features of the Delta protocol under every verb: seen in commits and diffs, replayed in a merge, merged
by rows, rolled back forward; and independent readers agree on the rows.

docs/delta-features.md says "works" where a row of these tests stands, and "refused" where one is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from lakegate.errors import ErrorKind, LakegateError, MergeConflict, Refused
from lakegate.lake import EmbeddedLake
from lakegate.model import (
    ConflictKind,
    MergeRequest,
    Resolution,
    RollbackMode,
    RollbackRequest,
    RowChangeKind,
    RowDiffRequest,
    TableFormat,
    TableOutcome,
    Take,
)
from lakegate.repository import EmbeddedRepository
from lakegate.testing.delta_check import check_log
from lakegate.testing.delta_features import FEATURES, Feature, HandWritten, Values, name_of
from lakegate.testing.delta_rows import agreed_rows
from lakegate.testing.mirror import Mirror

pytestmark = pytest.mark.skipif(
    find_spec("deltalake") is None or find_spec("duckdb_extension_delta") is None,
    reason="independent readers are not installed",
)

BASE = {1: 10, 2: 20, 3: 30, 4: 40}
BY_ID = MergeRequest(resolutions=(Resolution("t", Take.ROWS, ("id",)),))
BY_KEY = RowDiffRequest("t", ("id",))
ROWS_REFUSED = {
    "changeDataFeed": "change data feed",
    "variantType": "variantType",
    "rowTracking": "row tracking",
    "identityColumns": "identity column",
    "icebergCompatV1": "icebergCompatV1",
    "icebergCompatV2": "icebergCompatV2",
}
"""Whose rows are not merged by key, and what the refusal names."""

of_every_feature = pytest.mark.parametrize("feature", FEATURES, ids=name_of)


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[EmbeddedRepository]:
    with EmbeddedLake.create(tmp_path / "lake", environment={"LAKEGATE_STORAGE_FSYNC": "false"}) as lake:
        lake.create_repository("features")
        yield lake.repository("features")


def created(repo: EmbeddedRepository, tmp_path: Path, feature: Feature) -> tuple[Mirror, HandWritten]:
    """The table with the rows of `BASE`, committed on `main`."""
    main = Mirror(repo, "main", "t", tmp_path / "main")
    table = HandWritten(main.folder, feature)
    table.create()
    table.append(BASE, narrow=feature.widened)
    if feature.widened:
        table.widen()
    main.commit()
    return main, table


def branched(repo: EmbeddedRepository, tmp_path: Path) -> Mirror:
    repo.create_branch("exp", "main")
    (tmp_path / "exp").mkdir()
    return Mirror(repo, "exp", "t", tmp_path / "exp").pull()


def read(table: Mirror, feature: Feature) -> dict[int, dict[str, Any]]:
    """The rows by `id`, as all readers see them, with the feature's own column as it should be."""
    rows = [json.loads(row) for row in agreed_rows(table.folder, readers=feature.clients).elements()]
    found = {row["id"]: row for row in rows}
    assert len(found) == len(rows)
    if feature.column is not None:
        for i, row in found.items():
            assert row[feature.column.name] == feature.column.shown(i, row["v"])
    return found


def values(table: Mirror, feature: Feature) -> Values:
    return {i: row["v"] for i, row in sorted(read(table, feature).items())}


def first_file(table: HandWritten) -> str:
    return str(table.actions("add")[0]["path"])


@of_every_feature
def test_commits_and_diffs_say_what_the_table_is(repo: EmbeddedRepository, tmp_path: Path, feature: Feature) -> None:
    main, table = created(repo, tmp_path, feature)
    left = repo.commit_of("main").id
    before = read(main, feature)
    if feature.name != "appendOnly":
        table.rewrite(first_file(table), {1: 10, 2: 21, 3: 30})
    table.append({5: 50})
    right = main.commit().id
    after = read(main, feature)

    seen = repo.table("main", "t")
    assert (seen.format, seen.version, seen.rows, seen.files) == (TableFormat.DELTA, table.version, len(after), 2)
    assert seen.protocol is not None
    assert sorted(seen.protocol.writer_features) == feature.writers
    assert sorted(seen.protocol.reader_features) == sorted(feature.readers)
    assert dict(seen.properties) == dict(feature.configuration)
    assert feature.domains.items() <= dict(seen.domains).items()
    assert [part["name"] for part in json.loads(seen.schema)["fields"]] == [f["name"] for f in feature.fields()]

    (files,) = repo.table_diff(left, right).items
    rewritten = feature.name != "appendOnly"
    assert (files.files_added, files.files_removed) == (1 + rewritten, 1 * rewritten)
    assert (files.rows_added, files.rows_removed) == (1 + 3 * rewritten, 4 * rewritten)
    assert files.operations == (("UPDATE", "WRITE (Append)") if rewritten else ("WRITE (Append)",))

    rows = repo.row_diff(left, right, BY_KEY)
    at = [rows.columns.index(name) for name in ("id", "v")]
    told = {kind: sorted(_two(change, at) for change in rows.rows if change.kind is kind) for kind in RowChangeKind}
    same = before.keys() & after.keys()
    assert told == {
        RowChangeKind.ADDED: sorted((i, after[i]["v"]) for i in after.keys() - same),
        RowChangeKind.REMOVED: sorted((i, before[i]["v"]) for i in before.keys() - same),
        RowChangeKind.UPDATED: sorted((i, after[i]["v"]) for i in same if before[i] != after[i]),
    }


def _two(change: Any, at: list[int]) -> tuple[Any, ...]:
    row = change.right if change.right is not None else change.left
    return tuple(row[place] for place in at)


@of_every_feature
def test_both_sides_changes_merge_and_roll_back(repo: EmbeddedRepository, tmp_path: Path, feature: Feature) -> None:
    main, table = created(repo, tmp_path, feature)
    exp = branched(repo, tmp_path)
    if feature.name == "identityColumns":  # values are given out by one side only
        table.rewrite(first_file(table), {**BASE, 4: 41})
        mine = {**BASE, 4: 41}
    else:
        table.append({5: 50})
        mine = {**BASE, 5: 50}
    before = main.commit().id
    other = HandWritten(exp.folder, feature)
    other.append({6: 60, 7: 70})
    other.append({8: 80})
    exp.commit()
    outcome = repo.merge("exp", "main")
    assert [report.outcome for report in outcome.tables] == [TableOutcome.REPLAYED]
    assert values(main.pull(), feature) == mine | {6: 60, 7: 70, 8: 80}
    merged = check_log(main.folder).version
    assert merged == table.version

    if feature.name == "appendOnly":
        head = repo.commit_of("main").id
        with pytest.raises(Refused) as caught:
            repo.rollback("main", RollbackRequest(before))
        assert caught.value.kind is ErrorKind.DELTA_APPEND_ONLY
        assert repo.commit_of("main").id == head
        return
    repo.rollback("main", RollbackRequest(before))
    assert values(main.pull(), feature) == mine
    assert check_log(main.folder).version == merged + 1


@of_every_feature
def test_rows_that_both_sides_rewrote_merge_by_key(repo: EmbeddedRepository, tmp_path: Path, feature: Feature) -> None:
    main, table = created(repo, tmp_path, feature)
    exp = branched(repo, tmp_path)
    other = HandWritten(exp.folder, feature)
    expected = {1: 11, 2: 22, 3: 30, 4: 40, 6: 60}
    if feature.name == "appendOnly":
        table.append({5: 50})
        expected = {**BASE, 5: 50, 6: 60}
    else:
        table.rewrite(first_file(table), {**BASE, 2: 22})
        other.rewrite(first_file(other), {**BASE, 1: 11})
    other.append({6: 60})
    main.commit()
    exp.commit()
    head = repo.commit_of("main").id
    if feature.name != "appendOnly":
        with pytest.raises(MergeConflict):
            repo.merge("exp", "main")
    if feature.name in ROWS_REFUSED:
        with pytest.raises(LakegateError) as caught:
            repo.merge("exp", "main", BY_ID)
        assert caught.value.kind is ErrorKind.ROWS_INCOMPATIBLE
        assert ROWS_REFUSED[feature.name] in caught.value.message
        assert repo.commit_of("main").id == head
        return
    outcome = repo.merge("exp", "main", BY_ID)
    assert [report.outcome for report in outcome.tables] == [TableOutcome.MERGED_ROWS]
    assert values(main.pull(), feature) == expected
    assert check_log(main.folder).version == table.version


# -- what is special of one feature -----------------------------------------------------------------------------------


def named(name: str) -> Feature:
    return next(feature for feature in FEATURES if feature.name == name)


def test_identity_values_that_both_sides_gave_out_are_a_conflict(repo: EmbeddedRepository, tmp_path: Path) -> None:
    feature = named("identityColumns")
    main, table = created(repo, tmp_path, feature)
    exp = branched(repo, tmp_path)
    table.append({5: 50})
    head = main.commit().id
    HandWritten(exp.folder, feature).append({5: 51})
    exp.commit()
    with pytest.raises(MergeConflict) as caught:
        repo.merge("exp", "main")
    [conflict] = caught.value.conflicts
    assert conflict.kind is ConflictKind.METADATA_CHANGED
    assert "identity" in conflict.message
    assert repo.commit_of("main").id == head


def test_rows_that_both_deleted_by_vectors_are_gone_for_every_reader(repo: EmbeddedRepository, tmp_path: Path) -> None:
    feature = named("deletionVectors")
    main, table = created(repo, tmp_path, feature)
    exp = branched(repo, tmp_path)
    left = repo.commit_of("main").id
    file = first_file(table)
    table.delete_rows(file, 0)
    main.commit()
    other = HandWritten(exp.folder, feature)
    other.delete_rows(file, 2)
    other.delete_rows(file, 0, 2)
    other.append({9: 90})
    exp.commit()
    repo.merge("exp", "main")
    assert values(main.pull(), feature) == {2: 20, 4: 40, 9: 90}
    check_log(main.folder)
    rows = repo.row_diff(left, "main", BY_KEY)
    assert (rows.added, rows.removed, rows.updated) == (1, 2, 0)


def test_rows_deleted_by_vectors_on_one_side_and_changed_on_the_other_merge_by_key(
    repo: EmbeddedRepository, tmp_path: Path
) -> None:
    feature = named("deletionVectors")
    main, table = created(repo, tmp_path, feature)
    exp = branched(repo, tmp_path)
    table.delete_rows(first_file(table), 0)
    main.commit()
    other = HandWritten(exp.folder, feature)
    other.rewrite(first_file(other), {**BASE, 3: 33})
    exp.commit()
    with pytest.raises(MergeConflict):
        repo.merge("exp", "main")
    repo.merge("exp", "main", BY_ID)
    assert values(main.pull(), feature) == {2: 20, 3: 33, 4: 40}
    check_log(main.folder)


@pytest.mark.parametrize(
    "feature",
    [
        Feature("aFeatureOfTomorrow"),
        Feature("icebergCompatV3"),
        Feature("aFeatureOfTomorrow", readers=["aFeatureOfTomorrow"], id="aFeatureOfTomorrow of readers"),
        Feature("variantShredding-preview", readers=["variantShredding-preview"]),
    ],
    ids=name_of,
)
def test_unknown_features_are_refused_by_name(repo: EmbeddedRepository, tmp_path: Path, feature: Feature) -> None:
    """Such tables are committed and diffed, and no version of them is written. Rows are read where readers need not
    know the feature."""
    main, table = created(repo, tmp_path, feature)
    before = repo.commit_of("main").id
    exp = branched(repo, tmp_path)
    table.append({5: 50})
    head = main.commit().id
    HandWritten(exp.folder, feature).append({6: 60})
    exp.commit()
    assert repo.table("main", "t").version == 2
    assert [(d.files_added, d.rows_added) for d in repo.table_diff(before, "main").items] == [(1, 1)]
    if feature.readers:
        refused_by_name(feature, ErrorKind.DELTA_FEATURE_UNKNOWN, lambda: repo.row_diff(before, "main", BY_KEY))
    else:
        assert repo.row_diff(before, "main", BY_KEY).added == 1
    with pytest.raises(MergeConflict) as caught:
        repo.merge("exp", "main")
    [conflict] = caught.value.conflicts
    assert conflict.kind is ConflictKind.PROTOCOL_CHANGED
    assert feature.name in conflict.message
    kind = ErrorKind.DELTA_FEATURE_UNKNOWN if feature.readers else ErrorKind.ROWS_INCOMPATIBLE
    refused_by_name(feature, kind, lambda: repo.merge("exp", "main", BY_ID))
    refused_by_name(feature, ErrorKind.DELTA_FEATURE_UNKNOWN, lambda: repo.rollback("main", RollbackRequest(before)))
    assert repo.commit_of("main").id == head
    repo.rollback("main", RollbackRequest(before, mode=RollbackMode.EXACT))
    assert repo.table("main", "t").version == 1


def refused_by_name(feature: Feature, kind: ErrorKind, act: Callable[[], object]) -> None:
    with pytest.raises(Refused) as caught:
        act()
    assert caught.value.kind is kind
    assert feature.name in caught.value.message


def test_a_table_that_a_catalog_manages_is_not_committed(repo: EmbeddedRepository, tmp_path: Path) -> None:
    feature = Feature("catalogManaged", readers=["catalogManaged"])
    head = repo.commit_of("main").id
    with pytest.raises(Refused) as caught:
        created(repo, tmp_path, feature)
    assert caught.value.kind is ErrorKind.DELTA_FEATURE_UNKNOWN
    assert "catalogManaged" in caught.value.message
    assert repo.commit_of("main").id == head


def test_a_property_that_one_side_turned_on_holds_for_the_other_sides_rows(
    repo: EmbeddedRepository, tmp_path: Path
) -> None:
    """The invariant of one side is held against what the other side wrote."""
    feature = Feature("invariants")
    main, _ = created(repo, tmp_path, feature)
    exp = branched(repo, tmp_path)
    HandWritten(main.folder, replace(feature, invariant="v < 50")).widen()
    main.commit()
    HandWritten(exp.folder, feature).append({6: 60})
    exp.commit()
    with pytest.raises(MergeConflict) as caught:
        repo.merge("exp", "main")
    assert [conflict.kind for conflict in caught.value.conflicts] == [ConflictKind.METADATA_CHANGED]

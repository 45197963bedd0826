"""DuckDB's delta extension writes tables with row tracking, in-commit timestamps and clustering through the gateway, on
two branches that merge and roll back. deltalake can't write such tables; its QueryBuilder reads them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lakegate.testing.delta_check import CheckedLog, check_log
from lakegate.testing.delta_features import CLUSTERED, Feature, HandWritten, name_of
from lakegate.testing.delta_rows import agreed_rows, duckdb_extension
from lakegate.testing.s3 import S3Lake, encoded

pytest.importorskip("deltalake")
pytest.importorskip("duckdb_extension_delta")
pytest.importorskip("duckdb_extension_httpfs")
import duckdb

TRACKED = {"delta.enableRowTracking": "true"}
STAMPED = {"delta.enableInCommitTimestamps": "true"}
FEATURES = (
    Feature("rowTracking", ["domainMetadata"], configuration=TRACKED),
    Feature("inCommitTimestamp", configuration=STAMPED),
    Feature("clustering", ["domainMetadata"], domains={"delta.clustering": CLUSTERED}),
    Feature(
        "rowTracking",
        ["domainMetadata", "inCommitTimestamp", "clustering"],
        configuration=TRACKED | STAMPED,
        domains={"delta.clustering": CLUSTERED},
        id="all of them",
    ),
)


@dataclass(frozen=True)
class Table:
    """A table at `t` behind a gateway, and a folder into which it is taken to be checked."""

    lake: S3Lake
    duck: duckdb.DuckDBPyConnection
    scratch: Path

    def insert(self, branch: str, *ids: int) -> None:
        self.duck.execute(f"ATTACH '{self.lake.uri('t', branch)}' AS t (TYPE delta, READ_ONLY false)")
        self.duck.execute(f"INSERT INTO t VALUES {', '.join(f'({i}, {10 * i})' for i in ids)}")
        self.duck.execute("DETACH t")

    def ids(self, ref: str) -> list[int]:
        found = agreed_rows(self.lake.uri("t", ref), None, ("querybuilder", "duckdb"), self.lake.options)
        rows = [json.loads(row) for row in found.elements()]
        assert all(row["v"] == 10 * row["id"] for row in rows)
        return sorted(row["id"] for row in rows)

    def check(self, ref: str) -> CheckedLog:
        folder = self.scratch / f"{ref}-{len(list(self.scratch.iterdir()))}"
        listing = self.lake.rest("GET", f"/refs/{ref}/objects/ls?amount=1000&prefix=t/")
        for item in listing["results"]:
            file = folder / item["path"]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(self.lake.get(encoded(f"{ref}/{item['path']}")).body)
        return check_log(folder / "t")


@pytest.fixture
def duck(s3: S3Lake) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        for name in ("httpfs", "delta"):
            connection.execute(f"LOAD '{duckdb_extension(name)}'")
        connection.execute(
            f"CREATE SECRET (TYPE s3, KEY_ID '{s3.access_key_id}', SECRET '{s3.secret_access_key}', "
            f"REGION 'us-east-1', ENDPOINT '{s3.host}', URL_STYLE 'path', USE_SSL false)"
        )
        yield connection


@pytest.mark.parametrize("feature", FEATURES, ids=name_of)
def test_what_duckdb_wrote_on_two_branches_merges_and_rolls_back(
    s3: S3Lake, duck: duckdb.DuckDBPyConnection, tmp_path: Path, feature: Feature
) -> None:
    made = HandWritten(tmp_path / "made", feature)
    made.create()
    first = (made.folder / f"_delta_log/{0:020d}.json").read_bytes()
    assert s3.put(f"main/t/_delta_log/{0:020d}.json", first).status == 200
    (tmp_path / "checked").mkdir()
    table = Table(s3, duck, tmp_path / "checked")
    table.insert("main", 1, 2)
    s3.commit()
    s3.rest("POST", "/branches", {"name": "exp", "source": "main"})
    table.insert("main", 3)
    good = s3.commit()
    table.insert("exp", 4, 5, 6)
    table.insert("exp", 7)
    s3.commit("exp")

    s3.rest("POST", "/refs/exp/merge/main", {})
    assert table.ids("main") == [1, 2, 3, 4, 5, 6, 7]
    assert table.ids("exp") == [1, 2, 4, 5, 6, 7]
    merged = table.check("main")
    assert merged.version == 4
    table.insert("main", 8)  # the writer goes on from what the merge wrote
    s3.commit()
    bad = table.check("main")

    s3.rest("POST", "/branches/main/rollback", {"to": good})
    assert table.ids("main") == [1, 2, 3]
    table.insert("main", 9)
    s3.commit()
    assert table.ids("main") == [1, 2, 3, 9]
    after = table.check("main")
    assert after.version == 7
    _never_go_back(feature, [merged, bad, after])


def _never_go_back(feature: Feature, logs: list[CheckedLog]) -> None:
    """Row ids and times go on through merge and rollback: what the checker holds within a log, between them too."""
    if feature.uses("rowTracking"):
        assert [log.row_id_mark for log in logs] == [6, 7, 8]
        assert max(int(add["baseRowId"]) for add in logs[-1].live.values()) == 8
    if feature.uses("inCommitTimestamp"):
        stamps = [log.timestamp or 0 for log in logs]
        assert stamps[0] > 0
        assert stamps == sorted(set(stamps))

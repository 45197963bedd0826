"""Merges and rollbacks of branches with Delta tables, from logs written by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lakegate.model import CommitRequest, MergeRequest, Resolution, Take
from lakegate.repository import EmbeddedLake, EmbeddedRepository
from lakegate.tables.delta.log import commit_path
from lakegate.testing.delta import Line, add, log_body, metadata, protocol

INFO: Line = {"commitInfo": {"operation": "WRITE", "operationParameters": {"mode": "Append"}}}


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[EmbeddedRepository]:
    with EmbeddedLake.create(tmp_path / "lake") as lake:
        lake.create_repository("tables")
        yield lake.repository("tables")


def stage(repo: EmbeddedRepository, branch: str, table: str, version: int, *lines: Line) -> None:
    for line in lines:
        if "add" in line:
            repo.put(branch, f"{table}/{line['add']['path']}", b"0123456789")
    repo.put(branch, commit_path(table, version), log_body(INFO, *lines))


def write(repo: EmbeddedRepository, branch: str, table: str, version: int, *lines: Line) -> str:
    """Commits one version of a table; data files hold ten bytes each."""
    stage(repo, branch, table, version, *lines)
    return repo.commit(branch, CommitRequest(f"{table} {version}")).id


def live(repo: EmbeddedRepository, ref: str, table: str) -> set[str]:
    return {file.path for file in repo.table_files(ref, table).items}


# -- protocols --------------------------------------------------------------------------------------------------------


def test_taking_the_source_brings_the_features_that_its_rules_need(repo: EmbeddedRepository) -> None:
    write(repo, "main", "t", 0, protocol(), metadata(), add("a"))
    repo.create_branch("exp", "main")
    write(repo, "exp", "t", 1, protocol(1, 3), metadata({"delta.constraints.c": "id > 0"}))
    write(repo, "main", "t", 1, protocol(3, 7, ("appendOnly", "invariants", "timestampNtz"), ("timestampNtz",)))
    repo.merge("exp", "main", MergeRequest(resolutions=(Resolution("t", Take.SOURCE),)))
    table = repo.table("main", "t")
    assert table.protocol is not None
    assert {"checkConstraints", "timestampNtz"} <= set(table.protocol.writer_features)
    assert table.properties["delta.constraints.c"] == "id > 0"

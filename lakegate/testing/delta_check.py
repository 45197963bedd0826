"""Checks that the log in a folder is one that every Delta client must accept: an oracle of its own, that shares no code
with the library's log reader.

The rules are those of the Delta protocol (sections Action Reconciliation, Row Tracking, In-Commit Timestamps) that can
be told from JSON commits. Of checkpoints only `check_commits` takes one, in JSON and without
sidecars.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote


@dataclass(slots=True)
class CheckedLog:
    """What the log's commits add up to. `live` is by (path, unique id of the deletion vector)."""

    version: int = -1
    live: dict[tuple[str, str | None], dict[str, Any]] = field(default_factory=dict)
    txns: dict[str, int] = field(default_factory=dict)
    protocol: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    row_id_mark: int = -1
    timestamp: int | None = None
    told: int = 0
    given: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def paths(self) -> set[str]:
        return {path for path, _ in self.live}

    def add_of(self, path: str) -> dict[str, Any]:
        """The `add` of the live file at a path."""
        return next(body for (found, _), body in self.live.items() if found == path)

    def supports(self, feature: str) -> bool:
        return feature in self.protocol.get("writerFeatures", ())

    def property(self, name: str) -> str:
        return str(self.metadata.get("configuration", {}).get(name, ""))


def check_log(folder: Path) -> CheckedLog:
    """Checks the log of the table in `folder`, which has all its commits, and that its live files are there. Raises
    AssertionError."""
    found = (folder / "_delta_log").glob("*.json")
    log = check_commits({int(file.stem): file.read_bytes() for file in found if _is_commit(file.stem)})
    _check_files(folder, log)
    return log


def check_commits(commits: Mapping[int, bytes], checkpoint: bytes = b"") -> CheckedLog:
    """Checks log commits by their versions: all, or those above a checkpoint, given as lines of JSON. Raises
    AssertionError."""
    log = CheckedLog()
    if checkpoint:
        actions = _actions(checkpoint)
        _check_version(log, dict(actions)["checkpointMetadata"]["version"], actions)
    assert sorted(commits) == list(range(log.version + 1, log.version + 1 + len(commits))), "versions have a gap"
    for version in sorted(commits):
        _check_version(log, version, _actions(commits[version]))
    assert log.protocol, "the log has no protocol"
    assert log.metadata, "the log has no metaData"
    paths = [path for path, _ in log.live]
    assert len(paths) == len(set(paths)), "a file is live with two deletion vectors"
    if log.supports("rowTracking"):
        _check_row_ids(log)
    return log


def _is_commit(stem: str) -> bool:
    return len(stem) == 20 and stem.isdecimal()


def _actions(body: bytes) -> list[tuple[str, dict[str, Any]]]:
    lines = [json.loads(line) for line in body.decode("utf-8").splitlines() if line.strip()]
    return [action for line in lines for action in line.items()]


def _check_version(log: CheckedLog, version: int, actions: list[tuple[str, dict[str, Any]]]) -> None:
    by_name: dict[str, list[dict[str, Any]]] = {}
    for name, body in actions:
        by_name.setdefault(name, []).append(body)
    for name in ("protocol", "metaData", "commitInfo"):
        assert len(by_name.get(name, ())) <= 1, f"version {version} holds two {name} actions"
    for body in by_name.get("protocol", ()):
        _check_protocol(log, version, body)
        log.protocol = body
    for body in by_name.get("metaData", ()):
        log.metadata = body
    if "protocol" in by_name or "metaData" in by_name:
        _check_backing(log, version)
    for body in by_name.get("remove", ()):
        key = _key(body)
        assert key in log.live, f"version {version} removes {key}, which is not live"
        del log.live[key]
    added = [_key(body)[0] for body in by_name.get("add", ())]
    assert len(added) == len(set(added)), f"version {version} adds a file twice"
    for body in by_name.get("add", ()):
        key = _key(body)
        assert key not in log.live or body["dataChange"] is False, f"version {version} adds {key} again"
        log.live[key] = body
    for body in by_name.get("txn", ()):
        before = log.txns.get(body["appId"], -1)
        assert body["version"] > before, f"version {version} takes the application {body['appId']!r} back"
        log.txns[body["appId"]] = body["version"]
    for body in by_name.get("domainMetadata", ()):
        if body["domain"] == "delta.rowTracking":
            mark = json.loads(body["configuration"])["rowIdHighWaterMark"]
            assert mark >= log.row_id_mark, f"version {version} takes the highest row id back"
            log.row_id_mark = mark
    for body in by_name.get("add", ()) if log.supports("rowTracking") else ():
        span = (body["baseRowId"], json.loads(body["stats"])["numRecords"])
        assert log.given.setdefault(_key(body)[0], span) == span, (
            f"version {version} gives {body['path']} other row ids"
        )
    _check_timestamp(log, version, actions)
    log.version = version


def _check_protocol(log: CheckedLog, version: int, body: dict[str, Any]) -> None:
    for name in ("minReaderVersion", "minWriterVersion"):
        assert body[name] >= log.protocol.get(name, 0), f"version {version} takes {name} back"
    for name in ("readerFeatures", "writerFeatures"):
        lost = set(log.protocol.get(name, ())) - set(body.get(name, ()))
        assert not lost, f"version {version} drops {lost} of {name}"


def _check_backing(log: CheckedLog, version: int) -> None:
    """Each property, constraint and rule of a column has its feature; else clients ignore it."""
    if not log.protocol or not log.metadata:
        return
    on = {name for name, value in log.metadata.get("configuration", {}).items() if str(value).lower() == "true"}
    text = log.metadata["schemaString"]
    mapped = log.property("delta.columnMapping.mode") in ("id", "name")
    constrained = any(name.startswith("delta.constraints.") for name in log.metadata.get("configuration", {}))
    needs = {
        "appendOnly": ("delta.appendOnly" in on, 2),
        "invariants": ('"delta.invariants"' in text, 2),
        "checkConstraints": (constrained, 3),
        "changeDataFeed": ("delta.enableChangeDataFeed" in on, 4),
        "generatedColumns": ('"delta.generationExpression"' in text, 4),
        "columnMapping": (mapped, 5),
        "identityColumns": ('"delta.identity.start"' in text, 6),
        "deletionVectors": ("delta.enableDeletionVectors" in on, 7),
        "inCommitTimestamp": ("delta.enableInCommitTimestamps" in on, 7),
        "rowTracking": ("delta.enableRowTracking" in on, 7),
        "timestampNtz": ('"timestamp_ntz"' in text, 7),
    }
    reader, writer = log.protocol["minReaderVersion"], log.protocol["minWriterVersion"]
    for feature, (needed, since) in needs.items():
        backed = log.supports(feature) if writer >= 7 else writer >= since
        assert backed or not needed, f"version {version} needs {feature}, which its protocol does not have"
    if mapped:
        named = "columnMapping" in log.protocol.get("readerFeatures", ())
        assert named if reader >= 3 else reader == 2, f"version {version} maps columns, and readers are not told"


def _check_timestamp(log: CheckedLog, version: int, actions: list[tuple[str, dict[str, Any]]]) -> None:
    told = dict(actions).get("commitInfo", {}).get("timestamp", log.told)
    assert told >= log.told, f"version {version} says that it was written before the one before"
    log.told = told
    on = log.supports("inCommitTimestamp") and log.property("delta.enableInCommitTimestamps").lower() == "true"
    if not on:
        log.timestamp = None
        return
    assert actions[0][0] == "commitInfo", f"version {version} does not begin with its commitInfo"
    stamp = actions[0][1]["inCommitTimestamp"]
    assert log.timestamp is None or stamp > log.timestamp, f"version {version} is not later than the one before"
    log.timestamp = stamp


def _check_files(folder: Path, log: CheckedLog) -> None:
    for path, _ in log.live:
        assert (folder / path).is_file(), f"the live file {path} is not there"
        assert (folder / path).stat().st_size == log.live[path, _]["size"], f"the size of {path} is another"


def _check_row_ids(log: CheckedLog) -> None:
    spans = sorted(log.given.values())
    for (start, count), (following, _) in pairwise(spans):
        assert start + count <= following, "two files share row ids"
    assert not spans or spans[-1][0] + spans[-1][1] - 1 <= log.row_id_mark, "a row id lies above the highest one"
    for body in log.live.values():
        assert body["defaultRowCommitVersion"] <= log.version, "a row was committed by a version to come"


def _key(action: dict[str, Any]) -> tuple[str, str | None]:
    vector = action.get("deletionVector")
    if not vector:
        return unquote(action["path"]), None
    offset = vector.get("offset")
    suffix = f"@{offset}" if offset is not None else ""
    return unquote(action["path"]), f"{vector['storageType']}{vector['pathOrInlineDv']}{suffix}"

"""Checks a Delta log by the rules of the protocol, by code that shares nothing with what lakegate reads and writes logs
with.

A log is checked from its first version on, so it must still be whole. Rules: versions follow one another without a gap;
a `remove` names a live (path, deletion vector), an `add` one that is not live; no path has two live files; `txn`
versions and protocol features never go back; timestamps are in order; row ids are given out once; what is live is
there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote

_LOG_FILE = re.compile(r"(\d{20})\.json")


class InvalidLog(AssertionError):
    """Says which version of a log breaks which rule."""


@dataclass(slots=True)
class CheckedLog:
    """What a log adds up to: live files by path, as (deletion vector id, add action)."""

    version: int = -1
    live: dict[str, tuple[str | None, dict[str, Any]]] = field(default_factory=dict)
    txns: dict[str, int] = field(default_factory=dict)
    features: set[str] = field(default_factory=set)
    configuration: dict[str, str] = field(default_factory=dict)
    timestamp: int = 0
    in_commit: int | None = None
    row_ids: dict[int, tuple[int, str]] = field(default_factory=dict)
    mark: int = -1


def check_delta_table(folder: Path) -> CheckedLog:
    """Checks the log and the files of the table in a folder. Raises InvalidLog."""
    log = CheckedLog()
    for version, actions in _commits(folder / "_delta_log"):
        if version != log.version + 1:
            raise InvalidLog(f"version {version} follows {log.version}")
        log.version = version
        _Version(log, version, actions).check()
    if log.version < 0:
        raise InvalidLog("there is no commit")
    for path, (_, add) in log.live.items():
        file = folder / path
        if not file.is_file() or file.stat().st_size != add["size"]:
            raise InvalidLog(f"the live file {path} is not there, or has another size")
    return log


def _commits(folder: Path) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    for file in sorted(folder.iterdir()):
        found = _LOG_FILE.fullmatch(file.name)
        if found:
            yield int(found[1]), [json.loads(line) for line in file.read_text().splitlines() if line.strip()]


class _Version:
    def __init__(self, log: CheckedLog, version: int, actions: list[dict[str, Any]]) -> None:
        self._log = log
        self._version = version
        self._actions = actions

    def check(self) -> None:
        self._check_single()
        for removed in self._all("remove"):
            path, vector = _key(removed)
            if path not in self._log.live or self._log.live[path][0] != vector:
                raise self._broken(f"it removes {path} ({vector}), which is not live")
            del self._log.live[path]
        for added in self._all("add"):
            self._check_add(added)
        for txn in self._all("txn"):
            before = self._log.txns.get(txn["appId"], txn["version"] - 1)
            if txn["version"] <= before:
                raise self._broken(f"the txn version of {txn['appId']} goes from {before} to {txn['version']}")
            self._log.txns[txn["appId"]] = txn["version"]
        self._check_times()
        self._check_row_ids()

    def _all(self, name: str) -> list[dict[str, Any]]:
        return [action[name] for action in self._actions if action.get(name) is not None]

    def _check_single(self) -> None:
        for name in ("protocol", "metaData", "commitInfo"):
            if len(self._all(name)) > 1:
                raise self._broken(f"it holds two {name} actions")
        for protocol in self._all("protocol"):
            features = {*(protocol.get("readerFeatures") or ()), *(protocol.get("writerFeatures") or ())}
            lost = self._log.features - features
            if lost:
                raise self._broken(f"it drops the features {lost}")
            self._log.features = features
        for metadata in self._all("metaData"):
            self._log.configuration = metadata.get("configuration") or {}

    def _check_add(self, added: dict[str, Any]) -> None:
        path, vector = _key(added)
        held = self._log.live.get(path)
        if held is not None and (held[0] != vector or added["dataChange"]):
            raise self._broken(f"it adds {path}, which is live")
        if sum(_key(other)[0] == path for other in self._all("add")) > 1:
            raise self._broken(f"it adds {path} twice")
        self._log.live[path] = (vector, added)

    def _check_times(self) -> None:
        for info in self._all("commitInfo"):
            stamp = info.get("timestamp", self._log.timestamp)
            if stamp < self._log.timestamp:
                raise self._broken(f"its timestamp {stamp} is before {self._log.timestamp}")
            self._log.timestamp = stamp
        if self._log.configuration.get("delta.enableInCommitTimestamps") != "true":
            return
        first = self._actions[0].get("commitInfo") or {}
        stamp = first.get("inCommitTimestamp")
        if not isinstance(stamp, int):
            raise self._broken("its first action is no commitInfo with an in-commit timestamp")
        if self._log.in_commit is not None and stamp <= self._log.in_commit:
            raise self._broken(f"its in-commit timestamp {stamp} is not after {self._log.in_commit}")
        self._log.in_commit = stamp

    def _check_row_ids(self) -> None:
        if "rowTracking" not in self._log.features:
            return
        for domain in self._all("domainMetadata"):
            if domain["domain"] == "delta.rowTracking":
                mark = json.loads(domain["configuration"])["rowIdHighWaterMark"]
                if mark < self._log.mark:
                    raise self._broken(f"the highest row id goes from {self._log.mark} to {mark}")
                self._log.mark = mark
        for added in self._all("add"):
            base = added.get("baseRowId")
            if base is None or added.get("defaultRowCommitVersion") is None:
                raise self._broken(f"{added['path']} has no row ids")
            count = json.loads(added["stats"])["numRecords"]
            path = unquote(added["path"])
            if self._log.row_ids.setdefault(base, (count, path)) != (count, path):
                raise self._broken(f"the row ids from {base} on are given to {path} and {self._log.row_ids[base][1]}")
            if base + count - 1 > self._log.mark:
                raise self._broken(f"the row ids of {path} go beyond {self._log.mark}")
        ends = sorted((base, base + count) for base, (count, _) in self._log.row_ids.items())
        for (_, stop), (start, _) in pairwise(ends):
            if start < stop:
                raise self._broken(f"the row ids from {start} on are given out twice")

    def _broken(self, why: str) -> InvalidLog:
        return InvalidLog(f"version {self._version}: {why}")


def _key(action: dict[str, Any]) -> tuple[str, str | None]:
    vector = action.get("deletionVector")
    if not vector:
        return unquote(action["path"]), None
    offset = vector.get("offset")
    return unquote(action["path"]), f"{vector['storageType']}{vector['pathOrInlineDv']}" + (
        f"@{offset}" if offset is not None else ""
    )

"""Holds files that repeat what a log says against the log: checkpoints, `.crc` files, `_last_checkpoint`.

lakegate does not need them, and clients believe them: a checkpoint of another history of the table (copied from another
branch, or written by a client that had the table open when its branch went back) gives them wrong rows without an
error, a `.crc` with another schema gives them that schema, and a `_last_checkpoint` that names no checkpoint bricks the
table.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import unquote

from lakegate import tree
from lakegate.context import RepositoryContext
from lakegate.errors import Refused
from lakegate.format.canonical import parse_json
from lakegate.format.kinds import OBJECTS
from lakegate.ids import NodeId
from lakegate.log_paths import commit_path, log_folder
from lakegate.model import Entry, TableVersion
from lakegate.snapshot import Snapshot
from lakegate.tables.delta.checkpoint import checkpoint_summary
from lakegate.tables.delta.faults import log_invalid
from lakegate.tables.delta.log import Checkpoint, log_files, read_bytes, read_commit

_CRC = re.compile(r"(\d{20})\.crc", re.ASCII)
_HINT_FILE = "_last_checkpoint"
_COMMITS = 10  # of a checkpoint's newest commits, whose files are looked for in it


def check_claims(snapshot: Snapshot, base_root: NodeId, now: TableVersion) -> None:
    """Checks the checkpoints and `.crc` files that came since the tree `base_root`, and what `_last_checkpoint` names.

    Work is in proportion to those files. A checkpoint of the newest version is held against all totals and the schema
    of that version; every checkpoint against the newest commits that it covers, as far as they are there.

    Raises Refused(DELTA_LOG_INVALID) naming the file.
    """
    folder = log_folder(now.path)
    changed: dict[str, Entry] = {}
    hint = False
    nodes = snapshot.ctx.manifests.nodes
    for change in tree.diff(nodes, OBJECTS, base_root, snapshot.root, prefix=folder):
        name = change.path[len(folder) :]
        hint = hint or name == _HINT_FILE or (".checkpoint." in name and change.right is None)
        if change.right is not None:
            changed[name] = change.right
    checker = _Checker(snapshot.ctx, snapshot, now)
    for checkpoint in _checkpoints(snapshot, folder, changed):
        checker.checkpoint(checkpoint)
    for name, entry in changed.items():
        crc = _CRC.fullmatch(name)
        if crc is not None:
            checker.crc(int(crc[1]), entry)
    if hint:
        checker.last_checkpoint(snapshot.get(folder + _HINT_FILE))


def _checkpoints(snapshot: Snapshot, folder: str, changed: Mapping[str, Entry]) -> Iterator[Checkpoint]:
    """The complete checkpoints of which a file changed."""
    for version in sorted({int(name[:20]) for name in changed if ".checkpoint." in name and name[:20].isdecimal()}):
        prefix = f"{folder}{version:020d}.checkpoint."
        entries = [(entry.path[len(folder) :], entry) for entry in snapshot.iterate(prefix)]
        whole = [item for item in entries if len(log_files([item]).checkpoints) == 1]
        parts = [item for item in entries if item not in whole]
        for group in (*([item] for item in whole), parts):
            found = log_files(group).checkpoints.get(version)
            if found is not None and any(entry.path[len(folder) :] in changed for entry in found.files):
                yield found


@dataclass(slots=True)
class _Told:
    """What commits say of the files that a checkpoint of their last one must and must not hold."""

    live: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    schema: str | None = None


@dataclass(frozen=True)
class _Checker:
    ctx: RepositoryContext
    snapshot: Snapshot
    now: TableVersion

    def checkpoint(self, checkpoint: Checkpoint) -> None:
        version, path = checkpoint.version, checkpoint.files[0].path
        told = self._told(version)
        summary = checkpoint_summary(self.ctx, self.snapshot, self.now.path, checkpoint)
        missing, stale = set(told.live), ""
        files = size = 0
        for raw, bytes_ in summary.files():
            name = unquote(raw)
            missing.discard(name)
            stale = name if name in told.gone else stale
            files, size = files + 1, size + bytes_
        if missing:
            raise self._foreign(path, version, f"lacks the live file {min(missing)!r}")
        if stale:
            raise self._foreign(path, version, f"holds the file {stale!r}, which was removed")
        schema = summary.metadata.get("schemaString")
        if told.schema is not None and not _same_json(schema, told.schema):
            raise self._foreign(path, version, "has another schema")
        if version != self.now.version:
            return
        if (files, size) != (self.now.files, self.now.bytes):
            why = f"has {files:,} files with {size:,} bytes, and the log {self.now.files:,} with {self.now.bytes:,}"
            raise self._foreign(path, version, why)
        self._check_definition(path, version, summary.metadata, summary.protocol)

    def crc(self, version: int, entry: Entry) -> None:
        try:
            found = json.loads(read_bytes(self.ctx, self.now.path, entry))
        except ValueError:
            return  # clients pass over what they can't parse
        if not isinstance(found, dict) or version > (self.now.version or 0):
            return
        if version == self.now.version:
            for name, value in (("numFiles", self.now.files), ("tableSizeBytes", self.now.bytes)):
                if name in found and found[name] != value:
                    raise self._foreign(entry.path, version, f"says {name} {found[name]}, and the log {value}")
        if version >= self._defined_from:
            self._check_definition(entry.path, version, found.get("metadata"), found.get("protocol"))

    def last_checkpoint(self, entry: Entry | None) -> None:
        if entry is None:
            return
        try:
            version = json.loads(read_bytes(self.ctx, self.now.path, entry)).get("version")
        except (ValueError, AttributeError):
            return  # clients pass over a hint that they can't parse
        if not isinstance(version, int):
            return
        folder = log_folder(self.now.path)
        entries = self.snapshot.iterate(f"{folder}{version:020d}.checkpoint.")
        if version not in log_files((item.path[len(folder) :], item) for item in entries).checkpoints:
            raise self._foreign(entry.path, version, "names a checkpoint that is not there")

    def _check_definition(self, path: str, version: int, metadata: Any, protocol: Any) -> None:
        mine = parse_json(self.now.metadata) if self.now.metadata is not None else {}
        if isinstance(metadata, Mapping):
            if metadata.get("id") != mine.get("id"):
                raise self._foreign(path, version, "is of a table with another id")
            if not _same_json(metadata.get("schemaString"), self.now.schema):
                raise self._foreign(path, version, "has another schema")
        if isinstance(protocol, Mapping) and self.now.protocol is not None:
            versions = (protocol.get("minReaderVersion"), protocol.get("minWriterVersion"))
            if versions != (self.now.protocol.min_reader, self.now.protocol.min_writer):
                raise self._foreign(path, version, "has another protocol")

    def _told(self, version: int) -> _Told:
        told = _Told()
        for number in range(version, max(version - _COMMITS, -1), -1):
            entry = self.snapshot.get(commit_path(self.now.path, number))
            if entry is None:
                break
            actions = read_commit(self.ctx, self.now.path, number, entry)
            added = {action.path for action in actions.files if action.entry is not None}
            removed = {action.path for action in actions.files if action.entry is None} - added
            known = told.live | told.gone
            told.live |= added - known
            told.gone |= removed - known
            if told.schema is None and actions.metadata is not None:
                told.schema = str(actions.metadata["schemaString"])
        return told

    @cached_property
    def _defined_from(self) -> int:
        """The first version with the newest one's definition, as far as the log's commits tell."""
        for number in range(self.now.version or 0, 0, -1):
            entry = self.snapshot.get(commit_path(self.now.path, number))
            if entry is None:
                return number
            actions = read_commit(self.ctx, self.now.path, number, entry)
            if actions.metadata is not None or actions.protocol is not None:
                return number
        return 0

    def _foreign(self, path: str, version: int, why: str) -> Refused:
        return log_invalid(
            self.now.path,
            f"{path!r} {why}; it does not belong to this log, and clients would believe it",
            version=version,
            hint="Delete that object, or throw the change away (`lakegate branch reset` with its path); clients write "
            "a new one when they need it.",
        )


def _same_json(left: object, right: str) -> bool:
    try:
        return left == right or json.loads(str(left)) == json.loads(right)
    except ValueError:
        return False

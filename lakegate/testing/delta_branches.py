"""Delta tables on branches, whose logs are written by hand and read by an oracle: no data file is ever made, so that a
random change takes milliseconds.

Which rows a file holds, only the writer knows, by the file's path. The reader shares no code with the library's: it
replays the log by `delta_check`, and decodes deletion vectors by itself.
"""

from __future__ import annotations

import json
import struct
import uuid
from base64 import b85decode, b85encode
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar

from pyroaring import BitMap64

from lakegate.interface import Repository
from lakegate.log_paths import commit_path, log_folder
from lakegate.model import Entry, ListRequest
from lakegate.testing.delta import Line, add, log_body, metadata, protocol, remove
from lakegate.testing.delta_check import CheckedLog, check_commits

Row = tuple[int, int]
"""An id, which no other row of the table has, and a value."""
Rows = dict[tuple[str, int], int]
"""The values of rows by table and id."""

PARTITIONS = (0, 1)
_MAGIC = 1681511377
_Z85_TO_B85 = str.maketrans(
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#",
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~",
)
_B85_TO_Z85 = {to: of for of, to in _Z85_TO_B85.items()}
_BODY = b"0123456789"
_READERS = ("deletionVectors", "v2Checkpoint")
_COLUMNS: list[dict[str, Any]] = [
    {"name": name, "type": "long", "nullable": True, "metadata": {}} for name in ("id", "p", "x")
]


@dataclass(frozen=True, slots=True)
class LiveFile:
    """A live file: its `add`, the positions of deleted rows, and the rows that are left."""

    add: dict[str, Any]
    deleted: BitMap64
    rows: list[Row]

    @property
    def path(self) -> str:
        return str(self.add["path"])

    @property
    def partition(self) -> int:
        return int(self.add["partitionValues"]["p"])

    def removed(self, *, moved: bool = False) -> Line:
        """The `remove` of the file; `moved`: its rows go into other files."""
        values = {"partitionValues": self.add["partitionValues"]}
        return remove(self.path, dv=self.add.get("deletionVector"), dataChange=not moved, **values)


@dataclass(frozen=True, slots=True)
class _Table:
    """A table that a change is about to be made of."""

    branch: str
    path: str
    log: CheckedLog
    live: list[LiveFile]
    random: Random

    def file(self) -> LiveFile | None:
        held = [file for file in self.live if file.rows]
        return self.random.choice(held) if held else None

    def partition(self) -> int:
        return self.random.choice(PARTITIONS)

    def value(self) -> int:
        return self.random.randrange(10**6)


_Made = tuple[Line, list[Line]]
"""A commitInfo, and the actions after it."""


class DeltaBranches:
    """Writes and reads the tables of a repository. Changes are left uncommitted."""

    def __init__(self, repo: Repository) -> None:
        self._repo = repo
        self._files: dict[str, list[Row]] = {}
        self._next_id = 0

    def create(self, branch: str, path: str) -> None:
        """Begins a table of two files."""
        made = metadata(
            {"delta.enableDeletionVectors": "true"},
            partitionColumns=["p"],
            schemaString=json.dumps({"type": "struct", "fields": _COLUMNS}),
        )
        files = [self._add([self._new_row(p)], p) for p in PARTITIONS]
        writers = (*_READERS, "appendOnly", "invariants")
        self._write(branch, path, 0, _info("CREATE TABLE"), [protocol(3, 7, writers, _READERS), made, *files])

    def change(self, branch: str, path: str, random: Random) -> str:
        """Makes a random change of a table, and returns what it was; "nothing" where none could be made."""
        log = self._log(branch, path)
        table = _Table(branch, path, log, self._live(log), random)
        change = random.choice(self._CHANGES)
        made = change(self, table)
        if made is not None:
            self._write(branch, path, log.version + 1, *made)
        return change.__name__.strip("_")

    # -- reading ------------------------------------------------------------------------------------------------------

    def rows(self, ref: str, tables: Iterable[str]) -> Rows:
        """The rows of tables. Raises AssertionError where a log is not valid, a live file is not there, a row stands
        twice, or the library tells of other live files."""
        found: Rows = {}
        for path in tables:
            log = self._log(ref, path)
            there = {entry.path: entry.size for entry in self._entries(ref, f"{path}/")}
            for file in self._live(log):
                assert there.get(f"{path}/{file.path}") == file.add["size"], f"{path}/{file.path} is not at {ref}"
                for row, value in file.rows:
                    assert (path, row) not in found, f"the row {row} of {path} stands twice at {ref}"
                    found[path, row] = value
            told = self._repo.table_files(ref, path)
            assert not told.has_more
            assert {file.path for file in told.items} == log.paths, f"other files of {path} are told at {ref}"
        return found

    def state(self, ref: str, path: str) -> tuple[object, ...]:
        """All that a table is, whatever led there."""
        log = self._log(ref, path)
        return log.live.keys(), log.protocol, log.metadata, log.txns

    def _log(self, ref: str, path: str) -> CheckedLog:
        """The log from its newest checkpoint on, as clients read it."""
        folder = log_folder(path)
        names = [entry.path.removeprefix(folder) for entry in self._entries(ref, folder)]
        newest = max((name for name in names if ".checkpoint." in name), default="")
        version = int(newest[:20]) if newest else -1
        commits = {int(name[:20]): name for name in names if len(name) == 25}

        def read(name: str) -> bytes:
            return self._repo.open(ref, folder + name).read()

        above = {number: read(name) for number, name in commits.items() if number > version}
        return check_commits(above, read(newest) if newest else b"")

    def _live(self, log: CheckedLog) -> list[LiveFile]:
        found: list[LiveFile] = []
        for _, body in sorted(log.live.items(), key=lambda item: item[0][0]):
            deleted = _positions(body.get("deletionVector"))
            rows = [row for at, row in enumerate(self._files[body["path"]]) if at not in deleted]
            found.append(LiveFile(body, deleted, rows))
        return found

    def _entries(self, ref: str, prefix: str) -> list[Entry]:
        page = self._repo.list(ref, ListRequest(prefix, "", 1000))
        assert not page.has_more
        return [item for item in page.items if isinstance(item, Entry)]

    # -- changes ------------------------------------------------------------------------------------------------------

    def _append(self, table: _Table) -> _Made | None:
        p = table.partition()
        rows = [self._new_row(table.value()) for _ in range(table.random.randint(1, 3))]
        return _info("WRITE", mode="Append"), [self._add(rows, p)]

    def _append_of_an_application(self, table: _Table) -> _Made | None:
        app = table.random.choice("xy")
        info, lines = _info("WRITE", mode="Append"), [self._add([self._new_row(table.value())], table.partition())]
        return info, [*lines, {"txn": {"appId": app, "version": table.log.txns.get(app, 0) + 1}}]

    def _delete(self, table: _Table) -> _Made | None:
        """A file is written anew without a row."""
        file = table.file()
        if file is None:
            return None
        row = table.random.choice(file.rows)
        kept = [other for other in file.rows if other != row]
        lines = [file.removed(), *([self._add(kept, file.partition)] if kept else [])]
        return _info("DELETE", predicate=f"p = {file.partition} AND id = {row[0]}"), lines

    def _update(self, table: _Table) -> _Made | None:
        """A file is written anew with another value of a row."""
        file = table.file()
        if file is None:
            return None
        row = table.random.choice(file.rows)
        rows = [(row[0], table.value()) if other == row else other for other in file.rows]
        lines = [file.removed(), self._add(rows, file.partition)]
        return _info("UPDATE", predicate=f"p = {file.partition} AND id = {row[0]}"), lines

    def _delete_by_vector(self, table: _Table) -> _Made | None:
        file = table.file()
        return self._by_vector(table, file, "DELETE") if file is not None else None

    def _update_by_vector(self, table: _Table) -> _Made | None:
        file = table.file()
        return self._by_vector(table, file, "UPDATE") if file is not None else None

    def _by_vector(self, table: _Table, file: LiveFile, operation: str) -> _Made:
        row = table.random.choice(file.rows)
        lines = [file.removed()]
        if len(file.rows) > 1:
            deleted = file.deleted | BitMap64([self._files[file.path].index(row)])
            lines.append({"add": {**file.add, "dataChange": True, "deletionVector": _vector(deleted)}})
        if operation == "UPDATE":
            lines.append(self._add([(row[0], table.value())], file.partition))
        return _info(operation, predicate=f'["(id = {row[0]})"]'), lines

    def _compact(self, table: _Table) -> _Made | None:
        lines: list[Line] = []
        for p in table.random.choice((PARTITIONS, (0,), (1,))):
            files = [file for file in table.live if file.partition == p]
            if len(files) > 1:
                rows = [row for file in files for row in file.rows]
                lines += [*(file.removed(moved=True) for file in files), self._add(rows, p, moved=True)]
        return (_info("OPTIMIZE"), lines) if lines else None

    def _overwrite(self, table: _Table) -> _Made | None:
        new = self._add([self._new_row(table.value())], table.partition())
        return _info("WRITE", mode="Overwrite"), [*(file.removed() for file in table.live), new]

    def _replace(self, table: _Table) -> _Made | None:
        """Overwrites a partition."""
        p = table.partition()
        gone = [file.removed() for file in table.live if file.partition == p]
        new = self._add([self._new_row(table.value())], p)
        return _info("WRITE", mode="Overwrite", predicate=f"p = {p}"), [*gone, new]

    def _set_property(self, table: _Table) -> _Made | None:
        name = table.random.choice(("delta.logRetentionDuration", "mine", "yours"))
        configuration = {**table.log.metadata["configuration"], name: str(table.random.randint(1, 5))}
        return _info("SET TBLPROPERTIES"), [{"metaData": {**table.log.metadata, "configuration": configuration}}]

    def _vacuum(self, table: _Table) -> _Made | None:
        """The files that are not live go."""
        kept = {f"{table.path}/{file.path}" for file in table.live}
        found = [entry.path for entry in self._entries(table.branch, f"{table.path}/p=")]
        self._repo.delete_many(table.branch, [path for path in found if path not in kept])
        return None

    def _clean_up(self, table: _Table) -> _Made | None:
        """A checkpoint comes, and all log commits go."""
        log = table.log
        lines: list[Line] = [
            {"checkpointMetadata": {"version": log.version}},
            {"protocol": log.protocol},
            {"metaData": log.metadata},
            *({"txn": {"appId": app, "version": version}} for app, version in log.txns.items()),
            *({"add": {**file.add, "dataChange": False}} for file in table.live),
        ]
        name = f"{log.version:020d}.checkpoint.{uuid.UUID(int=table.random.getrandbits(128))}.json"
        self._repo.put(table.branch, log_folder(table.path) + name, log_body(*lines))
        gone = [commit_path(table.path, version) for version in range(log.version + 1)]
        self._repo.delete_many(table.branch, gone)
        return None

    def _new_row(self, value: int) -> Row:
        self._next_id += 1
        return self._next_id, value

    def _add(self, rows: Sequence[Row], p: int, *, moved: bool = False) -> Line:
        path = f"p={p}/f{len(self._files)}"
        self._files[path] = list(rows)
        return add(path, rows=len(rows), partitionValues={"p": str(p)}, dataChange=not moved)

    def _write(self, branch: str, path: str, version: int, info: Line, lines: Sequence[Line]) -> None:
        for line in lines:
            if "add" in line and "deletionVector" not in line["add"]:
                self._repo.put(branch, f"{path}/{line['add']['path']}", _BODY)
        self._repo.put(branch, commit_path(path, version), log_body(info, *lines))

    _CHANGES: ClassVar[tuple[Callable[..., _Made | None], ...]] = (
        *[_append] * 4,
        *[_delete_by_vector] * 2,
        *[_compact] * 2,
        _append_of_an_application,
        _delete,
        _update,
        _update_by_vector,
        _overwrite,
        _replace,
        _set_property,
        _vacuum,
        _clean_up,
    )


def _info(operation: str, **parameters: str) -> Line:
    return {"commitInfo": {"operation": operation, "operationParameters": parameters}}


def _vector(deleted: BitMap64) -> dict[str, Any]:
    """The descriptor of an inline deletion vector (Delta protocol, Deletion Vector Format)."""
    data = struct.pack("<i", _MAGIC) + deleted.serialize()
    text = b85encode(data + bytes(-len(data) % 4)).decode().translate(_B85_TO_Z85)
    return {"storageType": "i", "pathOrInlineDv": text, "sizeInBytes": len(data), "cardinality": len(deleted)}


def _positions(vector: dict[str, Any] | None) -> BitMap64:
    """The positions of the rows that an inline deletion vector deletes."""
    if not vector:
        return BitMap64()
    assert vector["storageType"] == "i", vector
    data = b85decode(vector["pathOrInlineDv"].translate(_Z85_TO_B85))[: vector["sizeInBytes"]]
    assert struct.unpack_from("<i", data) == (_MAGIC,), vector
    found = BitMap64.deserialize(data[4:])
    assert len(found) == vector["cardinality"], vector
    return found

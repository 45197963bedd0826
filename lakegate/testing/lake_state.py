"""The whole state of a lake, to be compared before and after what must not change it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lakegate.lake import EmbeddedLake
from lakegate.model import MAX_PAGE, Entry, ListRequest
from lakegate.repository import EmbeddedRepository

_EVERYTHING = ListRequest(amount=MAX_PAGE)


@dataclass(frozen=True, slots=True)
class RefState:
    """A branch or tag: where it points, what is seen there, and what of that is uncommitted."""

    commit: str
    entries: tuple[Entry, ...]
    uncommitted: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LakeState:
    """Every ref of every repository, and every file in the storage namespaces by its hash."""

    refs: dict[str, RefState]
    files: dict[str, str]


def lake_state(home: Path, *places: Path) -> LakeState:
    """Reads the lake in a folder, beside a server that may have it open; a lake of fewer than 1,000 names and objects.

    `places` are folders of storage namespaces outside `home`/data. What is unfinished (temporary files, uploads) counts
    as a change, as it does for a user's disk.
    """
    refs: dict[str, RefState] = {}
    with EmbeddedLake.open(home) as lake:
        for info in lake.repositories(amount=MAX_PAGE).items:
            refs |= _refs(lake.repository(info.name))
    folders = [home / "data", *places]
    files = [file for folder in folders for file in sorted(folder.rglob("*")) if file.is_file()]
    return LakeState(refs, dict(_hashes(files)))


def changes(before: LakeState, after: LakeState) -> list[str]:
    """Tells in words which refs and files differ."""
    told = [
        f"ref {name}: {before.refs.get(name)} -> {after.refs.get(name)}"
        for name in sorted(before.refs.keys() | after.refs.keys())
        if before.refs.get(name) != after.refs.get(name)
    ]
    for file in sorted(before.files.keys() | after.files.keys()):
        if before.files.get(file) != after.files.get(file):
            told.append(f"file {file}: {before.files.get(file)} -> {after.files.get(file)}")
    return told


def _hashes(files: list[Path]) -> Iterator[tuple[str, str]]:
    for file in files:
        with suppress(FileNotFoundError):  # a server has just removed what it had begun to write
            yield str(file), hashlib.sha256(file.read_bytes()).hexdigest()


def _refs(repository: EmbeddedRepository) -> dict[str, RefState]:
    found: dict[str, RefState] = {}
    for branch in repository.branches(amount=MAX_PAGE).items:
        entries = [item for item in repository.list(branch.name, _EVERYTHING).items if isinstance(item, Entry)]
        uncommitted = [change.path for change in repository.uncommitted(branch.name, _EVERYTHING).items]
        name = f"{repository.info.name}/{branch.name}"
        found[name] = RefState(branch.commit, tuple(entries), tuple(uncommitted))
    for tag in repository.tags(amount=MAX_PAGE).items:
        found[f"{repository.info.name}/tags/{tag.name}"] = RefState(tag.commit, (), ())
    return found

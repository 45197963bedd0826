"""Walks a local folder in the order of the whole keys' UTF-8 bytes."""

from __future__ import annotations

import os
from collections.abc import Iterator

from lakegate.errors import ErrorKind, InvalidInput
from lakegate.objectstore.keys import TEMPORARY_PREFIX

_TEMPORARY = TEMPORARY_PREFIX.encode()


def walk(root: str, prefix: str, start_after: str) -> Iterator[tuple[str, os.stat_result]]:
    """Yields (key, status) of every file below `root` whose key starts with `prefix` and is greater than `start_after`.

    A folder sorts as its name with '/': so `a-b` comes before `a/b`, and `a.b` too. Memory: the names of one folder a
    level. Files and folders that go away meanwhile are left out. Raises OSError, and InvalidInput for a symbolic link
    that leads out of the root or to a folder: to follow it could leave the root or never end, to skip it would lose
    data without a word.
    """
    top = prefix.rpartition("/")[0]
    start = os.fsencode(root) + (b"/" + _bytes(top) if top else b"")
    base = _bytes(top) + b"/" if top else b""
    yield from _folder(_Walk(os.fsencode(root), _bytes(prefix), _bytes(start_after)), start, base)


class _Walk:
    """What stays the same during one walk."""

    __slots__ = ("after", "prefix", "real_root", "root")

    def __init__(self, root: bytes, prefix: bytes, after: bytes) -> None:
        self.root = root
        self.real_root = os.path.realpath(root)
        self.prefix = prefix
        self.after = after


def _folder(walk_: _Walk, folder: bytes, base: bytes) -> Iterator[tuple[str, os.stat_result]]:
    try:
        with os.scandir(folder) as found:
            names = sorted(_wanted(walk_, base, found), key=lambda item: item[0])
    except (FileNotFoundError, NotADirectoryError):
        return
    for key, entry in names:
        if key.endswith(b"/"):
            yield from _folder(walk_, entry.path, key)
            continue
        try:
            status = _status(walk_, entry)
        except FileNotFoundError:
            continue
        yield key.decode("utf-8", "surrogateescape"), status


def _wanted(
    walk_: _Walk, base: bytes, found: Iterator[os.DirEntry[bytes]]
) -> Iterator[tuple[bytes, os.DirEntry[bytes]]]:
    prefix, after = walk_.prefix, walk_.after
    for entry in found:
        name = entry.name
        if name.startswith(_TEMPORARY):
            continue
        key = base + name
        if entry.is_dir(follow_symlinks=False):
            key += b"/"
            inside = key.startswith(prefix) or prefix.startswith(key)
            if inside and (key > after or after.startswith(key)):
                yield key, entry
        elif key > after and key.startswith(prefix) and (entry.is_file(follow_symlinks=False) or entry.is_symlink()):
            yield key, entry


def _status(walk_: _Walk, entry: os.DirEntry[bytes]) -> os.stat_result:
    if not entry.is_symlink():
        return entry.stat(follow_symlinks=False)
    target = os.path.realpath(entry.path)
    inside = target.startswith(walk_.real_root.rstrip(b"/") + b"/")
    if not inside or not os.path.isfile(target):  # noqa: PTH113 - bytes paths, which pathlib has not
        raise InvalidInput(
            ErrorKind.INVALID_PATH,
            f"{os.fsdecode(entry.path)!r} is a symbolic link that leads out of {os.fsdecode(walk_.root)!r}, "
            "to a folder, or nowhere.",
            hint="Name the folder that it leads to instead, or remove the link.",
        )
    return entry.stat()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")

"""`lakegate doctor`."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import typer

from lakegate.errors import LakegateError
from lakegate.interface import Lake
from lakegate.model import MAX_PAGE, ListRequest, RepositoryInfo
from lakegate.version import VERSION
from lakegate_cli.output import many, pages, show_json, show_table, size_of
from lakegate_cli.session import Session, session

app = typer.Typer(rich_markup_mode=None)

_LOW_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `ok` None: worth knowing, and no fault."""

    what: str
    ok: bool | None
    said: str


@app.command("doctor", help="Check the lake: settings, database, disk, and the storage of every repository.")
def doctor(context: typer.Context) -> None:
    current = session(context)
    findings = list(_findings(current))
    if current.json:
        show_json([{"check": item.what, "ok": item.ok, "message": item.said} for item in findings])
    else:
        word = {True: "ok", False: "FAULT", None: "note"}
        show_table(("result", "check", "found"), [(word[item.ok], item.what, item.said) for item in findings])
    if any(item.ok is False for item in findings):
        raise typer.Exit(1)


def _findings(current: Session) -> Iterator[Finding]:
    yield Finding("versions", True, f"lakegate {VERSION} on Python {platform.python_version()}")
    if not current.is_remote():
        yield from _folder(current.folder())
    try:
        lake = current.open()
        if current.is_remote():
            yield _version(lake)
        repositories = pages(lambda at: lake.repositories(after=at, amount=MAX_PAGE), 1_000_000).items
    except LakegateError as error:
        yield Finding("lake", False, str(error))
        return
    yield Finding("lake", True, f"{lake.url}: {many(len(repositories), 'repository', 'repositories')}")
    for info in repositories:
        yield _repository(lake, info)


def _version(lake: Lake) -> Finding:
    served = lake.version()
    if served == VERSION:
        return Finding("server", True, f"the lake is served by lakegate {served}")
    return Finding("server", None, f"the lake is served by lakegate {served}, this is {VERSION}")


def _folder(home: Path) -> Iterator[Finding]:
    if not home.is_dir():
        yield Finding("folder", False, f"there is no folder {home.absolute()}: create a lake with `lakegate init`")
        return
    writable = os.access(home, os.W_OK | os.X_OK)
    yield Finding("folder", writable, f"{home.absolute()} {'can' if writable else 'can NOT'} be written")
    free = shutil.disk_usage(home).free
    yield Finding("disk", True if free >= _LOW_BYTES else None, f"{size_of(free)} free")
    others = home.stat().st_mode & 0o077
    if others:
        yield Finding("permissions", None, f"others may look into the folder: chmod 700 {home}")


def _repository(lake: Lake, info: RepositoryInfo) -> Finding:
    """Reads the newest commit's tree, and the first object's first byte: database, store and format all answer."""
    what = f"repository {info.name}"
    try:
        repository = lake.repository(info.name)
        manifest = repository.manifest(info.default_branch)
        first = repository.list(info.default_branch, ListRequest(amount=1)).items
        for item in first:
            repository.open(info.default_branch, item.path).read(0, 1)
    except LakegateError as error:
        return Finding(what, False, str(error))
    held = f"{many(manifest.objects, 'object')}, {many(manifest.tables, 'table')}"
    return Finding(what, True, f"{held} in {info.storage_namespace}")

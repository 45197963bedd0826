"""`lakegate ls`, `cat`, `put`, `get`, `cp` and `rm`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from lakegate.errors import ErrorKind, InvalidInput
from lakegate.model import (
    CommitRequest,
    CommonPrefix,
    ExportRequest,
    ImportKind,
    ImportRequest,
    ImportSource,
    ListRequest,
    PutRequest,
)
from lakegate_cli.output import counted, say, show_json, show_table, time_of
from lakegate_cli.session import session

_Object = Annotated[str, typer.Argument(help="REPOSITORY/REF/PATH")]


def register(root: typer.Typer) -> None:
    """Adds the commands that stand at the root."""
    root.command("ls", help="List objects.")(ls)
    root.command("cat", help="Write an object's bytes to standard output.")(cat)
    root.command("put", help="Write a file to a branch (uncommitted).")(put)
    root.command("get", help="Write an object to a file.")(get)
    root.command("cp", help="Copy an object onto a branch; no bytes are copied.")(cp)
    root.command("import", help="Import existing files into a branch without copying them, and commit.")(import_)
    root.command("export", help="Write a ref's objects as plain files, for any client.")(export)
    root.command("rm", help="Delete an object on a branch (uncommitted).")(rm)


def ls(
    context: typer.Context,
    where: _Object,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Folders' content too.")] = False,
    after: str = "",
    amount: int = 1000,
) -> None:
    repository, ref, prefix = session(context).path(where)
    request = ListRequest(prefix, after, amount, "" if recursive else "/")
    page = repository.list(ref, request)
    if session(context).json:
        show_json(page)
        return
    rows = [
        ("", "", item.path) if isinstance(item, CommonPrefix) else (item.size, time_of(item.mtime), item.path)
        for item in page.items
    ]
    show_table(("bytes", "written", "path"), rows)
    if page.has_more:
        typer.echo(f"There is more: go on with --after {page.next_after}", err=True)


def cat(context: typer.Context, what: _Object) -> None:
    repository, ref, path = session(context).path(what)
    for chunk in repository.open(ref, path).chunks():
        sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()


def put(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The file; - is standard input.", allow_dash=True)],
    to: _Object,
    new: Annotated[bool, typer.Option(help="Refuse where there is an object already.")] = False,
) -> None:
    repository, branch, path = session(context).path(to)
    request = PutRequest(if_none_match=new)
    if str(file) == "-":
        entry = repository.put(branch, path, sys.stdin.buffer, request)
    elif not file.is_file():
        raise InvalidInput(ErrorKind.INVALID_ARGUMENT, f"There is no file {file}.", hint="Name a file that is there.")
    else:
        with file.open("rb") as body:
            entry = repository.put(branch, path, body, request)
    if session(context).json:
        show_json(entry)
    else:
        say(f"Wrote {entry.size} bytes to {branch}/{path} (uncommitted).")


def get(context: typer.Context, what: _Object, file: Path) -> None:
    repository, ref, path = session(context).path(what)
    reader = repository.open(ref, path)
    target = file / path.rpartition("/")[2] if file.is_dir() else file
    part = target.with_name(target.name + ".part")
    try:
        with part.open("wb") as out:
            for chunk in reader.chunks():
                out.write(chunk)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    say(f"Wrote {reader.entry.size} bytes to {target}.")


def cp(context: typer.Context, source: _Object, to: _Object) -> None:
    repository, ref, path = session(context).path(source)
    other, branch, destination = session(context).path(to)
    if other.info.id != repository.info.id:
        raise InvalidInput(
            ErrorKind.INVALID_ARGUMENT,
            "An object can be copied inside one repository only.",
            hint="Use `lakegate get` and `lakegate put` between repositories.",
        )
    repository.copy(branch, destination, ref, path)
    say(f"Copied to {branch}/{destination} (uncommitted).")


def import_(
    context: typer.Context,
    source: Annotated[str, typer.Argument(help="A folder or file, s3://BUCKET/PREFIX, ...")],
    to: _Object,
    message: Annotated[str, typer.Option("--message", "-m", help="What comes in, and why.")],
    one: Annotated[bool, typer.Option("--object", help="The source is one object, not a prefix.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list and check.")] = False,
) -> None:
    repository, branch, path = session(context).path(to)
    kind = ImportKind.OBJECT if one else ImportKind.PREFIX
    request = ImportRequest((ImportSource(kind, source, path),), CommitRequest(message), dry_run)
    with counted("importing") as progress:
        job = repository.import_(branch, request, progress)
    if session(context).json:
        show_json(job)
    else:
        say(f"{'Would import' if dry_run else 'Imported'} {job.result['objects']} objects into {branch}/{path}.")


def export(
    context: typer.Context,
    what: _Object,
    to: Annotated[str, typer.Argument(help="A folder, s3://BUCKET/PREFIX, ...")],
    overwrite: Annotated[bool, typer.Option(help="Also where other files stand.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be written.")] = False,
) -> None:
    repository, ref, prefix = session(context).path(what)
    with counted("exporting") as progress:
        job = repository.export(ExportRequest(ref, to, prefix, overwrite, dry_run), progress)
    if session(context).json:
        show_json(job)
    else:
        said = ", ".join(f"{name} {value}" for name, value in job.result.items())
        say(f"{'Would export' if dry_run else 'Exported'} {ref} to {to}: {said}.")


def rm(context: typer.Context, what: _Object) -> None:
    repository, branch, path = session(context).path(what)
    repository.delete(branch, path)
    say(f"Deleted {branch}/{path} (uncommitted).")

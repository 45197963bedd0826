"""`lakegate ls`, `cat`, `put`, `get`, `cp` and `rm`."""

from __future__ import annotations

import mimetypes
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from lakegate.client.wire.nouns import page_to_json
from lakegate.client.wire.objects import entry_to_json, listed_to_json
from lakegate.errors import Corrupt, ErrorKind, InvalidInput, LakegateError, NotFound
from lakegate.ids import object_path
from lakegate.interface import ObjectReader
from lakegate.model import MAX_PAGE, CommonPrefix, ListRequest, PutRequest
from lakegate.objectstore.streaming import verified
from lakegate_cli.arguments import After, Amount, Meta, ObjectPath, pairs
from lakegate_cli.files import write_file
from lakegate_cli.output import many, more_of, pages, say, show_json, show_table, time_of
from lakegate_cli.progress import counted
from lakegate_cli.session import session

app = typer.Typer(rich_markup_mode=None)


@app.command("ls", help="List objects and folders.")
def ls(
    context: typer.Context,
    where: ObjectPath,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="The objects below folders too")] = False,
    after: After = "",
    amount: Amount = 1000,
) -> None:
    repository, ref, prefix = session(context).path(where)
    delimiter = "" if recursive else "/"
    page = pages(
        lambda at: repository.list(ref, ListRequest(prefix, at, min(amount, MAX_PAGE), delimiter)), amount, after
    )
    if prefix and not page.items and not after:
        raise _nothing_at(ref, prefix)
    if session(context).json:
        namespace = repository.info.storage_namespace
        show_json(page_to_json(page, lambda item: listed_to_json(item, namespace)))
        return
    rows = [
        ("", "", item.path) if isinstance(item, CommonPrefix) else (item.size, time_of(item.mtime), item.path)
        for item in page.items
    ]
    show_table(("bytes", "written (UTC)", "path"), rows)
    more_of(page)


@app.command("cat", help="Write an object's bytes to standard output; with --json, what is known of it.")
def cat(context: typer.Context, what: ObjectPath) -> None:
    repository, ref, path = session(context).path(what)
    if session(context).json:
        show_json(entry_to_json(repository.stat(ref, path), repository.info.storage_namespace))
        return
    sys.stdout.flush()
    for piece in _whole(repository.open(ref, path), "What was printed of them is not to be used."):
        sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


@app.command("put", help="Write a file to a branch (uncommitted).")
def put(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The file; - is standard input", allow_dash=True)],
    to: ObjectPath,
    new: Annotated[bool, typer.Option("--new", help="Refuse where there is an object already")] = False,
    content_type: Annotated[str | None, typer.Option("--content-type", help="[default: by the file's name]")] = None,
    meta: Meta = None,
) -> None:
    repository, branch, path = session(context).path(to)
    if (not path or path.endswith("/")) and str(file) != "-":
        path += file.name
    kind = content_type or mimetypes.guess_type(path)[0] or "application/octet-stream"
    request = PutRequest(kind, pairs(meta), if_none_match=new)
    if str(file) == "-":
        entry = repository.put(branch, path, sys.stdin.buffer, request)
    elif not file.is_file():
        raise InvalidInput(ErrorKind.INVALID_ARGUMENT, f"There is no file {file}.", hint="Name a file that is there.")
    else:
        with file.open("rb") as body:
            entry = repository.put(branch, path, body, request)
    if session(context).json:
        show_json(entry_to_json(entry, repository.info.storage_namespace))
    else:
        say(f"Wrote {many(entry.size, 'byte')} to {branch}/{path} (uncommitted).")


@app.command("get", help="Write an object to a file, or below a folder.")
def get(
    context: typer.Context,
    what: ObjectPath,
    file: Annotated[Path, typer.Argument(help="The file or folder")] = Path(),
) -> None:
    repository, ref, path = session(context).path(what)
    reader = repository.open(ref, path)
    target = file / path.rpartition("/")[2] if file.is_dir() else file
    write_file(target, _whole(reader, f"{target} was not written."))
    if session(context).json:
        show_json(entry_to_json(reader.entry, repository.info.storage_namespace))
    else:
        say(f"Wrote {many(reader.entry.size, 'byte')} to {target}.")


@app.command("cp", help="Copy an object onto a branch; no bytes are copied.")
def cp(context: typer.Context, source: ObjectPath, to: ObjectPath) -> None:
    repository, ref, path = session(context).path(source)
    other, branch, destination = session(context).path(to)
    if other.info.id != repository.info.id:
        raise InvalidInput(
            ErrorKind.INVALID_ARGUMENT,
            "An object can be copied inside one repository only.",
            hint="Use `lakegate get` and `lakegate put` between repositories.",
        )
    if not destination or destination.endswith("/"):
        destination += path.rpartition("/")[2]
    entry = repository.copy(branch, destination, ref, path)
    if session(context).json:
        show_json(entry_to_json(entry, repository.info.storage_namespace))
    else:
        say(f"Copied to {branch}/{destination} (uncommitted).")


@app.command("rm", help="Delete an object on a branch (uncommitted); with -r all objects below a folder.")
def rm(
    context: typer.Context,
    what: ObjectPath,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="All objects below this folder")] = False,
) -> None:
    repository, branch, path = session(context).path(what)
    count = 1
    if recursive:
        count = 0
        path = f"{path.rstrip('/')}/" if path else path
        reset = f"lakegate branch reset {repository.info.name}/{branch}{f' --path {path}' if path else ''}"
        hint = f"That is not committed: `{reset}` throws away what is uncommitted there; the same command goes on."
        with counted("the deletion", hint) as progress:
            while items := repository.list(branch, ListRequest(path, amount=MAX_PAGE)).items:
                progress(count, None)
                failures = repository.delete_many(branch, [item.path for item in items])
                if failures:
                    raise LakegateError(ErrorKind(failures[0].code), failures[0].message)
                count += len(items)
        if not count:
            raise _nothing_at(branch, path)
    else:
        repository.delete(branch, path)
    if session(context).json:
        show_json({"objects": count})
    elif recursive:
        say(f"Deleted {many(count, 'object')} below {branch}/{path.rstrip('/')} (uncommitted).")
    else:
        say(f"Deleted {branch}/{path} (uncommitted).")


def _whole(reader: ObjectReader, otherwise: str) -> Iterator[bytes]:
    """Yields an object's bytes. Raises Corrupt at their end where they are damaged: what came before is in doubt."""
    try:
        yield from verified(reader.entry, reader.chunks())
    except Corrupt as error:
        raise Corrupt(f"{error.message} {otherwise}", hint=error.hint, details=error.details) from error


def _nothing_at(ref: str, prefix: str) -> NotFound:
    if prefix:
        object_path(prefix)  # raises where nothing can lie there
    return NotFound(
        ErrorKind.OBJECT_NOT_FOUND,
        f"There is nothing below {prefix!r} on {ref!r}." if prefix else f"There is nothing on {ref!r}.",
        hint="`lakegate ls` lists what is there.",
    )

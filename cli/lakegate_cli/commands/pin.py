"""`lakegate pin`, `verify` and `pull`."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from lakegate.client.wire.outcomes import verify_to_json
from lakegate.client.wire.work import job_to_json, pin_to_json
from lakegate.errors import InvalidInput, NotFound
from lakegate.interface import Repository
from lakegate.model import ExportRequest, VerifyOutcome
from lakegate.pinning import PinCheck, PinState, check, find, read, release, require_usable, take, upgrade, write
from lakegate.pins import PIN_FILE, Pin, PinFile
from lakegate_cli import complete
from lakegate_cli.arguments import pairs
from lakegate_cli.output import many, number, say, short, show_json, show_table, warn
from lakegate_cli.progress import RESUMED, counted
from lakegate_cli.session import Session, session

app = typer.Typer(rich_markup_mode=None)


class RefMoved(StrEnum):
    """What it means for `--check` that a pin's ref names another commit by now."""

    IGNORE = "ignore"
    WARN = "warn"
    ERROR = "error"


def _names(ctx: typer.Context, incomplete: str) -> list[str]:
    """Completes the name of a pin."""
    try:
        return [pin.name for pin in read(find(Path.cwd())).pins if pin.name.startswith(incomplete)]
    except (NotFound, InvalidInput):
        return []


_File = Annotated[Path | None, typer.Option("--file", help=f"The pin file [default: the nearest {PIN_FILE}]")]
_Name = Annotated[str | None, typer.Argument(help="The pin; all where left out", autocompletion=_names)]
_To = Annotated[Path | None, typer.Option("--to", help="The folder [default: the pin's name]")]


@app.command("pin", help="Pin a ref in lakegate.lock, check the pins that are there, or take one to a newer commit.")
def pin(
    context: typer.Context,
    ref: Annotated[str | None, typer.Argument(help="REPOSITORY/REF to pin", autocompletion=complete.refs)] = None,
    name: Annotated[str | None, typer.Option("--name", help="The pin's name [default: the repository's]")] = None,
    table: Annotated[list[str] | None, typer.Option("--table", help="Only this table; may be repeated")] = None,
    provenance: Annotated[
        list[str] | None, typer.Option("--provenance", help="KEY=VALUE to remember with it; may be repeated")
    ] = None,
    check_all: Annotated[
        bool, typer.Option("--check", help="Check the pins; status 1 where a commit is gone, or not as the pin says")
    ] = False,
    ref_moved: Annotated[
        RefMoved, typer.Option("--ref-moved", help="With --check: what a ref that moved on is")
    ] = RefMoved.IGNORE,
    upgraded: Annotated[
        str | None, typer.Option("--upgrade", help="Pin what this pin's ref names now", autocompletion=_names)
    ] = None,
    file: _File = None,
) -> None:
    if sum((ref is not None, check_all, upgraded is not None)) != 1:
        raise typer.BadParameter("Give a REF to pin, or --check, or --upgrade NAME.")
    current = session(context)
    if check_all:
        _check(current, read(_lock(file)), ref_moved)
    elif upgraded is not None:
        target = _lock(file)
        pins = read(target)
        before = pins.get(upgraded)
        repository = current.repo(before.document.repository)
        made = upgrade(repository, before)
        _store(current, target, pins, made)
        release(repository, before, made)
    else:
        repository, resolved = current.ref(ref or "")
        target = file or _nearest() or Path(PIN_FILE)
        pins = read(target) if target.exists() else PinFile()
        made = take(
            repository, name or repository.info.name, resolved, tuple(table or ()), pairs(provenance, "--provenance")
        )
        _store(current, target, pins, made)


@app.command("verify", help="Re-hash what is pinned, or a commit: trees and sizes; with --deep all data.")
def verify(
    context: typer.Context,
    what: Annotated[
        str | None,
        typer.Argument(help="A pin's NAME, or REPOSITORY/REF [default: all pins]", autocompletion=_names),
    ] = None,
    deep: Annotated[bool, typer.Option("--deep", help="Read all bytes again")] = False,
    table: Annotated[list[str] | None, typer.Option("--table", help="Of a REF: only this table")] = None,
    file: _File = None,
) -> None:
    current = session(context)
    if what is not None and ("/" in what or not _is_pin(what, file)):
        repository, ref = current.ref(what)
        outcomes = [(what, _verify(repository, ref, deep, tuple(table or ())))]
        body: Any = verify_to_json(outcomes[0][1])
    else:
        pins = read(_lock(file))
        chosen = pins.pins if what is None else (pins.get(what),)
        outcomes = [(each.name, _verify_pin(current, each, deep)) for each in chosen]
        body = {"results": [{"name": name, **verify_to_json(outcome)} for name, outcome in outcomes]}
    if current.json:
        show_json(body)
    else:
        for name, outcome in outcomes:
            _show_outcome(name, outcome)
    if not all(outcome.ok for _, outcome in outcomes):
        raise typer.Exit(1)


@app.command("pull", help="Download what is pinned as plain files.")
def pull(context: typer.Context, name: _Name = None, to: _To = None, file: _File = None) -> None:
    current = session(context)
    pins = read(_lock(file))
    chosen = pins.pins if name is None else (pins.get(name),)
    jobs: list[Any] = []
    for each in chosen:
        folder = (to or Path()) / each.name if name is None or to is None else to
        repository = _repository(current, each)
        for prefix in [f"{path}/" for path in each.only] or [""]:
            request = ExportRequest(each.document.commit, str(folder.absolute()), prefix)
            with counted(f"the download of {each.name}", RESUMED) as progress:
                job = repository.export(request, progress)
            jobs.append(job_to_json(job))
            if not current.json:
                say(f"Wrote {many(int(job.result['objects']), 'object')} of {each.name} to {folder}.")
    if current.json:
        show_json({"results": jobs})


def _store(current: Session, target: Path, pins: PinFile, made: Pin) -> None:
    write(target, pins.with_pin(made))
    if current.json:
        show_json(pin_to_json(made.document))
        return
    document = made.document
    say(f"Pinned {made.name} to {document.repository}/{short(document.commit)} in {target}.")
    rows = [
        (table.path, "-" if table.version is None else table.version, number(table.rows), table.content)
        for table in document.tables
    ]
    show_table(("table", "version", "rows", "digest"), rows)


def _check(current: Session, pins: PinFile, ref_moved: RefMoved) -> None:
    checks = [check(current.open(), each) for each in pins.pins]
    if current.json:
        show_json({"results": [_check_to_json(each) for each in checks]})
    else:
        for each in checks:
            moved = each.state is PinState.MOVED and ref_moved is RefMoved.WARN
            tell = warn if moved or each.unheld else say
            tell(f"{each.state.value}\t{each.message}")
    if any(each.state in (PinState.GONE, PinState.ALTERED) for each in checks):
        raise typer.Exit(1)
    if ref_moved is RefMoved.ERROR and any(each.state is PinState.MOVED for each in checks):
        raise typer.Exit(1)


def _check_to_json(found: PinCheck) -> dict[str, Any]:
    return {
        "name": found.pin.name,
        "state": found.state.value,
        "commit_id": found.pin.document.commit,
        "now": found.now,
        "message": found.message,
        "unheld": found.unheld,
    }


def _verify_pin(current: Session, each: Pin, deep: bool) -> VerifyOutcome:
    return _verify(_repository(current, each), each.document.commit, deep, each.only)


def _verify(repository: Repository, ref: str, deep: bool, tables: Sequence[str]) -> VerifyOutcome:
    with counted("the verification", "Nothing was changed; start it again.") as progress:
        return repository.verify(ref, deep, tables, progress)


def _repository(current: Session, each: Pin) -> Repository:
    """The repository of a pin. Raises as `require_usable`."""
    require_usable(current.open(), each)
    return current.repo(each.document.repository)


def _show_outcome(name: str, outcome: VerifyOutcome) -> None:
    for problem in outcome.problems:
        say(f"{problem.path}: {problem.problem}")
    if outcome.problem_count > len(outcome.problems):
        say(f"... and {number(outcome.problem_count - len(outcome.problems))} more")
    result = "as they should be" if outcome.ok else many(outcome.problem_count, "problem")
    if outcome.ok and outcome.unverifiable:
        result += f", but for the bytes of {number(outcome.unverifiable)}, which can't be verified: only size and ETag"
    say(
        f"{name} at {short(outcome.commit)}: {many(outcome.nodes, 'node')} and {many(outcome.objects, 'object')} "
        f"({number(outcome.objects_hashed)} re-hashed, {number(outcome.unverifiable)} imported without a digest): "
        f"{result}."
    )


def _is_pin(name: str, file: Path | None) -> bool:
    lock = file or _nearest()
    return lock is not None and any(each.name == name for each in read(lock).pins)


def _lock(file: Path | None) -> Path:
    return file or find(Path.cwd())


def _nearest() -> Path | None:
    try:
        return find(Path.cwd())
    except NotFound:
        return None

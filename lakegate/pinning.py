"""Pins as jobs use them: taken, checked, and opened by name."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from lakegate.closing import Closing
from lakegate.connection import connect
from lakegate.errors import ErrorKind, InvalidInput, LakegateError, NotFound, Refused
from lakegate.ids import new_id
from lakegate.interface import Lake, ObjectReader, Repository
from lakegate.model import Commit
from lakegate.pins import PIN_FILE, Pin, PinFile, checked_name, checked_provenance, parse, render

if TYPE_CHECKING:
    import pyarrow.dataset as pads

_DEFAULT_HOME = "lake"
# Some clients sign in an old way in the regions that AWS had first; this is none of them.
_REGION = "lakegate-1"
_GONE = (ErrorKind.REPOSITORY_NOT_FOUND, ErrorKind.COMMIT_NOT_FOUND, ErrorKind.REF_NOT_FOUND)


class PinState(StrEnum):
    """How a pin stands: its commit is there and its ref still names it; the ref has moved; the commit is gone; or the
    pin says of the commit what it does not hold."""

    CURRENT = "current"
    MOVED = "moved"
    GONE = "gone"
    ALTERED = "altered"


@dataclass(frozen=True, slots=True)
class PinCheck:
    """What was found of a pin. `now` is the commit that its ref names today, None where there is no such ref;
    `unheld` says that the hold which the pin took is gone, so that nothing keeps its commit for it."""

    pin: Pin
    state: PinState
    now: str | None
    message: str
    unheld: bool = False


@dataclass(frozen=True, slots=True)
class Pinned(Closing):
    """A pin, opened: all that is read through it is of the pinned commit."""

    pin: Pin
    lake: Lake
    repository: Repository

    @property
    def commit(self) -> str:
        """The id of the pinned commit."""
        return self.pin.document.commit

    def uri(self, path: str = "") -> str:
        """Where S3 clients read the pinned commit, or a path in it, through the gateway."""
        return f"{self.pin.uri}/{path}".rstrip("/")

    def open(self, path: str) -> ObjectReader:
        """Opens an object of the pinned commit."""
        return self.repository.open(self.commit, path)

    def read_table(self, path: str) -> pads.Dataset:
        """Opens a table of the pinned commit; see `lakegate.interface.Repository.read_table`."""
        return self.repository.read_table(self.commit, path)

    def close(self) -> None:
        self.lake.close()


def pinned(
    name: str,
    *,
    default: str | None = None,
    file: Path | None = None,
    url: str | Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Pinned:
    """Opens a pin by its name.

    The pin file is `file`, or the `lakegate.lock` of the current folder or the nearest one above it. The lake is
    `url`, or LAKEGATE_URL, LAKEGATE_HOME, or the folder `lake`. `default` (REPOSITORY/REF) is what is read, as it is
    now, where the file has no such pin; with LAKEGATE_FROZEN=1 that is refused instead.

    Raises NotFound(PIN_NOT_FOUND), Refused(PIN_FROZEN, PIN_GONE), InvalidInput(INVALID_PIN_FILE).
    """
    variables = os.environ if environment is None else environment
    try:
        pin = read(file or find(Path.cwd())).get(name)
    except NotFound as error:
        if default is None:
            raise
        if is_frozen(variables):
            raise Refused(
                ErrorKind.PIN_FROZEN,
                f"{error.message} LAKEGATE_FROZEN forbids to read {default!r} as it is now instead.",
                hint=error.hint,
            ) from error
        pin = None
    lake = connect(
        url or variables.get("LAKEGATE_URL") or variables.get("LAKEGATE_HOME") or _DEFAULT_HOME, environment=variables
    )
    try:
        if pin is None:
            pin = _resolve(lake, name, default or "")
        else:
            require_usable(lake, pin)
        return Pinned(pin, lake, lake.repository(pin.document.repository))
    except BaseException:
        lake.close()
        raise


def take(
    repository: Repository,
    name: str,
    ref: str,
    only: Sequence[str] = (),
    provenance: Mapping[str, str] | None = None,
) -> Pin:
    """Resolves a ref, takes a hold of its commit, and returns the entry for the pin file.

    The hold is this entry's own: one that another pin file's entry of the name shared would go with its release.
    """
    checked_name(name)
    given = checked_provenance(provenance or {})
    document = repository.pin(ref, only, hold=_own_hold(name))
    return Pin(name, document, tuple(sorted(only)), dict(given))


def upgrade(repository: Repository, pin: Pin) -> Pin:
    """Resolves the ref of a pin again and takes a hold of what it names now. The old hold is kept: give it back by
    `release` once the pin file names the new commit."""
    return replace(pin, document=repository.pin(pin.document.ref, pin.only, hold=_own_hold(pin.name)))


def release(repository: Repository, old: Pin, new: Pin) -> None:
    """Gives back the hold of a pin that was replaced by another."""
    if old.document.hold is not None and old.document.hold != new.document.hold:
        with suppress(NotFound):
            repository.release_hold(old.document.hold)


def job_environment(
    url: str, credentials: tuple[str, str] | None, pins: Sequence[Pin], commit: str | None = None
) -> dict[str, str]:
    """The variables that point clients of S3 and of lakegate at a server, and jobs at their pins.

    `commit` goes into LAKEGATE_COMMIT; without it the commit of the pins does, where all have one.
    """
    variables = {"AWS_ENDPOINT_URL_S3": url, "AWS_REGION": _REGION, "LAKEGATE_URL": url, "LAKEGATE_GATEWAY": url}
    if url.startswith("http://"):
        variables["AWS_ALLOW_HTTP"] = "true"
    if credentials is not None:
        key_id, secret = credentials
        variables |= {"AWS_ACCESS_KEY_ID": key_id, "AWS_SECRET_ACCESS_KEY": secret}
        variables |= {"LAKEGATE_ACCESS_KEY_ID": key_id, "LAKEGATE_SECRET_ACCESS_KEY": secret}
    commits = {pin.document.commit for pin in pins}
    if commit is not None or len(commits) == 1:
        variables["LAKEGATE_COMMIT"] = commit or next(iter(commits))
    return variables | {pin.variable: pin.uri for pin in pins}


def check(lake: Lake, pin: Pin) -> PinCheck:
    """Looks whether the pinned commit is there, whether the ref still names it, and whether the pin's hold is there."""
    document = pin.document
    where = f"{document.repository}/{document.commit[:12]}"
    try:
        repository = lake.repository(document.repository)
        found = repository.commit_of(document.commit)
    except NotFound as error:
        if error.kind not in _GONE:
            raise
        return PinCheck(pin, PinState.GONE, None, f"{pin.name}: the commit {where} is gone.")
    wrong = _altered(repository, pin, found)
    if wrong:
        return PinCheck(pin, PinState.ALTERED, None, f"{pin.name}: the commit {where} has {wrong} than the pin says.")
    now = _now(repository, document.ref)
    unheld = document.hold is not None and all(hold.id != document.hold for hold in repository.holds())
    lost = f" Its hold {document.hold} is gone: pin it again." if unheld else ""
    if now == document.commit:
        message = f"{pin.name}: {where} is there, and {document.ref} names it.{lost}"
        return PinCheck(pin, PinState.CURRENT, now, message, unheld)
    moved = f"{document.ref} is gone" if now is None else f"{document.ref} has moved on to {now[:12]}"
    return PinCheck(pin, PinState.MOVED, now, f"{pin.name}: {where} is there; {moved}.{lost}", unheld)


def require_usable(lake: Lake, pin: Pin) -> None:
    """Refuses a pin whose commit is gone, Refused(PIN_GONE), or holds something else than the pin says,
    InvalidInput(INVALID_PIN_FILE)."""
    found = check(lake, pin)
    if found.state is PinState.GONE:
        raise Refused(
            ErrorKind.PIN_GONE,
            f"The pin {pin.name!r} names the commit {pin.document.commit[:12]} of {pin.document.repository!r}, "
            "which this lake does not have.",
            hint="Check that this is the lake of the pin; else pin anew: lakegate pin --upgrade " + pin.name,
        )
    if found.state is PinState.ALTERED:
        raise InvalidInput(
            ErrorKind.INVALID_PIN_FILE,
            found.message,
            hint=f"Put {PIN_FILE} back as it was written; else pin anew: lakegate pin --upgrade {pin.name}",
        )


def _altered(repository: Repository, pin: Pin, commit: Commit) -> str:
    """What a commit has otherwise than a pin of it says: its manifest, or a table; "" where all is as it says."""
    document = pin.document
    if commit.manifest != document.manifest:
        return "another manifest"
    try:
        tables = repository.pin(document.commit, pin.only).tables
    except NotFound as error:
        if error.kind is not ErrorKind.TABLE_NOT_FOUND:
            raise
        return "other tables"
    differing = sorted({table.path for table in set(tables) ^ set(document.tables)})
    return f"another table {differing[0]!r}" if differing else ""


def find(folder: Path) -> Path:
    """The pin file of a folder or of the nearest one above it. Raises NotFound(PIN_NOT_FOUND)."""
    for candidate in (folder, *folder.parents):
        if (candidate / PIN_FILE).is_file():
            return candidate / PIN_FILE
    raise NotFound(
        ErrorKind.PIN_NOT_FOUND,
        f"There is no {PIN_FILE} in {folder} or above it.",
        hint="Take a pin: lakegate pin REPOSITORY/REF --name NAME",
    )


def read(file: Path) -> PinFile:
    """Reads a pin file. Raises NotFound(PIN_NOT_FOUND), InvalidInput(INVALID_PIN_FILE)."""
    try:
        return parse(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise NotFound(
            ErrorKind.PIN_NOT_FOUND, f"There is no pin file {file}.", hint="Take a pin: lakegate pin REPOSITORY/REF"
        ) from error
    except UnicodeDecodeError as error:
        raise InvalidInput(
            ErrorKind.INVALID_PIN_FILE, f"The pin file {file} is not UTF-8.", hint="Take the file back from git."
        ) from error


def write(file: Path, pins: PinFile) -> None:
    """Writes a pin file, whole or not at all."""
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    try:
        part.write_text(render(pins), encoding="utf-8")
        part.replace(file)
    except OSError as error:
        raise InvalidInput(
            ErrorKind.INVALID_PIN_FILE,
            f"The pin file {file} can't be written: {error.strerror}.",
            hint="Name a file in a folder that is there and can be written to.",
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def is_frozen(environment: Mapping[str, str]) -> bool:
    """Tells whether LAKEGATE_FROZEN is set: then a missing pin is an error, never what a ref names now."""
    return environment.get("LAKEGATE_FROZEN", "").strip().lower() not in ("", "0", "false", "no", "off")


def _resolve(lake: Lake, name: str, text: str) -> Pin:
    repository, _, ref = text.removeprefix("lake://").partition("/")
    if not repository or not ref:
        raise InvalidInput(
            ErrorKind.INVALID_ARGUMENT, f"{text!r} is no REPOSITORY/REF.", hint="Write for example sales/main."
        )
    return Pin(checked_name(name), lake.repository(repository).pin(ref))


def _own_hold(name: str) -> str:
    return f"{name} {new_id()}"


def _now(repository: Repository, ref: str) -> str | None:
    try:
        return repository.commit_of(ref).id
    except LakegateError as error:
        if error.kind not in _GONE and error.kind is not ErrorKind.AMBIGUOUS_REF:
            raise
        return None

"""The pin file `lakegate.lock`: TOML in fixed order for git, without secrets. Pure: text in, text out.

    version = 1                      of the file's form; a higher one is refused
    requires = ">=0.1"               the lakegate that reads it

    [[pin]]                          sorted by name
    name = "train"                   what code asks for: `lakegate.pinned("train")`
    server = "default"               an alias, never an address: LAKEGATE_URL or LAKEGATE_HOME says where the lake is
    repo = "sales"
    ref = "main"                     what was asked for
    commit = "64 hex digits"         what it resolved to
    committed_at = "2026-01-31T10:02:11.000Z"
    manifest = "64 hex digits"
    hold = "hold_.."                 keeps the commit from garbage collection
    only = ["orders"]                where the pin was narrowed to some tables

    [[pin.table]]                    sorted by path
    path, format, table_id, version, schema, files, rows, bytes, content

    [pin.provenance]                 the user's own words: where the data is from, what made it
    source = "..."

What is not known (the version of a Parquet dataset, rows without statistics) is left out.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from lakegate.errors import ErrorKind, InvalidInput, NotFound
from lakegate.ids import CommitId, HoldId, ManifestId, RepositoryName
from lakegate.model import PinDocument, PinnedTable, TableFormat

PIN_FILE = "lakegate.lock"
VERSION = 1
REQUIRES = ">=0.1"
_HEAD = "# Written by `lakegate pin`; keep it in git. Change it by `lakegate pin`, never by hand."
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")
_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ID = re.compile(r"[0-9a-f]{64}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Pin:
    """One entry of the pin file. `only`: the tables that it was narrowed to; empty: the whole commit."""

    name: str
    document: PinDocument
    only: tuple[str, ...] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)
    server: str = "default"

    @property
    def variable(self) -> str:
        """The environment variable in which a job finds the pin's S3 URI."""
        return f"LAKEGATE_PIN_{re.sub('[^A-Z0-9]', '_', self.name.upper())}_URI"

    @property
    def uri(self) -> str:
        """Where S3 clients read the pinned commit, through the gateway."""
        return f"s3://{self.document.repository}/{self.document.commit}"


@dataclass(frozen=True, slots=True)
class PinFile:
    """The pins of one pin file, by name."""

    pins: tuple[Pin, ...] = ()
    requires: str = REQUIRES

    def get(self, name: str) -> Pin:
        """Raises NotFound(PIN_NOT_FOUND)."""
        found = next((pin for pin in self.pins if pin.name == name), None)
        if found is None:
            known = ", ".join(pin.name for pin in self.pins) or "none"
            raise NotFound(
                ErrorKind.PIN_NOT_FOUND,
                f"There is no pin {name!r} in the pin file; there: {known}.",
                hint=f"Take one: lakegate pin REPOSITORY/REF --name {name}",
            )
        return found

    def with_pin(self, pin: Pin) -> PinFile:
        """The file with a pin added, or put in the place of the one with its name. Raises InvalidInput."""
        checked_name(pin.name)
        others = [other for other in self.pins if other.name != pin.name]
        twin = next((other.name for other in others if other.variable == pin.variable), None)
        if twin is not None:
            raise InvalidInput(
                ErrorKind.INVALID_NAME,
                f"The pins {twin!r} and {pin.name!r} would share the environment variable {pin.variable}.",
                hint="Choose another name.",
            )
        return PinFile(tuple(sorted([*others, pin], key=lambda each: each.name)), self.requires)


def checked_name(name: str) -> str:
    """Checks the name of a pin. Raises InvalidInput(INVALID_NAME)."""
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            ErrorKind.INVALID_NAME,
            f"{name!r} can't be the name of a pin.",
            hint="Use 1 to 63 letters, digits, '_' and '-', a letter first.",
        )
    return name


def toml_string(text: str) -> str:
    """Writes a string as TOML: JSON's escapes are TOML's, but for DEL, and for what JSON would write as surrogates."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def render(file: PinFile) -> str:
    """Writes a pin file: the same pins always give the same bytes."""
    lines = [_HEAD, f"version = {VERSION}", f"requires = {toml_string(file.requires)}"]
    for pin in sorted(file.pins, key=lambda each: each.name):
        lines += ["", "[[pin]]", *_fields(_pin_fields(pin))]
        for table in sorted(pin.document.tables, key=lambda each: each.path):
            lines += ["", "[[pin.table]]", *_fields(_table_fields(table))]
        if pin.provenance:
            lines += ["", "[pin.provenance]", *_fields(sorted(pin.provenance.items()))]
    return "\n".join(lines) + "\n"


def parse(text: str) -> PinFile:
    """Reads a pin file. Raises InvalidInput(INVALID_PIN_FILE), saying what is wrong with it."""
    try:
        body = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _invalid(f"it is not valid TOML: {error}") from error
    reader = _Reader(body, "the file")
    version = reader.integer("version")
    if version > VERSION:
        raise InvalidInput(
            ErrorKind.INVALID_PIN_FILE,
            f"The pin file has version {version}, and this lakegate reads up to {VERSION}.",
            hint="Use a newer lakegate.",
        )
    pins = [_pin(each) for each in reader.tables("pin")]
    names = [pin.name for pin in pins]
    if len(set(names)) < len(names):
        raise _invalid("two pins have one name (a merge of two branches?)")
    return PinFile(tuple(sorted(pins, key=lambda pin: pin.name)), reader.text("requires"))


def _pin_fields(pin: Pin) -> Iterator[tuple[str, object]]:
    document = pin.document
    yield "name", pin.name
    yield "server", pin.server
    yield "repo", document.repository
    yield "ref", document.ref
    yield "commit", document.commit
    yield "committed_at", _time_text(document.committed_at)
    yield "manifest", document.manifest
    yield "hold", document.hold
    yield "only", list(pin.only) or None


def _table_fields(table: PinnedTable) -> Iterator[tuple[str, object]]:
    yield "path", table.path
    yield "format", table.format.value
    yield "table_id", table.table_id
    yield "version", table.version
    yield "schema", table.schema
    yield "files", table.files
    yield "rows", table.rows
    yield "bytes", table.bytes
    yield "content", table.content


def _fields(fields: Iterator[tuple[str, object]] | list[tuple[str, str]]) -> Iterator[str]:
    for name, value in fields:
        if isinstance(value, list):
            yield f"{name} = [{', '.join(toml_string(item) for item in cast('list[str]', value))}]"
        elif value is not None:
            yield f"{name} = {value if isinstance(value, int) else toml_string(str(value))}"


def _pin(reader: _Reader) -> Pin:
    name = reader.text("name")
    if not _NAME.fullmatch(name):
        raise _invalid(f"{name!r} can't be the name of a pin")
    reader.what = f"the pin {name!r}"
    hold = reader.optional_text("hold")
    document = PinDocument(
        repository=RepositoryName(reader.text("repo")),
        ref=reader.text("ref"),
        commit=CommitId(reader.id("commit")),
        committed_at=reader.time("committed_at"),
        manifest=ManifestId(reader.id("manifest")),
        tables=tuple(sorted((_table(each) for each in reader.tables("table")), key=lambda table: table.path)),
        hold=None if hold is None else HoldId(hold),
    )
    return Pin(name, document, reader.texts("only"), reader.strings("provenance"), reader.text("server"))


def _table(reader: _Reader) -> PinnedTable:
    path = reader.text("path")
    reader.what = f"the table {path!r}"
    format_ = reader.text("format")
    if format_ not in {each.value for each in TableFormat}:
        raise _invalid(f"{reader.what} has the format {format_!r}, which this lakegate does not know")
    return PinnedTable(
        path=path,
        format=TableFormat(format_),
        version=reader.optional_integer("version"),
        schema=reader.text("schema"),
        files=reader.integer("files"),
        rows=reader.optional_integer("rows"),
        bytes=reader.integer("bytes"),
        content=reader.text("content"),
        table_id=reader.optional_text("table_id"),
    )


class _Reader:
    """One table of the file, read field by field; `what` names it in errors."""

    def __init__(self, body: Mapping[str, Any], what: str) -> None:
        self._body = body
        self.what = what

    def text(self, name: str) -> str:
        return cast(str, self._of(name, str, "a string"))

    def integer(self, name: str) -> int:
        value = self._of(name, int, "a number")
        if isinstance(value, bool) or value < 0:
            raise _invalid(f"{self.what} has no number as {name}")
        return cast(int, value)

    def optional_text(self, name: str) -> str | None:
        return self.text(name) if name in self._body else None

    def optional_integer(self, name: str) -> int | None:
        return self.integer(name) if name in self._body else None

    def id(self, name: str) -> str:
        value = self.text(name)
        if not _ID.fullmatch(value):
            raise _invalid(f"{self.what} has no id of 64 hex digits as {name}")
        return value

    def time(self, name: str) -> int:
        value = self.text(name)
        try:
            moment = datetime.fromisoformat(value)
            return (moment - _EPOCH) // timedelta(milliseconds=1)
        except (TypeError, ValueError):
            raise _invalid(f"{self.what} has no time with its zone as {name}") from None

    def texts(self, name: str) -> tuple[str, ...]:
        value = self._of(name, list, "a list", [])
        if not all(isinstance(item, str) for item in value):
            raise _invalid(f"{self.what} has no list of strings as {name}")
        return tuple(value)

    def strings(self, name: str) -> dict[str, str]:
        value = self._of(name, dict, "a table", {})
        if not all(isinstance(item, str) and _KEY.fullmatch(key) for key, item in value.items()):
            raise _invalid(f"{self.what} has something else than names and strings in {name}")
        return cast("dict[str, str]", value)

    def tables(self, name: str) -> list[_Reader]:
        value = self._of(name, list, "a list of tables", [])
        if not all(isinstance(item, dict) for item in value):
            raise _invalid(f"{self.what} has no list of tables as {name}")
        return [_Reader(item, f"a {name}") for item in value]

    def _of(self, name: str, kind: type, called: str, default: Any = None) -> Any:
        value = self._body.get(name, default)
        if not isinstance(value, kind):
            raise _invalid(f"{self.what} has no {name}, or it is not {called}")
        return value


def checked_provenance(values: Mapping[str, str]) -> Mapping[str, str]:
    """Checks the names of a pin's provenance. Raises InvalidInput(INVALID_ARGUMENT)."""
    for key in values:
        if not _KEY.fullmatch(key):
            raise InvalidInput(
                ErrorKind.INVALID_ARGUMENT,
                f"{key!r} can't be a name in the provenance of a pin.",
                hint="Use 1 to 64 letters, digits, '_' and '-'.",
            )
    return values


def _time_text(milliseconds: int) -> str:
    moment = _EPOCH + timedelta(milliseconds=milliseconds)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _invalid(why: str) -> InvalidInput:
    return InvalidInput(
        ErrorKind.INVALID_PIN_FILE,
        f"The pin file can't be read: {why}.",
        hint="Take the file back from git; else delete it, and pin anew what it pinned: "
        "lakegate pin REPOSITORY/REF --name NAME.",
    )

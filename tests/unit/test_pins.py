"""The pin file as text: it comes back as it was written, in the same bytes, and what is damaged is refused."""

from __future__ import annotations

import tomllib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakegate.errors import ErrorKind, InvalidInput, NotFound
from lakegate.ids import CommitId, HoldId, ManifestId, RepositoryName
from lakegate.model import PinDocument, PinnedTable, TableFormat
from lakegate.pins import Pin, PinFile, parse, render, toml_string

_ID = "0123456789abcdef" * 4
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_COUNT = st.integers(0, 2**62)


def _ids() -> st.SearchStrategy[str]:
    return st.text("0123456789abcdef", min_size=64, max_size=64)


@st.composite
def _pins(draw: st.DrawFn) -> PinFile:
    tables = st.builds(
        PinnedTable,
        path=_TEXT,
        format=st.sampled_from(TableFormat),
        version=st.none() | _COUNT,
        schema=_TEXT,
        files=_COUNT,
        rows=st.none() | _COUNT,
        bytes=_COUNT,
        content=_TEXT,
        table_id=st.none() | _TEXT,
    )
    file = PinFile()
    for number in range(draw(st.integers(0, 3))):
        found = draw(st.lists(tables, max_size=3, unique_by=lambda table: table.path))
        document = PinDocument(
            repository=RepositoryName(draw(_TEXT)),
            ref=draw(_TEXT),
            commit=CommitId(draw(_ids())),
            committed_at=draw(st.integers(0, 4_000_000_000_000)),
            manifest=ManifestId(draw(_ids())),
            tables=tuple(sorted(found, key=lambda table: table.path)),
            hold=draw(st.none() | _TEXT.map(HoldId)),
        )
        provenance = draw(st.dictionaries(st.text("abc-_9", min_size=1, max_size=8), _TEXT, max_size=3))
        only = tuple(draw(st.lists(_TEXT, max_size=2)))
        file = file.with_pin(Pin(f"pin{number}", document, only, provenance))
    return file


@given(_pins())
def test_a_pin_file_comes_back_as_it_was_written(file: PinFile) -> None:
    text = render(file)
    assert parse(text) == file
    assert render(parse(text)) == text


@given(_TEXT)
def test_every_string_is_written_as_toml(text: str) -> None:
    assert tomllib.loads(f"a = {toml_string(text)}") == {"a": text}


def _document() -> PinDocument:
    table = PinnedTable("orders", TableFormat.DELTA, 3, "sha256:aa", 2, 10, 99, "sha256:bb", "uuid")
    return PinDocument(
        RepositoryName("sales"), "main", CommitId(_ID), 1_764_000_000_123, ManifestId(_ID), (table,), HoldId("hold_1")
    )


def test_the_file_in_full() -> None:
    file = PinFile().with_pin(Pin("train", _document(), ("orders",), {"source": "crm", "job": "etl"}))
    assert render(file) == (
        "# Written by `lakegate pin`; keep it in git. Change it by `lakegate pin`, never by hand.\n"
        'version = 1\nrequires = ">=0.1"\n\n'
        '[[pin]]\nname = "train"\nserver = "default"\nrepo = "sales"\nref = "main"\n'
        f'commit = "{_ID}"\ncommitted_at = "2025-11-24T16:00:00.123Z"\nmanifest = "{_ID}"\n'
        'hold = "hold_1"\nonly = ["orders"]\n\n'
        '[[pin.table]]\npath = "orders"\nformat = "delta"\ntable_id = "uuid"\nversion = 3\nschema = "sha256:aa"\n'
        'files = 2\nrows = 10\nbytes = 99\ncontent = "sha256:bb"\n\n'
        '[pin.provenance]\njob = "etl"\nsource = "crm"\n'
    )


def test_a_pin_takes_the_place_of_the_one_with_its_name() -> None:
    file = PinFile().with_pin(Pin("b", _document())).with_pin(Pin("a", _document()))
    changed = file.with_pin(Pin("b", replace(_document(), ref="v2")))
    assert [(pin.name, pin.document.ref) for pin in changed.pins] == [("a", "main"), ("b", "v2")]
    with pytest.raises(NotFound, match="there: a, b"):
        changed.get("c")


@pytest.mark.parametrize("name", ["", "1st", "a b", "a/b", "x" * 64, "ä"])
def test_names_outside_the_rules_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        PinFile().with_pin(Pin(name, _document()))
    assert refused.value.kind is ErrorKind.INVALID_NAME


def test_pins_that_would_share_a_variable_are_refused() -> None:
    with pytest.raises(InvalidInput, match="LAKEGATE_PIN_A_B_URI"):
        PinFile().with_pin(Pin("a-b", _document())).with_pin(Pin("a_b", _document()))


_GOOD = render(PinFile().with_pin(Pin("train", _document())))


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        ("version = 1", "version = 2", "version 2"),
        ("version = 1", "", "no version"),
        ("version = 1", "version = true", "version"),
        ('repo = "sales"', "repo = 7", "repo"),
        (f'commit = "{_ID}"', 'commit = "abc"', "64 hex digits"),
        ("16:00:00.123Z", "16:00:00.123", "time"),
        ("2025-11-24T", "yesterday", "time"),
        ('format = "delta"', 'format = "csv"', "'csv'"),
        ("files = 2", "files = -2", "files"),
        ("[[pin.table]]", "[pin.table]", "table"),
        ("[[pin]]", "<<<<<<< HEAD\n[[pin]]", "not valid TOML"),
        ("[[pin]]", '[[pin]]\nname = "train"\n[[pin]]', "the pin 'train'"),
    ],
)
def test_a_damaged_file_is_refused_with_the_reason(was: str, becomes: str, said: str) -> None:
    assert was in _GOOD
    with pytest.raises(InvalidInput, match=said) as refused:
        parse(_GOOD.replace(was, becomes, 1))
    assert refused.value.kind is ErrorKind.INVALID_PIN_FILE


def test_two_pins_of_one_name_are_refused() -> None:
    twice = _GOOD + _GOOD[_GOOD.index("[[pin]]") :]
    with pytest.raises(InvalidInput, match="one name"):
        parse(twice)

"""Hypothesis strategies for paths, entries of every kind, and the content of trees."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

from hypothesis import strategies as st

from lakegate.errors import InvalidInput
from lakegate.format.canonical import canonical_json
from lakegate.format.kinds import FILES, OBJECTS, TABLES, Kind, TreeShape
from lakegate.ids import NodeId, object_path
from lakegate.model import Entry, FileEntry, Protocol, TableFormat, TableVersion

E = TypeVar("E")

TINY = TreeShape(leaf_mean=3, leaf_cap=7, inner_mean=2, inner_cap=5)
"""A shape under which a few dozen entries make a tree of several levels, with runs that reach the cap."""


def tiny(kind: Kind[E], shape: TreeShape = TINY) -> Kind[E]:
    """The kind, cut so small that little content makes a deep tree."""
    return replace(kind, shape=shape)


def _is_path(text: str) -> bool:
    try:
        object_path(text)
    except InvalidInput:
        return False
    return True


# Orders that differ between UTF-8 and UTF-16 (U+E000 and above against the supplementary planes), and short segments
# that make many paths share prefixes.
_SEGMENTS = st.sampled_from(
    ["a", "b", "ab", "0", "z", "é", "e\u0301", "日", "\ue000", "\uffff", "\U0001f600", "\U0010ffff", " ", "+", "%2F"]
)


def paths() -> st.SearchStrategy[str]:
    """Valid paths: short ones that share folders, and any Unicode."""
    joined = st.lists(_SEGMENTS, min_size=1, max_size=4).map("/".join)
    anything = st.text(st.characters(codec="utf-8", min_codepoint=32), min_size=1, max_size=30)
    return st.one_of(joined, anything).filter(_is_path)


def texts(max_size: int = 20) -> st.SearchStrategy[str]:
    """Any Unicode text that UTF-8 can hold."""
    return st.text(st.characters(codec="utf-8"), max_size=max_size)


def mappings(values: st.SearchStrategy[Any] | None = None) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(texts(), texts() if values is None else values, max_size=3)


def hex_ids() -> st.SearchStrategy[str]:
    return st.text("0123456789abcdef", min_size=64, max_size=64)


def whole_numbers() -> st.SearchStrategy[int]:
    return st.integers(0, 2**63 - 1)


def entries(path: st.SearchStrategy[str] | None = None) -> st.SearchStrategy[Entry]:
    """Entries of the kind `objects`."""
    return st.builds(
        Entry,
        path=path or paths(),
        address=texts(),
        size=st.integers(0, 2**40),
        etag=texts(),
        mtime=whole_numbers(),
        digest=st.none() | hex_ids().map("sha256:".__add__),
        content_type=texts(),
        metadata=mappings(),
        headers=mappings(),
    )


def file_entries() -> st.SearchStrategy[FileEntry]:
    """Entries of the kind `files`."""
    return st.builds(
        FileEntry,
        path=paths(),
        size=st.integers(0, 2**40),
        rows=st.none() | whole_numbers(),
        partition=mappings(st.none() | texts()),
        deletion_vector=st.none() | texts().map(canonical_json),
        action=st.none() | texts().map(canonical_json),
    )


def table_versions() -> st.SearchStrategy[TableVersion]:
    """Entries of the kind `tables`."""
    names = st.lists(texts(), max_size=2).map(tuple)
    return st.builds(
        TableVersion,
        path=paths(),
        format=st.sampled_from(TableFormat),
        version=st.none() | whole_numbers(),
        schema=texts(),
        partition_columns=names,
        state=hex_ids().map(NodeId),
        files=whole_numbers(),
        rows=st.none() | whole_numbers(),
        bytes=st.integers(0, 2**40),
        digest=hex_ids().map("sha256:".__add__),
        timestamp=whole_numbers(),
        table_id=st.none() | texts(),
        name=st.none() | texts(),
        properties=mappings(),
        protocol=st.none() | st.builds(Protocol, st.integers(1, 3), st.integers(1, 7), names, names),
        metadata=st.none() | texts(),
        txns=mappings(whole_numbers()),
        domains=mappings(),
    )


def entries_of(kind: Kind[Any]) -> st.SearchStrategy[Any]:
    """Entries of a kind, by its name."""
    return {OBJECTS.name: entries(), TABLES.name: table_versions(), FILES.name: file_entries()}[kind.name]


# -- whole trees ------------------------------------------------------------------------------------------------------

Content = dict[str, Entry]


def plain_entry(path: str, variant: int = 0) -> Entry:
    """An entry of little variety: the same path and variant give equal entries, other variants unequal ones."""
    metadata = {"variant": str(variant)} if variant % 2 else {}
    return Entry(path, f"data/{variant}", variant, f"etag-{variant}", 0, None, metadata=metadata)


def tree_paths() -> st.SearchStrategy[str]:
    """Paths from a small space, so that trees drawn apart have paths in common."""
    numbers = st.integers(0, 120).map(lambda n: f"{n // 40}/{n:03}")
    return st.one_of(numbers, st.lists(_SEGMENTS, min_size=1, max_size=2).map("/".join))


def contents(max_size: int = 60) -> st.SearchStrategy[Content]:
    """What a tree of the kind `objects` holds, by path."""
    drawn = st.dictionaries(tree_paths(), st.integers(0, 2), max_size=max_size)
    return drawn.map(lambda d: {path: plain_entry(path, variant) for path, variant in d.items()})


def changes(max_size: int = 30) -> st.SearchStrategy[dict[str, Entry | None]]:
    """What to put at paths of a tree; None removes."""
    drawn = st.dictionaries(tree_paths(), st.none() | st.integers(0, 2), max_size=max_size)
    return drawn.map(lambda d: {p: None if v is None else plain_entry(p, v) for p, v in d.items()})

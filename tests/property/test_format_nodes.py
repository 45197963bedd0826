"""Rows and nodes: what is stored comes back, and ids do not depend on how it is encoded."""

from __future__ import annotations

import hashlib
import struct
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakegate.errors import Corrupt, ErrorKind, Refused
from lakegate.format.kinds import CHILDREN, FILES, KINDS, OBJECTS, TABLES, Child, ColumnType, Kind, Layout
from lakegate.format.node import Node, decode_node, encode_node, node_id
from lakegate.format.rows import Rows
from lakegate.ids import NodeId
from lakegate.testing.strategies import entries_of, plain_entry

EVERY_KIND = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


def id_by_the_book(kind: str, level: int, layout: Layout, rows: list[tuple[Any, ...]]) -> str:
    """Node ids as docs/spec/storage-format.md defines them, value by value."""
    data = f"lakegate-node/1 {kind} {level} {len(rows)}\n".encode()
    for index, column in enumerate(layout.columns):
        values = [row[index] for row in rows]
        if column.type is ColumnType.STRING:
            for value in values:
                data += struct.pack("<I", 0xFFFFFFFF if value is None else len(value.encode()))
            data += b"".join(value.encode() for value in values if value is not None)
        else:
            if column.nullable:
                data += bytes(value is not None for value in values)
            data += b"".join(struct.pack("<q", value or 0) for value in values)
    return hashlib.sha256(data).hexdigest()


@EVERY_KIND
@given(data=st.data())
def test_a_range_comes_back_from_its_file(kind: Kind[Any], data: st.DataObject) -> None:
    drawn = data.draw(st.lists(entries_of(kind), max_size=8, unique_by=lambda entry: entry.path))
    entries = sorted(drawn, key=lambda entry: entry.path)
    rows = [kind.to_row(entry) for entry in entries]
    node = Node(kind.name, 0, Rows.of(kind.layout, rows))
    assert node.id == id_by_the_book(kind.name, 0, kind.layout, rows)
    back = decode_node(node.id, encode_node(node))
    assert (back.kind, back.level, back.id) == (kind.name, 0, node.id)
    assert [kind.from_row(row) for row in back.rows.rows()] == entries
    if entries:
        assert kind.from_row(back.rows.row(len(entries) - 1)) == entries[-1]


@EVERY_KIND
@given(data=st.data())
def test_an_id_does_not_depend_on_how_arrow_lays_rows_out(kind: Kind[Any], data: st.DataObject) -> None:
    drawn = data.draw(st.lists(entries_of(kind), min_size=3, max_size=8, unique_by=lambda entry: entry.path))
    rows = Rows.of(kind.layout, [kind.to_row(entry) for entry in sorted(drawn, key=lambda entry: entry.path)])
    middle = len(rows) // 2
    part = rows.slice(1, len(rows))
    assert node_id(kind.name, 0, part) == node_id(kind.name, 0, Rows.of(kind.layout, list(part.rows())))
    joined = Rows.concat([rows.slice(0, middle), rows.slice(middle, len(rows))])
    assert node_id(kind.name, 0, joined) == node_id(kind.name, 0, rows)
    # A null slot may cover bytes in Arrow; they do not count.
    nothing = pa.array([False] * len(rows)).buffers()[1]
    covering = [
        pa.Array.from_buffers(array.type, len(array), [nothing, *array.buffers()[1:]]) if column.nullable else array
        for column, array in zip(kind.layout.columns, rows.batch.columns, strict=True)
    ]
    blank = Rows(kind.layout, pa.RecordBatch.from_arrays(covering, schema=kind.layout.schema()))
    assert node_id(kind.name, 0, blank) == node_id(kind.name, 0, Rows.of(kind.layout, list(blank.rows())))


def test_ids_of_format_version_1_stand_for_ever() -> None:
    empty = {kind.name: Node(kind.name, 0, Rows.of(kind.layout, ())).id for kind in KINDS.values()}
    one = Node("objects", 0, Rows.of(OBJECTS.layout, [OBJECTS.to_row(plain_entry("a/é", 1))]))
    above = Node("objects", 1, Rows.of(CHILDREN, [Child(one.id, 0, "a/é", "a/é", 1, 1)]))
    assert empty == {
        "objects": "0acef26e1223e9fe8bcd2129b11956bd81d396bb6e7dc6b3d9b740f124575fe0",
        "tables": "81b0e77ba589ae55709b25af2ac58f78257bdea22fc4781f2a585ecab1427c49",
        "files": "cdcd7e66e589cc8edc60cd78dae012235d6d9a4a775a12242d3811070cc5ea85",
    }
    assert one.id == "30c9ff2afab394cfdc25f0e98e0b9117678abdc4a63e4d48966415526bd6cd58"
    assert above.id == "3d965655316c2e820c88734aa9884868173fb5d78d91f565af511715fe1dfee3"


def test_a_node_file_names_version_kind_and_level() -> None:
    node = Node("objects", 1, Rows.of(CHILDREN, [Child(NodeId("0" * 64), 0, "a", "b", 2, 3)]))
    with pq.ParquetFile(pa.BufferReader(encode_node(node))) as file:
        metadata = file.metadata.metadata
        assert file.metadata.num_row_groups == 1
    assert metadata[b"lakegate.format_version"] == b"1"
    assert metadata[b"lakegate.kind"] == b"objects"
    assert metadata[b"lakegate.level"] == b"1"


def rewritten(node: Node, metadata: dict[str, str], table: pa.Table | None = None) -> bytes:
    sink = pa.BufferOutputStream()
    table = pa.Table.from_batches([node.rows.batch]) if table is None else table
    with pq.ParquetWriter(sink, table.schema) as writer:
        writer.add_key_value_metadata(metadata)
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def test_files_that_are_no_nodes_are_corrupt() -> None:
    node = Node("objects", 0, Rows.of(OBJECTS.layout, [OBJECTS.to_row(plain_entry("a"))]))
    good = encode_node(node)
    right = {"lakegate.format_version": "1", "lakegate.kind": "objects", "lakegate.level": "0"}
    assert decode_node(node.id, rewritten(node, right)).rows.row(0) == node.rows.row(0)
    bad = [
        b"",
        b"PAR1",
        good[: len(good) // 2],
        rewritten(node, {}),
        rewritten(node, {**right, "lakegate.format_version": "0"}),
        rewritten(node, {**right, "lakegate.format_version": "x"}),
        rewritten(node, {**right, "lakegate.kind": "pigs"}),
        rewritten(node, {**right, "lakegate.level": "one"}),
        rewritten(node, {**right, "lakegate.level": "1"}),
        rewritten(node, right, pa.table({"path": ["a"]})),
    ]
    for data in bad:
        with pytest.raises(Corrupt):
            decode_node(node.id, data)
    with pytest.raises(Refused) as caught:
        decode_node(node.id, rewritten(node, {**right, "lakegate.format_version": "2"}))
    assert caught.value.kind is ErrorKind.FORMAT_TOO_NEW


def test_rows_of_another_node_are_found() -> None:
    node = Node("files", 0, Rows.of(FILES.layout, []))
    other = Node("tables", 0, Rows.of(TABLES.layout, []))
    for rehash in (True, False):
        with pytest.raises(Corrupt, match="hash to"):
            decode_node(node.id, encode_node(other), rehash=rehash)


def test_without_hashing_no_changed_bit_is_taken_for_other_rows() -> None:
    """Whatever bit of a file is changed: the file is refused, or the bit means nothing."""
    entries = [plain_entry(f"a/{number:03}", number) for number in range(60)]
    node = Node("objects", 0, Rows.of(OBJECTS.layout, [OBJECTS.to_row(entry) for entry in entries]))
    data = encode_node(node)
    refused = 0
    for position in range(len(data)):
        damaged = bytearray(data)
        damaged[position] ^= 1 << position % 8
        try:
            found = decode_node(node.id, bytes(damaged), rehash=False)
        except (Corrupt, Refused):
            refused += 1
        else:
            assert found.rows.batch.equals(node.rows.batch), position
    assert refused > len(data) // 2


def test_pages_without_checksums_are_hashed() -> None:
    """Files of other writers, and of lakegate before it wrote checksums."""
    node = Node("objects", 0, Rows.of(OBJECTS.layout, [OBJECTS.to_row(plain_entry("a"))]))
    right = {"lakegate.format_version": "1", "lakegate.kind": "objects", "lakegate.level": "0"}
    assert decode_node(node.id, rewritten(node, right), rehash=False).rows.row(0) == node.rows.row(0)
    other = Node("objects", 0, Rows.of(OBJECTS.layout, [OBJECTS.to_row(plain_entry("b"))]))
    with pytest.raises(Corrupt, match="hash to"):
        decode_node(node.id, rewritten(other, right), rehash=False)


def test_search_among_rows() -> None:
    rows = Rows.of(OBJECTS.layout, [OBJECTS.to_row(plain_entry(path)) for path in ["b", "d", "é"]])
    assert [rows.find(key) for key in ["", "a", "b", "c", "d", "e", "é", "日"]] == [0, 0, 0, 1, 1, 2, 2, 3]
    assert [rows.find(key, after=True) for key in ["a", "b", "é"]] == [0, 1, 3]
    assert rows.slice(1, 3).find("d") == 0
    assert (rows.first, rows.last, rows.has(3, "x")) == ("b", "é", False)
    assert Rows.of(OBJECTS.layout, []).find("x") == 0


def test_text_that_utf8_can_not_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        Rows.of(OBJECTS.layout, [OBJECTS.to_row(plain_entry("\ud800"))])

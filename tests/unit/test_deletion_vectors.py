"""Deletion vectors: what writers write is read back, and what is broken is refused."""

from __future__ import annotations

import base64
import json
import struct
import uuid
import zlib
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap64

from lakegate.errors import Corrupt, ErrorKind, Refused
from lakegate.tables.deletion_vectors import DeletionVector, parse_descriptor, read_vector, vector_file

_Z85 = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
_B85 = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"


def z85(data: bytes) -> str:
    padded = data + bytes(-len(data) % 4)
    return base64.b85encode(padded).translate(bytes.maketrans(_B85, _Z85)).decode()


def bitmap(rows: Iterable[int]) -> bytes:
    return struct.pack("<i", 1681511377) + BitMap64(rows).serialize()


def inline(rows: set[int]) -> DeletionVector:
    data = bitmap(rows)
    return DeletionVector("i", z85(data), len(data), len(rows))


class File:
    """A deletion vector file with two vectors in it."""

    def __init__(self, first: set[int], second: set[int]) -> None:
        self.name = uuid.uuid4()
        self.data = b"\x01"
        self.vectors: list[DeletionVector] = []
        for rows in (first, second):
            data = bitmap(rows)
            text = "ab" + z85(self.name.bytes)
            self.vectors.append(DeletionVector("u", text, len(data), len(rows), len(self.data)))
            self.data += struct.pack(">i", len(data)) + data + struct.pack(">I", zlib.crc32(data))

    def read(self, path: str, start: int, length: int) -> bytes:
        assert path == f"ab/deletion_vector_{self.name}.bin"
        return self.data[start : start + length]


def no_file(path: str, start: int, length: int) -> bytes:
    raise AssertionError("an inline vector needs no file")


positions = st.sets(st.one_of(st.integers(0, 300), st.integers(0, 2**40)), max_size=50)


@given(positions)
def test_inline_vectors_are_read(rows: set[int]) -> None:
    assert set(read_vector(inline(rows), no_file)) == rows


@given(positions, positions)
def test_vectors_in_files_are_read_at_their_offsets(first: set[int], second: set[int]) -> None:
    file = File(first, second)
    assert [set(read_vector(vector, file.read)) for vector in file.vectors] == [first, second]


def test_the_protocols_own_example() -> None:
    # Delta protocol, section Deletion Vectors, JSON Example 3: inline, rows 3, 4, 7, 11, 18, 29.
    vector = parse_descriptor(
        json.dumps(
            {
                "storageType": "i",
                "pathOrInlineDv": "^Bg9^0rr910000000000iXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L",
                "sizeInBytes": 44,
                "cardinality": 6,
            }
        )
    )
    assert sorted(read_vector(vector, no_file)) == [3, 4, 7, 11, 18, 29]


def test_names_of_files() -> None:
    vector = DeletionVector("u", "ab^-aqEH.-t@S}K{vb[*k^", 36, 2, 4)
    assert vector_file(vector) == "ab/deletion_vector_d2c639aa-8816-431a-aaf6-d3fe2512ff61.bin"
    assert vector.id == "uab^-aqEH.-t@S}K{vb[*k^@4"
    assert vector_file(inline({1})) is None


@pytest.mark.parametrize("at", [0, 4, 5, 12, -1])
def test_a_broken_file_is_told(at: int) -> None:
    file = File({1, 5}, {2})
    data = bytearray(file.data[: 1 + 8 + file.vectors[0].size])
    data[at] ^= 0x55
    file.data = bytes(data)
    with pytest.raises(Corrupt, match=r"deletion_vector_.*can't be read"):
        read_vector(file.vectors[0], file.read)


@pytest.mark.parametrize("text", ["", "abc", "ABCDE", "wi5b=000010000si\x00\x01\x02\x03", "é" * 5])
def test_a_broken_inline_vector_is_told(text: str) -> None:
    with pytest.raises(Corrupt):
        read_vector(DeletionVector("i", text, 10, 1), no_file)


def test_a_wrong_cardinality_is_told() -> None:
    vector = inline({1, 2})
    with pytest.raises(Corrupt, match="2 rows where the log says 3"):
        read_vector(DeletionVector("i", vector.text, vector.size, 3), no_file)


@pytest.mark.parametrize(
    ("storage", "kind"), [("p", ErrorKind.DELTA_PATH_FORBIDDEN), ("x", ErrorKind.DELTA_FEATURE_UNKNOWN)]
)
def test_other_storage_is_refused(storage: str, kind: ErrorKind) -> None:
    with pytest.raises(Refused) as caught:
        read_vector(DeletionVector(storage, "s3://elsewhere/dv.bin", 10, 1, 1), no_file)
    assert caught.value.kind is kind


def test_a_descriptor_that_is_none_is_refused() -> None:
    for text in ("", "[]", '{"storageType":"i"}'):
        with pytest.raises(Refused) as caught:
            parse_descriptor(text)
        assert caught.value.kind is ErrorKind.DELTA_LOG_INVALID

"""Reads and writes Delta's deletion vectors (Delta protocol, section Deletion Vector Format)."""

from __future__ import annotations

import base64
import binascii
import json
import struct
import uuid
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakegate.errors import Corrupt, ErrorKind, LakegateError, Refused

if TYPE_CHECKING:
    from pyroaring import BitMap64

RangeReader = Callable[[str, int, int], bytes]
"""Reads (path relative to the table, start, length); exactly that many bytes."""

_Z85 = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
_B85 = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"
_Z85_TO_B85 = bytes.maketrans(_Z85, _B85)
_B85_TO_Z85 = bytes.maketrans(_B85, _Z85)
_FILE_VERSION = 1
_INLINE_BYTES = 256
_MAGIC = 1681511377
_UUID_CHARACTERS = 20


@dataclass(frozen=True, slots=True)
class DeletionVector:
    """Delta's descriptor. `size` is `sizeInBytes`: of the bitmap with its magic number, encoded or not."""

    storage: str
    text: str
    size: int
    cardinality: int
    offset: int | None = None

    @property
    def id(self) -> str:
        """Delta's `uniqueId`: what, with the path, keys a live file (Delta protocol, Derived Fields)."""
        return f"{self.storage}{self.text}" + (f"@{self.offset}" if self.offset is not None else "")


def parse_descriptor(given: str) -> DeletionVector:
    """Parses a descriptor's JSON. Raises Refused(DELTA_LOG_INVALID)."""
    try:
        found: dict[str, Any] = json.loads(given)
        offset = found.get("offset")
        return DeletionVector(
            str(found["storageType"]),
            str(found["pathOrInlineDv"]),
            int(found["sizeInBytes"]),
            int(found["cardinality"]),
            int(offset) if offset is not None else None,
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Refused(
            ErrorKind.DELTA_LOG_INVALID,
            f"A deletion vector's descriptor can't be parsed: {given[:120]}",
            hint="Check the table's log.",
        ) from error


def vector_file(vector: DeletionVector) -> str | None:
    """The file that holds a vector, relative to the table; None for an inline one.

    Raises Refused(DELTA_PATH_FORBIDDEN) for an absolute path, DELTA_FEATURE_UNKNOWN for an unknown way of storing.
    """
    if vector.storage == "i":
        return None
    if vector.storage == "u":
        prefix, encoded = vector.text[:-_UUID_CHARACTERS], vector.text[-_UUID_CHARACTERS:]
        name = f"deletion_vector_{uuid.UUID(bytes=_decode_z85(encoded)[:16])}.bin"
        return f"{prefix}/{name}" if prefix else name
    if vector.storage == "p":
        raise Refused(
            ErrorKind.DELTA_PATH_FORBIDDEN,
            f"A deletion vector lies at the absolute path {vector.text!r}.",
            hint="Rewrite the table with a client that keeps deletion vectors inside the table's folder.",
            details={"path": vector.text},
        )
    raise Refused(
        ErrorKind.DELTA_FEATURE_UNKNOWN,
        f"A deletion vector is stored in the unknown way {vector.storage!r}.",
        hint="Read the table with a client that knows it, through the S3 gateway.",
        details={"storageType": vector.storage},
    )


def read_vector(vector: DeletionVector, read: RangeReader) -> BitMap64:
    """The positions, from 0, of the rows of the file that are deleted. Raises Corrupt, Refused."""
    path = vector_file(vector)
    try:
        data = _decode_z85(vector.text)[: vector.size] if path is None else _read_file(vector, path, read)
        found = decode_bitmap(data)
    except (binascii.Error, ValueError, struct.error) as error:
        raise _corrupt(path, str(error)) from error
    if len(found) != vector.cardinality:
        raise _corrupt(path, f"it deletes {len(found)} rows where the log says {vector.cardinality}")
    return found


def decode_bitmap(data: bytes) -> BitMap64:
    """Decodes a magic number and a 64-bit Roaring bitmap in its portable form. Raises ValueError, struct.error."""
    from pyroaring import BitMap64

    (magic,) = struct.unpack_from("<i", data)
    if magic != _MAGIC:
        raise ValueError(f"unknown magic number {magic}")
    return BitMap64.deserialize(data[4:])


@dataclass(frozen=True, slots=True)
class NewVector:
    """A deletion vector that was made here: its descriptor as JSON-ready fields; where its file goes, relative to the
    table, and the file's bytes (None and b"" for an inline one)."""

    descriptor: dict[str, Any]
    path: str | None
    body: bytes


def write_vector(deleted: BitMap64, name: uuid.UUID) -> NewVector:
    """Makes a deletion vector: inline where it is short, else a file of its own, whose name `name` gives."""
    bitmap = struct.pack("<i", _MAGIC) + deleted.serialize()
    descriptor: dict[str, Any] = {"sizeInBytes": len(bitmap), "cardinality": len(deleted)}
    if len(bitmap) <= _INLINE_BYTES:
        padded = bitmap + bytes(-len(bitmap) % 4)
        return NewVector({"storageType": "i", "pathOrInlineDv": _encode_z85(padded), **descriptor}, None, b"")
    body = bytes([_FILE_VERSION]) + struct.pack(">i", len(bitmap)) + bitmap + struct.pack(">I", zlib.crc32(bitmap))
    text = _encode_z85(name.bytes)
    where = f"deletion_vector_{name}.bin"
    return NewVector({"storageType": "u", "pathOrInlineDv": text, "offset": 1, **descriptor}, where, body)


def _read_file(vector: DeletionVector, path: str, read: RangeReader) -> bytes:
    start = vector.offset if vector.offset is not None else 1
    version = read(path, 0, 1)[0]
    if version != _FILE_VERSION:
        raise ValueError(f"unknown file version {version}")
    framed = read(path, start, vector.size + 8)
    (size,) = struct.unpack_from(">i", framed)
    if size != vector.size:
        raise ValueError(f"it holds {size} bytes where the log says {vector.size}")
    data = framed[4:-4]
    (checksum,) = struct.unpack_from(">I", framed, len(framed) - 4)
    if zlib.crc32(data) != checksum:
        raise ValueError("its checksum does not match")
    return data


def _decode_z85(text: str) -> bytes:
    encoded = text.encode("ascii")
    if len(encoded) % 5 or set(encoded) - set(_Z85):
        raise ValueError(f"{text[:40]!r} is not Z85")
    return base64.b85decode(encoded.translate(_Z85_TO_B85))


def _encode_z85(data: bytes) -> str:
    return base64.b85encode(data).translate(_B85_TO_Z85).decode("ascii")


def _corrupt(path: str | None, why: str) -> LakegateError:
    where = f"The deletion vector file {path!r}" if path else "An inline deletion vector"
    return Corrupt(f"{where} can't be read: {why}.", hint="Restore the file from a commit that still holds it.")

"""Between Arrow arrays, numpy and Python values.

Written by hand because `pyarrow.array` and `Array.to_numpy` import pandas wherever that is installed, which costs the
first caller about a second.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from lakegate.format.kinds import Column, ColumnType

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

_NULL_LENGTH = 0xFFFFFFFF
_MOST_BYTES = (1 << 31) - 1


def make_array(column: Column, values: Sequence[Any]) -> pa.Array:
    """Makes an Arrow array of Python values. Raises ValueError for lone surrogates, and where strings come to more than
    2 GiB, which no node may hold in one column."""
    import numpy as np
    import pyarrow as pa

    count = len(values)
    validity, nulls = None, 0
    if column.nullable:
        valid = np.fromiter([value is not None for value in values], np.bool_, count)
        nulls = count - int(valid.sum())
        if nulls:
            validity = pa.py_buffer(np.packbits(valid, bitorder="little"))
    if column.type is ColumnType.INT64:
        numbers = np.fromiter(((value or 0) for value in values) if nulls else values, np.int64, count)
        return pa.Array.from_buffers(pa.int64(), count, [validity, pa.py_buffer(numbers)], nulls)
    if count and nulls == count:
        return pa.StringArray.from_buffers(
            count, pa.py_buffer(bytes(4 * count + 4)), pa.py_buffer(b""), validity, nulls
        )
    texts = [b"" if value is None else value.encode("utf-8") for value in values]
    ends = np.cumsum(np.fromiter(map(len, texts), np.int64, count))
    if count and int(ends[-1]) > _MOST_BYTES:
        raise ValueError(f"The column {column.name!r} of one node would hold {int(ends[-1])} bytes.")
    offsets = np.zeros(count + 1, np.int32)
    offsets[1:] = ends
    return pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(b"".join(texts)), validity, nulls)


def mask(array: pa.BooleanArray) -> npt.NDArray[np.bool_]:
    """An array of booleans without nulls."""
    return _bits(array, 1)


def _bits(array: pa.Array, buffer: int) -> npt.NDArray[np.bool_]:
    """A buffer of an array that holds one bit for each value: its validity (0), or booleans (1)."""
    import numpy as np

    packed = np.frombuffer(array.buffers()[buffer], np.uint8)
    end = array.offset + len(array)
    return np.unpackbits(packed, count=end, bitorder="little")[array.offset :].view(np.bool_)


def numbers(array: pa.Int64Array) -> npt.NDArray[np.int64]:
    """An array of int64 without nulls."""
    import numpy as np

    return np.frombuffer(array.buffers()[1], np.int64, len(array), array.offset * 8)


def strings(array: pa.StringArray) -> tuple[npt.NDArray[np.int32], memoryview]:
    """The offsets of an array of strings, one more than it has values, and the bytes that they point into."""
    import numpy as np

    buffers = array.buffers()
    offsets = np.frombuffer(buffers[1], np.int32, len(array) + 1, array.offset * 4)
    return offsets, memoryview(buffers[2]) if buffers[2] is not None else memoryview(b"")


def serialised(column: Column, array: pa.Array) -> Iterator[memoryview]:
    """Yields the canonical serialisation of one column that is not empty, in pieces (storage format, section on node
    ids)."""
    import numpy as np

    if column.type is ColumnType.STRING and array.null_count == len(array):
        yield np.full(len(array), _NULL_LENGTH, "<u4").data
        return
    valid = _bits(array, 0) if array.null_count else None
    if column.type is ColumnType.INT64:
        if column.nullable:
            yield (np.ones(len(array), np.bool_) if valid is None else valid).astype(np.uint8).data
        values = numbers(array if valid is None else array.fill_null(0))
        yield (values if sys.byteorder == "little" else values.astype("<i8")).data
        return
    offsets, data = strings(array)
    lengths = (offsets[1:] - offsets[:-1]).astype("<u4")
    if valid is not None:
        if lengths[~valid].any():  # Arrow lets the slot of a null cover bytes
            offsets, data = strings(array.fill_null(""))
            lengths = (offsets[1:] - offsets[:-1]).astype("<u4")
        lengths[~valid] = _NULL_LENGTH
    yield lengths.data
    yield data[int(offsets[0]) : int(offsets[-1])]

"""Checksums of uploads: CRC32, CRC32C, CRC64NVME, SHA-1 and SHA-256, over whole objects and over parts.

CRC32C and CRC64NVME need native code (the extra `lakegate[checksums]`); without it they are refused by name.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Protocol

from lakegate.errors import ErrorKind, InvalidInput
from lakegate_api.s3.failures import S3Refusal, not_offered

PREFIX = "x-amz-checksum-"
# Headers that begin as a checksum's do and name none.
_OTHERS = frozenset({"x-amz-checksum-mode", "x-amz-checksum-type", "x-amz-checksum-algorithm"})

# Width and polynomial of the CRCs, without the leading bit; all three are reflected, with ones in and out.
_CRC: Mapping[str, tuple[int, int]] = MappingProxyType(
    {
        "crc32": (32, 0x04C11DB7),
        "crc32c": (32, 0x1EDC6F41),
        "crc64nvme": (64, 0xAD93D23594C93659),
    }
)
_BYTES: Mapping[str, int] = MappingProxyType({"crc32": 4, "crc32c": 4, "crc64nvme": 8, "sha1": 20, "sha256": 32})
ALGORITHMS = tuple(_BYTES)


class Checksum(Protocol):
    """A running checksum."""

    def update(self, data: Any, /) -> None: ...

    def digest(self) -> bytes: ...


class _Crc:
    def __init__(self, size: int, function: Callable[[Any, int], int]) -> None:
        self._size = size
        self._function = function
        self._value = 0

    def update(self, data: Any, /) -> None:
        self._value = self._function(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._size, "big")


def new_checksum(algorithm: str) -> Checksum:
    """Starts a checksum. Raises S3Refusal(NotImplemented) for one that is not offered."""
    if algorithm == "crc32":
        return _Crc(4, zlib.crc32)
    if algorithm in ("crc32c", "crc64nvme"):
        return _Crc(_BYTES[algorithm], _native(algorithm))
    if algorithm == "sha1":
        return hashlib.sha1(usedforsecurity=False)
    if algorithm == "sha256":
        return hashlib.sha256()
    raise not_offered(f"The checksum algorithm {algorithm[:40]!r}", f"Use one of {', '.join(ALGORITHMS)}.")


def declared(headers: Mapping[str, str]) -> tuple[str, str] | None:
    """Returns the checksum among headers as (algorithm, base64). Raises S3Refusal for several, for one that is not
    offered, and for one that is not base64 of the right length."""
    found = declared_of_object(headers)
    if found is not None:
        require_form(*found)
    return found


def declared_of_object(headers: Mapping[str, str]) -> tuple[str, str] | None:
    """The same of a multipart object: its form is not checked, for it may end with `-<parts>`."""
    found = [name for name in headers if name.startswith(PREFIX) and name not in _OTHERS]
    if not found:
        return None
    if len(found) > 1:
        raise S3Refusal("InvalidRequest", f"There are several checksums: {', '.join(sorted(found))}.", "Send one.")
    algorithm = found[0].removeprefix(PREFIX)
    value = headers[found[0]].strip()
    if algorithm not in _BYTES:
        new_checksum(algorithm)
    return algorithm, value


def announced(headers: Mapping[str, str]) -> str | None:
    """Returns the algorithm of the checksum that `x-amz-trailer` announces."""
    for name in headers.get("x-amz-trailer", "").lower().split(","):
        if name.strip().startswith(PREFIX):
            return name.strip().removeprefix(PREFIX)
    return None


def require_form(algorithm: str, value: str) -> None:
    """Raises S3Refusal(InvalidRequest) for what can't be a checksum of the algorithm."""
    try:
        size = len(base64.b64decode(value.encode("latin-1", "replace"), validate=True))
    except (binascii.Error, ValueError):
        size = -1
    if size != _BYTES[algorithm]:
        raise S3Refusal(
            "InvalidRequest", f"{PREFIX}{algorithm} is not base64 of {_BYTES[algorithm]} bytes.", "Send its right form."
        )


def encoded(checksum: Checksum) -> str:
    """Returns a checksum in base64, as headers carry it."""
    return base64.b64encode(checksum.digest()).decode("ascii")


def require_equal(algorithm: str, wanted: str, found: str) -> None:
    """Raises InvalidInput(CHECKSUM_MISMATCH) where the bytes that came have another checksum."""
    if wanted != found:
        raise InvalidInput(
            ErrorKind.CHECKSUM_MISMATCH,
            f"The bytes that came have the {algorithm.upper()} {found}, not {wanted}.",
            hint="They were damaged on the way: send them again.",
        )


def composite(algorithm: str, parts: Iterable[str]) -> str:
    """Makes the checksum of checksums of a multipart object: `<base64>-<parts>`."""
    whole = new_checksum(algorithm)
    count = 0
    for part in parts:
        whole.update(base64.b64decode(part))
        count += 1
    return f"{encoded(whole)}-{count}"


def combined(algorithm: str, parts: Iterable[tuple[str, int]]) -> str:
    """Makes the CRC of a whole from (CRC, length) of its parts, in order, without reading their bytes."""
    width, polynomial = _CRC[algorithm]
    value = 0
    for text, length in parts:
        part = int.from_bytes(base64.b64decode(text), "big")
        value = _shift(value, length, width, polynomial) ^ part
    return base64.b64encode(value.to_bytes(width // 8, "big")).decode("ascii")


def is_crc(algorithm: str) -> bool:
    """Tells whether the checksum of a whole can be made from those of its parts."""
    return algorithm in _CRC


def _shift(crc: int, length: int, width: int, polynomial: int) -> int:
    """The CRC that `crc` becomes over `length` zero bytes: times x^(8 * length) modulo the polynomial, in GF(2)."""
    value = _reversed(crc, width)
    power, factor, bits = 1, 2, 8 * length
    while bits:
        if bits & 1:
            power = _times(power, factor, width, polynomial)
        factor = _times(factor, factor, width, polynomial)
        bits >>= 1
    return _reversed(_times(value, power, width, polynomial), width)


def _times(left: int, right: int, width: int, polynomial: int) -> int:
    product = 0
    top = 1 << width
    while right:
        if right & 1:
            product ^= left
        right >>= 1
        left <<= 1
        if left & top:
            left ^= top | polynomial
    return product


def _reversed(value: int, width: int) -> int:
    return int(format(value, f"0{width}b")[::-1], 2)


def _native(algorithm: str) -> Callable[[Any, int], int]:
    try:
        from awscrt import checksums
    except ImportError:
        raise not_offered(
            f"The checksum {algorithm.upper()} without native code",
            "Install lakegate[checksums] on the server, or let the client send CRC32.",
        ) from None
    function: Callable[[Any, int], int] = getattr(checksums, algorithm)
    return function

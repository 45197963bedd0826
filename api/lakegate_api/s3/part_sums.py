"""The checksum of a multipart object, made of those of its parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lakegate.errors import ErrorKind, InvalidInput
from lakegate.model import Part
from lakegate_api.s3 import checksums
from lakegate_api.s3.failures import S3Refusal


def checksum_of_whole(
    parts: Sequence[Part],
    known: Mapping[int, Mapping[str, str]],
    given: tuple[str, str] | None,
    *,
    full: bool,
) -> dict[str, str]:
    """Returns the checksum of the object as the header it is kept as; nothing where the parts have none.

    known  what the client knows of each part, by number: must be what was stored
    given  the checksum of the object that the client sent, with its algorithm
    full   the client asks for one over all bytes, not one over the parts' checksums

    Raises InvalidInput(CHECKSUM_MISMATCH, INVALID_PART), S3Refusal.
    """
    for part in parts:
        for name, value in known.get(part.number, {}).items():
            stored = part.checksums.get(name)
            if stored is not None and stored != value:
                raise InvalidInput(
                    ErrorKind.INVALID_PART,
                    f"Part {part.number} has the {name.upper()} {stored}, not {value}.",
                    hint="Upload it again, then complete.",
                )
    shared = [name for name in checksums.ALGORITHMS if parts and all(name in part.checksums for part in parts)]
    if given is None:
        if not shared:
            return {}
        algorithm, wanted = shared[0], ""
    else:
        algorithm, wanted = given
        if algorithm not in shared:
            raise S3Refusal(
                "InvalidRequest",
                f"A {algorithm.upper()} of the object was sent, and not all parts have one.",
                f"Send {checksums.PREFIX}{algorithm} with each part too.",
            )
        full = full or "-" not in wanted
    full = checksums.is_crc(algorithm) and (full or algorithm == "crc64nvme")
    if full:
        whole = checksums.combined(algorithm, [(part.checksums[algorithm], part.size) for part in parts])
    else:
        whole = checksums.composite(algorithm, [part.checksums[algorithm] for part in parts])
    if wanted and wanted not in (whole, whole.partition("-")[0]):
        checksums.require_equal(algorithm, wanted, whole)
    return {checksums.PREFIX + algorithm: whole}

"""The digest of a table version: equal digests, equal tables."""

from __future__ import annotations

from dataclasses import replace

from lakegate.format.canonical import canonical_bytes, sha256_hex
from lakegate.model import TableVersion


def with_digest(table: TableVersion) -> TableVersion:
    """Returns the table version with its digest set: over all that a reader or writer of the table could tell apart,
    and not over path, version, time, and the identity and name of the table."""
    protocol = table.protocol
    content = {
        "state": table.state,
        "schema": table.schema,
        "partition_columns": list(table.partition_columns),
        "properties": dict(table.properties),
        "protocol": None
        if protocol is None
        else [
            protocol.min_reader,
            protocol.min_writer,
            sorted(protocol.reader_features),
            sorted(protocol.writer_features),
        ],
        "txns": dict(table.txns),
        "domains": dict(table.domains),
    }
    return replace(table, digest="sha256:" + sha256_hex(canonical_bytes(content)))

"""Which protocols a log may have for its list of live files to be known."""

from __future__ import annotations

from collections.abc import Mapping

from lakegate.model import Protocol
from lakegate.tables.delta.faults import feature_unknown, log_invalid

READER_TABLE_FEATURES = 3
WRITER_TABLE_FEATURES = 7

# Reader features whose meaning for live rows is honoured here, or that have none. Each is one of writers too.
READER_FEATURES = frozenset(
    {
        "columnMapping",
        "deletionVectors",
        "timestampNtz",
        "typeWidening",
        "typeWidening-preview",
        "v2Checkpoint",
        "vacuumProtocolCheck",
        "variantType",
        "variantType-preview",
    }
)

# What the numbers of old protocols stand for (Delta protocol, Requirements for Writers and Readers).
_LEGACY_WRITER = (
    (2, ("appendOnly", "invariants")),
    (3, ("checkConstraints",)),
    (4, ("changeDataFeed", "generatedColumns")),
    (5, ("columnMapping",)),
    (6, ("identityColumns",)),
)

# Where the newest commits may not lie in the log at all, but with a catalog (Delta protocol, Catalog-managed tables).
_LOG_IS_ELSEWHERE = frozenset({"catalogManaged", "catalogOwned-preview"})


def check_protocol(table: str, protocol: Protocol | None, version: int | None = None) -> Protocol:
    """Checks that the list of live files can be told from the log.

    Features that lakegate does not know do not stand in the way: a change of how a log is replayed would need a new
    protocol version, and a table that one newer client made must not keep a whole branch from being committed. They
    are refused by name where rows are read and where lakegate writes a version itself.

    Raises Refused(DELTA_LOG_INVALID) where there is none or its numbers are impossible, and
    Refused(DELTA_FEATURE_UNKNOWN) for a reader version after 3, and for tables that a catalog manages.
    """
    if protocol is None:
        raise log_invalid(table, "it holds no protocol action", version=version)
    if protocol.min_reader > READER_TABLE_FEATURES:
        raise feature_unknown(
            table,
            f"needs reader version {protocol.min_reader} of the Delta protocol, and lakegate knows versions 1 to "
            f"{READER_TABLE_FEATURES}",
            hint="Update lakegate, or list the folder under `ignore` in .lakegate/tables.yaml to keep it as files.",
        )
    if protocol.min_reader < 1 or protocol.min_writer < 1:
        raise log_invalid(
            table,
            f"its protocol has reader version {protocol.min_reader} and writer version {protocol.min_writer}",
            version=version,
        )
    if protocol.min_reader == READER_TABLE_FEATURES and protocol.min_writer < WRITER_TABLE_FEATURES:
        raise log_invalid(
            table,
            f"reader version {READER_TABLE_FEATURES} needs writer version {WRITER_TABLE_FEATURES}, and it has "
            f"{protocol.min_writer}",
            version=version,
        )
    elsewhere = sorted(_LOG_IS_ELSEWHERE.intersection(protocol.reader_features, protocol.writer_features))
    if elsewhere:
        raise feature_unknown(
            table,
            f"is managed by a catalog (table feature {elsewhere[0]!r}), so that its log may lack its newest versions",
            hint="Turn catalog management off for the table before it is kept here.",
        )
    return protocol


def writer_features(protocol: Protocol, *, legacy: bool = True) -> set[str]:
    """The features that writers must support: those named, or (`legacy`) what an old protocol's number implies."""
    if protocol.min_writer >= WRITER_TABLE_FEATURES:
        return set(protocol.writer_features)
    if not legacy:
        return set()
    return {name for version, names in _LEGACY_WRITER if version <= protocol.min_writer for name in names}


def is_enabled(protocol: Protocol, feature: str, configuration: Mapping[str, str] | None = None, key: str = "") -> bool:
    """Tells whether a writer feature is supported and, with `key`, switched on by that table property."""
    supported = protocol.min_writer >= WRITER_TABLE_FEATURES and feature in protocol.writer_features
    return supported and (not key or (configuration or {}).get(key, "").lower() == "true")

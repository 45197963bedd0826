"""Joins what both sides did to a table's metadata, protocol, `txn` versions and domains.

A metaData action replaces the whole object, so the source's changes are laid over the destination's part by part:
schema, partitioning, name, description, each property. Two sides may both change it where they change different parts,
and all parts of one of them are such that no data and no writer's duty hangs on them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lakegate.model import ConflictKind, Isolation, Protocol, TableVersion
from lakegate.tables.delta.actions import Action
from lakegate.tables.delta.log_commit import ROW_TRACKING
from lakegate.tables.delta.merge.clashes import Clash, clash
from lakegate.tables.delta.merge.transactions import SideHistory
from lakegate.tables.delta.upgrade import (
    ICT_ENABLED,
    ICT_TIMESTAMP,
    ICT_VERSION,
    IDENTITY_MARK,
    IDENTITY_START,
    united,
    unknown_features,
)

Parts = Mapping[str, Any]

# Properties that say how a writer shall work, on which no data hangs (Delta's own conflict checker lets the second
# group pass too, for turning them on changes no file).
_LIGHT = frozenset(
    {
        "delta.autoOptimize.autoCompact",
        "delta.autoOptimize.optimizeWrite",
        "delta.checkpoint.writeStatsAsJson",
        "delta.checkpoint.writeStatsAsStruct",
        "delta.checkpointInterval",
        "delta.compatibility.symlinkFormatManifest.enabled",
        "delta.dataSkippingNumIndexedCols",
        "delta.dataSkippingStatsColumns",
        "delta.deletedFileRetentionDuration",
        "delta.enableExpiredLogCleanup",
        "delta.logRetentionDuration",
        "delta.parquet.compression.codec",
        "delta.randomizeFilePrefixes",
        "delta.setTransactionRetentionDuration",
        "delta.targetFileSize",
        "delta.tuneFileSizesForRewrites",
        #
        "delta.checkpointPolicy",
        "delta.enableDeletionVectors",
        "delta.enableInCommitTimestamps",
        "delta.enableRowTracking",
        "delta.rowTracking.materializedRowCommitVersionColumnName",
        "delta.rowTracking.materializedRowIdColumnName",
        ICT_VERSION,
        ICT_TIMESTAMP,
    }
)
_CONFIG = "property "
_ICT_SINCE = frozenset({_CONFIG + ICT_VERSION, _CONFIG + ICT_TIMESTAMP})


def parts_of(metadata: Action) -> dict[str, Any]:
    """What a metaData action is made of, by the names that messages use."""
    found: dict[str, Any] = {
        "schema": metadata.get("schemaString"),
        "partitioning": list(metadata.get("partitionColumns") or ()),
        "name": metadata.get("name"),
        "description": metadata.get("description"),
        "table id": metadata.get("id"),
        "format": metadata.get("format"),
    }
    found |= {_CONFIG + name: value for name, value in metadata.get("configuration", {}).items()}
    return found


def changed_parts(before: Parts, after: Parts) -> set[str]:
    """The parts that differ."""
    return {name for name in {*before, *after} if before.get(name) != after.get(name)}


def laid_over(running: Action, before: Action, after: Action) -> dict[str, Any]:
    """The running metadata with what changed from `before` to `after`."""
    old, new = parts_of(before), parts_of(after)
    changed = changed_parts(old, new)
    made: dict[str, Any] = dict(running)
    configuration = dict(running["configuration"])
    for part, field in (
        ("schema", "schemaString"),
        ("partitioning", "partitionColumns"),
        ("name", "name"),
        ("description", "description"),
        ("table id", "id"),
        ("format", "format"),
    ):
        if part in changed:
            made.pop(field, None)
            if new[part] is not None:
                made[field] = new[part]
    if configuration.get(ICT_ENABLED, "").lower() == "true":
        changed -= _ICT_SINCE
    for part in changed:
        if part.startswith(_CONFIG):
            configuration.pop(part.removeprefix(_CONFIG), None)
            if part in new:
                configuration[part.removeprefix(_CONFIG)] = new[part]
    made["configuration"] = configuration
    return made


def is_light(part: str) -> bool:
    """Tells whether no data and no duty of writers hangs on a part."""
    if part.startswith(_CONFIG):
        name = part.removeprefix(_CONFIG)
        return name in _LIGHT or not name.startswith("delta.")
    return part in ("name", "description")


def metadata_clashes(ours: SideHistory, theirs: SideHistory, isolation: Isolation) -> list[Clash]:
    """Tells where the two sides' metadata don't go together."""
    mine, other = (_changed_in_all(side) for side in (ours, theirs))
    if not other:
        return []
    altering = [transaction for transaction in theirs.transactions if transaction.metadata is not None]
    if isolation is Isolation.SERIALIZABLE:
        heavy = sorted(part for part in other if not is_light(part))
        affected = [t for t in ours.transactions if t.has_effect]
        if heavy and affected:
            why = f"the destination changed {_listed(heavy)}, and a serializable merge takes no change made before that"
            return [clash(ConflictKind.METADATA_CHANGED, why, affected, altering)]
    if not mine:
        return []
    both = sorted(_identities_given(ours) & _identities_given(theirs))
    if both:
        # The marks may be equal now, and each of the values stands twice all the more.
        why = f"both sides gave out values of the identity column {_listed(both)}, so that some would stand twice"
        giving = [transaction for transaction in ours.transactions if transaction.metadata is not None]
        return [clash(ConflictKind.METADATA_CHANGED, why, giving, altering)]
    there, here = (parts_of(_metadata(side.now)) for side in (theirs, ours))
    # Since when timestamps count is the destination's matter: the version that turns them on says it anew.
    differing = {part for part in {*mine, *other} - _ICT_SINCE if here.get(part) != there.get(part)}
    mine, other = mine & differing, other & differing
    changing = [transaction for transaction in ours.transactions if transaction.metadata is not None]
    both = sorted(mine & other)
    if both:
        why = f"both sides changed {_listed(both)}, to different values"
        return [clash(ConflictKind.METADATA_CHANGED, why, changing, altering)]
    heavy_mine, heavy_other = ([part for part in sorted(side) if not is_light(part)] for side in (mine, other))
    if heavy_mine and heavy_other:
        why = (
            f"the source changed {_listed(heavy_mine)}, and the destination {_listed(heavy_other)}: whether these go "
            "together can't be told"
        )
        return [clash(ConflictKind.METADATA_CHANGED, why, changing, altering)]
    return []


def protocol_clashes(ours: SideHistory, theirs: SideHistory, isolation: Isolation) -> list[Clash]:
    """Tells where the two sides' protocols don't go together, or are not known."""
    mine, other = (
        [transaction for transaction in side.transactions if transaction.protocol is not None]
        for side in (ours, theirs)
    )
    for words, side, changing in (("source", ours, (mine, [])), ("destination", theirs, ([], other))):
        # A state that lies before the base (of a revert) has fewer features, and nobody dropped them.
        steps = [t.protocol for t in side.transactions if t.protocol is not None and t.version is not None]
        dropped = sorted(_features(side.base.protocol) - _features(side.now.protocol)) if steps else []
        if dropped:
            why = f"the {words} dropped the table feature {_listed(dropped)}, and the other side wrote with it"
            return [clash(ConflictKind.PROTOCOL_CHANGED, why, *changing)]
    if isolation is Isolation.SERIALIZABLE and mine and other:
        why = "both sides changed the table's protocol"
        return [clash(ConflictKind.PROTOCOL_CHANGED, why, mine, other)]
    assert ours.now.protocol is not None
    assert theirs.now.protocol is not None
    unknown = unknown_features(united(theirs.now.protocol, ours.now.protocol, same_table=True))
    if unknown:
        why = f"lakegate does not know what the table feature {_listed(unknown)} asks of whoever writes a version"
        return [clash(ConflictKind.PROTOCOL_CHANGED, why, mine, other)]
    return []


def transaction_clashes(ours: SideHistory, theirs: SideHistory) -> list[Clash]:
    """Tells which applications' `txn` versions, and which domains, both sides changed."""
    found: list[Clash] = []
    apps = sorted(_advanced(ours) & _advanced(theirs))
    if apps:
        why = f"both sides wrote for the application {_listed(apps)}, so that its batches may stand twice"
        found.append(
            clash(
                ConflictKind.CONCURRENT_TRANSACTION,
                why,
                [t for t in ours.transactions if set(apps) & set(t.txns)],
                [t for t in theirs.transactions if set(apps) & set(t.txns)],
            )
        )
    mine, other = (_domains_changed(side.base, side.now) for side in (ours, theirs))
    domains = sorted(
        domain for domain in mine & other if ours.now.domains.get(domain) != theirs.now.domains.get(domain)
    )
    if domains:
        why = f"both sides changed the metadata of the domain {_listed(domains)}"
        found.append(
            clash(
                ConflictKind.METADATA_CHANGED,
                why,
                [t for t in ours.transactions if set(domains) & set(t.domains)],
                [t for t in theirs.transactions if set(domains) & set(t.domains)],
            )
        )
    return found


def retold_types(metadata: Action, versions: Mapping[int, int]) -> dict[str, Any]:
    """The metadata with `delta.typeChanges` of the source's versions at their new numbers (Delta protocol, Type Change
    Metadata; only preview tables keep a version)."""
    if "delta.typeChanges" not in str(metadata.get("schemaString")):
        return dict(metadata)
    schema = json.loads(str(metadata["schemaString"]))
    changed = _retell(schema, versions)
    if not changed:
        return dict(metadata)
    return {**metadata, "schemaString": json.dumps(schema, separators=(",", ":"), ensure_ascii=False)}


def _retell(node: Any, versions: Mapping[int, int]) -> bool:
    changed = False
    if isinstance(node, dict):
        for entry in node.get("delta.typeChanges") or ():
            number = entry.get("tableVersion")
            if number in versions and versions[number] != number:
                entry["tableVersion"] = versions[number]
                changed = True
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        changed = _retell(child, versions) or changed
    return changed


def _changed_in_all(side: SideHistory) -> set[str]:
    """The parts that a side changed, also those that it changed back."""
    found: set[str] = set()
    for transaction in side.transactions:
        if transaction.metadata is not None and transaction.metadata_before is not None:
            found |= changed_parts(parts_of(transaction.metadata_before), parts_of(transaction.metadata))
    return found


def _identities_given(side: SideHistory) -> set[str]:
    """The identity columns of which a side gave out values."""
    found: set[str] = set()
    for transaction in side.transactions:
        if transaction.metadata is not None and transaction.metadata_before is not None:
            before, after = (_identity_marks(m) for m in (transaction.metadata_before, transaction.metadata))
            found |= {name for name, mark in after.items() if name in before and before[name] != mark}
    return found


def _identity_marks(metadata: Action) -> dict[str, Any]:
    text = str(metadata.get("schemaString"))
    if IDENTITY_START not in text:
        return {}
    fields = [(field["name"], field.get("metadata", {})) for field in json.loads(text)["fields"]]
    return {name: details.get(IDENTITY_MARK) for name, details in fields if IDENTITY_START in details}


def _metadata(table: TableVersion) -> Action:
    found: Action = json.loads(table.metadata or "{}")
    return found


def _features(protocol: Protocol | None) -> set[str]:
    return set() if protocol is None else {*protocol.reader_features, *protocol.writer_features}


def _advanced(side: SideHistory) -> set[str]:
    return {app for transaction in side.transactions for app in transaction.txns}


def _domains_changed(base: TableVersion, now: TableVersion) -> set[str]:
    changed = {name for name in {*base.domains, *now.domains} if base.domains.get(name) != now.domains.get(name)}
    return changed - {ROW_TRACKING}


def _listed(names: Iterable[str]) -> str:
    found: Sequence[str] = list(names)
    shown = ", ".join(repr(name) for name in found[:5])
    return shown if len(found) <= 5 else f"{shown} and {len(found) - 5} more"

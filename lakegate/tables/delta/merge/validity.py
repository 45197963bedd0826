"""What a changed schema, property or constraint asks of the files that the other side wrote without knowing of it.

Delta's own writers would have checked each row, or refused. Files that are there already are checked here: by what the
schemas say where that is enough, else by reading the rows. What can't be told is a conflict.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lakegate.errors import LakegateError
from lakegate.model import FileEntry, Protocol
from lakegate.tables.conditions import fails
from lakegate.tables.delta.actions import Action
from lakegate.tables.delta.log_commit import APPEND_ONLY
from lakegate.tables.delta.merge.transactions import SideHistory, Transaction
from lakegate.tables.delta.protocol import is_enabled
from lakegate.tables.delta.upgrade import IDENTITY_START
from lakegate.tables.predicates import Column, IsNull, Not, Predicate, columns_of, is_plain, parse_predicate
from lakegate.tables.schema import Array, DataType, Field, Map, Primitive, Struct, parse_schema

if TYPE_CHECKING:
    import pyarrow as pa

ReadRows = Callable[[Sequence[FileEntry], tuple[str, ...]], "Iterator[pa.RecordBatch]"]
"""Reads columns of live files of the side that wrote them."""

_CONSTRAINT = "delta.constraints."
_GENERATED = "delta.generationExpression"
_INVARIANT = "delta.invariants"
_MAPPING = "delta.columnMapping.mode"
_CHANGE_FEED = "delta.enableChangeDataFeed"


@dataclass(frozen=True, slots=True)
class Rule:
    """A condition that must be true of every row; NULL is not true (Delta protocol, CHECK Constraints)."""

    words: str
    condition: Predicate


@dataclass(slots=True)
class Demands:
    """`refusals` are reasons why no file that was written without knowing of the change can stand; `rules` must hold
    of all rows."""

    refusals: list[str] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Definition:
    """What a table is, apart from its files."""

    protocol: Protocol
    metadata: Action

    def property(self, name: str) -> str:
        return str(self.metadata["configuration"].get(name, ""))


def objections(before: Definition, after: Definition, other: SideHistory, read: ReadRows) -> list[str]:
    """Says why what the other side did can't stand under a definition that changed from `before` to `after`."""
    if before == after:
        return []
    found = _of_changes(before, after, other.transactions)
    files = _new_files(other)
    if not files:
        return found
    demands = _demands(before, after)
    found += demands.refusals
    if not demands.refusals and demands.rules:
        found += _broken(demands.rules, parse_schema(other.now.schema), files, read)
    return found


def _new_files(other: SideHistory) -> list[FileEntry]:
    """The files with rows of its own that the other side added, and that are live still."""
    live: dict[str, FileEntry] = {}
    for transaction in other.transactions:
        own = [live.pop(action.path, None) for action in transaction.removes]
        if transaction.is_rearrangement and not any(own):
            continue  # it moved rows of the base only
        for action in transaction.adds:
            if action.entry is not None and action.path not in transaction.vector_updates:
                live[action.path] = action.entry
    return [live[path] for path in sorted(live)]


def _of_changes(before: Definition, after: Definition, transactions: Iterable[Transaction]) -> list[str]:
    """What speaks against the other side's transactions, whatever their files hold."""
    found: list[str] = []
    changing = [t for t in transactions if any(action.data_change for action in t.files)]
    if _turned_on(before, after, APPEND_ONLY) and any(action.data_change for t in changing for action in t.removes):
        found.append("the table became append-only, and the other side removed rows")
    if _turned_on(before, after, _CHANGE_FEED) and any(t.removes and t.adds and not t.change_files for t in changing):
        found.append(
            "the change data feed was turned on, and the other side changed rows without writing their changes"
        )
    return found


def _turned_on(before: Definition, after: Definition, name: str) -> bool:
    return after.property(name).lower() == "true" and before.property(name).lower() != "true"


# -- schemas ----------------------------------------------------------------------------------------------------------


def _demands(before: Definition, after: Definition) -> Demands:
    demands = Demands()
    if before.metadata["partitionColumns"] != after.metadata["partitionColumns"]:
        demands.refusals.append("the partitioning changed")
    for feature in ("icebergCompatV1", "icebergCompatV2", "icebergCompatV3"):
        name = f"delta.enable{feature[0].upper()}{feature[1:]}"
        if _turned_on(before, after, name):
            demands.refusals.append(f"{name} was turned on")
    if _turned_on(before, after, "delta.enableRowTracking"):
        demands.refusals.append("row tracking was turned on, and the files that the other side wrote have no row ids")
    mapping = after.property(_MAPPING)
    if mapping == "id" and before.property(_MAPPING) != "id":
        demands.refusals.append("columns are found by id now, and files written before have none")
    mapped = mapping in ("id", "name") and before.property(_MAPPING) == mapping
    old, new = (parse_schema(str(side.metadata["schemaString"])) for side in (before, after))
    _compare(old, new, "", _Comparison(demands, mapped, is_widening(after.protocol)))
    for name, text in after.metadata["configuration"].items():
        if name.startswith(_CONSTRAINT) and before.metadata["configuration"].get(name) != text:
            words = f"the constraint {name.removeprefix(_CONSTRAINT)!r} ({text})"
            demands.rules.append(Rule(words, parse_predicate(str(text))))
    return demands


def is_widening(protocol: Protocol) -> bool:
    """Tells whether files with narrower types may stand beside ones with wider types."""
    return is_enabled(protocol, "typeWidening") or is_enabled(protocol, "typeWidening-preview")


@dataclass(frozen=True, slots=True)
class _Comparison:
    demands: Demands
    mapped: bool
    widening: bool

    def partner(self, old: Field, fields: tuple[Field, ...]) -> Field | None:
        for new in fields:
            same = old.physical_name == new.physical_name if self.mapped else old.name == new.name
            if same:
                return new
        return None


def _compare(old: Struct, new: Struct, path: str, how: _Comparison) -> None:
    seen: set[str] = set()
    for before in old.fields:
        after = how.partner(before, new.fields)
        name = path + before.name
        if after is None:
            if not how.mapped:
                how.demands.refusals.append(f"the column {name!r} was dropped")
            continue
        seen.add(after.name)
        if before.nullable and not after.nullable:
            if path:
                how.demands.refusals.append(f"the field {name!r} became not nullable")
            else:
                rule = Rule(f"the column {name!r} being not nullable", Not(IsNull(Column(before.name))))
                how.demands.rules.append(rule)
        _compare_details(before, after, name, how.demands)
        _compare_types(before.type, after.type, name, how)
    for after in new.fields:
        if after.name in seen:
            continue
        name = path + after.name
        if not after.nullable:
            how.demands.refusals.append(f"the column {name!r} was added as not nullable")
        for key in (_GENERATED, _INVARIANT, IDENTITY_START):
            if key in after.metadata:
                how.demands.refusals.append(f"the column {name!r} was added with {key}")


def _compare_details(before: Field, after: Field, name: str, demands: Demands) -> None:
    for key in (_GENERATED, IDENTITY_START):
        if before.metadata.get(key) != after.metadata.get(key) and key in after.metadata:
            demands.refusals.append(f"the column {name!r} has a new {key}")
    invariant = after.metadata.get(_INVARIANT)
    if invariant is not None and before.metadata.get(_INVARIANT) != invariant:
        demands.rules.append(Rule(f"the invariant of {name!r}", parse_predicate(_invariant(str(invariant)))))


def _invariant(text: str) -> str:
    try:
        return str(json.loads(text)["expression"]["expression"])
    except (ValueError, KeyError, TypeError):
        return ""


def _compare_types(before: DataType, after: DataType, name: str, how: _Comparison) -> None:
    match before, after:
        case Struct(), Struct():
            _compare(before, after, name + ".", how)
        case Array(), Array():
            _compare_types(before.element, after.element, name + ".element", how)
        case Map(), Map():
            _compare_types(before.key, after.key, name + ".key", how)
            _compare_types(before.value, after.value, name + ".value", how)
        case Primitive(), Primitive() if before == after or how.widening:
            pass
        case _:
            how.demands.refusals.append(f"the type of {name!r} changed")


# -- rows -------------------------------------------------------------------------------------------------------------


def _broken(rules: Sequence[Rule], schema: Struct, files: Sequence[FileEntry], read: ReadRows) -> list[str]:
    """Names the rules that some row breaks, or that can't be checked."""
    found: list[str] = []
    names = {column.name.lower() for column in schema.fields}
    for rule in rules:
        named = columns_of(rule.condition)
        columns = {None if column.is_field(names) else schema.field(column.name) for column in named}
        known = tuple(sorted(column.name for column in columns if column is not None))
        if not is_plain(rule.condition) or None in columns or not known:
            found.append(f"{rule.words} can't be checked on the rows that the other side wrote")
            continue
        try:
            broken: Any = any(fails(rule.condition, batch) for batch in read(files, known))
        except LakegateError as error:
            found.append(f"{rule.words} can't be checked on the rows that the other side wrote: {error.message}")
            continue
        if broken:
            found.append(f"{rule.words} does not hold of rows that the other side wrote")
    return found

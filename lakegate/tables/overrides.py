"""`.lakegate/tables.yaml` in a tree: what the user says about tables.

    tables:                     folders that are tables, whatever detection finds
      - path: exports/orders
        format: parquet         delta or parquet
    ignore:                     globs of folders and objects that belong to no table
      - scratch/**
      - sales/*/old

In a glob `*` and `?` stay within a path segment, `**` does not; what lies below a folder that matches is ignored too.
A folder listed under `tables` is a table although a glob names it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from lakegate import tree
from lakegate.context import RepositoryContext
from lakegate.errors import ErrorKind, InvalidInput
from lakegate.format.kinds import OBJECTS
from lakegate.ids import NodeId, object_path
from lakegate.model import TableFormat

OVERRIDES_PATH = ".lakegate/tables.yaml"
_MAX_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Overrides:
    """`tables` by folder, without a trailing '/'; `ignore` as written."""

    tables: Mapping[str, TableFormat] = field(default_factory=dict)
    ignore: tuple[str, ...] = ()

    def matcher(self) -> re.Pattern[str] | None:
        """Matches the paths of folders and objects that a glob names, or what lies below; None: there are no globs."""
        if not self.ignore:
            return None
        return re.compile("(?:" + "|".join(_glob(pattern) for pattern in self.ignore) + ")(?:/.*)?", re.DOTALL)


def load_overrides(ctx: RepositoryContext, objects_root: NodeId) -> Overrides:
    """Reads the overrides of a tree. Raises InvalidInput(INVALID_CONFIG) where the file says nothing sensible."""
    entry = tree.get(ctx.manifests.nodes, OBJECTS, objects_root, OVERRIDES_PATH)
    if entry is None:
        return Overrides()
    if entry.size > _MAX_BYTES:
        raise _invalid(f"is larger than {_MAX_BYTES} bytes")
    store, key = ctx.addresses.source(entry)
    return parse_overrides(store.get(key))


def parse_overrides(data: bytes) -> Overrides:
    """Parses the file. Raises InvalidInput(INVALID_CONFIG)."""
    import yaml

    try:
        given: Any = yaml.safe_load(data.decode("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise _invalid("is no YAML: " + " ".join(str(error).split())) from error
    if given is None:
        return Overrides()
    if not isinstance(given, dict) or set(given) - {"tables", "ignore"}:
        raise _invalid("must hold `tables` and `ignore`, and nothing else")
    content = cast("dict[str, Any]", given)
    return Overrides(_tables(content.get("tables") or []), _ignore(content.get("ignore") or []))


def _tables(given: Any) -> dict[str, TableFormat]:
    if not isinstance(given, list):
        raise _invalid("has `tables` that is no list")
    found: dict[str, TableFormat] = {}
    for item in given:
        if not isinstance(item, dict):
            raise _invalid("lists a table that is no mapping with `path` and `format`")
        table = cast("dict[str, Any]", item)
        if set(table) != {"path", "format"} or not isinstance(table["path"], str):
            raise _invalid("lists a table without exactly `path` and `format`")
        try:
            path = object_path(table["path"].rstrip("/"))
            found[path] = TableFormat(table["format"])
        except ValueError as error:
            raise _invalid(f"gives {table['path']!r} the format {table['format']!r}, not delta or parquet") from error
        except InvalidInput as error:
            raise _invalid(f"lists a table whose path can't be: {error.message}") from error
    return found


def _ignore(given: Any) -> tuple[str, ...]:
    if not isinstance(given, list) or not all(isinstance(item, str) and item for item in given):
        raise _invalid("has `ignore` that is no list of globs")
    return tuple(str(item) for item in given)


def _glob(pattern: str) -> str:
    text = pattern.strip("/")
    parts: list[str] = []
    at = 0
    while at < len(text):
        if text.startswith("**/", at):
            parts.append("(?:.*/)?")
            at += 3
        elif text.startswith("**", at):
            parts.append(".*")
            at += 2
        else:
            parts.append({"*": "[^/]*", "?": "[^/]"}.get(text[at], re.escape(text[at])))
            at += 1
    return "".join(parts)


def _invalid(why: str) -> InvalidInput:
    return InvalidInput(
        ErrorKind.INVALID_CONFIG,
        f"The file {OVERRIDES_PATH!r} {why}.",
        hint="Write e.g. `tables: [{path: exports/orders, format: parquet}]` and `ignore: ['scratch/**']`.",
        details={"path": OVERRIDES_PATH},
    )

"""Statements that are compiled once and run again and again without SQLAlchemy in between: a branch read costs one."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Dialect, Select


class Prepared:
    """One query, compiled for one dialect. Its parameters are all named by `bindparam`, or constants."""

    def __init__(self, query: Select[Any], dialect: Dialect) -> None:
        compiled = query.compile(dialect=dialect)
        self.text = compiled.string
        self._defaults = dict(compiled.params)
        self._order: list[str] | None = compiled.positiontup if compiled.positional else None
        self._record: Any = namedtuple("Row", [column.key for column in query.selected_columns], rename=True)  # type: ignore[misc]  # fields by the query

    def arguments(self, values: Mapping[str, Any]) -> tuple[Any, ...] | dict[str, Any]:
        """Puts parameters into the form that the driver takes."""
        if self._order is None:
            return {**self._defaults, **values}
        return tuple([values[name] if name in values else self._defaults[name] for name in self._order])

    def records(self, rows: Iterable[Any]) -> list[Any]:
        """Makes records with the query's column names of the driver's tuples."""
        return list(map(self._record._make, rows))


_prepared: dict[tuple[type[Dialect], Select[Any]], Prepared] = {}


def prepare(query: Select[Any], dialect: Dialect) -> Prepared:
    """Compiles a query, once for all databases of the dialect: queries are constants of their modules."""
    found = _prepared.get((type(dialect), query))
    if found is None:
        found = _prepared[type(dialect), query] = Prepared(query, dialect)
    return found

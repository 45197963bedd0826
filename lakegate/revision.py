"""Parses ref expressions: `main`, `v1~2`, `4f2a91`, `main^2`, `main@{2026-01-31}`. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from lakegate.errors import ErrorKind, InvalidInput

_NAME = re.compile(r"\w[-\w.]*")
_STEP = re.compile(r"~(?P<back>\d*)|\^(?P<parent>\d*)|@\{(?P<time>[^{}]+)\}")


@dataclass(frozen=True, slots=True)
class Back:
    """`~N`: N first parents back."""

    count: int


@dataclass(frozen=True, slots=True)
class Parent:
    """`^N`: the N-th parent, 1-based."""

    number: int


@dataclass(frozen=True, slots=True)
class At:
    """`@{TIMESTAMP}`: where the branch stood then (ms since the epoch)."""

    time: int


@dataclass(frozen=True, slots=True)
class Revision:
    """A name (branch, tag, commit id or prefix) and the steps from it, in order."""

    name: str
    steps: tuple[Back | Parent | At, ...] = ()


def parse(text: str) -> Revision:
    """Parses a ref expression. Raises InvalidInput(INVALID_REF)."""
    named = _NAME.match(text)
    if named is None:
        raise _invalid(text, "it starts with no name")
    steps: list[Back | Parent | At] = []
    position = named.end()
    while position < len(text):
        step = _STEP.match(text, position)
        if step is None:
            raise _invalid(text, f"{text[position:]!r} is no step")
        if step["time"] is not None:
            if steps:
                raise _invalid(text, "@{...} must follow the branch's name")
            steps.append(At(_time(text, step["time"])))
        elif step["parent"] is not None:
            number = int(step["parent"] or 1)
            if number == 0:
                raise _invalid(text, "parents are counted from 1")
            steps.append(Parent(number))
        else:
            steps.append(Back(int(step["back"] or 1)))
        position = step.end()
    return Revision(named.group(), tuple(steps))


def _time(text: str, time: str) -> int:
    if time.isdigit() and len(time) > 8:
        return int(time) * 1000
    try:
        moment = datetime.fromisoformat(time)
    except ValueError as error:
        raise _invalid(text, f"{time!r} is no ISO 8601 time") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1000)


def _invalid(text: str, why: str) -> InvalidInput:
    return InvalidInput(
        ErrorKind.INVALID_REF,
        f"{text!r} can't be a ref: {why}.",
        hint="Use a branch, tag or commit id, with ~N, ^N or, after a branch, @{2026-01-31T12:00}.",
    )

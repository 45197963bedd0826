"""Parses ref expressions: `main`, `v1~2`, `4f2a91`, `main^2`, `main@{2026-01-31}`. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from lakegate.errors import ErrorKind, InvalidInput

_NAME = re.compile(r"\w[-\w.]*")
_STEP = re.compile(r"~(?P<back>[0-9]*)|\^(?P<parent>[0-9]*)|@\{(?P<time>[^{}]+)\}")
_EPOCH = re.compile(r"[0-9]{9,11}")
_MAX_LENGTH = 1024
_MAX_DIGITS = 9


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


@lru_cache(1024)
def parse(text: str) -> Revision:
    """Parses a ref expression. Raises InvalidInput(INVALID_REF)."""
    if len(text) > _MAX_LENGTH:
        raise _invalid(text[:40] + "...", f"it is longer than {_MAX_LENGTH} characters")
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
            number = _number(text, step["parent"])
            if number == 0:
                raise _invalid(text, "parents are counted from 1")
            steps.append(Parent(number))
        else:
            steps.append(Back(_number(text, step["back"])))
        position = step.end()
    return Revision(named.group(), tuple(steps))


def _number(text: str, digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise _invalid(text, f"{digits} is too large")
    return int(digits or 1)


def _time(text: str, time: str) -> int:
    """Reads seconds since the epoch, or an ISO 8601 date (its first instant) or time, in UTC where it names no zone."""
    if _EPOCH.fullmatch(time):
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

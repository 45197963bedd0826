"""The SQL conditions that logs hold (predicates of operations, CHECK constraints), as far as they are plain.

Plain are comparisons of columns with literals or columns, IN, BETWEEN, IS NULL, AND, OR, NOT. Writers put them into
the log as text of their own dialect (Spark numbers attributes: `p#12`); what is not plain is `Unknown`, which may be
true and may be false.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum

Value = bool | int | float | str | date | None


class Truth(Enum):
    """SQL's three values, and a fourth for what can't be told."""

    TRUE = "true"
    FALSE = "false"
    NULL = "null"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Column:
    """A column by name; `qualifier` are the names before its dot (a table's alias, or outer fields)."""

    name: str
    qualifier: tuple[str, ...] = ()

    def is_field(self, columns: Collection[str]) -> bool:
        """Tells whether it is a field inside one of the table's columns, whose lower-case names are given."""
        return any(name.lower() in columns for name in self.qualifier)


@dataclass(frozen=True, slots=True)
class Literal:
    value: Value


Operand = Column | Literal


@dataclass(frozen=True, slots=True)
class Comparison:
    """`operator` is one of = <> < <= > >= <=>."""

    operator: str
    left: Operand
    right: Operand


@dataclass(frozen=True, slots=True)
class IsNull:
    operand: Operand


@dataclass(frozen=True, slots=True)
class Not:
    part: Predicate


@dataclass(frozen=True, slots=True)
class And:
    parts: tuple[Predicate, ...]


@dataclass(frozen=True, slots=True)
class Or:
    parts: tuple[Predicate, ...]


@dataclass(frozen=True, slots=True)
class Constant:
    value: Value


@dataclass(frozen=True, slots=True)
class Unknown:
    """A condition that is not plain."""

    text: str


Predicate = Comparison | IsNull | Not | And | Or | Constant | Unknown


# -- parsing ----------------------------------------------------------------------------------------------------------

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.]))
    |'(?P<text>(?:[^']|'')*)'
    |(?P<name>(?:`(?:[^`]|``)+`|"(?:[^"]|"")+"|[^\W\d]\w*)(?:\#\d+L?)?)
    |(?P<symbol><=>|<=|>=|<>|!=|==|[=<>(),.])
    )""",
    re.VERBOSE,
)
_INTEGER = re.compile(r"0|-?[1-9]\d{0,17}", re.ASCII)
_DATE = re.compile(r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])", re.ASCII)  # any month has 28 days
_FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "=", "<>": "<>", "<=>": "<=>"}
_SYNONYMS = {"==": "=", "!=": "<>"}


class _NotPlain(Exception):
    """Says that a condition is not plain."""


def parse_predicate(text: str) -> Predicate:
    """Parses a condition; one that is not plain, or not wholly understood, is Unknown. Never raises."""
    try:
        tokens = _tokens(text)
        parser = _Parser(tokens)
        found = parser.disjunction()
        if parser.at < len(tokens):
            raise _NotPlain
    except (_NotPlain, RecursionError):
        return Unknown(text)
    return found


def _tokens(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    at = 0
    text = text.strip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise _NotPlain
        found.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
        while at < len(text) and text[at].isspace():
            at += 1
    return found


class _Parser:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self.at = 0

    def disjunction(self) -> Predicate:
        parts = [self._conjunction()]
        while self._word("or"):
            parts.append(self._conjunction())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _conjunction(self) -> Predicate:
        parts = [self._negation()]
        while self._word("and"):
            parts.append(self._negation())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _negation(self) -> Predicate:
        if self._word("not"):
            return Not(self._negation())
        start = self.at
        if self._symbol("("):
            try:
                inner = self.disjunction()
                if self._symbol(")") and not self._continues():
                    return inner
            except _NotPlain:
                pass
            self.at = start
        return self._condition()

    def _continues(self) -> bool:
        """Tells whether what was in parentheses is an operand of a comparison, not a condition."""
        kind, text = self._peek()
        return (kind == "symbol" and text not in ("(", ")", ",")) or (
            kind == "name" and text.lower() in ("is", "in", "between")
        )

    def _condition(self) -> Predicate:
        left = self._operand()
        if self._word("is"):
            negated = self._word("not")
            if not self._word("null"):
                raise _NotPlain
            found: Predicate = IsNull(left)
            return Not(found) if negated else found
        negated = self._word("not")
        if self._word("in"):
            found = Or(tuple(Comparison("=", left, value) for value in self._list()))
        elif self._word("between"):
            low = self._operand()
            if not self._word("and"):
                raise _NotPlain
            found = And((Comparison(">=", left, low), Comparison("<=", left, self._operand())))
        elif negated:
            raise _NotPlain
        else:
            kind, text = self._peek()
            operator = _SYNONYMS.get(text, text)
            if kind != "symbol" or operator not in _FLIPPED:
                if isinstance(left, Literal) and (left.value is None or isinstance(left.value, bool)):
                    return Constant(left.value)
                raise _NotPlain
            self.at += 1
            found = Comparison(operator, left, self._operand())
        return Not(found) if negated else found

    def _list(self) -> list[Operand]:
        if not self._symbol("("):
            raise _NotPlain
        found = [self._operand()]
        while self._symbol(","):
            found.append(self._operand())
        if not self._symbol(")"):
            raise _NotPlain
        return found

    def _operand(self) -> Operand:
        kind, text = self._peek()
        if self._symbol("("):
            inner = self._operand()
            if not self._symbol(")"):
                raise _NotPlain
            return inner
        self.at += 1
        if kind == "number":
            return Literal(float(text) if any(mark in text for mark in ".eE") else int(text))
        if kind == "text":
            return Literal(text.replace("''", "'"))
        if kind != "name":
            raise _NotPlain
        if text.lower() in ("true", "false"):
            return Literal(text.lower() == "true")
        if text.lower() == "null":
            return Literal(None)
        names = [_plain_name(text)]
        while self._symbol("."):
            kind, text = self._peek()
            if kind != "name":
                raise _NotPlain
            self.at += 1
            names.append(_plain_name(text))
        if self._peek() == ("symbol", "("):
            raise _NotPlain  # a function
        return Column(names[-1], tuple(names[:-1]))

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self.at] if self.at < len(self._tokens) else ("", "")

    def _word(self, word: str) -> bool:
        kind, text = self._peek()
        if kind == "name" and text.lower() == word:
            self.at += 1
            return True
        return False

    def _symbol(self, symbol: str) -> bool:
        if self._peek() == ("symbol", symbol):
            self.at += 1
            return True
        return False


def _plain_name(text: str) -> str:
    text = re.sub(r"#\d+L?$", "", text)
    if text[:1] in '`"':
        quote = text[0]
        return text[1:-1].replace(quote * 2, quote)
    return text


# -- what is asked of a predicate -------------------------------------------------------------------------------------


def columns_of(predicate: Predicate) -> set[Column]:
    """The columns in the plain parts of a predicate."""
    match predicate:
        case Comparison(_, left, right):
            return {side for side in (left, right) if isinstance(side, Column)}
        case IsNull(operand):
            return {operand} if isinstance(operand, Column) else set()
        case Not(part):
            return columns_of(part)
        case And(parts) | Or(parts):
            return {column for part in parts for column in columns_of(part)}
        case _:
            return set()


def is_plain(predicate: Predicate) -> bool:
    """Tells whether every part of a predicate was understood."""
    match predicate:
        case Unknown():
            return False
        case Not(part):
            return is_plain(part)
        case And(parts) | Or(parts):
            return all(is_plain(part) for part in parts)
        case _:
            return True


Lookup = Callable[[str], tuple[bool, Value]]
"""Answers (known, value) of a column."""


def evaluate(predicate: Predicate, lookup: Lookup) -> Truth:
    """Evaluates with the columns that are known; what hangs on others is UNKNOWN."""
    match predicate:
        case Constant(value):
            return _truth(value)
        case Comparison(operator, left, right):
            return _compared(operator, _value(left, lookup), _value(right, lookup))
        case IsNull(operand):
            known, value = _value(operand, lookup)
            return Truth.UNKNOWN if not known else _truth(value is None)
        case Not(part):
            inner = evaluate(part, lookup)
            return {Truth.TRUE: Truth.FALSE, Truth.FALSE: Truth.TRUE}.get(inner, inner)
        case And(parts):
            return _joined([evaluate(part, lookup) for part in parts], Truth.FALSE)
        case Or(parts):
            return _joined([evaluate(part, lookup) for part in parts], Truth.TRUE)
        case Unknown():
            return Truth.UNKNOWN


def _joined(truths: Sequence[Truth], decides: Truth) -> Truth:
    for wanted in (decides, Truth.UNKNOWN, Truth.NULL):
        if wanted in truths:
            return wanted
    return Truth.TRUE if decides is Truth.FALSE else Truth.FALSE


def _truth(value: Value) -> Truth:
    return Truth.NULL if value is None else Truth.TRUE if value else Truth.FALSE


def _value(operand: Operand, lookup: Lookup) -> tuple[bool, Value]:
    return (True, operand.value) if isinstance(operand, Literal) else lookup(operand.name)


def _compared(operator: str, left: tuple[bool, Value], right: tuple[bool, Value]) -> Truth:
    if not (left[0] and right[0]):
        return Truth.UNKNOWN
    a, b = left[1], right[1]
    if operator == "<=>":
        return _truth(a == b) if a is None or b is None else _compared("=", left, right)
    if a is None or b is None:
        return Truth.NULL
    alike = _alike(operator, a, b)
    if alike is None:
        return Truth.UNKNOWN
    a, b = alike
    result: Mapping[str, Callable[[], bool]] = {
        "=": lambda: a == b,
        "<>": lambda: a != b,
        "<": lambda: a < b,  # type: ignore[operator]
        "<=": lambda: a <= b,  # type: ignore[operator]
        ">": lambda: a > b,  # type: ignore[operator]
        ">=": lambda: a >= b,  # type: ignore[operator]
    }
    return _truth(result[operator]())


def _alike(operator: str, a: Value, b: Value) -> tuple[Value, Value] | None:
    """Two values as engines compare them; None where they differ in that, or it hangs on their settings."""
    if isinstance(a, bool) or isinstance(b, bool):
        a, b = ({"true": True, "false": False}.get(v.lower(), v) if isinstance(v, str) else v for v in (a, b))
        return (a, b) if isinstance(a, bool) and isinstance(b, bool) else None
    if isinstance(a, date) or isinstance(b, date):
        a, b = (date.fromisoformat(v) if isinstance(v, str) and _DATE.fullmatch(v) else v for v in (a, b))
        return (a, b) if isinstance(a, date) and isinstance(b, date) else None
    if any(isinstance(value, float) and math.isnan(value) for value in (a, b)):
        return None
    if isinstance(a, str) != isinstance(b, str):
        # Some engines compare such as texts, some as numbers: a plain number is equal to its text for all of them.
        if operator not in ("=", "<>", "<=>"):
            return None
        a, b = (int(value) if isinstance(value, str) and _INTEGER.fullmatch(value) else value for value in (a, b))
        return (a, b) if isinstance(a, int) and isinstance(b, int) else None
    return a, b

"""Tells whether a history of overlapping operations on one path could have come of doing them one at a time.

The search is Wing and Gong's, with the visited states remembered. Linearizability is local: a history over many paths
has it exactly where the history of every path has it, so that each path is checked by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    READ = "read"  # result: the value, None for nothing there
    PUT = "put"
    PUT_IF_ABSENT = "put if absent"  # result: "" where it was refused
    PUT_IF_MATCH = "put if match"  # over `expected`; result: "" where it was refused
    DELETE = "delete"  # result: "" where there was nothing


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation on a path, from the moment it was called to the moment it was answered (seconds of one clock)."""

    path: str
    kind: Kind
    called: float
    answered: float
    value: str | None = None
    expected: str | None = None
    result: str | None = None


def after(state: str | None, operation: Operation) -> tuple[bool, str | None]:
    """Whether an operation could have had its result on this state of its path, and the state after it."""
    refused = operation.result == ""
    match operation.kind:
        case Kind.READ:
            return operation.result == state, state
        case Kind.PUT:
            return True, operation.value
        case Kind.PUT_IF_ABSENT:
            allowed = state is None
        case Kind.PUT_IF_MATCH:
            allowed = state == operation.expected
        case Kind.DELETE:
            return (state is None) == refused, None
    return allowed != refused, operation.value if allowed else state


def explain(history: Iterable[Operation], initial: str | None = None) -> Sequence[Operation] | None:
    """Returns an order in which the operations of one path could have been done; None where there is none."""
    operations = sorted(history, key=lambda operation: operation.called)
    seen: set[tuple[int, str | None]] = set()
    order: list[Operation] = []
    everything = (1 << len(operations)) - 1

    def search(done: int, state: str | None) -> bool:
        if done == everything:
            return True
        if (done, state) in seen:
            return False
        seen.add((done, state))
        left = [number for number in range(len(operations)) if not done >> number & 1]
        until = min(operations[number].answered for number in left)
        for number in left:
            operation = operations[number]
            if operation.called > until:
                break  # another was answered before this one, and before all after it, were called
            possible, then = after(state, operation)
            if possible:
                order.append(operation)
                if search(done | 1 << number, then):
                    return True
                order.pop()
        return False

    return tuple(order) if search(0, initial) else None

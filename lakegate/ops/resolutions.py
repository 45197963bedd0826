"""How the conflicts of one merge are settled: by resolutions that name tables and paths, else by a strategy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from lakegate.errors import ErrorKind, InvalidInput
from lakegate.model import Resolution, Strategy, Take

_SIDES = {Strategy.SOURCE_WINS: Take.SOURCE, Strategy.DESTINATION_WINS: Take.DESTINATION}


class Resolutions:
    """Answers how a conflict is settled, and remembers which resolutions were of use."""

    def __init__(self, given: Iterable[Resolution] = (), strategy: Strategy | None = None) -> None:
        self._given: dict[str, Resolution] = {}
        for resolution in given:
            path = resolution.path.rstrip("/")
            if self._given.setdefault(path, resolution) != resolution:
                raise InvalidInput(
                    ErrorKind.INVALID_ARGUMENT,
                    f"There are two resolutions for {path!r}, and they say different things.",
                    hint="Name each table and path once.",
                    details={"path": path},
                )
        self._by_strategy = _SIDES[strategy] if strategy is not None else None
        self._used: set[str] = set()

    def named(self, path: str) -> Resolution | None:
        """The resolution that names this table or path; None: nobody asked for anything here."""
        found = self._given.get(path)
        if found is not None:
            self._used.add(path)
        return found

    def by_rows(self, path: str) -> Resolution | None:
        """The resolution that asks for this table's rows to be merged by key. The strategy settles what it leaves."""
        found = self._given.get(path)
        if found is None or found.take is not Take.ROWS:
            return None
        self._used.add(path)
        return replace(found, prefer=found.prefer or self._by_strategy)

    def whole(self, path: str) -> Take | None:
        """The side that this table is asked to be taken from; None: nobody asked for one."""
        found = self._given.get(path)
        return None if found is None or found.take is Take.ROWS else self.take(path)

    def take(self, path: str) -> Take | None:
        """How a conflict at this path is settled; None: not at all."""
        found = self.named(path)
        if found is not None:
            return found.take
        return self._by_strategy

    def require_used(self) -> None:
        """Raises InvalidInput(INVALID_ARGUMENT) for a resolution that settled nothing."""
        unused = sorted(set(self._given) - self._used)
        if unused:
            raise InvalidInput(
                ErrorKind.INVALID_ARGUMENT,
                f"The resolution for {unused[0]!r} settles no conflict.",
                hint="Name tables and paths as a dry run lists them.",
                details={"paths": unused},
            )

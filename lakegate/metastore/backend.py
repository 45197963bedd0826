"""What a kind of database must answer beside SQL, so that nothing else asks which kind it is."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Protocol

from sqlalchemy import Connection, Dialect

from lakegate.errors import LakegateError
from lakegate.ids import BranchName, RepositoryId
from lakegate.metastore.prepared import Prepared


class Backend(Protocol):
    """Thread-safe. `shown` names the database in messages, without its password."""

    @property
    def dialect(self) -> Dialect: ...

    @property
    def shown(self) -> str: ...

    def close(self) -> None: ...

    def query(self, prepared: Prepared, values: dict[str, Any]) -> list[Any]:
        """Runs one query, which sees one instant, and what every write before it acknowledged."""
        ...

    def writing(self) -> AbstractContextManager[Connection]:
        """Yields a connection to begin a write transaction on, by `begin()`."""
        ...

    def lock_schema(self, tx: Connection) -> None:
        """Keeps every other migration out until the transaction ends."""
        ...

    def lock_namespaces(self, tx: Connection) -> None:
        """Keeps every other creation of a repository out."""
        ...

    def lock_repository(self, tx: Connection, repo: RepositoryId, *, exclusive: bool) -> None:
        """Holds the repository: exclusively to delete it, shared to do anything else with its branches."""
        ...

    def lock_branch(self, tx: Connection, repo: RepositoryId, name: BranchName, *, exclusive: bool) -> None:
        """Holds the branch, and its repository shared. Who waits for the exclusive lock is not overtaken by later
        shared ones."""
        ...

    def translated(self, error: Exception) -> LakegateError | None:
        """Says an error of driver or SQLAlchemy in lakegate's words; None for what is no such error."""
        ...

    def is_missing_table(self, error: BaseException | None) -> bool:
        """Tells whether a query failed because a table is not there."""
        ...

    def may_retry(self, error: Exception) -> bool:
        """Tells whether the transaction was undone for reasons that lie with others, so that it may just run again."""
        ...

    def outcome_unknown(self, error: Exception) -> bool:
        """Tells whether an error of COMMIT leaves open if it happened."""
        ...

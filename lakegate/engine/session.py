"""One DuckDB database in memory, for one piece of work.

It reads nothing by itself: rows come to it as Arrow streams from `lakegate.tables`, which is right for every table that
can be read. It loads no extension, and reaches no file or address but its own folder for what does not fit into memory.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from lakegate.closing import Closing
from lakegate.errors import Corrupt, ErrorKind, LakegateError, Unavailable

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

# Beside it there are a row group of each stream, and Python with Arrow: together under 600 MB.
MEMORY_MB = 256
_THREADS = 2
_BATCH_ROWS = 16_384


class Engine(Closing):
    """A DuckDB database that is gone when it is closed. Not to be shared between threads."""

    def __init__(self, memory_mb: int = MEMORY_MB, *, ordered: bool = False) -> None:
        """With `ordered` the rows of one stream keep their order where a query does not sort them."""
        import duckdb

        self._spill = tempfile.TemporaryDirectory(prefix="lakegate-engine-", ignore_cleanup_errors=True)
        self._connection: duckdb.DuckDBPyConnection = duckdb.connect(
            ":memory:",
            config={
                "memory_limit": f"{memory_mb}MB",
                "threads": _THREADS,
                "temp_directory": self._spill.name,
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
                "preserve_insertion_order": "true" if ordered else "false",
            },
        )
        # In this order, and after the folder is known: what comes later could not be set any more.
        self._connection.execute("SET enable_external_access = false")
        self._connection.execute("SET lock_configuration = true")
        self._failure: LakegateError | None = None

    def close(self) -> None:
        """Frees memory and disk. May be called again."""
        self._connection.close()
        self._spill.cleanup()

    def stream(self, name: str, rows: pa.RecordBatchReader) -> None:
        """Gives rows a name for the next statement. A stream can be read once."""
        import pyarrow as pa

        guarded = pa.RecordBatchReader.from_batches(rows.schema, self._guarded(rows))
        self._connection.register(name, guarded)

    def run(self, statement: str) -> None:
        """Runs a statement. Raises what a stream raised; Unavailable(ENGINE_EXHAUSTED), Corrupt."""
        self._execute(statement)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Answers all rows of a query."""
        try:
            return list(self._execute(query).fetchall())
        except Exception as error:
            raise self._explained(error) from error

    def batches(self, query: str) -> pa.RecordBatchReader:
        """Streams the rows of a query; it must be read before the next statement runs."""
        import pyarrow as pa

        found = self._execute(query).to_arrow_reader(_BATCH_ROWS)
        return pa.RecordBatchReader.from_batches(found.schema, self._explaining(found))

    def _execute(self, statement: str) -> duckdb.DuckDBPyConnection:
        self._failure = None
        try:
            return self._connection.execute(statement)
        except Exception as error:
            raise self._explained(error) from error

    def _guarded(self, rows: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        """The same rows. DuckDB makes text of an exception that it meets in a stream: the first is kept as it is."""
        try:
            yield from rows
        except LakegateError as error:
            self._failure = self._failure or error
            raise

    def _explaining(self, found: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        try:
            yield from found
        except Exception as error:
            raise self._explained(error) from error

    def _explained(self, error: Exception) -> Exception:
        import duckdb

        if self._failure is not None:
            return self._failure
        if isinstance(error, duckdb.OutOfMemoryException | duckdb.IOException):
            return Unavailable(
                ErrorKind.ENGINE_EXHAUSTED,
                f"Memory or the disk for temporary files does not suffice: {_first_line(error)}",
                hint="Compare fewer files (nearer refs), or free space in the folder for temporary files.",
            )
        if isinstance(error, duckdb.InvalidInputException | duckdb.ConversionException):
            return Corrupt(
                f"The rows of a table can't be worked on: {_first_line(error)}",
                hint="Check the table's data files for values that are none of their type (text that is no UTF-8).",
            )
        return error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0]

"""SQL over the rows of tables: DuckDB in this process, with a limit on its memory and no way to the outside."""

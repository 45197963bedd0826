"""Makes the tables of a new SQLite database at once: every `lakegate init` would else import Alembic and replay all
migrations, which takes ten times as long."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection

from lakegate.ids import new_id
from lakegate.metastore.schema import lake

SCRIPT = Path(__file__).parent / "migrations/sqlite.sql"
"""What `lakegate.metastore.migrate` prints; a test holds both together."""


def is_empty(tx: Connection) -> bool:
    """Tells whether a database is SQLite's, and holds nothing yet."""
    if tx.dialect.name != "sqlite":
        return False
    return tx.exec_driver_sql("SELECT 1 FROM sqlite_master LIMIT 1").first() is None


def create(tx: Connection) -> None:
    """Makes the tables, and gives the lake its id, in the transaction `tx`."""
    for statement in SCRIPT.read_text(encoding="utf-8").split(";\n"):
        tx.exec_driver_sql(statement)
    tx.execute(lake.insert().values(lake_id=new_id()))

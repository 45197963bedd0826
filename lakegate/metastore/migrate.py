"""Brings a database's schema up to this version of lakegate. Imported only where there is something to do."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, select

from lakegate.ids import new_id
from lakegate.metastore.schema import lake


def upgrade(tx: Connection) -> None:
    """Runs the migrations that the database has not seen, and gives a new lake its id, all in the transaction `tx`,
    which must keep other writers out."""
    config = Config()
    config.set_main_option("script_location", (Path(__file__).parent / "migrations").as_posix().replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = tx
    command.upgrade(config, "head")
    if tx.execute(select(lake.c.lake_id)).first() is None:
        tx.execute(lake.insert().values(lake_id=new_id()))

"""Brings a database's schema up to this version of lakegate. Imported only where there is something to do."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine, select

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


def sqlite_script() -> str:
    """The statements that make what the migrations make of an empty SQLite database, but for the lake's id."""
    engine = create_engine("sqlite://")
    with engine.connect() as tx:
        upgrade(tx)
        made = tx.exec_driver_sql("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid").scalars()
        version = tx.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
        return ";\n".join([*made, f"INSERT INTO alembic_version VALUES ('{version}')"]) + "\n"


if __name__ == "__main__":
    print(sqlite_script(), end="")

"""The tables of the database, as SQLAlchemy Core tables. The migrations make them; a test compares the two."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

# Ids of revisions are numbers, so that a newer lakegate's is known to be newer.
HEAD = "0002"

metadata = MetaData()

# PostgreSQL orders text by the database's collation; "C" is the order of UTF-8 bytes, which SQLite's BINARY is already.
_TEXT = Text().with_variant(Text(collation="C"), "postgresql")
_ROWID = BigInteger().with_variant(Integer, "sqlite")


def _repository(*, primary_key: bool = True) -> Column[str]:
    return Column(
        "repository", _TEXT, ForeignKey("repositories.id", ondelete="CASCADE"), primary_key=primary_key, nullable=False
    )


lake = Table("lake", metadata, Column("lake_id", _TEXT, primary_key=True))

# Alembic's own table, declared here so that opening a lake can read it without Alembic.
alembic_version = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))

repositories = Table(
    "repositories",
    metadata,
    Column("id", _TEXT, primary_key=True),
    Column("name", _TEXT, nullable=False),
    Column("storage_namespace", _TEXT, nullable=False),
    Column("default_branch", _TEXT, nullable=False),
    Column("created", BigInteger, nullable=False),
    Index("repositories_by_name", "name", unique=True),
)

branches = Table(
    "branches",
    metadata,
    _repository(),
    Column("name", _TEXT, primary_key=True),
    Column("commit_id", _TEXT, nullable=False),
    Column("staging", _TEXT, nullable=False),
    Column("sealed", _TEXT, nullable=False),  # tokens, newest first, joined by blanks
    Column("sequence", BigInteger, nullable=False),
)

staged = Table(
    "staged",
    metadata,
    Column("token", _TEXT, primary_key=True),
    Column("path", _TEXT, primary_key=True),
    Column("write_id", _TEXT, nullable=False),
    Column("address", _TEXT),  # NULL: a tombstone
    Column("size", BigInteger),
    Column("etag", _TEXT),
    Column("mtime", BigInteger),
    Column("digest", _TEXT),
    Column("content_type", _TEXT),
    Column("metadata", _TEXT),
    Column("headers", _TEXT),
    sqlite_with_rowid=False,
)

# Tokens that no branch names any more, whose rows are still there.
dropped = Table("dropped", metadata, Column("token", _TEXT, primary_key=True))

tags = Table(
    "tags",
    metadata,
    _repository(),
    Column("name", _TEXT, primary_key=True),
    Column("commit_id", _TEXT, nullable=False),
)

commits = Table(
    "commits",
    metadata,
    _repository(),
    Column("id", _TEXT, primary_key=True),
    Column("created", BigInteger, nullable=False),
)

ref_moves = Table(
    "ref_moves",
    metadata,
    Column("row", _ROWID, primary_key=True, autoincrement=True),
    _repository(primary_key=False),
    Column("kind", _TEXT, nullable=False),
    Column("name", _TEXT, nullable=False),
    Column("commit_id", _TEXT),
    Column("sequence", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("actor", _TEXT, nullable=False),
    Column("reason", _TEXT, nullable=False),
    Column("journaled", Boolean, nullable=False),
    Index("ref_moves_by_name", "repository", "name", "row"),
    Index("ref_moves_by_journal", "repository", "journaled", "row"),
)

uploads = Table(
    "uploads",
    metadata,
    _repository(),
    Column("id", _TEXT, primary_key=True),
    Column("branch", _TEXT, nullable=False),
    Column("path", _TEXT, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("content_type", _TEXT, nullable=False),
    Column("metadata", _TEXT, nullable=False),
    Column("headers", _TEXT, nullable=False),
    Index("uploads_by_path", "repository", "branch", "path", "id"),
)

parts = Table(
    "parts",
    metadata,
    Column("repository", _TEXT, primary_key=True),
    Column("upload", _TEXT, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("address", _TEXT, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("etag", _TEXT, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("checksums", _TEXT, nullable=False),
    ForeignKeyConstraint(["repository", "upload"], ["uploads.repository", "uploads.id"], ondelete="CASCADE"),
)

holds = Table(
    "holds",
    metadata,
    _repository(),
    Column("id", _TEXT, primary_key=True),
    Column("commit_id", _TEXT, nullable=False),
    Column("name", _TEXT, nullable=False),
    Column("created", BigInteger, nullable=False),
    Index("holds_by_name", "repository", "name", "commit_id", unique=True),
)

jobs = Table(
    "jobs",
    metadata,
    _repository(),
    Column("id", _TEXT, primary_key=True),
    Column("kind", _TEXT, nullable=False),
    Column("state", _TEXT, nullable=False),
    Column("done", BigInteger, nullable=False),
    Column("total", BigInteger),
    Column("created", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
    Column("result", _TEXT, nullable=False),
    Column("error_code", _TEXT),
    Column("error_message", _TEXT),
    Column("error_hint", _TEXT, nullable=False),
    Column("cancel", Boolean, nullable=False),
    Index("jobs_by_time", "repository", "created", "id"),
)

users = Table(
    "users",
    metadata,
    Column("name", _TEXT, primary_key=True),
    Column("admin", Boolean, nullable=False),
    Column("created", BigInteger, nullable=False),
)

keys = Table(
    "keys",
    metadata,
    Column("access_key_id", _TEXT, primary_key=True),
    Column("user", _TEXT, ForeignKey("users.name", ondelete="CASCADE"), nullable=False),
    Column("secret", LargeBinary, nullable=False),
    Column("created", BigInteger, nullable=False),
    Index("keys_by_user", "user", "access_key_id"),
)

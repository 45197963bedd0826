"""The tables of the database, as SQLAlchemy Core tables. Text that is ordered is ordered by its UTF-8 bytes."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, LargeBinary, MetaData, Table, Text

SCHEMA_VERSION = 1

metadata = MetaData()

# PostgreSQL orders text by the database's collation; "C" is the order of bytes, which SQLite's BINARY is already.
_BYTES = Text().with_variant(Text(collation="C"), "postgresql")
_ROWID = BigInteger().with_variant(Integer, "sqlite")


def _repository() -> Column[str]:
    return Column("repository", Text, ForeignKey("repositories.id", ondelete="CASCADE"), primary_key=True)


lake = Table(
    "lake",
    metadata,
    Column("lake_id", Text, primary_key=True),
    Column("schema_version", Integer, nullable=False),
)

repositories = Table(
    "repositories",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", _BYTES, nullable=False, unique=True),
    Column("storage_namespace", Text, nullable=False),
    Column("default_branch", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
)

branches = Table(
    "branches",
    metadata,
    _repository(),
    Column("name", _BYTES, primary_key=True),
    Column("commit_id", Text, nullable=False),
    Column("staging", Text, nullable=False),
    Column("sealed", Text, nullable=False),  # tokens, newest first, joined by blanks
    Column("sequence", BigInteger, nullable=False),
)

staged = Table(
    "staged",
    metadata,
    Column("token", Text, primary_key=True),
    Column("path", _BYTES, primary_key=True),
    Column("write_id", Text, nullable=False),
    Column("address", Text),  # NULL: a tombstone
    Column("size", BigInteger),
    Column("etag", Text),
    Column("mtime", BigInteger),
    Column("digest", Text),
    Column("content_type", Text),
    Column("metadata", Text),
    Column("headers", Text),
)

tags = Table(
    "tags",
    metadata,
    _repository(),
    Column("name", _BYTES, primary_key=True),
    Column("commit_id", Text, nullable=False),
)

commits = Table(
    "commits",
    metadata,
    _repository(),
    Column("id", _BYTES, primary_key=True),
    Column("created", BigInteger, nullable=False),
)

ref_moves = Table(
    "ref_moves",
    metadata,
    Column("row", _ROWID, primary_key=True, autoincrement=True),
    Column("repository", Text, ForeignKey("repositories.id", ondelete="CASCADE"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("commit_id", Text),
    Column("sequence", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Index("ref_moves_by_name", "repository", "kind", "name", "sequence"),
)

uploads = Table(
    "uploads",
    metadata,
    _repository(),
    Column("id", Text, primary_key=True),
    Column("branch", Text, nullable=False),
    Column("path", _BYTES, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("metadata", Text, nullable=False),
    Column("headers", Text, nullable=False),
)

parts = Table(
    "parts",
    metadata,
    _repository(),
    Column("upload", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("address", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("etag", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("checksums", Text, nullable=False),
)

holds = Table(
    "holds",
    metadata,
    _repository(),
    Column("id", Text, primary_key=True),
    Column("commit_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Index("holds_by_name", "repository", "name", "commit_id", unique=True),
)

jobs = Table(
    "jobs",
    metadata,
    _repository(),
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("done", BigInteger, nullable=False),
    Column("total", BigInteger),
    Column("created", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
    Column("result", Text, nullable=False),
    Column("error_code", Text),
    Column("error_message", Text),
    Column("cancel", Boolean, nullable=False, default=False),
)

users = Table(
    "users",
    metadata,
    Column("name", _BYTES, primary_key=True),
    Column("admin", Boolean, nullable=False),
    Column("created", BigInteger, nullable=False),
)

keys = Table(
    "keys",
    metadata,
    Column("access_key_id", Text, primary_key=True),
    Column("user", Text, ForeignKey("users.name", ondelete="CASCADE"), nullable=False),
    Column("secret", LargeBinary, nullable=False),
    Column("created", BigInteger, nullable=False),
)

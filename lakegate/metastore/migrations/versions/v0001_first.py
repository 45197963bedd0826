"""The first schema.

Revision ID: 0001
Revises:
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "0001"
down_revision: str | None = None

_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_ROWID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _repository(*, primary_key: bool = True) -> sa.Column[str]:
    owner = sa.ForeignKey("repositories.id", ondelete="CASCADE")
    return sa.Column("repository", _TEXT, owner, primary_key=primary_key, nullable=False)


def upgrade() -> None:
    op.create_table("lake", sa.Column("lake_id", _TEXT, primary_key=True))
    op.create_table(
        "repositories",
        sa.Column("id", _TEXT, primary_key=True),
        sa.Column("name", _TEXT, nullable=False),
        sa.Column("storage_namespace", _TEXT, nullable=False),
        sa.Column("default_branch", _TEXT, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
    )
    op.create_index("repositories_by_name", "repositories", ["name"], unique=True)
    _refs()
    _staging()
    _work()
    op.create_table(
        "users",
        sa.Column("name", _TEXT, primary_key=True),
        sa.Column("admin", sa.Boolean, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "keys",
        sa.Column("access_key_id", _TEXT, primary_key=True),
        sa.Column("user", _TEXT, sa.ForeignKey("users.name", ondelete="CASCADE"), nullable=False),
        sa.Column("secret", sa.LargeBinary, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
    )
    op.create_index("keys_by_user", "keys", ["user", "access_key_id"])


def _refs() -> None:
    op.create_table(
        "branches",
        _repository(),
        sa.Column("name", _TEXT, primary_key=True),
        sa.Column("commit_id", _TEXT, nullable=False),
        sa.Column("staging", _TEXT, nullable=False),
        sa.Column("sealed", _TEXT, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "tags",
        _repository(),
        sa.Column("name", _TEXT, primary_key=True),
        sa.Column("commit_id", _TEXT, nullable=False),
    )
    op.create_table(
        "commits",
        _repository(),
        sa.Column("id", _TEXT, primary_key=True),
        sa.Column("created", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "ref_moves",
        sa.Column("row", _ROWID, primary_key=True, autoincrement=True),
        _repository(primary_key=False),
        sa.Column("kind", _TEXT, nullable=False),
        sa.Column("name", _TEXT, nullable=False),
        sa.Column("commit_id", _TEXT),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("actor", _TEXT, nullable=False),
        sa.Column("reason", _TEXT, nullable=False),
        sa.Column("journaled", sa.Boolean, nullable=False),
    )
    op.create_index("ref_moves_by_name", "ref_moves", ["repository", "name", "row"])
    op.create_index("ref_moves_by_journal", "ref_moves", ["repository", "journaled", "row"])


def _staging() -> None:
    op.create_table(
        "staged",
        sa.Column("token", _TEXT, primary_key=True),
        sa.Column("path", _TEXT, primary_key=True),
        sa.Column("write_id", _TEXT, nullable=False),
        sa.Column("address", _TEXT),
        sa.Column("size", sa.BigInteger),
        sa.Column("etag", _TEXT),
        sa.Column("mtime", sa.BigInteger),
        sa.Column("digest", _TEXT),
        sa.Column("content_type", _TEXT),
        sa.Column("metadata", _TEXT),
        sa.Column("headers", _TEXT),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "uploads",
        _repository(),
        sa.Column("id", _TEXT, primary_key=True),
        sa.Column("branch", _TEXT, nullable=False),
        sa.Column("path", _TEXT, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("content_type", _TEXT, nullable=False),
        sa.Column("metadata", _TEXT, nullable=False),
        sa.Column("headers", _TEXT, nullable=False),
    )
    op.create_index("uploads_by_path", "uploads", ["repository", "branch", "path", "id"])
    op.create_table(
        "parts",
        sa.Column("repository", _TEXT, primary_key=True),
        sa.Column("upload", _TEXT, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("address", _TEXT, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("etag", _TEXT, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("checksums", _TEXT, nullable=False),
        sa.ForeignKeyConstraint(["repository", "upload"], ["uploads.repository", "uploads.id"], ondelete="CASCADE"),
    )


def _work() -> None:
    op.create_table(
        "holds",
        _repository(),
        sa.Column("id", _TEXT, primary_key=True),
        sa.Column("commit_id", _TEXT, nullable=False),
        sa.Column("name", _TEXT, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
    )
    op.create_index("holds_by_name", "holds", ["repository", "name", "commit_id"], unique=True)
    op.create_table(
        "jobs",
        _repository(),
        sa.Column("id", _TEXT, primary_key=True),
        sa.Column("kind", _TEXT, nullable=False),
        sa.Column("state", _TEXT, nullable=False),
        sa.Column("done", sa.BigInteger, nullable=False),
        sa.Column("total", sa.BigInteger),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("updated", sa.BigInteger, nullable=False),
        sa.Column("result", _TEXT, nullable=False),
        sa.Column("error_code", _TEXT),
        sa.Column("error_message", _TEXT),
        sa.Column("error_hint", _TEXT, nullable=False),
        sa.Column("cancel", sa.Boolean, nullable=False),
    )
    op.create_index("jobs_by_time", "jobs", ["repository", "created", "id"])

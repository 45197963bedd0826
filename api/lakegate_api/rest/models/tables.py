"""Table versions, pins and holds."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from lakegate_api.rest.models.base import Answer, Ask, Pagination


class Column(Answer):
    name: str
    type: str
    nullable: bool


class TableProtocol(Answer):
    min_reader: int
    min_writer: int
    reader_features: list[str]
    writer_features: list[str]


class Table(Answer):
    """What a commit says of one table."""

    path: str
    format: str
    version: int | None = Field(description="The Delta version; null for a Parquet dataset.")
    schema_string: str = Field(description="The schema as Delta's JSON.")
    columns: list[Column]
    partition_columns: list[str]
    state: str
    files: int
    rows: int | None = Field(description="Null where some file states no number of records.")
    bytes: int
    digest: str
    timestamp_ms: int
    table_id: str | None
    name: str | None
    properties: dict[str, str]
    protocol: TableProtocol | None
    metadata: str | None
    txns: dict[str, int]
    domains: dict[str, str]


class TableList(Answer):
    pagination: Pagination
    results: list[Table]


class TableFile(Answer):
    path: str
    size_bytes: int
    rows: int | None
    partition: dict[str, str | None]
    deletion_vector: str | None
    action: str | None


class TableFileList(Answer):
    pagination: Pagination
    results: list[TableFile]


class TableHistoryItem(Answer):
    version: int | None
    timestamp_ms: int
    operation: str
    parameters: dict[str, str]
    commit_id: str | None
    committer: str | None
    message: str | None
    merged_from: str | None
    origin_commit_id: str | None
    origin_version: int | None
    origin_committer: str | None


class TableHistory(Answer):
    results: list[TableHistoryItem]


class TablePreview(Answer):
    columns: list[str]
    rows: list[list[Any]]


class TableDiff(Answer):
    path: str
    type: str
    left: Table | None
    right: Table | None
    schema_changes: list[str]
    files_added: int
    files_removed: int
    rows_added: int | None
    rows_removed: int | None
    bytes_added: int
    bytes_removed: int
    operations: list[str]
    reason: str = Field(description="Why a Parquet dataset is no table any more, where its folder still holds data.")


class TableDiffList(Answer):
    pagination: Pagination
    results: list[TableDiff]


class PinnedTable(Answer):
    path: str
    format: str
    version: int | None
    schema_digest: str = Field(alias="schema", description="SHA-256 of the schema's JSON.")
    files: int
    rows: int | None
    bytes: int
    content: str
    table_id: str | None


class Pin(Answer):
    """What a ref is pinned to."""

    repository: str
    ref: str
    commit_id: str
    committed_at_ms: int
    manifest_id: str
    tables: list[PinnedTable]
    hold_id: str | None


class PinCreation(Ask):
    hold: str = Field(min_length=1, max_length=255, description="The name of the hold to take.")
    tables: list[str] = Field(default=[], max_length=1000)


class Hold(Answer):
    """A promise that a commit stays readable."""

    id: str
    repository: str
    commit_id: str
    name: str
    creation_date_ms: int


class HoldList(Answer):
    results: list[Hold]

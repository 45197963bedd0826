"""Typed settings. Reads no environment: `lakegate.settings_reader` maps one, handed in as a value, to these."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

DEFAULT_CACHE_BYTES = 128 << 20


@dataclass(frozen=True, slots=True)
class S3Settings:
    """How S3 storage is reached. What is None is left to the S3 client's own chain (profile, instance role, ...).

    endpoint            URL of an S3 server other than AWS
    allow_http          None: allowed where the endpoint's URL says `http://`
    virtual_host_style  bucket in the host name; most servers other than AWS want False
    """

    endpoint: str | None = None
    region: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    allow_http: bool | None = None
    virtual_host_style: bool = False


@dataclass(frozen=True, slots=True)
class GcsSettings:
    """How Google Cloud Storage is reached. None is left to the client's own chain (application default, ...).

    endpoint  URL of an emulator
    """

    service_account_path: Path | None = None
    endpoint: str | None = None


@dataclass(frozen=True, slots=True)
class AzureSettings:
    """How Azure Blob Storage is reached. None is left to the client's own chain."""

    account_name: str | None = None
    account_key: str | None = field(default=None, repr=False)
    endpoint: str | None = None


@dataclass(frozen=True, slots=True)
class StorageSettings:
    """How object stores are reached.

    local_roots       local folders that storage namespaces, imports and exports must lie in; empty: anywhere
    fsync             False gives up that an acknowledged write survives a power cut (scratch lakes, tests)
    max_retries       of one request that failed for the network or with a 5xx answer
    timeout_seconds   of one request
    """

    s3: S3Settings = S3Settings()
    gcs: GcsSettings = GcsSettings()
    azure: AzureSettings = AzureSettings()
    local_roots: tuple[Path, ...] = ()
    fsync: bool = True
    max_retries: int = 5
    timeout_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class LakeSettings:
    """One lake.

    home                    the lake's folder: settings file, key file, SQLite database, local storage, disk cache
    database_url            None: SQLite in `home`
    default_namespace_base  URL below which repositories lie that name no storage namespace; None: a folder in `home`
    cache_bytes             of tree nodes, commits and manifests kept in memory
    disk_cache_bytes        of nodes kept on disk where the store is remote; 0: none
    """

    home: Path
    database_url: str | None = None
    default_namespace_base: str | None = None
    storage: StorageSettings = StorageSettings()
    cache_bytes: int = DEFAULT_CACHE_BYTES
    disk_cache_bytes: int = 1 << 30


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """The server of one lake.

    s3_hosts                host names whose requests are S3, also as `<bucket>.<host>`
    plain_bucket_is_branch  True: the plain bucket means the repository's default branch, keys at its root
    access_key_id           of the admin, made on first start; None: random, shown once
    """

    lake: LakeSettings
    host: str = "127.0.0.1"
    port: int = 8000
    s3_hosts: tuple[str, ...] = ()
    plain_bucket_is_branch: bool = False
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    log_level: str = "info"
    log_json: bool = False

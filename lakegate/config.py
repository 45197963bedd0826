"""Typed settings, and the reader that makes them of a settings file and an environment, both handed in as values.

The file is `config.toml` in the lake's home. Its tables and keys are the dataclasses and fields below:

    database_url = "..."        fields of LakeSettings stand at the top
    [storage]                   StorageSettings; [storage.s3], [storage.gcs], [storage.azure] below it
    [server]                    ServerSettings

Who opens a server's lake has no such file: ClientSettings are of the environment alone.

An environment variable beats the file: LAKEGATE_<FIELD> for the top and the server, LAKEGATE_STORAGE_<FIELD>,
LAKEGATE_S3_<FIELD>, LAKEGATE_GCS_<FIELD>, LAKEGATE_AZURE_<FIELD> for the others; lists are separated by commas.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from lakegate.errors import ErrorKind, InvalidInput

CONFIG_FILE = "config.toml"
DEFAULT_CACHE_BYTES = 384 << 20  # the nodes of about a million objects
LOG_LEVELS = ("debug", "info", "warning", "error", "critical")

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class S3Settings:
    """How S3 storage is reached. What is None is left to the S3 client's own chain (profile, instance role, ...).

    endpoint            URL of an S3 server other than AWS
    allow_http          None: allowed where the endpoint's URL says `http://`
    virtual_host_style  bucket in the host name; most servers other than AWS want False
    gateway             the lake's own address, where S3 storage would be looked for there; not to be set
    """

    endpoint: str | None = None
    region: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    allow_http: bool | None = None
    virtual_host_style: bool = False
    gateway: str | None = None


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
    fsync             False gives up that an acknowledged write survives a power cut, in local folders and in SQLite
                      (scratch lakes, tests)
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


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """How a server is reached.

    url                of the server, where none is given
    timeout_seconds    how long one answer may take; long merges and imports of a server answer late
    max_retries        of a request that may be sent again
    """

    url: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    timeout_seconds: float = 600.0
    max_retries: int = 3


def parse_file(text: str, name: str = CONFIG_FILE) -> dict[str, Any]:
    """Parses the text of a settings file. Raises InvalidInput(INVALID_CONFIG)."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _invalid(f"The settings file {name} is not valid TOML: {error}.", "Correct the file.") from error


def lake_settings(home: Path, file: Mapping[str, Any], environment: Mapping[str, str]) -> LakeSettings:
    """Makes the settings of the lake in `home`. Raises InvalidInput(INVALID_CONFIG), naming the setting."""
    reader = _Reader(file, environment)
    settings = reader.lake(home)
    reader.refuse_unknown()
    return settings


def server_settings(home: Path, file: Mapping[str, Any], environment: Mapping[str, str]) -> ServerSettings:
    """Makes the settings of the server of the lake in `home`. Raises InvalidInput(INVALID_CONFIG)."""
    reader = _Reader(file, environment)
    settings = reader.section(ServerSettings, "server", "LAKEGATE_", {"lake": reader.lake(home)})
    reader.refuse_unknown()
    if not 0 <= settings.port <= 65535:
        raise _invalid(f"The setting server.port is {settings.port}.", "Ports are 0 (any free one) to 65535.")
    if settings.log_level not in LOG_LEVELS:
        raise _invalid(
            f"The setting server.log_level is {settings.log_level!r}.", f"Use one of {', '.join(LOG_LEVELS)}."
        )
    _both_or_none("server", settings.access_key_id, settings.secret_access_key)
    return settings


def client_settings(environment: Mapping[str, str]) -> ClientSettings:
    """Makes the settings of a client of LAKEGATE_<FIELD>. Raises InvalidInput(INVALID_CONFIG)."""
    settings = _Reader({}, environment).section(ClientSettings, "client", "LAKEGATE_", {})
    if settings.timeout_seconds <= 0 or settings.max_retries < 0:
        raise _invalid(
            "LAKEGATE_TIMEOUT_SECONDS or LAKEGATE_MAX_RETRIES is out of range.",
            "Give a time above 0, and 0 or more retries.",
        )
    return settings


class _Reader:
    """Reads sections of dataclasses out of a file's tables and an environment, and remembers which tables it knows."""

    def __init__(self, file: Mapping[str, Any], environment: Mapping[str, str]) -> None:
        self._file = file
        self._environment = environment
        self._known: dict[str, set[str]] = {"server": {item.name for item in fields(ServerSettings)} - {"lake"}}

    def lake(self, home: Path) -> LakeSettings:
        storage = self.section(
            StorageSettings,
            "storage",
            "LAKEGATE_STORAGE_",
            {
                "s3": self._s3(),
                "gcs": self.section(GcsSettings, "storage.gcs", "LAKEGATE_GCS_", {}),
                "azure": self.section(AzureSettings, "storage.azure", "LAKEGATE_AZURE_", {}),
            },
        )
        settings = self.section(LakeSettings, "", "LAKEGATE_", {"home": home, "storage": storage})
        _check_storage(storage)
        if settings.database_url is not None and "://" not in settings.database_url:
            raise _invalid(
                "The setting database_url is no database URL.",
                "Use postgresql://user:password@host/database, or leave it out for SQLite in the lake's home.",
            )
        for name, value in (("cache_bytes", settings.cache_bytes), ("disk_cache_bytes", settings.disk_cache_bytes)):
            if value < 0:
                raise _invalid(f"The setting {name} is {value}.", "Sizes are in bytes and not below 0.")
        return settings

    def _s3(self) -> S3Settings:
        """Notices `lakegate env`, which points all S3 clients of a shell at the lake: that of its own storage too. It
        tells so in LAKEGATE_GATEWAY, because who works on the lake's folder there takes LAKEGATE_URL away."""
        found = self.section(S3Settings, "storage.s3", "LAKEGATE_S3_", {"gateway": None})
        endpoint = found.endpoint or self._environment.get("AWS_ENDPOINT_URL_S3", "")
        own = {self._environment.get(name, "").rstrip("/") for name in ("LAKEGATE_URL", "LAKEGATE_GATEWAY")}
        return replace(found, gateway=endpoint) if endpoint and endpoint.rstrip("/") in own else found

    def section(self, kind: Callable[..., S], table: str, prefix: str, given: Mapping[str, Any]) -> S:
        """Makes one dataclass of its table; an environment variable beats the file. `given` are fields as they are."""
        values = dict(given)
        known = self._known.setdefault(table, set())
        found = self._table(table)
        for item in fields(kind):  # type: ignore[arg-type]
            if item.name in given:
                continue
            known.add(item.name)
            name = f"{table}.{item.name}".lstrip(".")
            variable = prefix + item.name.upper()
            text = self._environment.get(variable, "")
            if text:
                values[item.name] = _from_text(str(item.type), text, f"The environment variable {variable}")
            elif item.name in found:
                values[item.name] = _from_toml(str(item.type), found[item.name], f"The setting {name}")
        return kind(**values)

    def refuse_unknown(self) -> None:
        """Raises for a key of the file that no section knows: a misspelt setting must not be ignored."""
        tables = {"": {"storage", "server"}, "storage": {"s3", "gcs", "azure"}}
        for table, known in self._known.items():
            allowed = known | tables.get(table, set())
            for key in self._table(table):
                if key not in allowed:
                    near = difflib.get_close_matches(key, allowed, 1)
                    raise _invalid(
                        f"The settings file has the unknown key {f'{table}.{key}'.lstrip('.')!r}.",
                        f"Did you mean {near[0]!r}?" if near else f"Known there: {', '.join(sorted(allowed))}.",
                    )

    def _table(self, table: str) -> Mapping[str, Any]:
        found: Any = self._file
        for part in table.split(".") if table else ():
            found = found.get(part, {})
            if not isinstance(found, Mapping):
                raise _invalid(f"The setting {table} is no table.", f"Write it as [{table}] with its keys below.")
        return found  # type: ignore[no-any-return]


def _from_text(kind: str, text: str, what: str) -> Any:
    base = kind.removesuffix(" | None")
    if base == "bool":
        lowered = text.strip().lower()
        if lowered not in ("true", "false", "1", "0", "yes", "no", "on", "off"):
            raise _invalid(f"{what} is {text!r}.", "Use true or false.")
        return lowered in ("true", "1", "yes", "on")
    if base in ("int", "float"):
        try:
            return int(text) if base == "int" else float(text)
        except ValueError:
            raise _invalid(f"{what} is {text!r}.", "Use a number.") from None
    if base.startswith("tuple"):
        return _from_toml(kind, [part.strip() for part in text.split(",") if part.strip()], what)
    return _from_toml(kind, text, what)


def _from_toml(kind: str, value: Any, what: str) -> Any:
    base = kind.removesuffix(" | None")
    if base.startswith("tuple"):
        if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
            raise _invalid(f"{what} is no list of strings.", 'Write it as ["a", "b"].')
        return tuple(Path(part) if "Path" in base else part for part in value)
    if base in ("str", "Path"):
        if not isinstance(value, str):  # not shown: it may be a secret
            raise _invalid(f"{what} is no string.", 'Write it in quotes: "...".')
        return Path(value) if base == "Path" else value
    fits = isinstance(value, bool) if base == "bool" else type(value) in ((int,) if base == "int" else (int, float))
    if not fits:
        raise _invalid(f"{what} is {value!r}.", f"A value of type {base} is wanted.")
    return float(value) if base == "float" else value


def _check_storage(storage: StorageSettings) -> None:
    _both_or_none("storage.s3", storage.s3.access_key_id, storage.s3.secret_access_key)
    endpoints = (("s3", storage.s3.endpoint), ("gcs", storage.gcs.endpoint), ("azure", storage.azure.endpoint))
    for name, endpoint in endpoints:
        if endpoint is not None and not endpoint.startswith(("http://", "https://")):
            raise _invalid(f"The setting storage.{name}.endpoint is {endpoint!r}.", "Use a URL, http:// or https://.")
    for root in storage.local_roots:
        if not root.is_absolute():
            raise _invalid(f"The setting storage.local_roots names {str(root)!r}.", "Use absolute paths.")
    if storage.max_retries < 0 or storage.timeout_seconds <= 0:
        raise _invalid("The settings storage.max_retries and storage.timeout_seconds are negative or 0.", "Raise them.")


def _both_or_none(table: str, access_key_id: str | None, secret: str | None) -> None:
    if (access_key_id is None) != (secret is None):
        raise _invalid(
            f"Of {table}.access_key_id and {table}.secret_access_key only one is set.", "Set both, or neither."
        )


def _invalid(message: str, hint: str) -> InvalidInput:
    return InvalidInput(ErrorKind.INVALID_CONFIG, message, hint=hint)

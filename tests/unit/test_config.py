"""Settings from a file and an environment, both as values."""

from __future__ import annotations

from pathlib import Path

import pytest

from lakegate.config import (
    LakeSettings,
    S3Settings,
    ServerSettings,
    StorageSettings,
    lake_settings,
    parse_file,
    server_settings,
)
from lakegate.errors import ErrorKind, InvalidInput
from lakegate.objectstore.opener import StoreOpener
from lakegate.pinning import job_environment

HOME = Path("/lake")

FULL = """
database_url = "postgresql://u:p@h/d"
default_namespace_base = "s3://bucket/base"
cache_bytes = 1000
disk_cache_bytes = 0

[storage]
local_roots = ["/data", "/more"]
fsync = false
max_retries = 2
timeout_seconds = 5

[storage.s3]
endpoint = "http://localhost:9000"
region = "eu-west-1"
access_key_id = "id"
secret_access_key = "top secret"
virtual_host_style = true

[server]
host = "0.0.0.0"
port = 9001
s3_hosts = ["s3.example"]
plain_bucket_is_branch = true
log_level = "debug"
"""


def test_nothing_given_is_the_defaults() -> None:
    assert lake_settings(HOME, {}, {}) == LakeSettings(HOME)
    assert server_settings(HOME, {}, {}) == ServerSettings(LakeSettings(HOME))


def test_a_full_file() -> None:
    settings = server_settings(HOME, parse_file(FULL), {})
    assert settings == ServerSettings(
        lake=LakeSettings(
            home=HOME,
            database_url="postgresql://u:p@h/d",
            default_namespace_base="s3://bucket/base",
            storage=StorageSettings(
                s3=S3Settings("http://localhost:9000", "eu-west-1", "id", "top secret", None, None, True),
                local_roots=(Path("/data"), Path("/more")),
                fsync=False,
                max_retries=2,
                timeout_seconds=5.0,
            ),
            cache_bytes=1000,
            disk_cache_bytes=0,
        ),
        host="0.0.0.0",
        port=9001,
        s3_hosts=("s3.example",),
        plain_bucket_is_branch=True,
        log_level="debug",
    )
    assert lake_settings(HOME, parse_file(FULL), {}) == settings.lake


def test_the_environment_beats_the_file() -> None:
    environment = {
        "LAKEGATE_PORT": "1234",
        "LAKEGATE_ACCESS_KEY_ID": "admin",
        "LAKEGATE_SECRET_ACCESS_KEY": "hidden",
        "LAKEGATE_S3_REGION": "us-west-2",
        "LAKEGATE_S3_ALLOW_HTTP": "no",
        "LAKEGATE_STORAGE_LOCAL_ROOTS": "/a, /b",
        "LAKEGATE_GCS_SERVICE_ACCOUNT_PATH": "/key.json",
        "LAKEGATE_S3_HOSTS": "x.example,y.example",
        "LAKEGATE_HOST": "",
        "LAKEGATE_REPO": "someone else's",
    }
    settings = server_settings(HOME, parse_file(FULL), environment)
    assert (settings.port, settings.host) == (1234, "0.0.0.0")
    assert (settings.access_key_id, settings.secret_access_key) == ("admin", "hidden")
    assert settings.s3_hosts == ("x.example", "y.example")
    storage = settings.lake.storage
    assert (storage.s3.region, storage.s3.allow_http) == ("us-west-2", False)
    assert storage.local_roots == (Path("/a"), Path("/b"))
    assert storage.gcs.service_account_path == Path("/key.json")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prot = 1", "unknown key 'prot'"),
        ("[server]\nprot = 1", "unknown key 'server.prot'.*'port'"),
        ("[server]\nlake = 1", "unknown key 'server.lake'"),
        ('home = "/x"', "unknown key 'home'"),
        ("[storage.s4]\nx = 1", "unknown key 'storage.s4'"),
        ("[storage.s3]\nendpont = 'http://x'", "storage.s3.endpont.*endpoint"),
        ("[server]\nport = 'x'", "server.port is 'x'"),
        ("[server]\nport = true", "server.port is True"),
        ("[server]\nport = 70000", "server.port is 70000"),
        ("[server]\nlog_level = 'loud'", "log_level is 'loud'"),
        ("[server]\ns3_hosts = 'x'", "s3_hosts is no list"),
        ("[server]\naccess_key_id = 'x'", "server.access_key_id.*only one"),
        ("server = 3", "server is no table"),
        ("database_url = 'nonsense'", "database_url"),
        ("cache_bytes = -1", "cache_bytes is -1"),
        ("[storage]\nlocal_roots = ['data']", "local_roots names 'data'"),
        ("[storage]\nmax_retries = -1", "max_retries"),
        ("[storage.s3]\nendpoint = 'localhost:9000'", "endpoint is 'localhost:9000'"),
        ("[storage.s3]\nsecret_access_key = 'hunter2'", "storage.s3.access_key_id.*only one"),
        ("[storage.s3]\naccess_key_id = 5", "storage.s3.access_key_id is no string"),
        ("[storage]\nfsync = 1", "storage.fsync is 1"),
        ("x = ", "not valid TOML"),
    ],
)
def test_faults_are_named(text: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=f"(?s){said}") as caught:
        server_settings(HOME, parse_file(text), {})
    assert caught.value.kind is ErrorKind.INVALID_CONFIG
    assert caught.value.hint
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "environment",
    [
        {**job_environment("http://lake:8000", None, ()), "LAKEGATE_URL": ""},
        {"LAKEGATE_URL": "http://lake:8000", "AWS_ENDPOINT_URL_S3": "http://lake:8000/"},
        {"LAKEGATE_URL": "http://lake:8000", "LAKEGATE_S3_ENDPOINT": "http://lake:8000"},
    ],
)
def test_storage_is_not_looked_for_at_the_lakes_own_address(environment: dict[str, str]) -> None:
    settings = server_settings(HOME, {}, environment).lake.storage
    with pytest.raises(InvalidInput, match=r"which is the lake's own address.*LAKEGATE_S3_ENDPOINT") as caught:
        StoreOpener(settings).open("s3://other/x")
    assert caught.value.kind is ErrorKind.INVALID_CONFIG
    elsewhere = environment | {"LAKEGATE_S3_ENDPOINT": "http://store:9000"}
    assert server_settings(HOME, {}, elsewhere).lake.storage.s3.gateway is None


@pytest.mark.parametrize(
    ("variable", "value"), [("LAKEGATE_PORT", "many"), ("LAKEGATE_STORAGE_FSYNC", "maybe"), ("LAKEGATE_PORT", "-1")]
)
def test_faults_of_the_environment_are_named(variable: str, value: str) -> None:
    with pytest.raises(InvalidInput, match=value) as caught:
        server_settings(HOME, {}, {variable: value})
    assert caught.value.kind is ErrorKind.INVALID_CONFIG


def test_secrets_are_not_shown() -> None:
    settings = server_settings(
        HOME, parse_file(FULL), {"LAKEGATE_ACCESS_KEY_ID": "a", "LAKEGATE_SECRET_ACCESS_KEY": "b1b"}
    )
    assert "top secret" not in repr(settings)
    assert "b1b" not in repr(settings)

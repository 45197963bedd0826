"""Opens object stores by URL: the one place that picks a backend."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from lakegate.config import StorageSettings
from lakegate.errors import ErrorKind, InvalidInput
from lakegate.objectstore import urls
from lakegate.objectstore.protocol import ReplacingStore
from lakegate.objectstore.urls import StorageUrl

if TYPE_CHECKING:
    from lakegate.objectstore.cloud import Bucket

METADATA_FOLDER = "_lakegate"


class StoreOpener:
    """Opens stores, one for each root. Thread-safe. `memory:///` stores live as long as the opener."""

    def __init__(self, settings: StorageSettings = StorageSettings()) -> None:
        self._settings = settings
        self._lock = Lock()
        self._stores: dict[StorageUrl, ReplacingStore] = {}
        self._buckets: dict[tuple[str, str], Bucket] = {}
        self._roots = tuple(Path(os.path.realpath(root)) for root in settings.local_roots)

    def open(self, url: str) -> ReplacingStore:
        """Opens the store at a root, without asking it anything. Raises InvalidInput(INVALID_NAMESPACE)."""
        return self._open(urls.parse(url))

    def namespace(self, url: str) -> str:
        """Checks the URL of a storage namespace and returns it in the form that is kept and compared.

        Raises InvalidInput(INVALID_NAMESPACE), also for a URL inside lakegate's own metadata, and for the whole file
        system.
        """
        parsed = urls.parse(url)
        if METADATA_FOLDER in parsed.path.split("/"):
            raise InvalidInput(
                ErrorKind.INVALID_NAMESPACE,
                f"The storage namespace {url!r} lies inside a folder that holds a repository's metadata.",
                hint=f"Choose a prefix without a segment {METADATA_FOLDER!r}.",
            )
        if parsed.scheme == "file" and not parsed.path:
            raise InvalidInput(
                ErrorKind.INVALID_NAMESPACE,
                "A storage namespace can't be the root of the file system.",
                hint="Name a folder.",
            )
        self._open(parsed)
        return str(parsed)

    def locate(self, address: str) -> tuple[ReplacingStore, str]:
        """Returns the store and key of an absolute physical address. Raises InvalidInput(INVALID_NAMESPACE)."""
        parsed = urls.parse(address)
        if parsed.scheme == "file":
            root = self._local_root(parsed)
            # Without configured roots an address is opened below "/": the import that made it had checked the source.
            base = StorageUrl("file", "", str(root).strip("/") if root else "")
            return self._open(base), parsed.path[len(base.path) :].lstrip("/")
        return self._open(StorageUrl(parsed.scheme, parsed.bucket, "")), parsed.path

    def _open(self, url: StorageUrl) -> ReplacingStore:
        store = self._stores.get(url)
        if store is None:
            with self._lock:
                store = self._stores.get(url) or self._make(url)
                self._stores[url] = store
        return store

    def _make(self, url: StorageUrl) -> ReplacingStore:
        if url.scheme == "file":
            from lakegate.objectstore.local import LocalStore

            self._local_root(url)
            return LocalStore(Path("/" + url.path), fsync=self._settings.fsync)
        from lakegate.objectstore.cloud import CloudStore

        name = (url.scheme, url.bucket)
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = self._open_bucket(url)
        return CloudStore(bucket, url.path)

    def _local_root(self, url: StorageUrl) -> Path | None:
        """Returns the configured root that a local path lies in; None where any place is allowed."""
        if not self._roots:
            return None
        path = Path(os.path.realpath("/" + url.path))
        for given, root in zip(self._settings.local_roots, self._roots, strict=True):
            if path == root or root in path.parents:
                return given if Path("/" + url.path).is_relative_to(given) else root
        raise InvalidInput(
            ErrorKind.INVALID_NAMESPACE,
            f"The folder {'/' + url.path!r} is not among those that this lake may use.",
            hint="Use a folder below one of the configured local roots: "
            + ", ".join(str(root) for root in self._settings.local_roots),
        )

    def _open_bucket(self, url: StorageUrl) -> Bucket:
        from obstore.store import AzureStore, GCSStore, MemoryStore, S3Store

        from lakegate.objectstore.cloud import Bucket

        root = str(StorageUrl(url.scheme, url.bucket, ""))
        if url.scheme == "memory":
            memory = MemoryStore()
            return Bucket(url="memory:///", store=memory, once=memory, retries=0, in_memory=True)
        if url.scheme == "s3" and self._settings.s3.gateway is not None:
            raise InvalidInput(
                ErrorKind.INVALID_CONFIG,
                f"{root} would be looked for at {self._settings.s3.gateway}, which is the lake's own address.",
                hint="Set LAKEGATE_S3_ENDPOINT, LAKEGATE_S3_ACCESS_KEY_ID and LAKEGATE_S3_SECRET_ACCESS_KEY to those "
                "of the storage, or use a shell without the variables of `lakegate env` (AWS_ENDPOINT_URL_S3, ...).",
            )
        makers: dict[str, Any] = {"s3": S3Store, "gs": GCSStore, "az": AzureStore}
        maker = makers[url.scheme]
        config = self._config(url.scheme)

        def store(retries: int) -> Any:
            return maker(
                url.bucket,
                config=config,
                client_options=self._client_options(url.scheme),
                retry_config={"max_retries": retries, "retry_timeout": timedelta(minutes=3)},
            )

        try:
            return Bucket(
                url=root, store=store(self._settings.max_retries), once=store(0), retries=self._settings.max_retries
            )
        except Exception as error:
            raise InvalidInput(
                ErrorKind.INVALID_CONFIG,
                f"The storage settings for {root} do not hold together: {str(error).splitlines()[0]}",
                hint="Check endpoint, region and credentials in lakegate's settings.",
            ) from error

    def _config(self, scheme: str) -> dict[str, Any]:
        s3, gcs, azure = self._settings.s3, self._settings.gcs, self._settings.azure
        given: dict[str, Any]
        if scheme == "s3":
            given = {
                "endpoint": s3.endpoint,
                "region": s3.region or ("us-east-1" if s3.endpoint else None),
                "access_key_id": s3.access_key_id,
                "secret_access_key": s3.secret_access_key,
                "session_token": s3.session_token,
                "virtual_hosted_style_request": s3.virtual_host_style,
            }
        elif scheme == "gs":
            path = gcs.service_account_path
            given = {"service_account_path": str(path) if path else None, "base_url": gcs.endpoint}
            if gcs.endpoint and not path:
                given["service_account_key"] = _emulator_key(gcs.endpoint)
        else:
            given = {
                "account_name": azure.account_name,
                "account_key": azure.account_key,
                "endpoint": azure.endpoint,
            }
        return {name: value for name, value in given.items() if value is not None}

    def _client_options(self, scheme: str) -> dict[str, Any]:
        endpoint = {
            "s3": self._settings.s3.endpoint,
            "gs": self._settings.gcs.endpoint,
            "az": self._settings.azure.endpoint,
        }[scheme]
        plain = endpoint is not None and endpoint.startswith("http://")
        if scheme == "s3" and self._settings.s3.allow_http is not None:
            plain = self._settings.s3.allow_http
        return {"allow_http": plain, "timeout": timedelta(seconds=self._settings.timeout_seconds)}


def _emulator_key(endpoint: str) -> str:
    """Makes the key file that keeps the GCS client from asking for a token, which an emulator neither has nor wants."""
    key = {"gcs_base_url": endpoint, "disable_oauth": True, "client_email": "", "private_key": "", "private_key_id": ""}
    return json.dumps(key)

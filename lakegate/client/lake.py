"""A lake behind a server."""

from __future__ import annotations

from types import TracebackType

import httpx

from lakegate.client.http import Http, Sent, url_path
from lakegate.client.repository import HttpRepository
from lakegate.client.wire.nouns import page_from_json, repository_from_json
from lakegate.ids import repository_name
from lakegate.model import Page, RepositoryInfo


class HttpLake:
    """Implements `lakegate.interface.Lake` over the REST API of a server."""

    def __init__(
        self,
        url: str,
        access_key_id: str | None = None,
        secret_access_key: str | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """`transport` is for programs that reach the server another way than by its URL."""
        credentials = None if access_key_id is None else (access_key_id, secret_access_key or "")
        self._http = Http(url, credentials, transport)

    @property
    def url(self) -> str:
        return self._http.url

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> HttpLake:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def version(self) -> str:
        return str(self._http.json("GET", "config/version")["lakegate_version"])

    def create_repository(
        self, name: str, storage_namespace: str | None = None, default_branch: str = "main"
    ) -> RepositoryInfo:
        body = {"name": name, "storage_namespace": storage_namespace, "default_branch": default_branch}
        return repository_from_json(self._http.json("POST", "repositories", Sent(json=body)))

    def repositories(self, prefix: str = "", after: str = "", amount: int = 100) -> Page[RepositoryInfo]:
        query = {"prefix": prefix, "after": after, "amount": amount}
        return page_from_json(self._http.json("GET", "repositories", Sent(query)), repository_from_json)

    def repository(self, name: str) -> HttpRepository:
        path = url_path("repositories", repository_name(name))
        return HttpRepository(self._http, repository_from_json(self._http.json("GET", path)))

    def delete_repository(self, name: str, force: bool = False) -> None:
        self._http.send("DELETE", url_path("repositories", repository_name(name)), Sent({"force": force}))

"""A lake behind a server."""

from __future__ import annotations

import httpx

from lakegate.client.http import Http, Sent, url_path
from lakegate.client.repository import HttpRepository
from lakegate.client.wire.nouns import page_from_json, repository_from_json
from lakegate.closing import Closing
from lakegate.config import ClientSettings
from lakegate.ids import branch_name, repository_name
from lakegate.model import Page, RepositoryInfo, page_amount


class HttpLake(Closing):
    """Implements `lakegate.interface.Lake` over the REST API of a server."""

    def __init__(
        self, url: str, settings: ClientSettings = ClientSettings(), transport: httpx.BaseTransport | None = None
    ) -> None:
        """`transport` is for programs that reach the server another way than by its URL. Raises InvalidInput for a URL
        that is no server's."""
        self._http = Http(url, settings, transport)

    @property
    def url(self) -> str:
        return self._http.url

    def close(self) -> None:
        self._http.close()

    def version(self) -> str:
        return self._http.read("GET", "config/version", lambda body: str(body["lakegate_version"]))

    def create_repository(
        self, name: str, storage_namespace: str | None = None, default_branch: str = "main"
    ) -> RepositoryInfo:
        body = {
            "name": repository_name(name),
            "storage_namespace": storage_namespace,
            "default_branch": branch_name(default_branch),
        }
        return self._http.read("POST", "repositories", repository_from_json, Sent(json=body))

    def repositories(self, prefix: str = "", after: str = "", amount: int = 100) -> Page[RepositoryInfo]:
        amount = page_amount(amount)
        query = {"prefix": prefix, "after": after, "amount": max(1, amount)}
        page = self._http.read(
            "GET", "repositories", lambda body: page_from_json(body, repository_from_json), Sent(query)
        )
        return page if amount else Page(())

    def repository(self, name: str) -> HttpRepository:
        path = url_path("repositories", repository_name(name))
        return HttpRepository(self._http, self._http.read("GET", path, repository_from_json))

    def delete_repository(self, name: str, force: bool = False) -> None:
        self._http.send("DELETE", url_path("repositories", repository_name(name)), Sent({"force": force}))

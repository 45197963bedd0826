"""Google Cloud Storage and Azure as far as they can be emulated here: the same code, other wires.

A small server knows the few calls, and answers the conditional ones as the two document them. Uploads in parts, which
it does not know, are tested on S3.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlparse
from xml.sax.saxutils import escape

import pytest

from lakegate.config import AzureSettings, GcsSettings, StorageSettings
from lakegate.errors import Corrupt, ErrorKind, NotFound, Unavailable
from lakegate.objectstore.opener import StoreOpener
from lakegate.objectstore.protocol import ObjectStore


def use(store: ObjectStore) -> None:
    """What both must do."""
    for key in ("a-b", "a/b", "a/ü %20", "a0"):
        assert store.put_if_absent(key, key.encode())
    assert [found.key for found in store.list()] == ["a-b", "a/b", "a/ü %20", "a0"]
    assert [found.key for found in store.list("a/", "a/b")] == ["a/ü %20"]
    assert store.get("a/ü %20") == "a/ü %20".encode()
    assert store.get_range("a/b", 1, 2) == b"/b"
    assert store.head("a/b").size == 3
    assert store.put_if_absent("a/b", b"other") is False
    assert store.get("a/b") == b"a/b"
    writer = store.writer("small")
    writer.write(b"1")
    writer.finish()
    assert store.get("small") == b"1"
    with pytest.raises(NotFound):
        store.get("none")
    with pytest.raises(NotFound):
        store.head("none")
    with pytest.raises(Corrupt):
        store.get_range("a/b", 2, 5)


_TIME = "Mon, 01 Jan 2024 00:00:00 GMT"


class _Azure(BaseHTTPRequestHandler):
    """Put, get, head and list of one container."""

    protocol_version = "HTTP/1.1"
    blobs: dict[str, bytes]

    def do_PUT(self) -> None:
        blobs, name = type(self).blobs, self._name()
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("if-none-match") == "*" and name in blobs:
            return self._answer(409, b"<Error><Code>BlobAlreadyExists</Code></Error>")
        if self.headers.get("x-goog-if-generation-match") == "0" and name in blobs:
            return self._answer(412, b"<Error><Code>PreconditionFailed</Code></Error>")
        blobs[name] = body
        return self._answer(201, b"", {"etag": '"0x1"', "last-modified": _TIME})

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        query = parse_qs(urlparse(self.path).query)
        if query.get("comp") == ["list"] or "list-type" in query:
            return self._list(query.get("prefix", [""])[0])
        found = type(self).blobs.get(self._name())
        if found is None:
            return self._answer(404, b"<Error><Code>BlobNotFound</Code></Error>")
        body = found
        headers = {"etag": '"0x1"', "last-modified": _TIME, "x-ms-blob-type": "BlockBlob"}
        wanted = self.headers.get("range", self.headers.get("x-ms-range", ""))
        if not wanted:
            return self._answer(200, body, headers)
        start, end = (int(part) for part in wanted.removeprefix("bytes=").split("-"))
        headers["content-range"] = f"bytes {start}-{min(end, len(body) - 1)}/{len(body)}"
        return self._answer(206, body[start : end + 1], headers)

    def _list(self, prefix: str) -> None:
        items = "".join(
            f"<Blob><Name>{escape(name)}</Name><Properties><Last-Modified>Mon, 01 Jan 2024 00:00:00 GMT</Last-Modified>"
            f"<Content-Length>{len(body)}</Content-Length><Content-Type>x/y</Content-Type><Etag>0x1</Etag>"
            "</Properties></Blob>"
            for name, body in sorted(type(self).blobs.items())
            if name.startswith(prefix)
        )
        text = f'<?xml version="1.0"?><EnumerationResults><Blobs>{items}</Blobs><NextMarker/></EnumerationResults>'
        return self._answer(200, text.encode(), {"content-type": "application/xml"})

    def _name(self) -> str:
        return unquote(urlparse(self.path).path).removeprefix("/account/container/")

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"content-length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Keeps the test's output clean."""


class _Gcs(_Azure):
    """The same for GCS's XML interface."""

    def do_DELETE(self) -> None:
        type(self).blobs.pop(self._name(), None)
        self._answer(204, b"")

    def _list(self, prefix: str) -> None:
        items = "".join(
            f"<Contents><Key>{escape(name)}</Key><LastModified>2024-01-01T00:00:00.000Z</LastModified>"
            f"<ETag>&quot;0x1&quot;</ETag><Size>{len(body)}</Size></Contents>"
            for name, body in sorted(type(self).blobs.items())
            if name.startswith(prefix)
        )
        text = f'<?xml version="1.0"?><ListBucketResult><IsTruncated>false</IsTruncated>{items}</ListBucketResult>'
        self._answer(200, text.encode(), {"content-type": "application/xml"})

    def _name(self) -> str:
        return unquote(urlparse(self.path).path).removeprefix("/container/")


@contextmanager
def serving(kind: type[_Azure]) -> Iterator[str]:
    """Yields the URL of a fresh server."""
    handler = type("Handler", (kind,), {"blobs": {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_azure() -> None:
    with serving(_Azure) as url:
        settings = AzureSettings("account", base64.b64encode(b"key").decode(), f"{url}/account")
        store = StoreOpener(StorageSettings(azure=settings, max_retries=0)).open("az://container/some/prefix")
        assert store.url == "az://container/some/prefix"
        use(store)


def test_gcs() -> None:
    with serving(_Gcs) as url:
        settings = StorageSettings(gcs=GcsSettings(endpoint=url), max_retries=0)
        store = StoreOpener(settings).open("gs://container/some/prefix")
        assert store.url == "gs://container/some/prefix"
        use(store)
        for found in list(store.list()):
            store.delete([found.key])
        assert list(store.list()) == []


def test_settings_that_do_not_hold_together_are_said() -> None:
    opener = StoreOpener(StorageSettings(azure=AzureSettings("account", "not base64!")))
    with pytest.raises(Exception, match="az://container") as caught:
        opener.open("az://container/x").get("k")
    assert getattr(caught.value, "kind", None) in (ErrorKind.INVALID_CONFIG, ErrorKind.STORE_DENIED), caught.value
    assert not isinstance(caught.value, Unavailable) or caught.value.hint

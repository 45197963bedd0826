"""A repository behind a running S3 gateway as tests see it: ways for each client, and requests signed by hand."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree

if TYPE_CHECKING:
    import httpx

REGION = "us-east-1"
UNSIGNED = "UNSIGNED-PAYLOAD"


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered; names of headers are lower-case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The `Code` of an S3 error; "" for any other body."""
        return self.text("Code") if self.body.startswith(b"<?xml") else ""

    def text(self, name: str) -> str:
        """The text of the first element with this name."""
        return next(iter(self.texts(name)), "")

    def texts(self, name: str) -> list[str]:
        """The texts of all elements with this name."""
        return [e.text or "" for e in ElementTree.fromstring(self.body).iter() if e.tag.rpartition("}")[2] == name]


@dataclass(frozen=True, slots=True)
class Request:
    """A request to be signed. `path` and `query` are sent as they are, percent-encoded. `payload` None: its hash.

    age     seconds by which the request's clock is behind
    chunks  a body to be sent in HTTP chunks instead of with a length
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    payload: str | None = None
    age: float = 0.0
    chunks: Iterable[bytes] | None = None


@dataclass(frozen=True, slots=True)
class S3Lake:
    """One repository behind a gateway."""

    url: str
    repository: str
    access_key_id: str
    secret_access_key: str

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    @property
    def options(self) -> dict[str, str]:
        """The storage options of deltalake and Polars, as their users set them for a server over http."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "AWS_REGION": REGION,
            "AWS_ALLOW_HTTP": "true",
        }

    def uri(self, path: str, ref: str = "main") -> str:
        return f"s3://{self.repository}/{ref}/{path}"

    def boto(self, **settings: Any) -> Any:
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
            region_name=REGION,
            **settings,
        )

    def rest(self, method: str, path: str, document: Any = None) -> Any:
        """Asks REST below the repository, and returns the JSON, or the text, that it answers. Raises for an error."""
        answer = _http().request(
            method,
            f"{self.url}/api/v1/repositories/{self.repository}{path}",
            auth=(self.access_key_id, self.secret_access_key),
            json=document,
        )
        answer.raise_for_status()
        if answer.headers.get("content-type", "").startswith("text/"):
            return answer.text
        return json.loads(answer.content or b"null")

    def commit(self, branch: str = "main") -> str:
        """Commits what is uncommitted, and returns the commit id."""
        return str(self.rest("POST", f"/branches/{branch}/commits", {"message": "a test"})["id"])

    def ask(self, request: Request) -> Reply:
        """Signs a request and sends it."""
        return self.send(request, signed_headers(request, self.host, (self.access_key_id, self.secret_access_key)))

    def send(self, request: Request, headers: Mapping[str, str]) -> Reply:
        """Sends a request with these headers, signed or not."""
        connection = http.client.HTTPConnection(self.host, timeout=60)
        try:
            target = request.path + (f"?{request.query}" if request.query else "")
            connection.putrequest(request.method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value.encode())
            if request.chunks is not None:
                connection.putheader("transfer-encoding", "chunked")
                connection.endheaders(request.chunks, encode_chunked=True)
            else:
                if "content-length" not in headers and (request.body or request.method in ("PUT", "POST")):
                    connection.putheader("content-length", str(len(request.body)))
                connection.endheaders(request.body or None)
            answer = connection.getresponse()
            return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def get(self, path: str, query: str = "", **headers: str) -> Reply:
        """Asks for a path of the repository, a REF first."""
        return self.ask(Request("GET", f"/{self.repository}/{path}", query, _named(headers)))

    def head(self, path: str, query: str = "", **headers: str) -> Reply:
        return self.ask(Request("HEAD", f"/{self.repository}/{path}", query, _named(headers)))

    def put(self, path: str, body: bytes, query: str = "", **headers: str) -> Reply:
        return self.ask(Request("PUT", f"/{self.repository}/{path}", query, _named(headers), body))

    def post(self, path: str, query: str, body: bytes = b"", **headers: str) -> Reply:
        return self.ask(Request("POST", f"/{self.repository}/{path}", query, _named(headers), body))

    def delete(self, path: str, query: str = "", **headers: str) -> Reply:
        return self.ask(Request("DELETE", f"/{self.repository}/{path}", query, _named(headers)))


@dataclass(frozen=True, slots=True)
class Signature:
    """A head's signature, and what signs the chunks of its body."""

    hex: str
    key: bytes
    scope: str
    timestamp: str


def signed_headers(request: Request, host: str, key: tuple[str, str]) -> dict[str, str]:
    """Returns a request's headers with those that sign it (Signature Version 4)."""
    headers, _ = sign(request, host, key)
    return headers


def sign(request: Request, host: str, key: tuple[str, str]) -> tuple[dict[str, str], Signature]:
    """Signs a request; returns its headers and the signature."""
    timestamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() - request.age))
    payload = hashlib.sha256(request.body).hexdigest() if request.payload is None else request.payload
    headers = {"host": host, "x-amz-date": timestamp, "x-amz-content-sha256": payload}
    headers |= {name.lower(): value for name, value in request.headers.items()}
    names = sorted(name for name in headers if name in ("host", "content-type") or name.startswith("x-amz-"))
    canonical = "\n".join(
        [
            request.method,
            request.path,
            "&".join(sorted(part if "=" in part else f"{part}=" for part in request.query.split("&") if part)),
            *(f"{name}:{headers[name].strip()}" for name in names),
            "",
            ";".join(names),
            payload,
        ]
    )
    scope = f"{timestamp[:8]}/{REGION}/s3/aws4_request"
    signing = f"AWS4{key[1]}".encode()
    for part in scope.split("/"):
        signing = hmac.digest(signing, part.encode(), "sha256")
    text = f"AWS4-HMAC-SHA256\n{timestamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.digest(signing, text.encode(), "sha256").hex()
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={key[0]}/{scope}, SignedHeaders={';'.join(names)}, Signature={signature}"
    )
    return headers, Signature(signature, signing, scope, timestamp)


def chunked_body(pieces: Iterable[bytes], signature: Signature | None, trailers: Mapping[str, str]) -> Iterator[bytes]:
    """Yields an `aws-chunked` body, with signed chunks where a signature is given."""
    last = signature.hex if signature is not None else ""
    for piece in (*pieces, b""):
        extension = ""
        if signature is not None:
            digest = f"{hashlib.sha256().hexdigest()}\n{hashlib.sha256(piece).hexdigest()}"
            last = _next(signature, "AWS4-HMAC-SHA256-PAYLOAD", last, digest)
            extension = f";chunk-signature={last}"
        yield f"{len(piece):x}{extension}\r\n".encode() + piece + (b"\r\n" if piece else b"")
    lines = "".join(f"{name}:{value}\n" for name, value in trailers.items())
    if lines and signature is not None:
        last = _next(signature, "AWS4-HMAC-SHA256-TRAILER", last, hashlib.sha256(lines.encode()).hexdigest())
        yield f"{lines}x-amz-trailer-signature:{last}\n".replace("\n", "\r\n").encode()
    else:
        yield lines.replace("\n", "\r\n").encode()
    yield b"\r\n"


def encoded(key: str) -> str:
    """Percent-encodes a key as S3 clients do."""
    return quote(key, safe="/~")


def _next(signature: Signature, what: str, last: str, tail: str) -> str:
    text = f"{what}\n{signature.timestamp}\n{signature.scope}\n{last}\n{tail}"
    return hmac.digest(signature.key, text.encode(), "sha256").hex()


@lru_cache(maxsize=1)
def _http() -> httpx.Client:
    """One client for all requests: making one reads all certificates of the machine."""
    import httpx

    return httpx.Client(timeout=60)


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}

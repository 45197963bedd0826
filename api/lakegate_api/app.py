"""One ASGI application for one port: REST and its pages have their paths, all else is the S3 gateway's."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from lakegate.access import Authenticator
from lakegate.config import ServerSettings
from lakegate.lake import EmbeddedLake
from lakegate_api.rest.application import PAGES, Served, create_api
from lakegate_api.s3.addressing import GatewayOptions
from lakegate_api.s3.app import S3Gateway
from lakegate_api.storage import storage_config
from lakegate_api.unread import CloseUnread

_SIGNED_QUERY = (b"x-amz-algorithm=", b"x-amz-credential=", b"x-amz-signature=", b"awsaccesskeyid=")


class Application:
    """Tells S3 requests from others: by AWS authentication in header or query, an `x-amz-` header, the host; and, where
    no credentials of another kind came, by a path that is none of REST's: an unsigned request is refused as S3 does."""

    def __init__(self, rest: ASGIApp, s3: ASGIApp, s3_hosts: tuple[str, ...]) -> None:
        self._rest = rest
        self._s3 = s3
        self._hosts = tuple(host.lower().encode() for host in s3_hosts)
        self._suffixes = tuple(b"." + host for host in self._hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._is_s3(scope):
            await self._s3(scope, receive, send)
        else:
            await self._rest(scope, receive, send)

    def _is_s3(self, scope: Scope) -> bool:
        credentials = False
        for name, value in scope["headers"]:
            if name == b"authorization":
                if value.startswith((b"AWS4-", b"AWS ")):
                    return True
                credentials = True
            elif name.startswith(b"x-amz-"):
                return True
            elif name == b"host" and self._hosts:
                host = value.partition(b":")[0].lower()
                if host in self._hosts or host.endswith(self._suffixes):
                    return True
        query = scope["query_string"].lower()
        if query and any(part.startswith(_SIGNED_QUERY) for part in query.split(b"&")):
            return True
        path: str = scope["path"]
        return not (credentials or path in PAGES or path.startswith("/api/"))


def create_rest_app(lake: EmbeddedLake, authenticator: Authenticator, settings: ServerSettings) -> ASGIApp:
    """Makes REST and its pages alone, without the S3 gateway."""
    return create_api(Served(lake, authenticator, storage_config(settings.lake)))


def create_app(lake: EmbeddedLake, authenticator: Authenticator, settings: ServerSettings) -> ASGIApp:
    """Makes the server's application over an open lake."""
    rest = create_rest_app(lake, authenticator, settings)
    options = GatewayOptions(s3_hosts=settings.s3_hosts, plain_bucket_is_branch=settings.plain_bucket_is_branch)
    return CloseUnread(Application(rest, S3Gateway(lake, authenticator, options), settings.s3_hosts))

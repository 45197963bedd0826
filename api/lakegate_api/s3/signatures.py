"""Recognises who sent an S3 request, by its signature in whichever form; `lakegate.access` knows the keys."""

from __future__ import annotations

import time
from collections.abc import Callable

from lakegate.access import Authenticator, Principal
from lakegate.errors import AccessDenied, ErrorKind
from lakegate_api.s3.addressing import address_of
from lakegate_api.s3.failures import S3Refusal
from lakegate_api.s3.request import S3Request
from lakegate_api.s3.sigv2 import SigV2
from lakegate_api.s3.sigv4 import ALGORITHM, Signed, SigV4

_SERVICES = frozenset({"s3", "s3express"})


class Signatures:
    """Checks the signature of a request: Version 4 or 2, in the header or in the query."""

    def __init__(self, access: Authenticator, hosts: tuple[str, ...], clock: Callable[[], float] = time.time) -> None:
        self._access = access
        self._hosts = hosts
        self._v4 = SigV4(access.secret_of, clock)
        self._v2 = SigV2(access.secret_of, clock, self._bucket_path)

    def check(self, request: S3Request) -> tuple[Principal, Signed | None]:
        """Returns who signed, and for Version 4 what was signed. Raises AccessDenied, S3Refusal."""
        header = request.headers.get("authorization")
        if header is not None:
            if header.startswith("AWS4-"):
                return self._known(self._v4.check_header(request))
            if header.startswith("AWS "):
                return self._access.principal_of(self._v2.check_header(request)), None
            raise S3Refusal(
                "InvalidRequest",
                "The Authorization header is of no form that S3 knows.",
                f"Sign with {ALGORITHM}; HTTP Basic and bearer tokens are for /api/v1.",
            )
        query = request.query
        if "X-Amz-Signature" in query or "X-Amz-Algorithm" in query:
            return self._known(self._v4.check_query(request))
        if "AWSAccessKeyId" in query:
            return self._access.principal_of(self._v2.check_query(request)), None
        raise AccessDenied(
            ErrorKind.UNAUTHENTICATED, "The request is not signed.", hint="Give the client an access key of this lake."
        )

    def _known(self, signed: Signed) -> tuple[Principal, Signed]:
        if signed.credential.service not in _SERVICES:
            raise S3Refusal(
                "InvalidRequest",
                f"The request is signed for the AWS service {signed.credential.service[:40]!r}; here is S3 alone.",
                "Point only S3 at this server: set AWS_ENDPOINT_URL_S3 instead of AWS_ENDPOINT_URL.",
            )
        return self._access.principal_of(signed.credential.access_key_id), signed

    def _bucket_path(self, request: S3Request) -> str:
        """The path as Version 2 signs it: with the bucket in front, wherever the request names it."""
        raw = request.raw_path
        if not self._hosts:
            return raw
        bucket = address_of(request, self._hosts).bucket
        first = raw[1:].partition("/")[0]
        return raw if first == bucket else f"/{bucket}{raw}"

"""AWS Signature Version 2, in the query and in the header: what boto3 presigns with by default.

Rules: S3 API reference, "Signing and authenticating REST requests (AWS signature version 2)".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from email.utils import parsedate_to_datetime

from lakegate.errors import AccessDenied, ErrorKind
from lakegate_api.s3.failures import S3Refusal
from lakegate_api.s3.request import S3Request, query_pairs
from lakegate_api.s3.sigv4 import MAX_SKEW_SECONDS, expired, mismatch, skewed

# Query parameters that are part of what is signed.
_SIGNED_PARAMETERS = frozenset(
    [
        "accelerate",
        "acl",
        "cors",
        "delete",
        "lifecycle",
        "location",
        "logging",
        "notification",
        "partNumber",
        "policy",
        "requestPayment",
        "response-cache-control",
        "response-content-disposition",
        "response-content-encoding",
        "response-content-language",
        "response-content-type",
        "response-expires",
        "restore",
        "tagging",
        "torrent",
        "uploadId",
        "uploads",
        "versionId",
        "versioning",
        "versions",
        "website",
    ]
)


class SigV2:
    """Checks signatures; `bucket_path` makes the signed path of a request (`/bucket/key`, as it was sent)."""

    def __init__(
        self, secret_of: Callable[[str], str], clock: Callable[[], float], bucket_path: Callable[[S3Request], str]
    ) -> None:
        self._secret_of = secret_of
        self._clock = clock
        self._bucket_path = bucket_path

    def check_query(self, request: S3Request) -> str:
        """Checks a presigned URL and returns the access key id. Raises AccessDenied, S3Refusal."""
        query = request.query
        expires, signature = query.get("Expires", ""), query.get("Signature", "")
        if not (expires.isascii() and expires.isdecimal() and len(expires) < 14) or not signature:
            raise S3Refusal("AuthorizationQueryParametersError", "The presigned URL lacks Expires or Signature.")
        self._check(request, query["AWSAccessKeyId"], signature, expires)
        if self._clock() > int(expires):
            raise expired()
        return query["AWSAccessKeyId"]

    def check_header(self, request: S3Request) -> str:
        """Checks `Authorization: AWS ID:SIGNATURE` and returns the access key id. Raises AccessDenied, S3Refusal."""
        access_key_id, colon, signature = request.headers["authorization"].removeprefix("AWS ").strip().partition(":")
        if not colon:
            raise S3Refusal("AuthorizationHeaderMalformed", "The Authorization header is not `AWS ID:SIGNATURE`.")
        amz_date = request.headers.get("x-amz-date")
        date = amz_date or request.headers.get("date", "")
        try:
            start = parsedate_to_datetime(date).timestamp()
        except ValueError:
            raise AccessDenied(
                ErrorKind.ACCESS_DENIED, "A signed request needs a Date header.", hint="Send and sign it."
            ) from None
        self._check(request, access_key_id, signature, "" if amz_date else date)
        if abs(start - self._clock()) > MAX_SKEW_SECONDS:
            raise skewed(start, self._clock())
        return access_key_id

    def _check(self, request: S3Request, access_key_id: str, signature: str, date: str) -> None:
        headers = request.headers
        amz = "".join(
            f"{name}:{' '.join(headers[name].split())}\n" for name in sorted(headers) if name.startswith("x-amz-")
        )
        head = (
            f"\n{headers.get('content-md5', '')}\n{headers.get('content-type', '')}\n{date}\n"
            f"{amz}{self._bucket_path(request)}{_parameters(request.raw_query)}"
        )
        secret = self._secret_of(access_key_id).encode()
        # Who may GET may ask for the head of the same: clients that got a presigned URL do.
        is_presigned_head = request.method == "HEAD" and "AWSAccessKeyId" in request.query
        for method in ("HEAD", "GET") if is_presigned_head else (request.method,):
            text = f"{method}{head}".encode("latin-1", "replace")
            found = base64.b64encode(hmac.digest(secret, text, hashlib.sha1))
            if hmac.compare_digest(found, signature.encode("latin-1", "replace")):
                return
        raise mismatch()


def _parameters(raw_query: str) -> str:
    parts = [
        f"{name}={value}" if value else name
        for name, value in sorted(query_pairs(raw_query))
        if name in _SIGNED_PARAMETERS
    ]
    return "?" + "&".join(parts) if parts else ""

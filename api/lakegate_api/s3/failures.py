"""Refusals that S3's own protocol names, beside the errors of the library."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

# Codes of the S3 API reference that no ErrorKind stands for: they are about the wire, not about versions of data.
STATUS_OF: Mapping[str, int] = MappingProxyType(
    {
        "AuthorizationHeaderMalformed": 400,
        "AuthorizationQueryParametersError": 400,
        "BadDigest": 400,
        "BadRequest": 400,
        "EntityTooSmall": 400,
        "IncompleteBody": 400,
        "InvalidArgument": 400,
        "InvalidDigest": 400,
        "InvalidPart": 400,
        "InvalidPartOrder": 400,
        "InvalidRequest": 400,
        "InvalidURI": 400,
        "MalformedXML": 400,
        "MaxMessageLengthExceeded": 400,
        "MetadataTooLarge": 400,
        "MethodNotAllowed": 405,
        "MissingContentLength": 411,
        "NoSuchBucket": 404,
        "NoSuchKey": 404,
        "NoSuchVersion": 404,
        "NotImplemented": 501,
        "XAmzContentSHA256Mismatch": 400,
    }
)


class S3Refusal(Exception):
    """Says why a request is refused, by one of S3's own codes. Changes nothing."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.status = STATUS_OF[code]
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()


def not_offered(what: str, hint: str = "") -> S3Refusal:
    """Makes the refusal of what is understood and not built."""
    return S3Refusal("NotImplemented", f"{what} is not offered.", hint)


def invalid_argument(message: str, hint: str = "") -> S3Refusal:
    """Makes the refusal of a value that breaks a rule."""
    return S3Refusal("InvalidArgument", message, hint)

"""AWS Signature Version 4, in the `Authorization` header and in the query (presigned URLs).

Rules: AWS documentation, "Signature Version 4 signing process" and "Authenticating Requests (AWS Signature Version 4)"
of the S3 API reference.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import quote

from lakegate.errors import AccessDenied, ErrorKind
from lakegate_api.s3.failures import S3Refusal
from lakegate_api.s3.request import S3Request, decoded, query_pairs

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
MAX_SKEW_SECONDS = 15 * 60
MAX_EXPIRY_SECONDS = 7 * 24 * 3600

_KEYS = 1024  # signing keys kept
_CREDENTIAL = re.compile(r"([^/]+)/(\d{8})/([^/]*)/([^/]*)/aws4_request")
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256\s+Credential=([^,\s]+)\s*,\s*SignedHeaders=([^,\s]+)\s*,\s*Signature=([0-9a-f]{64})\s*"
)
_DATE = re.compile(r"[0-9]{8}T[0-9]{6}Z")


@dataclass(frozen=True, slots=True)
class Credential:
    """The scope of a signature: `<access key id>/<date>/<region>/<service>/aws4_request`."""

    access_key_id: str
    date: str
    region: str
    service: str

    @property
    def scope(self) -> str:
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


@dataclass(frozen=True, slots=True)
class Signed:
    """A request whose signature was found right.

    payload      how the body is vouched for: hex SHA-256, UNSIGNED-PAYLOAD or one of the STREAMING- modes
    signature    of the head, hex: the seed of chunk signatures
    signing_key  for them
    """

    credential: Credential
    timestamp: str
    payload: str
    signature: str
    signing_key: bytes


@dataclass(frozen=True, slots=True)
class _Claim:
    credential: Credential
    timestamp: str
    signed_headers: str
    signature: str
    payload: str
    presigned: bool


class SigV4:
    """Checks signatures. Signing keys are derived once a day, region and access key. Thread-safe.

    secret_of  the secret of an access key id; raises AccessDenied
    clock      seconds since the epoch
    """

    def __init__(self, secret_of: Callable[[str], str], clock: Callable[[], float]) -> None:
        self._secret_of = secret_of
        self._clock = clock
        self._keys: dict[Credential, tuple[str, bytes]] = {}

    def check_header(self, request: S3Request) -> Signed:
        """Checks a request signed in its `Authorization` header.

        Raises AccessDenied(INVALID_ACCESS_KEY, SIGNATURE_MISMATCH, CLOCK_SKEW), S3Refusal(AuthorizationHeaderMalformed,
        InvalidRequest).
        """
        credential, signed_headers, signature = _authorization(request.headers["authorization"])
        timestamp = _timestamp(request)
        self._check_skew(timestamp)
        payload = request.headers.get("x-amz-content-sha256")
        if payload is None:
            raise S3Refusal("InvalidRequest", "The header x-amz-content-sha256 is missing.", "Sign and send it.")
        return self._check(request, _Claim(credential, timestamp, signed_headers, signature, payload, presigned=False))

    def check_query(self, request: S3Request) -> Signed:
        """Checks a presigned URL.

        Raises AccessDenied(INVALID_ACCESS_KEY, SIGNATURE_MISMATCH, REQUEST_EXPIRED, CLOCK_SKEW),
        S3Refusal(AuthorizationQueryParametersError).
        """
        query = request.query
        if query.get("X-Amz-Algorithm") != ALGORITHM:
            raise _bad_query(f"X-Amz-Algorithm must be {ALGORITHM}.")
        try:
            claimed = query["X-Amz-Credential"], query["X-Amz-SignedHeaders"], query["X-Amz-Signature"]
            timestamp, seconds = query["X-Amz-Date"], query["X-Amz-Expires"]
        except KeyError as error:
            raise _bad_query(f"The presigned URL lacks {error.args[0]}.") from None
        credential = read_credential(claimed[0], "AuthorizationQueryParametersError")
        if not _DATE.fullmatch(timestamp) or not (seconds.isascii() and seconds.isdecimal() and len(seconds) < 8):
            raise _bad_query("X-Amz-Date or X-Amz-Expires of the presigned URL is not in its form.")
        if not 1 <= int(seconds) <= MAX_EXPIRY_SECONDS:
            raise _bad_query(f"X-Amz-Expires must be 1 to {MAX_EXPIRY_SECONDS} seconds.")
        start, now = epoch_of(timestamp), self._clock()
        if start - now > MAX_SKEW_SECONDS:
            raise skewed(start, now)
        if now > start + int(seconds):
            raise expired()
        payload = request.headers.get("x-amz-content-sha256", UNSIGNED)
        if "x-amz-content-sha256" not in claimed[1].split(";"):
            payload = query.get("X-Amz-Content-Sha256", UNSIGNED)
        return self._check(request, _Claim(credential, timestamp, claimed[1], claimed[2], payload, presigned=True))

    def signing_key(self, credential: Credential) -> bytes:
        """Returns the key that signs for a credential scope."""
        secret = self._secret_of(credential.access_key_id)
        known = self._keys.get(credential)
        if known is not None and known[0] == secret:
            return known[1]
        key = derive_key(secret, credential)
        if len(self._keys) >= _KEYS:
            self._keys.clear()
        self._keys[credential] = secret, key
        return key

    def _check(self, request: S3Request, claim: _Claim) -> Signed:
        if claim.credential.date != claim.timestamp[:8]:
            raise _malformed("The date of the credential is not the date of the request.")
        names = claim.signed_headers.split(";")
        require_signed(request.headers, names, presigned=claim.presigned)
        key = self.signing_key(claim.credential)
        head = f"{ALGORITHM}\n{claim.timestamp}\n{claim.credential.scope}\n"
        for canonical in _canonical_requests(request, claim, _canonical_headers(request.headers, names)):
            hashed = hashlib.sha256(canonical.encode("latin-1", "replace")).hexdigest()
            found = hmac.digest(key, f"{head}{hashed}".encode(), "sha256").hex()
            if hmac.compare_digest(found.encode(), claim.signature.encode("latin-1", "replace")):
                return Signed(claim.credential, claim.timestamp, claim.payload, found, key)
        raise mismatch()

    def _check_skew(self, timestamp: str) -> None:
        start, now = epoch_of(timestamp), self._clock()
        if abs(start - now) > MAX_SKEW_SECONDS:
            raise skewed(start, now)


def derive_key(secret: str, credential: Credential) -> bytes:
    """Derives the signing key of a credential scope."""
    key = f"AWS4{secret}".encode()
    for part in (credential.date, credential.region, credential.service, "aws4_request"):
        key = hmac.digest(key, part.encode("utf-8", "replace"), "sha256")
    return key


def _authorization(header: str) -> tuple[Credential, str, str]:
    """Reads an Authorization header: credential, names of the signed headers, signature. Raises S3Refusal."""
    match = _AUTHORIZATION.fullmatch(header)
    if match is None:
        raise _malformed("The Authorization header is not of the form that Signature Version 4 has.")
    return read_credential(match[1], "AuthorizationHeaderMalformed"), match[2], match[3]


@lru_cache(1024)
def read_credential(text: str, code: str) -> Credential:
    """Reads a credential scope. Raises S3Refusal with the given code."""
    match = _CREDENTIAL.fullmatch(text)
    if match is None:
        raise S3Refusal(code, f"The credential {text[:80]!r} is not KEY/YYYYMMDD/REGION/SERVICE/aws4_request.")
    return Credential(match[1], match[2], match[3], match[4])


def require_signed(headers: Mapping[str, str], names: list[str], *, presigned: bool) -> None:
    """Refuses requests whose signature leaves out a header that changes what is done: whoever holds a presigned URL
    could add a copy source to it."""
    if "host" not in names:
        raise (
            _bad_query("The signature must cover the host header.")
            if presigned
            else _malformed("The signature must cover the host header.")
        )
    for name in headers:
        if name.startswith("x-amz-") and name not in names and not (presigned and name == "x-amz-content-sha256"):
            raise AccessDenied(
                ErrorKind.SIGNATURE_MISMATCH, f"The header {name} was sent and not signed.", hint="Sign it too."
            )


@lru_cache(64)
def epoch_of(timestamp: str) -> float:
    """Returns the seconds since the epoch of `YYYYMMDDTHHMMSSZ`. Raises S3Refusal."""
    try:
        if not _DATE.fullmatch(timestamp):
            raise ValueError(timestamp)
        # By hand: strptime would take a tenth of a small request's time.
        day, time = timestamp[:8], timestamp[9:15]
        year, month, date = int(day[:4]), int(day[4:6]), int(day[6:])
        return datetime(year, month, date, int(time[:2]), int(time[2:4]), int(time[4:]), tzinfo=UTC).timestamp()
    except ValueError:
        raise _malformed(f"{timestamp[:40]!r} is no time of the form YYYYMMDDTHHMMSSZ.") from None


def skewed(start: float, now: float) -> AccessDenied:
    """Makes the error for a clock that is too far off."""
    return AccessDenied(
        ErrorKind.CLOCK_SKEW,
        f"The request's time is {abs(start - now):.0f} seconds {'ahead of' if start > now else 'behind'} the server's.",
        hint="Set the clock; 15 minutes are allowed.",
        details={"server_time": int(now)},
    )


def expired() -> AccessDenied:
    """Makes the error for a presigned URL whose time is over."""
    return AccessDenied(ErrorKind.REQUEST_EXPIRED, "Request has expired.", hint="Make a new presigned URL.")


def mismatch() -> AccessDenied:
    """Makes the error for a signature that is not the one the secret gives."""
    return AccessDenied(
        ErrorKind.SIGNATURE_MISMATCH,
        "The signature is not the one that this access key's secret gives.",
        hint="Check the secret access key, and that nothing between client and server rewrites host, path or headers.",
    )


def _timestamp(request: S3Request) -> str:
    text = request.headers.get("x-amz-date")
    if text is not None:
        return text
    date = request.headers.get("date", "")
    if _DATE.fullmatch(date):
        return date
    try:
        return datetime.strptime(date, "%a, %d %b %Y %H:%M:%S GMT").strftime("%Y%m%dT%H%M%SZ")  # noqa: DTZ007
    except ValueError:
        raise AccessDenied(
            ErrorKind.ACCESS_DENIED, "A signed request needs the header x-amz-date.", hint="Send and sign it."
        ) from None


def _canonical_headers(headers: Mapping[str, str], names: list[str]) -> str:
    lines: list[str] = []
    for name in names:
        value = headers.get(name, "").strip()
        lines.append(f"{name}:{' '.join(value.split()) if '  ' in value else value}\n")
    return "".join(lines)


def _canonical_requests(request: S3Request, claim: _Claim, headers: str) -> Iterator[str]:
    """Yields the forms that clients sign: path and query as they are sent, and encoded anew by AWS's rules (a client
    may send `=` or a blank as `+`, and sign `%3D` or `%20`)."""
    tail = f"{headers}\n{claim.signed_headers}\n{claim.payload}"
    path, query = request.raw_path, _encoded_query(request.raw_query, claim.presigned)
    # Who may GET may ask for the head of the same: clients that got a presigned URL do.
    methods = ("HEAD", "GET") if claim.presigned and request.method == "HEAD" else (request.method,)
    for method in methods:
        yield f"{method}\n{path}\n{query}\n{tail}"
        raw_query = _raw_query(request.raw_query, claim.presigned)
        if raw_query != query:
            yield f"{method}\n{path}\n{raw_query}\n{tail}"
        encoded = quote(decoded(path).encode("utf-8"), safe="/~")
        if encoded != path:
            yield f"{method}\n{encoded}\n{query}\n{tail}"


def _encoded_query(raw: str, presigned: bool) -> str:
    if not raw:
        return ""
    pairs = sorted(
        (quote(name, safe="~"), quote(value, safe="~"))
        for name, value in query_pairs(raw)
        if not (presigned and name == "X-Amz-Signature")
    )
    return "&".join(f"{name}={value}" for name, value in pairs)


def _raw_query(raw: str, presigned: bool) -> str:
    pairs: list[tuple[str, str]] = []
    for part in raw.split("&"):
        name, _, value = part.partition("=")
        if part and not (presigned and name == "X-Amz-Signature"):
            pairs.append((name, value))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def _malformed(message: str) -> S3Refusal:
    return S3Refusal("AuthorizationHeaderMalformed", message, "Sign with a current S3 client.")


def _bad_query(message: str) -> S3Refusal:
    return S3Refusal("AuthorizationQueryParametersError", message, "Presign with a current S3 client.")

"""The S3 gateway as an ASGI application: recognises who asks, finds the operation, answers."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from itertools import count

from starlette.types import Receive, Scope, Send

from lakegate.access import Authenticator
from lakegate.errors import ErrorKind, LakegateError, NotFound
from lakegate.ids import new_id
from lakegate.lake import EmbeddedLake
from lakegate.repository import EmbeddedRepository
from lakegate_api.s3 import buckets, deletes, listing, multipart, objects, upload_lists, writes
from lakegate_api.s3.addressing import Bucket, GatewayOptions, address_of, bucket_of
from lakegate_api.s3.answers import Answer, send_answer
from lakegate_api.s3.call import BucketCall, Call, ObjectCall, Service
from lakegate_api.s3.errors import error_answer
from lakegate_api.s3.failures import S3Refusal, not_offered
from lakegate_api.s3.headers import COMMIT
from lakegate_api.s3.request import S3Request
from lakegate_api.s3.signatures import Signatures
from lakegate_api.s3.work import Threads

_log = logging.getLogger(__name__)

_READS = frozenset({"GET", "HEAD"})
# Where the bucket's name holds a ref that is not there, the bucket is not there.
_NO_REF = frozenset({ErrorKind.REF_NOT_FOUND, ErrorKind.BRANCH_NOT_FOUND, ErrorKind.COMMIT_NOT_FOUND})
# Parts of the S3 API that a query parameter asks for, understood and not built.
_UNBUILT = frozenset(
    [
        "accelerate",
        "acl",
        "analytics",
        "cors",
        "encryption",
        "intelligent-tiering",
        "inventory",
        "legal-hold",
        "lifecycle",
        "logging",
        "metrics",
        "notification",
        "object-lock",
        "ownershipControls",
        "policy",
        "policyStatus",
        "publicAccessBlock",
        "renameObject",
        "replication",
        "requestPayment",
        "restore",
        "retention",
        "select",
        "session",
        "tagging",
        "torrent",
        "website",
    ]
)
# Query parameters that say who signed a request, beside those that start with `x-`: they ask for nothing.
_SIGNATURE = frozenset({"AWSAccessKeyId", "Expires", "Signature"})


class S3Gateway:
    """Serves a lake to S3 clients. All that a request asks of the lake is one method of the library."""

    def __init__(self, lake: EmbeddedLake, access: Authenticator, options: GatewayOptions = GatewayOptions()) -> None:
        self._service = Service(lake, access, options, Threads(), lake.has_local_database)
        self._signatures = Signatures(access, options.s3_hosts)
        self._mark = new_id()[:12]
        self._numbers = count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = S3Request(scope)
        call: Call | None = None
        try:
            if self._service.has_local_database:
                principal, signed = self._signatures.check(request)
            else:
                principal, signed = await self._service.threads.run(lambda: self._signatures.check(request))
            call = Call(self._service, request, receive, principal, signed)
            answer = await self._answer(call)
        except (LakegateError, S3Refusal) as error:
            answer = error_answer(error, request.method, request.raw_path)
            if answer.status >= 500 and not _is_refusal(error):
                _log.error("%s %s: %s", request.method, request.raw_path, error, exc_info=error)
        except Exception as error:  # noqa: BLE001 - the last resort: logged, and answered
            _log.exception("%s %s failed", request.method, request.raw_path)
            crash = LakegateError(
                ErrorKind.INTERNAL, "Something broke inside the server.", hint="The server's log says what; report it."
            )
            crash.__cause__ = error
            answer = error_answer(crash, request.method, request.raw_path)
        answer.headers["x-amz-request-id"] = f"{self._mark}{next(self._numbers):08x}"
        if call is not None and call.commit is not None:
            answer.headers[COMMIT] = call.commit
        await send_answer(answer, send, head=request.method == "HEAD")

    async def _answer(self, call: Call) -> Answer:
        request = call.request
        address = address_of(request, self._service.options.s3_hosts)
        if not address.bucket:
            if request.method == "GET":
                call.allow("repositories:read", "*")
                return await buckets.list_buckets(call)
            raise S3Refusal("MethodNotAllowed", f"{request.method} is not possible here.", "Name a bucket.")
        bucket = bucket_of(address.bucket, self._service.options)
        if request.query:
            for name in request.query:
                if name in _UNBUILT:
                    raise not_offered(f"The S3 operation `?{name}`", "See the documentation for what the gateway does.")
        access = "read" if request.method in _READS else "write"
        call.allow(f"objects:{access}", f"{bucket.repository}/{address.key}")
        try:
            return await self._in_bucket(call, bucket, address.key)
        except NotFound as error:
            if bucket.ref and error.kind in _NO_REF:
                raise NotFound(ErrorKind.REPOSITORY_NOT_FOUND, error.message, hint=error.hint) from error
            raise

    async def _in_bucket(self, call: Call, bucket: Bucket, key: str) -> Answer:
        request = call.request
        if request.method in ("PUT", "DELETE") and not key and _asks_more(request):
            raise _unknown(request)
        if request.method == "PUT" and not key:
            return await buckets.create_bucket(call, bucket)
        repository = await self._repository(call, bucket)
        if key:
            return await _object_operation(request)(ObjectCall(call, bucket, repository, key))
        return await _bucket_operation(request)(BucketCall(call, bucket, repository))

    async def _repository(self, call: Call, bucket: Bucket) -> EmbeddedRepository:
        service, actor = self._service, call.principal.name
        if service.has_local_database and service.lake.was_opened(bucket.repository, actor):
            return service.lake.remembered(bucket.repository, actor)
        return await service.threads.run(lambda: service.lake.remembered(bucket.repository, actor))


def _object_operation(request: S3Request) -> Callable[[ObjectCall], Awaitable[Answer]]:
    method, query = request.method, request.query
    if method in _READS:
        if "uploadId" in query and method == "GET":
            return multipart.list_parts
        return objects.attributes if "attributes" in query else objects.read_object
    if method == "PUT":
        is_copy = "x-amz-copy-source" in request.headers
        if "uploadId" in query:
            return multipart.copy_part if is_copy else multipart.put_part
        return writes.copy_object if is_copy else writes.put_object
    if method == "POST":
        if "uploads" in query:
            return multipart.create
        if "uploadId" in query:
            return multipart.complete
    if method == "DELETE":
        return multipart.abort if "uploadId" in query else writes.delete_object
    raise _unknown(request)


def _bucket_operation(request: S3Request) -> Callable[[BucketCall], Awaitable[Answer]]:
    method, query = request.method, request.query
    if method == "HEAD":
        return buckets.head_bucket
    if method == "DELETE":
        return buckets.delete_bucket
    if method == "POST" and "delete" in query:
        return deletes.delete_objects
    if method == "GET":
        if "location" in query:
            return buckets.get_location
        if "versioning" in query:
            return buckets.get_versioning
        if "uploads" in query:
            return upload_lists.list_uploads
        if "versions" in query:
            return listing.list_versions
        return listing.list_v2 if query.get("list-type") == "2" else listing.list_v1
    raise _unknown(request)


def _asks_more(request: S3Request) -> bool:
    """Tells whether a request is of a part of a bucket, by its query: it must not make or delete the bucket itself."""
    return any(name not in _SIGNATURE and not name.lower().startswith("x-") for name in request.query)


def _unknown(request: S3Request) -> S3Refusal:
    asked = f"{request.method} with {', '.join(f'`{name[:40]}`' for name in request.query) or 'no parameters'}"
    return not_offered(f"The S3 operation {asked}", "See the documentation for what the gateway does.")


def _is_refusal(error: LakegateError | S3Refusal) -> bool:
    return isinstance(error, S3Refusal) or error.kind is ErrorKind.NOT_OFFERED

"""One request on its way through the gateway: who asks, what is addressed, and what is known by now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from starlette.types import Receive

from lakegate.access import Authenticator, Principal
from lakegate.ids import LIVE, CommitId
from lakegate.lake import EmbeddedLake
from lakegate.repository import EmbeddedRepository
from lakegate_api.s3.addressing import Bucket, GatewayOptions
from lakegate_api.s3.failures import S3Refusal
from lakegate_api.s3.request import S3Request
from lakegate_api.s3.sigv4 import Signed
from lakegate_api.s3.work import Threads

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Service:
    """What all requests share."""

    lake: EmbeddedLake
    access: Authenticator
    options: GatewayOptions
    threads: Threads
    has_local_database: bool


@dataclass(slots=True)
class Call:
    """One request. `signed` is None for Signature Version 2, which vouches for no body. `commit` is where the ref that
    is addressed stands, once known: every answer tells it."""

    service: Service
    request: S3Request
    receive: Receive
    principal: Principal
    signed: Signed | None
    commit: CommitId | None = field(default=None)

    def allow(self, action: str, resource: str) -> None:
        """Asks whether the caller may. Raises AccessDenied."""
        self.service.access.authorize(self.principal, action, resource)


class BucketCall:
    """A request to one bucket."""

    def __init__(self, call: Call, bucket: Bucket, repository: EmbeddedRepository) -> None:
        self.call = call
        self.bucket = bucket
        self.request = call.request
        self.repository = repository
        # Whether look-ups are quick enough to be made on the event loop.
        self.is_quick = call.service.has_local_database and repository.ctx.store.is_local

    async def quick(self, work: Callable[[], T]) -> T:
        """Makes a look-up, in place where that is quick."""
        return work() if self.is_quick else await self.call.service.threads.run(work)

    async def run(self, work: Callable[[], T]) -> T:
        """Makes a call in a thread."""
        return await self.call.service.threads.run(work)

    def ref_of(self, ref: str) -> str:
        """The ref that stands in an address, "" being the default branch."""
        return ref or self.repository.info.default_branch


class ObjectCall(BucketCall):
    """A request to one object. `path` is "" where the key names nothing but a ref."""

    def __init__(self, call: Call, bucket: Bucket, repository: EmbeddedRepository, key: str) -> None:
        super().__init__(call, bucket, repository)
        self.key = key
        ref, self.path = bucket.split(key)
        self.ref = self.ref_of(ref)

    async def require_branch(self) -> None:
        """Notes where the branch stands. Raises NotFound(BRANCH_NOT_FOUND), Refused(READ_ONLY_REF), S3Refusal for a
        path that is a view."""
        self.require_no_view()
        self.call.commit = await self.quick(lambda: self.repository.writable(self.ref))

    def require_no_view(self) -> None:
        """Raises S3Refusal(MethodNotAllowed) for a path below `_live/`."""
        if self.path.startswith(LIVE):
            raise S3Refusal(
                "MethodNotAllowed", f"{LIVE} is a view of tables, and not a place.", "Write to the table's own path."
            )

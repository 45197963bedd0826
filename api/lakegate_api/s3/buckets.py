"""Buckets are repositories: list, look, create and delete them."""

from __future__ import annotations

from lakegate.errors import AlreadyExists, ErrorKind
from lakegate.model import MAX_PAGE
from lakegate_api.s3.addressing import Bucket
from lakegate_api.s3.answers import Answer
from lakegate_api.s3.bodies import read_document
from lakegate_api.s3.call import BucketCall, Call
from lakegate_api.s3.documents import Element, document, iso_time
from lakegate_api.s3.failures import not_offered


async def list_buckets(call: Call) -> Answer:
    """ListBuckets: the repositories."""
    lake, query = call.service.lake, call.request.query
    amount = call.request.number("max-buckets", MAX_PAGE, least=1)
    after, prefix = query.get("continuation-token", ""), query.get("prefix", "")
    page = await call.service.threads.run(lambda: lake.repositories(prefix, after, amount))
    buckets: list[Element] = [
        ("Bucket", [("Name", info.name), ("CreationDate", iso_time(info.created))]) for info in page.items
    ]
    content: list[Element] = [
        ("Owner", [("ID", call.principal.name), ("DisplayName", call.principal.name)]),
        ("Buckets", buckets),
    ]
    if page.next_after:
        content.append(("ContinuationToken", page.next_after))
    return Answer.xml(document("ListAllMyBucketsResult", content))


async def head_bucket(call: BucketCall) -> Answer:
    """HeadBucket."""
    await note_commit(call)
    return Answer(200, {"x-amz-bucket-region": call.call.service.options.region, "content-type": "application/xml"})


async def get_location(call: BucketCall) -> Answer:
    """GetBucketLocation; the region us-east-1 is written as nothing."""
    await note_commit(call)
    region = call.call.service.options.region
    return Answer.xml(
        f'<?xml version="1.0" encoding="UTF-8"?>\n<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"{'' if region == 'us-east-1' else region}</LocationConstraint>".encode()
    )


async def get_versioning(call: BucketCall) -> Answer:
    """GetBucketVersioning: commits are versions."""
    await note_commit(call)
    return Answer.xml(document("VersioningConfiguration", [("Status", "Enabled")]))


async def create_bucket(call: Call, bucket: Bucket) -> Answer:
    """CreateBucket: a repository at the lake's default base. Raises AlreadyExists."""
    await read_document(call)
    lake = call.service.lake
    if bucket.ref:
        if await call.service.threads.run(lambda: lake.repository(bucket.repository).commit_of(bucket.ref or "")):
            raise _owned(bucket.name)
        raise not_offered("Making a branch as a bucket")
    try:
        await call.service.threads.run(lambda: lake.create_repository(bucket.repository))
    except AlreadyExists as error:
        if error.kind is ErrorKind.REPOSITORY_EXISTS:
            raise _owned(bucket.name) from error
        raise
    return Answer(200, {"location": f"/{bucket.name}"})


async def delete_bucket(call: BucketCall) -> Answer:
    """DeleteBucket: forgets a repository that never held anything. Raises Refused(REPOSITORY_NOT_EMPTY)."""
    if call.bucket.ref:
        raise not_offered("Deleting a branch as a bucket", "Use `lakegate branch delete`.")
    lake = call.call.service.lake
    await call.run(lambda: lake.delete_repository(call.repository.info.name))
    return Answer(204)


async def note_commit(call: BucketCall) -> None:
    """Notes the commit of the bucket's ref, or of the default branch. Raises NotFound for a ref that is not there."""
    ref = call.ref_of(call.bucket.ref or "")
    call.call.commit = (await call.quick(lambda: call.repository.commit_of(ref))).id


def _owned(name: str) -> AlreadyExists:
    return AlreadyExists(
        ErrorKind.REPOSITORY_EXISTS, f"There is a bucket {name!r} already, and it is yours.", hint="Use it."
    )

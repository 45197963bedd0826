"""Writes of objects: PUT, copy and DELETE."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from lakegate.errors import ErrorKind, NotFound
from lakegate.model import PutRequest
from lakegate.ops.objects import ObjectUpload
from lakegate.snapshot import object_not_found
from lakegate_api.s3 import checksums
from lakegate_api.s3.addressing import bucket_of, copy_source
from lakegate_api.s3.answers import Answer
from lakegate_api.s3.call import ObjectCall
from lakegate_api.s3.conditions import check_copy_source, write_conditions
from lakegate_api.s3.documents import document, iso_time
from lakegate_api.s3.failures import S3Refusal, invalid_argument, not_offered
from lakegate_api.s3.headers import (
    checksum_headers,
    content_type_of,
    kept_headers,
    metadata_of,
    refuse_unbuilt,
)
from lakegate_api.s3.intake import take_in
from lakegate_api.s3.objects import Target

_EMPTY_MD5 = "d41d8cd98f00b204e9800998ecf8427e"


async def put_object(call: ObjectCall) -> Answer:
    """PutObject."""
    if not call.path:
        return await _mark_ref(call)
    call.require_no_view()
    request = write_conditions(call.request.headers, described(call.request.headers))

    def start() -> ObjectUpload:
        upload = call.repository.start_put(call.ref, call.path)
        call.call.commit = upload.commit
        return upload

    entry = await take_in(call, start, request)
    return Answer(200, {"etag": f'"{entry.etag}"', **checksum_headers(entry)})


def described(headers: Mapping[str, str]) -> PutRequest:
    """Reads what is kept beside an object's bytes. Raises S3Refusal."""
    refuse_unbuilt(headers)
    return PutRequest(
        content_type=content_type_of(headers), metadata=metadata_of(headers), headers=kept_headers(headers)
    )


async def delete_object(call: ObjectCall) -> Answer:
    """DeleteObject: a tombstone on the branch. What is not there is deleted already."""
    if call.request.query.get("versionId", "null") != "null":
        raise S3Refusal("MethodNotAllowed", "Commits keep what they hold.", "Delete the object on a branch.")
    if "if-match" in call.request.headers:
        raise not_offered("A conditional delete", "Leave out If-Match.")
    await call.require_branch()
    if call.path:
        try:
            await call.run(lambda: call.repository.delete(call.ref, call.path))
        except NotFound as error:
            if error.kind is not ErrorKind.OBJECT_NOT_FOUND:
                raise
    return Answer(204)


async def copy_object(call: ObjectCall) -> Answer:
    """CopyObject: a new entry for the same bytes."""
    headers = call.request.headers
    source = await find_source(call)
    entry = source.entry
    directive = headers.get("x-amz-metadata-directive", "COPY")
    if directive not in ("COPY", "REPLACE"):
        raise invalid_argument(f"x-amz-metadata-directive is {directive[:40]!r}.", "Send COPY or REPLACE.")
    if headers.get("x-amz-tagging-directive", "COPY") != "COPY":
        raise not_offered("Tagging of objects")
    refuse_unbuilt(headers)
    if directive == "REPLACE":
        request = described(headers)
        sums = {name: value for name, value in entry.headers.items() if name.startswith(checksums.PREFIX)}
        request = replace(request, headers={**request.headers, **sums})
    else:
        request = PutRequest(content_type=entry.content_type, metadata=entry.metadata, headers=entry.headers)
    request = write_conditions(headers, request)
    await call.require_branch()
    made = await call.run(lambda: call.repository.copy_entry(call.ref, call.path, entry, request))
    answer = Answer.xml(
        document("CopyObjectResult", [("LastModified", iso_time(made.mtime)), ("ETag", f'"{made.etag}"')])
    )
    if source.commit is not None:
        answer.headers["x-amz-copy-source-version-id"] = source.commit
    return answer


async def find_source(call: ObjectCall) -> Target:
    """Finds the source of a copy, and decides the conditions on it. Raises NotFound, PreconditionFailed, S3Refusal."""
    address, version = copy_source(call.request.headers["x-amz-copy-source"])
    bucket = bucket_of(address.bucket, call.call.service.options)
    if bucket.repository != call.bucket.repository:
        raise not_offered("A copy between repositories", "Read the object and write it, or import it.")
    ref, path = bucket.split(address.key)
    ref = version if version not in (None, "null") else call.ref_of(ref)
    assert ref is not None
    call.call.allow("objects:read", f"{bucket.repository}/{ref}/{path}")
    seen = await call.quick(lambda: call.repository.look(ref, path))
    if seen.entry is None:
        raise object_not_found(ref, path)
    check_copy_source(seen.entry, call.request.headers)
    return Target(seen.entry, None if seen.staged else seen.commit)


async def _mark_ref(call: ObjectCall) -> Answer:
    """A folder marker at `<ref>/` marks what is there already: nothing is written."""
    if not call.key.endswith("/") or call.request.content_length() != 0:
        raise invalid_argument(
            f"The key {call.key[:80]!r} names a ref and no path in it.", "Keys are REF/PATH: main/folder/file."
        )
    await call.require_branch()
    return Answer(200, {"etag": f'"{_EMPTY_MD5}"'})

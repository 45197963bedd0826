"""ListMultipartUploads."""

from __future__ import annotations

from lakegate.errors import NotFound
from lakegate.ids import UploadId
from lakegate.model import MAX_PAGE, Upload
from lakegate_api.s3.answers import Answer
from lakegate_api.s3.call import BucketCall
from lakegate_api.s3.documents import Element, document, iso_time
from lakegate_api.s3.failures import not_offered
from lakegate_api.s3.listing import folders_of_branches, key_writer


async def list_uploads(call: BucketCall) -> Answer:
    """Lists the open uploads of a bucket, by key and id."""
    query = call.request.query
    if query.get("delimiter"):
        raise not_offered("A delimiter in the list of multipart uploads", "List them all, or by prefix.")
    amount = call.request.number("max-uploads", MAX_PAGE)
    prefix = query.get("prefix", "")
    marker, id_marker = query.get("key-marker", ""), query.get("upload-id-marker", "")
    found = await call.run(lambda: _uploads(call, prefix, (marker, id_marker), amount + 1))
    write = key_writer(call)
    content: list[Element] = [
        ("Bucket", call.bucket.name),
        ("KeyMarker", write(marker)),
        ("UploadIdMarker", id_marker),
        ("Prefix", write(prefix)),
        ("MaxUploads", amount),
        ("IsTruncated", len(found) > amount),
    ]
    page = found[:amount]
    if len(found) > amount and page:
        content += [("NextKeyMarker", write(page[-1][0])), ("NextUploadIdMarker", page[-1][1].id)]
    for key, upload in page:
        line: list[Element] = [
            ("Key", write(key)),
            ("UploadId", upload.id),
            ("StorageClass", "STANDARD"),
            ("Initiated", iso_time(upload.created)),
        ]
        content.append(("Upload", line))
    return Answer.xml(document("ListMultipartUploadsResult", content))


def _uploads(call: BucketCall, prefix: str, marker: tuple[str, str], amount: int) -> list[tuple[str, Upload]]:
    found: list[tuple[str, Upload]] = []
    for branch, folder in _branches(call, prefix):
        rest = prefix[len(folder) :] if prefix.startswith(folder) else ""
        key, upload_id = marker
        after = ""
        if key.startswith(folder) and key:
            # Without an id all uploads of the key itself are passed over, too.
            after = f"{key[len(folder) :]}\n{UploadId(upload_id) if upload_id else '~'}"
        elif key > folder:
            continue
        try:
            while len(found) < amount:
                page = call.repository.uploads(branch, rest, after, min(amount - len(found), MAX_PAGE))
                found += [(folder + upload.path, upload) for upload in page.items]
                after = page.next_after
                if not after:
                    break
        except NotFound:
            continue  # the branch was deleted meanwhile
    return found


def _branches(call: BucketCall, prefix: str) -> list[tuple[str, str]]:
    """The branches whose uploads can match, with what stands before their paths in keys."""
    if call.bucket.ref is not None:
        return [(call.ref_of(call.bucket.ref), "")]
    ref, slash, _ = prefix.partition("/")
    if slash:
        return [(ref, f"{ref}/")]
    return [(folder[:-1], folder) for folder in folders_of_branches(call, prefix)]

"""Listings of a bucket: ListObjects of both versions, and ListObjectVersions.

With keys that start with a ref, a bucket's root holds the refs, as folders.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar
from urllib.parse import quote

from lakegate.ids import LIVE, CommitId, prefix_end
from lakegate.model import MAX_PAGE, CommonPrefix, Entry, ListRequest, Page
from lakegate_api.s3.answers import Answer
from lakegate_api.s3.call import BucketCall
from lakegate_api.s3.documents import Element, document, iso_time
from lakegate_api.s3.failures import invalid_argument, not_offered

T = TypeVar("T")

_OWNER: list[Element] = [("ID", "lakegate"), ("DisplayName", "lakegate")]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a listing asks for, in keys of the bucket. `after` is exclusive and any string."""

    prefix: str
    delimiter: str
    after: str
    amount: int
    with_staged: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a listing. `entry` None: a folder. `version` is the commit that holds it, None for one that is not
    committed."""

    key: str
    entry: Entry | None
    version: CommitId | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """One page. `last` is the key that it ends with, where there is more."""

    items: tuple[Item, ...]
    last: str = ""


async def list_v2(call: BucketCall) -> Answer:
    """ListObjectsV2."""
    query = call.request.query
    token, start_after = query.get("continuation-token", ""), query.get("start-after", "")
    wanted = _wanted(call, _from_token(token) if token else start_after)
    listed = await list_page(call, wanted)
    write = key_writer(call)
    content: list[Element] = [
        ("Name", call.bucket.name),
        ("Prefix", write(wanted.prefix)),
        ("KeyCount", len(listed.items)),
        ("MaxKeys", wanted.amount),
    ]
    if wanted.delimiter:
        content.append(("Delimiter", write(wanted.delimiter)))
    if start_after:
        content.append(("StartAfter", write(start_after)))
    if token:
        content.append(("ContinuationToken", token))
    if listed.last:
        content.append(("NextContinuationToken", _to_token(listed.last)))
    with_owner = query.get("fetch-owner") == "true"
    return _answer(call, "ListBucketResult", content, listed, with_owner=with_owner)


async def list_v1(call: BucketCall) -> Answer:
    """ListObjects, the first version."""
    marker = call.request.query.get("marker", "")
    wanted = _wanted(call, marker)
    listed = await list_page(call, wanted)
    write = key_writer(call)
    content: list[Element] = [
        ("Name", call.bucket.name),
        ("Prefix", write(wanted.prefix)),
        ("Marker", write(marker)),
        ("MaxKeys", wanted.amount),
    ]
    if wanted.delimiter:
        content.append(("Delimiter", write(wanted.delimiter)))
    if listed.last:
        content.append(("NextMarker", write(listed.last)))
    return _answer(call, "ListBucketResult", content, listed, with_owner=True)


async def list_versions(call: BucketCall) -> Answer:
    """ListObjectVersions: of every object the one version that the ref holds, named by the ref's commit."""
    marker = call.request.query.get("key-marker", "")
    wanted = _wanted(call, marker, with_staged=True)
    listed = await list_page(call, wanted)
    write = key_writer(call)
    content: list[Element] = [
        ("Name", call.bucket.name),
        ("Prefix", write(wanted.prefix)),
        ("KeyMarker", write(marker)),
        ("VersionIdMarker", call.request.query.get("version-id-marker", "")),
        ("MaxKeys", wanted.amount),
    ]
    if wanted.delimiter:
        content.append(("Delimiter", write(wanted.delimiter)))
    if listed.last:
        content.append(("NextKeyMarker", write(listed.last)))
        content.append(("NextVersionIdMarker", "null"))
    return _answer(call, "ListVersionsResult", content, listed, with_owner=True, as_versions=True)


async def list_page(call: BucketCall, wanted: Wanted) -> Listed:
    """Lists one page of a bucket's keys. Raises NotFound for a prefix with an unknown ref."""
    if not wanted.amount:
        return Listed(())
    found = await call.run(lambda: list(islice(_items(call, wanted), wanted.amount + 1)))
    page = tuple(found[: wanted.amount])
    return Listed(page, page[-1].key if len(found) > len(page) else "")


def _items(call: BucketCall, wanted: Wanted) -> Iterator[Item]:
    bucket = call.bucket
    if bucket.ref is not None:
        yield from _of_ref(call, call.ref_of(bucket.ref), "", wanted)
        return
    ref, slash, _ = wanted.prefix.partition("/")
    if slash:
        yield from _of_ref(call, ref, ref + "/", wanted)
        return
    if wanted.delimiter not in ("", "/"):
        raise not_offered("A delimiter other than '/' at the root of a bucket", "Start the prefix with a ref.")
    for folder in _folders_of_refs(call, wanted.prefix):
        end = prefix_end(folder)
        if wanted.delimiter:
            if folder > wanted.after:
                yield Item(folder, None)
        elif end is None or wanted.after < end:
            yield from _of_ref(call, folder[:-1], folder, wanted)


def _of_ref(call: BucketCall, ref: str, folder: str, wanted: Wanted) -> Iterator[Item]:
    """Lists what lies below `folder`, page by page."""
    prefix = wanted.prefix[len(folder) :] if wanted.prefix.startswith(folder) else ""
    after = wanted.after
    if after.startswith(folder):
        after = after[len(folder) :]
    elif after > folder:
        return
    else:
        after = ""
    left = wanted.amount + 1
    while left > 0:
        request = ListRequest(prefix, after, min(left, MAX_PAGE), wanted.delimiter)
        if prefix.startswith(LIVE):
            listing = call.repository.list_live(ref, request)
        else:
            listing = call.repository.list_at(ref, request, with_staged=wanted.with_staged)
        call.call.commit = listing.commit
        for item in listing.page.items:
            if isinstance(item, CommonPrefix):
                yield Item(folder + item.path, None)
            else:
                version = None if item.path in listing.staged else listing.commit
                yield Item(folder + item.path, item, version)
        left -= len(listing.page.items)
        after = listing.page.next_after
        if not after:
            return


def folders_of_branches(call: BucketCall, prefix: str) -> list[str]:
    """The branches with a prefix as folders, in the order of keys, which is not that of names: `a-b/` comes before
    `a/`."""
    return sorted(f"{branch.name}/" for branch in _all(lambda after: call.repository.branches(prefix, after, MAX_PAGE)))


def _folders_of_refs(call: BucketCall, prefix: str) -> list[str]:
    tags = _all(lambda after: call.repository.tags(prefix, after, MAX_PAGE))
    return sorted([*folders_of_branches(call, prefix), *(f"{tag.name}/" for tag in tags)])


def _all(page_after: Callable[[str], Page[T]]) -> Iterator[T]:
    after = ""
    while True:
        page = page_after(after)
        yield from page.items
        after = page.next_after
        if not after:
            return


def _wanted(call: BucketCall, after: str, *, with_staged: bool = False) -> Wanted:
    request = call.request
    query = request.query
    encoding = query.get("encoding-type", "url")
    if encoding != "url":
        raise invalid_argument(f"encoding-type is {encoding[:40]!r}.", "Only url is known.")
    amount = request.number("max-keys", MAX_PAGE)
    return Wanted(query.get("prefix", ""), query.get("delimiter", ""), after, amount, with_staged)


def _answer(
    call: BucketCall,
    root: str,
    content: list[Element],
    listed: Listed,
    *,
    with_owner: bool,
    as_versions: bool = False,
) -> Answer:
    write = key_writer(call)
    content.append(("IsTruncated", bool(listed.last)))
    if "encoding-type" in call.request.query:
        content.append(("EncodingType", "url"))
    folders: list[Element] = []
    for item in listed.items:
        if item.entry is None:
            folders.append(("CommonPrefixes", [("Prefix", write(item.key))]))
            continue
        line: list[Element] = [("Key", write(item.key))]
        if as_versions:
            line += [("VersionId", item.version or "null"), ("IsLatest", True)]
        line += [
            ("LastModified", iso_time(item.entry.mtime)),
            ("ETag", f'"{item.entry.etag}"'),
            ("Size", item.entry.size),
            ("StorageClass", "STANDARD"),
        ]
        if with_owner:
            line.append(("Owner", _OWNER))
        content.append(("Version" if as_versions else "Contents", line))
    return Answer.xml(document(root, content + folders))


def key_writer(call: BucketCall) -> Encode:
    """Returns what writes keys as the client asked for them."""
    return Encode("encoding-type" in call.request.query)


@dataclass(frozen=True, slots=True)
class Encode:
    """Writes keys as the client asked for them."""

    as_url: bool

    def __call__(self, text: str) -> str:
        return quote(text, safe="/~") if self.as_url else text


def _to_token(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode("utf-8")).decode("ascii")


def _from_token(token: str) -> str:
    try:
        return base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        raise invalid_argument("The continuation token is not one of this server.", "List from the start.") from None

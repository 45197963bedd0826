"""Stages an object that lies outside the repository: the branch points at where it is, and no byte is copied."""

from __future__ import annotations

import re
from dataclasses import replace

from lakegate import refs
from lakegate.context import RepositoryContext
from lakegate.errors import ErrorKind, InvalidInput
from lakegate.model import Entry, ImportKind, ImportSource, PutRequest, StageRequest
from lakegate.ops.content_types import content_type_of
from lakegate.ops.import_sources import entries, open_source
from lakegate.ops.objects import stage_put

# An ETag of this form is the MD5 of the bytes; others are the store's own affair, and can't be compared.
_MD5 = re.compile(r"[0-9a-f]{32}")


def stage(ctx: RepositoryContext, branch: str, path: str, request: StageRequest) -> Entry:
    """Stages the object at a URL (uncommitted); see `lakegate.interface.Repository.stage`."""
    name = refs.get_branch(ctx, branch).name
    source = open_source(ctx, ImportSource(ImportKind.OBJECT, request.url, path))
    found = next(iter(entries((source,))))
    if found.size != request.size:
        raise _differs(request, f"has {found.size} bytes, not {request.size}")
    wanted = request.checksum.strip('"').lower()
    if _MD5.fullmatch(wanted) and _MD5.fullmatch(found.etag) and wanted != found.etag:
        raise _differs(request, f"has the MD5 {found.etag}, not {wanted}")
    entry = replace(
        found,
        mtime=found.mtime if request.mtime is None else request.mtime,
        content_type=content_type_of(source.key, request.content_type),
        metadata=dict(request.metadata),
    )
    return stage_put(ctx, name, entry, PutRequest())


def _differs(request: StageRequest, how: str) -> InvalidInput:
    return InvalidInput(
        ErrorKind.CHECKSUM_MISMATCH,
        f"The object at {request.url!r} {how}.",
        hint="Stage what is there, or write the object through lakegate.",
    )

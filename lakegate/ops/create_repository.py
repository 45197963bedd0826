"""Creates a repository in an empty storage namespace."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

from lakegate import refs, tree
from lakegate.context import RepositoryContext
from lakegate.errors import AlreadyExists, ErrorKind, InvalidInput, NotFound, Unavailable
from lakegate.format.documents import FORMAT_KEY, REFS
from lakegate.format.kinds import OBJECTS, TABLES
from lakegate.model import Commit, RepositoryInfo
from lakegate.objectstore.opener import METADATA_FOLDER

_LOOKED_AT = 10_000  # objects of a new storage namespace


def create_repository(ctx: RepositoryContext) -> RepositoryInfo:
    """Creates the repository that `ctx.info` describes, with a first, empty commit on its default branch.

    A creation that ended after it had marked the storage namespace, and before the database knew of it, is taken up
    under the id that stands there: else the place could never be used. Raises AlreadyExists(NAMESPACE_IN_USE,
    REPOSITORY_EXISTS), Refused(FORMAT_TOO_NEW).
    """
    info = ctx.info
    ctx.meta.require_new_repository(info)
    present = ctx.manifests.read_format()
    if present is not None:
        if (present.name, present.default_branch) != (info.name, info.default_branch) or _has_refs(ctx):
            raise AlreadyExists(
                ErrorKind.NAMESPACE_IN_USE,
                f"The storage namespace {info.storage_namespace} holds the data of a repository {present.name!r} "
                "already.",
                hint="Choose an empty place (`lakegate repo create NAME --storage URL`), or move that data away.",
            )
        ctx = replace(ctx, info=replace(info, id=present.id, created=present.created))
    if present is None:
        _refuse_nested(ctx)
        ctx.manifests.write_format(info)
    first = _first_commit(ctx)
    ctx.meta.create_repository(ctx.info, first.id, ctx.actor)
    refs.journal(ctx, "branch", ctx.info.default_branch)
    return ctx.info


def _refuse_nested(ctx: RepositoryContext) -> None:
    """Refuses a storage namespace in, or above, that of any repository, also of another lake: one would hold the
    other's data. One below is looked for among the first objects only; who makes a namespace above very many objects
    has to know what they are."""
    scheme, _, place = ctx.info.storage_namespace.partition("://")
    folders = place.rstrip("/").split("/")
    for depth in range(len(folders) - 1, 0, -1):
        parent = f"{scheme}://{'/'.join(folders[:depth])}"
        try:
            store, key = ctx.addresses.locate(f"{parent}/{FORMAT_KEY}")
            store.head(key)
        except (NotFound, InvalidInput):
            continue
        except Unavailable as error:
            if error.kind is not ErrorKind.STORE_DENIED:
                raise
            continue  # a parent that these keys may not look at
        raise _nested(ctx.info, f"lies in {parent}, which holds the data of another repository")
    for found in islice(ctx.store.list(), _LOOKED_AT):
        below, is_other, _ = found.key.partition(f"/{METADATA_FOLDER}/")
        if is_other:
            raise _nested(ctx.info, f"holds the data of another repository in {below!r}")


def _nested(info: RepositoryInfo, how: str) -> AlreadyExists:
    return AlreadyExists(
        ErrorKind.NAMESPACE_IN_USE,
        f"The storage namespace {info.storage_namespace} {how}.",
        hint="Choose a place that is in no repository's storage namespace and has none below it.",
    )


def _has_refs(ctx: RepositoryContext) -> bool:
    return next(iter(ctx.store.list(REFS)), None) is not None


def _first_commit(ctx: RepositoryContext) -> Commit:
    nodes = ctx.manifests.nodes
    manifest = ctx.manifests.write_manifest(tree.empty(nodes, OBJECTS), tree.empty(nodes, TABLES))
    return ctx.manifests.write_commit(
        parents=(),
        manifest=manifest.id,
        message="Repository created",
        committer=ctx.actor,
        created=ctx.info.created,
        metadata={},
        generation=1,
    )

"""Which log commits a side of a merge has that the base has not, also those that were cleaned up since.

A log that lacks versions does not tell what the table held meanwhile: a file may have come over by a squash merge, been
compacted, and the versions that say so cleaned up. The commits of the branch have them still.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from lakegate.context import RepositoryContext
from lakegate.ids import NodeId
from lakegate.model import Entry, Manifest, TableVersion
from lakegate.tables.operations import new_versions

Past = Callable[[], Iterator[Manifest]]
"""Yields the manifests of the commits that led to a side since the base, newest first: what its own log does not tell
any more."""


def no_past() -> Iterator[Manifest]:
    """The past of a side of which nothing more is known."""
    return iter(())


@dataclass(frozen=True, slots=True)
class TableAt:
    """A table's version in one tree of objects."""

    root: NodeId
    version: TableVersion


@dataclass(frozen=True, slots=True)
class SideLog:
    """The log commits by which two trees differ: `new` are the side's; `old` are the base's that the side never had, or
    has otherwise; `untold`: the side had versions of which none is left."""

    new: Mapping[int, Entry]
    old: Mapping[int, Entry]
    untold: bool

    @classmethod
    def of(cls, ctx: RepositoryContext, base: TableAt, side: TableAt, past: Past) -> SideLog:
        path, newest = side.version.path, side.version.version or 0
        new = {v: entry for v, entry in new_versions(ctx, base.root, side.root, path) if v <= newest}
        old = dict(new_versions(ctx, side.root, base.root, path))
        wanted = {v for v in (*old, *range((base.version.version or 0) + 1, newest + 1)) if v <= newest} - set(new)
        later = side.root
        for manifest in past() if wanted else ():
            for version, entry in new_versions(ctx, later, manifest.objects_root, path):
                if version not in wanted:
                    continue
                wanted.discard(version)
                if version in old and old[version].same_content(entry):
                    del old[version]
                else:
                    new[version] = entry
            later = manifest.objects_root
            if not wanted:
                break
        return cls(new, old, bool(wanted))

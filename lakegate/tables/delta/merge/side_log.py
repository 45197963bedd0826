"""Which log commits a side of a merge has that the base has not, also those that were cleaned up since.

A log that lacks versions does not tell what the table held meanwhile: a file may have come over by a squash merge, been
compacted, and the versions that say so cleaned up. The commits of the branch have them still.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from lakegate import tree
from lakegate.context import RepositoryContext
from lakegate.format.kinds import OBJECTS
from lakegate.ids import NodeId
from lakegate.log_paths import commit_path
from lakegate.model import Entry, Manifest, TableVersion
from lakegate.tables.operations import new_versions

Past = Callable[[], Iterator[Manifest]]
"""Yields the manifests of the commits that led to a side since the base, newest first: what its own log does not tell
any more."""


def no_past() -> Iterator[Manifest]:
    """The past of a side of which nothing more is known."""
    return iter(())


CleanedLog = Callable[[int], Entry | None]
"""Finds a log commit that was cleaned up, in the commits before; None where no commit ever held it."""


def no_cleaned_log(_: int) -> Entry | None:
    """The log of a table of whose past nothing is known."""
    return None


@dataclass(frozen=True, slots=True)
class TableAt:
    """A table's version in one tree of objects; `cleaned` finds what its log holds no more."""

    root: NodeId
    version: TableVersion
    cleaned: CleanedLog = no_cleaned_log

    def log_entry(self, ctx: RepositoryContext, version: int) -> Entry | None:
        """The log commit of a version that the table has or had; None where none is known."""
        found = tree.get(ctx.manifests.nodes, OBJECTS, self.root, commit_path(self.version.path, version))
        return found if found is not None or version > (self.version.version or 0) else self.cleaned(version)


def cleaned_log(ctx: RepositoryContext, past: Past, path: str) -> CleanedLog:
    """Returns what finds cleaned log commits of a table in the manifests of its past, of which it reads as many as it
    needs."""
    found: dict[int, Entry] = {}
    manifests = past()
    later: NodeId | None = None

    def find(version: int) -> Entry | None:
        nonlocal later
        while version not in found:
            manifest = next(manifests, None)
            if manifest is None:
                return None
            for number, entry in new_versions(ctx, later, manifest.objects_root, path):
                found.setdefault(number, entry)
            later = manifest.objects_root
        return found[version]

    return find


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
        untold = _drop_known(ctx, base, new)
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
        return cls(new, old, untold or bool(wanted))


def _drop_known(ctx: RepositoryContext, base: TableAt, new: dict[int, Entry]) -> bool:
    """Takes away the versions that the base's log had before it was cleaned up: all up to the newest that both have.
    Those later of which no commit tells whether the base had them go too; returns whether there are such."""
    nodes, path = ctx.manifests.nodes, base.version.path
    untold: set[int] = set()
    for version in sorted((v for v in new if v <= (base.version.version or 0)), reverse=True):
        if tree.get(nodes, OBJECTS, base.root, commit_path(path, version)) is not None:
            continue  # the base has another one
        known = base.cleaned(version)
        if known is None:
            untold.add(version)
        elif known.same_content(new[version]):
            for older in [v for v in new if v <= version]:
                del new[older]
            break
    for version in untold:
        new.pop(version, None)
    return bool(untold)

"""Reads and writes the documents of a repository; holds the store of its tree nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from pathlib import Path

from lakegate.errors import AlreadyExists, Corrupt, ErrorKind, NotFound
from lakegate.format import documents
from lakegate.format.documents import CommitFields, ManifestFields
from lakegate.ids import CommitId, ManifestId, NodeId
from lakegate.manifests.cache import Cache
from lakegate.manifests.disk import DiskCache
from lakegate.manifests.nodes import NodeCache, ScratchNodes, ShownNodes, StoredNodes, node_cache
from lakegate.model import Commit, Entry, Manifest, RepositoryInfo
from lakegate.objectstore.protocol import ObjectStore
from lakegate.tree import totals

_COMMIT_BYTES = 8 << 20
_MANIFESTS = 4096
_ENTRIES = 8192
_DEFAULT_CACHE_BYTES = 128 << 20


class Manifests:
    """Commits, manifests and nodes of the repository in one storage namespace. Thread-safe.

    All are immutable and content-addressed: what was read once is served from memory, nodes from `memory` and, where
    there is one, from `disk`. `entries` keeps objects that were looked up, by root and path. Every
    write is durable when it returns, and writing what is there already is no error.
    """

    def __init__(self, store: ObjectStore, *, memory: NodeCache | None = None, disk: DiskCache | None = None) -> None:
        self._store = store
        self._commits: Cache[CommitId, Commit] = Cache(_COMMIT_BYTES, _weight)
        self._manifests: Cache[ManifestId, Manifest] = Cache(_MANIFESTS, lambda _: 1)
        self.entries: Cache[tuple[NodeId, str], Entry] = Cache(_ENTRIES, lambda _: 1)
        self.nodes = StoredNodes(store, memory or node_cache(_DEFAULT_CACHE_BYTES), disk)

    def shown_nodes(self) -> ShownNodes:
        """The nodes for one walk, whose outcome is shown and never written on."""
        return ShownNodes(self.nodes)

    def scratch(self, folder: Path) -> Manifests:
        """The same documents, with nodes that are written to a folder alone: for a look at what a change would make.
        The caller closes the nodes."""
        looking = copy(self)
        looking.nodes = ScratchNodes(self.nodes, folder)
        return looking

    # -- commits ------------------------------------------------------------------------------------------------------

    def read_commit(self, commit: CommitId, *, verify: bool = False) -> Commit:
        """Reads a commit; `verify` reads the store whatever the cache holds. Raises NotFound(COMMIT_NOT_FOUND), Corrupt
        where the file does not hash to the id."""
        found = None if verify else self._commits.get(commit)
        if found is None:
            try:
                data = self._store.get(documents.commit_key(commit))
            except NotFound as error:
                raise NotFound(
                    ErrorKind.COMMIT_NOT_FOUND,
                    f"There is no commit {commit}.",
                    hint="List commits with `lakegate log`.",
                ) from error
            found = documents.decode_commit(commit, data)
            self._commits.put(commit, found)
        return found

    def write_commit(
        self,
        *,
        parents: Sequence[CommitId],
        manifest: ManifestId,
        message: str,
        committer: str,
        created: int,
        metadata: Mapping[str, str],
        generation: int,
    ) -> Commit:
        """Writes a commit durably. `generation` is one more than the highest of the parents' (1 without parents)."""
        commit, data = documents.encode_commit(
            CommitFields(tuple(parents), manifest, message, committer, created, metadata, generation)
        )
        self._store.put_if_absent(documents.commit_key(commit.id), data)
        self._commits.put(commit.id, commit)
        return commit

    # -- manifests ----------------------------------------------------------------------------------------------------

    def read_manifest(self, manifest: ManifestId, *, verify: bool = False) -> Manifest:
        """Reads a manifest; `verify` reads the store whatever the cache holds. Raises Corrupt where it is missing or
        does not hash to its id."""
        found = None if verify else self._manifests.get(manifest)
        if found is None:
            try:
                data = self._store.get(documents.manifest_key(manifest))
            except NotFound as error:
                raise Corrupt(f"The manifest {manifest} is missing.", hint="Run `lakegate verify`.") from error
            found = documents.decode_manifest(manifest, data)
            self._manifests.put(manifest, found)
        return found

    def write_manifest(self, objects_root: NodeId, tables_root: NodeId) -> Manifest:
        """Writes the manifest over two durable trees, with totals read from their roots."""
        objects = totals(self.nodes, objects_root)
        tables = totals(self.nodes, tables_root)
        manifest, data = documents.encode_manifest(
            ManifestFields(objects_root, tables_root, objects.entries, objects.bytes, tables.entries)
        )
        self._store.put_if_absent(documents.manifest_key(manifest.id), data)
        self._manifests.put(manifest.id, manifest)
        return manifest

    # -- format.json --------------------------------------------------------------------------------------------------

    def read_format(self) -> RepositoryInfo | None:
        """Tells which repository the storage namespace belongs to; None where it holds none.

        Raises Refused(FORMAT_TOO_NEW) where it is of a newer format version, Corrupt where it can't be read.
        """
        try:
            data = self._store.get(documents.FORMAT_KEY)
        except NotFound:
            return None
        return documents.decode_format(data, self._store.url)

    def write_format(self, info: RepositoryInfo) -> None:
        """Marks the storage namespace as this repository's. Raises AlreadyExists(NAMESPACE_IN_USE) where it is
        another's, Refused(FORMAT_TOO_NEW)."""
        if self._store.put_if_absent(documents.FORMAT_KEY, documents.encode_format(info)):
            return
        found = self.read_format()
        if found is None or found.id != info.id:
            raise AlreadyExists(
                ErrorKind.NAMESPACE_IN_USE,
                f"The storage namespace {self._store.url} holds another repository"
                + (f", {found.name!r}." if found is not None else "."),
                hint="Choose an empty place (`lakegate repo create NAME --storage URL`).",
            )


def _weight(commit: Commit) -> int:
    """About the bytes that a commit takes in memory: its message and metadata are as long as users make them."""
    return 1024 + 2 * len(commit.message) + sum(200 + 2 * (len(k) + len(v)) for k, v in commit.metadata.items())

"""Tree nodes on an object store, cached in memory and, on request, on disk."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

from lakegate.errors import Corrupt, NotFound
from lakegate.format.documents import node_key
from lakegate.format.node import Node, decode_node, encode_node
from lakegate.ids import NodeId
from lakegate.manifests.cache import Cache
from lakegate.manifests.disk import DiskCache
from lakegate.objectstore.protocol import ObjectStore

_LOCAL_THREADS = 3  # two cores' worth of decoding and hashing, and one that waits for the disk
_REMOTE_THREADS = 16
_PASSING_BYTES = 32 << 20  # a walk over a whole tree needs no more than what is read ahead


NodeCache = Cache[NodeId, Node]
"""Nodes in memory. A node's id is the hash of what it holds, so that all repositories of a lake may share one."""


def node_cache(capacity: int) -> NodeCache:
    """Makes a cache of `capacity` bytes."""
    return Cache(capacity, lambda node: node.nbytes, passing=_PASSING_BYTES)


class StoredNodes:
    """The NodeStore of one repository (see `lakegate.tree.store.NodeStore`). Thread-safe.

    Reads and writes that overlap run in a few threads: decoding, hashing and fsync release the interpreter.
    """

    _rehash = True

    def __init__(self, store: ObjectStore, memory: NodeCache, disk: DiskCache | None = None) -> None:
        self._store = store
        self._memory = memory
        self._disk = disk
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._reading: dict[NodeId, Future[Node]] = {}

    def read(self, node: NodeId, *, scan: bool = False, verify: bool = False) -> Node:
        if verify:
            return decode_node(node, self._stored(node))
        found = self._memory.get(node, scan=scan)
        if found is not None:
            return found
        with self._lock:
            under_way = self._reading.get(node)
        if under_way is not None:
            found = under_way.result()
            if not scan:
                self._memory.put(node, found)
            return found
        return self._load(node, scan=scan)

    def prefetch(self, nodes: Iterable[NodeId]) -> None:
        for node in nodes:
            if self._memory.get(node, scan=True) is not None:
                continue
            with self._lock:
                if node in self._reading:
                    continue
                future = self._executor().submit(self._load, node, scan=True)
                self._reading[node] = future
            future.add_done_callback(partial(self._ended, node))

    def write(self, node: Node) -> NodeId:
        node_id = node.id
        if not self._store.put_if_absent(node_key(node_id), encode_node(node)):
            decode_node(node_id, self._stored(node_id))  # what stands under the name may be damaged
        self._memory.put(node_id, Node(node.kind, node.level, node.rows.compact(), node_id), scan=True)
        return node_id

    def submit(self, node: Node) -> Future[NodeId]:
        with self._lock:
            executor = self._executor()
        return executor.submit(self.write, node)

    def close(self) -> None:
        """Ends the threads, once what they do is done."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=True)

    def _executor(self) -> ThreadPoolExecutor:
        if self._pool is None:
            threads = _LOCAL_THREADS if self._store.is_local else _REMOTE_THREADS
            self._pool = ThreadPoolExecutor(threads, thread_name_prefix="lakegate-nodes")
        return self._pool

    def _ended(self, node: NodeId, _: Future[Node]) -> None:
        with self._lock:
            self._reading.pop(node, None)

    def _load(self, node: NodeId, *, scan: bool) -> Node:
        loaded = self._on_disk(node)
        if loaded is None:
            loaded = decode_node(node, self._stored(node), rehash=self._rehash)
        self._memory.put(node, loaded, scan=scan)
        return loaded

    def _on_disk(self, node: NodeId) -> Node | None:
        data = self._disk.get(node) if self._disk is not None else None
        if data is None:
            return None
        try:
            return decode_node(node, data, rehash=self._rehash)
        except Corrupt:  # a cache proves nothing: the store is asked
            return None

    def _stored(self, node: NodeId) -> bytes:
        try:
            data = self._store.get(node_key(node))
        except NotFound as error:
            raise Corrupt(
                f"The node {node} is missing from {self._store.url}.",
                hint="Run `lakegate verify`; restore the file from a backup or replica of the storage namespace.",
            ) from error
        if self._disk is not None:
            self._disk.put(node, data)
        return data


class ShownNodes(StoredNodes):
    """Nodes of a repository for one walk, whose outcome is shown and never written on: their pages' checksums are held
    against their bytes, and their rows are not hashed, which is a third of the time of a walk over two trees. So they
    go into no cache that others read."""

    _rehash = False

    def __init__(self, base: StoredNodes) -> None:
        super().__init__(base._store, node_cache(4 * _PASSING_BYTES), base._disk)
        self._base = base

    def _load(self, node: NodeId, *, scan: bool) -> Node:
        found = self._base._memory.get(node, scan=scan)
        return found if found is not None else super()._load(node, scan=scan)

    def _executor(self) -> ThreadPoolExecutor:
        with self._base._lock:
            return self._base._executor()

    def _stored(self, node: NodeId) -> bytes:
        return self._base._stored(node)


class ScratchNodes(StoredNodes):
    """Nodes of a repository, and such as are written to a folder instead: nobody else needs them."""

    def __init__(self, base: StoredNodes, folder: Path) -> None:
        super().__init__(base._store, base._memory, base._disk)
        self._folder = folder

    def write(self, node: Node) -> NodeId:
        node_id = node.id
        self._file(node_id).write_bytes(encode_node(node))
        return node_id

    def _stored(self, node: NodeId) -> bytes:
        try:
            return self._file(node).read_bytes()
        except FileNotFoundError:
            return super()._stored(node)

    def _file(self, node: NodeId) -> Path:
        return self._folder / str(node)

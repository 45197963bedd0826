"""Typed, cached, write-once I/O of commits, manifests, tree nodes and `format.json`."""

from lakegate.manifests.disk import DiskCache
from lakegate.manifests.documents import Manifests
from lakegate.manifests.nodes import NodeCache, node_cache

__all__ = ["DiskCache", "Manifests", "NodeCache", "node_cache"]

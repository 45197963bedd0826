"""Typed, cached, write-once I/O of commits, manifests, tree nodes and `format.json`."""

from lakegate.manifests.documents import Manifests

__all__ = ["Manifests"]

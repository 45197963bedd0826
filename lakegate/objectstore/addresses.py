"""From an entry's physical address to the store and key that hold its bytes."""

from __future__ import annotations

from typing import Protocol

from lakegate.model import Entry
from lakegate.objectstore.imported import ImportedObject
from lakegate.objectstore.protocol import ObjectSource, ObjectStore, ReplacingStore


class AddressOpener(Protocol):
    """What opens stores by URL: `StoreOpener`, or a test's stand-in."""

    def open(self, url: str) -> ReplacingStore: ...

    def locate(self, address: str) -> tuple[ObjectStore, str]: ...


def is_absolute(address: str) -> bool:
    """Tells whether an address lies outside the storage namespace (an imported object, never deleted by lakegate)."""
    return "://" in address


class AddressSpace:
    """The addresses of one repository: keys of its storage namespace, and absolute URLs."""

    def __init__(self, namespace: ObjectStore, opener: AddressOpener) -> None:
        self._namespace = namespace
        self._opener = opener

    def locate(self, address: str) -> tuple[ObjectStore, str]:
        """Returns the store and key of a physical address. Asks no store. Raises InvalidInput."""
        if is_absolute(address):
            return self._opener.locate(address)
        return self._namespace, address

    def source(self, entry: Entry) -> tuple[ObjectSource, str]:
        """Returns what an entry's bytes are read from, and their key there. Asks no store. Raises InvalidInput.

        Of an imported object only the bytes that were imported are read: Refused(OBJECT_CHANGED) where others are
        there.
        """
        store, key = self.locate(entry.address)
        return (ImportedObject(store, entry), key) if is_absolute(entry.address) else (store, key)

    def open(self, url: str) -> ReplacingStore:
        """Opens the store at a root outside the namespace, from which no key escapes. Asks nothing of it."""
        return self._opener.open(url)

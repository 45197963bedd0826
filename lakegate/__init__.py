"""lakegate: git for a data lake of Delta and Parquet tables."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lakegate.connection import connect
    from lakegate.pinning import pinned

__all__ = ["connect", "pinned"]


def __getattr__(name: str) -> Any:
    # Exported lazily: `import lakegate` stays quick, and no module below it depends on it.
    if name == "connect":
        return import_module("lakegate.connection").connect
    if name == "pinned":
        return import_module("lakegate.pinning").pinned
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

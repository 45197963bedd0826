"""lakegate: git for a data lake of Delta and Parquet tables."""

from lakegate.connect import connect

__all__ = ["connect"]

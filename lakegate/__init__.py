"""lakegate: git for a data lake of Delta and Parquet tables."""

"""The content type of an object whose writer named none."""

from __future__ import annotations

from lakegate.model import DEFAULT_CONTENT_TYPE

# A fixed table: that of the machine (/etc/mime.types) would give the same data another commit id elsewhere.
_CONTENT_TYPES = {
    "parquet": "application/vnd.apache.parquet",
    "arrow": "application/vnd.apache.arrow.file",
    "arrows": "application/vnd.apache.arrow.stream",
    "avro": "application/avro",
    "crc": DEFAULT_CONTENT_TYPE,
    "csv": "text/csv",
    "tsv": "text/tab-separated-values",
    "json": "application/json",
    "jsonl": "application/jsonl",
    "ndjson": "application/x-ndjson",
    "txt": "text/plain",
    "md": "text/markdown",
    "html": "text/html",
    "xml": "application/xml",
    "yaml": "application/yaml",
    "yml": "application/yaml",
    "gz": "application/gzip",
    "zst": "application/zstd",
    "zip": "application/zip",
    "tar": "application/x-tar",
    "pdf": "application/pdf",
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "tif": "image/tiff",
    "tiff": "image/tiff",
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
    "npy": "application/x-npy",
    "npz": "application/x-npz",
    "h5": "application/x-hdf5",
}


def content_type_of(path: str, given: str = DEFAULT_CONTENT_TYPE) -> str:
    """Returns the content type of an object: as given, guessed from its path's extension where none was."""
    if given != DEFAULT_CONTENT_TYPE:
        return given
    return _CONTENT_TYPES.get(path[path.rfind(".") + 1 :].lower(), DEFAULT_CONTENT_TYPE)

"""What `/config` says of storage: truthfully, because clients decide by it how they upload and import."""

from __future__ import annotations

from typing import Any

from lakegate.config import LakeSettings

_EXAMPLES = {
    "local": "file:///srv/lake/sales",
    "s3": "s3://bucket/sales",
    "gs": "gs://bucket/sales",
    "azure": "az://container/sales",
}
_TYPES = {"file": "local", "s3": "s3", "gs": "gs", "az": "azure"}
_URL = r"^(file|s3|gs|az)://.+$"
_IMPORT = r"^((file|s3|gs|az)://|/).+$"

# What clients of the same API call a local folder. Some check the URL themselves, and would not send `file://`.
_LOCAL = "local://"


def storage_url(url: str, base: str) -> str:
    """Reads the URL of a storage namespace or of an import's source as the API's clients write it.

    `local:///dir` is `file:///dir`; `local://name` lies below `base`, the lake's default base. Others stay as they are.
    """
    if not url.startswith(_LOCAL):
        return url
    rest = url.removeprefix(_LOCAL)
    return f"file://{rest}" if rest.startswith("/") or not rest else f"{base.rstrip('/')}/{rest}"


def storage_config(settings: LakeSettings) -> dict[str, Any]:
    """The `storage_config` of a lake: uploads go through the server, which signs no URLs."""
    base = settings.default_namespace_base or (settings.home.absolute() / "data").as_uri()
    kind = _TYPES.get(base.partition("://")[0], "local")
    return {
        "blockstore_type": kind,
        "blockstore_namespace_example": _EXAMPLES[kind],
        "blockstore_namespace_ValidityRegex": _URL,
        "default_namespace_prefix": base,
        "pre_sign_support": False,
        "pre_sign_support_ui": False,
        "import_support": True,
        "import_validity_regex": _IMPORT,
        "pre_sign_multipart_upload": False,
        "blockstore_id": "",
        "blockstore_description": "",
    }

"""Opens a lake by its URL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from lakegate.config import ClientSettings, client_settings
from lakegate.errors import ErrorKind, InvalidInput, NotOffered
from lakegate.interface import Lake


def connect(
    url: str | Path | None = None,
    *,
    access_key_id: str | None = None,
    secret_access_key: str | None = None,
    actor: str = "embedded",
    environment: Mapping[str, str] | None = None,
) -> Lake:
    """Opens a lake: in a folder (a path, or `file:///..`), or behind a server (`http://..`, `https://..`).

    What is not given is taken from `environment` where the caller hands one in (nothing else is read): LAKEGATE_URL,
    LAKEGATE_ACCESS_KEY_ID, LAKEGATE_SECRET_ACCESS_KEY, LAKEGATE_TIMEOUT_SECONDS, LAKEGATE_MAX_RETRIES. In a folder,
    `actor` is who acts; a server knows that by the access key.

    Raises NotFound(LAKE_NOT_FOUND), InvalidInput. A server is asked nothing yet: one that is not there is
    Unavailable(SERVER_UNAVAILABLE) at the first use.
    """
    text = str(url) if url is not None else (environment or {}).get("LAKEGATE_URL", "")
    if not text:
        raise InvalidInput(
            ErrorKind.INVALID_ARGUMENT,
            "No lake is named.",
            hint="Give a folder or a server's URL, or hand in an environment with LAKEGATE_URL.",
        )
    scheme = urlsplit(text).scheme.lower()
    if scheme in ("http", "https"):
        from lakegate.client.lake import HttpLake

        return HttpLake(text, _credentials(client_settings(environment or {}), access_key_id, secret_access_key))
    if scheme not in ("", "file"):
        raise InvalidInput(
            ErrorKind.INVALID_ARGUMENT,
            f"{text!r} names no lake.",
            hint="Give the lake's folder, file:///FOLDER, or the http:// or https:// URL of a server.",
        )
    return _embedded(Path(text.removeprefix("file://")), actor, environment)


def _embedded(folder: Path, actor: str, environment: Mapping[str, str] | None) -> Lake:
    """Opens the lake in a folder. What follows the scheme is taken as it is, never percent-decoded: so are all storage
    URLs of lakegate."""
    try:
        from lakegate.lake import EmbeddedLake

        return EmbeddedLake.open(folder, actor=actor, environment=environment)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("lakegate"):
            raise
        raise NotOffered(
            f"A lake in a folder needs {error.name}, which the plain install does not bring.",
            hint="pip install 'lakegate[server]', or give the URL of a server.",
        ) from error


def _credentials(settings: ClientSettings, access_key_id: str | None, secret: str | None) -> ClientSettings:
    """The settings with the key that was given; an id from one place never goes with a secret from another."""
    if access_key_id is not None or secret is not None:
        settings = replace(settings, access_key_id=access_key_id, secret_access_key=secret)
    if (settings.access_key_id is None) != (settings.secret_access_key is None):
        missing = "secret access key" if settings.secret_access_key is None else "access key id"
        raise InvalidInput(
            ErrorKind.INVALID_ARGUMENT,
            f"The credentials lack the {missing}.",
            hint="Give both: as arguments, or as LAKEGATE_ACCESS_KEY_ID and LAKEGATE_SECRET_ACCESS_KEY.",
        )
    return settings

"""The server itself: set-up, log-in, users, configuration."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from lakegate_api.rest.models.base import Answer, Ask, Pagination


class LoginConfig(Answer):
    RBAC: str = "none"
    login_url: str
    login_cookie_names: list[str]
    logout_url: str


class SetupState(Answer):
    state: str
    comm_prefs_missing: bool
    login_config: LoginConfig


class AccessKeyCredentials(Ask):
    access_key_id: str
    secret_access_key: str


class Setup(Ask):
    username: str
    key: AccessKeyCredentials | None = None


class LoginInformation(Ask):
    access_key_id: str
    secret_access_key: str


class AuthenticationToken(Answer):
    token: str
    token_expiration: int = Field(description="Seconds since the epoch, UTC.")


class User(Answer):
    id: str
    creation_date: int
    friendly_name: str | None = None
    email: str | None = None


class CurrentUser(Answer):
    user: User


class UserList(Answer):
    pagination: Pagination
    results: list[User]


class VersionConfig(Answer):
    version: str = Field(description="Of the API's core shapes: clients decide by it what they may send.")
    lakegate_version: str = Field(description="Of the lakegate that serves the lake.")
    version_context: str = "lakegate"
    latest_version: str | None = None
    upgrade_recommended: bool = False
    upgrade_url: str | None = None


class StorageConfig(Answer):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    blockstore_type: str
    blockstore_namespace_example: str
    blockstore_namespace_validity_regex: str = Field(alias="blockstore_namespace_ValidityRegex")
    default_namespace_prefix: str | None = None
    pre_sign_support: bool
    pre_sign_support_ui: bool
    import_support: bool
    import_validity_regex: str
    pre_sign_multipart_upload: bool
    blockstore_id: str = ""
    blockstore_description: str = ""


class UIConfig(Answer):
    custom_viewers: list[dict[str, Any]] = Field(default=[])


class Config(Answer):
    version_config: VersionConfig
    storage_config: StorageConfig
    ui_config: UIConfig
    capabilities_config: dict[str, Any] = Field(default={})

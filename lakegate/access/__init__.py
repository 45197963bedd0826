"""Who may do what: access keys, their secrets at rest, tokens, and the one place that decides."""

from lakegate.access.authenticator import Authenticator
from lakegate.access.bootstrap import ADMIN, admin_credentials, bootstrap_admin
from lakegate.access.credentials import Credentials, new_credentials
from lakegate.access.policy import Principal, authorize
from lakegate.access.secret_box import KEY_FILE, SecretBox

__all__ = [
    "ADMIN",
    "KEY_FILE",
    "Authenticator",
    "Credentials",
    "Principal",
    "SecretBox",
    "admin_credentials",
    "authorize",
    "bootstrap_admin",
    "new_credentials",
]

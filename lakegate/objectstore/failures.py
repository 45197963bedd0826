"""From what operating systems and store clients raise to lakegate's errors."""

from __future__ import annotations

import errno

from lakegate.errors import ErrorKind, InvalidInput, LakegateError, NotFound, Unavailable

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_DENIED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_NO_LINKS = frozenset({errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK})


def not_found(store_url: str, key: str) -> NotFound:
    """Makes the error for an object that is not there."""
    return NotFound(
        ErrorKind.OBJECT_NOT_FOUND,
        f"There is no object {key!r} in {store_url}.",
        hint="It was deleted or moved outside lakegate; restore it, or check the storage settings.",
        details={"store": store_url, "key": key},
    )


def invalid_key(key: str, why: str) -> InvalidInput:
    """Makes the error for a key that a store can't hold."""
    return InvalidInput(
        ErrorKind.INVALID_PATH, f"The storage key {key!r} {why}.", hint="Choose another name.", details={"key": key}
    )


def from_os_error(error: OSError, store_url: str, key: str, action: str) -> LakegateError:
    """Maps what a system call raised while it did `action` ("read", "write", "list", "delete")."""
    code = error.errno
    if action != "write" and code in (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG):
        return not_found(store_url, key)
    if code == errno.ENAMETOOLONG:
        return invalid_key(key, "has a name longer than the file system can hold")
    if code in (errno.ENOTDIR, errno.EISDIR):
        return invalid_key(key, "runs through a file, or names a folder; on a local store one name can't be both")
    details = {"store": store_url, "key": key, "errno": errno.errorcode.get(code or 0, str(code))}
    reason = error.strerror or str(error)
    if code in _FULL:
        return Unavailable(
            ErrorKind.STORE_FULL,
            f"The store {store_url} is full: it could not {action} {key!r} ({reason}).",
            hint="Nothing was changed. Free some space (or raise the quota or file size limit) and try again.",
            details=details,
        )
    if code in _NO_LINKS:
        return Unavailable(
            ErrorKind.STORE_UNAVAILABLE,
            f"The file system of {store_url} can't create hard links ({reason}), which atomic writes need.",
            hint="Put the storage namespace on a file system that has them (ext4, xfs, btrfs, zfs, apfs, NFS).",
            details=details,
        )
    if code in _DENIED:
        return Unavailable(
            ErrorKind.STORE_DENIED,
            f"The store {store_url} denied to {action} {key!r} ({reason}).",
            hint="Give the user that runs lakegate read and write permission on it.",
            details=details,
        )
    return Unavailable(
        ErrorKind.STORE_UNAVAILABLE,
        f"The store {store_url} failed to {action} {key!r} ({reason}).",
        hint="Check the disk or mount and try again.",
        details=details,
    )

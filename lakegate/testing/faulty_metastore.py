"""A metastore whose calls count, and fail, together with those of a faulty store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from lakegate.metastore.protocol import MetaStore
from lakegate.testing.faulty_store import Call, FaultyStore

DATABASE_WRITES = frozenset(
    f"db.{name}"
    for name in (
        *("create_repository", "delete_repository", "create_branch", "delete_branch", "move_branch", "seal"),
        *("stage", "unstage", "create_tag", "delete_tag", "add_commit", "create_upload", "put_part", "delete_upload"),
        *("sweep", "mark_journaled", "renumber_moves"),
        *("add_hold", "delete_hold", "create_job", "update_job", "cancel_job"),
    )
)
DATABASE_READS = frozenset(f"db.{name}" for name in vars(MetaStore) if not name.startswith("_")) - DATABASE_WRITES


def faulty_metastore(inner: MetaStore, store: FaultyStore) -> MetaStore:
    """Wraps a metastore: each call is recorded by `store` as `db.<method>`, and its fault may come up there."""
    return cast(MetaStore, _FaultyMetaStore(inner, store))


class _FaultyMetaStore:
    def __init__(self, inner: MetaStore, store: FaultyStore) -> None:
        self._inner = inner
        self._store = store

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._inner, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            return self._store.run(Call(f"db.{name}", ""), lambda: method(*args, **kwargs))

        return call

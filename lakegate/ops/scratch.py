"""Lets what a commit would do be worked out without a trace of it in the repository."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from lakegate.context import RepositoryContext


@contextmanager
def scratch(ctx: RepositoryContext) -> Generator[RepositoryContext, None, None]:
    """Hands out the context with nodes and manifests that are written to a folder that goes away afterwards."""
    with TemporaryDirectory(prefix="lakegate-") as folder:
        manifests = ctx.manifests.scratch(Path(folder))
        with closing(manifests.nodes):
            yield replace(ctx, manifests=manifests)

"""Re-hashes what a commit vouches for: commit, manifest, tree nodes, and on request the data."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from lakegate import refs, tree
from lakegate.context import RepositoryContext
from lakegate.errors import Corrupt, ErrorKind, LakegateError, NotFound, Unavailable
from lakegate.format.kinds import FILES, OBJECTS, TABLES, Kind
from lakegate.ids import CommitId, NodeId
from lakegate.model import Entry, Progress, VerifyOutcome, VerifyProblem
from lakegate.ops.objects import StoredReader

_REPORT_EVERY = 100
_MOST_LISTED = 1000


@dataclass(slots=True)
class _Findings:
    nodes: int = 0
    objects: int = 0
    hashed: int = 0
    hashed_bytes: int = 0
    unverifiable: int = 0
    problems: list[VerifyProblem] = field(default_factory=list)
    problem_count: int = 0

    def found(self, path: str, problem: str) -> None:
        self.problem_count += 1
        if len(self.problems) < _MOST_LISTED:
            self.problems.append(VerifyProblem(path, problem))


def verify(
    ctx: RepositoryContext, ref: str, deep: bool, tables: Sequence[str], progress: Progress | None
) -> VerifyOutcome:
    """Checks a ref's commit; see `lakegate.interface.Repository.verify`. What is wrong, or can't be read, is in the
    outcome, not raised.

    Nodes are re-read from the store and re-hashed, whatever a cache holds; each object must be there with its size
    (an imported one with its ETag too), and `deep` reads its bytes again. Memory does not grow with the repository.
    """
    commit = refs.resolve(ctx, ref).commit
    findings = _Findings()
    try:
        made = ctx.manifests.read_commit(commit, verify=True)
        manifest = ctx.manifests.read_manifest(made.manifest, verify=True)
    except Corrupt as error:
        findings.found("", error.message)
        return _outcome(commit, findings)
    objects = _nodes_are_sound(ctx, OBJECTS, manifest.objects_root, "", findings)
    if _nodes_are_sound(ctx, TABLES, manifest.tables_root, "", findings):
        wanted = {path.rstrip("/") for path in tables}
        for table in tree.iterate(ctx.manifests.nodes, TABLES, manifest.tables_root):
            if not wanted or table.path in wanted:
                _nodes_are_sound(ctx, FILES, table.state, table.path, findings)
    if objects:
        for entry in _entries(ctx, manifest.objects_root, ref, tables):
            try:
                _check(ctx, entry, deep, findings)
            except LakegateError as error:
                findings.found(entry.path, f"it can't be checked: {error.message}")
            findings.objects += 1
            if progress is not None and findings.objects % _REPORT_EVERY == 0:
                progress(findings.objects, None if tables else manifest.objects)
    return _outcome(commit, findings)


def as_result(outcome: VerifyOutcome) -> dict[str, Any]:
    """The outcome as a job's result."""
    return {**asdict(outcome), "ok": outcome.ok, "problems": [asdict(problem) for problem in outcome.problems]}


def _nodes_are_sound(ctx: RepositoryContext, kind: Kind[Any], root: NodeId, path: str, findings: _Findings) -> bool:
    """Re-hashes a tree's nodes. `path` is that of the table whose files they tell."""
    before = findings.problem_count
    pending = [root]
    while pending:
        node_id = pending.pop()
        findings.nodes += 1
        try:
            node = ctx.manifests.nodes.read(node_id, scan=True, verify=True)
        except (Corrupt, Unavailable) as error:
            findings.found(path, error.message)
            continue
        if node.kind != kind.name:
            findings.found(path, f"The node {node_id} is of kind {node.kind!r}, not {kind.name!r}.")
            continue
        if node.level:
            pending.extend(NodeId(child) for child in node.rows.batch.column(0).to_pylist())
    return findings.problem_count == before


def _entries(ctx: RepositoryContext, root: NodeId, ref: str, tables: Sequence[str]) -> Iterator[Entry]:
    if not tables:
        yield from tree.iterate(ctx.manifests.nodes, OBJECTS, root)
    for table in tables:
        found = False
        for entry in tree.iterate(ctx.manifests.nodes, OBJECTS, root, table.rstrip("/") + "/"):
            found = True
            yield entry
        if not found:
            raise NotFound(
                ErrorKind.TABLE_NOT_FOUND, f"There is nothing under {table!r} at {ref!r}.", hint="List what is there."
            )


def _check(ctx: RepositoryContext, entry: Entry, deep: bool, findings: _Findings) -> None:
    store, key = ctx.addresses.locate(entry.address)
    try:
        stored = store.head(key)
    except NotFound:
        findings.found(entry.path, f"its bytes are gone from {entry.address}")
        return
    if stored.size != entry.size:
        findings.found(entry.path, f"it has {stored.size} bytes, not {entry.size}")
        return
    if entry.digest is None:
        findings.unverifiable += 1
        if stored.etag and entry.etag and stored.etag != entry.etag:
            findings.found(entry.path, "the imported object was changed since")
        return
    if not deep:
        return
    digest = hashlib.sha256()
    for piece in StoredReader(ctx, entry).chunks():
        digest.update(piece)
    findings.hashed += 1
    findings.hashed_bytes += entry.size
    found = f"sha256:{digest.hexdigest()}"
    if found != entry.digest:
        findings.found(entry.path, f"its bytes hash to {found}, not {entry.digest}")


def _outcome(commit: CommitId, findings: _Findings) -> VerifyOutcome:
    return VerifyOutcome(
        commit=commit,
        nodes=findings.nodes,
        objects=findings.objects,
        objects_hashed=findings.hashed,
        bytes_hashed=findings.hashed_bytes,
        unverifiable=findings.unverifiable,
        problems=tuple(findings.problems),
        problem_count=findings.problem_count,
    )

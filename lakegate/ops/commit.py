"""Makes a commit of a branch's uncommitted changes, or of a tree that another use case built."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from lakegate import refs, staging, tree
from lakegate.context import RepositoryContext
from lakegate.errors import ErrorKind, InvalidInput, Refused
from lakegate.format.kinds import OBJECTS
from lakegate.ids import CommitId, NodeId, StagingToken
from lakegate.metastore.protocol import BranchState, branch_not_found
from lakegate.model import Commit, CommitRequest, Entry, Manifest
from lakegate.ops.object_changes import staged_changes
from lakegate.tables.touched import Touched

_TRIES = 20


@dataclass(frozen=True, slots=True)
class TreeCommit:
    """What goes into a commit beside its tree. `drop` are sealed tokens that it takes; `clean`: nothing else may be
    staged when the branch moves; `touched` tells what the tree changed, where that is known."""

    parents: tuple[CommitId, ...]
    message: str
    reason: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    created: int | None = None
    drop: tuple[StagingToken, ...] = ()
    clean: bool = False
    touched: Touched | None = None


def commit(ctx: RepositoryContext, branch: str, request: CommitRequest) -> Commit:
    """Commits all uncommitted changes of a branch: seals them, builds the tree, moves the branch.

    Whatever fails leaves them readable and to be committed later. Raises Refused(NOTHING_TO_COMMIT,
    TOO_MANY_UPDATES).
    """
    message = _checked_message(request.message)
    name = refs.get_branch(ctx, branch).name
    for _ in range(_TRIES):
        state = ctx.meta.seal(ctx.info.id, name)
        if state is None:
            raise branch_not_found(name)
        try:
            made = _commit_sealed(ctx, state, message, request)
        except (Refused, InvalidInput):
            if staging.still_whole(ctx, name, state.sealed):
                raise
            continue  # a rival took or threw away what was read by halves: there may be changes under other tokens
        if made is not None:
            return made
    raise too_many_updates(name)


def _commit_sealed(ctx: RepositoryContext, state: BranchState, message: str, request: CommitRequest) -> Commit | None:
    root = staging.objects_root(ctx, state.commit)
    touched = Touched(ctx.manifests.nodes, root)
    built = tree.apply(ctx.manifests.nodes, OBJECTS, root, staged_steps(ctx, state.commit, state.sealed, touched))
    if built == root and not request.allow_empty:
        raise Refused(
            ErrorKind.NOTHING_TO_COMMIT,
            f"The branch {state.name!r} has no uncommitted changes.",
            hint="Write something first, or ask for an empty commit (--allow-empty, over REST `allow_empty`).",
        )
    made_of = TreeCommit(
        (state.commit,), message, "commit", request.metadata, request.date, state.sealed, touched=touched
    )
    return commit_tree(ctx, state, built, made_of)


def commit_tree(ctx: RepositoryContext, expected: BranchState, root: NodeId, made_of: TreeCommit) -> Commit | None:
    """Finds the tables of a durable tree, writes manifest and commit, then moves the branch. None where the race was
    lost. Raises Refused for a table that can't be one (DELTA_LOG_INVALID, DELTA_PATH_FORBIDDEN, INVALID_TABLE)."""
    from lakegate.tables.detect import detect

    before = manifest_of(ctx, expected.commit)
    detected = detect(ctx, before, root, made_of.touched)
    manifest = ctx.manifests.write_manifest(root, detected.tables_root)
    generation = 1 + max(ctx.manifests.read_commit(parent).generation for parent in made_of.parents)
    made = ctx.manifests.write_commit(
        parents=made_of.parents,
        manifest=manifest.id,
        message=made_of.message,
        committer=ctx.actor,
        created=made_of.created if made_of.created is not None else ctx.clock(),
        metadata=made_of.metadata,
        generation=generation,
    )
    moved = refs.move(ctx, expected, made.id, drop=made_of.drop, clean=made_of.clean, reason=made_of.reason)
    return None if moved is None else replace(made, warnings=detected.warnings)


def manifest_of(ctx: RepositoryContext, commit: CommitId) -> Manifest:
    """Reads the manifest of a commit."""
    return ctx.manifests.read_manifest(ctx.manifests.read_commit(commit).manifest)


def too_many_updates(branch: str) -> Refused:
    """Makes the error for a branch that moved at every try."""
    return Refused(
        ErrorKind.TOO_MANY_UPDATES,
        f"The branch {branch!r} was moved by others {_TRIES} times in a row; it was left as they made it.",
        hint="Try again.",
    )


def staged_steps(
    ctx: RepositoryContext, commit: CommitId, tokens: Sequence[StagingToken], touched: Touched
) -> Iterator[tuple[str, Entry | None]]:
    """Yields what the staged rows of these tokens make of a commit's tree, and tells `touched` of each."""
    for change in staged_changes(ctx, commit, tokens):
        touched.see(change.path, was_there=change.left is not None, stays=change.right is not None)
        yield change.path, change.right


def _checked_message(message: str) -> str:
    if not message.strip():
        raise InvalidInput(ErrorKind.INVALID_ARGUMENT, "A commit needs a message.", hint="Say what changed, and why.")
    return message

"""What lakegate asks of its database. Knows no SQL.

Losing a race is a returned value (`None` or `False`), never an exception. Every method is one transaction: it happens
whole or not at all, and what it returned as done is durable. Thread-safe. Errors: Unavailable(DATABASE_UNAVAILABLE,
DATABASE_LOCKED), and those named at each method.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from lakegate.errors import ErrorKind, NotFound
from lakegate.ids import (
    BranchName,
    CommitId,
    HoldId,
    JobId,
    RepositoryId,
    RepositoryName,
    StagingToken,
    TagName,
    UploadId,
    WriteId,
)
from lakegate.model import Entry, Hold, Job, JobState, Part, RepositoryInfo, Tag, Upload


@dataclass(frozen=True, slots=True)
class BranchState:
    """A branch as the database holds it.

    staging   the token that new writes go to
    sealed    tokens of sealed staging areas that no commit has taken yet, newest first
    sequence  grows by one with every move of the ref: the journal's order
    """

    name: BranchName
    commit: CommitId
    staging: StagingToken
    sealed: tuple[StagingToken, ...]
    sequence: int

    @property
    def tokens(self) -> tuple[StagingToken, ...]:
        """All tokens that make up the uncommitted state, newest first."""
        return (self.staging, *self.sealed)


@dataclass(frozen=True, slots=True)
class StagedRow:
    """One staged path. `entry` None is a tombstone. `write_id` changes with every write to the path."""

    path: str
    entry: Entry | None
    write_id: WriteId
    token: StagingToken


class Expect(Enum):
    """What a staged write wants of the staged row of its path, where not one certain `write_id`."""

    ANYTHING = "anything"
    NOT_STAGED = "not staged in any of the branch's tokens"


@dataclass(frozen=True, slots=True)
class StagedChange:
    """One write: put (`entry`) or delete (None). `expect` is checked in the same transaction, over all tokens."""

    path: str
    entry: Entry | None
    expect: WriteId | Expect = Expect.ANYTHING


@dataclass(frozen=True, slots=True)
class RefMove:
    """One move of a branch or tag, as the ref log keeps it. `commit` None: the ref was deleted. `row` tells moves
    apart, also where their sequences change; 0 before the log has the move."""

    kind: str  # "branch" or "tag"
    name: str
    commit: CommitId | None
    sequence: int
    at: int
    actor: str
    reason: str
    row: int = 0


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """An access key. `secret` is encrypted; only `lakegate.access` can read it."""

    access_key_id: str
    user: str
    secret: bytes
    created: int


@dataclass(frozen=True, slots=True)
class UserRecord:
    name: str
    admin: bool
    created: int


class MetaStore(Protocol):
    # -- life --------------------------------------------------------------------------------------------------------

    def close(self) -> None: ...

    def lake_id(self) -> str:
        """The random id of this lake, made when the database was."""
        ...

    def check(self) -> None:
        """Answers where the database answers; raises Unavailable where not."""
        ...

    # -- repositories -------------------------------------------------------------------------------------------------

    def require_new_repository(self, info: RepositoryInfo) -> None:
        """Raises what `create_repository` would raise now, so that nothing is written for what is refused anyway."""
        ...

    def create_repository(self, info: RepositoryInfo, first_commit: CommitId, actor: str) -> BranchState:
        """Records a repository, its first commit, and its default branch at it.

        Raises AlreadyExists(REPOSITORY_EXISTS) for the name, AlreadyExists(NAMESPACE_IN_USE) where the storage
        namespace equals, holds or lies within that of another repository.
        """
        ...

    def get_repository(self, name: RepositoryName) -> RepositoryInfo:
        """Raises NotFound(REPOSITORY_NOT_FOUND)."""
        ...

    def list_repositories(self, prefix: str, after: str, limit: int) -> list[RepositoryInfo]: ...

    def delete_repository(self, name: RepositoryName, *, force: bool) -> None:
        """Removes every row of the repository. Raises NotFound(REPOSITORY_NOT_FOUND), and without `force`
        Refused(REPOSITORY_NOT_EMPTY) where there is more than branches at the first commit: another commit (reachable
        or not), a tag, a hold, an upload, or staged rows."""
        ...

    # -- branches -----------------------------------------------------------------------------------------------------

    def create_branch(self, repo: RepositoryId, name: BranchName, commit: CommitId, actor: str) -> BranchState:
        """Raises AlreadyExists(BRANCH_EXISTS), also where a tag has the name."""
        ...

    def get_branch(self, repo: RepositoryId, name: BranchName) -> BranchState | None: ...

    def list_branches(self, repo: RepositoryId, prefix: str, after: str, limit: int) -> list[BranchState]: ...

    def delete_branch(
        self, repo: RepositoryId, name: BranchName, actor: str, expected: BranchState | None = None
    ) -> BranchState | None:
        """Removes the branch and lets go of its staged rows, which the caller then sweeps. Returns it as it was, with
        the sequence of its deletion; None where there is none.

        With `expected`, as a seal answered it, also None where the branch has moved since, or holds other staged rows
        than the sealed ones.
        """
        ...

    def move_branch(
        self,
        repo: RepositoryId,
        expected: BranchState,
        commit: CommitId,
        *,
        drop: Sequence[StagingToken] = (),
        clean: bool = False,
        actor: str,
        reason: str,
    ) -> BranchState | None:
        """Points the branch at `commit`, where its commit still is `expected.commit`, and every token of `drop` is
        still one of its sealed tokens; lets go of those tokens with their rows, which the caller then sweeps; writes
        the ref log: in one transaction.

        With `clean` the race is also lost where any staged row would stay (checked under the exclusive lock): a merge
        must not slide a new commit under uncommitted writes that were decided on the old one.

        Returns the new state, None where the race was lost. Other staged rows (newer tokens) stay.
        """
        ...

    def sweep(self, tokens: Collection[StagingToken]) -> None:
        """Deletes what rows are left under tokens that were let go of, some at a time: all of these, and a few that
        others left. Nobody sees these rows, and where the database fails, a later sweep goes on."""
        ...

    def seal(self, repo: RepositoryId, name: BranchName) -> BranchState | None:
        """Gives the branch a fresh staging token under an exclusive lock; the old one becomes the newest sealed one.

        When it returns, no write to a sealed token can still come. Tokens without rows don't become, or stay, sealed;
        the rows of very many sealed tokens (of commits that were refused again and again) are put under one. None
        where the branch is gone.
        """
        ...

    # -- staging ------------------------------------------------------------------------------------------------------

    def stage(
        self,
        repo: RepositoryId,
        branch: BranchName,
        changes: Sequence[StagedChange],
        *,
        expected: BranchState | None = None,
        closes: UploadId | None = None,
    ) -> BranchState | None:
        """Writes all changes to the branch's current staging token, or none.

        `closes` also removes an open upload with its parts, so that of two that complete it one wins. Returns None
        (nothing written) where a change's `expect` does not hold, where `expected` is given and the branch's commit,
        staging token or sealed tokens differ, or where the upload is gone. Raises NotFound(BRANCH_NOT_FOUND).
        """
        ...

    def staged_row(self, repo: RepositoryId, branch: BranchName, path: str) -> tuple[BranchState, StagedRow | None]:
        """The branch and the newest staged row of a path, as of one instant. Raises NotFound(BRANCH_NOT_FOUND)."""
        ...

    def staged_rows(
        self, tokens: Sequence[StagingToken], prefix: str = "", after: str = "", limit: int = 1000
    ) -> list[StagedRow]:
        """Staged rows of these tokens (newest first wins per path), path > after, in the order of UTF-8 bytes."""
        ...

    def unstage(
        self, repo: RepositoryId, branch: BranchName, *, path: str | None = None, prefix: str | None = None
    ) -> int:
        """Removes staged rows of all the branch's tokens: one path, a prefix, or all where both are None.

        Takes the exclusive lock of `seal`. Each token that loses rows is replaced by a fresh one with the rest, or by
        none: a commit that reads them meanwhile loses the race, and a view of them is whole no longer.

        Returns how many paths were removed. Raises NotFound(BRANCH_NOT_FOUND).
        """
        ...

    # -- tags ---------------------------------------------------------------------------------------------------------

    def create_tag(self, repo: RepositoryId, name: TagName, commit: CommitId, actor: str) -> Tag:
        """Raises AlreadyExists(TAG_EXISTS), also where a branch has the name."""
        ...

    def get_tag(self, repo: RepositoryId, name: TagName) -> Tag | None: ...

    def list_tags(self, repo: RepositoryId, prefix: str, after: str, limit: int) -> list[Tag]: ...

    def delete_tag(self, repo: RepositoryId, name: TagName, actor: str) -> bool: ...

    # -- the commit index and the ref log -----------------------------------------------------------------------------

    def add_commit(self, repo: RepositoryId, commit: CommitId, created: int) -> None:
        """Indexes a commit (idempotent), so that prefixes of its id can be resolved."""
        ...

    def commits_by_prefix(self, repo: RepositoryId, prefix: str, limit: int) -> list[CommitId]: ...

    def ref_move_at(self, repo: RepositoryId, branch: BranchName, at: int) -> RefMove | None:
        """The newest move of the branch at or before `at` (ms)."""
        ...

    def ref_moves(self, repo: RepositoryId, name: str, limit: int) -> list[RefMove]:
        """The moves of a ref, newest first."""
        ...

    def unjournaled_moves(
        self, repo: RepositoryId, name: str | None, until: int, after: int, limit: int
    ) -> list[RefMove]:
        """The moves of a ref, or of all, that `mark_journaled` was not told of, oldest first: those of rows behind
        `after`, made at or before `until` (ms)."""
        ...

    def mark_journaled(self, repo: RepositoryId, move: RefMove) -> None:
        """Notes that the journal holds the record of a move. Changes nothing where the move was renumbered since."""
        ...

    def renumber_moves(self, repo: RepositoryId, move: RefMove, past: int) -> None:
        """Gives a move, and all later ones of its ref, sequences greater than `past`, in their order and as not
        journaled; the ref's next move goes on from there. Changes nothing where the move was renumbered since."""
        ...

    # -- multipart uploads --------------------------------------------------------------------------------------------

    def create_upload(self, repo: RepositoryId, upload: Upload) -> None: ...

    def get_upload(self, repo: RepositoryId, upload: UploadId) -> Upload | None: ...

    def list_uploads(self, repo: RepositoryId, branch: BranchName, prefix: str, after: str, limit: int) -> list[Upload]:
        """Open uploads by (path, id); `after` is `path + "\\n" + id`, or ""."""
        ...

    def put_part(self, repo: RepositoryId, upload: UploadId, part: Part) -> bool:
        """Records a part (a later one of the same number wins). False where the upload is gone."""
        ...

    def list_parts(self, repo: RepositoryId, upload: UploadId, after: int, limit: int) -> list[Part]: ...

    def delete_upload(self, repo: RepositoryId, upload: UploadId) -> bool:
        """Removes the upload and its parts. True for the one caller that removed it."""
        ...

    # -- holds --------------------------------------------------------------------------------------------------------

    def add_hold(self, repo: RepositoryId, hold: Hold) -> Hold:
        """Records a hold; where one with the same name and commit exists, returns that one."""
        ...

    def list_holds(self, repo: RepositoryId) -> list[Hold]: ...

    def delete_hold(self, repo: RepositoryId, hold: HoldId) -> bool: ...

    # -- jobs ---------------------------------------------------------------------------------------------------------

    def create_job(self, repo: RepositoryId, job: Job) -> None: ...

    def get_job(self, repo: RepositoryId, job: JobId) -> Job | None: ...

    def list_jobs(self, repo: RepositoryId, limit: int) -> list[Job]:
        """Newest first."""
        ...

    def update_job(
        self,
        repo: RepositoryId,
        job: JobId,
        *,
        done: int | None = None,
        total: int | None = None,
        state: JobState | None = None,
        result: Mapping[str, Any] | None = None,
        error: tuple[str, str, str] | None = None,
    ) -> bool:
        """Sets what is given (`error`: code, message with its hint, hint), and `updated`.

        Returns whether cancellation was asked for (False where the job ended)."""
        ...

    def cancel_job(self, repo: RepositoryId, job: JobId) -> bool:
        """Asks a running job to stop. False where it is not running."""
        ...

    # -- users and keys -----------------------------------------------------------------------------------------------

    def create_user(self, user: UserRecord) -> None:
        """Raises AlreadyExists(USER_EXISTS)."""
        ...

    def get_user(self, name: str) -> UserRecord | None: ...

    def put_key(self, key: KeyRecord) -> None:
        """Records an access key, or replaces the secret of the same id."""
        ...

    def get_key(self, access_key_id: str) -> KeyRecord | None: ...

    def list_keys(self, user: str) -> list[KeyRecord]: ...


def branch_not_found(name: str) -> NotFound:
    """Makes the error for a branch that is not there."""
    return NotFound(
        ErrorKind.BRANCH_NOT_FOUND, f"There is no branch {name!r}.", hint="`lakegate branch list` lists them."
    )

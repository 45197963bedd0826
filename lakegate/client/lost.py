"""What to do about a write whose reply was lost: by the route that it was sent to."""

from __future__ import annotations

from lakegate.errors import OutcomeUnknown

_BRANCH_LOG = "Look at the branch's log: where the new commit stands there, it was made; where not, try again."
_LOOK = {
    "commits": _BRANCH_LOG,
    "revert": _BRANCH_LOG,
    "cherry-pick": _BRANCH_LOG,
    "rollback": _BRANCH_LOG,
    "hard_reset": "Look at which commit the branch points at.",
    "objects": "Look at the object: where its ETag is that of the bytes sent, it was written.",
    "copy": "Look at the object that should be there now.",
    "user_metadata": "Look at the object's metadata; setting them again does no harm.",
    "import": "Look at the jobs: where there is no new one, the import was not started.",
    "repositories": "List the repositories.",
    "branches": "List the branches.",
    "tags": "List the tags.",
    "pin": "List the holds; taking the same hold again does no harm.",
}


def outcome_unknown(method: str, path: str, message: str) -> OutcomeUnknown:
    """The error for a write that may have happened."""
    segments = path.split("/")
    noun = segments[-1] if segments[-1] in _LOOK else ""
    if "merge" in segments[-2:]:
        look = _BRANCH_LOG
    elif method == "DELETE":
        look = "Look whether it is still there; deleting again does no harm."
    else:
        look = _LOOK.get(noun, "Look before you try again.")
    return OutcomeUnknown(
        f"{message} The change may have been made.", hint=look, details={"method": method, "path": path}
    )

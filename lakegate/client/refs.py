"""Branches, tags and history of a repository behind a server."""

from __future__ import annotations

from datetime import UTC, datetime

from lakegate.client import names
from lakegate.client.http import Sent
from lakegate.client.requests import Requests
from lakegate.client.wire import nouns
from lakegate.ids import CommitId, branch_name, tag_name
from lakegate.model import (
    Branch,
    Commit,
    LogRequest,
    Manifest,
    Page,
    Tag,
)


class RefRequests(Requests):
    """The methods of `lakegate.interface.Repository` for refs."""

    def branches(self, prefix: str = "", after: str = "", amount: int = 100) -> Page[Branch]:
        query = {"prefix": prefix, "after": after, "amount": amount}
        return self.page(("branches",), nouns.branch_from_json, query)

    def branch(self, name: str) -> Branch:
        return self.get(("branches", names.branch(name)), nouns.branch_from_json)

    def create_branch(self, name: str, source: str) -> Branch:
        checked = branch_name(name)
        sent = Sent(json={"name": checked, "source": source})
        return Branch(checked, CommitId(self.http.send("POST", self.path("branches"), sent).text))

    def delete_branch(self, name: str, force: bool = False) -> None:
        self.http.send("DELETE", self.path("branches", names.branch(name)), Sent({"require_clean": not force}))

    def tags(self, prefix: str = "", after: str = "", amount: int = 100) -> Page[Tag]:
        query = {"prefix": prefix, "after": after, "amount": amount}
        return self.page(("tags",), nouns.tag_from_json, query)

    def tag(self, name: str) -> Tag:
        return self.get(("tags", names.tag(name)), nouns.tag_from_json)

    def create_tag(self, name: str, ref: str) -> Tag:
        return self.post(("tags",), nouns.tag_from_json, {"id": tag_name(name), "ref": ref})

    def delete_tag(self, name: str) -> None:
        self.http.send("DELETE", self.path("tags", names.tag(name)))

    def commit_of(self, ref: str) -> Commit:
        return self.get(("commits", names.ref(ref)), nouns.commit_from_json)

    def manifest(self, ref: str) -> Manifest:
        return self.get(("refs", names.ref(ref), "manifest"), nouns.manifest_from_json)

    def log(self, ref: str, request: LogRequest = LogRequest()) -> Page[Commit]:
        query = {
            "after": request.after,
            "amount": request.amount,
            "objects": request.paths,
            "prefixes": request.prefixes,
            "first_parent": request.first_parent,
            "since": None if request.since is None else _time(request.since),
            "stop_at": request.stop_at,
        }
        return self.page(("refs", names.ref(ref), "commits"), nouns.commit_from_json, query)


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat()

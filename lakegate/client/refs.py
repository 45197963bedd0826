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
        body = self.get(("branches",), {"prefix": prefix, "after": after, "amount": amount})
        return nouns.page_from_json(body, nouns.branch_from_json)

    def branch(self, name: str) -> Branch:
        return nouns.branch_from_json(self.get(("branches", names.branch(name))))

    def create_branch(self, name: str, source: str) -> Branch:
        checked = branch_name(name)
        sent = Sent(json={"name": checked, "source": source})
        return Branch(checked, CommitId(self.http.send("POST", self.path("branches"), sent).text))

    def delete_branch(self, name: str) -> None:
        self.http.send("DELETE", self.path("branches", names.branch(name)))

    def tags(self, prefix: str = "", after: str = "", amount: int = 100) -> Page[Tag]:
        body = self.get(("tags",), {"prefix": prefix, "after": after, "amount": amount})
        return nouns.page_from_json(body, nouns.tag_from_json)

    def tag(self, name: str) -> Tag:
        return nouns.tag_from_json(self.get(("tags", names.tag(name))))

    def create_tag(self, name: str, ref: str) -> Tag:
        return nouns.tag_from_json(self.post(("tags",), {"id": tag_name(name), "ref": ref}))

    def delete_tag(self, name: str) -> None:
        self.http.send("DELETE", self.path("tags", names.tag(name)))

    def commit_of(self, ref: str) -> Commit:
        return nouns.commit_from_json(self.get(("commits", names.ref(ref))))

    def manifest(self, ref: str) -> Manifest:
        return nouns.manifest_from_json(self.get(("refs", names.ref(ref), "manifest")))

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
        return nouns.page_from_json(self.get(("refs", names.ref(ref), "commits"), query), nouns.commit_from_json)


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat()

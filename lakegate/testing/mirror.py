"""A folder that mirrors a table of a branch: clients that know only folders write to the branch by it, and read it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from lakegate.interface import Repository
from lakegate.model import Commit, CommitRequest, Entry, ListRequest
from lakegate.testing.table_files import put_folder


@dataclass(frozen=True, slots=True)
class Mirror:
    """`folder` stands for the table at `path` on `branch`; what is written to the one goes to the other when asked."""

    repo: Repository
    branch: str
    path: str
    folder: Path

    @property
    def url(self) -> str:
        return str(self.folder)

    def push(self) -> None:
        """Brings the folder's changes onto the branch, uncommitted, as a client's writes would have come."""
        put_folder(self.repo, self.branch, self.folder, self.path)

    def commit(self, message: str = "change") -> Commit:
        """Brings the folder's changes onto the branch and commits them."""
        self.push()
        return self.repo.commit(self.branch, CommitRequest(message))

    def pull(self, ref: str | None = None) -> Mirror:
        """Makes the folder hold what a ref (the branch, where not given) holds, with its modification times. Files that
        it holds already are left alone, as readers may have them open."""
        wanted = self._entries(ref or self.branch)
        present = {file.relative_to(self.folder).as_posix() for file in self.folder.rglob("*") if file.is_file()}
        for name in present - set(wanted):
            (self.folder / name).unlink()
        for name, entry in wanted.items():
            file = self.folder / name
            data = self.repo.open(ref or self.branch, entry.path).read()
            if name not in present or file.read_bytes() != data:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(data)
            os.utime(file, ns=(entry.mtime * 1_000_000, entry.mtime * 1_000_000))
        return self

    def _entries(self, ref: str) -> dict[str, Entry]:
        found: dict[str, Entry] = {}
        prefix, after = self.path + "/", ""
        while True:
            page = self.repo.list(ref, ListRequest(prefix, after, 1000))
            for item in page.items:
                if isinstance(item, Entry):
                    found[item.path[len(prefix) :]] = item
            if not page.has_more:
                return found
            after = page.next_after

"""Makes the repository of storage format version 1 that all later versions must read: `tests/compat/v1`.

    python tests/compat/make_v1.py FOLDER

Run once, when version 1 was made; the outcome is committed, and this script is kept to tell what is in it. All ids and
times are fixed, so that running it again gives the same names of files.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lakegate import tree
from lakegate.format.canonical import canonical_json
from lakegate.format.documents import RefRecord, encode_ref_record, ref_key
from lakegate.format.kinds import FILES, OBJECTS, TABLES
from lakegate.ids import BranchName, CommitId, NodeId, RepositoryId, RepositoryName
from lakegate.manifests import Manifests
from lakegate.model import Commit, Entry, FileEntry, Protocol, RepositoryInfo, TableFormat, TableVersion
from lakegate.objectstore.local import LocalStore
from lakegate.tables.digest import with_digest

START = 1_750_000_000_000
DAY = 86_400_000
SCHEMA = canonical_json(
    {"type": "struct", "fields": [{"name": "id", "type": "long", "nullable": True, "metadata": {}}]}
)


def imported() -> Iterator[Entry]:
    """Enough entries for a tree with an inner node, in few bytes."""
    for number in range(9_000):
        yield Entry(
            path=f"raw/2024/{number:05}.csv",
            address=f"s3://elsewhere/raw/{number:05}.csv",
            size=1_000,
            etag="0123456789abcdef0123456789abcdef-1",
            mtime=START,
            content_type="text/csv",
        )


def stored(store: LocalStore, path: str, body: bytes, **more: Any) -> Entry:
    """An object whose bytes lie in the repository."""
    digest = hashlib.sha256(body).hexdigest()
    address = f"data/{digest[:2]}/{digest[2:34]}"
    store.put_if_absent(address, body)
    etag = hashlib.md5(body).hexdigest()
    return Entry(path, address, len(body), etag, START, f"sha256:{digest}", **more)


def plain(store: LocalStore) -> list[Entry]:
    return [
        stored(store, "a", b"a"),
        stored(store, "a/b", b"", metadata={"who": "ann", "é": "日本"}),
        stored(store, "a-b", b"dash", headers={"cache-control": "no-store", "x-amz-checksum-crc32": "AAAAAA=="}),
        stored(store, "é/\ue000", b"private use", content_type="text/plain"),
        stored(store, "é/\U0001f600", b"emoji", content_type="text/plain"),
        stored(store, "folder/", b""),
    ]


def table(manifests: Manifests, path: str, version: int | None) -> TableVersion:
    files = [
        FileEntry(
            path=f"month={month:02}/part-{month}.parquet",
            size=100 * month,
            rows=None if version is None and month == 3 else month,
            partition={"month": f"{month:02}"} if month != 2 else {"month": None},
            deletion_vector=canonical_json({"storageType": "u", "cardinality": 1}) if month == 1 and version else None,
            action=canonical_json({"path": f"month={month:02}/part-{month}.parquet"}) if version is not None else None,
        )
        for month in range(1, 4)
    ]
    state = tree.build(manifests.nodes, FILES, files)
    delta = version is not None
    version_of = TableVersion(
        path=path,
        format=TableFormat.DELTA if delta else TableFormat.PARQUET,
        version=version,
        schema=SCHEMA,
        partition_columns=("month",),
        state=state,
        files=3,
        rows=6 if delta else None,
        bytes=600,
        digest="",
        timestamp=START + (version or 0),
        table_id="00000000-0000-4000-8000-000000000001" if delta else None,
        name="orders" if delta else None,
        properties={"delta.appendOnly": "true"} if delta else {},
        protocol=Protocol(3, 7, ("deletionVectors",), ("deletionVectors",)) if delta else None,
        metadata=canonical_json({"id": "00000000-0000-4000-8000-000000000001"}) if delta else None,
        txns={"app": 4} if delta else {},
        domains={"some.domain": "{}"} if delta else {},
    )
    return with_digest(version_of)


class Maker:
    def __init__(self, folder: Path) -> None:
        self.store = LocalStore(folder)
        self.manifests = Manifests(self.store)
        self.sequence = 0

    def commit(self, objects: NodeId, tables: NodeId, message: str, *parents: Commit) -> Commit:
        generation = 1 + max((parent.generation for parent in parents), default=0)
        return self.manifests.write_commit(
            parents=[parent.id for parent in parents],
            manifest=self.manifests.write_manifest(objects, tables).id,
            message=message,
            committer="ann",
            created=START + generation * DAY,
            metadata={"made": "by hand", "ключ": "значение"} if parents else {},
            generation=generation,
        )

    def move(self, kind: str, name: str, commit: CommitId | None, reason: str) -> None:
        self.sequence += 1
        record = RefRecord(kind, name, commit, self.sequence, START + self.sequence, "ann", reason)
        self.store.put_if_absent(ref_key(kind, name, self.sequence), encode_ref_record(record))


def make(folder: Path) -> dict[str, Any]:
    """Makes the repository below a folder, and returns what is to be found in it."""
    maker = Maker(folder)
    manifests, nodes = maker.manifests, maker.manifests.nodes
    manifests.write_format(
        RepositoryInfo(RepositoryId("0123456789abcdef" * 2), RepositoryName("old-one"), "", BranchName("main"), START)
    )
    nothing = tree.empty(nodes, OBJECTS), tree.empty(nodes, TABLES)
    first = maker.commit(*nothing, "Repository created")
    few = {entry.path: entry for entry in plain(maker.store)}
    objects = tree.apply(nodes, OBJECTS, nothing[0], sorted(few.items()))
    tables = tree.build(nodes, TABLES, [table(manifests, "tables/orders", 0)])
    second = maker.commit(objects, tables, "Objects and a table\n\nof all sorts: é 日本 \U0001f600", first)
    more = tree.apply(nodes, OBJECTS, objects, ((entry.path, entry) for entry in imported()))
    third = maker.commit(more, tables, "A large import", second)
    swap = [("a", None), ("é/z", stored(maker.store, "é/z", b"a"))]
    side = tree.apply(nodes, OBJECTS, objects, swap)
    both = tree.build(nodes, TABLES, [table(manifests, "tables/events", None), table(manifests, "tables/orders", 1)])
    aside = maker.commit(side, both, "On a branch", second)
    merged = tree.apply(nodes, OBJECTS, more, swap)
    last = maker.commit(merged, both, "Merge", third, aside)

    maker.move("branch", "main", first.id, "created")
    maker.move("branch", "main", second.id, "commit")
    maker.move("branch", "side", second.id, "created")
    maker.move("branch", "side", aside.id, "commit")
    maker.move("branch", "main", third.id, "commit")
    maker.move("branch", "main", last.id, "merge")
    maker.move("branch", "side", None, "deleted")
    maker.move("tag", "v1.0", third.id, "created")
    return {
        commit.message.split("\n")[0]: contents(manifests, commit) for commit in (first, second, third, aside, last)
    }


def contents(manifests: Manifests, commit: Commit) -> dict[str, Any]:
    """All that can be read at a commit; long listings as their SHA-256."""
    manifest = manifests.read_manifest(commit.manifest)
    nodes = manifests.nodes
    found = [dataclasses.asdict(entry) for entry in tree.iterate(nodes, OBJECTS, manifest.objects_root)]
    tables = [dataclasses.asdict(version) for version in tree.iterate(nodes, TABLES, manifest.tables_root)]
    for version in tables:
        version["live"] = [dataclasses.asdict(f) for f in tree.iterate(nodes, FILES, version["state"])]
    listing = "\n".join(canonical_json(entry) for entry in found)
    return {
        "commit": {name: value for name, value in dataclasses.asdict(commit).items() if name != "warnings"},
        "manifest": dataclasses.asdict(manifest),
        "levels": nodes.read(manifest.objects_root).level + 1,
        "objects": found if len(found) < 100 else hashlib.sha256(listing.encode()).hexdigest(),
        "tables": tables,
    }


def main() -> None:
    folder = Path(sys.argv[1]).resolve()
    expected = make(folder / "namespace")
    text = json.dumps(expected, indent=1, sort_keys=True, ensure_ascii=False)
    (folder / "expected.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

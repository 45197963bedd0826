"""Times merges of a large Delta table that both sides appended to, and commits in lakes of few and of many tables.

    python tests/bench/bench_merge.py [--quick] [--files 1000000] [--tables 2000] [--folder DIR]

Each step runs in a process of its own, on a lake in a local folder with durable writes. The table is a checkpoint that
the benchmark writes, with data files that are never read; the tables of the lakes are one log commit each. Their
objects are put into the tree at once; the versions that are merged come as a client's do, one by one.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import io
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from measure import Measured, in_process, measured, table

from lakegate import tree
from lakegate.format.kinds import OBJECTS
from lakegate.ids import BranchName
from lakegate.lake import EmbeddedLake
from lakegate.log_paths import commit_path
from lakegate.model import CommitRequest, Entry, TableOutcome
from lakegate.ops.commit import TreeCommit, commit_tree
from lakegate.ops.objects import store_bytes
from lakegate.repository import EmbeddedRepository
from lakegate.testing.delta import Line, add, log_body, metadata, protocol

HEAD = 100
VERSIONS = 10
FEW = 20
RUNS = 3
COMMITS = 9
INFO: Line = {"commitInfo": {"operation": "WRITE", "operationParameters": {"mode": "Append"}}}


def open_repository(folder: Path) -> EmbeddedRepository:
    return EmbeddedLake.create(folder).repository("bench")


def commit_entries(repo: EmbeddedRepository, entries: Iterable[Entry]) -> None:
    """Commits a tree that is made of these entries, sorted, alone."""
    ctx = repo.ctx
    state = ctx.meta.seal(ctx.info.id, BranchName("main"))
    assert state is not None
    root = tree.build(ctx.manifests.nodes, OBJECTS, iter(sorted(entries, key=lambda entry: entry.path)))
    assert commit_tree(ctx, state, root, TreeCommit((state.commit,), "all", "commit")) is not None


# -- a large table ----------------------------------------------------------------------------------------------------


def file_of(number: int) -> str:
    return f"part-{number:07}-{number * 2654435761 % 2**32:08x}.parquet"


def checkpoint(files: int) -> bytes:
    """A classic checkpoint with that many live files (Delta protocol, Checkpoints)."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    text = pa.string()
    texts = pa.map_(text, text)
    no_texts = pa.MapArray.from_arrays(pa.array([0] * (files + 1), pa.int32()), pa.array([], text), pa.array([], text))
    adds: dict[str, pa.Array] = {
        "path": pa.array([file_of(number) for number in range(files)]),
        "partitionValues": no_texts.cast(texts),
        "size": pa.array([100_000] * files),
        "modificationTime": pa.array([1_700_000_000_000] * files),
        "dataChange": pa.array([False] * files),
        "stats": pa.array(['{"numRecords":1000}'] * files),
    }
    live = pa.StructArray.from_arrays(list(adds.values()), list(adds))
    definition = {
        "id": text,
        "format": pa.struct({"provider": text, "options": texts}),
        "schemaString": text,
        "partitionColumns": pa.list_(text),
        "configuration": texts,
    }
    numbers = pa.struct({"minReaderVersion": pa.int32(), "minWriterVersion": pa.int32()})
    told = {"format": {"provider": "parquet", "options": []}, "configuration": []}
    columns: dict[str, tuple[pa.Array, pa.Array]] = {
        "protocol": (pa.array([protocol()["protocol"], None], numbers), pa.nulls(files, numbers)),
        "metaData": (
            pa.array([None, metadata()["metaData"] | told], pa.struct(definition)),
            pa.nulls(files, pa.struct(definition)),
        ),
        "add": (pa.nulls(2, live.type), live),
    }
    out = io.BytesIO()
    pq.write_table(pa.table({name: pa.chunked_array(list(parts)) for name, parts in columns.items()}), out)
    return out.getvalue()


def make_table(folder: Path, files: int) -> None:
    """Makes the table on `main`, and branches `exp` and `main-N` that each append to it."""
    lake = EmbeddedLake.create(folder)
    lake.create_repository("bench")
    repo = lake.repository("bench")
    # As a client leaves its log after a clean-up: a checkpoint and the commit of its version.
    last = commit_path("t", HEAD)
    log = [
        store_bytes(repo.ctx, last, log_body(INFO, add(file_of(files - 1), size=100_000))),
        store_bytes(repo.ctx, last.replace(".json", ".checkpoint.parquet"), checkpoint(files)),
    ]
    data = (
        Entry(f"t/{name}", f"data/00/{number:032x}", 100_000, f"{number:032x}", 1_700_000_000_000)
        for number, name in enumerate(map(file_of, range(files)))
    )
    commit_entries(repo, [*log, *data])
    for branch in ("exp", *(f"main-{number}" for number in range(RUNS))):
        repo.create_branch(branch, "main")
        for version in range(HEAD + 1, HEAD + VERSIONS + 1):
            digest = hashlib.sha256(f"{branch} {version}".encode()).hexdigest()
            repo.put(branch, f"t/part-{digest[:20]}.parquet", b"0123456789")
            repo.put(branch, commit_path("t", version), log_body(INFO, add(f"part-{digest[:20]}.parquet")))
        repo.commit(branch, CommitRequest("appends"))


def merge(folder: Path, number: int) -> Measured:
    importlib.import_module("lakegate.ops.merge")
    repo = open_repository(folder)
    found = []
    result = measured([lambda: found.append(repo.merge("exp", f"main-{number}"))])
    (report,) = found[0].tables
    if (report.outcome, report.to_version) != (TableOutcome.REPLAYED, HEAD + 2 * VERSIONS):
        raise AssertionError(report)
    return result


# -- many tables ------------------------------------------------------------------------------------------------------


def make_tables(folder: Path, count: int) -> None:
    lake = EmbeddedLake.create(folder)
    lake.create_repository("bench")
    repo = lake.repository("bench")
    log = store_bytes(repo.ctx, "", log_body(INFO, protocol(), metadata(), add("a")))
    data = store_bytes(repo.ctx, "", b"0123456789")
    entries = [
        replace(entry, path=path)
        for number in range(count)
        for entry, path in ((log, commit_path(f"t{number:05}", 0)), (data, f"t{number:05}/a"))
    ]
    commit_entries(repo, entries)


def commit_one(folder: Path, count: int) -> Measured:
    """Commits a new version of one table, another one each time. The first, which pays for imports, is not counted."""
    repo = open_repository(folder)
    tables = [f"t{number * count // (COMMITS + 1):05}" for number in range(COMMITS + 1)]
    found: list[Measured] = []
    for path in tables:
        repo.put("main", f"{path}/b", b"0123456789")
        repo.put("main", commit_path(path, 1), log_body(INFO, add("b")))
        found.append(measured([lambda: repo.commit("main", CommitRequest("one table"))]))
    if [repo.table("main", path).version for path in tables] != [1] * len(tables):
        raise AssertionError(tables)
    return replace(found[-1], seconds=tuple(result.median for result in found[1:]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="20,000 files and 200 tables, to see that it runs")
    parser.add_argument("--files", type=int, default=None)
    parser.add_argument("--tables", type=int, default=None)
    parser.add_argument("--folder", type=Path, default=None)
    given = parser.parse_args()
    files = given.files or (20_000 if given.quick else 1_000_000)
    tables = given.tables or (200 if given.quick else 2000)
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        in_process(make_table, folder / "one", files)
        merges = [in_process(merge, folder / "one", number) for number in range(RUNS)]
        for count in (FEW, tables):
            in_process(make_tables, folder / str(count), count)
        few, many = (in_process(commit_one, folder / str(count), count) for count in (FEW, tables))
    whole = Measured(tuple(m.median for m in merges), merges[0].before_mb, max(m.peak_mb for m in merges))
    ratio = many.median / few.median
    rows = [
        [
            f"merge of {VERSIONS} and {VERSIONS} appends to a table of {files:,} files",
            f"{whole.median:.2f} s",
            "",
            f"{whole.before_mb:.0f}",
            f"{whole.peak_mb:.0f}",
            "< 3 s, < 500 MB",
            "yes" if whole.median < 3 and whole.peak_mb < 500 else "**no**",
        ],
        [
            f"commit that changes one table of {tables:,} (of {FEW}: {few.median * 1000:.0f} ms)",
            f"{many.median * 1000:.0f} ms",
            f"{ratio:.2f}",
            f"{many.before_mb:.0f}",
            f"{many.peak_mb:.0f}",
            "ratio < 1.5",
            "yes" if ratio < 1.5 else "**no**",
        ],
    ]
    print(table(("", "time", "ratio", "before MB", "peak MB", "goal", "met"), rows))


if __name__ == "__main__":
    main()
